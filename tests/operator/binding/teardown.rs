//! A binding goes: out of its workloads first, and their old pods with it.

use mooring::operator::workload::{Unbinding, Use, Workloads, unbound_and_rolled};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Scene, deployment, names};
use crate::support::cluster::eventually;

async fn unbinding(scene: &Scene, name: &str) -> Unbinding {
    let shutdown = CancellationToken::new();
    let _guard = shutdown.clone().drop_guard();
    let workloads = Workloads::start(&scene.team.client, &shutdown);
    workloads.ready().await;
    let resource = scene.resources().get(name).await.expect("it is there");
    unbound_and_rolled(&scene.team.client, &workloads, &Use::of(&resource))
        .await
        .expect("an answer")
}

async fn held(name: &str, count: &[&str]) -> Scene {
    let scene = Scene::new(name).await;
    scene.kubectl(
        "apply -f FILE",
        &deployment("web", json!([{"name": "MINE", "value": "1"}])),
    );
    for name in count {
        let hold = json!({"metadata": {"finalizers": ["tests.mooring.dev/hold"]}});
        scene.declare(name, "web", &name.to_uppercase(), hold).await;
        scene.provide(name, 1).await;
        scene.until(name, "Bound").await;
    }
    scene.rolled("web").await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_goes_in_one_rollout_and_the_others_stay() {
    let scene = held("goes", &["db", "cache"]).await;
    assert!(
        matches!(unbinding(&scene, "db").await, Unbinding::Waiting { .. }),
        "it is still there"
    );
    let before = scene.rollouts("web").await;
    scene.delete("db").await;
    scene.until("db", "Unbound").await;
    assert_eq!(unbinding(&scene, "db").await, Unbinding::Done);
    assert_eq!(scene.status("db").await.consumers, []);
    let env = scene.env("web", "web").await;
    assert_eq!(env.len(), 7, "{:?}", names(&env));
    assert!(env.iter().all(|variable| !variable.name.starts_with("DB_")));
    assert_eq!(scene.rollouts("web").await, before + 1);
    for name in ["db", "cache"] {
        scene.let_go(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_pods_that_stay_are_waited_for_and_named() {
    let scene = held("stays", &["db"]).await;
    // New pods find no node, so the old one stays.
    let mut stuck = deployment("web", json!([{"name": "MINE", "value": "1"}]));
    stuck["spec"]["template"]["spec"]["nodeSelector"] = json!({"nowhere": "1"});
    scene.kubectl("apply -f FILE", &stuck);
    scene.delete("db").await;
    scene.until_env("web", "web", "DB_HOST", false).await;
    scene.until("db", "Unbinding").await;
    let message = eventually("the rollout is waited for", async || {
        match unbinding(&scene, "db").await {
            Unbinding::Waiting { message } if message.contains("is rolling") => Some(message),
            _ => None,
        }
    })
    .await;
    assert!(message.contains("kubectl rollout status deployment/web"), "{message}");
    assert_eq!(scene.status("db").await.consumers.len(), 1, "the old pod still has it");
    scene.kubectl("rollout pause deployment web", &json!({}));
    let message = eventually("the pause is named", async || match unbinding(&scene, "db").await {
        Unbinding::Waiting { message } if message.contains("is paused") => Some(message),
        _ => None,
    })
    .await;
    assert!(message.contains("rollout resume"), "{message}");
    // The pods go with their workload.
    scene.kubectl("delete deployment web", &json!({}));
    scene.until("db", "Unbound").await;
    assert_eq!(unbinding(&scene, "db").await, Unbinding::Done);
    scene.let_go("db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_that_is_renewed_by_hand_says_so() {
    let scene = Scene::new("ondelete").await;
    let mut manifest = super::workload("apps/v1", "StatefulSet", "web", json!([]));
    manifest["spec"]["serviceName"] = json!("web");
    manifest["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    scene.kubectl("apply -f FILE", &manifest);
    scene
        .declare(
            "db",
            "web",
            "DB",
            json!({"metadata": {"finalizers": ["tests.mooring.dev/hold"]}}),
        )
        .await;
    scene.provide("db", 1).await;
    scene.until("db", "Bound").await;
    scene.kubectl("delete pod web-0", &json!({}));
    scene.kubectl(
        "wait --for=jsonpath={.status.updatedReplicas}=1 statefulset/web --timeout=60s",
        &json!({}),
    );
    scene.delete("db").await;
    scene.until("db", "Unbinding").await;
    eventually("it is said", async || match unbinding(&scene, "db").await {
        Unbinding::Waiting { message } if message.contains("OnDelete: delete its pods") => Some(()),
        _ => None,
    })
    .await;
    scene.kubectl("delete pod web-0", &json!({}));
    scene.until("db", "Unbound").await;
    scene.let_go("db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_the_secret_alone_is_taken_out() {
    let scene = held("off", &["db"]).await;
    scene.kubectl(
        "patch cloudresource db --type=merge -p {\"spec\":{\"rds\":{\"inject\":false}}}",
        &json!({}),
    );
    scene.until("db", "SecretOnly").await;
    scene.until_env("web", "web", "DB_HOST", false).await;
    let env = scene.env("web", "web").await;
    assert_eq!(names(&env), ["MINE"]);
    scene.let_go("db").await;
}
