//! One request and its answer, bounded.

use std::{fmt::Debug, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use mooring_provider::{Error, ErrorKind, Result};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde::de::DeserializeOwned;
use url::Url;

use crate::HttpConfig;

/// The largest answer that is read.
const MOST: usize = 16 << 20;

/// One request, complete: nothing is added to it but what HTTP itself needs.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The address. Its query is never shown: signatures and passwords stand in some.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Sets a header. `secret` keeps its value out of every `Debug`.
    ///
    /// # Errors
    /// When the value cannot stand in a header.
    pub fn header(&mut self, name: &'static str, value: &str, secret: bool) -> Result<()> {
        let mut header = HeaderValue::from_str(value).map_err(|_| {
            let message = format!("the value of the header {name} has characters that no header can have");
            Error::new(ErrorKind::InvalidSpec, "http.request", message)
        })?;
        header.set_sensitive(secret);
        self.headers.insert(HeaderName::from_static(name), header);
        Ok(())
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, place(&self.url))
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

impl Answer {
    /// The body as JSON. What is no such JSON is [`ErrorKind::Unexpected`]: the call may have had its effect.
    ///
    /// # Errors
    /// When it cannot be read so.
    pub fn json<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // serde's message may quote a value; where it stopped is enough.
            let message = format!(
                "the answer ({}, {} bytes) is not the JSON that was expected: line {}, column {}",
                self.status,
                self.body.len(),
                error.line(),
                error.column()
            );
            Error::new(ErrorKind::Unexpected, operation, message)
        })
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What carries a request to its server and the answer back.
///
/// It is the network, but for tests that have the server in their own process: without sockets a paused clock of
/// tokio leaps over every wait, and the same seed always tells the same story.
pub trait Transport: Debug + Send + Sync {
    /// Carries a request, once.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when there is no whole answer. Whatever the status of an answer is, it is answered.
    fn carry(&self, operation: &'static str, request: Request) -> BoxFuture<'_, Result<Answer>>;
}

/// An HTTP client that verifies certificates, follows no redirect, and reads no more than it must.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<dyn Transport>,
}

#[derive(Debug)]
struct Network(reqwest::Client);

impl Transport for Network {
    fn carry(&self, operation: &'static str, request: Request) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(self.send(operation, request))
    }
}

impl Client {
    /// A client for an API that is reached so.
    ///
    /// # Errors
    /// When the certificates or the proxy cannot be read.
    pub fn new(config: &HttpConfig) -> Result<Self> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidSpec, "http.connect", message);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("mooring/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(config.timeout.get())
            .connect_timeout(config.connect_timeout.get())
            .pool_idle_timeout(std::time::Duration::from_secs(30));
        if let Some(bundle) = &config.ca_bundle {
            let authorities = reqwest::Certificate::from_pem_bundle(bundle.as_bytes())
                .map_err(|_| invalid("caBundle: this is no certificate in PEM".into()))?;
            if authorities.is_empty() {
                return Err(invalid("caBundle: there is no certificate in it".into()));
            }
            builder = builder.tls_certs_merge(authorities);
        }
        if let Some(proxy) = &config.proxy {
            let proxy = reqwest::Proxy::all(proxy)
                .map_err(|_| invalid(format!("proxy: `{proxy}` is no address; write http://host:port")))?;
            builder = builder.proxy(proxy);
        }
        let inner = builder
            .build()
            .map_err(|error| invalid("the HTTP client cannot be made".into()).with_source(error.without_url()))?;
        Ok(Self::over(Arc::new(Network(inner))))
    }

    /// A client over another transport than the network.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self { inner: transport }
    }

    /// Sends a request, once.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when there is no whole answer. Whatever the status of an answer is, it is answered.
    pub async fn send(&self, operation: &'static str, request: Request) -> Result<Answer> {
        self.inner.carry(operation, request).await
    }
}

impl Network {
    async fn send(&self, operation: &'static str, request: Request) -> Result<Answer> {
        let place = place(&request.url);
        let lost = |what: &str, error: reqwest::Error| {
            Error::new(ErrorKind::Unavailable, operation, format!("{place}: {what}")).with_source(error.without_url())
        };
        let mut response = self
            .0
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| {
                let what = match () {
                    () if error.is_connect() => "no connection",
                    () if error.is_timeout() => "no answer in time",
                    () => "no answer",
                };
                lost(what, error)
            })?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| lost("the answer broke off", error))?
        {
            if body.len() + chunk.len() > MOST {
                let message = format!("{place}: the answer is larger than {} MiB", MOST >> 20);
                return Err(Error::new(ErrorKind::Unexpected, operation, message));
            }
            body.extend_from_slice(&chunk);
        }
        tracing::trace!(operation, %status, bytes = body.len(), "answered");
        Ok(Answer {
            status,
            headers,
            body: body.freeze(),
        })
    }
}

/// What of an address may be shown.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
