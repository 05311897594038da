//! The policy on workloads that other projects define, whose lists are changed by JSON patches.

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::{ACCOUNT, Installed, path};

/// The folder with the definitions as those projects ship them.
pub(crate) fn definitions() -> String {
    let output = Command::new(path("tests/workloads/crds"))
        .output()
        .expect("tests/workloads/crds runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a path").trim().to_owned()
}

/// One of each kind, named `web`.
pub(crate) fn workloads() -> Vec<Json> {
    let kinds = [
        ("apps.kruise.io/v1alpha1", "CloneSet"),
        ("apps.kruise.io/v1beta1", "StatefulSet"),
        ("argoproj.io/v1alpha1", "Rollout"),
        ("serving.knative.dev/v1", "Service"),
    ];
    let workload = |(api_version, kind): (&str, &str)| {
        let mut spec = json!({"template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "side", "image": "side:1"}, {"name": "web", "image": "web:1"}]},
        }});
        if kind != "Service" {
            spec["selector"] = json!({"matchLabels": {"app": "web"}});
        }
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, "spec": spec})
    };
    kinds.into_iter().map(workload).collect()
}

#[test]
fn the_operator_changes_only_env_of_other_projects_workloads() {
    let installed = Installed::with("deploy");
    installed.run(&["create", "-f", &definitions()]);
    installed.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    installed.run(&["create", "namespace", "foreign"]);
    for workload in workloads() {
        installed.run_with(&["create", "-n", "foreign", "-f", "-"], &workload.to_string());
        let (group, _) = workload["apiVersion"]
            .as_str()
            .expect("text")
            .split_once('/')
            .expect("a group");
        let resource = format!("{}s.{group}", workload["kind"].as_str().expect("text").to_lowercase());
        let patch = |operations: Json| {
            let patch = operations.to_string();
            let arguments = [
                ACCOUNT,
                "patch",
                &resource,
                "web",
                "-n",
                "foreign",
                "--type=json",
                "--dry-run=server",
                "--patch",
                &patch,
            ];
            installed.try_run(&arguments, "")
        };
        let env = json!([{"name": "DB_HOST", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "host"}}}]);
        let bind = json!([
            {"op": "add", "path": "/metadata/annotations", "value": {"mooring.dev/bound-variables": "{}"}},
            {"op": "add", "path": "/spec/template/metadata/annotations", "value": {"mooring.dev/binding-revision": "shop=2"}},
            {"op": "add", "path": "/spec/template/spec/containers/1/env", "value": env},
        ]);
        // The policy may not know the kind in the first moment, and then denies nothing: so what is denied is waited for.
        let plain = json!([{"op": "add", "path": "/spec/template/spec/containers/1/env", "value": [{"name": "A", "value": "1"}]}]);
        let begun = std::time::Instant::now();
        while patch(plain.clone()).is_ok() {
            assert!(
                begun.elapsed() < crate::support::cluster::PATIENCE,
                "{resource}: nothing is denied"
            );
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        patch(bind).unwrap_or_else(|said| panic!("{resource}: {said}"));
        for (change, said) in [
            (plain, "only env entries that refer to a Secret"),
            (
                json!([{"op": "replace", "path": "/spec/template/spec/containers/1/image", "value": "theirs:1"}]),
                "env",
            ),
            (
                json!([{"op": "remove", "path": "/spec/template/spec/containers/0"}]),
                "env only",
            ),
            (
                json!([{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}]),
                "no metadata",
            ),
            (
                json!([{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"a": "b"}}]),
                "binding-revision",
            ),
        ] {
            let refused = patch(change.clone()).expect_err("it is refused");
            assert!(refused.contains(said), "{resource}: {change}: {refused}");
        }
    }
}
