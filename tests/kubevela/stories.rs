//! An application's life under KubeVela's controller, with our operator beside it.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Secret,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use mooring::api::{Application, CloudResource, names};
use mooring_provider::Kind;
use serde_json::{Value as Json, json};

use crate::{
    support::cluster::{Cluster, Team, eventually},
    vela::{Lab, Vela},
};

/// The example that comes with the product.
const SHOP: &str = include_str!("../../crds/examples/shop.yaml");

/// A namespace of the lab whose cloud takes so long to make anything that order can be seen in whole seconds.
pub(crate) async fn team(name: &str) -> (&'static Lab, Team) {
    let lab = Lab::shared().await;
    let team = Team::with(&lab.cluster, name, json!({"provisioning": "2s"}), json!({})).await;
    (lab, team)
}

/// An Application `shop` with one component `web` of these traits.
pub(crate) fn shop(traits: Json) -> Json {
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": "shop"},
        "spec": {"components": [
            {"name": "web", "type": "webservice", "properties": {"image": "shop:1.0"}, "traits": traits},
        ]},
    })
}

pub(crate) fn rds(properties: Json) -> Json {
    let mut all = json!({"engine": "mysql", "as": "DB"});
    let more = properties.as_object().expect("an object").clone();
    all.as_object_mut().expect("an object").extend(more);
    json!({"type": "rds", "properties": all})
}

pub(crate) async fn application(team: &Team) -> Json {
    let application = team.api::<Application>().get("shop").await.expect("it is there");
    serde_json::to_value(application).expect("JSON")
}

/// Waits until KubeVela says that what is declared now runs and is well.
pub(crate) async fn running(team: &Team) -> Json {
    eventually("the application runs", async || {
        let application = application(team).await;
        let (status, meta) = (&application["status"], &application["metadata"]);
        let is_now = status["observedGeneration"] == meta["generation"] || status["observedGeneration"].is_null();
        let services = status["services"].as_array()?;
        let is_well = status["status"] == "running" && services.iter().all(|service| service["healthy"] == true);
        (is_now && is_well).then(|| status.clone())
    })
    .await
}

pub(crate) async fn deployment(team: &Team, name: &str) -> Option<Deployment> {
    team.api().get_opt(name).await.expect("the API server answers")
}

pub(crate) fn variables(deployment: &Deployment) -> Vec<String> {
    let pod = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref())
        .expect("a pod");
    let variables = pod.containers[0].env.iter().flatten();
    variables.map(|variable| variable.name.clone()).collect()
}

/// How often the pods of a Deployment were made anew, the first time included.
pub(crate) async fn rollouts(team: &Team, name: &str) -> usize {
    let all = team
        .api::<ReplicaSet>()
        .list(&ListParams::default())
        .await
        .expect("an answer");
    let is_its = |set: &&ReplicaSet| set.owner_references().iter().any(|owner| owner.name == name);
    all.iter().filter(is_its).count()
}

pub(crate) async fn resources(team: &Team) -> Vec<String> {
    let all = team
        .api::<CloudResource>()
        .list(&ListParams::default())
        .await
        .expect("an answer");
    all.iter().map(ResourceExt::name_any).collect()
}

fn made(object: &impl kube::Resource) -> i64 {
    let made = object.meta().creation_timestamp.as_ref().expect("it is there");
    made.0.as_second()
}

/// Asserts that the binding controller never wrote into a workload.
pub(crate) fn is_kubevelas_alone(deployment: &Deployment) {
    let managers: Vec<_> = deployment
        .managed_fields()
        .iter()
        .filter_map(|entry| entry.manager.as_deref())
        .collect();
    assert!(!managers.contains(&"mooring-binding"), "{managers:?}");
}

