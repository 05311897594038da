//! `spec.onprem.log`.

use mooring_provider::{Error, Result};
use mooring_provider_http::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// A log store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogServer {
    /// Where it is reached, as `http://host:port`.
    pub url: String,
}

impl LogServer {
    pub(super) fn check(&self) -> Result<()> {
        match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
            _ => Err(Error::invalid(
                "log.url",
                &format!("`{}` is no address; write http://host:port", self.url),
            )),
        }
    }
}
