//! What the tests of the client share: a server on loopback, and a client that speaks to it.

#![allow(dead_code, reason = "each test uses a part of it")]

use mooring_provider::Credentials;
use mooring_provider_aliyun::{
    AliyunConfig, Api, ApsaraConfig,
    signature::{Parts, acs3, decode_form, rpc, sha256_hex},
};
use serde_json::{Value as Json, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub(crate) const ID: &str = "LTAI-test";
pub(crate) const SECRET: &str = "a secret/of+the key";

/// The entries of a Secret.
pub(crate) fn secret(entries: &[(&str, &str)]) -> Credentials {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect()
}

/// The Secret of a user.
pub(crate) fn user() -> Credentials {
    secret(&[("accessKeyId", ID), ("accessKeySecret", SECRET)])
}

/// A configuration whose every product is this server; a request has a second.
pub(crate) fn config(server: &MockServer) -> Json {
    json!({"region": "cn-hangzhou", "endpoints": {"default": server.uri()},
           "http": {"timeout": "1s", "connectTimeout": "1s"}})
}

/// A client of the public cloud.
pub(crate) fn api(server: &MockServer) -> Api {
    let config = AliyunConfig::read(&config(server)).expect("it is good");
    Api::public(&config, &user()).expect("it is good")
}

/// A client of an Apsara Stack, whose scope is the group `11` of the organisation `7`.
pub(crate) fn stack(server: &MockServer) -> Api {
    let config = json!({"region": "cn-stack", "endpoints": {"default": server.uri()}, "resourceGroup": "shops",
                        "http": {"timeout": "1s", "connectTimeout": "1s"}});
    Api::apsara(&ApsaraConfig::read(&config).expect("it is good"), &user()).expect("it is good")
}

/// A server that gives this answer to whatever it is asked.
pub(crate) async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

/// What a server was sent.
pub(crate) async fn received(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.expect("requests are kept")
}

/// The parameters of a request, of its query and of its form body.
pub(crate) fn params(request: &Request) -> Vec<(String, String)> {
    let mut params = decode_form(request.url.query().unwrap_or_default());
    if header(request, "content-type").is_some_and(|kind| kind.contains("form")) {
        params.extend(decode_form(&String::from_utf8_lossy(&request.body)));
    }
    params.sort_unstable();
    params
}

/// One parameter.
pub(crate) fn param(request: &Request, name: &str) -> Option<String> {
    params(request)
        .into_iter()
        .find(|(given, _)| given == name)
        .map(|(_, value)| value)
}

/// One header.
pub(crate) fn header(request: &Request, name: &str) -> Option<String> {
    Some(request.headers.get(name)?.to_str().ok()?.to_owned())
}

/// The headers as they came.
pub(crate) fn headers(request: &Request) -> Vec<(String, String)> {
    let text = |value: &wiremock::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// Verifies an ACS3 signature as the cloud would, from what came.
pub(crate) fn assert_signed(request: &Request, secret: &str) {
    let (headers, query) = (headers(request), decode_form(request.url.query().unwrap_or_default()));
    let given: acs3::Authorization = header(request, "authorization")
        .expect("it is signed")
        .parse()
        .expect("ACS3");
    let parts = Parts {
        method: request.method.as_str(),
        path: request.url.path(),
        query: &query,
        headers: &headers,
    };
    assert_eq!(acs3::signature(&parts, &given.signed_headers, secret), given.signature);
    assert_eq!(
        parts.header("x-acs-content-sha256"),
        Some(sha256_hex(&request.body).as_str())
    );
    for name in [
        "host",
        "x-acs-action",
        "x-acs-version",
        "x-acs-date",
        "x-acs-signature-nonce",
    ] {
        assert!(
            given.signed_headers.iter().any(|signed| signed == name),
            "{name} is not signed"
        );
    }
}

/// Verifies an RPC V1 signature as the cloud would, from what came.
pub(crate) fn assert_signed_v1(request: &Request, secret: &str) {
    let given = param(request, rpc::PARAMETER).expect("it is signed");
    assert_eq!(rpc::signature(request.method.as_str(), &params(request), secret), given);
}
