use kube::KubeSchema;
use mooring_provider::spec::Egress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consume, Provide};

/// A virtual network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.cidr) || (has(self.network) && self.network == 'dedicated')",
    "`cidr` is for a network of your own: add `network: dedicated`, or remove `cidr`",
))]
pub struct Vpc {
    /// The environment's network, or one of the application's own. By default shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkKind>,
    /// The address range of a dedicated network. By default a free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::schema::cidr")]
    pub cidr: Option<String>,
    /// What its members may reach. By default the network only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
    /// How the component uses it.
    #[serde(flatten)]
    pub consume: Consume,
    /// How it is provided.
    #[serde(flatten)]
    pub provide: Provide,
}

/// Whose network it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// The environment's, which the pods can reach.
    #[default]
    Shared,
    /// The application's own.
    Dedicated,
}
