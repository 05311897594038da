//! Workloads of other kinds: those that look like a Deployment, and those that a mapping describes.

use kube::{Api, api::DynamicObject, core::GroupVersionKind, discovery::pinned_kind};
use serde_json::{Value as Json, json};

use super::{ENTRIES, Scene};
use crate::support::cluster::eventually;

impl Scene {
    /// Defines a kind whose lists are atomic, as those of CloneSet and Rollout are.
    async fn define(&self, plural: &str, kind: &str) {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        self.apply(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.odd.example.com")},
            "spec": {
                "group": "odd.example.com", "scope": "Namespaced",
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        }))
        .await;
    }

    async fn odd(&self, kind: &str, name: &str) -> Json {
        let gvk = GroupVersionKind::gvk("odd.example.com", "v1", kind);
        let (resource, _) = pinned_kind(&self.team.client, &gvk).await.expect("it is served");
        let api = Api::<DynamicObject>::namespaced_with(self.team.client.clone(), &self.team.namespace, &resource);
        serde_json::to_value(api.get(name).await.expect("it is there")).expect("JSON")
    }

    async fn map(&self, plural: &str, template: Json) {
        self.apply(json!({
            "apiVersion": "servicebinding.io/v1", "kind": "ClusterWorkloadResourceMapping",
            "metadata": {"name": format!("{plural}.odd.example.com")}, "spec": {"versions": [template]},
        }))
        .await;
    }
}

fn of(kind: &str, name: &str) -> Json {
    json!({"apiVersion": "odd.example.com/v1", "kind": kind, "name": name})
}

#[tokio::test(flavor = "multi_thread")]
async fn no_container_of_an_atomic_list_is_lost() {
    let scene = Scene::new("atomic").await;
    scene.define("clones", "Clone").await;
    scene.secret("db", &ENTRIES).await;
    let written = json!({
        "apiVersion": "odd.example.com/v1", "kind": "Clone", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {
            "containers": [{"name": "web", "image": "a:1"}, {"name": "sidecar", "image": "b:1", "env": [{"name": "X", "value": "1"}]}],
            "initContainers": [{"name": "first", "image": "c:1"}],
        }}},
    });
    scene.apply(written.clone()).await;
    let workload =
        json!({"apiVersion": "odd.example.com/v1", "kind": "Clone", "name": "web", "containers": ["sidecar"]});
    scene
        .bind(
            "db",
            "db",
            workload,
            json!({"env": [{"name": "USER", "key": "username"}]}),
        )
        .await;
    scene.ready("db").await;
    let bound = scene.odd("Clone", "web").await;
    let pod = &bound["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0],
        written["spec"]["template"]["spec"]["containers"][0]
    );
    assert_eq!(
        pod["initContainers"],
        written["spec"]["template"]["spec"]["initContainers"]
    );
    let sidecar = &pod["containers"][1];
    assert_eq!(
        (
            &sidecar["image"],
            &sidecar["env"][0]["value"],
            &sidecar["env"][2]["name"]
        ),
        (&json!("b:1"), &json!("1"), &json!("USER"))
    );
    assert_eq!(sidecar["volumeMounts"][0]["mountPath"], "/bindings/db");
    scene.unbind("db").await;
    let mut after = scene.odd("Clone", "web").await["spec"].clone();
    after["template"].as_object_mut().expect("an object").remove("metadata");
    assert_eq!(after, written["spec"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_says_where_things_are_and_a_wrong_one_is_told() {
    let scene = Scene::new("mapped").await;
    scene.define("crews", "Crew").await;
    scene.secret("db", &ENTRIES).await;
    scene
        .apply(json!({
            "apiVersion": "odd.example.com/v1", "kind": "Crew", "metadata": {"name": "web"},
            "spec": {"pods": [{"title": "web"}, {"title": "other"}]},
        }))
        .await;
    scene.bind("db", "db", of("Crew", "web"), json!({})).await;
    let message = scene.told("db", "WorkloadProjected", "False", "InvalidMapping").await;
    assert!(
        message.contains("say where in a ClusterWorkloadResourceMapping crews.odd.example.com"),
        "{message}"
    );

    let template = |env: &str, volumes: &str| {
        json!({
            "version": "*", "annotations": ".spec.marks", "volumes": volumes,
            "containers": [{"path": ".spec.pods[*]", "name": ".title", "env": env}],
        })
    };
    scene.map("crews", template(".settings[0]", ".spec.disks")).await;
    let message = eventually("the wrong path is told", async || {
        let told = super::condition(&scene.binding("db").await, "Ready")?.message;
        told.contains("settings").then_some(told)
    })
    .await;
    assert!(
        message.contains("spec.versions[0].containers[0].env: `.settings[0]`"),
        "{message}"
    );
    assert!(message.contains("fields only"), "{message}");

    scene.map("crews", template(".settings", ".spec.disks")).await;
    scene.ready("db").await;
    let bound = scene.odd("Crew", "web").await;
    assert_eq!(bound["spec"]["pods"][0]["settings"][0]["name"], "SERVICE_BINDING_ROOT");
    assert_eq!(bound["spec"]["pods"][1]["volumeMounts"][0]["mountPath"], "/bindings/db");
    assert_eq!(bound["spec"]["disks"].as_array().map(Vec::len), Some(1));

    // Another mapping: what was put in by the old one is taken out by the old one.
    scene.map("crews", template(".variables", ".spec.storage")).await;
    let moved = eventually("it has moved", async || {
        let now = scene.odd("Crew", "web").await;
        now["spec"].get("storage").is_some().then_some(now)
    })
    .await;
    assert!(moved["spec"].get("disks").is_none(), "{moved}");
    assert!(moved["spec"]["pods"][0].get("settings").is_none(), "{moved}");
    assert_eq!(moved["spec"]["pods"][0]["variables"][0]["name"], "SERVICE_BINDING_ROOT");
    scene.ready("db").await;
    scene.unbind("db").await;
    let after = scene.odd("Crew", "web").await;
    assert_eq!(after["spec"]["pods"], json!([{"title": "web"}, {"title": "other"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_job_is_bound_where_its_template_is() {
    let scene = Scene::new("cron").await;
    scene.secret("db", &ENTRIES).await;
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": "a:1"}]}});
    scene
        .apply(json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": {"template": pod}}},
        }))
        .await;
    let workload = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly"});
    scene.bind("db", "db", workload, json!({})).await;
    scene.ready("db").await;
    let bound: k8s_openapi::api::batch::v1::CronJob = scene.team.api().get("nightly").await.expect("it is there");
    let template = bound.spec.job_template.spec.expect("a template").template;
    let containers = template.spec.expect("a pod").containers;
    assert_eq!(
        containers[0].volume_mounts.as_ref().expect("mounts")[0].mount_path,
        "/bindings/db"
    );
}
