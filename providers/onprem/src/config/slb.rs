//! `spec.onprem.slb`.

use std::{collections::BTreeMap, net::IpAddr};

use mooring_provider::{Error, Result};
use mooring_provider_http::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// A Caddy with its admin API. Its login, if something in front of the API asks for one, is in the credentials Secret
/// under `slb.token`, or `slb.username` and `slb.password`.
///
/// It should be started with `caddy run --resume`, or it forgets everything when it restarts; what it forgot is made
/// anew when it is next looked at. Loading a Caddyfile into it forgets everything too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Caddy {
    /// Where its admin API is reached, as `http://host:2019`.
    pub admin_url: String,
    /// The address it listens on for balancers of the scheme `internal`.
    #[schemars(with = "String")]
    pub address: IpAddr,
    /// The address it listens on for balancers of the scheme `internet`. Without one there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub public_address: Option<IpAddr>,
    /// What the `certificate` of a listener means here: the tag of a certificate in Caddy's `apps.tls.certificates`.
    /// The files and their keys are the operator's and Caddy's alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, String>,
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
