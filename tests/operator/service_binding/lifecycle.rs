//! What the suite leaves out: the other version, variables, containers, several bindings, and the end.

use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use mooring::api::{CloudResource, names};
use serde_json::json;

use super::{ENTRIES, Scene, containers, labelled, named};
use crate::support::cluster::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn the_older_version_is_the_same_kind() {
    let scene = Scene::new("beta").await;
    scene.secret("db", &ENTRIES).await;
    scene.deployment("web", "x", json!([])).await;
    scene
        .apply(json!({
            "apiVersion": "servicebinding.io/v1beta1", "kind": "ServiceBinding", "metadata": {"name": "db"},
            "spec": {
                "service": {"apiVersion": "v1", "kind": "Secret", "name": "db"},
                "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        }))
        .await;
    scene.ready("db").await;
    scene.sees("web", "/bindings/db/username", Some("foo")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_become_variables_in_the_containers_that_are_named() {
    let scene = Scene::new("env").await;
    scene.secret("db", &ENTRIES).await;
    scene
        .deployment("web", "x", json!([{"name": "MINE", "value": "1"}]))
        .await;
    let env = json!([{"name": "DB_USER", "key": "username"}, {"name": "DB_TYPE", "key": "type"}]);
    let workload = json!({"name": "web", "containers": ["web", "is-not-there"]});
    scene
        .bind("db", "db", workload, json!({"env": env, "type": "mysql"}))
        .await;
    scene.ready("db").await;
    let seen = scene.env("web").await;
    assert_eq!(
        (
            seen["MINE"].as_str(),
            seen["DB_USER"].as_str(),
            seen["DB_TYPE"].as_str()
        ),
        ("1", "foo", "mysql")
    );
    let bound = containers(&scene.workload("web").await);
    assert!(bound[0].volume_mounts.is_some());
    assert!(
        bound[1].volume_mounts.is_none() && bound[1].env.is_none(),
        "the sidecar was not named"
    );
    assert_eq!(scene.rollouts("web").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_is_deleted_leaves_the_workload_as_it_was() {
    let scene = Scene::new("unbound").await;
    scene.secret("db", &ENTRIES).await;
    scene
        .deployment("web", "x", json!([{"name": "MINE", "value": "1"}]))
        .await;
    let before = scene.workload("web").await;
    let env = json!([{"name": "DB_USER", "key": "username"}]);
    scene.bind("db", "db", named("web"), json!({"env": env})).await;
    scene.ready("db").await;
    scene.unbind("db").await;
    let after = scene.workload("web").await;
    let template =
        |deployment: &k8s_openapi::api::apps::v1::Deployment| deployment.spec.clone().map(|spec| spec.template);
    assert_eq!(template(&after), template(&before));
    assert!(!after.annotations().contains_key(names::SERVICE_BINDINGS));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bindings_on_one_workload_leave_each_other_alone() {
    let scene = Scene::new("two").await;
    scene.secret("db", &ENTRIES).await;
    scene.secret("cache", &[("type", "redis"), ("uri", "redis://")]).await;
    scene.deployment("web", "front", json!([])).await;
    let uri = json!({"env": [{"name": "CACHE_URI", "key": "uri"}]});
    tokio::join!(
        scene.bind("db", "db", named("web"), json!({})),
        scene.bind("cache", "cache", labelled("front"), uri),
    );
    tokio::join!(scene.ready("db"), scene.ready("cache"));
    scene.sees("web", "/bindings/db/type", Some("db")).await;
    scene.sees("web", "/bindings/cache/type", Some("redis")).await;
    let generation = scene.at_rest("web").await;
    assert!(scene.rollouts("web").await <= 3, "one for each at most");
    // Something to look at both for.
    scene.kubectl("annotate servicebinding --all looked=at");
    scene.kubectl("label deployment web looked=at");
    assert_eq!(scene.at_rest("web").await, generation);
    scene.unbind("db").await;
    scene.sees("web", "/bindings/db/type", None).await;
    assert_eq!(scene.env("web").await["CACHE_URI"], "redis://");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_is_made_anew_is_bound_anew() {
    let scene = Scene::new("anew").await;
    scene.secret("db", &ENTRIES).await;
    scene.deployment("web", "x", json!([])).await;
    scene.bind("db", "db", named("web"), json!({})).await;
    scene.ready("db").await;
    scene.kubectl("delete deployment web --wait");
    scene.told("db", "Ready", "False", "WorkloadNotFound").await;
    scene.deployment("web", "x", json!([])).await;
    scene.ready("db").await;
    scene.sees("web", "/bindings/db/username", Some("foo")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_resource_is_a_service_and_both_controllers_live_on_one_workload() {
    let scene = Scene::new("both").await;
    let entries = ["host", "port", "type", "username", "password", "database", "uri"].map(|key| (key, key));
    scene.secret("db", &entries).await;
    let labels = json!({"app.oam.dev/component": "web", "app.oam.dev/name": "shop"});
    let pods = json!({"app": "web"});
    scene
        .apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": labels},
            "spec": {"selector": {"matchLabels": pods}, "template": {"metadata": {"labels": pods}, "spec": {"containers": [
                {"name": "web", "image": "shop:1.0"},
            ]}}},
        }))
        .await;
    scene
        .apply(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource", "metadata": {"name": "db"},
            "spec": {
                "application": "shop", "component": "web", "name": "db", "environment": "is-not-there",
                "rds": {"engine": "mysql", "as": "DB"},
            },
        }))
        .await;
    let service = json!({"apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource", "name": "db"});
    // DB_HOST is what our binding controller sets as well; MY_HOST is nobody else's.
    let env = json!([{"name": "MY_HOST", "key": "host"}, {"name": "DB_HOST", "key": "host"}]);
    scene
        .bind("files", "", named("web"), json!({"service": service, "env": env}))
        .await;
    scene
        .told("files", "ServiceAvailable", "False", "ServiceMissingBinding")
        .await;
    let status = Patch::Merge(json!({"status": {"binding": {"name": "db"}, "bindingRevision": 1}}));
    let resources: Api<CloudResource> = scene.team.api();
    resources
        .patch_status("db", &PatchParams::default(), &status)
        .await
        .expect("a status");
    eventually("both are through", async || {
        let seen = containers(&scene.workload("web").await)
            .remove(0)
            .env
            .unwrap_or_default();
        let has = |name: &str| seen.iter().any(|variable| variable.name == name);
        (has("DB_PORT") && has("MY_HOST") && has("DB_HOST")).then_some(())
    })
    .await;
    let generation = scene.at_rest("web").await;
    scene.kubectl("label deployment web looked=at");
    scene.kubectl("annotate servicebinding files looked=at");
    scene.kubectl("annotate cloudresource db looked=at");
    assert_eq!(scene.at_rest("web").await, generation, "neither undoes the other");
    scene.sees("web", "/bindings/files/host", Some("host")).await;
    scene.unbind("files").await;
    let seen = scene.env("web").await;
    assert!(
        seen.contains_key("DB_PORT") && !seen.contains_key("MY_HOST"),
        "{seen:?}"
    );
    let none = Patch::Merge(json!({"metadata": {"finalizers": []}}));
    resources
        .patch("db", &PatchParams::default(), &none)
        .await
        .expect("it is let go");
    resources
        .delete("db", &DeleteParams::default())
        .await
        .expect("it can be deleted");
}
