//! What is known of a CloudResource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use mooring_provider::ClusterId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Deletion, WorkloadReference};
use crate::ledger::Memory;

/// Types of conditions.
pub mod condition {
    /// It can be used.
    pub const READY: &str = "Ready";
    /// It is as declared.
    pub const SYNCED: &str = "Synced";
    /// Its Secret is there, and its consumers have it.
    pub const BOUND: &str = "Bound";
    /// It is going; the message says what is waited for.
    pub const DELETING: &str = "Deleting";
}

/// What is known of a CloudResource. Beside the conditions it is the cluster's memory of the resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudResourceStatus {
    /// The generation that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Synced, Bound, and while it goes Deleting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The ProviderConfig it is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The Environment it is in; it stays there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose it is, where several clusters share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// Its address, which is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Each value in effect, and where it comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["field".into()]))]
    #[schemars(length(max = 128))]
    pub effective: Vec<EffectiveValue>,
    /// Options that are for another type of provider than this environment's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub not_applied: Vec<String>,
    /// What means something else or less at this provider, and what there is to know beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub notes: Vec<String>,
    /// What becomes of it when its declaration goes, for when its Environment is gone by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// How many of its kind its Environment let go within an hour, for when that is gone by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletes_per_hour: Option<u32>,
    /// The Secret to use it with, as servicebinding.io has it of a provisioned service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingReference>,
    /// Counts the changes of the Secret's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_revision: Option<i64>,
    /// The workloads that have it in their environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub consumers: Vec<WorkloadReference>,
    /// What is remembered between steps.
    #[serde(flatten)]
    pub memory: Memory,
}

/// Whose a resource is that several clusters share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shared {
    /// Its owner: the Environment.
    pub owner: ClusterId,
    /// Whether it is made and changed from here, or only used.
    pub home: bool,
}

/// A Secret in the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BindingReference {
    /// Its name.
    pub name: String,
}

/// A value in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EffectiveValue {
    /// The property: `storage`, `backup.retention`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from, from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// It is Mooring's own default.
    BuiltIn,
    /// The Environment's `defaults`.
    EnvironmentDefault,
    /// The trait.
    Trait,
    /// One of the trait's `overrides`.
    Override,
    /// The Environment's `enforce`.
    Enforced,
}

impl Origin {
    /// For a person.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::EnvironmentDefault => "environment default",
            Self::Trait => "trait",
            Self::Override => "override",
            Self::Enforced => "enforced by the environment",
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