/// Lets KubeVela and the operator look again, which KubeVela does every 5 s; what they would undo of each other is undone
/// by then.
pub(crate) async fn a_while() {
    tokio::time::sleep(Duration::from_secs(12)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_comes_up_in_order_with_one_rollout_and_goes_without_a_trace() {
    let (_, team) = team("vela-shop").await;
    team.apply(SHOP).await;
    let status = running(&team).await;
    assert_eq!(
        resources(&team).await,
        [
            "shop-report-bind",
            "shop-web-log",
            "shop-web-monitor",
            "shop-web-rds",
            "shop-web-slb",
            "shop-web-vpc"
        ]
    );
    let traits: Vec<_> = status["services"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|service| service["traits"].as_array())
        .flatten()
        .collect();
    assert_eq!(traits.len(), 6, "{status}");
    assert!(
        traits
            .iter()
            .all(|item| item["healthy"] == true && item["message"].is_string()),
        "{status}"
    );

    let web = deployment(&team, "web").await.expect("it is there");
    assert_eq!(variables(&web).len(), 6);
    let secret = team.api::<Secret>().get("shop-web-rds").await.expect("it is there");
    let monitor = team
        .api::<CloudResource>()
        .get("shop-web-monitor")
        .await
        .expect("it is there");
    assert!(
        made(&secret) <= made(&web),
        "the database is bound before its workload starts"
    );
    assert!(made(&web) <= made(&monitor), "an alarm comes after what it watches");
    a_while().await;
    for name in ["web", "report"] {
        is_kubevelas_alone(&deployment(&team, name).await.expect("it is there"));
        assert_eq!(rollouts(&team, name).await, 1, "{name}");
    }
    let rds = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");
    assert_eq!(rds.status.expect("a status").consumers[0].name, "web");

    team.api::<Application>()
        .delete("shop", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("the database is gone", async || {
        let is_there = team.cloud.list().iter().any(|instance| instance.kind == Kind::Rds);
        (!is_there).then_some(())
    })
    .await;
    let web = deployment(&team, "web").await;
    assert!(
        web.is_none_or(|web| web.metadata.deletion_timestamp.is_some()),
        "a database goes after its workload"
    );
    eventually("nothing is left", async || {
        let application = team.api::<Application>().get_opt("shop").await.expect("an answer");
        let deployments = team
            .api::<Deployment>()
            .list(&ListParams::default())
            .await
            .expect("an answer");
        let secrets = team
            .api::<Secret>()
            .list(&ListParams::default())
            .await
            .expect("an answer");
        let is_empty = application.is_none() && deployments.items.is_empty() && secrets.items.is_empty();
        (is_empty && resources(&team).await.is_empty() && team.cloud.list().is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_change_traits_go_components_go() {
    let (_, team) = team("vela-change").await;
    let mut declared = shop(json!([rds(json!({}))]));
    let report = json!({"name": "report", "type": "worker", "properties": {"image": "report:1"}, "traits": [
        {"type": "bind", "properties": {"to": "web/rds", "as": "DB"}},
    ]});
    declared["spec"]["components"]
        .as_array_mut()
        .expect("a list")
        .push(report);
    team.apply_json(declared.clone()).await;
    running(&team).await;

    // A size is changed in place: nothing is rolled, and the application is well all the while.
    let properties = |declared: &mut Json, name: &str, value: Json| {
        declared["spec"]["components"][0]["traits"][0]["properties"][name] = value;
    };
    properties(&mut declared, "size", json!("medium"));
    team.apply_json(declared.clone()).await;
    eventually("the size is changed", async || {
        let rds = team
            .api::<CloudResource>()
            .get("shop-web-rds")
            .await
            .expect("it is there");
        let size = rds.spec.rds?.size?;
        let synced = rds
            .status?
            .conditions
            .into_iter()
            .find(|known| known.type_ == "Synced")?;
        (size == "medium" && synced.status == "True" && synced.observed_generation == rds.metadata.generation)
            .then_some(())
    })
    .await;
    running(&team).await;
    assert_eq!(rollouts(&team, "web").await, 1);

    // Other names of variables are one rollout, KubeVela's.
    properties(&mut declared, "as", json!("DATA"));
    team.apply_json(declared.clone()).await;
    eventually("the variables have their new names", async || {
        let variables = variables(&deployment(&team, "web").await?);
        (variables.len() == 6 && variables.iter().all(|name| name.starts_with("DATA_"))).then_some(())
    })
    .await;
    running(&team).await;
    a_while().await;
    assert_eq!(rollouts(&team, "web").await, 2);

    // A trait goes: its variables first, by KubeVela, then what it was bound to.
    declared["spec"]["components"][1]["traits"] = json!([]);
    team.apply_json(declared.clone()).await;
    eventually("the bind is gone", async || {
        let report = deployment(&team, "report").await?;
        (variables(&report).is_empty() && !resources(&team).await.contains(&"shop-report-bind".to_owned()))
            .then_some(())
    })
    .await;
    a_while().await;
    assert_eq!(rollouts(&team, "report").await, 2);
    assert_eq!(
        variables(&deployment(&team, "report").await.expect("it is there")),
        [""; 0]
    );

    // A component goes, and the other is as it was.
    declared["spec"]["components"].as_array_mut().expect("a list").pop();
    team.apply_json(declared).await;
    eventually("the component is gone", async || {
        deployment(&team, "report").await.is_none().then_some(())
    })
    .await;
    running(&team).await;
    assert_eq!(rollouts(&team, "web").await, 2);
    assert_eq!(resources(&team).await, ["shop-web-rds"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_credentials_roll_the_pods_once_and_kubevela_leaves_that_alone() {
    let (_, team) = team("vela-rotate").await;
    team.apply_json(shop(json!([rds(json!({}))]))).await;
    running(&team).await;
    assert_eq!(rollouts(&team, "web").await, 1);
    let rotate = Patch::Merge(json!({"metadata": {"annotations": {names::ROTATE: "1"}}}));
    let resources = team.api::<CloudResource>();
    resources
        .patch("shop-web-rds", &PatchParams::default(), &rotate)
        .await
        .expect("it is accepted");
    eventually("the pods are rolled", async || {
        (rollouts(&team, "web").await == 2).then_some(())
    })
    .await;
    a_while().await;
    running(&team).await;
    assert_eq!(rollouts(&team, "web").await, 2);
    let web = deployment(&team, "web").await.expect("it is there");
    let template = web
        .spec
        .as_ref()
        .and_then(|spec| spec.template.metadata.as_ref())
        .expect("a template");
    assert_eq!(
        template
            .annotations
            .as_ref()
            .map(|all| all[names::BINDING_REVISION].as_str()),
        Some("shop-web-rds=2")
    );

    // What KubeVela changes next keeps the annotation.
    let mut declared = shop(json!([rds(json!({}))]));
    declared["spec"]["components"][0]["properties"]["image"] = json!("shop:2.0");
    team.apply_json(declared).await;
    eventually("the image is new", async || {
        (rollouts(&team, "web").await == 3).then_some(())
    })
    .await;
    running(&team).await;
    a_while().await;
    assert_eq!(rollouts(&team, "web").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_makes_the_difference_between_environments() {
    let (lab, team) = team("vela-policies").await;
    let prod = Team::new(&lab.cluster, "vela-prod").await;
    let mut declared = shop(json!([rds(json!({"size": "small"}))]));
    let traits = json!([{"type": "rds", "properties": {"size": "large"}}]);
    declared["spec"]["policies"] = json!([
        {"name": "here", "type": "topology", "properties": {"clusters": ["local"], "namespace": team.namespace}},
        {"name": "prod", "type": "topology", "properties": {"clusters": ["local"], "namespace": prod.namespace}},
        {"name": "large", "type": "override", "properties": {"components": [{"name": "web", "traits": traits}]}},
        {"name": "shared", "type": "shared-resource", "properties": {"rules": [{"selector": {"traitTypes": ["rds"]}}]}},
        {"name": "once", "type": "apply-once", "properties": {"enable": true}},
    ]);
    declared["spec"]["workflow"] = json!({"steps": [
        {"name": "here", "type": "deploy", "properties": {"policies": ["here"]}},
        {"name": "prod", "type": "deploy", "properties": {"policies": ["prod", "large"]}},
    ]});
    team.apply_json(declared).await;
    running(&team).await;
    for (team, size) in [(&team, "small"), (&prod, "large")] {
        let rds = team
            .api::<CloudResource>()
            .get("shop-web-rds")
            .await
            .expect("it is there");
        assert_eq!(rds.spec.rds.and_then(|rds| rds.size).as_deref(), Some(size));
        assert_eq!(
            team.cloud.list().len(),
            1,
            "each is in the cloud of its namespace's environment"
        );
        assert_eq!(variables(&deployment(team, "web").await.expect("it is there")).len(), 6);
        assert_eq!(rollouts(team, "web").await, 1);
    }
    a_while().await;
    team.api::<Application>()
        .delete("shop", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("nothing is left", async || {
        let is_gone = team.cloud.list().is_empty() && prod.cloud.list().is_empty();
        (is_gone && resources(&team).await.is_empty() && resources(&prod).await.is_empty()).then_some(())
    })
    .await;
}

/// Not what is best, but what it costs: how often KubeVela looks at an application with our traits and without.
#[tokio::test(flavor = "multi_thread")]
async fn kubevela_looks_no_more_often_for_our_traits_than_it_does_for_its_own_work() {
    let cluster = Cluster::own();
    Vela::install(&cluster).await;
    let vela = Vela::start(&cluster).await;
    let _operator = cluster.operator();
    let mut counts = Vec::new();
    for (name, traits) in [("plain", json!([])), ("bound", json!([rds(json!({}))]))] {
        let team = Team::new(&cluster, name).await;
        let before = vela.reconciles();
        team.apply_json(shop(traits)).await;
        running(&team).await;
        counts.push(vela.reconciles() - before);
        let api: Api<Application> = team.api();
        api.delete("shop", &DeleteParams::default())
            .await
            .expect("it can be deleted");
        eventually("it is gone", async || {
            api.get_opt("shop").await.expect("an answer").is_none().then_some(())
        })
        .await;
    }
    println!(
        "KubeVela's reconciles from declared to running: {} without traits, {} with an rds",
        counts[0], counts[1]
    );
    assert!(counts[1] <= counts[0] + 20, "{counts:?}");
}
