//! Whose ServiceBindings are: never two write the same workloads, and nothing is switched by itself.

use k8s_openapi::{
    api::{apps::v1::Deployment, coordination::v1::Lease},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, ResourceExt, api::PostParams};
use mooring::{
    api::{ServiceBinding, service_binding},
    operator::ServiceBindings,
};
use serde_json::json;

use crate::support::cluster::{Cluster, SYSTEM, Team, eventually};

async fn decided(team: &Team, word: &str) {
    let leases = Api::<Lease>::namespaced(team.client.clone(), SYSTEM);
    eventually(&format!("it is decided: {word}"), async || {
        let lease = leases.get_opt("mooring").await.ok()??;
        let decided = lease.annotations().get("mooring.dev/reconciles-service-bindings")?;
        (decided == word).then_some(())
    })
    .await;
}

async fn bind(team: &Team, name: &str) {
    let (labels, binding) = (
        json!({"app": name}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name}),
    );
    team.apply_json(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": "web", "image": "shop:1.0"}],
        }}},
    }))
    .await;
    team.apply_json(json!({
        "apiVersion": "servicebinding.io/v1", "kind": "ServiceBinding", "metadata": {"name": name},
        "spec": {"service": {"apiVersion": "v1", "kind": "Secret", "name": "db"}, "workload": binding},
    }))
    .await;
}

async fn is_bound(team: &Team, name: &str) -> bool {
    let deployment: Deployment = team.api().get(name).await.expect("it is there");
    deployment.spec.and_then(|spec| spec.template.spec?.volumes).is_some()
}

async fn bound(team: &Team, name: &str) {
    eventually(&format!("{name} is bound"), async || {
        is_bound(team, name).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_another_implementation_nothing_is_reconciled_until_it_is_said_and_nothing_switches_by_itself() {
    let cluster = Cluster::own();
    let team = Team::new(&cluster, "whose").await;
    let definitions = Api::<CustomResourceDefinition>::all(team.client.clone());
    for mut theirs in service_binding::crds() {
        theirs.metadata.labels = None;
        definitions
            .create(&PostParams::default(), &theirs)
            .await
            .expect("it is accepted");
    }
    team.apply_json(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"type": "ZGI="},
    }))
    .await;
    let operator = cluster.operator();
    decided(&team, "off").await;
    bind(&team, "one").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let one: ServiceBinding = team.api().get("one").await.expect("it is there");
    assert!(
        one.finalizers().is_empty() && one.status.is_none(),
        "it is somebody else's"
    );
    operator.stop().await.expect("it ends");

    let operator = cluster.operator_with(|options| options.service_bindings = ServiceBindings::On);
    bound(&team, "one").await;
    let theirs = definitions
        .get("servicebindings.servicebinding.io")
        .await
        .expect("it is there");
    assert!(theirs.labels().is_empty(), "a definition that is there is not touched");
    operator.stop().await.expect("it ends");

    let operator = cluster.operator();
    bind(&team, "two").await;
    bound(&team, "two").await;
    operator.stop().await.expect("it ends");

    let _operator = cluster.operator_with(|options| options.service_bindings = ServiceBindings::Off);
    for name in ["one", "two"] {
        eventually("it is let go", async || {
            let binding: ServiceBinding = team.api().get(name).await.ok()?;
            binding.finalizers().is_empty().then_some(())
        })
        .await;
        assert!(is_bound(&team, name).await, "what runs is left running");
    }
}
