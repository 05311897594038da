//! What is written on a server about a database of ours: whose it is, and what was promised.

use std::collections::BTreeMap;

use mooring_provider::{Bytes, ClusterId, Identity, Key, Owner, Result, spec::Rds};
use serde::{Deserialize, Serialize};

use super::error::unexpected;

/// The ownership record of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    // The first field: `IS_RECORD` looks for it.
    #[serde(rename = "mooring.dev/identity")]
    identity: Identity,
    #[serde(rename = "mooring.dev/cluster")]
    cluster: ClusterId,
    #[serde(rename = "mooring.dev/key")]
    key: String,
    #[serde(rename = "mooring.dev/parked-until", skip_serializing_if = "Option::is_none")]
    pub(crate) parked_until: Option<String>,
    pub(crate) stage: Stage,
    /// How many connections it admits.
    pub(crate) connections: u32,
    /// What it counts for in the capacity of its server.
    pub(crate) storage: Bytes,
    /// The tags beside the owner's.
    pub(crate) tags: BTreeMap<String, String>,
}

/// How far a database has come. What is absent is told from what was not made yet, or is being removed, by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// The name is claimed; the database may be there, half made or not yet.
    Making,
    /// It was made.
    Made,
    /// Its removal was begun.
    Deleting,
}

/// How every record begins.
pub(crate) const IS_RECORD: &str = "{\"mooring.dev/identity\":";

impl Record {
    pub(crate) fn new(owner: &Owner, connections: u32, storage: Bytes, tags: BTreeMap<String, String>) -> Self {
        Self {
            identity: owner.identity.clone(),
            cluster: owner.cluster.clone(),
            key: owner.key.to_string(),
            parked_until: None,
            stage: Stage::Making,
            connections,
            storage,
            tags,
        }
    }

    pub(crate) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            let message = format!("an ownership record cannot be read: {error}");
            unexpected("rds.observe", message)
        })
    }

    pub(crate) fn write(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| unexpected("rds.record", error.to_string()))
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn owner(&self) -> Option<Owner> {
        Some(Owner {
            identity: self.identity.clone(),
            cluster: self.cluster.clone(),
            key: self.key.parse::<Key>().ok()?,
        })
    }

    /// The same under another owner.
    pub(crate) fn moved(&self, owner: &Owner) -> Self {
        Self {
            identity: owner.identity.clone(),
            cluster: owner.cluster.clone(),
            key: owner.key.to_string(),
            ..self.clone()
        }
    }

    /// The same after the difference in this field is closed.
    pub(crate) fn closing(&self, field: &str, spec: &Rds, connections: u32) -> Self {
        let mut record = self.clone();
        match field {
            "tags" => record.tags.clone_from(&spec.common.tags),
            "class" => record.connections = connections,
            "storage" => record.storage = spec.storage,
            _ => {}
        }
        record
    }

    pub(crate) fn at(&self, stage: Stage) -> Self {
        Self { stage, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_is_known_by_its_beginning() {
        let owner = Owner {
            cluster: ClusterId::new("c"),
            identity: Identity::new("k3x9"),
            key: Key::new("team-a", "shop", "web", "rds"),
        };
        let tags = BTreeMap::from([("a\"b".to_owned(), "'".to_owned())]);
        let record = Record::new(&owner, 20, Bytes::gib(20), tags);
        let text = record.write().expect("it is JSON");
        assert!(text.starts_with(IS_RECORD), "{text}");
        assert_eq!(Record::read(&text).expect("it reads back"), record);
        assert_eq!(record.owner(), Some(owner));
        assert!(Record::read("{\"mooring.dev/identity\":1}").is_err());
    }
}
