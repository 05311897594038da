//! Alarms on the application's own resources.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Common, Selector};
use crate::{ExternalId, Kind, Span};

/// A set of alarms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// The alarms.
    pub alarms: Vec<Alarm>,
    /// Where the component's own metrics are read, if anywhere.
    pub scrape: Option<Scrape>,
    /// The pods of the component.
    pub selector: Selector,
    /// What every kind has.
    pub common: Common,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// Its name within the set.
    pub name: String,
    /// What is watched.
    pub target: Target,
    /// The figure that is watched.
    pub metric: Metric,
    /// When it rings.
    pub threshold: Threshold,
    /// For how long the figure must be beyond the threshold.
    #[serde(rename = "for")]
    pub lasting: Span,
    /// How bad it is.
    pub severity: Severity,
    /// The provider's contact groups to be told.
    pub notify: Vec<String>,
}

/// What an alarm watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The component's own pods.
    Own,
    /// A resource of the application.
    Resource {
        /// Its kind.
        kind: Kind,
        /// What the provider calls it.
        id: ExternalId,
    },
}

/// A portable figure. Each provider says what it means there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Connections of a database or a balancer; in percent, of its maximum.
    Connections,
    /// Storage used, of a database.
    Storage,
    /// Processor use, of a database.
    Cpu,
    /// Backends of a balancer that are not well.
    UnhealthyBackends,
    /// Answers of a balancer that are server errors, per second.
    #[serde(rename = "5xx")]
    ServerErrors,
    /// Restarts of the component's containers.
    Restarts,
    /// Pods of the component that are not ready.
    NotReady,
}

impl Metric {
    /// As written in a trait.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Storage => "storage",
            Self::Cpu => "cpu",
            Self::UnhealthyBackends => "unhealthyBackends",
            Self::ServerErrors => "5xx",
            Self::Restarts => "restarts",
            Self::NotReady => "notReady",
        }
    }

    /// Whether it can be watched on a resource of this kind; `None` is the component's own pods.
    pub fn fits(self, kind: Option<Kind>) -> bool {
        match self {
            Self::Connections => matches!(kind, Some(Kind::Rds | Kind::Slb)),
            Self::Storage | Self::Cpu => kind == Some(Kind::Rds),
            Self::UnhealthyBackends | Self::ServerErrors => kind == Some(Kind::Slb),
            Self::Restarts | Self::NotReady => kind.is_none(),
        }
    }
}

/// When an alarm rings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Threshold {
    /// Rings above the value, else below it.
    pub above: bool,
    /// The value.
    pub value: f64,
    /// The value is in percent of the possible.
    pub percent: bool,
}

/// How bad an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody must get up.
    Critical,
    /// Somebody must look.
    #[default]
    Warning,
    /// Good to know.
    Info,
}

/// Where metrics are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scrape {
    /// The port.
    pub port: u16,
    /// The path.
    pub path: String,
}
