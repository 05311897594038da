//! Where a balancer sends requests, if its Environment says `network.backends: pods` or `nodes`.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod, Service},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use mooring_provider::{ExternalId, Kind, spec::Backend};
use mooring_provider_mock::{Op, Settings};
use serde_json::{Value as Json, json};

use crate::{
    application::{running, shop},
    resource_support::*,
    support::cluster::{Cluster, PATIENCE, Team, eventually},
};

async fn team(name: &str, backends: &str) -> Team {
    let network = json!({"clients": {"cidrs": ["10.0.0.0/8"]}, "backends": backends});
    Team::with(Cluster::shared(), name, json!({}), json!({"network": network})).await
}

fn balancer(properties: &Json) -> Json {
    written("lb", "slb", properties.clone())
}

fn listens() -> Json {
    json!({"listeners": [{"port": 80, "targetPort": 8080, "protocol": "http"}]})
}

/// What the balancer at the cloud has behind it; `None` if that is not ours to say.
fn behind(team: &Team, id: &ExternalId) -> Option<BTreeSet<String>> {
    let Settings::Slb(settings) = team.cloud.get(id).expect("it is there").settings else {
        panic!("{id} is no balancer");
    };
    let shown = |one: &Backend| format!("{}>{}:{}", one.target_port, one.address, one.port);
    Some(settings.backends?.iter().map(shown).collect())
}

async fn until_behind(team: &Team, id: &ExternalId, wanted: &[&str]) {
    let wanted: BTreeSet<_> = wanted.iter().map(ToString::to_string).collect();
    let begun = std::time::Instant::now();
    while behind(team, id).as_ref() != Some(&wanted) {
        let there = behind(team, id);
        assert!(begun.elapsed() < PATIENCE, "{wanted:?} is not behind it, but {there:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn until_noted(team: &Team, name: &str, words: Option<&str>) {
    until(team, name, &format!("a note {words:?}"), |object| {
        let notes = &object.status.as_ref()?.notes;
        Some(words.map_or(notes.is_empty(), |words| notes.iter().any(|note| note.contains(words))))
    })
    .await;
}

/// A pod of component `web` that nobody runs: this test says how it is.
async fn pod(team: &Team, name: &str, address: &str, application: Option<&str>) {
    let mut labels = json!({"app.oam.dev/component": "web"});
    if let Some(application) = application {
        labels["app.oam.dev/name"] = application.into();
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "finalizers": ["test.mooring.dev/held"]},
        "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "web", "image": "web:1"}]},
    });
    team.api::<Pod>()
        .create(&PostParams::default(), &serde_json::from_value(pod).expect("a pod"))
        .await
        .expect("a user may make a pod");
    is_ready(team, name, address, true).await;
}

async fn is_ready(team: &Team, name: &str, address: &str, is: bool) {
    let status = json!({
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": if is { "True" } else { "False" }}],
    });
    team.api::<Pod>()
        .patch_status(name, &PatchParams::default(), &Patch::Merge(json!({"status": status})))
        .await
        .expect("its status can be told");
}

async fn patch_pod(team: &Team, name: &str, metadata: Json) {
    team.api::<Pod>()
        .patch(
            name,
            &PatchParams::default(),
            &Patch::Merge(json!({"metadata": metadata})),
        )
        .await
        .expect("it may be changed");
}

/// A node that takes no pods.
async fn node(team: &Team, name: &str, address: &str) {
    let taint = json!([{"key": "test.mooring.dev/alone", "effect": "NoSchedule"}]);
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": taint, "unschedulable": true},
    });
    let nodes = Api::<Node>::all(team.client.clone());
    nodes
        .create(&PostParams::default(), &serde_json::from_value(node).expect("a node"))
        .await
        .expect("a node may join");
    is_at(team, name, address).await;
}

