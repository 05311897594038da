//! What Trove says of an instance.

use std::collections::BTreeMap;

use mooring_provider::{ExternalId, Owner, Phase};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::label;

/// A word behind the owner in an instance's name: its database.
pub(super) const DATABASE: &str = "database";
/// A word behind the owner in an instance's name: until when it is parked.
pub(super) const PARKED: &str = "parked-until";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) flavor: Ref,
    pub(super) datastore: Datastore,
    pub(super) volume: Option<Volume>,
    pub(super) access: Option<Access>,
    #[serde(default)]
    pub(super) ip: Vec<String>,
    pub(super) hostname: Option<String>,
    #[serde(default)]
    pub(super) addresses: Vec<Address>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ref {
    #[serde(deserialize_with = "text_or_number")]
    pub(super) id: String,
}

/// Trove writes the ids of flavors both ways.
fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Json::deserialize(deserializer)? {
        Json::String(text) => text,
        other => other.to_string(),
    })
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Datastore {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) version: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Volume {
    pub(super) size: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Access {
    #[serde(default)]
    pub(super) is_public: bool,
    #[serde(default)]
    pub(super) allowed_cidrs: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Address {
    pub(super) network: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Flavor {
    #[serde(deserialize_with = "text_or_number")]
    id: String,
    /// The id as Nova knows it; `id` is a number in old answers, and null where that is none.
    str_id: Option<String>,
    pub(super) name: String,
}

impl Flavor {
    pub(super) fn id(&self) -> &str {
        self.str_id.as_deref().unwrap_or(&self.id)
    }
}

/// An instance, and what its flavor is called.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) instance: Instance,
    pub(super) flavor: Option<String>,
}

impl State {
    pub(super) fn id(&self) -> ExternalId {
        ExternalId::new(&self.instance.id)
    }

    fn sentence(&self) -> Option<(Owner, BTreeMap<String, String>)> {
        label::sentence(&self.instance.name)
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        self.sentence().map(|(owner, _)| owner)
    }

    /// A word behind the owner in its name.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        self.sentence()?.1.remove(name)
    }

    pub(super) fn phase(&self) -> Phase {
        let id = &self.instance.id;
        match self.instance.status.as_str() {
            "ACTIVE" | "HEALTHY" | "RESTART_REQUIRED" => match self.word(PARKED) {
                Some(until) => Phase::Parked(until),
                None => Phase::Ready,
            },
            "ERROR" | "FAILED" => Phase::Failed(format!(
                "Trove says that instance {id} is in {}; `openstack database instance show {id}` tells why",
                self.instance.status
            )),
            "BLOCKED" => Phase::Busy(format!("instance {id} is BLOCKED: its guest does not answer Trove")),
            // Trove says the same of a database that is stopped and of one that is being deleted.
            "SHUTDOWN" => Phase::Busy(format!(
                "instance {id} is in SHUTDOWN: its database is stopped, or it is going"
            )),
            status => Phase::Busy(format!("instance {id} is in {status}")),
        }
    }

    /// Whether this is its flavor, by name or id.
    pub(super) fn is_of_class(&self, class: &str) -> bool {
        self.instance.flavor.id == class || self.flavor.as_deref() == Some(class)
    }
}
