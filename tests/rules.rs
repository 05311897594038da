//! A real API server takes our definitions, refuses what is wrong in words for a person, and lets go what it holds.
//!
//! `MOORING_TEST_KUBECONFIG` names a cluster that has the definitions already; without it, `tests/controlplane/up`
//! starts one, which needs Go or Python (see its README).

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use mooring::api::{CloudResource, Environment};
use serde_json::{Value as Json, json};

/// A control plane that ends when its standard input closes, however the test ends.
struct ControlPlane {
    child: Option<(Child, tempfile::TempDir)>,
    client: Client,
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

async fn control_plane() -> ControlPlane {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var("MOORING_TEST_KUBECONFIG").ok();
    let (path, child) = match given {
        Some(path) => (path, None),
        None => {
            let directory = tempfile::tempdir().expect("a directory");
            let mut child = Command::new(root.join("tests/controlplane/up"))
                .args(["--foreground", "--dir"])
                .arg(directory.path())
                .arg("--crds")
                .arg(root.join("crds"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("tests/controlplane/up runs; see tests/controlplane/README.md");
            let mut path = String::new();
            let stdout = child.stdout.take().expect("it is piped");
            BufReader::new(stdout)
                .read_line(&mut path)
                .expect("the path of the kubeconfig");
            assert!(
                !path.is_empty(),
                "tests/controlplane/up failed; see tests/controlplane/README.md"
            );
            (path.trim().to_owned(), Some((child, directory)))
        }
    };
    let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a config");
    ControlPlane {
        child,
        client: Client::try_from(config).expect("a client"),
    }
}

fn cloud_resource(name: &str, member: &Json) -> DynamicObject {
    let mut spec = json!({ "application": "rules", "component": "web", "name": name });
    for (field, value) in member.as_object().expect("an object") {
        spec[field] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource",
        "metadata": { "name": format!("rules-web-{name}"), "finalizers": ["mooring.dev/teardown"] }, "spec": spec,
    }))
    .expect("an object")
}

/// One of each kind, and with each of what may be absent.
fn good() -> [(&'static str, Json); 7] {
    [
        ("vpc", json!({"vpc": {"network": "dedicated", "cidr": "10.0.0.0/16"}})),
        (
            "slb",
            json!({"slb": {"listeners": [{"port": 80, "protocol": "http", "healthCheck": {"path": "/"}}]}}),
        ),
        (
            "rds",
            json!({"rds": {"engine": "mysql", "storage": "20Gi", "env": {"A": "{host}"}, "options": {"mock": {"x": [1]}}}}),
        ),
        (
            "used",
            json!({"rds": {"engine": "mysql", "existing": {"id": "rm-1", "credentialsSecret": "s"}}}),
        ),
        (
            "log",
            json!({"log": {"retention": "7d", "overrides": [{"when": {"region": "x"}, "properties": {"push": true}}]}}),
        ),
        (
            "monitor",
            json!({"monitor": {"alarms": [{"of": "rds", "metric": "cpu", "above": "80%"}, {"of": "self", "metric": "restarts", "above": 3}]}}),
        ),
        ("bind", json!({"bind": {"to": "web/rds", "access": "readonly"}})),
    ]
}

#[tokio::test]
async fn an_api_server_holds_everybody_to_the_rules() {
    let plane = control_plane().await;
    let api: Api<DynamicObject> = Api::namespaced_with(
        plane.client.clone(),
        "default",
        &ApiResource::erase::<CloudResource>(&()),
    );
    holds_environments_to_the_rules(&plane.client).await;
    refuses_what_is_wrong(&api).await;
    for (name, member) in good() {
        let object = api.create(&PostParams::default(), &cloud_resource(name, &member)).await;
        object.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    refuses_another_identity(&api).await;
    lets_go(&api).await;
}

async fn holds_environments_to_the_rules(client: &Client) {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<Environment>(&()));
    let environment = |spec: &Json| -> DynamicObject {
        let mut all = json!({"providers": {"default": "p"}});
        for (field, value) in spec.as_object().expect("an object") {
            all[field] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "rules"}, "spec": all,
        }))
        .expect("an object")
    };
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for good in [
        json!({"existing": {"rds": [{"id": "rm-1", "namespaces": {"matchLabels": {"stage": "prod"}}}]}}),
        json!({"existing": {"log": [{"id": "*", "namespaces": {}}]}}),
        json!({"overrides": [{"when": {"region": "r"}, "existing": {"rds": [{"id": "rm-2", "namespaces": {}}]}}]}),
        json!({"identityScope": "environment", "home": "blue"}),
        json!({"identityScope": "cluster"}),
    ] {
        let made = api.create(&dry, &environment(&good)).await;
        made.unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for (bad, words) in [
        (
            json!({"existing": {"rds": [{"id": "rm-1"}]}}),
            "spec.existing.rds[0].namespaces",
        ),
        (
            json!({"existing": {"rds": [{"id": "", "namespaces": {}}]}}),
            "spec.existing.rds[0].id",
        ),
        (
            json!({"existing": {"rds": [{"id": "rm-*", "namespaces": {}}]}}),
            "there are no patterns",
        ),
        (json!({"identityScope": "environment"}), "set both, or neither"),
        (json!({"home": "blue"}), "set both, or neither"),
    ] {
        let error = api.create(&dry, &environment(&bad)).await.expect_err(words).to_string();
        assert!(error.contains(words), "{bad}: {error}");
    }
    api.create(&PostParams::default(), &environment(&json!({})))
        .await
        .expect("it is good");
    let shared = Patch::Merge(json!({"spec": {"identityScope": "environment", "home": "blue"}}));
    let error = api
        .patch("rules", &PatchParams::default(), &shared)
        .await
        .expect_err("its owner is fixed");
    assert!(
        error.to_string().contains("`identityScope` cannot be changed"),
        "{error}"
    );
    api.delete("rules", &DeleteParams::default()).await.expect("it may go");
}

