//! The HTTP API of one server: its address, its login, and what its refusals mean everywhere.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use mooring_provider::{Credentials, Error, ErrorKind, Result};
use mooring_provider_http::{Answer, Client, HttpConfig, Method, Redactor, Request, StatusCode, Url, header, retry};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::config::Invalid;

/// A server's API.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: Url,
    authorization: Option<SecretString>,
    redactor: Redactor,
}

impl Api {
    /// The API at this address; the login is `PART.token`, or `PART.username` and `PART.password`, of the credentials.
    pub(crate) fn new(part: &'static str, url: &str, http: &HttpConfig, credentials: &Credentials) -> Result<Self> {
        let base = Url::parse(url)
            .map_err(|_| Error::invalid(part, &format!("`{url}` is no address; write http://host:port")))?;
        let login = Login::of(part, credentials)?;
        let authorization = login.as_ref().map(Login::authorization);
        let secrets = credentials.values().chain(authorization.as_ref());
        Ok(Self {
            client: Client::new(http)?,
            base,
            redactor: Redactor::new(secrets),
            authorization,
        })
    }

    /// The address with these segments after it.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// A request with the login.
    pub(crate) fn request(&self, method: Method, url: Url) -> Result<Request> {
        let mut request = Request::new(method, url);
        if let Some(authorization) = &self.authorization {
            request.header("authorization", authorization.expose_secret(), true)?;
        }
        Ok(request)
    }

    /// Sends it; one that may be repeated is repeated when it is not answered. What means the same everywhere is an
    /// error; any other answer is for the caller to judge.
    pub(crate) async fn send(&self, operation: &'static str, repeat: bool, request: &Request) -> Result<Answer> {
        retry(repeat, |_| self.send_once(operation, request)).await
    }

    async fn send_once(&self, operation: &'static str, request: &Request) -> Result<Answer> {
        let answer = self.client.send(operation, request.clone()).await?;
        let kind = match answer.status {
            StatusCode::UNAUTHORIZED => ErrorKind::Unauthenticated,
            StatusCode::FORBIDDEN => ErrorKind::PermissionDenied,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                ErrorKind::Unavailable
            }
            _ => return Ok(answer),
        };
        let error = self.error(kind, operation, &answer);
        let after = answer
            .header(header::RETRY_AFTER.as_str())
            .and_then(|text| text.parse().ok());
        Err(match after {
            Some(seconds) => error.with_retry_after(Duration::from_secs(seconds)),
            None => error,
        })
    }

    /// Sends it and answers only what succeeded.
    pub(crate) async fn succeed(&self, operation: &'static str, repeat: bool, request: &Request) -> Result<Answer> {
        let answer = self.send(operation, repeat, request).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.error(ErrorKind::Unexpected, operation, &answer))
    }

    /// What the server said, as an error.
    pub(crate) fn error(&self, kind: ErrorKind, operation: &'static str, answer: &Answer) -> Error {
        let message = format!("the server answered {}: {}", answer.status, self.said(answer));
        Error::new(kind, operation, message).with_code(answer.status.as_u16().to_string())
    }

    /// What the server said, without secrets.
    pub(crate) fn said(&self, answer: &Answer) -> String {
        self.redactor.message(&String::from_utf8_lossy(&answer.body))
    }
}

/// A login.
#[derive(Debug)]
pub(crate) enum Login {
    /// A token.
    Token(SecretString),
    /// A user with a password.
    Basic { username: String, password: SecretString },
}

impl Login {
    /// `PART.token`, or `PART.username` and `PART.password`, of the credentials.
    pub(crate) fn of(part: &str, credentials: &Credentials) -> Result<Option<Self>> {
        let get = |name: &str| credentials.get(&format!("{part}.{name}"));
        match (get("token"), get("username"), get("password")) {
            (None, None, None) => Ok(None),
            (Some(token), None, None) => Ok(Some(Self::Token(token.clone()))),
            (None, Some(username), Some(password)) => Ok(Some(Self::Basic {
                username: username.expose_secret().to_owned(),
                password: password.clone(),
            })),
            _ => Err(Error::new(
                ErrorKind::InvalidSpec,
                "onprem.connect",
                format!(
                    "credentials: give `{part}.token`, or `{part}.username` with `{part}.password`, not some of each"
                ),
            )),
        }
    }

    fn authorization(&self) -> SecretString {
        match self {
            Self::Token(token) => format!("Bearer {}", token.expose_secret()).into(),
            Self::Basic { username, password } => {
                let login = format!("{username}:{}", password.expose_secret());
                format!("Basic {}", BASE64.encode(login.as_bytes())).into()
            }
        }
    }
}

/// The first 32 bits of a digest, as eight digits: enough to tell one text from another.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
