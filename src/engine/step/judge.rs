//! From what converge did and saw to what is remembered and told. No I/O.

use std::time::Duration;

use jiff::Timestamp;
use mooring_provider::{Capability, Change, Outcome, Phase, Seen, Step, reason};
use serde_json::Value as Json;

use super::{
    Job,
    report::{Done, Next, Report, State, blocked, done, plain, state},
};
use crate::ledger::{Memory, Record, Standing};

/// How soon, at the latest, it is looked whether a step that was taken has had its effect.
const AFTER_A_STEP: Duration = Duration::from_secs(2);
/// That look comes so much sooner than the next one at what is under way.
const SOONER: u32 = 8;

/// An identity that the ledger knows under another key, or for another holder, is not taken by copying it.
pub(super) fn held_by_another(job: &Job, known: &Record, memory: &Memory) -> Option<Report> {
    let same = known.owner == job.owner || job.may_adopt || known.standing == Standing::Gone;
    (!same).then(|| {
        let message = format!(
            "the identity {} is held by {} of cluster {}; release it there, or let an SRE approve the move by \
             `mooring approve move {}`",
            known.owner.identity, known.owner.key, known.owner.cluster, job.owner.key
        );
        blocked(
            memory.clone(),
            reason::OWNED_ELSEWHERE,
            &message,
            Duration::from_secs(60),
        )
    })
}

/// What is joined was made anew by whoever makes it: nothing that we told of the one before holds for it.
pub(super) fn made_anew(memory: &mut Memory, outcome: &mut Outcome) {
    let (Some(seen), Some(known)) = (&outcome.seen, &memory.external_id) else {
        return;
    };
    if seen.id == *known {
        return;
    }
    *memory = Memory {
        incarnation: memory.incarnation + 1,
        ..Memory::default()
    };
    if !matches!(outcome.step, Step::Blocked { .. } | Step::Released) {
        outcome.step = Step::Wait {
            reason: reason::UPDATING,
            message: "its home cluster made it anew; our accounts are set on it".to_owned(),
        };
    }
}

/// Brings the memory up to date with the outcome and says what it comes to.
pub(super) fn judge(
    memory: &mut Memory,
    outcome: &Outcome,
    spec: Option<&Json>,
    now: Timestamp,
    capability: &Capability,
    poll: Duration,
) -> Report {
    if let Some(seen) = &outcome.seen
        && !matches!(
            outcome.step,
            Step::Blocked {
                reason: reason::OWNED_ELSEWHERE,
                ..
            }
        )
    {
        memory.external_id = Some(seen.id.clone());
        memory.intent = None;
        memory.missing_since = None;
    }
    let soon = Next::After(capability.poll_busy);
    let waiting = |memory: &Memory, reason, message: &str| {
        let told = state(false, reason, message);
        plain(memory.clone(), Some(told.clone()), told, soon)
    };
    // Most steps are small and take effect at once, and the next one waits for that; a long one is seen to be long.
    let at_once = Next::After((capability.poll_busy / SOONER).min(AFTER_A_STEP));
    let stepped = |memory: &Memory, reason, message: &str| Report {
        next: at_once,
        ..waiting(memory, reason, message)
    };
    match &outcome.step {
        Step::Created { id, .. } => {
            memory.external_id = Some(id.clone());
            waiting(
                memory,
                reason::PROVISIONING,
                "the provider took the create and is making it",
            )
        }
        Step::Updated { fields, .. } => {
            let message = format!("changing {}", fields.join(", "));
            let ready = memory.was_ready.then(|| state(true, reason::UPDATING, message.clone()));
            let told = state(false, reason::UPDATING, message);
            Report {
                ready: ready.or_else(|| Some(told.clone())),
                changing: fields.clone(),
                ..with_seen(outcome, plain(memory.clone(), None, told, at_once))
            }
        }
        Step::AccountEnsured { name, .. } | Step::AccountDropped { name, .. } => {
            stepped(memory, reason::UPDATING, &format!("the account {name} is being set"))
        }
        Step::Unparked { .. } => stepped(
            memory,
            reason::UPDATING,
            "it is being taken back into use, with its data",
        ),
        Step::Adopted { .. } => stepped(memory, reason::UPDATING, "it moves here, as approved"),
        Step::Deleting { .. } => stepped(memory, reason::DELETING, "the provider was told to delete it"),
        Step::Parking { .. } => stepped(memory, reason::DELETING, "it is being taken out of use, its data kept"),
        Step::Wait { reason, message } => {
            if *reason == reason::SETTLING && memory.external_id.is_some() && memory.missing_since.is_none() {
                memory.missing_since = Some(now);
            }
            let report = waiting(memory, reason, message);
            match (&outcome.seen, spec) {
                // A running database that is being resized can still be used.
                (Some(seen), Some(_)) if memory.was_ready && matches!(seen.phase, Phase::Busy(_)) => with_seen(
                    outcome,
                    Report {
                        ready: Some(state(true, reason::UPDATING, message.clone())),
                        ..report
                    },
                ),
                _ => report,
            }
        }
        Step::Blocked { reason, message } => {
            let again = if *reason == reason::LOST {
                poll
            } else {
                poll.min(Duration::from_secs(60))
            };
            blocked(memory.clone(), reason, message, again)
        }
        Step::Ready => ready(memory, outcome, spec, poll),
        Step::Parked => done(memory.clone(), Done::Parked, "it is out of use and its data is kept"),
        Step::Gone => {
            *memory = Memory {
                incarnation: memory.incarnation + 1,
                ..Memory::default()
            };
            done(memory.clone(), Done::Gone, "the provider has it no more")
        }
        Step::Released => done(
            memory.clone(),
            Done::Released,
            "it was there before and is left as it is",
        ),
    }
}

