//! KubeVela's Application, as far as we read and write it.
//!
//! The object is not ours: everything in it that we do not know is kept, and our CustomResourceDefinition of it is
//! only ever made where there is none.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation,
};
use kube::{CustomResource, CustomResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::names;

/// The spec of an Application.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "core.oam.dev",
    version = "v1beta1",
    kind = "Application",
    namespaced,
    schema = "disabled",
    status = "ApplicationStatus",
    derive = "PartialEq",
    shortname = "app",
    shortname = "velaapp",
    category = "oam",
    printcolumn(name = "COMPONENT", type_ = "string", json_path = ".spec.components[*].name"),
    printcolumn(name = "TYPE", type_ = "string", json_path = ".spec.components[*].type"),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.status"),
    printcolumn(name = "HEALTHY", type_ = "boolean", json_path = ".status.services[*].healthy"),
    printcolumn(name = "STATUS", type_ = "string", json_path = ".status.services[*].message"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ApplicationSpec {
    /// Its components.
    #[serde(default)]
    pub components: Vec<Component>,
    /// What we do not know: policies, workflow.
    #[serde(flatten)]
    pub rest: Map<String, Json>,
}

/// A component of an Application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its type: `webservice`, `worker`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What its type wants to know.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub properties: Json,
    /// Its traits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traits: Vec<Trait>,
    /// What we do not know: dependsOn, inputs, outputs.
    #[serde(flatten)]
    pub rest: Map<String, Json>,
}

/// A trait of a component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trait {
    /// Its type: `rds`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What its type wants to know.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub properties: Json,
    /// What we do not know.
    #[serde(flatten)]
    pub rest: Map<String, Json>,
}

/// The status of an Application, in KubeVela's shape. Where KubeVela runs we write none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// The generation that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How far it is.
    #[serde(rename = "status", skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its components.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceStatus>,
    /// What is to be said of it as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ApplicationCondition>,
    /// What we do not know.
    #[serde(flatten)]
    pub rest: Map<String, Json>,
}

/// Phases of an Application, in KubeVela's words.
pub mod phase {
    /// Something is on its way.
    pub const RENDERING: &str = "rendering";
    /// All is well.
    pub const RUNNING: &str = "running";
    /// Something is not.
    pub const UNHEALTHY: &str = "unhealthy";
    /// It is going.
    pub const DELETING: &str = "deleting";
}

/// How a component is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// The component.
    pub name: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_definition: Option<Json>,
    /// Whether it is well.
    pub healthy: bool,
    /// What is to be said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its traits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traits: Vec<TraitStatus>,
}

/// How a trait is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TraitStatus {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is well.
    pub healthy: bool,
    /// What is to be said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A condition as KubeVela writes it: without a generation, which its schema does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationCondition {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When the status last changed, as RFC 3339.
    pub last_transition_time: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A definition that keeps everything, for clusters that have none. Never applied over one that is there: a schema
/// smaller than KubeVela's would lose what it does not name.
pub fn crd() -> CustomResourceDefinition {
    let keep = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let schema = json!({
        "description": "An application: components and their traits.",
        "type": "object",
        "properties": { "spec": keep, "status": keep },
        "x-kubernetes-preserve-unknown-fields": true,
    });
    let mut crd = Application::crd();
    // By this it is known from KubeVela's, whoever made it.
    crd.metadata.labels = Some([(names::MANAGED_BY.to_owned(), names::MANAGED_BY_US.to_owned())].into());
    for version in &mut crd.spec.versions {
        version.schema = Some(CustomResourceValidation {
            open_api_v3_schema: Some(serde_json::from_value(schema.clone()).expect("a schema")),
        });
    }
    crd
}
