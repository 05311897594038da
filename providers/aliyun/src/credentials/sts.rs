//! Sessions of roles.

use jiff::Timestamp;
use mooring_provider::{Error, ErrorKind, Result};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    api::{Call, Reply},
    config::AssumeRole,
    params::Params,
    product::Product,
    wire::{Keys, Scope, Wire},
};

const OPERATION: &str = "sts.assumeRole";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    credentials: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Session {
    access_key_id: String,
    access_key_secret: SecretString,
    security_token: SecretString,
    expiration: Timestamp,
}

/// A session of a role, assumed with keys.
pub(super) async fn assume_role(
    wire: &Wire,
    scope: Option<&Scope>,
    keys: &Keys,
    role: &AssumeRole,
) -> Result<(Keys, Timestamp)> {
    let params = Params::new()
        .set("RoleArn", &role.arn)
        .set("RoleSessionName", &role.session_name)
        .set("DurationSeconds", 3600)
        .maybe("ExternalId", role.external_id.as_deref());
    let call = Call::read(Product::Sts, "AssumeRole", OPERATION, params);
    session(wire.rpc(Some(keys), scope, &call).await?)
}

/// A session of a service account's role. The token is all that speaks for it; the request is not signed.
pub(super) async fn assume_role_with_oidc(
    wire: &Wire,
    role: &str,
    provider: &str,
    token: &SecretString,
    session_name: &str,
) -> Result<(Keys, Timestamp)> {
    let params = Params::new()
        .set("RoleArn", role)
        .set("OIDCProviderArn", provider)
        .secret("OIDCToken", token)
        .set("RoleSessionName", session_name)
        .set("DurationSeconds", 3600);
    let call = Call::read(Product::Sts, "AssumeRoleWithOIDC", OPERATION, params);
    session(wire.rpc(None, None, &call).await?)
}

fn session(reply: Reply<Json>) -> Result<(Keys, Timestamp)> {
    // serde's message may quote a secret.
    let answer = Answer::deserialize(reply.value).map_err(|_| {
        let error = Error::new(ErrorKind::Unexpected, OPERATION, "the answer holds no session");
        match reply.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    })?;
    let Session {
        access_key_id,
        access_key_secret,
        security_token,
        expiration,
    } = answer.credentials;
    let keys = Keys {
        id: access_key_id,
        secret: access_key_secret,
        token: Some(security_token),
    };
    Ok((keys, expiration))
}
