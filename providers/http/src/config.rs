//! How an API is reached.

use std::time::Duration;

use mooring_provider::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an API is reached. Certificates are always verified; an authority of one's own is named here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Certificate authorities in PEM that are trusted beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The proxy, as `http://host:port`. The process's own proxy variables are not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// How long one request may take in all.
    pub timeout: Span,
    /// How long a connection may take to be made.
    pub connect_timeout: Span,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            ca_bundle: None,
            proxy: None,
            timeout: Span::new(Duration::from_secs(20)),
            connect_timeout: Span::new(Duration::from_secs(5)),
        }
    }
}
