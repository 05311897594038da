//! What an SRE lets people have, and what credentials are good for.

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use mooring::api::{CloudResource, Environment, ProviderConfig};
use mooring_provider::Kind;
use mooring_provider_mock::{Call, Fault, Op};
use serde_json::{Value as Json, json};

use crate::{
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

/// Changes the spec of the team's Environment.
async fn environment(team: &Team, spec: Json) {
    let environments = Api::<Environment>::all(team.client.clone());
    let patch = Patch::Merge(json!({"spec": spec}));
    let patched = environments
        .patch(&team.namespace, &PatchParams::default(), &patch)
        .await;
    patched.expect("it may be changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_used_only_if_an_sre_listed_it_for_the_namespace() {
    let team = Team::new(Cluster::shared(), "listed").await;
    let settings = json!({"rds": {
        "engine": "mysql", "class": "mock.small", "storage": "20Gi", "highAvailability": false, "database": "legacy",
        "tls": "preferred", "deletionProtection": false, "clients": [], "network": {}, "common": {},
    }});
    let foreign = team
        .cloud
        .add_foreign("legacy", serde_json::from_value(settings).expect("settings"));
    let id = foreign.as_str();
    team.apply_json(written(
        "legacy",
        "rds",
        json!({"engine": "mysql", "existing": {"id": id}}),
    ))
    .await;
    let refused = told(&team, "shop-web-legacy", "Ready", "False", "NotAllowed").await;
    let message = condition(&refused, "Ready").expect("Ready").message.clone();
    for word in ["existing.id", id, "existing.rds", "SRE", &team.namespace] {
        assert!(message.contains(word), "{word}: {message}");
    }
    // Listed for others.
    let entry = |labels: Json| json!({"existing": {"rds": [{"id": id, "namespaces": labels}]}});
    environment(&team, entry(json!({"matchLabels": {"stage": "prod"}}))).await;
    told(&team, "shop-web-legacy", "Ready", "False", "NotAllowed").await;
    let own = json!({"matchLabels": {"kubernetes.io/metadata.name": team.namespace}});
    environment(&team, entry(own)).await;
    ready(&team, "shop-web-legacy").await;
    // What is in use stays so when it is listed no more, and that is told.
    environment(&team, json!({"existing": null})).await;
    let kept = told(&team, "shop-web-legacy", "Synced", "False", "NotAllowed").await;
    assert_eq!(condition(&kept, "Ready").expect("Ready").status, "True");
    delete(&team, "shop-web-legacy").await;
    gone(&team, "shop-web-legacy").await;
    assert!(team.cloud.get(&foreign).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_deletions_outlives_its_environment() {
    let limits = json!({"limits": {"deletesPerHour": {"rds": 1}}});
    let team = Team::with(Cluster::shared(), "outlives", json!({}), limits).await;
    for name in ["one", "two"] {
        team.apply_json(written(name, "rds", json!({"engine": "mysql"}))).await;
    }
    ready(&team, "shop-web-one").await;
    let two = ready(&team, "shop-web-two").await;
    Api::<Environment>::all(team.client.clone())
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("it may be deleted");
    eventually("the operator knows that it is gone", async || {
        let object = get(&team, "shop-web-two").await;
        let reason = &condition(&object, "Synced")?.reason;
        (reason == "EnvironmentNotFound").then_some(())
    })
    .await;
    delete(&team, "shop-web-one").await;
    gone(&team, "shop-web-one").await;
    delete(&team, "shop-web-two").await;
    told(&team, "shop-web-two", "Deleting", "True", "DeletionLimit").await;
    assert!(team.cloud.get(&external_id(&two)).is_some());
    // An SRE's word counts on the ProviderConfig too.
    let annotation = format!("approve.mooring.dev/{}", identity(&two));
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: "delete"}}}));
    Api::<ProviderConfig>::all(team.client.clone())
        .patch(&team.namespace, &PatchParams::default(), &patch)
        .await
        .expect("it may be annotated");
    gone(&team, "shop-web-two").await;
    empty(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_for_one_kind_serve_that_kind() {
    let only = |kind: Kind| {
        move |call: &Call| {
            (call.kind.is_some_and(|asked| asked != kind) && call.op == Op::Inventory).then_some(Fault::Denied)
        }
    };
    // The Environment has it serve logs alone: nothing else is asked for.
    let team = Team::new(Cluster::shared(), "onekind").await;
    let none = json!({"default": null, "log": team.namespace, "rds": "none"});
    environment(&team, json!({"providers": none})).await;
    team.cloud.plan_faults(only(Kind::Log));
    // It may have been asked for all kinds before: one that is made again is another connection.
    let configs = Api::<ProviderConfig>::all(team.client.clone());
    let spec = configs.get(&team.namespace).await.expect("it is there").spec;
    configs
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("nobody uses it");
    eventually("it is gone", async || {
        configs
            .get_opt(&team.namespace)
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": team.namespace}, "spec": spec,
    }))
    .await;
    team.apply_json(written("log", "log", json!({}))).await;
    ready(&team, "shop-web-log").await;
    let says = async |type_: &str, status: &str| {
        eventually(&format!("the ProviderConfig says {type_}={status}"), async || {
            let known = configs.get(&team.namespace).await.expect("it is there").status?;
            let found = known.conditions.into_iter().find(|known| known.type_ == type_)?;
            (found.status == status).then_some(found)
        })
        .await
    };
    says("Ready", "True").await;
    // It is to serve databases too: they are refused, each in its own words, and logs go on.
    environment(&team, json!({"providers": {"rds": team.namespace}})).await;
    team.apply_json(mysql()).await;
    told(&team, "shop-web-db", "Ready", "False", "PermissionDenied").await;
    let refused = says("RdsReady", "False").await;
    assert_eq!(refused.reason, "PermissionDenied");
    let whole = says("Ready", "False").await;
    assert!(
        whole.message.contains("rds: ") && !whole.message.contains("log: "),
        "{}",
        whole.message
    );
    team.apply_json(written("more", "log", json!({}))).await;
    ready(&team, "shop-web-more").await;
    // Granted.
    team.cloud.plan_faults(|_: &Call| None);
    ready(&team, "shop-web-db").await;
    let whole = says("Ready", "True").await;
    assert_eq!(whole.message, "");
    let known = configs
        .get(&team.namespace)
        .await
        .expect("it is there")
        .status
        .expect("a status");
    assert!(
        known.conditions.iter().all(|known| known.type_ != "RdsReady"),
        "{known:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_new_credentials_that_is_taken_back_asks_for_none() {
    let team = Team::new(Cluster::shared(), "unasked").await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    let first = entries(&team, "shop-web-db").await["password"].clone();
    annotate(&team, "shop-web-db", "mooring.dev/rotate", "monday").await;
    let second = eventually("others are there", async || {
        let now = entries(&team, "shop-web-db").await.get("password")?.clone();
        let told = get(&team, "shop-web-db").await.status?.binding_revision == Some(2);
        (now != first && told).then_some(now)
    })
    .await;
    let patch =
        json!({"metadata": {"annotations": {"mooring.dev/rotate": null}}, "spec": {"rds": {"storage": "40Gi"}}});
    team.api::<CloudResource>()
        .patch("shop-web-db", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("it may be changed");
    // The change of the storage is carried out after the annotation was seen to be gone.
    let id = external_id(&get(&team, "shop-web-db").await);
    eventually("the storage grew", async || {
        let settings = serde_json::to_value(team.cloud.get(&id)?.settings).ok()?;
        (settings["rds"]["storage"] == "40Gi").then_some(())
    })
    .await;
    ready(&team, "shop-web-db").await;
    assert_eq!(entries(&team, "shop-web-db").await["password"], second);
    assert_eq!(
        get(&team, "shop-web-db")
            .await
            .status
            .expect("a status")
            .binding_revision,
        Some(2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_hold_for_what_is_written_by_hand() {
    let limits = json!({"limits": {"rds": {"count": 1, "storage": "50Gi"}}, "allowedKinds": ["rds"]});
    let team = Team::with(Cluster::shared(), "gates", json!({}), limits).await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    team.apply_json(written("second", "rds", json!({"engine": "mysql"})))
        .await;
    told(&team, "shop-web-second", "Ready", "False", "LimitExceeded").await;
    team.apply_json(written("log", "log", json!({}))).await;
    told(&team, "shop-web-log", "Ready", "False", "NotAllowed").await;
    team.apply_json(written("db", "rds", json!({"engine": "mysql", "storage": "60Gi"})))
        .await;
    let object = told(&team, "shop-web-db", "Synced", "False", "LimitExceeded").await;
    assert_eq!(
        condition(&object, "Ready").expect("Ready").status,
        "True",
        "what runs is left running"
    );

    let mut misnamed = mysql();
    misnamed["metadata"]["name"] = json!("database");
    team.apply_json(misnamed).await;
    told(&team, "database", "Ready", "False", "InvalidName").await;
    assert_eq!(team.cloud.count(Op::Create, Kind::Rds), 1);

    let closed = Team::with(
        Cluster::shared(),
        "closed",
        json!({}),
        json!({"allowedNamespaces": null}),
    )
    .await;
    closed.apply_json(mysql()).await;
    told(&closed, "shop-web-db", "Ready", "False", "NotAllowed").await;
    // What was never made goes at once.
    delete(&closed, "shop-web-db").await;
    gone(&closed, "shop-web-db").await;
    let all = closed
        .api::<CloudResource>()
        .list(&Default::default())
        .await
        .expect("a list");
    assert!(all.items.is_empty());
}
