//! `spec.onprem.monitor`.

use std::path::PathBuf;

use mooring_provider::{Error, Result};
use mooring_provider_http::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// A Prometheus whose rule files are in a directory that Mooring may write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prometheus {
    /// Where it is reached, as `http://host:port`.
    pub url: String,
    /// The directory that its `rule_files` names.
    pub rules_directory: PathBuf,
}

impl Prometheus {
    pub(super) fn check(&self) -> Result<()> {
        match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => {
                let message = format!("`{}` is no address; write http://host:port", self.url);
                return Err(Error::invalid("monitor.url", &message));
            }
        }
        if self.rules_directory.is_absolute() {
            return Ok(());
        }
        let message = format!("`{}` is no absolute path", self.rules_directory.display());
        Err(Error::invalid("monitor.rulesDirectory", &message))
    }
}
