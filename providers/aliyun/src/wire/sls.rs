//! The log service: signed with V4 on the public cloud and with V1 on Apsara Stack.

use bytes::Bytes;
use jiff::Timestamp;
use mooring_provider::{Error, ErrorKind, Result};
use mooring_provider_http::{Redactor, Request, Url, retry};
use secrecy::ExposeSecret;
use serde_json::Value as Json;

use super::{Flavour, Headers, Keys, Wire, answer, form, host};
use crate::{
    api::{Reply, SlsCall},
    config::invalid,
    contract,
    product::Product,
    signature::{Parts, content_md5, sha256_hex, sls},
};

impl Wire {
    /// Sends a call of the log service, again if it may be.
    pub(crate) async fn sls(&self, keys: &Keys, call: &SlsCall) -> Result<Reply<Json>> {
        let redactor = Redactor::new(std::iter::once(&keys.secret).chain(&keys.token));
        check(call)?;
        retry(call.idempotent, |_| async {
            let request = self.sls_request(keys, call, Timestamp::now())?;
            let answer = self.client.send(call.operation, request).await?;
            answer::sls(call, &answer, &redactor)
        })
        .await
    }

    /// The host of the log service.
    pub(crate) fn sls_host(&self) -> Result<String> {
        Ok(host(&self.endpoints.of(Product::Sls)?))
    }

    /// The whole request, of a time.
    fn sls_request(&self, keys: &Keys, call: &SlsCall, now: Timestamp) -> Result<Request> {
        let base = self.endpoints.of(Product::Sls)?;
        let (mut url, authority) = address(&base, call.project.as_deref())?;
        url.set_path(&call.path);
        let body = call
            .body
            .as_ref()
            .map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let mut headers = Headers::default();
        headers.set("host", authority);
        headers.set("x-log-apiversion", "0.6.0");
        headers.set("x-log-bodyrawsize", body.len().to_string());
        if !body.is_empty() {
            headers.set("content-type", "application/json");
        }
        if let Some(token) = &keys.token {
            headers.secret("x-acs-security-token", token.expose_secret());
        }
        let (id, secret) = (&keys.id, keys.secret.expose_secret());
        let variant = sls::Variant::Sha1;
        if self.flavour == Flavour::Public {
            headers.set("x-log-content-sha256", sha256_hex(&body));
            headers.set("x-log-date", now.strftime("%Y%m%dT%H%M%SZ").to_string());
        } else {
            headers.set("x-log-signaturemethod", variant.as_str());
            headers.set("date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
            if !body.is_empty() {
                headers.set("content-md5", content_md5(&body));
            }
        }
        let parts = Parts {
            method: call.method.as_str(),
            path: url.path(),
            query: call.query.pairs(),
            headers: &headers.0,
        };
        let authorization = match self.flavour {
            Flavour::Public => sls::v4::authorization(&parts, &self.region, id, secret),
            Flavour::Apsara => sls::v1::authorization(&parts, variant, id, secret),
        };
        headers.secret("authorization", &authorization);
        let query = form(call.query.pairs());
        url.set_query((!query.is_empty()).then_some(query.as_str()));
        let mut request = Request::new(call.method.clone(), url);
        headers.put_into(&mut request)?;
        request.body = Bytes::from(body);
        Ok(request)
    }
}

/// Where a project is reached, and what its header `Host` says. A project is a host of its own; where the service is
/// an address without a name, as a simulator is, only the header says so.
fn address(base: &Url, project: Option<&str>) -> Result<(Url, String)> {
    let Some(project) = project else {
        return Ok((base.clone(), host(base)));
    };
    let named = format!("{project}.{}", host(base));
    let name = base.host_str().unwrap_or_default();
    let bare = name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[') || name == "localhost";
    let mut url = base.clone();
    if !bare {
        url.set_host(Some(&format!("{project}.{name}")))
            .map_err(|_| invalid(format!("`{project}` cannot be a part of the host {name}")))?;
    }
    Ok((url, named))
}

/// Whether a path is one of `/logstores/{logstore}/index`.
fn same_path(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(&path)
            .all(|(pattern, part)| pattern == part || (pattern.starts_with('{') && !part.is_empty()))
}

/// In tests and in development, what the contract does not know is not sent.
fn check(call: &SlsCall) -> Result<()> {
    let broken = |why: String| {
        let message = format!("Sls {}: {why}; this is a bug of Mooring", call.action);
        Err(Error::new(ErrorKind::Unsupported, call.operation, message))
    };
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let Some(action) = contract::action(Product::Sls, call.action) else {
        return broken("the Action is not in the contract".into());
    };
    if action.method != call.method.as_str() || !same_path(&action.path, &call.path) {
        return broken(format!("it is {} {}", action.method, action.path));
    }
    let query = action.complaint(call.query.pairs(), &["query"]);
    let body = call.body.as_ref().and_then(|body| action.body_complaint(body));
    query.or(body).map_or(Ok(()), broken)
}
