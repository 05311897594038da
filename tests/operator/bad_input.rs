//! What is declared badly, or is no longer allowed: one clear condition, what runs is left running, nothing is made, and
//! nothing goes round.

use axum::Router;
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use mooring::api::{Application, CloudResource};
use serde_json::{Value as Json, json};

use super::application::{self, rds, running, shop};
use crate::{
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

/// Waits until the Application says of its first trait what its CloudResource says.
async fn passed_on(team: &Team, words: &[&str]) {
    eventually(&format!("the Application says {words:?}"), async || {
        let status = application::status(team).await?;
        let message = status.services.first()?.traits.first()?.message.clone()?;
        words.iter().all(|word| message.contains(word)).then_some(())
    })
    .await;
}

/// The Events on the Application that say this.
async fn events(team: &Team, word: &str) -> usize {
    let all = team.api::<Event>().list(&Default::default()).await;
    let all = all.expect("they can be listed").items;
    let is_meant = |event: &&Event| {
        let about = event.regarding.as_ref().and_then(|about| about.kind.as_deref());
        about == Some("Application") && event.note.as_deref().unwrap_or_default().contains(word)
    };
    all.iter().filter(is_meant).count()
}

async fn label(team: &Team, environment: &str) {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"mooring.dev/environment": environment}}}));
    let labelled = team
        .api::<Application>()
        .patch("shop", &PatchParams::default(), &patch)
        .await;
    labelled.expect("it may be labelled");
}

fn in_environment(name: &str) -> Json {
    let mut application = shop(json!({"image": "x"}), json!([rds()]));
    application["metadata"]["labels"] = json!({"mooring.dev/environment": name});
    application
}

