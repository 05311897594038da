//! The figures of ServiceBindings: time from a ServiceBinding to its projection, and rollouts, on a real API server.
//!
//!   cargo bench --bench service_binding                             100 of them, one after the other, then all at once
//!   MOORING_BENCH=20 cargo bench --bench service_binding            so many

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Secret,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams, WatchParams},
    core::WatchEvent,
};
use mooring::{api::ServiceBinding, operator::ServiceBindings};
use serde_json::json;
use support::cluster::{Cluster, eventually};

const NAMESPACE: &str = "default";

fn api<K>(client: &Client) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), NAMESPACE)
}

async fn deploy(client: &Client, name: &str) {
    let labels = json!({"app": name});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": "web", "image": "shop:1.0"}],
        }}},
    });
    let deployment = serde_json::from_value(deployment).expect("a Deployment");
    api::<Deployment>(client)
        .create(&PostParams::default(), &deployment)
        .await
        .expect("it is accepted");
}

/// Binds a Deployment, and answers how long it took until the files were in its template.
async fn bind(client: &Client, name: &str) -> Duration {
    let binding = json!({
        "apiVersion": "servicebinding.io/v1", "kind": "ServiceBinding", "metadata": {"name": name},
        "spec": {
            "service": {"apiVersion": "v1", "kind": "Secret", "name": "db"},
            "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        },
    });
    let binding = serde_json::from_value(binding).expect("a ServiceBinding");
    let deployments = api::<Deployment>(client);
    let watch = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = deployments.watch(&watch, "0").await.expect("a watch").boxed();
    let begun = Instant::now();
    api::<ServiceBinding>(client)
        .create(&PostParams::default(), &binding)
        .await
        .expect("it is accepted");
    while let Some(event) = events.next().await {
        if let Ok(WatchEvent::Added(seen) | WatchEvent::Modified(seen)) = event
            && seen.spec.and_then(|spec| spec.template.spec?.volumes).is_some()
        {
            return begun.elapsed();
        }
    }
    panic!("the watch ended");
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part).round() as usize].as_millis();
    println!(
        "{what}: {} of them, projected after p50 {} ms, p99 {} ms",
        took.len(),
        at(0.5),
        at(0.99)
    );
}

async fn rollouts(client: &Client) -> usize {
    eventually("the Deployments are seen", async || {
        let all = api::<Deployment>(client).list(&ListParams::default()).await.ok()?;
        let is_seen = |one: &Deployment| {
            let observed = one.status.as_ref().and_then(|status| status.observed_generation);
            observed == one.metadata.generation
        };
        all.iter().all(is_seen).then_some(())
    })
    .await;
    api::<ReplicaSet>(client)
        .list(&ListParams::default())
        .await
        .expect("a list")
        .items
        .len()
}

#[tokio::main]
async fn main() {
    let count = std::env::var("MOORING_BENCH")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_usize);
    let cluster = Cluster::own();
    let _operator = cluster.operator_with(|options| options.service_bindings = ServiceBindings::On);
    let client = cluster.client().await;
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"type": "mysql", "host": "h"}});
    let secret = serde_json::from_value::<Secret>(secret).expect("a Secret");
    api(&client)
        .create(&PostParams::default(), &secret)
        .await
        .expect("it is accepted");
    eventually("ServiceBindings are served", async || {
        api::<ServiceBinding>(&client).list(&ListParams::default()).await.ok()
    })
    .await;
    let name = |index: usize| format!("web-{index}");
    for index in 0..2 * count {
        deploy(&client, &name(index)).await;
    }
    let before = rollouts(&client).await;
    let mut alone = Vec::new();
    for index in 0..count {
        alone.push(bind(&client, &name(index)).await);
    }
    print("one after the other", alone);
    let names: Vec<_> = (count..2 * count).map(name).collect();
    let at_once = join_all(names.iter().map(|name| bind(&client, name))).await;
    print("all at once", at_once);
    let bound = rollouts(&client).await;
    println!("rollouts per bind: {:.2}", (bound - before) as f64 / (2 * count) as f64);
    // Something to look at each for, that changes nothing.
    let look = Patch::Merge(json!({"metadata": {"labels": {"looked": "at"}}}));
    for index in 0..2 * count {
        let params = PatchParams::default();
        let name = format!("web-{index}");
        api::<ServiceBinding>(&client)
            .patch(&name, &params, &look)
            .await
            .expect("it is labelled");
        api::<Deployment>(&client)
            .patch(&name, &params, &look)
            .await
            .expect("it is labelled");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = rollouts(&client).await;
    println!("rollouts per no-op: {:.2}", (after - bound) as f64 / (2 * count) as f64);
}