/// Says where a node is. Whoever plays the kubelet may say otherwise once, when it first sees the node.
async fn is_at(team: &Team, name: &str, address: &str) {
    let status = json!({
        "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}],
    });
    Api::<Node>::all(team.client.clone())
        .patch_status(
            name,
            &PatchParams::default(),
            &Patch::Strategic(json!({"status": status})),
        )
        .await
        .expect("its status can be told");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backends_are_the_ready_pods() {
    let team = team("pods", "pods").await;
    team.apply_json(balancer(&listens())).await;
    let id = external_id(&ready(&team, "shop-web-lb").await);
    until_behind(&team, &id, &[]).await;
    until_noted(&team, "shop-web-lb", Some("no pod of component `web` is ready")).await;

    pod(&team, "a", "10.9.0.1", Some("shop")).await;
    pod(&team, "b", "10.9.0.2", None).await;
    pod(&team, "stranger", "10.9.0.3", Some("another")).await;
    until_behind(&team, &id, &["8080>10.9.0.1:8080", "8080>10.9.0.2:8080"]).await;
    until_noted(&team, "shop-web-lb", None).await;
    let told = ready(&team, "shop-web-lb").await;
    let since = condition(&told, "Ready").expect("Ready").last_transition_time.clone();

    // What is not ready, and what is going though it is not gone, serves nobody.
    is_ready(&team, "a", "10.9.0.1", false).await;
    until_behind(&team, &id, &["8080>10.9.0.2:8080"]).await;
    is_ready(&team, "a", "10.9.0.1", true).await;
    until_behind(&team, &id, &["8080>10.9.0.1:8080", "8080>10.9.0.2:8080"]).await;
    let pods = team.api::<Pod>();
    pods.delete("b", &DeleteParams::default()).await.expect("it may go");
    until_behind(&team, &id, &["8080>10.9.0.1:8080"]).await;

    // What does not matter to anybody is no call to the cloud, nor is looking again.
    let updates = team.cloud.count(Op::Update, Kind::Slb);
    patch_pod(&team, "a", json!({"annotations": {"nothing": "new"}})).await;
    let looks = team.cloud.count(Op::Observe, Kind::Slb);
    eventually("it was looked at again", async || {
        (team.cloud.count(Op::Observe, Kind::Slb) > looks + 2).then_some(())
    })
    .await;
    assert_eq!(team.cloud.count(Op::Update, Kind::Slb), updates);
    let told = ready(&team, "shop-web-lb").await;
    let now = condition(&told, "Ready").expect("Ready");
    assert_eq!(
        (now.reason.as_str(), &now.last_transition_time),
        ("Ready", &since),
        "it was usable all the time"
    );

    // Pods come and go whatever is wrong with the declaration by now.
    let mut wrong = listens();
    wrong["targets"] = json!(["no address!"]);
    team.apply_json(balancer(&wrong)).await;
    crate::resource_support::told(&team, "shop-web-lb", "Synced", "False", "InvalidSpec").await;
    pod(&team, "c", "10.9.0.4", Some("shop")).await;
    until_behind(&team, &id, &["8080>10.9.0.1:8080", "8080>10.9.0.4:8080"]).await;

    for name in ["a", "b", "c", "stranger"] {
        patch_pod(&team, name, json!({"finalizers": null})).await;
    }
    pods.delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .expect("they may go");
    until_behind(&team, &id, &[]).await;
    delete(&team, "shop-web-lb").await;
    gone(&team, "shop-web-lb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backends_of_an_application_follow_its_deployment() {
    let team = team("rollout", "pods").await;
    let slb = json!({"type": "slb", "properties": listens()});
    let image = json!({"image": "shop:1.0", "ports": [{"port": 8080}]});
    team.apply_json(shop(image, json!([slb]))).await;
    running(&team).await;
    let id = external_id(&ready(&team, "shop-web-slb").await);
    let (deployments, pods) = (team.api::<Deployment>(), team.api::<Pod>());
    for count in [3, 0, 1] {
        let patch = Patch::Merge(json!({"spec": {"replicas": count}}));
        deployments
            .patch("web", &PatchParams::default(), &patch)
            .await
            .expect("it may be scaled");
        eventually(&format!("{count} pods are behind the balancer"), async || {
            let there = pods.list(&ListParams::default()).await.expect("a list").items;
            let ready = there
                .iter()
                .filter(|pod| pod.metadata.deletion_timestamp.is_none())
                .filter_map(|pod| Some(format!("8080>{}:8080", pod.status.as_ref()?.pod_ip.as_ref()?)));
            let ready: BTreeSet<_> = ready.collect();
            (ready.len() == count && behind(&team, &id)? == ready).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backends_are_the_nodes_with_the_services_port() {
    let team = team("nodes", "nodes").await;
    let slb = json!({"type": "slb", "properties": listens()});
    let image = |expose: bool| json!({"image": "shop:1.0", "ports": [{"port": 8080, "expose": expose}]});
    team.apply_json(shop(image(true), json!([slb]))).await;
    running(&team).await;
    let id = external_id(&ready(&team, "shop-web-slb").await);
    let (one, two) = (format!("{}-1", team.namespace), format!("{}-2", team.namespace));
    node(&team, &one, "192.168.7.1").await;
    node(&team, &two, "192.168.7.2").await;
    let services = team.api::<Service>();
    let node_port = eventually("the Service has a node port", async || {
        let service = services.get_opt("web").await.expect("an answer")?.spec?;
        assert!(["ClusterIP", "NodePort"].contains(&service.type_.as_deref()?));
        service.ports?.first()?.node_port
    })
    .await;
    let at = |node: u8, port: i32| format!("8080>192.168.7.{node}:{port}");
    let both = BTreeSet::from([at(1, node_port), at(2, node_port)]);
    eventually("both nodes are behind the balancer", async || {
        is_at(&team, &one, "192.168.7.1").await;
        is_at(&team, &two, "192.168.7.2").await;
        (behind(&team, &id)? == both).then_some(())
    })
    .await;
    until_noted(&team, "shop-web-slb", None).await;
    let nodes = Api::<Node>::all(team.client.clone());
    nodes.delete(&two, &DeleteParams::default()).await.expect("it may go");
    until_behind(&team, &id, &[&at(1, node_port)]).await;

    // Without the Service it stands, and says what it lacks; a user's own serves as well.
    team.apply_json(shop(image(false), json!([slb]))).await;
    until_behind(&team, &id, &[]).await;
    until_noted(&team, "shop-web-slb", Some("`expose: true`")).await;
    team.apply_json(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "mine", "labels": {"app.oam.dev/component": "web"}},
        "spec": {"type": "NodePort", "selector": {"app.oam.dev/component": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }))
    .await;
    let mine = services.get("mine").await.expect("it is there").spec.expect("a spec");
    let node_port = mine.ports.expect("ports")[0].node_port.expect("a node port");
    until_behind(&team, &id, &[&at(1, node_port)]).await;
    nodes.delete(&one, &DeleteParams::default()).await.expect("it may go");
    until_behind(&team, &id, &[]).await;
    until_noted(&team, "shop-web-slb", Some("no node is ready")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clusters_own_controller_is_left_alone() {
    let team = team("service", "service").await;
    let mut properties = listens();
    properties["targets"] = json!(["10.0.0.7"]);
    team.apply_json(balancer(&properties)).await;
    let object = ready(&team, "shop-web-lb").await;
    pod(&team, "a", "10.9.1.1", Some("shop")).await;
    assert_eq!(behind(&team, &external_id(&object)), None);
    let told = object.status.expect("a status").not_applied;
    assert!(told[0].starts_with("targets: in a cluster"), "{told:?}");
    patch_pod(&team, "a", json!({"finalizers": null})).await;
}
