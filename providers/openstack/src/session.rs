//! Calls of the services, with a token that is kept fresh.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use mooring_provider::{Capability, Error, ErrorKind, Receipt, Result};
use mooring_provider_http::{Answer, Cached, Client, Method, Redactor, Request, StatusCode, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{
    config::{OpenstackConfig, Service},
    credentials::Identity,
    fault,
    keystone::{Keystone, Token},
};

/// A token is renewed this long before its end.
const EARLY: Duration = Duration::from_secs(120);
/// More pages than this are no listing but a loop.
const PAGES: usize = 1_000;

/// One project, connected.
pub(crate) struct Session {
    pub(crate) config: OpenstackConfig,
    keystone: Keystone,
    token: Cached<Arc<Token>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session of {}", self.keystone.identity.shown())
    }
}

/// One call of a service.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    service: Service,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Json>,
    secret: Option<SecretString>,
}

impl Call {
    fn new(operation: &'static str, service: Service, method: Method, path: impl Into<String>) -> Self {
        Self {
            operation,
            service,
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            secret: None,
        }
    }

    pub(crate) fn get(operation: &'static str, service: Service, path: impl Into<String>) -> Self {
        Self::new(operation, service, Method::GET, path)
    }

    pub(crate) fn delete(operation: &'static str, service: Service, path: impl Into<String>) -> Self {
        Self::new(operation, service, Method::DELETE, path)
    }

    pub(crate) fn post(operation: &'static str, service: Service, path: impl Into<String>, body: Json) -> Self {
        let call = Self::new(operation, service, Method::POST, path);
        Self {
            body: Some(body),
            ..call
        }
    }

    pub(crate) fn put(operation: &'static str, service: Service, path: impl Into<String>, body: Json) -> Self {
        let call = Self::new(operation, service, Method::PUT, path);
        Self {
            body: Some(body),
            ..call
        }
    }

    /// One more parameter in the query.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The body holds this, which must not be shown if the service quotes it.
    pub(crate) fn hiding(mut self, secret: &SecretString) -> Self {
        self.secret = Some(secret.clone());
        self
    }
}

impl Session {
    pub(crate) fn new(config: OpenstackConfig, identity: Identity) -> Result<Self> {
        Ok(Self {
            keystone: Keystone {
                client: Client::new(&config.http)
                    .map_err(|error| crate::config::invalid(&format!("http.{}", error.message())).with_source(error))?,
                redactor: identity.redactor(),
                identity,
            },
            token: Cached::new(EARLY),
            config,
        })
    }

    /// How patient one has to be with every kind.
    pub(crate) fn capability(&self) -> Capability {
        let timing = &self.config.timing;
        Capability {
            poll: timing.poll.get(),
            poll_busy: timing.poll_busy.get(),
            batch: 100,
            idempotent_create: false,
            send_deadline: timing.send_deadline.get(),
            appears_within: timing.appears_within.get(),
            ..Capability::default()
        }
    }

    /// The token that is held, or a new one.
    pub(crate) async fn token(&self) -> Result<Arc<Token>> {
        self.token.get(Timestamp::now(), || self.login()).await
    }

    async fn login(&self) -> Result<(Arc<Token>, Timestamp)> {
        let (token, end) = self.keystone.login(&self.config).await?;
        Ok((Arc::new(token), end))
    }

    /// Logs in anew, so that a credential that was revoked a moment ago is seen to be.
    pub(crate) async fn prove(&self) -> Result<Arc<Token>> {
        self.token.forget().await;
        self.token().await
    }

    /// Makes a call. `None` is the service's own word that what was asked for does not exist.
    pub(crate) async fn call(&self, call: Call) -> Result<Option<Answer>> {
        let idempotent = call.method != Method::POST;
        let redactor = match &call.secret {
            Some(secret) => &Redactor::new([secret]),
            None => &self.keystone.redactor,
        };
        retry(idempotent, |_| self.attempt(&call, redactor)).await
    }

