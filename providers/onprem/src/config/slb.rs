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
    /// The addresses of its host for balancers of the scheme `internal`. A balancer listens on the first on which its
    /// ports are free: with one address, one application has port 80.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub addresses: Vec<IpAddr>,
    /// The same for balancers of the scheme `internet`. Without any there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub public_addresses: Vec<IpAddr>,
    /// What the `certificate` of a listener means here: the tag of a certificate in Caddy's `apps.tls.certificates`.
    /// The files and their keys are the operator's and Caddy's alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, String>,
}

impl Caddy {
    pub(super) fn check(&self) -> Result<()> {
        match Url::parse(&self.admin_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => {
                let message = format!("`{}` is no address; write http://host:port", self.admin_url);
                return Err(Error::invalid("slb.adminUrl", &message));
            }
        }
        if self.addresses.is_empty() {
            return Err(Error::invalid(
                "slb.addresses",
                "is empty; name an address of Caddy's host",
            ));
        }
        let all = || self.addresses.iter().chain(&self.public_addresses);
        if let Some(address) = all().find(|address| address.is_unspecified()) {
            let message = format!("`{address}` is no address that clients reach; name those of Caddy's host");
            return Err(Error::invalid("slb.addresses", &message));
        }
        if let Some(address) = self
            .addresses
            .iter()
            .find(|address| self.public_addresses.contains(address))
        {
            let message = format!("`{address}` is among the addresses too; name it once");
            return Err(Error::invalid("slb.publicAddresses", &message));
        }
        Ok(())
    }
}
