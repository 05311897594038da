//! The durable unit: one cloud resource of one trait.

use kube::{CustomResource, KubeSchema};
use mooring_provider::{Key, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{
    CloudResourceStatus,
    properties::{Bind, Log, Monitor, Rds, Slb, Vpc, existing_is_fixed},
};

/// A cloud resource that lives and dies with its application.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mooring.dev",
    version = "v1alpha1",
    kind = "CloudResource",
    namespaced,
    doc = "A cloud resource that lives and dies with its application: one per trait, made from an Application or by hand.",
    status = "CloudResourceStatus",
    derive = "PartialEq",
    shortname = "cres",
    category = "mooring",
    validation = (
        "size(self.metadata.name) <= 63",
        "the name of a CloudResource has at most 63 characters: shorten the application's, the component's or the trait's name",
    ),
    printcolumn(name = "Type", type_ = "string", json_path = ".status.kind"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".status.provider"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Environment", type_ = "string", json_path = ".status.environment", priority = 1),
    printcolumn(name = "External id", type_ = "string", json_path = ".status.externalId", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
)]
#[x_kube(validation = (
    "[has(self.vpc), has(self.slb), has(self.rds), has(self.log), has(self.monitor), has(self.bind)].filter(m, m).size() == 1",
    "exactly one of vpc, slb, rds, log, monitor and bind must be set",
))]
#[x_kube(validation = (
    "has(self.vpc) == has(oldSelf.vpc) && has(self.slb) == has(oldSelf.slb) && has(self.rds) == has(oldSelf.rds) && \
     has(self.log) == has(oldSelf.log) && has(self.monitor) == has(oldSelf.monitor) && \
     has(self.bind) == has(oldSelf.bind)",
    "the kind of a CloudResource cannot be changed: declare another one under another name and remove this one",
))]
pub struct CloudResourceSpec {
    /// The Application it is for.
    #[schemars(schema_with = "super::schema::label")]
    #[x_kube(validation = ("self == oldSelf", "`application` cannot be changed: it is part of the resource's key"))]
    pub application: String,
    /// The component it is for.
    #[schemars(schema_with = "super::schema::label")]
    #[x_kube(validation = ("self == oldSelf", "`component` cannot be changed: it is part of the resource's key"))]
    pub component: String,
    /// Its name within the component, by which `bind` and alarms refer to it: the trait's `name`, else its type.
    #[schemars(schema_with = "super::schema::label")]
    #[x_kube(validation = ("self == oldSelf", "`name` cannot be changed: it is part of the resource's key"))]
    pub name: String,
    /// The Environment. By default the one its Application or its namespace is labelled with, else the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::subdomain")]
    pub environment: Option<String>,
    /// The workload that gets the environment variables. By default the one labelled with the application and the
    /// component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadReference>,
    /// A virtual network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = existing_is_fixed())]
    pub vpc: Option<Vpc>,
    /// A load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = existing_is_fixed())]
    pub slb: Option<Slb>,
    /// A database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = existing_is_fixed())]
    pub rds: Option<Rds>,
    /// A log store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = existing_is_fixed())]
    pub log: Option<Log>,
    /// Alarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = existing_is_fixed())]
    pub monitor: Option<Monitor>,
    /// The use of a resource that somebody else declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<Bind>,
}

/// A workload in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadReference {
    /// Its API version: `apps/v1`.
    #[schemars(length(max = 253))]
    pub api_version: String,
    /// Its kind: `Deployment`.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(schema_with = "super::schema::subdomain")]
    pub name: String,
}

/// What a trait of ours declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Declares {
    /// A resource.
    Resource(Kind),
    /// The use of somebody else's.
    Bind,
}

impl Declares {
    /// Everything that can be declared.
    pub const ALL: [Self; 6] = [
        Self::Resource(Kind::Vpc),
        Self::Resource(Kind::Slb),
        Self::Resource(Kind::Rds),
        Self::Resource(Kind::Log),
        Self::Resource(Kind::Monitor),
        Self::Bind,
    ];

    /// As the type of a trait, and the member of a CloudResource.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource(kind) => kind.as_str(),
            Self::Bind => "bind",
        }
    }

    /// What a trait of this type declares; `None` for a trait that is not ours.
    pub fn of(trait_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|declares| declares.as_str() == trait_type)
    }

    /// The kind of resource, if it is one.
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Resource(kind) => Some(kind),
            Self::Bind => None,
        }
    }
}

impl std::fmt::Display for Declares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CloudResourceSpec {
    /// Where it is declared.
    pub fn key(&self, namespace: &str) -> Key {
        Key::new(namespace, &self.application, &self.component, &self.name)
    }

    /// Whether it declares a resource of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        match kind {
            Kind::Vpc => self.vpc.is_some(),
            Kind::Slb => self.slb.is_some(),
            Kind::Rds => self.rds.is_some(),
            Kind::Log => self.log.is_some(),
            Kind::Monitor => self.monitor.is_some(),
            _ => false,
        }
    }

    /// What it declares, with the properties as a developer writes them. `None` if no member of the union is set.
    pub fn declares(&self) -> Option<(Declares, Map<String, Json>)> {
        let whole = serde_json::to_value(self).expect("a spec is JSON");
        Declares::ALL.into_iter().find_map(|declares| {
            let properties = whole.get(declares.as_str())?.as_object()?.clone();
            Some((declares, properties))
        })
    }
}