/// The message of a condition of the database.
async fn said(team: &Team, type_: &str, status: &str, reason: &str) -> String {
    let object = told(team, "shop-web-rds", type_, status, reason).await;
    condition(&object, type_).expect("it was told").message.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_not_there_is_named_with_the_one_that_may_be_meant() {
    let team = Team::new(Cluster::shared(), "unknownenv").await;
    let misspelt = format!("{}x", team.namespace);
    team.apply_json(in_environment(&misspelt)).await;
    let message = said(&team, "Ready", "False", "EnvironmentNotFound").await;
    let meant = format!("did you mean `{}`", team.namespace);
    assert!(message.contains(&misspelt) && message.contains(&meant), "{message}");
    passed_on(&team, &[&misspelt, &team.namespace]).await;
    quiet(&team, "shop-web-rds").await;
    assert_eq!(events(&team, &misspelt).await, 1, "it is told once");
    assert_eq!(team.cloud.created(), 0);
    label(&team, &team.namespace).await;
    running(&team).await;
    assert_eq!(team.cloud.created(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_does_not_admit_the_namespace_is_told_on_the_application() {
    let closed = json!({"allowedNamespaces": {"matchLabels": {"stage": "prod"}}});
    let team = Team::with(Cluster::shared(), "notadmitted", json!({}), closed).await;
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    let message = said(&team, "Ready", "False", "NotAllowed").await;
    assert!(message.contains("allowedNamespaces"), "{message}");
    passed_on(&team, &["allowedNamespaces"]).await;
    quiet(&team, "shop-web-rds").await;
    assert_eq!(team.cloud.created(), 0);
    let labels = Patch::Merge(json!({"metadata": {"labels": {"stage": "prod"}}}));
    Api::<k8s_openapi::api::core::v1::Namespace>::all(team.client.clone())
        .patch(&team.namespace, &PatchParams::default(), &labels)
        .await
        .expect("an SRE may");
    running(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_to_move_to_another_environment_stays_and_says_so() {
    let cluster = Cluster::shared();
    let (team, other) = (Team::new(cluster, "here").await, Team::new(cluster, "there").await);
    team.apply_json(in_environment(&team.namespace)).await;
    running(&team).await;
    label(&team, &other.namespace).await;
    let message = said(&team, "Synced", "False", "EnvironmentPinned").await;
    for word in [&team.namespace, &other.namespace] {
        assert!(message.contains(word.as_str()), "{word}: {message}");
    }
    quiet(&team, "shop-web-rds").await;
    let object = get(&team, "shop-web-rds").await;
    assert_eq!(condition(&object, "Ready").expect("Ready").status, "True");
    assert_eq!((team.cloud.created(), other.cloud.created()), (1, 0));
    label(&team, &team.namespace).await;
    told(&team, "shop-web-rds", "Synced", "True", "InSync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_is_refused_with_what_to_do_instead() {
    let team = Team::new(Cluster::shared(), "immutable").await;
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    running(&team).await;
    let id = external_id(&get(&team, "shop-web-rds").await);
    let other = json!({"type": "rds", "properties": {"engine": "postgresql", "as": "DB"}});
    team.apply_json(shop(json!({"image": "x"}), json!([other]))).await;
    let message = application::told(&team, "Declared", "False", "Refused").await;
    for word in ["`web`", "`rds`", "`engine` cannot be changed", "second rds"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    quiet(&team, "shop-web-rds").await;
    let object = get(&team, "shop-web-rds").await;
    assert_eq!(condition(&object, "Ready").expect("Ready").status, "True");
    assert_eq!((external_id(&object), team.cloud.created()), (id, 1));
    team.apply_json(shop(json!({"image": "x"}), json!([rds()]))).await;
    running(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_not_there_is_named_and_nothing_is_made() {
    let nowhere = json!({
        "network": {"id": "vpc-nowhere", "clients": {"cidrs": ["10.0.0.0/8"]}},
        "existing": {"vpc": [{"id": "vpc-gone", "namespaces": {}}]},
    });
    let team = Team::with(Cluster::shared(), "nonetwork", json!({}), nowhere).await;
    // A database comes after the networks of its application; these are another's.
    let network = |name: &str, properties: Json| {
        let mut object = written(name, "vpc", properties);
        object["metadata"]["name"] = json!(format!("nets-web-{name}"));
        object["spec"]["application"] = json!("nets");
        object
    };
    let gone_there = json!({"existing": {"id": "vpc-gone"}});
    for object in [mysql(), network("net", json!({})), network("own", gone_there)] {
        team.apply_json(object).await;
    }
    for (name, network) in [
        ("shop-web-db", "vpc-nowhere"),
        ("nets-web-net", "vpc-nowhere"),
        ("nets-web-own", "vpc-gone"),
    ] {
        let object = told(&team, name, "Ready", "False", "InvalidSpec").await;
        let message = &condition(&object, "Ready").expect("Ready").message;
        assert!(message.contains(network), "{network}: {message}");
        quiet(&team, name).await;
    }
    assert!(team.cloud.list().is_empty());
    let spec = json!({"spec": {"network": {"id": "vpc-shared"}}});
    Api::<mooring::api::Environment>::all(team.client.clone())
        .patch(&team.namespace, &PatchParams::default(), &Patch::Merge(spec))
        .await
        .expect("an SRE may");
    ready(&team, "shop-web-db").await;
    ready(&team, "nets-web-net").await;
    for name in ["shop-web-db", "nets-web-net", "nets-web-own"] {
        delete(&team, name).await;
        gone(&team, name).await;
    }
    empty(&team).await;
}

/// A server that answers every question as a Loki without tenants does.
async fn loki() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let router = Router::new().fallback(async || json!({"status": "success", "data": []}).to_string());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_without_the_kind_is_named() {
    let team = Team::new(Cluster::shared(), "nokind").await;
    let registry = tempfile::tempdir().expect("a directory");
    let provider = format!("{}-idc", team.namespace);
    let log = json!({"flavour": "loki", "url": loki().await, "registry": registry.path(), "retention": "30d"});
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": provider},
        "spec": {"onprem": {"log": log}},
    }))
    .await;
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": provider},
        "spec": {
            "providers": {"default": provider}, "allowedNamespaces": {},
            "network": {"clients": {"cidrs": ["10.0.0.0/8"]}},
        },
    }))
    .await;
    let mut object = mysql();
    object["spec"]["environment"] = json!(provider);
    team.apply_json(object).await;
    let object = told(&team, "shop-web-db", "Ready", "False", "Unsupported").await;
    let message = &condition(&object, "Ready").expect("Ready").message;
    for word in [provider.as_str(), "onprem", "rds", "`none`"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    quiet(&team, "shop-web-db").await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_is_taken_off_or_changed_during_a_teardown_strands_nothing_and_takes_nothing() {
    for case in ["taken", "nonsense", "copied"] {
        let team = Team::new(Cluster::shared(), case).await;
        team.apply_json(mysql()).await;
        team.apply_json(written("other", "rds", json!({"engine": "mysql"})))
            .await;
        ready(&team, "shop-web-db").await;
        let other = ready(&team, "shop-web-other").await;
        team.cloud.set_down(true);
        delete(&team, "shop-web-db").await;
        told(&team, "shop-web-db", "Deleting", "True", "Unavailable").await;
        let instead = match case {
            "taken" => Json::Null,
            "nonsense" => json!("nobody-has-this"),
            _ => json!(identity(&other)),
        };
        let patch = json!({"metadata": {"annotations": {"mooring.dev/identity": instead}}});
        team.api::<CloudResource>()
            .patch("shop-web-db", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("whoever may write it may do that");
        team.cloud.set_down(false);
        gone(&team, "shop-web-db").await;
        eventually(&format!("{case}: only the other is left"), async || {
            let left: Vec<_> = team.cloud.list().into_iter().map(|one| one.id).collect();
            (left == [external_id(&other)]).then_some(())
        })
        .await;
        assert!(
            logs_in(&team, "shop-web-other", &external_id(&other)).await.is_some(),
            "{case}"
        );
        assert_eq!(retained(&team).await.len(), 0, "{case}: nothing is given up");
        assert_eq!(team.cloud.created(), 2, "{case}");
    }
}
