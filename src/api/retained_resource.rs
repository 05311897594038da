//! What outlives its declaration, on record.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An external resource that outlives its declaration: parked until a time, left for good, or given up on.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mooring.dev",
    version = "v1alpha1",
    kind = "RetainedResource",
    doc = "An external resource that outlives its declaration: parked until a time, left for good, or given up on. \
           Cluster-scoped, so that it outlives the namespace too. Mooring writes it.",
    status = "RetainedResourceStatus",
    derive = "PartialEq",
    shortname = "retres",
    category = "mooring",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.key.namespace"),
    printcolumn(name = "Application", type_ = "string", json_path = ".spec.key.application"),
    printcolumn(name = "Standing", type_ = "string", json_path = ".spec.standing"),
    printcolumn(name = "Until", type_ = "string", json_path = ".spec.keepUntil"),
    printcolumn(name = "External id", type_ = "string", json_path = ".spec.externalId"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Why", type_ = "string", json_path = ".spec.reason", priority = 1)
)]
#[x_kube(validation = (
    "self.identity == oldSelf.identity && self.externalId == oldSelf.externalId && self.provider == oldSelf.provider",
    "identity, externalId and provider cannot be changed: the record would be of something else",
))]
pub struct RetainedResourceSpec {
    /// Who holds it.
    pub cluster: ClusterId,
    /// Its identity; declared again under the same key, it is taken back.
    pub identity: Identity,
    /// Where it was declared.
    pub key: Key,
    /// Its kind.
    pub kind: Kind,
    /// The ProviderConfig it is at.
    pub provider: String,
    /// The Environment it was declared in.
    pub environment: String,
    /// What the provider calls it.
    pub external_id: ExternalId,
    /// Its name at the provider.
    pub name: String,
    /// How many external resources its identity had before.
    #[serde(default)]
    pub incarnation: u32,
    /// Where it stands.
    pub standing: RetainedStanding,
    /// Why, for a person.
    pub reason: String,
    /// Until when a parked one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub keep_until: Option<Timestamp>,
}

/// Where a retained resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RetainedStanding {
    /// Out of use, its data kept until a time, then deleted.
    Parked,
    /// Left at the provider for good.
    Retained,
    /// Given up on by an SRE's word; it may still exist.
    Abandoned,
}

/// What is known of a RetainedResource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetainedResourceStatus {
    /// Deleting, once its time is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}
