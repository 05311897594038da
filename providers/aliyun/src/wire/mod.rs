//! What goes over the wire: signing, sending, and reading what came back.

mod answer;
mod rpc;
mod sls;

use jiff::Timestamp;
use mooring_provider::Result;
use mooring_provider_http::{Client, Request, Url};
use secrecy::SecretString;

use crate::endpoint::Endpoints;

/// A key pair, of a user or of a session.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    /// There is one in a session.
    pub(crate) token: Option<SecretString>,
}

/// Which cloud it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// The public cloud.
    Public,
    /// Apsara Stack.
    Apsara,
}

/// The part of an Apsara Stack that is spoken for. Both are ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) organization: String,
    pub(crate) resource_group: String,
}

/// How requests are made and sent.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) flavour: Flavour,
    pub(crate) region: String,
    pub(crate) endpoints: Endpoints,
    client: Client,
}

impl Wire {
    pub(crate) fn new(flavour: Flavour, region: &str, endpoints: Endpoints, client: Client) -> Self {
        Self {
            flavour,
            region: region.to_owned(),
            endpoints,
            client,
        }
    }
}

/// The time as the RPC products write it.
fn iso(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A number that is used once.
fn nonce() -> String {
    let bytes: [u8; 16] = rand::random();
    hex::encode(bytes)
}

/// The host as it stands in the header.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

/// A query or a form body.
fn form(pairs: &[(String, String)]) -> String {
    use crate::signature::encode;
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// Headers as they are signed, and for each the name under which it is sent and whether its value is secret.
#[derive(Default)]
struct Headers(Vec<(String, String)>, Vec<(&'static str, bool)>);

impl Headers {
    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
        self.1.push((name, false));
    }

    fn secret(&mut self, name: &'static str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
        self.1.push((name, true));
    }

    fn put_into(&self, request: &mut Request) -> Result<()> {
        let own = host(&request.url);
        for ((_, value), (name, secret)) in self.0.iter().zip(&self.1) {
            // HTTP says the address's host itself, in HTTP/2 by another name.
            if *name != "host" || *value != own {
                request.header(name, value, *secret)?;
            }
        }
        Ok(())
    }
}
