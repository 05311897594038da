//! The kinds of servicebinding.io, as the specification has them: they are not ours, and our definitions of them are only
//! ever made where there are none. Their schemas admit exactly what the specification's own admit; what is wrong beyond
//! that is said in a condition.

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector},
};
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BindingReference, names, schema};

/// Which service is projected into which workloads.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "servicebinding.io",
    version = "v1",
    kind = "ServiceBinding",
    namespaced,
    doc = "Projects the Secret of a service into workloads, as files and environment variables.",
    status = "ServiceBindingStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ServiceBindingSpec {
    /// The name of the directory below `$SERVICE_BINDING_ROOT`; by default the name of the ServiceBinding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the entry `type` says in the workload, whatever the Secret says.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// What the entry `provider` says in the workload, whatever the Secret says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The service: anything with `.status.binding.name`, or a Secret itself.
    pub service: ServiceReference,
    /// The workloads.
    pub workload: BoundWorkload,
    /// Entries of the Secret that become environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvMapping>,
}

/// Names a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReference {
    /// Its group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Names workloads: one by its name, or any number by their labels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundWorkload {
    /// Their group and version.
    pub api_version: String,
    /// Their kind.
    pub kind: String,
    /// The name of the one. Either this or `selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The labels of any number. Either this or `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The containers that are bound; by default all of them. A name that no container has is ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
}

/// An entry of the Secret that becomes an environment variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct EnvMapping {
    /// The name of the variable.
    pub name: String,
    /// The key in the Secret.
    pub key: String,
}

/// How far a ServiceBinding is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceBindingStatus {
    /// The generation that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The Secret that is projected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingReference>,
    /// `Ready`, `ServiceAvailable` and `WorkloadProjected`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Where the parts of a pod template are in a kind of workload. Its name is that of the kind's definition:
/// `clonesets.apps.kruise.io`.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[kube(
    group = "servicebinding.io",
    version = "v1",
    kind = "ClusterWorkloadResourceMapping",
    doc = "Says where the parts of a pod template are in a kind of workload; its name is that of the kind's definition.",
    derive = "PartialEq",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ClusterWorkloadResourceMappingSpec {
    /// One per version of the kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<MappingTemplate>,
}

/// Where the parts are in one version of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingTemplate {
    /// The version; `*` is every one that is not named.
    pub version: String,
    /// The pods' annotations; by default `.spec.template.metadata.annotations`. Fields only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<String>,
    /// The containers; by default those of a pod template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<MappingContainer>,
    /// The list of volumes; by default `.spec.template.spec.volumes`. Fields only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<String>,
}

/// Where containers are, and what is where in each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingContainer {
    /// Every container: `.spec.template.spec.containers[*]`. Fields, `[*]` and `[0]`.
    pub path: String,
    /// Its name, from there; without it `spec.workload.containers` does not limit it. Fields only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its environment variables, from there; by default `.env`. Fields only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// What it mounts, from there; by default `.volumeMounts`. Fields only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_mounts: Option<String>,
}

/// The definitions, for clusters that have none. The versions differ in their name alone, so nothing converts.
pub fn crds() -> [CustomResourceDefinition; 2] {
    [ServiceBinding::crd(), ClusterWorkloadResourceMapping::crd()].map(|crd| {
        let mut crd = schema::plain(crd);
        // By this they are known from another implementation's, whoever made them.
        crd.metadata.labels = Some([(names::MANAGED_BY.to_owned(), names::MANAGED_BY_US.to_owned())].into());
        let mut older = crd.spec.versions[0].clone();
        older.name = "v1beta1".into();
        older.storage = false;
        crd.spec.versions.push(older);
        crd
    })
}
