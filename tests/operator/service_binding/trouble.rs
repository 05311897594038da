//! Services that are not there, input that is wrong, and ends that are not smooth.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, api::DeleteParams};
use serde_json::json;

use super::{ENTRIES, Scene, conformance::backend, containers, named};
use crate::support::cluster::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_comes_late_is_bound_and_one_that_vanishes_is_told() {
    let scene = Scene::new("vanishes").await;
    scene.secret("offered", &ENTRIES).await;
    scene.deployment("web", "x", json!([])).await;
    scene
        .bind("db", "", named("web"), json!({"service": backend("db")}))
        .await;
    let message = scene.told("db", "ServiceAvailable", "False", "ServiceNotFound").await;
    assert!(message.contains("Backend"), "{message}");
    assert_eq!(scene.at_rest("web").await, 1, "there is nothing to roll it for");
    scene.backend("db", "offered").await;
    scene.ready("db").await;
    let generation = scene.at_rest("web").await;
    scene.kubectl("delete backends.stable.example.com db");
    scene.told("db", "ServiceAvailable", "False", "ServiceNotFound").await;
    scene.told("db", "Ready", "False", "ServiceNotFound").await;
    assert_eq!(scene.at_rest("web").await, generation, "what runs is left running");
    scene.sees("web", "/bindings/db/username", Some("foo")).await;
    scene.backend("db", "offered").await;
    scene.ready("db").await;
    assert_eq!(scene.at_rest("web").await, generation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_is_waited_for() {
    let scene = Scene::new("late").await;
    scene.deployment("web", "x", json!([])).await;
    scene.bind("db", "db", named("web"), json!({})).await;
    scene.told("db", "ServiceAvailable", "False", "SecretNotFound").await;
    scene.told("db", "Ready", "False", "SecretNotFound").await;
    assert_eq!(scene.at_rest("web").await, 1);
    scene.secret("db", &ENTRIES).await;
    scene.ready("db").await;
    let secrets: Api<Secret> = scene.team.api();
    secrets
        .delete("db", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    scene.told("db", "Ready", "False", "SecretNotFound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_bound_says_which_field_and_why() {
    let scene = Scene::new("invalid").await;
    scene.secret("db", &ENTRIES).await;
    scene
        .deployment("web", "x", json!([{"name": "DB_USER", "value": "mine"}]))
        .await;
    scene
        .bind("both", "db", json!({"name": "web", "selector": {}}), json!({}))
        .await;
    let message = scene.told("both", "Ready", "False", "Invalid").await;
    assert!(message.contains("spec.workload has both"), "{message}");
    scene.unbind("both").await;
    scene
        .bind(
            "kind",
            "db",
            json!({"apiVersion": "apps/v1", "kind": "Deploiment", "name": "web"}),
            json!({}),
        )
        .await;
    let message = scene.told("kind", "Ready", "False", "WorkloadNotFound").await;
    assert!(message.contains("no Deploiment of apps/v1"), "{message}");
    scene.unbind("kind").await;

    let env = json!([{"name": "DB_USER", "key": "username"}, {"name": "DB_PASSWORD", "key": "password"}]);
    scene.bind("env", "db", named("web"), json!({"env": env})).await;
    let message = scene.told("env", "Ready", "False", "Collision").await;
    assert!(
        message.contains("the variable DB_USER of container web is set by somebody else"),
        "{message}"
    );
    let seen = scene.env("web").await;
    assert_eq!(
        (seen["DB_USER"].as_str(), seen["DB_PASSWORD"].as_str()),
        ("mine", "bar"),
        "the rest is bound"
    );
    scene.unbind("env").await;
    assert_eq!(scene.env("web").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_template_that_cannot_change_is_told() {
    let scene = Scene::new("job").await;
    scene.secret("db", &ENTRIES).await;
    let pod = json!({"spec": {"restartPolicy": "Never", "nodeSelector": {"none": "x"}, "containers": [{"name": "job", "image": "a:1"}]}});
    scene
        .apply(
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": pod}}),
        )
        .await;
    scene
        .bind(
            "db",
            "db",
            json!({"apiVersion": "batch/v1", "kind": "Job", "name": "once"}),
            json!({}),
        )
        .await;
    let message = scene.told("db", "Ready", "False", "WorkloadRefused").await;
    assert!(message.contains("immutable"), "{message}");
    scene.unbind("db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_goes_takes_it_along() {
    let scene = Scene::new("going").await;
    scene.secret("db", &ENTRIES).await;
    scene.deployment("web", "x", json!([])).await;
    scene.bind("db", "db", named("web"), json!({})).await;
    scene.ready("db").await;
    let namespaces = Api::<Namespace>::all(scene.team.client.clone());
    namespaces
        .delete(&scene.team.namespace, &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("the namespace is gone", async || {
        namespaces
            .get_opt(&scene.team.namespace)
            .await
            .expect("the API server answers")
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_became_invalid_keeps_what_it_has_and_can_be_deleted() {
    let scene = Scene::new("became").await;
    scene.secret("db", &ENTRIES).await;
    scene.deployment("web", "x", json!([])).await;
    scene.bind("db", "db", named("web"), json!({})).await;
    scene.ready("db").await;
    let generation = scene.at_rest("web").await;
    scene
        .bind("db", "db", json!({"name": "web", "selector": {}}), json!({}))
        .await;
    scene.told("db", "Ready", "False", "Invalid").await;
    assert_eq!(scene.at_rest("web").await, generation);
    scene.unbind("db").await;
    assert!(
        containers(&scene.workload("web").await)
            .iter()
            .all(|container| container.volume_mounts.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fight_over_a_workload_ends_with_a_condition() {
    let scene = Scene::new("contested").await;
    scene.secret("db", &ENTRIES).await;
    scene.deployment("web", "x", json!([])).await;
    scene.bind("db", "db", named("web"), json!({})).await;
    scene.ready("db").await;
    for round in 0..8 {
        // As a tool does that replaces.
        scene
            .deployment("web", "x", json!([{"name": "ROUND", "value": round.to_string()}]))
            .await;
        let contested = eventually("it is put right, or told", async || {
            let condition = super::condition(&scene.binding("db").await, "Ready")?;
            let is_back = containers(&scene.workload("web").await)[0].volume_mounts.is_some();
            let is_told = condition.reason == "BindingContested";
            (is_back || is_told).then_some(is_told)
        })
        .await;
        if contested {
            assert!(round >= 5, "five times are put right at once");
            return;
        }
    }
    panic!("it is put right for ever");
}
