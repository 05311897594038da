//! `spec.onprem.slb`.

use mooring_provider::{Error, Result};
use mooring_provider_http::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// A Caddy with its admin API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Caddy {
    /// Where its admin API is reached, as `http://host:2019`.
    pub admin_url: String,
}

impl Caddy {
    pub(super) fn check(&self) -> Result<()> {
        match Url::parse(&self.admin_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
            _ => {
                let message = format!("`{}` is no address; write http://host:port", self.admin_url);
                Err(Error::invalid("slb.adminUrl", &message))
            }
        }
    }
}
