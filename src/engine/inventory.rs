//! What stands at the providers, and whose it is.

use std::collections::HashSet;

use mooring_provider::{ClusterId, DynAdapter, ExternalId, Identity, Key, Kind, Phase, Result};
use serde::Serialize;

use super::{Connection, Engine, Priority, is_shared, unwritten};
use crate::ledger::Standing;

/// One external resource of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The ProviderConfig it is at.
    pub provider: String,
    /// Its kind.
    pub kind: Kind,
    /// What the provider calls it.
    pub external_id: ExternalId,
    /// `namespace/application/component/name` of its declaration.
    pub owner: String,
    /// Where it stands with us.
    pub state: Held,
    /// Its identity.
    #[serde(skip)]
    pub identity: Identity,
    /// Its key.
    #[serde(skip)]
    pub key: Key,
}

/// Where an external resource stands with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// A living declaration owns it.
    Owned,
    /// It was left on purpose; the ledger says why.
    Retained,
    /// It is out of use until its time.
    Parked,
    /// It carries our tag and nothing declares it.
    Orphan,
}

impl Held {
    /// As shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owned => "owned",
            Self::Retained => "retained",
            Self::Parked => "parked",
            Self::Orphan => "orphan",
        }
    }
}

impl Engine {
    /// Everything of ours at one account. `declared` are the identities of living declarations, where the front knows
    /// them better than the ledger.
    /// `kinds` are those to look for, and `shared` the owners of what this cluster shares as its home.
    pub async fn inventory(
        &self,
        connection: &Connection,
        kinds: &[Kind],
        shared: &[ClusterId],
        declared: Option<&HashSet<Identity>>,
    ) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for kind in connection.kinds().filter(|kind| kinds.contains(kind)) {
            let adapter = connection.adapter(kind, Priority::Drift)?;
            let mut found = adapter.inventory(&self.cluster).await?;
            for owner in shared.iter().filter(|_| is_shared(kind)) {
                found.extend(adapter.inventory(owner).await?);
            }
            for owned in found {
                let known = self.ledger.get(&owned.owner.identity).await.map_err(unwritten)?;
                // What was only found in an inventory, and never stepped since, has no environment.
                let live = |standing| matches!(standing, Standing::Live | Standing::Deleting);
                let declared = match (declared, &known) {
                    (Some(declared), _) => declared.contains(&owned.owner.identity),
                    (None, Some(known)) => live(known.standing) && !known.environment.is_empty(),
                    (None, None) => false,
                };
                let state = match known.map(|known| known.standing) {
                    _ if declared => Held::Owned,
                    Some(Standing::Parked) => Held::Parked,
                    Some(Standing::Retained | Standing::Abandoned) => Held::Retained,
                    _ if matches!(owned.phase, Phase::Parked(_)) => Held::Parked,
                    _ => Held::Orphan,
                };
                entries.push(Entry {
                    provider: connection.name.clone(),
                    kind,
                    external_id: owned.id,
                    owner: owned.owner.key.to_string(),
                    state,
                    identity: owned.owner.identity,
                    key: owned.owner.key,
                });
            }
        }
        entries.sort_by(|a, b| (&a.owner, a.kind).cmp(&(&b.owner, b.kind)));
        Ok(entries)
    }
}
