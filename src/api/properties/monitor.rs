use std::{fmt, str::FromStr};

use kube::KubeSchema;
use mooring_provider::{
    Span,
    spec::{Metric, Severity},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Consume, Provide};

/// Alarms on the application's own resources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Monitor {
    /// The alarms.
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarm>,
    /// Where the component's own metrics are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrape: Option<Scrape>,
    /// How the component uses it.
    #[serde(flatten)]
    pub consume: Consume,
    /// How it is provided.
    #[serde(flatten)]
    pub provide: Provide,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.above) != has(self.below)",
    "an alarm needs exactly one of `above` and `below`, such as `above: 80%`",
))]
pub struct Alarm {
    /// Its name. By default made of `of` and `metric`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::schema::label")]
    pub name: Option<String>,
    /// What is watched: the name of a trait of this component (`rds`), of another component (`web/rds`), or `self` for
    /// the component's own pods.
    #[schemars(length(min = 1, max = 127))]
    pub of: String,
    /// The figure that is watched: connections, storage, cpu of an rds; unhealthyBackends, connections, 5xx of an slb;
    /// restarts, notReady of self.
    pub metric: Metric,
    /// Rings above this: `80%`, `100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<Level>,
    /// Rings below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<Level>,
    /// For how long it must be so. By default 5m.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
    /// How bad it is. By default warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Who is told, by a name that the environment knows. By default nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub notify: Option<String>,
}

/// Where metrics are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scrape {
    /// The port.
    #[schemars(schema_with = "crate::api::schema::port")]
    pub port: u16,
    /// The path. By default /metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^/"))]
    pub path: Option<String>,
}

/// A figure that an alarm compares with: a number, or a share of the possible in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The number.
    pub value: f64,
    /// It is in percent.
    pub percent: bool,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, percent) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
        let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
        match number.parse::<f64>() {
            Ok(value) if plain && (!percent || value <= 100.0) => Ok(Self { value, percent }),
            _ => Err(format!(
                "`{text}` is no threshold; write a number such as 100, or a percentage up to 100%"
            )),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, if self.percent { "%" } else { "" })
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.percent && self.value.fract() == 0.0 && self.value < 1e9 {
            serializer.serialize_i64(self.value as i64)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text.parse().map_err(de::Error::custom),
            other => other.to_string().parse().map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Level {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Level".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true, "maxLength": 16, "pattern": "^[0-9]{1,9}(\\.[0-9]{1,3})?%?$",
        })
    }
}
