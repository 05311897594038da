//! Two clusters, each with its own API server, operator and ledger, that share the database of one Environment.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use mooring::api::{Environment, ProviderConfig, RetainedStanding};
use mooring_provider::Access;
use serde_json::json;

use crate::{
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

/// The same team in another cluster: namespace, ProviderConfig and Environment of the same name, at the same cloud.
async fn twin(team: &Team, cluster: &Cluster) -> Team {
    let name = &team.namespace;
    let config = Api::<ProviderConfig>::all(team.client.clone()).get(name).await;
    let environment = Api::<Environment>::all(team.client.clone()).get(name).await;
    let twin = Team {
        client: cluster.client().await,
        namespace: name.clone(),
        cloud: team.cloud.clone(),
    };
    let labels = json!({"mooring.dev/environment": name});
    let namespace = Api::<Namespace>::all(twin.client.clone());
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let object = serde_json::from_value(object).expect("a namespace");
    namespace
        .create(&PostParams::default(), &object)
        .await
        .expect("it is made");
    for (kind, spec) in [
        ("ProviderConfig", json!(config.expect("it is there").spec)),
        ("Environment", json!(environment.expect("it is there").spec)),
    ] {
        twin.apply_json(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
        }))
        .await;
    }
    twin
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_share_one_database_and_neither_takes_it_from_the_other() {
    let share = json!({"identityScope": "environment", "home": "test"});
    let home = Team::with(Cluster::shared(), "sharing", json!({}), share.clone()).await;
    let other = Cluster::own();
    let operator = other.operator_with(|options| options.cluster = Some("other".into()));
    let guest = twin(&home, &other).await;

    // Whoever is not the home makes none.
    guest.apply_json(mysql()).await;
    let waiting = told(&guest, "shop-web-db", "Ready", "False", "WaitingFor").await;
    let message = &condition(&waiting, "Ready").expect("Ready").message;
    assert!(message.contains("home cluster"), "{message}");
    assert_eq!(home.cloud.created(), 0);

    home.apply_json(mysql()).await;
    let made = ready(&home, "shop-web-db").await;
    let joined = ready(&guest, "shop-web-db").await;
    let id = external_id(&made);
    assert_eq!(external_id(&joined), id);
    assert_eq!(identity(&joined), identity(&made));
    assert_eq!(home.cloud.created(), 1);
    let shared = |object: &mooring::api::CloudResource| {
        let shared = object.status.clone().expect("a status").shared.expect("it is shared");
        (shared.owner.to_string(), shared.home)
    };
    let owner = format!("environment/{}", home.namespace);
    assert_eq!(
        (shared(&made), shared(&joined)),
        ((owner.clone(), true), (owner, false))
    );
    let note = |object: &mooring::api::CloudResource| object.status.clone().expect("a status").notes.join(" ");
    assert!(note(&made).contains("mooring approve delete"), "{}", note(&made));
    assert!(note(&joined).contains("home cluster `test`"), "{}", note(&joined));
    let (here, there) = (
        entries(&home, "shop-web-db").await,
        entries(&guest, "shop-web-db").await,
    );
    assert_ne!(here["username"], there["username"], "each has an account of its own");
    assert_eq!(here["host"], there["host"]);
    for team in [&home, &guest] {
        assert_eq!(logs_in(team, "shop-web-db", &id).await, Some(Access::Owner));
    }
    assert!(home.cloud.write(&id, "order 1"));

    // What a cluster's own pods are behind is the cluster's own.
    for team in [&home, &guest] {
        team.apply_json(written("log", "log", json!({}))).await;
    }
    let logs = (ready(&home, "shop-web-log").await, ready(&guest, "shop-web-log").await);
    assert_ne!(external_id(&logs.0), external_id(&logs.1));

    // The other leaves, and comes back.
    delete(&guest, "shop-web-db").await;
    gone(&guest, "shop-web-db").await;
    assert_eq!(home.cloud.login(&id, &there["username"], &there["password"]), None);
    assert_eq!(logs_in(&home, "shop-web-db", &id).await, Some(Access::Owner));
    assert!(retained(&guest).await.is_empty());
    guest.apply_json(mysql()).await;
    ready(&guest, "shop-web-db").await;

    // The home lets go, and does not delete what the other uses: that is an SRE's to say.
    delete(&home, "shop-web-db").await;
    gone(&home, "shop-web-db").await;
    let kept = retained(&home).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].spec.standing, RetainedStanding::Retained);
    assert!(
        kept[0].spec.reason.contains("mooring approve delete"),
        "{}",
        kept[0].spec.reason
    );
    assert_eq!(home.cloud.rows(&id), Some(vec!["order 1".to_owned()]));
    assert_eq!(logs_in(&guest, "shop-web-db", &id).await, Some(Access::Owner));

    // Declared again, it comes back.
    home.apply_json(mysql()).await;
    assert_eq!(external_id(&ready(&home, "shop-web-db").await), id);
    eventually("the record is gone", async || {
        retained(&home).await.is_empty().then_some(())
    })
    .await;

    // The home moves: in the old one first. Nothing is made anew, and both go on.
    for team in [&home, &guest] {
        let patch = Patch::Merge(json!({"spec": {"home": "other"}}));
        let environments = Api::<Environment>::all(team.client.clone());
        environments
            .patch(&team.namespace, &PatchParams::default(), &patch)
            .await
            .expect("it may move");
    }
    for (team, is_home) in [(&home, false), (&guest, true)] {
        until(team, "shop-web-db", "the home moved", |object| {
            Some(object.status.as_ref()?.shared.as_ref()?.home == is_home)
        })
        .await;
        ready(team, "shop-web-db").await;
        assert_eq!(logs_in(team, "shop-web-db", &id).await, Some(Access::Owner));
    }
    delete(&home, "shop-web-db").await;
    gone(&home, "shop-web-db").await;
    assert!(retained(&home).await.is_empty(), "it is no longer the home's");
    delete(&guest, "shop-web-db").await;
    gone(&guest, "shop-web-db").await;
    assert_eq!(home.cloud.rows(&id), Some(vec!["order 1".to_owned()]));

    // The last word, in the home that is.
    approve(&guest, &identity(&made), "delete").await;
    eventually("it is deleted", async || {
        (home.cloud.get(&id).is_none() && retained(&guest).await.is_empty()).then_some(())
    })
    .await;
    for team in [&home, &guest] {
        delete(team, "shop-web-log").await;
        gone(team, "shop-web-log").await;
    }
    empty(&home).await;
    operator.stop().await.expect("it ends in good order");
}
