//! What an adapter is asked for: each kind with every value resolved.
//!
//! The engine makes these from the trait, the environment and the other resources of the application; nothing in
//! them is left to a default. What a developer writes is another, smaller vocabulary.

mod log;
mod monitor;
mod rds;
mod slb;
mod vpc;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use log::{Format, Log, Selector, Source};
pub use monitor::{Alarm, Metric, Monitor, Scrape, Severity, Target, Threshold};
pub use rds::{Engine, Rds, Tls};
pub use slb::{Backend, Listener, Protocol, Scheme, Slb};
pub use vpc::{Egress, Vpc};

/// What every kind has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Common {
    /// Tags beside the owner tags.
    pub tags: BTreeMap<String, String>,
    /// The provider's resource group or project folder.
    pub resource_group: Option<String>,
    /// `options.<provider>` of the trait: typed and checked by the adapter.
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// The network a resource lives in: the environment's own, or the application's dedicated one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// The provider's id of the network.
    pub id: Option<String>,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// The security group of the resource.
    pub security_group: Option<String>,
}

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subnet {
    /// The zone, where the provider has zones.
    #[serde(default)]
    pub zone: Option<String>,
    /// The provider's id of the subnet.
    pub id: String,
}
