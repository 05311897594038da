//! RPC products: signed with ACS3 on the public cloud and with RPC V1 on Apsara Stack.

use bytes::Bytes;
use jiff::Timestamp;
use mooring_provider::{Error, ErrorKind, Result};
use mooring_provider_http::{Method, Redactor, Request, retry};
use secrecy::ExposeSecret;
use serde_json::Value as Json;

use super::{Flavour, Headers, Keys, Scope, Wire, answer, form, host, iso, nonce};
use crate::{
    api::{Call, Reply},
    contract,
    product::Product,
    signature::{Parts, acs3, rpc, sha256_hex},
};

impl Wire {
    /// Sends a call, again if it may be. Without keys it is not signed.
    pub(crate) async fn rpc(&self, keys: Option<&Keys>, scope: Option<&Scope>, call: &Call) -> Result<Reply<Json>> {
        let secrets = keys
            .into_iter()
            .flat_map(|keys| std::iter::once(&keys.secret).chain(&keys.token))
            .chain(call.params.secrets());
        let redactor = Redactor::new(secrets);
        retry(call.idempotent, |_| async {
            let request = self.rpc_request(keys, scope, call, Timestamp::now(), &nonce())?;
            let answer = self.client.send(call.operation, request).await?;
            answer::rpc(call, &answer, &redactor)
        })
        .await
    }

    /// The whole request, of a time and a nonce.
    fn rpc_request(
        &self,
        keys: Option<&Keys>,
        scope: Option<&Scope>,
        call: &Call,
        now: Timestamp,
        nonce: &str,
    ) -> Result<Request> {
        let (mut query, body) = self.placed(call)?;
        let mut url = self.endpoints.of(call.product)?;
        let mut headers = Headers::default();
        headers.set("host", host(&url));
        headers.set("accept", "application/json");
        if !body.is_empty() {
            headers.set("content-type", "application/x-www-form-urlencoded");
        }
        headers.set("x-acs-action", call.action);
        headers.set("x-acs-version", call.product.version());
        let content = form(&body);
        if self.flavour == Flavour::Apsara {
            self.stack(call.product, scope, &mut headers, &mut query);
        }
        match keys {
            Some(keys) if self.flavour == Flavour::Public => {
                headers.set("x-acs-date", iso(now));
                headers.set("x-acs-signature-nonce", nonce);
                headers.set("x-acs-content-sha256", sha256_hex(content.as_bytes()));
                if let Some(token) = &keys.token {
                    headers.set("x-acs-accesskey-id", keys.id.as_str());
                    headers.secret("x-acs-security-token", token.expose_secret());
                }
                let parts = Parts {
                    method: "POST",
                    path: url.path(),
                    query: &query,
                    headers: &headers.0,
                };
                let authorization = acs3::authorization(&parts, &keys.id, keys.secret.expose_secret());
                headers.secret("authorization", &authorization);
            }
            keys => {
                for (name, value) in common(call, now, nonce) {
                    query.push((name.into(), value));
                }
                if let Some(keys) = keys {
                    query.push(("SignatureMethod".into(), "HMAC-SHA1".into()));
                    query.push(("SignatureVersion".into(), "1.0".into()));
                    query.push(("AccessKeyId".into(), keys.id.clone()));
                    if let Some(token) = &keys.token {
                        query.push(("SecurityToken".into(), token.expose_secret().to_owned()));
                    }
                    let all = [query.as_slice(), body.as_slice()].concat();
                    let signature = rpc::signature("POST", &all, keys.secret.expose_secret());
                    query.push((rpc::PARAMETER.into(), signature));
                }
            }
        }
        url.set_query((!query.is_empty()).then(|| form(&query)).as_deref());
        let mut request = Request::new(Method::POST, url);
        headers.put_into(&mut request)?;
        request.body = Bytes::from(content);
        Ok(request)
    }

    /// The parameters of the query and those of the form body.
    #[expect(clippy::type_complexity, reason = "two lists of names and values")]
    fn placed(&self, call: &Call) -> Result<(Vec<(String, String)>, Vec<(String, String)>)> {
        let broken = |why: String| {
            let message = format!(
                "{} {}: {why}; this is a bug of Mooring",
                call.product.name(),
                call.action
            );
            Error::new(ErrorKind::Unsupported, call.operation, message)
        };
        // Only the public products are in the contract; what Apsara Stack has of its own takes everything in the query.
        if matches!(call.product, Product::Ascm | Product::SlsProjects) || call.action == "CreateLoadBalancerPro" {
            return Ok((call.params.pairs().to_vec(), Vec::new()));
        }
        let action = contract::action(call.product, call.action)
            .ok_or_else(|| broken("the Action is not in the contract".into()))?;
        let mut pairs = call.params.pairs().to_vec();
        if action.params.contains_key("RegionId") && !pairs.iter().any(|(name, _)| name == "RegionId") {
            pairs.push(("RegionId".into(), self.region.clone()));
        }
        if cfg!(debug_assertions)
            && let Some(complaint) = action.complaint(&pairs, &["query", "body"])
        {
            return Err(broken(complaint));
        }
        Ok(pairs.into_iter().partition(|(name, _)| !action.in_body(name)))
    }

    /// What every call to an Apsara Stack carries beside. Its gateway rejects a call without a scope, or answers it
    /// with an empty list.
    fn stack(&self, product: Product, scope: Option<&Scope>, headers: &mut Headers, query: &mut Vec<(String, String)>) {
        let mut both = |header: &'static str, params: &[&str], value: &str| {
            headers.set(header, value);
            for name in params {
                if !query.iter().any(|(given, _)| given == name) {
                    query.push(((*name).to_owned(), value.to_owned()));
                }
            }
        };
        both("x-acs-regionid", &["RegionId"], &self.region);
        both("x-acs-asapi-product", &["Product"], product.name());
        both("x-ascm-product-name", &[], product.name());
        both("x-acs-request-version", &[], "v1");
        both("x-acs-caller-sdk-source", &[], "mooring");
        if let Some(scope) = scope {
            both(
                "x-acs-organizationid",
                &["Department", "OrganizationId"],
                &scope.organization,
            );
            both("x-acs-resourcegroupid", &["ResourceGroup"], &scope.resource_group);
        }
    }
}

/// What stands in the query of a request that is not signed by its headers.
fn common(call: &Call, now: Timestamp, nonce: &str) -> [(&'static str, String); 5] {
    [
        ("Action", call.action.into()),
        ("Version", call.product.version().into()),
        ("Format", "json".into()),
        ("Timestamp", iso(now)),
        ("SignatureNonce", nonce.into()),
    ]
}
