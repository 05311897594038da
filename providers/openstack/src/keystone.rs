//! Keystone: a token, and where the services are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mooring_provider::{Error, ErrorKind, Result};
use mooring_provider_http::{Answer, Client, Method, Redactor, Request, Url, retry};
use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    config::{OpenstackConfig, Service, address, invalid},
    credentials::Identity,
    fault,
};

const OPERATION: &str = "openstack.login";

/// A token, and what it opens.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) project: String,
    endpoints: BTreeMap<Service, Result<Url, String>>,
}

impl Token {
    /// Where a service is.
    pub(crate) fn endpoint(&self, service: Service) -> Result<Url> {
        match self.endpoints.get(&service) {
            Some(Ok(url)) => Ok(url.clone()),
            Some(Err(message)) => Err(invalid(message)),
            None => Err(Error::new(
                ErrorKind::Unsupported,
                OPERATION,
                format!(
                    "this cloud has no {} service in its catalog; name another provider for it in the Environment, \
                     or `none`",
                    service.as_str()
                ),
            )),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    token: Issued,
}

#[derive(Deserialize)]
struct Issued {
    expires_at: Timestamp,
    project: Option<Project>,
    #[serde(default)]
    catalog: Vec<Entry>,
}

#[derive(Deserialize)]
struct Project {
    id: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    interface: String,
    region_id: Option<String>,
    region: Option<String>,
    url: String,
}

/// Who one is, and what one asks with.
#[derive(Debug)]
pub(crate) struct Keystone {
    pub(crate) client: Client,
    pub(crate) identity: Identity,
    pub(crate) redactor: Redactor,
}

impl Keystone {
    async fn ask(&self, url: &Url) -> Result<Answer> {
        let mut request = Request::new(Method::POST, url.clone());
        request.header("content-type", "application/json", false)?;
        request.body = serde_json::to_vec(&self.identity.request()).unwrap_or_default().into();
        let answer = self.client.send(OPERATION, request).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(fault::login(&answer, &self.identity.shown(), &self.redactor)),
        }
    }

    /// Asks for a token. Asking twice makes two, which does no harm.
    pub(crate) async fn login(&self, config: &OpenstackConfig) -> Result<(Token, Timestamp)> {
        let mut url = address("authUrl", &self.identity.auth_url)?;
        let mut path = url.path().trim_end_matches('/').to_owned();
        if !path.ends_with("/v3") {
            path.push_str("/v3");
        }
        url.set_path(&format!("{path}/auth/tokens"));
        let answer = retry(true, |_| self.ask(&url)).await?;
        issued(config, &answer)
    }
}

fn issued(config: &OpenstackConfig, answer: &Answer) -> Result<(Token, Timestamp)> {
    let secret = answer.header("x-subject-token").map(SecretString::from);
    let body: Body = answer.json(OPERATION)?;
    let (Some(secret), Some(project)) = (secret, body.token.project) else {
        let message = "Keystone gave no token of a project; name the project in spec.openstack.projectId";
        return Err(Error::new(ErrorKind::Unauthenticated, OPERATION, message));
    };
    if let Some(wanted) = config.project_id.as_ref().filter(|wanted| **wanted != project.id) {
        return Err(invalid(&format!(
            "projectId: `{wanted}` is not the project of these credentials, which is {}",
            project.id
        )));
    }
    let token = Token {
        secret,
        endpoints: endpoints(config, &body.token.catalog, &project.id)?,
        project: project.id,
    };
    // A clock that is far off must not make each call a login.
    let end = body
        .token
        .expires_at
        .max(Timestamp::now() + SignedDuration::from_mins(5));
    Ok((token, end))
}

fn endpoints(
    config: &OpenstackConfig,
    catalog: &[Entry],
    project: &str,
) -> Result<BTreeMap<Service, Result<Url, String>>> {
    let mut found = BTreeMap::new();
    for service in Service::ALL {
        if let Some(url) = config.endpoints.get(&service) {
            let url = address(&format!("endpoints.{}", service.as_str()), url)?;
            found.insert(service, Ok(versioned(service, url, project)));
            continue;
        }
        let offered: Vec<_> = catalog
            .iter()
            .filter(|entry| entry.kind == service.as_str())
            .flat_map(|entry| &entry.endpoints)
            .collect();
        if !offered.is_empty() {
            found.insert(service, chosen(config, service, &offered, project));
        }
    }
    Ok(found)
}

/// The one endpoint of a service that the configuration means.
fn chosen(config: &OpenstackConfig, service: Service, offered: &[&Endpoint], project: &str) -> Result<Url, String> {
    let region = |endpoint: &Endpoint| {
        endpoint
            .region_id
            .clone()
            .or(endpoint.region.clone())
            .unwrap_or_default()
    };
    let regions: BTreeSet<_> = offered.iter().map(|endpoint| region(endpoint)).collect();
    let listed = regions.iter().cloned().collect::<Vec<_>>().join(", ");
    let wanted = match &config.region {
        Some(wanted) if regions.contains(wanted) => wanted,
        Some(wanted) => {
            return Err(format!(
                "region: `{wanted}` has no {}; there is {listed}",
                service.as_str()
            ));
        }
        None if regions.len() == 1 => regions.first().map_or(&listed, |only| only),
        None => return Err(format!("region: is missing; this cloud has {listed}")),
    };
    let interface = config.interface.as_str();
    let found = offered
        .iter()
        .find(|endpoint| region(endpoint) == *wanted && endpoint.interface == interface)
        .ok_or_else(|| {
            format!(
                "interface: `{interface}` is not offered by {} in {wanted}",
                service.as_str()
            )
        })?;
    let url = address("endpoints", &found.url).map_err(|_| {
        format!(
            "endpoints.{}: is missing, and what the catalog says is no address",
            service.as_str()
        )
    })?;
    Ok(versioned(service, url, project))
}

/// The address under which a service has its resources, which catalogs write in several ways.
fn versioned(service: Service, mut url: Url, project: &str) -> Url {
    let mut path = url.path().trim_end_matches('/').to_owned();
    match service {
        Service::Network if !path.ends_with("/v2.0") => path.push_str("/v2.0"),
        Service::LoadBalancer => {
            if !path.ends_with("/v2.0") && !path.ends_with("/v2") {
                path.push_str("/v2");
            }
            path.push_str("/lbaas");
        }
        Service::Database if path.ends_with("/v1.0") => path.push_str(&format!("/{project}")),
        Service::Database if !path.contains("/v1.0/") => path.push_str(&format!("/v1.0/{project}")),
        Service::Network | Service::Database => {}
    }
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogs_write_addresses_in_several_ways() {
        let at = |service, url: &str| versioned(service, Url::parse(url).expect("an address"), "p").to_string();
        for url in [
            "http://c:9696",
            "http://c:9696/",
            "http://c:9696/v2.0",
            "http://c:9696/v2.0/",
        ] {
            assert_eq!(at(Service::Network, url), "http://c:9696/v2.0");
        }
        assert_eq!(
            at(Service::LoadBalancer, "http://c/load-balancer"),
            "http://c/load-balancer/v2/lbaas"
        );
        assert_eq!(
            at(Service::LoadBalancer, "http://c:9876/v2.0"),
            "http://c:9876/v2.0/lbaas"
        );
        for url in ["http://c:8779", "http://c:8779/v1.0", "http://c:8779/v1.0/p"] {
            assert_eq!(at(Service::Database, url), "http://c:8779/v1.0/p");
        }
    }
}
