//! Shapes that several types share, and what Kubernetes wants of every schema.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use mooring_provider::Kind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// An object whose members somebody else checks: a provider, or the schema of the kind it is merged into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FreeForm(pub Map<String, Json>);

impl JsonSchema for FreeForm {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FreeForm".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// One value per kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PerKind<T> {
    /// For virtual networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc: Option<T>,
    /// For load balancers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slb: Option<T>,
    /// For databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rds: Option<T>,
    /// For log stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<T>,
    /// For alarms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<T>,
}

impl<T> PerKind<T> {
    /// The value for a kind.
    pub fn get(&self, kind: Kind) -> Option<&T> {
        match kind {
            Kind::Vpc => self.vpc.as_ref(),
            Kind::Slb => self.slb.as_ref(),
            Kind::Rds => self.rds.as_ref(),
            Kind::Log => self.log.as_ref(),
            Kind::Monitor => self.monitor.as_ref(),
            _ => None,
        }
    }
}

impl<T> Default for PerKind<T> {
    fn default() -> Self {
        Self {
            vpc: None,
            slb: None,
            rds: None,
            log: None,
            monitor: None,
        }
    }
}

/// One value per type of provider. A new provider gets a member here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PerProvider<T> {
    /// Alibaba Cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliyun: Option<T>,
    /// Apsara Stack, Alibaba's private cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apsara: Option<T>,
    /// OpenStack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openstack: Option<T>,
    /// Servers of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onprem: Option<T>,
    /// The mock cloud, for laptops and tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mock: Option<T>,
}

/// Every type of provider, as written.
pub const PROVIDERS: [&str; 5] = ["aliyun", "apsara", "openstack", "onprem", "mock"];

impl<T> PerProvider<T> {
    /// The value for a type of provider.
    pub fn get(&self, provider: &str) -> Option<&T> {
        match provider {
            "aliyun" => self.aliyun.as_ref(),
            "apsara" => self.apsara.as_ref(),
            "openstack" => self.openstack.as_ref(),
            "onprem" => self.onprem.as_ref(),
            "mock" => self.mock.as_ref(),
            _ => None,
        }
    }

    /// The types of provider that have a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        PROVIDERS.into_iter().filter_map(|name| Some((name, self.get(name)?)))
    }
}

impl<T> Default for PerProvider<T> {
    fn default() -> Self {
        Self {
            aliyun: None,
            apsara: None,
            openstack: None,
            onprem: None,
            mock: None,
        }
    }
}

/// A DNS label, which is what Kubernetes wants of most names.
pub(super) fn label(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    })
}

/// A DNS subdomain: the name of a Secret, an Environment, a ProviderConfig.
pub(super) fn subdomain(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    })
}

/// An address range.
pub(super) fn cidr(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 43, "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$" })
}

/// A list of address ranges.
pub(super) fn cidrs(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": 64, "items": cidr(generator) })
}

/// A port.
pub(super) fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": 65535 })
}

/// Bounds what a type left unbounded, without which the API server puts no price on a CEL rule and refuses it. Drops
/// the formats that it does not know and warns of, and `nullable`: what has no value is left out, and a rule that asks
/// `has()` shall not meet a null.
pub(super) fn settle(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        let mut json = serde_json::to_value(&*schema).expect("a schema is JSON");
        bound(&mut json);
        *schema = serde_json::from_value(json).expect("it was a schema before");
    }
    crd
}

fn bound(schema: &mut Json) {
    let Some(object) = schema.as_object_mut() else { return };
    if object
        .get("format")
        .and_then(Json::as_str)
        .is_some_and(|format| format.starts_with("uint"))
    {
        object.remove("format");
    }
    object.remove("nullable");
    match object.get("type").and_then(Json::as_str) {
        Some("string") if !object.contains_key("enum") && object.get("format").is_none() => {
            object.entry("maxLength").or_insert(1024.into());
        }
        Some("array") => {
            object.entry("maxItems").or_insert(64.into());
        }
        Some("object") if object.contains_key("additionalProperties") => {
            object.entry("maxProperties").or_insert(64.into());
        }
        _ => {}
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            bound(inner);
        }
    }
    for property in object
        .get_mut("properties")
        .and_then(Json::as_object_mut)
        .into_iter()
        .flatten()
    {
        bound(property.1);
    }
}
