//! Who one is to Keystone.

use mooring_provider::{Credentials, Result};
use mooring_provider_http::Redactor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};

use crate::{
    clouds::{self, Cloud},
    config::{Interface, OpenstackConfig, address, invalid},
};

/// How one logs in.
#[derive(Debug, Clone)]
enum Method {
    ApplicationCredential {
        id: String,
        secret: SecretString,
    },
    Password {
        user: String,
        domain: Json,
        password: SecretString,
        scope: Json,
    },
}

/// How one logs in, and where.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) auth_url: String,
    method: Method,
}

impl Identity {
    /// The body of the request for a token. An application credential must not name a scope: it has its own.
    pub(crate) fn request(&self) -> Json {
        match &self.method {
            Method::ApplicationCredential { id, secret } => json!({"auth": {"identity": {
                "methods": ["application_credential"],
                "application_credential": {"id": id, "secret": secret.expose_secret()},
            }}}),
            Method::Password {
                user,
                domain,
                password,
                scope,
            } => json!({"auth": {
                "identity": {"methods": ["password"], "password": {
                    "user": {"name": user, "domain": domain, "password": password.expose_secret()},
                }},
                "scope": {"project": scope},
            }}),
        }
    }

    /// Takes the secrets of the credentials out of messages.
    pub(crate) fn redactor(&self) -> Redactor {
        match &self.method {
            Method::ApplicationCredential { secret, .. } => Redactor::new([secret]),
            Method::Password { password, .. } => Redactor::new([password]),
        }
    }

    /// What the logs and the errors may call it.
    pub(crate) fn shown(&self) -> String {
        match &self.method {
            Method::ApplicationCredential { id, .. } => format!("the application credential {id}"),
            Method::Password { user, .. } => format!("the user {user}"),
        }
    }
}

/// Puts the configuration, the Secret and `clouds.yaml` together; what the configuration says comes first.
pub(crate) fn resolve(mut config: OpenstackConfig, secret: &Credentials) -> Result<(OpenstackConfig, Identity)> {
    let get = |name: &str| {
        secret
            .get(name)
            .filter(|value| !value.expose_secret().trim().is_empty())
    };
    let text = |name: &str| get(name).map(|value| value.expose_secret().trim().to_owned());
    let cloud = match (get("clouds.yaml"), &config.cloud) {
        (Some(file), name) => clouds::read(file.expose_secret(), name.as_deref())?,
        (None, Some(name)) if secret.is_empty() => clouds::of_this_machine(name)?,
        (None, Some(name)) => {
            return Err(invalid(&format!(
                "cloud: `{name}` is for a clouds.yaml, and the Secret has no entry `clouds.yaml`"
            )));
        }
        (None, None) => Cloud::default(),
    };
    take(&mut config, &cloud)?;
    let auth_url = config
        .auth_url
        .clone()
        .ok_or_else(|| invalid("authUrl: is missing; name Keystone as https://keystone.example.org:5000/v3"))?;
    let auth = cloud.auth;
    let id = text("applicationCredentialId").or(auth.application_credential_id);
    let secret = get("applicationCredentialSecret")
        .cloned()
        .or(auth.application_credential_secret);
    let user = text("username").or(auth.username);
    let password = get("password").cloned().or(auth.password);
    let method = match (id, secret, user, password) {
        (Some(id), Some(secret), _, _) => Method::ApplicationCredential { id, secret },
        (None, None, Some(user), Some(password)) => {
            let domain = text("userDomain").or(auth.user_domain_name);
            Method::Password {
                user,
                password,
                domain: domain_of(domain, auth.user_domain_id),
                scope: match (&config.project_id, &config.project) {
                    (Some(id), _) => json!({"id": id}),
                    (None, Some(name)) => json!({
                        "name": name,
                        "domain": domain_of(config.project_domain.clone(), auth.project_domain_id),
                    }),
                    (None, None) => {
                        return Err(invalid(
                            "projectId: is missing; a password works only for a project that is named",
                        ));
                    }
                },
            }
        }
        _ => {
            return Err(invalid(
                "credentials: the Secret needs `applicationCredentialId` and `applicationCredentialSecret`, or \
                 `username` and `password`, or `clouds.yaml`",
            ));
        }
    };
    Ok((config, Identity { auth_url, method }))
}

/// What `clouds.yaml` says and the configuration does not.
fn take(config: &mut OpenstackConfig, cloud: &Cloud) -> Result<()> {
    let fill = |field: &mut Option<String>, from: &Option<String>| *field = field.take().or_else(|| from.clone());
    fill(&mut config.auth_url, &cloud.auth.auth_url);
    fill(&mut config.region, &cloud.region_name);
    fill(&mut config.project_domain, &cloud.auth.project_domain_name);
    if config.project.is_none() {
        fill(&mut config.project_id, &cloud.auth.project_id);
    }
    if config.project_id.is_none() {
        fill(&mut config.project, &cloud.auth.project_name);
    }
    if let Some(url) = &config.auth_url {
        address("authUrl", url)?;
    }
    match cloud
        .interface
        .as_deref()
        .map(|interface| interface.trim_end_matches("URL"))
    {
        Some("internal") if config.interface == Interface::Public => config.interface = Interface::Internal,
        Some("admin") if config.interface == Interface::Public => config.interface = Interface::Admin,
        _ => {}
    }
    if let (None, Some(path)) = (&config.http.ca_bundle, &cloud.cacert) {
        let bundle = std::fs::read_to_string(path).map_err(|error| {
            invalid(&format!("cloud: its cacert {} cannot be read", path.display())).with_source(error)
        })?;
        config.http.ca_bundle = Some(bundle);
    }
    Ok(())
}

fn domain_of(name: Option<String>, id: Option<String>) -> Json {
    match (name, id) {
        (Some(name), _) => json!({"name": name}),
        (None, Some(id)) => json!({"id": id}),
        (None, None) => json!({"name": "Default"}),
    }
}
