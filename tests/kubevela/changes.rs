//! What changes while it runs: traits, components, policies.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::StatefulSet, batch::v1::CronJob, core::v1::Secret};
use mooring_provider::{Kind, Span};
use mooring_provider_mock::Settings;
use serde_json::{Value as Json, json};

use crate::{
    SHOP, applications, delete, deployment, env, find, gone, names, rds, running, shop, shown,
    support::cluster::{Team, eventually},
    team, templates, web,
};

fn is_there(team: &Team, kind: Kind) -> bool {
    team.cloud.list().iter().any(|resource| resource.kind == kind)
}

fn storage(team: &Team) -> Option<u64> {
    team.cloud.list().iter().find_map(|resource| match &resource.settings {
        Settings::Rds(rds) => Some(rds.storage.get()),
        _ => None,
    })
}

/// The image that runs, in the Deployment's words.
async fn image(team: &Team) -> Option<String> {
    let spec = deployment(team, "web").await?.spec?.template.spec?;
    spec.containers.first()?.image.clone()
}

async fn apply(team: &Team, components: Json) {
    team.apply_json(shop(components)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_trait_changes_the_resource_and_holds_up_no_rollout() {
    let team = team("changed").await;
    apply(&team, json!([web("shop:1.0", json!([rds()]))])).await;
    running(&team).await;
    let before = storage(&team).expect("a database");

    let secret = async || team.api::<Secret>().get("shop-web-rds").await.expect("its Secret").data;
    let shown_before = secret().await;
    // The cloud takes an hour for it; the database is used all the while.
    team.cloud
        .configure(|config| config.provisioning = Span::new(Duration::from_secs(3600)));
    let larger = json!({"type": "rds", "properties": {"engine": "mysql", "as": "DB", "storage": "40Gi"}});
    apply(&team, json!([web("shop:1.0", json!([larger]))])).await;
    eventually("the storage grows", async || {
        (storage(&team)? == 2 * before).then_some(())
    })
    .await;
    running(&team).await;
    assert!(
        secret().await == shown_before,
        "it is reached as before, in what its Secret says"
    );
    let templates = async || templates(&team, "web").await;
    assert_eq!(templates().await, 1, "a larger database is no reason to roll");

    apply(&team, json!([web("shop:2.0", json!([larger]))])).await;
    running(&team).await;
    assert_eq!(image(&team).await.as_deref(), Some("shop:2.0"));
    assert_eq!(templates().await, 2);
    let synced = find(&team, "shop-web-rds")
        .await
        .and_then(|resource| resource.status)
        .expect("a status");
    let synced = synced
        .conditions
        .into_iter()
        .find(|known| known.type_ == "Synced")
        .expect("a condition");
    assert_eq!(synced.status, "False", "it is still being changed: {synced:?}");
}

/// What a new variable shows is in the Secret before the workload shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_variable_is_in_the_secret_before_it_is_shown() {
    let team = team("variable").await;
    apply(&team, json!([web("shop:1.0", json!([rds()]))])).await;
    running(&team).await;
    let further = json!({"JDBC_URL": "jdbc:mysql://{host}:{port}/{database}"});
    let more = json!({"type": "rds", "properties": {"engine": "mysql", "as": "DB", "env": further}});
    apply(&team, json!([web("shop:1.0", json!([more]))])).await;
    eventually("it is shown", async || {
        let env = env(&deployment(&team, "web").await.expect("it is there"));
        let secret = team.api::<Secret>().get("shop-web-rds").await.expect("a Secret");
        let is_shown = shown(&env, "shop-web-rds").contains(&"JDBC_URL".to_owned());
        let is_there = secret.data.expect("entries").contains_key("JDBC_URL");
        assert!(is_there || !is_shown, "{env:?} without an entry for it");
        is_shown.then_some(())
    })
    .await;
    running(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_goes_after_whoever_showed_it() {
    let team = team("removed").await;
    team.apply(SHOP).await;
    running(&team).await;
    let mut application = serde_saphyr::from_str::<Json>(SHOP).expect("YAML");
    let components = application["spec"]["components"].as_array_mut().expect("components");
    let traits = components[0]["traits"].as_array_mut().expect("traits");
    traits.retain(|item| item["type"] != "log");
    team.apply_json(application.clone()).await;
    eventually("the log is gone", async || (!is_there(&team, Kind::Log)).then_some(())).await;
    running(&team).await;
    assert_eq!(templates(&team, "web").await, 1, "nobody showed the log");

    let components = application["spec"]["components"].as_array_mut().expect("components");
    components.retain(|component| component["name"] == "web");
    team.apply_json(application.clone()).await;
    eventually("the report is gone", async || {
        let gone = deployment(&team, "report").await.is_none() && find(&team, "shop-report-bind").await.is_none();
        gone.then_some(())
    })
    .await;
    let accounts = |team: &Team| team.cloud.list().iter().map(|one| one.accounts.len()).sum::<usize>();
    eventually("its account is gone", async || (accounts(&team) == 1).then_some(())).await;

    let components = application["spec"]["components"].as_array_mut().expect("components");
    let traits = components[0]["traits"].as_array_mut().expect("traits");
    traits.retain(|item| item["type"] != "rds" && item["type"] != "monitor");
    team.apply_json(application.clone()).await;
    eventually("the database is gone", async || {
        let is_there = is_there(&team, Kind::Rds);
        let env = env(&deployment(&team, "web").await.expect("it is there"));
        assert!(is_there || env.is_empty(), "{env:?} without a database");
        (!is_there).then_some(())
    })
    .await;
    running(&team).await;
    eventually("it is forgotten", async || {
        (names(&team).await == ["shop-web-slb", "shop-web-vpc"]).then_some(())
    })
    .await;
    assert_eq!(templates(&team, "web").await, 2, "one rollout takes the variables out");
    delete(&team).await;
    gone(&team).await;
}

/// It is made anew once it is gone, and the workload is not given what goes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_again_while_it_goes_is_made_anew() {
    let team = team("again").await;
    apply(&team, json!([web("shop:1.0", json!([rds()]))])).await;
    running(&team).await;
    let first = find(&team, "shop-web-rds").await.expect("it is there").metadata.uid;
    team.cloud
        .configure(|config| config.latency = Span::new(Duration::from_secs(2)));
    apply(&team, json!([web("shop:1.0", json!([]))])).await;
    eventually("it goes", async || {
        find(&team, "shop-web-rds").await?.metadata.deletion_timestamp
    })
    .await;
    apply(&team, json!([web("shop:1.0", json!([rds()]))])).await;
    let now = eventually("it is made anew", async || {
        let resource = find(&team, "shop-web-rds").await?;
        (resource.metadata.uid != first).then_some(resource)
    })
    .await;
    team.cloud
        .configure(|config| config.latency = Span::new(Duration::ZERO));
    assert!(now.metadata.deletion_timestamp.is_none());
    running(&team).await;
    let env = env(&deployment(&team, "web").await.expect("it is there"));
    assert_eq!(shown(&env, "shop-web-rds").len(), 6);
    assert_eq!(team.cloud.list().len(), 1);
}

/// A `deploy` step with a topology and an override, beside policies about who owns and who keeps what.
#[tokio::test(flavor = "multi_thread")]
async fn policies_and_other_workloads_work_with_our_traits() {
    let team = team("policies").await;
    let own = json!({"type": "rds", "properties": {"engine": "postgresql", "name": "own-db"}});
    let mut application = shop(json!([
        web("shop:1.0", json!([rds()])),
        {
            "name": "tick", "type": "cron-task",
            "properties": {"image": "tick:1.0", "schedule": "*/5 * * * *", "restart": "OnFailure"},
            "traits": [{"type": "bind", "properties": {"to": "web/rds", "as": "DB"}}],
        },
        {"name": "state", "type": "statefulset", "properties": {"image": "state:1.0"}, "traits": [own]},
    ]));
    let larger = json!([{"name": "web", "traits": [{"type": "rds", "properties": {"storage": "50Gi"}}]}]);
    application["spec"]["policies"] = json!([
        {"name": "here", "type": "topology", "properties": {"clusters": ["local"]}},
        {"name": "larger", "type": "override", "properties": {"components": larger}},
        {"name": "once", "type": "apply-once", "properties": {"enable": true}},
        {"name": "shared", "type": "shared-resource", "properties": {"rules": [{"selector": {"resourceTypes": ["Secret"]}}]}},
        {"name": "order", "type": "garbage-collect", "properties": {"order": "dependency"}},
    ]);
    application["spec"]["workflow"] = json!({"steps": [
        {"name": "go", "type": "deploy", "properties": {"policies": ["here", "larger"]}},
    ]});
    team.apply_json(application).await;
    running(&team).await;
    assert_eq!(
        names(&team).await,
        ["shop-state-own-db", "shop-tick-bind", "shop-web-rds"]
    );
    let properties = find(&team, "shop-web-rds")
        .await
        .expect("it is there")
        .spec
        .rds
        .expect("a database");
    let properties = serde_json::to_value(properties).expect("JSON");
    assert_eq!(
        (&properties["storage"], &properties["as"]),
        (&json!("50Gi"), &json!("DB"))
    );

    let job = team.api::<CronJob>().get("tick").await.expect("it is there");
    let job = job
        .spec
        .job_template
        .spec
        .and_then(|spec| spec.template.spec)
        .expect("pods");
    let job = job
        .containers
        .into_iter()
        .next()
        .and_then(|container| container.env)
        .expect("variables");
    assert_eq!(shown(&job, "shop-tick-bind").len(), 6);
    let set = team.api::<StatefulSet>().get("state").await.expect("it is there");
    let set = set.spec.and_then(|spec| spec.template.spec).expect("pods");
    let set = set
        .containers
        .into_iter()
        .next()
        .and_then(|container| container.env)
        .expect("variables");
    assert!(
        shown(&set, "shop-state-own-db").contains(&"OWN_DB_HOST".to_owned()),
        "{set:?}"
    );

    delete(&team).await;
    eventually("the application is gone", async || {
        applications(&team)
            .get_opt("shop")
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
    assert!(team.cloud.list().is_empty() && names(&team).await.is_empty());
}
