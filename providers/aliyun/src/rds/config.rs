//! What an SRE, and what a developer may say about databases here beyond the portable words.

use mooring_provider::{Error, ErrorKind, Result, spec::Common};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How databases are bought and kept: `rds` of the provider's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RdsConfig {
    /// A subscription for new instances. One that is subscribed to cannot be deleted before its time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Subscription>,
    /// The storage of new instances: `cloud_essd` (the default), `general_essd`, `local_ssd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<String>,
    /// Which backups outlive a deleted instance.
    pub keep_backups: KeepBackups,
    /// The certificate authority of the region's databases in PEM, for the bindings: the API does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// For how long an instance is paid in advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription {
    /// The unit.
    pub period: Period,
    /// How many of it.
    pub count: u8,
}

/// A unit of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Period {
    /// A month.
    Month,
    /// A year.
    Year,
}

/// Which backups outlive a deleted instance, where the engine and its storage allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeepBackups {
    /// None.
    #[default]
    None,
    /// The last one.
    Latest,
    /// All of them.
    All,
}

impl KeepBackups {
    /// As the API writes it.
    pub(super) const fn policy(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            // It is spelt so there.
            Self::Latest => Some("Lastest"),
            Self::All => Some("All"),
        }
    }
}

/// `options.aliyun` of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Options {
    /// The storage: `cloud_essd`, `general_essd`, `local_ssd`.
    pub(super) storage_type: Option<String>,
    /// The edition: `Basic`, `HighAvailability`, `AlwaysOn`, `cluster`. Else it follows from `highAvailability`.
    pub(super) category: Option<String>,
}

impl Options {
    pub(super) fn read(common: &Common) -> Result<Self> {
        serde_json::from_value(serde_json::Value::Object(common.options.clone())).map_err(|error| {
            let message = format!("options.aliyun: {error}");
            Error::new(ErrorKind::InvalidSpec, "rds.validate", message)
        })
    }

    /// The edition.
    pub(super) fn category(&self, high_availability: bool) -> &str {
        match &self.category {
            Some(category) => category,
            None if high_availability => "HighAvailability",
            None => "Basic",
        }
    }
}
