//! What `ProviderConfig.spec.openstack` says.

use std::{collections::BTreeMap, time::Duration};

use mooring_provider::{Error, ErrorKind, Result, Span, spec::Engine};
use mooring_provider_http::{HttpConfig, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A project of an OpenStack cloud.
///
/// The credentials Secret holds `applicationCredentialId` and `applicationCredentialSecret`; or `username`, `password`
/// and, unless it is `Default`, `userDomain`; or a whole `clouds.yaml`. Without a Secret, `cloud` names an entry of
/// the `clouds.yaml` of this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OpenstackConfig {
    /// Where Keystone is, as `https://keystone.example.org:5000/v3`. From `clouds.yaml` when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// The region. May be left out where the cloud has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Which of the endpoints in the catalog are used.
    pub interface: Interface,
    /// Addresses that stand in for those of the catalog, where the catalog's cannot be reached from here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<Service, String>,
    /// The entry of `clouds.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The project, by its id. An application credential has its own; if this is another one, it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The project, by its name, for a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The domain of the project that is given by its name; `Default` when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_domain: Option<String>,
    /// The external network, by id or name, that egress to the internet and public addresses go through. Without it
    /// there are neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_network: Option<String>,
    /// How load balancers are made.
    pub load_balancers: LoadBalancers,
    /// Which datastore of Trove serves an engine, where it is not called like the engine.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub datastores: BTreeMap<Engine, Datastore>,
    /// What becomes of an account that asks for access `readonly` or `readwrite`: Trove gives each account all rights on
    /// its database.
    pub limited_access: LimitedAccess,
    /// The type of the volumes of databases; the cloud's default when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<String>,
    /// How patient one has to be with this cloud.
    pub timing: Timing,
    /// How the APIs are reached.
    pub http: HttpConfig,
}

/// What becomes of an account that asks for less than all rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LimitedAccess {
    /// It is refused.
    #[default]
    Refused,
    /// It gets all rights, and `plan` says so.
    AsOwner,
}

/// Which of the endpoints of a service is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// The one for everybody.
    #[default]
    Public,
    /// The one inside the cloud.
    Internal,
    /// The one for administrators.
    Admin,
}

impl Interface {
    /// As the catalog writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

/// A service of the cloud, named by its type in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Neutron.
    Network,
    /// Octavia.
    LoadBalancer,
    /// Trove.
    Database,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 3] = [Self::Network, Self::LoadBalancer, Self::Database];

    /// Its type in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::LoadBalancer => "load-balancer",
            Self::Database => "database",
        }
    }
}

/// How load balancers are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancers {
    /// The provider driver of Octavia (`amphora`, `ovn`); the cloud's default when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The id of a flavor of Octavia.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor: Option<String>,
    /// How often each backend is asked whether it is well. It is taken out after three bad answers.
    pub health_check_interval: Span,
}

impl Default for LoadBalancers {
    fn default() -> Self {
        Self {
            provider: None,
            flavor: None,
            health_check_interval: Span::new(Duration::from_secs(5)),
        }
    }
}

/// A datastore of Trove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Datastore {
    /// Its name.
    pub name: String,
    /// Its version, unless a trait names one; the cloud's default when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How patient one has to be with this cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timing {
    /// How often a resource at rest is looked at.
    pub poll: Span,
    /// How often a resource in transition is looked at.
    pub poll_busy: Span,
    /// A create that has not been answered within this time is looked for before it is tried again.
    pub send_deadline: Span,
    /// A create whose answer was lost shows its effect within this time: as long as the cloud's own gateways let a
    /// request run.
    pub appears_within: Span,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            poll: Span::new(Duration::from_secs(300)),
            poll_busy: Span::new(Duration::from_secs(5)),
            send_deadline: Span::new(Duration::from_secs(30)),
            appears_within: Span::new(Duration::from_secs(90)),
        }
    }
}

impl OpenstackConfig {
    /// Reads and checks `ProviderConfig.spec.openstack`.
    ///
    /// # Errors
    /// Those name the field, its value and the fix.
    pub fn read(config: &serde_json::Value) -> Result<Self> {
        let config = match config {
            serde_json::Value::Null => Self::default(),
            config => Self::deserialize(config).map_err(|error| invalid(&error.to_string()))?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if let Some(url) = &self.auth_url {
            address("authUrl", url)?;
        }
        for (service, url) in &self.endpoints {
            address(&format!("endpoints.{}", service.as_str()), url)?;
        }
        for (field, value) in [
            ("region", &self.region),
            ("cloud", &self.cloud),
            ("projectId", &self.project_id),
            ("project", &self.project),
            ("projectDomain", &self.project_domain),
            ("externalNetwork", &self.external_network),
            ("volumeType", &self.volume_type),
            ("loadBalancers.provider", &self.load_balancers.provider),
            ("loadBalancers.flavor", &self.load_balancers.flavor),
        ] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                return Err(invalid(&format!("{field}: `` is empty; leave the field out")));
            }
        }
        let interval = self.load_balancers.health_check_interval;
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&interval.get()) {
            return Err(invalid(&format!(
                "loadBalancers.healthCheckInterval: `{interval}` is out of range; use 1s to 1h"
            )));
        }
        for (field, value) in [
            ("pollBusy", self.timing.poll_busy),
            ("poll", self.timing.poll),
            ("sendDeadline", self.timing.send_deadline),
        ] {
            if value.get().is_zero() {
                return Err(invalid(&format!("timing.{field}: `{value}` is no time; use 5s")));
            }
        }
        Ok(())
    }
}

/// An address that stands in a configuration.
pub(crate) fn address(field: &str, text: &str) -> Result<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none())
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| {
            invalid(&format!(
                "{field}: `{text}` is no address of an API; write one such as https://keystone.example.org:5000/v3"
            ))
        })
}

/// A configuration that is wrong.
pub(crate) fn invalid(message: &str) -> Error {
    Error::new(
        ErrorKind::InvalidSpec,
        "openstack.connect",
        format!("spec.openstack.{message}"),
    )
}
