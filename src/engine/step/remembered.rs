//! From what is remembered of a resource to what its adapter and the ledger are told. No I/O.

use std::time::Duration;

use jiff::Timestamp;
use mooring_provider::{Capability, Claim};

use super::{Job, Want};
use crate::{
    engine::Connection,
    ledger::{Memory, Record, Standing},
};

pub(super) fn record(connection: &Connection, job: &Job, memory: &Memory, known: Option<&Record>) -> Record {
    Record {
        owner: job.owner.clone(),
        kind: job.kind,
        provider: connection.name.clone(),
        environment: job.environment.clone(),
        name: known.map_or_else(
            || mooring_provider::external_name(&job.owner),
            |known| known.name.clone(),
        ),
        // What is only joined is not ours to delete, whatever becomes of this process.
        existing: job.existing.is_some() || job.want.is_joined(),
        standing: match &job.want {
            Want::Absent { .. } => Standing::Deleting,
            Want::Present { .. } | Want::Joined { .. } => Standing::Live,
            // Until it is out of use it stands as it stood: cut short, it is to be parked still, and not deleted.
            Want::Left | Want::Parked { .. } | Want::Retained { .. } => {
                known.map_or(Standing::Live, |known| known.standing)
            }
        },
        reason: None,
        keep_until: match &job.want {
            // What is deleted because its time is over says so until it is gone.
            Want::Absent { .. } => known.and_then(|known| known.keep_until),
            _ => None,
        },
        endpoint: known.and_then(|known| known.endpoint.clone()),
        sightings: known.map_or(0, |known| known.sightings),
        memory: memory.clone(),
    }
}

/// What is known of it, from what the front and the ledger remember. Either may have been lost or be older.
pub(super) fn merge(front: &Memory, ledger: &Memory) -> Memory {
    let (newer, older) = if ledger.incarnation > front.incarnation {
        (ledger, front)
    } else {
        (front, ledger)
    };
    // What was taken in from an inventory counts as a later incarnation, and may be the same thing.
    let same = newer.external_id.is_some() && newer.external_id == older.external_id;
    if newer.incarnation != older.incarnation && !same {
        return newer.clone();
    }
    let intent = match (&front.intent, &ledger.intent) {
        (Some(a), Some(b)) => Some(if a.since >= b.since { a.clone() } else { b.clone() }),
        (a, b) => a.clone().or_else(|| b.clone()),
    };
    Memory {
        incarnation: newer.incarnation,
        external_id: front.external_id.clone().or_else(|| ledger.external_id.clone()),
        intent,
        was_ready: front.was_ready || ledger.was_ready,
        // The ledger is told first, and counts the sightings of others.
        missing_since: ledger.missing_since,
        applied: front.applied.clone().or_else(|| ledger.applied.clone()),
    }
}

pub(super) fn claim(
    job: &Job,
    name: &str,
    memory: &Memory,
    capability: &Capability,
    spec_hash: &str,
    now: Timestamp,
) -> Claim {
    let within = |since: Timestamp, span: Duration| now.duration_since(since).unsigned_abs() < span || now < since;
    let mut claim = Claim::new(job.owner.clone());
    name.clone_into(&mut claim.name);
    claim.incarnation = memory.incarnation;
    claim.id = job.existing.clone().or_else(|| memory.external_id.clone());
    claim.existing = job.existing.is_some();
    claim.may_adopt = job.may_adopt;
    if job.want.is_joined() {
        // Whoever makes it may make another one, so it is found by its owner tag.
        claim.id = None;
    }
    match &memory.intent {
        Some(intent) if within(intent.since, capability.grace()) => {
            claim.settling = true;
            claim.incarnation = intent.incarnation;
            claim.resend = memory.external_id.is_none() && intent.spec_hash == spec_hash;
        }
        // The token was used for another spec; a provider that remembers it would refuse.
        Some(intent) if memory.external_id.is_none() && intent.spec_hash != spec_hash => {
            claim.incarnation = intent.incarnation + 1;
        }
        // Something of ours that is missed was there, or was answered for, so its absence is believed only when it lasts;
        // a list that lags once must not let go of what lives.
        _ if memory.external_id.is_some() && !claim.existing => {
            claim.settling = memory
                .missing_since
                .is_none_or(|since| within(since, capability.appears_within));
        }
        _ => {}
    }
    claim
}
