//! A server load balancer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Common, Network};

/// A load balancer with its listeners and backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slb {
    /// Whether it has a public address.
    pub scheme: Scheme,
    /// What it listens on.
    pub listeners: Vec<Listener>,
    /// The addresses that may connect, as CIDR; all when empty.
    pub allow_from: Vec<String>,
    /// Where requests go. `None` when the cluster's own controller manages them.
    pub backends: Option<Vec<Backend>>,
    /// Where it lives.
    pub network: Network,
    /// What every kind has.
    pub common: Common,
}

/// Whether a load balancer has a public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// An address in the network only.
    #[default]
    Internal,
    /// A public address.
    Internet,
}

/// One port of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The port clients use.
    pub port: u16,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// The port of the backends.
    pub target_port: u16,
    /// The provider's id of the certificate (https).
    pub certificate: Option<String>,
    /// The path that is asked to learn whether a backend is well (http, https).
    pub health_check_path: Option<String>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Bytes.
    Tcp,
    /// Datagrams.
    Udp,
    /// HTTP.
    Http,
    /// HTTP over TLS, ended at the balancer.
    Https,
}

impl Protocol {
    /// As written in a trait.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// One place where the requests of a listener may go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// The listeners it serves: those with this target port.
    pub target_port: u16,
    /// Its address.
    pub address: String,
    /// Its port: the target port of a pod, the node port of a node.
    pub port: u16,
}
