//! The example of the product, from its first apply to its end.

use std::time::Duration;

use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use kube::{Api, ResourceExt, api::ListParams};
use mooring::api::CloudResource;
use mooring_provider::Kind;
use serde_json::json;

use crate::{
    SHOP, Shared, applications, delete, deployment, env, find, gone, is_bound, names, running, shown, status,
    support::cluster::{PATIENCE, SYSTEM, Team},
    team, templates,
};

/// Looks again and again, until there is an answer, and each time whether all is in order.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>, is_in_order: impl AsyncFn()) -> T {
    let begun = tokio::time::Instant::now();
    loop {
        is_in_order().await;
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A workload is there no sooner than what it shows is bound, and alarms no sooner than the workload.
async fn comes_up_in_order(team: &Team) {
    for (component, before) in [("web", ["vpc", "rds", "slb", "log"].as_slice()), ("report", &["bind"])] {
        if deployment(team, component).await.is_none() {
            continue;
        }
        for name in before {
            let name = format!("shop-{component}-{name}");
            let resource = find(team, &name).await;
            assert!(
                resource.as_ref().is_some_and(is_bound),
                "{component} before {name}: {resource:#?}"
            );
        }
    }
    if find(team, "shop-web-monitor").await.is_some() {
        assert!(
            deployment(team, "web").await.is_some(),
            "an alarm before what it watches"
        );
    }
}

/// Nothing goes at the cloud while somebody may still use it.
async fn goes_in_order(team: &Team) {
    // Read in this order: what is seen gone was gone when the next is looked at.
    let kinds: Vec<_> = team.cloud.list().iter().map(|resource| resource.kind).collect();
    let pods = team.api::<Pod>().list(&ListParams::default()).await;
    let pods: Vec<_> = pods.expect("they can be listed").items;
    let running: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
    assert!(
        kinds.contains(&Kind::Rds) || running.is_empty(),
        "{running:?} without a database: {kinds:?}"
    );
    assert!(
        kinds.contains(&Kind::Vpc) || kinds.is_empty(),
        "{kinds:?} without a network"
    );
    assert!(
        kinds.contains(&Kind::Rds) || !kinds.contains(&Kind::Monitor),
        "{kinds:?}: an alarm of nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_comes_up_in_order_rests_and_leaves_nothing() {
    let team = Team::with(&Shared::get().cluster, "life", json!({"provisioning": "3s"}), json!({})).await;
    team.apply(SHOP).await;
    let has_begun = async || find(&team, "shop-web-rds").await;
    until("KubeVela emits the database", has_begun, async || {
        comes_up_in_order(&team).await;
    })
    .await;
    assert!(deployment(&team, "web").await.is_none(), "the workload is held back");
    let runs = async || status(&team).await.filter(|status| status["status"] == "running");
    let status = until("it runs", runs, async || comes_up_in_order(&team).await).await;

    let resources = [
        "shop-report-bind",
        "shop-web-log",
        "shop-web-monitor",
        "shop-web-rds",
        "shop-web-slb",
        "shop-web-vpc",
    ];
    assert_eq!(names(&team).await, resources);
    assert_eq!(team.cloud.list().len(), 5, "a bind is nothing of its own");
    let services = status["services"].as_array().expect("services");
    let traits: Vec<_> = services
        .iter()
        .flat_map(|one| one["traits"].as_array().expect("traits"))
        .collect();
    assert_eq!(traits.len(), 6, "{status:#}");
    for item in traits {
        assert_eq!(
            (&item["healthy"], &item["message"]),
            (&json!(true), &json!("Ready")),
            "{item}"
        );
    }
    let every = [
        "DB_HOST",
        "DB_PORT",
        "DB_USERNAME",
        "DB_PASSWORD",
        "DB_DATABASE",
        "DB_URI",
    ];
    for (component, secret) in [("web", "shop-web-rds"), ("report", "shop-report-bind")] {
        let deployment = deployment(&team, component).await.expect("it is there");
        assert_eq!(shown(&env(&deployment), secret), every, "{component}");
        assert_eq!(env(&deployment).len(), every.len(), "{component}");
        assert_eq!(
            templates(&team, component).await,
            1,
            "{component} is born with its variables"
        );
        let consumers = find(&team, secret)
            .await
            .and_then(|resource| resource.status)
            .expect("a status")
            .consumers;
        assert_eq!(consumers.len(), 1, "a teardown waits for it: {consumers:?}");
    }

    at_rest(&team).await;
    applications_are_kubevelas(&team).await;

    delete(&team).await;
    let is_gone = async || {
        applications(&team)
            .get_opt("shop")
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    };
    until("the application is gone", is_gone, async || goes_in_order(&team).await).await;
    gone(&team).await;
}

/// KubeVela looks every two seconds here; nothing is written for that.
async fn at_rest(team: &Team) {
    let seen = async || {
        let all = team
            .api::<CloudResource>()
            .list(&ListParams::default())
            .await
            .expect("they can be listed");
        let mut seen: Vec<_> = all.iter().map(|one| (one.name_any(), one.resource_version())).collect();
        for component in ["web", "report"] {
            let deployment = deployment(team, component).await.expect("it is there");
            seen.push((deployment.name_any(), deployment.resource_version()));
        }
        seen
    };
    crate::support::cluster::eventually("nothing is written for seven seconds", async || {
        let before = seen().await;
        tokio::time::sleep(Duration::from_secs(7)).await;
        (seen().await == before).then_some(())
    })
    .await;
}

/// Where KubeVela was first, our Application controller stays out, and that is on record.
async fn applications_are_kubevelas(team: &Team) {
    let lease = Api::<Lease>::namespaced(team.client.clone(), SYSTEM)
        .get("mooring")
        .await;
    assert_eq!(lease.expect("a lease").annotations()["mooring.dev/applications"], "off");
    let application = applications(team).get("shop").await.expect("it is there");
    let finalizers = application.finalizers();
    assert!(finalizers.iter().all(|one| !one.contains("mooring")), "{finalizers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_does_without_runs_the_workload_all_the_same() {
    let none =
        json!({"default": "none", "rds": "none", "slb": "none", "log": "none", "vpc": "none", "monitor": "none"});
    let team = Team::with(&Shared::get().cluster, "without", json!({}), json!({"providers": none})).await;
    team.apply(SHOP).await;
    let status = running(&team).await;
    let services = status["services"].as_array().expect("services");
    for item in services
        .iter()
        .flat_map(|one| one["traits"].as_array().expect("traits"))
    {
        let message = item["message"].as_str().expect("a message");
        assert!(item["healthy"] == true && message.starts_with("Skipped: "), "{item}");
    }
    let web = deployment(&team, "web").await.expect("it is there");
    let sources = env(&web)
        .into_iter()
        .filter_map(|variable| variable.value_from?.secret_key_ref);
    let sources: Vec<_> = sources.collect();
    assert_eq!(sources.len(), 6);
    // A kubelet starts no container that shows a Secret that is not there, unless it may be absent.
    assert!(
        sources.iter().all(|source| source.optional == Some(true)),
        "{sources:?}"
    );
    assert!(team.cloud.list().is_empty());
    delete(&team).await;
    gone(&team).await;
}

/// What a workload shows of a balancer or a log is there before it, as its database is.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_balancer_and_a_log_are_reached_by_is_in_the_environment_from_the_start() {
    let team = team("shown").await;
    let traits = json!([
        {"type": "slb", "properties": {"as": "LB", "listeners": [{"port": 80, "targetPort": 8080}]}},
        {"type": "log", "properties": {"push": true, "sources": ["stdout"]}},
    ]);
    team.apply_json(crate::shop(json!([crate::web("shop:1.0", traits)])))
        .await;
    let bound = async |deployment: &str| {
        for name in ["shop-web-slb", "shop-web-log"] {
            let resource = find(&team, name).await;
            assert!(
                resource.as_ref().is_some_and(is_bound),
                "{deployment} before {name}: {resource:#?}"
            );
        }
    };
    let in_order = async || {
        if deployment(&team, "web").await.is_some() {
            bound("web").await;
        }
    };
    let runs = async || status(&team).await.filter(|status| status["status"] == "running");
    until("it runs", runs, in_order).await;
    let env = env(&deployment(&team, "web").await.expect("it is there"));
    assert_eq!(shown(&env, "shop-web-slb"), ["LB_HOST", "LB_PORT", "LB_URI"]);
    let log = [
        "LOG_ENDPOINT",
        "LOG_PROJECT",
        "LOG_STORE",
        "LOG_USERNAME",
        "LOG_PASSWORD",
    ];
    assert_eq!(shown(&env, "shop-web-log"), log);
    assert_eq!(templates(&team, "web").await, 1);
}
