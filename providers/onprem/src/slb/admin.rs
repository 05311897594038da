//! The part of Caddy's admin API that is needed.

use std::collections::BTreeMap;

use mooring_provider::{Error, ErrorKind, Result};
use mooring_provider_http::{Answer, Method, Request, StatusCode};
use serde_json::Value as Json;

use crate::api::Api;

/// Caddy's admin API. One call changes one server, and Caddy takes the change whole or not at all.
#[derive(Debug)]
pub(super) struct Admin(pub(super) Api);

impl Admin {
    /// Every HTTP server there is, by its name.
    pub(super) async fn servers(&self, operation: &'static str) -> Result<BTreeMap<String, Json>> {
        // One level higher: of a Caddy without the HTTP app, `apps/http/servers` is a bad request.
        let request = self.0.request(Method::GET, self.0.url(&["config", "apps"]))?;
        let answer = self.0.succeed(operation, true, &request).await?;
        let mut apps: Json = answer.json(operation)?;
        match apps.pointer_mut("/http/servers").map(Json::take) {
            Some(Json::Object(servers)) => Ok(servers.into_iter().collect()),
            None | Some(Json::Null) if apps.is_object() || apps.is_null() => Ok(BTreeMap::new()),
            _ => {
                let message = "what answers under slb.adminUrl is no admin API of Caddy";
                Err(Error::new(ErrorKind::Unexpected, operation, message))
            }
        }
    }

    /// One server with the tag of this version of it; `None` when there is none.
    pub(super) async fn server(&self, operation: &'static str, name: &str) -> Result<Option<(Json, String)>> {
        let request = self.request(Method::GET, name)?;
        let answer = self.0.send(operation, true, &request).await?;
        // Of a Caddy without the HTTP app this path leads nowhere.
        if answer.status == StatusCode::BAD_REQUEST && self.0.said(&answer).contains("invalid traversal path") {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(self.refused(operation, &answer));
        }
        let version = answer.header("etag").unwrap_or_default().to_owned();
        match answer.json(operation)? {
            Json::Null => Ok(None),
            server => Ok(Some((server, version))),
        }
    }

    /// Makes a server. `false` when there is one of this name.
    pub(super) async fn make(&self, operation: &'static str, name: &str, server: &Json) -> Result<bool> {
        let answer = self.write(operation, Method::PUT, name, Some(server), None).await?;
        match answer.status {
            StatusCode::CONFLICT => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.refused(operation, &answer)),
        }
    }

    /// Replaces this version of a server.
    pub(super) async fn replace(
        &self,
        operation: &'static str,
        name: &str,
        server: &Json,
        version: &str,
    ) -> Result<()> {
        let answer = self
            .write(operation, Method::PATCH, name, Some(server), Some(version))
            .await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(self.refused(operation, &answer))
    }

    /// Removes this version of a server. One that is gone is removed.
    pub(super) async fn remove(&self, operation: &'static str, name: &str, version: &str) -> Result<()> {
        let answer = self.write(operation, Method::DELETE, name, None, Some(version)).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(self.refused(operation, &answer))
    }

    fn request(&self, method: Method, name: &str) -> Result<Request> {
        self.0
            .request(method, self.0.url(&["config", "apps", "http", "servers", name]))
    }

    async fn write(
        &self,
        operation: &'static str,
        method: Method,
        name: &str,
        server: Option<&Json>,
        version: Option<&str>,
    ) -> Result<Answer> {
        let mut request = self.request(method, name)?;
        if let Some(server) = server {
            request.header("content-type", "application/json", false)?;
            request.body = server.to_string().into();
        }
        if let Some(version) = version {
            request.header("if-match", version, false)?;
        }
        self.0.send(operation, false, &request).await
    }

    /// What a refusal means. Caddy says 500 for whatever it could not load, so the words decide.
    fn refused(&self, operation: &'static str, answer: &Answer) -> Error {
        let said = self.0.said(answer);
        let has = |words: &str| said.contains(words);
        let (kind, meaning) = match answer.status {
            StatusCode::PRECONDITION_FAILED => (ErrorKind::Busy, "somebody changed it at the same time"),
            _ if has("listener address repeated") => (ErrorKind::NotOwned, "another server of Caddy has this port"),
            _ if has("address already in use") => (ErrorKind::Busy, "another program has this port"),
            _ if has("cannot assign requested address") => (
                ErrorKind::Busy,
                "an address of spec.onprem.slb.addresses is not on Caddy's host",
            ),
            _ => (
                ErrorKind::Unexpected,
                "Caddy refused its new configuration and keeps the old one",
            ),
        };
        Error::new(kind, operation, format!("{meaning}: {said}")).with_code(answer.status.as_u16().to_string())
    }
}