    async fn attempt(&self, call: &Call, redactor: &Redactor) -> Result<Option<Answer>> {
        let mut answer = self.once(call).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // It ended early, or was revoked: the next login tells which.
            self.token.forget().await;
            answer = self.once(call).await?;
        }
        match answer.status {
            status if status.is_success() => Ok(Some(answer)),
            StatusCode::NOT_FOUND if fault::is_missing(call.service, &answer) => Ok(None),
            StatusCode::NOT_FOUND => Err(fault::lost_way(call.service, call.operation, &answer, redactor)),
            _ => Err(fault::classify(call.service, call.operation, &answer, redactor)),
        }
    }

    async fn once(&self, call: &Call) -> Result<Answer> {
        let token = self.token().await?;
        let mut url = token.endpoint(call.service)?;
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = Request::new(call.method.clone(), url);
        request.header("x-auth-token", token.secret.expose_secret(), true)?;
        request.header("accept", "application/json", false)?;
        if let Some(body) = &call.body {
            request.header("content-type", "application/json", false)?;
            request.body = serde_json::to_vec(body).unwrap_or_default().into();
        }
        self.keystone.client.send(call.operation, request).await
    }

    /// A call of something that must be there: if it has gone meanwhile, the next look will tell.
    pub(crate) async fn change(&self, call: Call) -> Result<Answer> {
        let operation = call.operation;
        self.call(call).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Busy,
                operation,
                "what it was about to change is gone; it is looked at again",
            )
        })
    }

    /// A call that names other things, which must be there.
    pub(crate) async fn make(&self, call: Call) -> Result<Answer> {
        let operation = call.operation;
        let path = call.path.clone();
        self.call(call).await?.ok_or_else(|| {
            let message = format!("{path}: something that it names does not exist in this project and region");
            Error::new(ErrorKind::InvalidSpec, operation, message)
        })
    }

    /// One resource, under the name it has in the answer.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: Call, name: &str) -> Result<Option<T>> {
        let operation = call.operation;
        let Some(answer) = self.call(call).await? else {
            return Ok(None);
        };
        one(&answer, operation, name).map(Some)
    }

    /// Every page of a listing. The links of the answer only tell that there is more; they are not followed.
    pub(crate) async fn list<T: DeserializeOwned>(&self, call: Call, name: &str, key: &str) -> Result<Option<Vec<T>>> {
        let operation = call.operation;
        let (mut all, mut last) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let mut call = call.clone();
            if let Some(marker) = &last {
                call = call.with("marker", marker.clone());
            }
            let Some(answer) = self.call(call).await? else {
                return Ok(None);
            };
            let mut page: Json = answer.json(operation)?;
            let links = [&page[format!("{name}_links")], &page["links"]];
            let more = links
                .iter()
                .filter_map(|links| links.as_array())
                .flatten()
                .any(|link| link["rel"] == "next");
            let Json::Array(items) = page[name].take() else {
                return Err(unexpected(operation, &format!("it has no list of {name}")));
            };
            let marker = items.last().and_then(|item| item[key].as_str()).map(str::to_owned);
            for item in items {
                all.push(serde_json::from_value(item).map_err(|error| unexpected(operation, &error.to_string()))?);
            }
            if !more || marker.is_none() {
                return Ok(Some(all));
            }
            if marker == last {
                break;
            }
            last = marker;
        }
        Err(unexpected(operation, "the pages of the listing have no end"))
    }

    /// A listing of a collection, which is always there.
    pub(crate) async fn all<T: DeserializeOwned>(&self, call: Call, name: &str) -> Result<Vec<T>> {
        let operation = call.operation;
        self.list(call, name, "id")
            .await?
            .ok_or_else(|| unexpected(operation, &format!("there is no list of {name}")))
    }

    /// Removes something; that it is gone already is as good.
    pub(crate) async fn remove(&self, call: Call) -> Result<Receipt> {
        Ok(self
            .call(call)
            .await?
            .map(|answer| receipt(&answer))
            .unwrap_or_default())
    }
}

/// What an answer holds under a name.
pub(crate) fn one<T: DeserializeOwned>(answer: &Answer, operation: &'static str, name: &str) -> Result<T> {
    let mut body: Json = answer.json(operation)?;
    serde_json::from_value(body[name].take()).map_err(|error| unexpected(operation, &format!("{name}: {error}")))
}

/// What is kept of a call that was taken.
pub(crate) fn receipt(answer: &Answer) -> Receipt {
    Receipt {
        request_id: answer.header("x-openstack-request-id").map(str::to_owned),
        ..Receipt::default()
    }
}

fn unexpected(operation: &'static str, message: &str) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        operation,
        format!("the answer is not as expected: {message}"),
    )
}

/// The same error once more: what failed for a batch failed for each of its claims.
pub(crate) fn again(error: &Error) -> Error {
    let mut again = Error::new(error.kind(), error.operation(), error.message());
    if let Some(code) = error.code() {
        again = again.with_code(code);
    }
    if let Some(id) = error.request_id() {
        again = again.with_request_id(id);
    }
    if let mooring_provider::Retry::After(after) = error.retry() {
        again = again.with_retry_after(after);
    }
    again
}
