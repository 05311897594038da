//! An account at a provider.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{FreeForm, PerProvider};

/// An account at a provider, and the credentials for it.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mooring.dev",
    version = "v1alpha1",
    kind = "ProviderConfig",
    doc = "An account at a provider, and the credentials for it.",
    status = "ProviderConfigStatus",
    derive = "PartialEq",
    shortname = "pconf",
    category = "mooring",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.account"),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.region"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = (
    "[has(self.aliyun), has(self.apsara), has(self.openstack), has(self.onprem), has(self.mock)].filter(m, m).size() == 1",
    "exactly one of aliyun, apsara, openstack, onprem and mock must be set",
))]
#[x_kube(validation = (
    "has(self.aliyun) == has(oldSelf.aliyun) && has(self.apsara) == has(oldSelf.apsara) && \
     has(self.openstack) == has(oldSelf.openstack) && has(self.onprem) == has(oldSelf.onprem) && \
     has(self.mock) == has(oldSelf.mock)",
    "the provider of a ProviderConfig cannot be changed: what was made there would be lost sight of; make another one",
))]
pub struct ProviderConfigSpec {
    /// The provider, and what it wants to know; it checks that itself.
    #[serde(flatten)]
    pub provider: PerProvider<FreeForm>,
    /// The credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsReference>,
}

/// Where credentials are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsReference {
    /// A Secret in the operator's own namespace.
    pub secret_ref: SecretReference,
}

/// A Secret by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretReference {
    /// Its name.
    #[schemars(schema_with = "super::schema::subdomain")]
    pub name: String,
}

/// What is known of a ProviderConfig.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderConfigStatus {
    /// The generation that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: whether its credentials are good for every kind that Environments have it serve. For each kind that they
    /// are not good for also `RdsReady`, `LogReady` and so on, with the reason; the others are served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The account the credentials belong to; others are refused later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region, where the provider has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl ProviderConfig {
    /// The region by which an Environment's settings are told apart: the one that was found, else the one it names.
    pub fn region(&self) -> Option<String> {
        let found = self.status.as_ref().and_then(|status| status.region.clone());
        found.or_else(|| self.spec.region().map(str::to_owned))
    }
}

impl ProviderConfigSpec {
    /// The type of provider, and what it is to be told. `None` if there is none.
    pub fn provider(&self) -> Option<(&'static str, &FreeForm)> {
        self.provider.iter().next()
    }

    /// The region it names, for providers that have regions.
    pub fn region(&self) -> Option<&str> {
        self.provider()?.1.0.get("region")?.as_str()
    }
}
