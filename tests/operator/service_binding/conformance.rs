//! The 14 scenarios of servicebinding/conformance, in our words.

use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{ENTRIES, Scene, labelled, named};
use crate::support::cluster::eventually;

/// A kind that nobody here knows, with `.status.binding.name`.
pub(super) const BACKEND: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backends.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: backends, singular: backend, kind: Backend}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

impl Scene {
    /// A service of a kind of its own, that offers a Secret.
    pub(super) async fn backend(&self, name: &str, secret: &str) {
        self.team.apply(BACKEND).await;
        self.apply(json!({
            "apiVersion": "stable.example.com/v1", "kind": "Backend", "metadata": {"name": name},
            "spec": {}, "status": {"binding": {"name": secret}},
        }))
        .await;
    }
}

/// The service that [`Scene::backend`] makes.
pub(super) fn backend(name: &str) -> serde_json::Value {
    json!({"apiVersion": "stable.example.com/v1", "kind": "Backend", "name": name})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_service_of_any_kind_is_bound() {
    let scene = Scene::new("provisioned").await;
    scene.secret("offered", &ENTRIES).await;
    scene.backend("db", "offered").await;
    scene.deployment("web", "x", json!([])).await;
    scene
        .bind("db", "", named("web"), json!({"service": backend("db")}))
        .await;
    // What a client reads at the first sight of Ready is all there.
    let first = eventually("it is ready", async || {
        let binding = scene.binding("db").await;
        let ready = super::condition(&binding, "Ready")?;
        (ready.status == "True").then_some(binding)
    })
    .await;
    let status = first.status.expect("a status");
    assert_eq!(status.observed_generation, first.metadata.generation);
    assert_eq!(status.binding.expect("its Secret").name, "offered");
    for (key, value) in ENTRIES {
        scene.sees("web", &format!("/bindings/db/{key}"), Some(value)).await;
    }
    assert_eq!(scene.env("web").await["SERVICE_BINDING_ROOT"], "/bindings");
    assert_eq!(
        scene
            .told("db", "ServiceAvailable", "True", "ResolvedBindingSecret")
            .await,
        "Secret offered"
    );
    assert_eq!(
        scene.told("db", "WorkloadProjected", "True", "WorkloadProjected").await,
        "in Deployment web"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn type_and_provider_are_as_the_binding_says() {
    let scene = Scene::new("override").await;
    scene.secret("offered", &ENTRIES).await;
    scene.backend("db", "offered").await;
    scene.deployment("web", "x", json!([])).await;
    let said = json!({"service": backend("db"), "type": "baz", "provider": "qux", "name": "other"});
    scene.bind("db", "", named("web"), said).await;
    scene.ready("db").await;
    scene.sees("web", "/bindings/other/type", Some("baz")).await;
    scene.sees("web", "/bindings/other/provider", Some("qux")).await;
    scene.sees("web", "/bindings/other/username", Some("foo")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_the_workload_names_is_kept() {
    let scene = Scene::new("root").await;
    scene.secret("db", &ENTRIES).await;
    let env = json!([{"name": "SERVICE_BINDING_ROOT", "value": "/bindings/external"}]);
    scene.deployment("web", "x", env).await;
    scene.bind("db", "db", named("web"), json!({})).await;
    scene.ready("db").await;
    scene.sees("web", "/bindings/external/db/username", Some("foo")).await;
    assert_eq!(scene.env("web").await["SERVICE_BINDING_ROOT"], "/bindings/external");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_bound_with_one_rollout_and_its_changes_reach_the_files_with_none() {
    let scene = Scene::new("direct").await;
    scene.secret("db", &ENTRIES).await;
    scene.deployment("web", "x", json!([])).await;
    scene.bind("binding", "db", named("web"), json!({})).await;
    scene.ready("binding").await;
    scene.sees("web", "/bindings/binding/password", Some("bar")).await;
    assert_eq!(scene.rollouts("web").await, 2, "its creation and the binding");
    let generation = scene.at_rest("web").await;
    scene
        .secret("db", &[("username", "spam"), ("password", "eggs"), ("type", "ham")])
        .await;
    scene.sees("web", "/bindings/binding/password", Some("eggs")).await;
    scene.sees("web", "/bindings/binding/type", Some("ham")).await;
    // News that change nothing.
    scene.kubectl("label deployment web unrelated=1");
    scene.kubectl("label servicebinding binding unrelated=1");
    assert_eq!(scene.at_rest("web").await, generation);
    assert_eq!(scene.rollouts("web").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_choose_the_workloads_early_and_late() {
    let scene = Scene::new("labels").await;
    scene.secret("db", &ENTRIES).await;
    scene.bind("db", "db", labelled("front"), json!({})).await;
    let message = scene.told("db", "Ready", "False", "WorkloadNotFound").await;
    assert!(
        message.contains("no Deployment in the namespace is labelled tier=front"),
        "{message}"
    );
    scene.deployment("one", "front", json!([])).await;
    scene.ready("db").await;
    scene.sees("one", "/bindings/db/username", Some("foo")).await;
    scene.deployment("two", "front", json!([])).await;
    scene.deployment("other", "back", json!([])).await;
    scene.sees("two", "/bindings/db/username", Some("foo")).await;
    eventually("both are told", async || {
        let both = super::condition(&scene.binding("db").await, "WorkloadProjected")?.message;
        (both == "in Deployment one, Deployment two").then_some(())
    })
    .await;
    assert_eq!(scene.at_rest("other").await, 1, "it was not meant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_whose_label_changes_is_unbound_and_another_bound() {
    let scene = Scene::new("relabelled").await;
    scene.secret("db", &ENTRIES).await;
    scene.deployment("one", "front", json!([])).await;
    scene.deployment("two", "back", json!([])).await;
    let before = scene.workload("one").await;
    scene.bind("db", "db", labelled("front"), json!({})).await;
    scene.sees("one", "/bindings/db/username", Some("foo")).await;
    scene.kubectl("label deployment one tier=gone --overwrite");
    scene.sees("one", "/bindings/db/username", None).await;
    assert_eq!(
        super::containers(&scene.workload("one").await),
        super::containers(&before)
    );
    let back = Patch::Merge(json!({"spec": {"workload": {"selector": {"matchLabels": {"tier": "back"}}}}}));
    let patched = scene
        .bindings()
        .patch("db", &PatchParams::default(), &back)
        .await
        .expect("a binding");
    assert_eq!(patched.name_any(), "db");
    scene.ready("db").await;
    scene.sees("two", "/bindings/db/username", Some("foo")).await;
    scene.sees("one", "/bindings/db/username", None).await;
}
