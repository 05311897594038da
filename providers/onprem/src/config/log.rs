//! `spec.onprem.log`.

use std::path::PathBuf;

use mooring_provider::{Error, Result, Span};
use mooring_provider_http::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// A log store. Its login, if something in front of it asks for one, is in the credentials Secret under `log.token`,
/// or `log.username` and `log.password`; what applications that push lines log in with, under `push.token`, or
/// `push.username` and `push.password`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogServer {
    /// Which one it is.
    pub flavour: Flavour,
    /// Where it is reached, as `http://host:port`.
    pub url: String,
    /// Where applications and collectors reach it, if that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_url: Option<String>,
    /// The directory in which it is written down which tenant is whose. It outlives Mooring's process, and every
    /// replica of it sees the same: neither server knows tenants, only lines that carry one.
    pub registry: PathBuf,
    /// How long the server keeps lines, as it is configured. It is the same for everybody.
    pub retention: Span,
    /// What becomes of a tenant's lines when it goes.
    #[serde(default)]
    pub removal: Removal,
}

/// A log store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// VictoriaLogs. A tenant is a pair of numbers, the headers `AccountID` and `ProjectID`.
    VictoriaLogs,
    /// Grafana Loki with `auth_enabled: true`. A tenant is a name, the header `X-Scope-OrgID`.
    Loki,
}

/// What becomes of a tenant's lines when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Removal {
    /// They are deleted, and the tenant is gone when none is found. Loki takes its time (`delete_request_cancel_period`
    /// is a day by default) and needs `retention_enabled`; VictoriaLogs needs `-delete.enable`.
    #[default]
    Wait,
    /// Their deletion is asked for, and the tenant is gone when the server took that.
    Ask,
    /// The server deletes them when they are old enough. The tenant is not used again.
    AgeOut,
}

impl LogServer {
    pub(super) fn check(&self) -> Result<()> {
        for (field, url) in [("url", Some(&self.url)), ("pushUrl", self.push_url.as_ref())] {
            let Some(url) = url else { continue };
            match Url::parse(url) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
                _ => {
                    let message = format!("`{url}` is no address; write http://host:port");
                    return Err(Error::invalid(&format!("log.{field}"), &message));
                }
            }
        }
        if !self.registry.is_absolute() {
            let message = format!("`{}` is no absolute path", self.registry.display());
            return Err(Error::invalid("log.registry", &message));
        }
        if self.retention.get().as_secs() < 3_600 {
            let message = format!(
                "`{}` is too short; write what the server is configured with, such as 30d",
                self.retention
            );
            return Err(Error::invalid("log.retention", &message));
        }
        Ok(())
    }
}
