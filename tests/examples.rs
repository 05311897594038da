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

/// The Secrets of the examples, which say what entries a provider reads.
fn secrets() -> BTreeMap<String, mooring_provider::Credentials> {
    let secrets = documents()
        .into_iter()
        .filter(|(_, document)| document["kind"] == "Secret");
    secrets
        .map(|(_, document)| {
            let entries = document["stringData"].as_object().expect("entries").iter();
            let entries =
                entries.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned().into()));
            let name = document["metadata"]["name"].as_str().expect("a name");
            (name.to_owned(), entries.collect())
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
    let secrets = secrets();
    for (name, document) in documents() {
        let kind = document["kind"].as_str().expect("a kind").to_owned();
        if kind == "Secret" {
            continue;
        }
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
                let (provider, spec) = config.spec.provider().expect("a provider");
                let credentials = config.spec.credentials.as_ref();
                let credentials = credentials.map(|reference| secrets[&reference.secret_ref.name].clone());
                let all = mooring::registrations();
                let registration = all
                    .iter()
                    .find(|known| known.name == provider)
                    .expect("it is in the build");
                let connected = (registration.connect)(&Json::Object(spec.0.clone()), credentials.unwrap_or_default());
                assert!(connected.is_ok(), "{name}: {connected:?}");
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

/// What a RAM user needs at Alibaba Cloud, apart by what for. With `MOORING_WRITE_POLICIES=1` it writes them.
#[test]
fn the_ram_policies_allow_what_is_used_and_no_more() {
    use mooring_provider_aliyun::{Need, policy};
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/aliyun");
    for (name, needs) in [
        ("ram-policy-read.json", &[Need::Read][..]),
        ("ram-policy-create.json", &[Need::Create, Need::Both]),
        ("ram-policy-destroy.json", &[Need::Destroy, Need::Both]),
    ] {
        let wanted = format!("{:#}\n", policy(needs));
        let path = directory.join(name);
        if std::env::var_os("MOORING_WRITE_POLICIES").is_some() {
            std::fs::create_dir_all(&directory).expect("deploy/aliyun can be made");
            std::fs::write(&path, &wanted).expect("it can be written");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            found, wanted,
            "deploy/aliyun/{name} is stale; MOORING_WRITE_POLICIES=1 writes it"
        );
    }
}
