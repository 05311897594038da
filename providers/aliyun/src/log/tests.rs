use mooring_provider::{Claim, ClusterId, Identity, Key, Owner};
use serde_json::json;

use super::{
    calls::{description, project_of},
    collect::configs,
};

fn claim(cluster: &str, namespace: &str) -> Claim {
    Claim::new(Owner {
        cluster: ClusterId::new(cluster),
        identity: Identity::new("k3x9q2"),
        key: Key::new(namespace, "shop", "web", "log"),
    })
}

#[test]
fn a_project_is_of_its_cluster_and_namespace() {
    let name = project_of(&claim("c1", "team-a"));
    assert!(name.starts_with("mooring-team-a-"), "{name}");
    for other in [project_of(&claim("c2", "team-a")), project_of(&claim("c1", "team-b"))] {
        assert_ne!(name, other);
    }
    let long = project_of(&claim("c1", &"x".repeat(63)));
    assert!((3..=63).contains(&long.len()), "{long}");
    // The service takes 64 characters for a description, and no quotes.
    assert!(description(&long).len() <= 64, "{}", description(&long));
}

#[test]
fn a_configuration_that_changed_has_another_name() {
    let spec = |format: &str, label: &str| {
        serde_json::from_value(json!({
            "retention": "30d", "sources": ["stdout"], "format": format, "push": false,
            "selector": {"namespace": "team-a", "labels": {"app": label}}, "common": {},
        }))
        .expect("it is a spec")
    };
    let name = |format, label| configs(&spec(format, label), "shop-web-log-1", "r", "e").remove(0).name;
    assert_eq!(name("text", "web"), name("text", "web"));
    assert_ne!(name("text", "web"), name("json", "web"));
    assert_ne!(name("text", "web"), name("text", "w.b"));
    let body = configs(&spec("text", "w.b"), "shop-web-log-1", "r", "e").remove(0).body;
    let labels = &body["inputDetail"]["plugin"]["inputs"][0]["detail"]["IncludeK8sLabel"];
    assert_eq!(labels["app"], "^w\\.b$");
}
