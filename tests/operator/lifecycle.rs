//! How an Application ends, and what happens when the operator does.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod, Secret, Service},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PropagationPolicy},
};
use mooring::api::{Application, CloudResource};
use mooring::operator::Applications;
use serde_json::json;

use super::application::{SHOP, rds, running, shop, told};
use crate::support::cluster::{Cluster, Team, eventually};

/// Waits until nothing of the Application is left, in the namespace and in the cloud.
async fn gone(team: &Team) {
    eventually("the application is gone", async || {
        let found = team
            .api::<Application>()
            .get_opt("shop")
            .await
            .expect("the API server answers");
        found.is_none().then_some(())
    })
    .await;
    assert_eq!(
        team.cloud.list().len(),
        0,
        "nothing is left in the cloud: {:?}",
        team.cloud.list()
    );
    let all = ListParams::default();
    let left = team
        .api::<CloudResource>()
        .list(&all)
        .await
        .expect("they can be listed")
        .items
        .len()
        + team
            .api::<Deployment>()
            .list(&all)
            .await
            .expect("they can be listed")
            .items
            .len()
        + team
            .api::<Service>()
            .list(&all)
            .await
            .expect("they can be listed")
            .items
            .len()
        + team
            .api::<Pod>()
            .list(&all)
            .await
            .expect("they can be listed")
            .items
            .len();
    assert_eq!(left, 0, "nothing is left in the namespace");
    eventually("the Secrets are gone", async || {
        let secrets = team.api::<Secret>().list(&all).await.expect("they can be listed");
        secrets.items.is_empty().then_some(())
    })
    .await;
}

