use kube::KubeSchema;
use mooring_provider::spec::{Protocol, Scheme};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consume, Provide};

/// A server load balancer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slb {
    /// Whether it has a public address. By default internal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// What it listens on.
    #[schemars(length(min = 1, max = 32))]
    pub listeners: Vec<Listener>,
    /// The addresses that may connect, as CIDR. By default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::schema::cidrs")]
    pub allow_from: Option<Vec<String>>,
    /// Where requests go without a cluster: addresses, each with a port if that is another than the listener's target
    /// port. In a cluster they go to the pods, and this is reported as not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 259)))]
    pub targets: Option<Vec<String>>,
    /// How the component uses it.
    #[serde(flatten)]
    pub consume: Consume,
    /// How it is provided.
    #[serde(flatten)]
    pub provide: Provide,
}

/// One port of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.protocol) || self.protocol != 'https' || has(self.certificate)",
    "a listener with `protocol: https` needs `certificate`, the provider's id of one",
))]
pub struct Listener {
    /// The port clients use.
    #[schemars(schema_with = "crate::api::schema::port")]
    pub port: u16,
    /// What is spoken on it. By default tcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The port of the container. By default the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::schema::port")]
    pub target_port: Option<u16>,
    /// The provider's id of the certificate (https).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub certificate: Option<String>,
    /// How it is learnt whether a backend is well. By default by connecting to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

/// How it is learnt whether a backend is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheck {
    /// The path that is asked (http, https).
    #[schemars(length(max = 253), regex(pattern = r"^/"))]
    pub path: String,
}
