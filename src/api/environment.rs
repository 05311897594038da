//! What an SRE decides for a set of applications.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::Namespace,
    apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector},
};
use kube::{
    CustomResource, KubeSchema, ResourceExt,
    core::{Selector, SelectorExt},
};
use mooring_provider::{
    Bytes, Kind, Span,
    spec::{Engine, Subnet},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    names,
    properties::DeletionPolicy,
    schema::{FreeForm, PerKind, PerProvider},
};

/// Which provider serves which kind, with which sizes, defaults and limits, and who may use it.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mooring.dev",
    version = "v1alpha1",
    kind = "Environment",
    doc = "Which provider serves which kind, with which sizes, defaults and limits, and who may use it.",
    status = "EnvironmentStatus",
    derive = "PartialEq",
    shortname = "menv",
    category = "mooring",
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.providers.default"),
    printcolumn(
        name = "Default",
        type_ = "string",
        json_path = ".metadata.annotations.mooring\\.dev/default"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = (
    "has(self.home) == (self.identityScope == 'environment')",
    "`home` names the cluster that makes what `identityScope: environment` shares: set both, or neither",
))]
pub struct EnvironmentSpec {
    /// How careful it is by default: what becomes of data, whether a change waits. By default development.
    #[serde(default)]
    pub class: Class,
    /// Whether a resource belongs to one cluster, or is shared by all clusters that have this environment.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "`identityScope` cannot be changed: resources would change their owner"))]
    pub identity_scope: IdentityScope,
    /// With `identityScope: environment`: the cluster, by the name its operator was given with `--cluster`, that makes,
    /// changes and lets go of what is shared. The Environment is to say the same in every cluster. To move it, name the
    /// new one in the old home first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub home: Option<String>,
    /// The ProviderConfig for each kind; `none` for a kind that is done without.
    pub providers: Providers,
    /// Whose namespaces may use it, by their labels. Absent: none. `{}`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<LabelSelector>,
    /// The kinds that may be declared. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub allowed_kinds: Option<Vec<Kind>>,
    /// Everything that may differ by region and cluster.
    #[serde(flatten)]
    pub settings: Settings,
    /// What differs by region or cluster; the later wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub overrides: Vec<EnvironmentOverride>,
}

/// How careful an environment is by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// What is no longer declared is deleted; changes happen at once.
    #[default]
    Development,
    /// Data is kept for a while.
    Production,
}

/// Who owns a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdentityScope {
    /// The cluster.
    #[default]
    Cluster,
    /// The environment, in however many clusters it is: databases and dedicated networks. What is made of a cluster's
    /// own pods (balancers, logs, alarms) is each cluster's all the same.
    Environment,
}

/// The ProviderConfig for each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Providers {
    /// For every kind that is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// For some kinds.
    #[serde(flatten)]
    pub kinds: PerKind<String>,
}

/// What may differ by region and cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The network, and how it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSettings>,
    /// What a size means.
    #[serde(skip_serializing_if = "is_default")]
    pub sizes: Sizes,
    /// Engines that may be substituted: `{mysql: {onprem: mariadb}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub engines: BTreeMap<String, PerProvider<Engine>>,
    /// Properties that a trait may change, by kind.
    #[serde(skip_serializing_if = "is_default")]
    pub defaults: PerKind<FreeForm>,
    /// Properties that a trait cannot change, by kind.
    #[serde(skip_serializing_if = "is_default")]
    pub enforce: PerKind<FreeForm>,
    /// Tags on everything. `{application}`, `{component}`, `{namespace}`, `{name}` and `{environment}` are filled in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The provider's resource group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// What becomes of a resource when its declaration goes, by kind.
    #[serde(skip_serializing_if = "is_default")]
    pub deletion: PerKind<Deletion>,
    /// How much a namespace may have.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What exists already and may be used by its id, by kind, and by whom. What is not listed is refused: whoever may
    /// name any id of the account would be let into what others have there.
    #[serde(skip_serializing_if = "is_default")]
    pub existing: PerKind<Vec<Admitted>>,
    /// What a name in an alarm's `notify` means; `default` is told of an alarm that names nobody.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notify: BTreeMap<String, Notify>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Settings {
    /// How a balancer reaches pods.
    pub fn backends(&self) -> Backends {
        let network = self.network.as_ref();
        network.and_then(|network| network.backends).unwrap_or_default()
    }
}

/// What differs by region or cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentOverride {
    /// Where it holds.
    pub when: Place,
    /// What differs there.
    #[serde(flatten)]
    pub settings: Settings,
}

