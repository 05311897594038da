use kube::KubeSchema;
use mooring_provider::{
    Access, Bytes, Span,
    spec::{Engine, Tls},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consume, Provide};

/// A relational database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rds {
    /// The database engine.
    #[x_kube(validation = (
        "self == oldSelf",
        "`engine` cannot be changed in place: declare a second rds under another `name`, move the data, then remove this one",
    ))]
    pub engine: Engine,
    /// The engine's version, in quotes: "8.0". By default the provider's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9A-Za-z][0-9A-Za-z._-]*$"))]
    pub version: Option<String>,
    /// A size that the environment knows: small, medium, large. By default small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub size: Option<String>,
    /// The storage; it can grow, never shrink. By default 20Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Bytes>,
    /// A standby in another zone. By default no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_availability: Option<bool>,
    /// The name of the database. By default the application's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub database: Option<String>,
    /// What the component may do in it. By default owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Whether connections are encrypted. By default preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Backups. By default the provider's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// How the component uses it.
    #[serde(flatten)]
    pub consume: Consume,
    /// How it is provided.
    #[serde(flatten)]
    pub provide: Provide,
}

/// Backups of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Backup {
    /// How long they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Span>,
}