async fn delete(team: &Team, policy: PropagationPolicy) {
    let parameters = DeleteParams {
        propagation_policy: Some(policy),
        ..DeleteParams::default()
    };
    team.api::<Application>()
        .delete("shop", &parameters)
        .await
        .expect("it can be deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_application_leaves_nothing() {
    for (name, policy) in [
        ("background", PropagationPolicy::Background),
        ("foreground", PropagationPolicy::Foreground),
    ] {
        let team = Team::new(Cluster::shared(), name).await;
        team.apply(SHOP).await;
        running(&team).await;
        delete(&team, policy).await;
        gone(&team).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_goes_it_says_what_it_waits_for() {
    let team = Team::with(Cluster::shared(), "waits", json!({"latency": "200ms"}), json!({})).await;
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    running(&team).await;
    team.cloud.set_down(true);
    delete(&team, PropagationPolicy::Background).await;
    let message = told(&team, "Deleting", "True", "WaitingForResources").await;
    assert!(message.contains("shop-web-rds"), "{message}");
    let described = Cluster::shared().kubectl(&["describe", "application", "shop", "-n", &team.namespace]);
    assert!(
        described.contains("WaitingForResources") && described.contains("shop-web-rds"),
        "{described}"
    );
    let pods = team
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .expect("they can be listed");
    assert_eq!(pods.items.len(), 0, "consumers go first");
    team.cloud.set_down(false);
    gone(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orphaned_resources_are_left_running_and_taken_back() {
    let team = Team::new(Cluster::shared(), "orphan").await;
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    running(&team).await;
    let before = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");
    let workload = team.api::<Deployment>().get("web").await.expect("it is there");
    delete(&team, PropagationPolicy::Orphan).await;
    eventually("the application is gone", async || {
        team.api::<Application>()
            .get_opt("shop")
            .await
            .expect("the API server answers")
            .is_none()
            .then_some(())
    })
    .await;
    team.apply_json(shop(json!({"image": "y"}), json!([rds()]))).await;
    running(&team).await;
    let after = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");
    assert_eq!((before.uid(), None), (after.uid(), after.metadata.deletion_timestamp));
    assert_eq!(
        workload.uid(),
        team.api::<Deployment>().get("web").await.expect("it is there").uid()
    );
    assert_eq!(team.cloud.list().len(), 1);
    delete(&team, PropagationPolicy::Background).await;
    gone(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_can_be_deleted_with_everything_in_it() {
    let team = Team::new(Cluster::shared(), "namespace").await;
    team.apply(SHOP).await;
    running(&team).await;
    let namespaces = Api::<Namespace>::all(team.client.clone());
    namespaces
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("the namespace is gone", async || {
        namespaces
            .get_opt(&team.namespace)
            .await
            .expect("the API server answers")
            .is_none()
            .then_some(())
    })
    .await;
    assert_eq!(team.cloud.list().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_killed_goes_on_where_it_was() {
    let cluster = Cluster::own();
    let team = Team::with(&cluster, "killed", json!({"provisioning": "2s"}), json!({})).await;
    let operator = cluster.operator();
    team.apply(SHOP).await;
    eventually("something was created", async || {
        (!team.cloud.list().is_empty()).then_some(())
    })
    .await;
    operator.kill();
    let operator = cluster.operator();
    running(&team).await;
    assert_eq!(team.cloud.list().len(), 5, "nothing twice");
    delete(&team, PropagationPolicy::Background).await;
    eventually("it is on its way out", async || {
        (team.cloud.list().len() < 5).then_some(())
    })
    .await;
    operator.kill();
    let operator = cluster.operator();
    gone(&team).await;
    operator.stop().await.expect("it ends in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_applications_are_somebody_elses_they_are_let_go_and_left_alone() {
    let cluster = Cluster::own();
    let team = Team::new(&cluster, "off").await;
    let operator = cluster.operator();
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    running(&team).await;
    operator.stop().await.expect("it ends in good order");
    let operator = cluster.operator_with(|options| options.applications = Applications::Off);
    let application = eventually("the finalizer is let go", async || {
        let application = team.api::<Application>().get("shop").await.expect("it is there");
        application.finalizers().is_empty().then_some(application)
    })
    .await;
    let version = application.resource_version();
    assert!(team.api::<CloudResource>().get("shop-web-rds").await.is_ok());
    operator.stop().await.expect("it ends in good order");
    let application = team.api::<Application>().get("shop").await.expect("it is there");
    assert_eq!(application.resource_version(), version, "nothing else is written on it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_cannot_be_read_is_said_to_be_and_can_be_deleted() {
    let team = Team::new(Cluster::shared(), "unreadable").await;
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    running(&team).await;
    let mut broken = shop(json!({}), json!([]));
    broken["spec"] = json!({"components": "web"});
    team.apply_json(broken).await;
    let api = team.api::<kube::core::DeserializeGuard<Application>>();
    let kind = kube::api::ApiResource::erase::<Application>(&());
    let raw = Api::<kube::api::DynamicObject>::namespaced_with(team.client.clone(), &team.namespace, &kind);
    let version = eventually("it says so", async || {
        let found = raw.get("shop").await.ok()?;
        let says = found.data["status"]["conditions"]
            .to_string()
            .contains("cannot be read");
        says.then(|| found.resource_version())
    })
    .await;
    assert_eq!(team.cloud.list().len(), 1, "what runs is left running");
    assert!(api.get("shop").await.expect("it is there").0.is_err());
    let after = raw.get("shop").await.expect("it is there").resource_version();
    assert_eq!(version, after, "it is said once");
    raw.delete("shop", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("the application is gone", async || {
        raw.get_opt("shop")
            .await
            .expect("the API server answers")
            .is_none()
            .then_some(())
    })
    .await;
    gone(&team).await;
}

/// Garbage collection may be done with orphaning before the operator hears of the deletion; nothing then says that it was
/// meant but the owner that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_orphaned_while_the_operator_was_away_is_left_running() {
    let cluster = Cluster::own();
    let team = Team::new(&cluster, "away").await;
    let operator = cluster.operator();
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    running(&team).await;
    operator.stop().await.expect("it ends in good order");
    delete(&team, PropagationPolicy::Orphan).await;
    eventually("it was orphaned", async || {
        let resource = team.api::<CloudResource>().get("shop-web-rds").await.ok()?;
        let application = team.api::<Application>().get("shop").await.ok()?;
        let only_ours = application.finalizers() == ["mooring.dev/teardown"];
        (resource.owner_references().is_empty() && only_ours).then_some(())
    })
    .await;
    let operator = cluster.operator();
    eventually("the application is gone", async || {
        let found = team
            .api::<Application>()
            .get_opt("shop")
            .await
            .expect("the API server answers");
        found.is_none().then_some(())
    })
    .await;
    let resource = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");
    assert_eq!(resource.metadata.deletion_timestamp, None);
    let workload = team.api::<Deployment>().get("web").await.expect("it is there");
    assert_eq!(workload.metadata.deletion_timestamp, None);
    assert_eq!(team.cloud.list().len(), 1);
    operator.stop().await.expect("it ends in good order");
}
