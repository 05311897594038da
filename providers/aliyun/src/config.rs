//! What `ProviderConfig.spec.aliyun` says.

use std::{collections::BTreeMap, path::PathBuf};

use mooring_provider::{Error, ErrorKind, Result};
use mooring_provider_http::{HttpConfig, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{log::LogConfig, product::Product, rds::RdsConfig, slb::SlbConfig};

/// An account of Alibaba Cloud in one region.
///
/// Its credentials are the entries `accessKeyId`, `accessKeySecret` and, for a session, `securityToken` of the
/// Secret. Without a Secret they are found as the official tools find them: the fields `oidc`, `ecsRole` and
/// `profile` below, else the environment, else the profile file, else the role of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AliyunConfig {
    /// The region, such as `cn-hangzhou`.
    pub region: String,
    /// Whether the APIs are reached over the internet or from within a network of the region.
    #[serde(default)]
    pub network: EndpointNetwork,
    /// The host of a product, where it is not the usual one: `rds: rds-vpc.cn-hangzhou.aliyuncs.com`, or
    /// `http://127.0.0.1:8080` with a scheme of its own. `default` is for every product that is not named.
    #[serde(default)]
    pub endpoints: BTreeMap<String, String>,
    /// The scheme of hosts that are named without one.
    #[serde(default)]
    pub scheme: Scheme,
    /// A role that is assumed with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
    /// The role of the service account of the operator's pod (RRSA).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
    /// The role of the server on which the operator runs; empty for the one it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs_role: Option<String>,
    /// A profile of the command line tool's file `~/.aliyun/config.json`; empty for its current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How databases are bought and kept.
    #[serde(default)]
    pub rds: RdsConfig,
    /// How balancers are bought.
    #[serde(default)]
    pub slb: SlbConfig,
    /// How lines of logs are collected.
    #[serde(default)]
    pub log: LogConfig,
    /// How the APIs are reached.
    #[serde(default)]
    pub http: HttpConfig,
}

/// From where the APIs are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointNetwork {
    /// Over the internet.
    #[default]
    Public,
    /// From within a network of the region.
    Vpc,
}

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Encrypted.
    #[default]
    Https,
    /// In the clear; signatures hold, but everybody on the way reads along.
    Http,
}

impl Scheme {
    /// As it stands in an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// A role that is assumed with the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssumeRole {
    /// The role: `acs:ram::1234567890123456:role/mooring`.
    pub arn: String,
    /// What the session is called in the account's audit: 2 to 64 of `A-Z a-z 0-9 . @ - _`.
    #[serde(default = "session_name")]
    pub session_name: String,
    /// The external id that the role asks for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// The role of a service account. What is left out is taken from the variables that RRSA puts into the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Oidc {
    /// The role; else `ALIBABA_CLOUD_ROLE_ARN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The identity provider; else `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_arn: Option<String>,
    /// The file with the token, read anew each time; else `ALIBABA_CLOUD_OIDC_TOKEN_FILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

fn session_name() -> String {
    "mooring".into()
}

impl AliyunConfig {
    /// Reads and checks `ProviderConfig.spec.aliyun`.
    pub fn read(config: &serde_json::Value) -> Result<Self> {
        let config: Self = read(config, "spec.aliyun")?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        check_region(&self.region, "spec.aliyun")?;
        check_endpoints(&self.endpoints, self.scheme, "spec.aliyun")?;
        check_role(self.assume_role.as_ref(), "spec.aliyun")?;
        let ways = [self.oidc.is_some(), self.ecs_role.is_some(), self.profile.is_some()];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            let message = "oidc, ecsRole and profile each name where credentials come from; keep one of them";
            return Err(invalid(format!("spec.aliyun: {message}")));
        }
        Ok(())
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidSpec, "aliyun.connect", message)
}

pub(crate) fn read<T: DeserializeOwned>(config: &serde_json::Value, at: &str) -> Result<T> {
    T::deserialize(config).map_err(|error| invalid(format!("{at}: {error}")))
}

pub(crate) fn check_region(region: &str, at: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || !region.chars().all(fits) {
        return Err(invalid(format!(
            "{at}.region: `{region}` is no region; write one such as cn-hangzhou"
        )));
    }
    Ok(())
}

pub(crate) fn check_endpoints(endpoints: &BTreeMap<String, String>, scheme: Scheme, at: &str) -> Result<()> {
    for (product, host) in endpoints {
        let known = product == "default" || Product::ALL.iter().any(|known| known.key() == product);
        if !known {
            let names: Vec<_> = Product::ALL.iter().map(|product| product.key()).collect();
            return Err(invalid(format!(
                "{at}.endpoints: `{product}` is no product; use one of default, {}",
                names.join(", ")
            )));
        }
        base(host, scheme).map_err(|why| {
            invalid(format!(
                "{at}.endpoints.{product}: `{host}` is no address ({why}); write host, host:port or scheme://host:port"
            ))
        })?;
    }
    Ok(())
}

pub(crate) fn check_role(role: Option<&AssumeRole>, at: &str) -> Result<()> {
    let Some(role) = role else { return Ok(()) };
    let fits = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
    if !role.arn.starts_with("acs:ram::") {
        return Err(invalid(format!(
            "{at}.assumeRole.arn: `{}` is no role; write acs:ram::ACCOUNT:role/NAME",
            role.arn
        )));
    }
    let name = &role.session_name;
    if !(2..=64).contains(&name.len()) || !name.chars().all(fits) {
        return Err(invalid(format!(
            "{at}.assumeRole.sessionName: `{name}` will not do; use 2 to 64 of A-Z a-z 0-9 . @ - _"
        )));
    }
    Ok(())
}

/// The address a host stands for.
pub(crate) fn base(host: &str, scheme: Scheme) -> Result<Url, String> {
    let text = if host.contains("://") {
        host.to_owned()
    } else {
        format!("{}://{host}", scheme.as_str())
    };
    let url = Url::parse(&text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" if !url.has_host() => Err("it has no host".into()),
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => Err("it has a user".into()),
        "http" | "https" => Ok(url),
        other => Err(format!("`{other}` is neither http nor https")),
    }
}