async fn refuses_what_is_wrong(api: &Api<DynamicObject>) {
    let cases = [
        (
            json!({}),
            "exactly one of vpc, slb, rds, log, monitor and bind must be set",
        ),
        (json!({"log": {}, "rds": {"engine": "mysql"}}), "exactly one of vpc"),
        (json!({"rds": {"engine": "oracle"}}), "\"mysql\", \"postgresql\""),
        (
            json!({"rds": {"engine": "mysql", "storage": "lots"}}),
            "spec.rds.storage",
        ),
        (json!({"vpc": {"cidr": "10.0.0.0/16"}}), "add `network: dedicated`"),
        (json!({"slb": {"listeners": []}}), "spec.slb.listeners"),
        (
            json!({"slb": {"listeners": [{"port": 443, "protocol": "https"}]}}),
            "needs `certificate`",
        ),
        (
            json!({"monitor": {"alarms": [{"of": "rds", "metric": "cpu"}]}}),
            "exactly one of `above` and `below`",
        ),
        (
            json!({"log": {"overrides": [{"when": {}, "properties": {}}]}}),
            "name an environment, a region or a cluster",
        ),
        (json!({"bind": {"to": "rds"}}), "spec.bind.to"),
        (json!({"log": {}, "name": "Not-A-Label"}), "spec.name"),
    ];
    for (member, words) in cases {
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let result = api.create(&dry, &cloud_resource("bad", &member)).await;
        let error = result.expect_err(words).to_string();
        assert!(error.contains(words), "{member}: {error}");
    }
    let mut long = cloud_resource("bad", &json!({"log": {}}));
    long.metadata.name = Some("a".repeat(64));
    let error = api
        .create(&PostParams::default(), &long)
        .await
        .expect_err("a long name")
        .to_string();
    assert!(error.contains("at most 63 characters"), "{error}");
}

/// A living object does not become another: its kind, its key, what it uses.
async fn refuses_another_identity(api: &Api<DynamicObject>) {
    let cases = [
        (
            "rds",
            json!({"spec": {"rds": null, "log": {}}}),
            "the kind of a CloudResource cannot be changed",
        ),
        ("rds", json!({"spec": {"name": "other"}}), "`name` cannot be changed"),
        (
            "rds",
            json!({"spec": {"application": "other"}}),
            "`application` cannot be changed",
        ),
        (
            "rds",
            json!({"spec": {"rds": {"engine": "postgresql"}}}),
            "declare a second rds",
        ),
        (
            "rds",
            json!({"spec": {"rds": {"existing": {"id": "rm-2"}}}}),
            "`existing` cannot be added",
        ),
        (
            "used",
            json!({"spec": {"rds": {"existing": null}}}),
            "`existing` cannot be added",
        ),
        (
            "used",
            json!({"spec": {"rds": {"existing": {"id": "rm-2"}}}}),
            "`existing` cannot be added",
        ),
        (
            "bind",
            json!({"spec": {"bind": {"to": "web/other"}}}),
            "`to` cannot be changed",
        ),
    ];
    for (name, patch, words) in cases {
        let result = api
            .patch(
                &format!("rules-web-{name}"),
                &PatchParams::default(),
                &Patch::Merge(&patch),
            )
            .await;
        let error = result.expect_err(words).to_string();
        assert!(error.contains(words), "{name} {patch}: {error}");
    }
    let grown = json!({"spec": {"rds": {"storage": "40Gi", "size": "large"}}});
    api.patch("rules-web-rds", &PatchParams::default(), &Patch::Merge(&grown))
        .await
        .expect("a change that may be made");
}

/// No rule stands in the way of a status write, nor of the removal of the finalizer.
async fn lets_go(api: &Api<DynamicObject>) {
    for (name, _) in good() {
        let name = format!("rules-web-{name}");
        let status = json!({"status": {"kind": "rds", "externalId": "rm-1", "applied": {"a": {"b": 1}}}});
        let patch = Patch::Merge(&status);
        let written = api
            .patch_status(&name, &PatchParams::default(), &patch)
            .await
            .expect("a status write");
        assert_eq!(written.data["status"]["applied"]["a"]["b"], 1);
        api.delete(&name, &DeleteParams::default()).await.expect("it is marked");
        let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        api.patch(&name, &PatchParams::default(), &release)
            .await
            .expect("the finalizer goes");
        assert!(
            api.get_opt(&name).await.expect("an answer").is_none(),
            "{name} is still there"
        );
    }
}
