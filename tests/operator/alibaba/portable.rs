//! The examples run on Alibaba Cloud as they are: from the mock cloud to there it is one label.

use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::{Value as Json, json};

use super::{goes, is_gone, process::Cloud, team};
use crate::{
    resource_support::ready,
    support::cluster::{Cluster, Team, eventually},
};

fn example(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/examples").join(name);
    let text = std::fs::read_to_string(path).expect("the example is there");
    serde_saphyr::from_str(&text).expect("YAML")
}

fn in_environment(mut application: Json, environment: &str) -> Json {
    application["metadata"]["labels"]["mooring.dev/environment"] = json!(environment);
    application
}

/// The names of the variables of a component's container, those that it does not write itself.
async fn variables(team: &Team, component: &str) -> Vec<String> {
    let deployments: Api<Deployment> = team.api();
    let name = format!("shop-{component}");
    eventually(&format!("{name} has its variables"), async || {
        let all = deployments.list(&Default::default()).await.expect("they can be listed");
        let found = all.items.into_iter().find(|deployment| {
            let labels = deployment.metadata.labels.as_ref();
            labels.is_some_and(|labels| {
                labels
                    .get("app.oam.dev/component")
                    .is_some_and(|label| label == component)
            })
        })?;
        let containers = found.spec?.template.spec?.containers;
        let names: Vec<_> = containers
            .into_iter()
            .flat_map(|container| container.env.unwrap_or_default())
            .collect();
        let mut names: Vec<_> = names.into_iter().map(|variable| variable.name).collect();
        names.sort();
        names.contains(&"DB_URI".to_owned()).then_some(names)
    })
    .await
}

/// Runs it on the mock cloud, then on Alibaba Cloud with another label: the same variables, then nothing is left.
async fn runs_there(team: &Team, cloud: &Cloud, application: Json, resources: &[&str]) {
    let aliyun = format!("{}-aliyun", team.namespace);
    let mut seen = Vec::new();
    for environment in [&team.namespace, &aliyun] {
        team.apply_json(in_environment(application.clone(), environment)).await;
        for name in resources {
            ready(team, name).await;
        }
        seen.push([variables(team, "web").await, variables(team, "report").await]);
        assert_eq!(cloud.stands().await.is_empty(), environment != &aliyun, "where it runs");
        goes(team).await;
        is_gone(team).await;
    }
    assert_eq!(
        seen[0], seen[1],
        "the variables are the application's, wherever it runs"
    );
    let left = cloud.stands().await;
    assert!(left.is_empty(), "{left:?}");
    assert!(team.cloud.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portable_shop_needs_one_label() {
    let cloud = Cloud::start(&[]).await;
    let team = team(Cluster::shared(), "aliport", &cloud.url(), json!({})).await;
    let resources = [
        "shop-web-rds",
        "shop-web-slb",
        "shop-web-log",
        "shop-web-monitor",
        "shop-report-bind",
    ];
    runs_there(&team, &cloud, example("shop-portable.yaml"), &resources).await;
}

/// It watches its own pods too, which Cloud Monitor does not: an SRE has another provider do that.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_shop_needs_one_label() {
    let cloud = Cloud::start(&[]).await;
    let team = team(Cluster::shared(), "alishop", &cloud.url(), json!({})).await;
    let (name, aliyun) = (&team.namespace, format!("{}-aliyun", team.namespace));
    let mut environment = serde_json::to_value(
        Api::<mooring::api::Environment>::all(team.client.clone())
            .get(&aliyun)
            .await
            .expect("it is there"),
    )
    .expect("JSON");
    environment["spec"]["providers"]["monitor"] = json!(name);
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": aliyun},
        "spec": environment["spec"],
    }))
    .await;
    let resources = [
        "shop-web-vpc",
        "shop-web-rds",
        "shop-web-slb",
        "shop-web-log",
        "shop-web-monitor",
        "shop-report-bind",
    ];
    runs_there(&team, &cloud, example("shop.yaml"), &resources).await;
}