fn ready(memory: &mut Memory, outcome: &Outcome, spec: Option<&Json>, poll: Duration) -> Report {
    memory.was_ready = true;
    memory.applied = spec.cloned();
    let told = state(true, reason::READY, "");
    let synced = outcome
        .seen
        .as_ref()
        .map_or_else(|| state(true, reason::IN_SYNC, ""), in_sync);
    with_seen(outcome, plain(memory.clone(), Some(told), synced, Next::After(poll)))
}

fn with_seen(outcome: &Outcome, report: Report) -> Report {
    let Some(seen) = &outcome.seen else { return report };
    let plain = |key: &str| seen.bindings.get(key).and_then(|value| value.plain());
    let endpoint = match (plain("host"), plain("port")) {
        (Some(host), Some(port)) => Some(format!("{host}:{port}")),
        (Some(host), None) => Some(host.to_owned()),
        _ => ["endpoint", "network-id"]
            .into_iter()
            .find_map(plain)
            .map(str::to_owned),
    };
    Report {
        bindings: seen.bindings.clone(),
        endpoint,
        drift: seen.drift.0.clone(),
        ..report
    }
}

/// What still differs is told, the worst first: it is left so on purpose.
fn in_sync(seen: &Seen) -> State {
    let told = |change: Change| {
        let fields: Vec<_> = seen
            .drift
            .0
            .iter()
            .filter(|difference| difference.change == change)
            .collect();
        let list = fields
            .iter()
            .map(|d| format!("{} is {}, declared {}", d.field, d.observed, d.desired))
            .collect::<Vec<_>>()
            .join("; ");
        (!fields.is_empty()).then_some(list)
    };
    if let Some(list) = told(Change::Immutable) {
        let message = format!("{list}: this cannot be changed in place; `mooring plan` tells what a replacement takes");
        return state(false, reason::IMMUTABLE, message);
    }
    if let Some(list) = told(Change::CannotShrink) {
        return state(
            false,
            "CannotShrink",
            format!("{list}: storage grows and never shrinks; declare at least what there is"),
        );
    }
    if let Some(list) = told(Change::OnChange) {
        let message =
            format!("{list}: changed at the provider and left so; declare what is to be, or change it back there");
        return state(false, reason::DRIFTED, message);
    }
    state(true, reason::IN_SYNC, "")
}

/// The audit's name for a step that had an effect, and the request.
pub(super) fn action(step: &Step) -> Option<(&'static str, Option<String>)> {
    let (action, request_id) = match step {
        Step::Created { request_id, .. } => ("create", request_id),
        Step::Updated { request_id, .. } => ("update", request_id),
        Step::AccountEnsured { request_id, .. } => ("account", request_id),
        Step::AccountDropped { request_id, .. } => ("revoke", request_id),
        Step::Deleting { request_id, .. } => ("deleting", request_id),
        Step::Parking { request_id } => ("park", request_id),
        Step::Unparked { request_id } => ("unpark", request_id),
        Step::Adopted { request_id } => ("adopt", request_id),
        Step::Gone => return Some(("gone", None)),
        Step::Wait { .. } | Step::Blocked { .. } | Step::Ready | Step::Parked | Step::Released => return None,
    };
    Some((action, request_id.clone()))
}

/// What the audit says beside.
pub(super) fn detail(step: &Step) -> String {
    match step {
        Step::Updated { fields, .. } => fields.join(", "),
        Step::AccountEnsured { name, .. } | Step::AccountDropped { name, .. } => name.clone(),
        _ => String::new(),
    }
}