/// A place; all that is written must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = (
    "has(self.region) || has(self.cluster)",
    "`when` matches nothing in particular: name a region or a cluster in it",
))]
pub struct Place {
    /// The provider's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The name of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// The network of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkSettings {
    /// The provider's id of a network that exists; it is never changed or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its subnets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub subnets: Vec<Subnet>,
    /// The security group that databases and balancers get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group: Option<String>,
    /// Who must be able to reach a database.
    #[serde(skip_serializing_if = "is_default")]
    pub clients: Clients,
    /// How a balancer reaches pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backends: Option<Backends>,
    /// Networks of an application's own.
    #[serde(skip_serializing_if = "is_default")]
    pub dedicated: Dedicated,
}

/// Who must be able to reach a database: the pods or the nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Clients {
    /// Their addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::cidrs")]
    pub cidrs: Vec<String>,
    /// Or the security group they are in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group: Option<String>,
}

/// How a balancer reaches pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backends {
    /// By the cluster's own cloud controller.
    #[default]
    Service,
    /// By the pods' addresses.
    Pods,
    /// By the nodes' addresses and a node port.
    Nodes,
}

/// Networks of an application's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Dedicated {
    /// Whether an application may have one. By default no: an account has room for few, and pods do not reach them.
    pub allow: bool,
    /// The range its addresses are taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::cidr")]
    pub cidr_pool: Option<String>,
    /// The zones it has subnets in. By default the provider's choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub zones: Vec<String>,
}

/// What a size means, for the kinds that have sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sizes {
    /// The instance class of a database, by size and type of provider: `{small: {aliyun: mysql.n2.medium.1}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rds: BTreeMap<String, PerProvider<String>>,
}

/// What becomes of a resource when its declaration goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Deletion {
    /// The policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<DeletionPolicy>,
    /// How long a recycled one is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Whether a last backup is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_backup: Option<bool>,
}

/// How much a namespace may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "[has(self.vpc) && has(self.vpc.storage), has(self.slb) && has(self.slb.storage), \
      has(self.log) && has(self.log.storage), has(self.monitor) && has(self.monitor.storage)].all(wrong, !wrong)",
    "only `rds` has a limit of `storage`",
))]
pub struct Limits {
    /// For each kind.
    #[serde(flatten)]
    pub kinds: PerKind<Limit>,
    /// How many resources of a kind may be deleted within an hour, in the whole environment; more wait for an SRE.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deletes_per_hour: PerKind<u32>,
}

/// How much of a kind a namespace may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limit {
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How much storage, all together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Bytes>,
}

/// Something that exists already and is not ours, and who may use it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "self.id == '*' || !self.id.contains('*')",
    "`id` is one id, or `*` for any; there are no patterns",
))]
pub struct Admitted {
    /// What the provider calls it; `*` for whatever there is in the account.
    #[schemars(length(min = 1, max = 253))]
    pub id: String,
    /// Whose namespaces may use it, by their labels, of those that the Environment admits. `{}`: all of them.
    pub namespaces: LabelSelector,
}

impl Admitted {
    /// Whether it lets a namespace with these labels use this id. A selector that cannot be read admits none.
    pub fn admits(&self, id: &str, labels: &BTreeMap<String, String>) -> bool {
        (self.id == "*" || self.id == id)
            && Selector::try_from(self.namespaces.clone()).is_ok_and(|selector| selector.matches(labels))
    }
}

/// Who is told of an alarm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    /// The provider's contact group.
    pub contact_group: String,
}

/// What is known of an Environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The generation that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Whether this cluster is the home of what the Environment shares; absent where it shares nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<bool>,
}

/// The word that stands for no provider.
pub const NO_PROVIDER: &str = "none";

impl EnvironmentSpec {
    /// Whether a cluster is the home of what it shares; `None` where it shares nothing.
    pub fn is_home(&self, cluster: Option<&str>) -> Option<bool> {
        (self.identity_scope == IdentityScope::Environment)
            .then(|| cluster.is_some() && self.home.as_deref() == cluster)
    }

    /// Whether a namespace with these labels may use it. A selector that cannot be read admits none.
    pub fn admits(&self, labels: &BTreeMap<String, String>) -> bool {
        let Some(selector) = &self.allowed_namespaces else {
            return false;
        };
        Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
    }
}

impl Environment {
    /// Whether it is for Applications that name none.
    pub fn is_default(&self) -> bool {
        self.annotations()
            .get(names::DEFAULT)
            .is_some_and(|value| value == "true")
    }

    /// Whether this namespace may use it.
    pub fn admits(&self, namespace: &Namespace) -> bool {
        self.spec.admits(namespace.labels())
    }
}
