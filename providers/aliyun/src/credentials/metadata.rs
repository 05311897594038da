//! The role of the server on which this runs, asked of its metadata service (version 2 of it).

use std::time::Duration;

use jiff::Timestamp;
use mooring_provider::{Error, ErrorKind, Result, Span};
use mooring_provider_http::{Client, HttpConfig, Method, Request, Url};
use secrecy::SecretString;
use serde::Deserialize;

use super::source::unauthenticated;
use crate::wire::Keys;

const OPERATION: &str = "aliyun.credentials";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// Where the role of the server is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    role: String,
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Session {
    code: String,
    access_key_id: String,
    access_key_secret: SecretString,
    security_token: SecretString,
    expiration: Timestamp,
}

impl Metadata {
    /// Of this role; empty for the one the server has.
    pub(crate) fn new(role: &str) -> Self {
        Self {
            role: role.to_owned(),
            address: "http://100.100.100.200".into(),
        }
    }

    pub(super) async fn fetch(&self) -> Result<(Keys, Timestamp)> {
        let second = Span::new(Duration::from_secs(1));
        let client = Client::new(&HttpConfig {
            timeout: second,
            connect_timeout: second,
            ..HttpConfig::default()
        })?;
        let token = self
            .ask(&client, Method::PUT, "/latest/api/token", |request| {
                request.header("x-aliyun-ecs-metadata-token-ttl-seconds", "21600", false)
            })
            .await?;
        let get = async |path: &str| {
            let carry = |request: &mut Request| request.header("x-aliyun-ecs-metadata-token", token.trim(), true);
            self.ask(&client, Method::GET, path, carry).await
        };
        let role = match self.role.as_str() {
            "" => get(ROLES).await?,
            role => role.to_owned(),
        };
        let answer = get(&format!("{ROLES}{}", role.trim())).await?;
        // serde's message may quote a secret.
        let session: Session = serde_json::from_str(&answer)
            .map_err(|_| unauthenticated("the server's metadata service did not answer with a session".into()))?;
        if session.code != "Success" {
            return Err(unauthenticated(format!("the server's role: {}", session.code)));
        }
        let keys = Keys {
            id: session.access_key_id,
            secret: session.access_key_secret,
            token: Some(session.security_token),
        };
        Ok((keys, session.expiration))
    }

    async fn ask(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        with: impl Fn(&mut Request) -> Result<()>,
    ) -> Result<String> {
        let url = Url::parse(&format!("{}{path}", self.address))
            .map_err(|_| unauthenticated(format!("`{path}` is no path of the metadata service")))?;
        let mut request = Request::new(method, url);
        with(&mut request)?;
        let answer = client.send(OPERATION, request).await?;
        if !answer.status.is_success() {
            let message = format!("the server's metadata service answered {} to {path}", answer.status);
            return Err(if answer.status.is_server_error() {
                Error::new(ErrorKind::Unavailable, OPERATION, message)
            } else {
                unauthenticated(format!("{message}; has the server such a role?"))
            });
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{header, method, path},
    };

    use super::*;

    #[tokio::test]
    async fn a_session_of_the_servers_role() {
        let server = MockServer::start().await;
        let answer = |body: String| ResponseTemplate::new(200).set_body_string(body);
        Mock::given(method("PUT"))
            .and(path("/latest/api/token"))
            .and(header("x-aliyun-ecs-metadata-token-ttl-seconds", "21600"))
            .respond_with(answer("tick".into()))
            .mount(&server)
            .await;
        let get = || Mock::given(method("GET")).and(header("x-aliyun-ecs-metadata-token", "tick"));
        get()
            .and(path(ROLES))
            .respond_with(answer("captain\n".into()))
            .mount(&server)
            .await;
        let session = json!({"Code": "Success", "AccessKeyId": "STS.x", "AccessKeySecret": "s", "SecurityToken": "t",
                             "Expiration": "2040-01-01T00:00:00Z"});
        get()
            .and(path(format!("{ROLES}captain")))
            .respond_with(answer(session.to_string()))
            .mount(&server)
            .await;
        let mut metadata = Metadata::new("");
        metadata.address = server.uri();
        let (keys, end) = metadata.fetch().await.expect("it has one");
        assert_eq!(
            (keys.id.as_str(), end.to_string().as_str()),
            ("STS.x", "2040-01-01T00:00:00Z")
        );
        assert_eq!(keys.token.expect("a session has one").expose_secret(), "t");
        metadata.role = "stranger".into();
        let error = metadata.fetch().await.expect_err("there is no such role");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
}
