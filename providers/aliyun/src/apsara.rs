//! What `ProviderConfig.spec.apsara` says: Apsara Stack, the private flavour.

use std::collections::BTreeMap;

use mooring_provider::Result;
use mooring_provider_http::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{AssumeRole, Scheme, check_endpoints, check_region, check_role, invalid, read},
    log::LogConfig,
    rds::RdsConfig,
    slb::SlbConfig,
};

/// An organisation of an Apsara Stack.
///
/// Its credentials are the entries `accessKeyId`, `accessKeySecret` and, for a session, `securityToken` of the
/// Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApsaraConfig {
    /// The region, such as `cn-qingdao-env17-d01`.
    pub region: String,
    /// The domain of the products' hosts: `env17e.shuguang.com` for `rds.REGION.env17e.shuguang.com`. This, or
    /// `gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The region is the central one, whose hosts are named without it.
    #[serde(default)]
    pub center: bool,
    /// The address of the ASAPI gateway, such as `https://public.asapi.REGION.env17e.shuguang.com/asapi/v3`. This,
    /// or `domain`. The log service's data still needs `domain` or `endpoints.sls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The host of a product, where it is not the usual one, as `host`, `host:port` or `scheme://host:port`;
    /// `default` is for every product that is not named.
    #[serde(default)]
    pub endpoints: BTreeMap<String, String>,
    /// The scheme of hosts that are named without one.
    #[serde(default)]
    pub scheme: Scheme,
    /// The id of the organisation (department). Without it the one of `resourceGroup` is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The id, or the name, of the resource group. A name is looked up; with an id, `organization` is needed too.
    pub resource_group: String,
    /// A role that is assumed with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
    /// How databases are bought and kept.
    #[serde(default)]
    pub rds: RdsConfig,
    /// How balancers are bought.
    #[serde(default)]
    pub slb: SlbConfig,
    /// How lines of logs are collected.
    #[serde(default)]
    pub log: LogConfig,
    /// How the APIs are reached; a stack's own certificate authority belongs into its `caBundle`.
    #[serde(default)]
    pub http: HttpConfig,
}

impl ApsaraConfig {
    /// Reads and checks `ProviderConfig.spec.apsara`.
    pub fn read(config: &serde_json::Value) -> Result<Self> {
        let config: Self = read(config, "spec.apsara")?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let at = "spec.apsara";
        check_region(&self.region, at)?;
        check_endpoints(&self.endpoints, self.scheme, at)?;
        check_role(self.assume_role.as_ref(), at)?;
        if self.resource_group.is_empty() {
            return Err(invalid(format!(
                "{at}.resourceGroup: `` is empty; name the resource group or give its id"
            )));
        }
        if let Some(gateway) = &self.gateway {
            crate::config::base(gateway, self.scheme).map_err(|why| {
                let fix = "write scheme://host/asapi/v3";
                invalid(format!("{at}.gateway: `{gateway}` is no address ({why}); {fix}"))
            })?;
        }
        if self.domain.is_none() && self.gateway.is_none() && !self.endpoints.contains_key("default") {
            return Err(invalid(format!(
                "{at}: name the `domain` of the products' hosts, or the `gateway` of ASAPI"
            )));
        }
        Ok(())
    }
}
