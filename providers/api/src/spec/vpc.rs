//! A virtual network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Common, Network};

/// A network of the application's own, or the environment's, which is read and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vpc {
    /// The address range of a dedicated network.
    pub cidr: Option<String>,
    /// What its members may reach.
    pub egress: Egress,
    /// The zones a dedicated network has subnets in; the provider's choice when empty.
    pub zones: Vec<String>,
    /// The environment's network when it is shared; `None` when it is dedicated.
    pub shared: Option<Network>,
    /// What every kind has.
    pub common: Common,
}

/// What members of a network may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// The network only.
    #[default]
    None,
    /// The internet too.
    Internet,
}
