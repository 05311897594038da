//! The examples in `crds/examples/` are well-formed, and the shop is what the built-in environment provides.

use std::{collections::BTreeMap, path::Path};

use mooring::{
    api::{Application, Environment, ProviderConfig},
    engine::{
        builtin,
        declare::{Declared, check_document, declare},
        effective::check_environment,
    },
};
use mooring_provider::Kind;
use serde_json::Value as Json;

fn documents() -> Vec<(String, Json)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/examples");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("examples")
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .flat_map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).unwrap();
            let documents: Vec<Json> = serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            documents
                .into_iter()
                .map(move |document| (name.clone(), document))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn read_application(document: Json) -> Declared {
    let application: Application = serde_json::from_value(document).expect("an Application");
    let namespace = application.metadata.namespace.as_deref().unwrap_or("default");
    declare(
        namespace,
        application.metadata.name.as_deref().unwrap(),
        &application.spec,
    )
}

#[test]
fn every_example_says_what_it_means() {
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for (name, document) in documents() {
        let kind = document["kind"].as_str().expect("a kind").to_owned();
        assert_eq!(
            check_document(&kind, &document["spec"]).unwrap_or_default(),
            [],
            "{name}"
        );
        match kind.as_str() {
            "Application" => {
                let declared = read_application(document);
                assert_eq!(declared.problems, [], "{name}");
                assert_eq!(declared.unhandled, [], "{name}");
            }
            "Environment" => {
                let environment: Environment = serde_json::from_value(document).expect("an Environment");
                assert_eq!(check_environment(&environment.spec), [], "{name}");
            }
            "ProviderConfig" => {
                let config: ProviderConfig = serde_json::from_value(document).expect("a ProviderConfig");
                assert!(config.spec.provider().is_some(), "{name}");
            }
            other => panic!("{name}: nobody checks a {other}"),
        }
        *kinds.entry(kind).or_default() += 1;
    }
    assert!(
        ["Application", "Environment", "ProviderConfig"]
            .iter()
            .all(|kind| kinds[*kind] > 1),
        "{kinds:?}"
    );
}

#[test]
fn the_shop_has_all_five_kinds() {
    let shop = documents()
        .into_iter()
        .find(|(name, _)| name == "shop.yaml")
        .expect("shop.yaml")
        .1;
    let declared = read_application(shop);
    for kind in Kind::ALL {
        assert!(
            declared
                .resources
                .iter()
                .any(|resource| resource.declares.kind() == Some(kind)),
            "{kind}"
        );
    }
    assert!(
        builtin::environment()
            .spec
            .settings
            .network
            .is_some_and(|network| network.dedicated.allow)
    );
}
