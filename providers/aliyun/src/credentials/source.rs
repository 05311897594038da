//! Where the first keys come from.

use std::path::PathBuf;

use jiff::Timestamp;
use mooring_provider::{Credentials, Error, ErrorKind, Result};
use secrecy::{ExposeSecret, SecretString};

use super::{environment, metadata::Metadata, profile, sts};
use crate::{
    config::{AliyunConfig, AssumeRole, invalid},
    wire::{Keys, Wire},
};

/// Where the first keys come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// They are known.
    Keys(Keys),
    /// A role of a service account, assumed with a token from a file.
    Oidc {
        role: String,
        provider: String,
        token_file: PathBuf,
        session_name: String,
    },
    /// The role of the server.
    Server(Metadata),
}

impl Source {
    /// The entries of a Secret; `None` when it has none of ours.
    pub(crate) fn of_secret(credentials: &Credentials) -> Result<Option<Self>> {
        let entry = |name: &str| {
            let value = credentials.get(name)?;
            let trimmed = value.expose_secret().trim();
            (!trimmed.is_empty()).then(|| SecretString::from(trimmed))
        };
        match (entry("accessKeyId"), entry("accessKeySecret")) {
            (Some(id), Some(secret)) => Ok(Some(Self::Keys(Keys {
                id: id.expose_secret().to_owned(),
                secret,
                token: entry("securityToken"),
            }))),
            (None, None) if credentials.is_empty() => Ok(None),
            (id, _) => {
                let lacks = if id.is_none() { "accessKeyId" } else { "accessKeySecret" };
                Err(unauthenticated(format!(
                    "the Secret has no entry {lacks}; it needs accessKeyId and accessKeySecret"
                )))
            }
        }
    }

    /// What the configuration says, or else what the environment, the profile file and the server have. The roles
    /// are assumed with it, in this order.
    pub(crate) fn without_secret(config: &AliyunConfig) -> Result<(Self, Vec<AssumeRole>)> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(oidc) = &config.oidc {
            return Ok((environment::oidc(oidc, variable)?, Vec::new()));
        }
        if let Some(role) = &config.ecs_role {
            return Ok((Self::Server(Metadata::new(role)), Vec::new()));
        }
        if let Some(name) = &config.profile {
            return profile::read(&profile::path(variable)?, name);
        }
        if let Some(source) = environment::find(variable)? {
            return Ok((source, Vec::new()));
        }
        if let Ok(path) = profile::path(variable)
            && path.exists()
        {
            return profile::read(&path, &variable("ALIBABA_CLOUD_PROFILE").unwrap_or_default());
        }
        if let Some(role) = variable("ALIBABA_CLOUD_ECS_METADATA") {
            return Ok((Self::Server(Metadata::new(&role)), Vec::new()));
        }
        Err(unauthenticated(
            "no credentials: name a Secret in spec.credentials, or set spec.aliyun.oidc, ecsRole or profile; the \
             environment and ~/.aliyun/config.json have none"
                .into(),
        ))
    }

    /// The keys, and until when they are good.
    pub(super) async fn fetch(&self, wire: &Wire) -> Result<(Keys, Timestamp)> {
        match self {
            Self::Keys(keys) => Ok((keys.clone(), Timestamp::MAX)),
            Self::Server(metadata) => metadata.fetch().await,
            Self::Oidc {
                role,
                provider,
                token_file,
                session_name,
            } => {
                let token = tokio::fs::read_to_string(token_file).await.map_err(|error| {
                    let message = format!("the token file {} cannot be read", token_file.display());
                    unauthenticated(message).with_source(error)
                })?;
                sts::assume_role_with_oidc(wire, role, provider, &SecretString::from(token.trim()), session_name).await
            }
        }
    }
}

pub(super) fn unauthenticated(message: String) -> Error {
    Error::new(ErrorKind::Unauthenticated, "aliyun.credentials", message)
}

/// What is missing in a configuration.
pub(super) fn lacks(what: &str, fix: &str) -> Error {
    invalid(format!("{what} is missing; {fix}"))
}
