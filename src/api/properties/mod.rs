//! What a developer writes in a trait, one type per kind. The same words are the members of a CloudResource.
//!
//! Nothing here has a default: what is not written is decided by the environment, then by the built-in default, and
//! each value's origin is shown.

mod bind;
mod log;
mod monitor;
mod rds;
mod slb;
mod vpc;

use std::collections::BTreeMap;

use kube::{KubeSchema, core::Rule};
use mooring_provider::Access;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bind::Bind;
pub use log::Log;
pub use monitor::{Alarm, Level, Monitor, Scrape};
pub use rds::{Backup, Rds};
pub use slb::{HealthCheck, Listener, Slb};
pub use vpc::{NetworkKind, Vpc};

use super::schema::{FreeForm, PerProvider};

/// How the component uses the resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Consume {
    /// Prefix of the environment variables: `DB` gives `DB_HOST`, `DB_PORT` and so on. By default the trait's name in
    /// capitals.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub prefix: Option<String>,
    /// Further environment variables, made from the entries of the binding:
    /// `{JDBC_URL: "jdbc:mysql://{host}:{port}/{database}"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The containers that get the environment variables. By default the one named like the component.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub containers: Vec<String>,
    /// The name of the Secret. By default `<application>-<component>-<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::subdomain")]
    pub secret_name: Option<String>,
    /// Whether the workload gets environment variables; without them there is the Secret alone. By default yes for a
    /// database, a bind and a log that is pushed to, and for anything with `as` or `env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inject: Option<bool>,
}

/// How the resource is provided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Provide {
    /// What becomes of the resource when its declaration goes. May only be stricter than the environment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Use this resource, which exists and is not ours. It is bound, and never changed or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// What differs by environment, region or cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub overrides: Vec<Override>,
    /// Options that only one type of provider has: `options.aliyun`. Elsewhere they are reported as not applied.
    #[serde(skip_serializing_if = "is_default")]
    pub options: PerProvider<FreeForm>,
    /// Who else may bind to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub share_with: Vec<Share>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What becomes of a resource when its declaration goes, from lenient to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It is deleted.
    Delete,
    /// A database is deleted after a last backup, where its provider makes one.
    Snapshot,
    /// It is taken out of use, its data kept for a while, then deleted. Declared again in time, it comes back.
    Recycle,
    /// It is left at the provider, and on record.
    Retain,
}

/// A resource that exists and is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Existing {
    /// What the provider calls it.
    #[schemars(length(min = 1, max = 253))]
    pub id: String,
    /// The Secret, in the same namespace, with the `username` and `password` to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::subdomain")]
    pub credentials_secret: Option<String>,
}

/// Properties for some environments, regions or clusters only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// Where they hold.
    pub when: When,
    /// The properties; stronger than the trait's own.
    pub properties: FreeForm,
}

/// A place; all that is written must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = (
    "has(self.environment) || has(self.region) || has(self.cluster)",
    "`when` matches nothing in particular: name an environment, a region or a cluster in it",
))]
pub struct When {
    /// The name of the Environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The provider's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The name of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// Somebody who may bind to a resource. All that is written must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// The namespace.
    #[schemars(schema_with = "super::schema::label")]
    pub namespace: String,
    /// The Application in it; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The component in it; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The most it may do there: owner, readwrite or readonly (by default).
    #[serde(default = "read_only", skip_serializing_if = "is_read_only")]
    pub access: Access,
}

fn read_only() -> Access {
    Access::ReadOnly
}

fn is_read_only(access: &Access) -> bool {
    *access == Access::ReadOnly
}

impl Share {
    /// Whether it means this component.
    pub fn admits(&self, namespace: &str, application: &str, component: &str) -> bool {
        self.namespace == namespace
            && self.application.as_deref().is_none_or(|name| name == application)
            && self.component.as_deref().is_none_or(|name| name == component)
    }
}

/// Ours cannot become a foreign resource, nor the other way round: something would be left behind unseen.
pub(super) fn existing_is_fixed() -> Rule {
    Rule::new(
        "has(self.existing) == has(oldSelf.existing) && (!has(self.existing) || self.existing.id == oldSelf.existing.id)",
    )
    .message("`existing` cannot be added, removed or pointed elsewhere: declare another resource under another name")
}
