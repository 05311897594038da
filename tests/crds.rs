//! What is in `crds/` is what the code generates, and fit for an API server.

use std::path::{Path, PathBuf};

use mooring::api;
use serde_json::Value as Json;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")
}

/// With `MOORING_WRITE_CRDS=1` it writes them instead, for those who cannot build the command line.
#[test]
fn the_files_are_what_the_code_generates() {
    if std::env::var_os("MOORING_WRITE_CRDS").is_some() {
        api::write_crds(&directory()).expect("crds/ can be written");
    }
    let stale: Vec<_> = api::crd_files()
        .into_iter()
        .filter(|(name, content)| std::fs::read_to_string(directory().join(name)).ok().as_ref() != Some(content))
        .map(|(name, _)| name)
        .collect();
    assert!(
        stale.is_empty(),
        "{stale:?} in crds/ is stale; run `mooring crds --write crds/`"
    );
}

fn schemas() -> Vec<(String, Json)> {
    api::crds()
        .into_iter()
        .map(|crd| {
            let schema = crd.spec.versions[0].schema.clone().and_then(|s| s.open_api_v3_schema);
            (crd.spec.names.kind, serde_json::to_value(schema).unwrap())
        })
        .collect()
}

fn walk(path: &str, schema: &Json, visit: &mut impl FnMut(&str, &Json)) {
    visit(path, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), inner, visit);
    }
    for key in ["items", "additionalProperties"] {
        if schema.get(key).is_some() {
            walk(&format!("{path}[]"), &schema[key], visit);
        }
    }
}

/// An unbounded list or text makes a CEL rule over it too dear, and an unknown format a warning on every apply.
#[test]
fn every_schema_is_structural_and_bounded() {
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, schema| {
            let text = |key: &str| schema.get(key).and_then(Json::as_str);
            for key in ["oneOf", "anyOf", "allOf", "not", "$ref", "const"] {
                assert!(schema.get(key).is_none(), "{path} has {key}: {schema}");
            }
            let keeps = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
            let any = schema.get("x-kubernetes-int-or-string").is_some();
            assert!(any || keeps || text("type").is_some(), "{path} has no type: {schema}");
            assert!(
                !text("format").is_some_and(|format| format.starts_with("uint")),
                "{path}: {schema}"
            );
            match text("type") {
                Some("array") => assert!(schema.get("maxItems").is_some(), "{path} has no maxItems"),
                Some("string") if schema.get("enum").is_none() && schema.get("format").is_none() => {
                    assert!(schema.get("maxLength").is_some(), "{path} has no maxLength");
                }
                _ => {}
            }
        });
    }
}

/// A default on a member of the union, or below it, would set a second member, or hide where a value comes from.
#[test]
fn a_cloud_resource_has_no_defaults() {
    let (_, schema) = schemas().into_iter().find(|(kind, _)| kind == "CloudResource").unwrap();
    walk("spec", &schema["properties"]["spec"], &mut |path, schema| {
        assert!(schema.get("default").is_none(), "{path}: {schema}");
    });
}

/// A rule that compares with the old object also stands in the way of a status patch and of the finalizer's removal.
/// It must hold for every object that did not change, whichever members it has.
#[test]
fn every_transition_rule_is_guarded() {
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, schema| {
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let message = rule["message"].as_str().unwrap_or_default();
                assert!(
                    message.len() > 20,
                    "{path}: a rule without a message for a person: {rule}"
                );
                let text = rule["rule"].as_str().unwrap();
                if text == "self == oldSelf" || !text.contains("oldSelf") {
                    continue;
                }
                let required = |field: &str| {
                    schema["required"]
                        .as_array()
                        .is_some_and(|all| all.iter().any(|name| name == field))
                };
                for access in text.split("self.").skip(1).filter(|_| !text.starts_with("has(")) {
                    let field = access.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                    assert!(required(field), "{path}: {field} may be absent in `{text}`");
                }
            }
        });
    }
}

#[test]
fn an_application_keeps_what_nobody_named() {
    let crd = api::application::crd();
    let json = serde_json::to_value(&crd.spec.versions[0]).unwrap();
    let schema = &json["schema"]["openAPIV3Schema"];
    for part in [schema, &schema["properties"]["spec"], &schema["properties"]["status"]] {
        assert_eq!(part["x-kubernetes-preserve-unknown-fields"], true, "{part}");
    }
    assert_eq!(json["name"], "v1beta1");
    assert_eq!(json["subresources"]["status"], serde_json::json!({}));

    let text = r#"{"apiVersion":"core.oam.dev/v1beta1","kind":"Application","metadata":{"name":"a"},"spec":{
        "components":[{"name":"web","type":"webservice","dependsOn":["db"],"inputs":[{"from":"x"}],
                       "traits":[{"type":"scaler","properties":{"replicas":2},"custom":1}]}],
        "policies":[{"name":"p","type":"topology"}],"workflow":{"steps":[]}}}"#;
    let wanted: Json = serde_json::from_str(text).unwrap();
    let read: api::Application = serde_json::from_value(wanted.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), wanted);
}
