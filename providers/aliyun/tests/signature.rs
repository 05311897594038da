//! Every signature that the official signers made, byte for byte, and the two worked examples of the documentation.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mooring_provider_aliyun::signature::{Parts, acs3, content_md5, decode_form, equal, roa, rpc, sha256_hex, sls};
use serde_json::Value as Json;

const ID: &str = "testid";
const SECRET: &str = "testsecret";

fn vectors(scheme: &str) -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("data/sigvectors.json")).expect("the vectors are JSON");
    let found = all[scheme].as_array().expect("there are such vectors").clone();
    assert!(!found.is_empty());
    found
}

fn pairs(object: &Json) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn text<'a>(vector: &'a Json, name: &str) -> &'a str {
    vector[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} is missing in {}", vector["name"]))
}

fn body(vector: &Json) -> Vec<u8> {
    BASE64_STANDARD
        .decode(text(vector, "body_bytes_b64"))
        .expect("the body is base64")
}

/// Calls `check` with each vector and its request.
fn each(scheme: &str, headers: &str, check: impl Fn(&Json, &Parts<'_>)) {
    for vector in vectors(scheme) {
        let (query, headers) = (pairs(&vector["query"]), pairs(&vector[headers]));
        let parts = Parts {
            method: text(&vector, "method"),
            path: text(&vector, "path"),
            query: &query,
            headers: &headers,
        };
        check(&vector, &parts);
    }
}

#[test]
fn acs3_of_all_headers() {
    each("acs3", "headers", |vector, parts| {
        let given: acs3::Authorization = text(vector, "authorization").parse().expect("it has the three fields");
        assert_eq!(given.to_string(), text(vector, "authorization"));
        assert_eq!(
            acs3::canonical_request(parts, &given.signed_headers),
            vector["canonical_request"]
        );
        assert_eq!(
            acs3::string_to_sign(parts, &given.signed_headers),
            vector["string_to_sign"]
        );
        assert_eq!(acs3::signature(parts, &given.signed_headers, SECRET), given.signature);
        assert_eq!(
            parts.header("X-Acs-Content-SHA256"),
            Some(sha256_hex(&body(vector)).as_str())
        );
    });
}

#[test]
fn acs3_of_our_headers() {
    each("acs3_min", "headers", |vector, parts| {
        let (id, secret) = match text(vector, "name") {
            // The documentation's own.
            "documented_example" => ("YourAccessKeyId", "YourAccessKeySecret"),
            _ => (ID, SECRET),
        };
        assert_eq!(
            acs3::authorization(parts, id, secret),
            vector["authorization"],
            "{}",
            vector["name"]
        );
    });
}

#[test]
fn the_documented_example_of_acs3() {
    let vectors = vectors("acs3_min");
    let example = vectors.iter().find(|vector| vector["name"] == "documented_example");
    let authorization = text(example.expect("it is there"), "authorization");
    assert!(authorization.ends_with("Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"));
}

#[test]
fn rpc_of_both_clients() {
    for scheme in ["rpc_v1", "rpc_v1_core"] {
        for vector in vectors(scheme) {
            let params = pairs(&vector["signed_params"]);
            let mut all = params.clone();
            all.extend(
                pairs(&vector["form_in"])
                    .into_iter()
                    .filter(|pair| !params.contains(pair)),
            );
            let method = text(&vector, "method");
            if let Some(signed) = vector["string_to_sign"].as_str() {
                assert_eq!(rpc::string_to_sign(method, &all), signed, "{}", vector["name"]);
            }
            assert_eq!(
                rpc::signature(method, &all, SECRET),
                vector["signature"],
                "{}",
                vector["name"]
            );
        }
    }
}

/// One who verifies has the address and the body as they came, with `+` for a space, and the signature among them.
#[test]
fn rpc_is_verified_from_what_was_sent() {
    for vector in vectors("rpc_v1") {
        let (_, query) = text(&vector, "sdk_url").split_once('?').expect("there is a query");
        let mut params = decode_form(query);
        params.extend(decode_form(text(&vector, "sdk_body")));
        let given = params
            .iter()
            .find(|(name, _)| name == rpc::PARAMETER)
            .expect("it is signed")
            .1
            .clone();
        assert!(equal(&rpc::signature(text(&vector, "method"), &params, SECRET), &given));
    }
}

#[test]
fn the_documented_example_of_rpc() {
    let vectors = vectors("rpc_v1_core");
    let example = vectors
        .iter()
        .find(|vector| vector["name"] == "documented_example")
        .expect("it is there");
    let params: Vec<_> = pairs(&example["params_in"]);
    assert_eq!(rpc::signature("GET", &params, SECRET), "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
}

#[test]
fn roa_of_the_first_version() {
    each("roa_v2", "headers", |vector, parts| {
        assert_eq!(roa::string_to_sign(parts), vector["string_to_sign"]);
        assert_eq!(roa::authorization(parts, ID, SECRET), vector["authorization"]);
    });
}

#[test]
fn sls_of_the_first_version() {
    each("sls_v1", "headers_after", |vector, parts| {
        assert_eq!(sls::v1::string_to_sign(parts), vector["string_to_sign"]);
    });
    for (scheme, variant) in [("sls_v1", sls::Variant::Sha1), ("sls_v1_sha256", sls::Variant::Sha256)] {
        each(scheme, "headers_after", |vector, parts| {
            assert_eq!(parts.header("x-log-signaturemethod"), Some(variant.as_str()));
            let authorization = sls::v1::authorization(parts, variant, ID, SECRET);
            assert_eq!(authorization, vector["authorization"], "{}", vector["name"]);
            if let Some(md5) = parts.header("content-md5").filter(|md5| !md5.is_empty()) {
                assert_eq!(md5, content_md5(&body(vector)));
            }
        });
    }
}

#[test]
fn sls_of_the_fourth_version() {
    each("sls_v4", "headers_after", |vector, parts| {
        assert_eq!(sls::v4::canonical_request(parts), vector["canonical"]);
    });
    for scheme in ["sls_v4", "sls_v4_gw"] {
        each(scheme, "headers_after", |vector, parts| {
            let authorization = sls::v4::authorization(parts, text(vector, "region"), ID, SECRET);
            assert_eq!(authorization, vector["authorization"], "{}", vector["name"]);
            assert_eq!(
                parts.header("x-log-content-sha256"),
                Some(sha256_hex(&body(vector)).as_str())
            );
        });
    }
}

#[test]
fn signatures_differ_in_one_place() {
    assert!(equal("abc", "abc") && equal("", ""));
    assert!(!equal("abc", "abd") && !equal("abc", "ab") && !equal("abc", "bbc"));
}
