//! The verbs of the command line against a cluster, run as a person runs them.

use std::process::{Command, Output};

use kube::{Api, api::DeleteParams};
use mooring::api::Environment;
use mooring_provider::Phase;
use serde_json::{Value as Json, json};

use crate::{
    resource_support::{
        delete, empty, entries, external_id, get, gone, logs_in, mysql, ready, retained, told, until, written,
    },
    support::cluster::{Cluster, Team, eventually},
};

/// Runs the program on the shared cluster.
async fn mooring(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mooring"));
    command
        .args(arguments)
        .arg("--kubeconfig")
        .arg(&Cluster::shared().kubeconfig);
    tokio::task::spawn_blocking(move || command.output().expect("the program runs"))
        .await
        .expect("it ends")
}

async fn said(arguments: &[&str]) -> String {
    let output = mooring(arguments).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mooring {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

async fn refused(arguments: &[&str]) -> String {
    let output = mooring(arguments).await;
    assert!(!output.status.success(), "mooring {arguments:?} was not refused");
    String::from_utf8(output.stderr).expect("text")
}

/// The rows of a verb's JSON that are this team's.
async fn rows(verb: &str, team: &Team) -> Vec<Json> {
    // A provider of another test that is gone by now keeps nobody from seeing the rest.
    let output = mooring(&[verb, "-o", "json"]).await;
    let all: Vec<Json> = serde_json::from_slice(&output.stdout).expect("JSON");
    let ours = |row: &Json| {
        let key = [&row["key"], &row["owner"]].into_iter().find_map(Json::as_str);
        key.is_some_and(|key| key.starts_with(&team.namespace))
    };
    all.into_iter().filter(ours).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_and_what_stands_is_listed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mock = json!({"state": directory.path().join("cloud.json")});
    let team = Team::with(Cluster::shared(), "listed", mock, json!({})).await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let key = format!("{}/shop/web/db", team.namespace);
    let listed = rows("ls", &team).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["key"], json!(key));
    assert_eq!(listed[0]["standing"], json!("live"));
    assert_eq!(listed[0]["externalId"], json!(id));
    let stands = rows("inventory", &team).await;
    assert_eq!(stands.len(), 1, "{stands:?}");
    assert_eq!(stands[0]["externalId"], json!(id));
    assert_eq!(stands[0]["state"], json!("owned"));
    assert!(said(&["ls"]).await.contains(&key), "the table names it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_on_what_is_going_and_on_what_is_on_record_is_carried_out() {
    let team = Team::with(Cluster::shared(), "cliword", json!({}), json!({"class": "production"})).await;
    let key = format!("{}/shop/web/db", team.namespace);
    let unknown = refused(&["approve", "delete", "nobody/shop/web/db"]).await;
    assert!(unknown.contains("nothing is declared or on record"), "{unknown}");

    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let early = refused(&["approve", "delete", &key]).await;
    assert!(early.contains("is not being deleted"), "{early}");

    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    assert!(matches!(team.cloud.phase(&id), Some(Phase::Parked(_))));
    assert_eq!(rows("ls", &team).await[0]["standing"], json!("parked"));
    said(&["approve", "delete", &key]).await;
    eventually("its record is gone", async || {
        retained(&team).await.is_empty().then_some(())
    })
    .await;
    empty(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_is_heard_when_the_environment_is_gone() {
    let team = Team::with(Cluster::shared(), "cligone", json!({}), json!({"class": "production"})).await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    let environments = Api::<Environment>::all(team.client.clone());
    environments
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("it may go");
    let word = said(&["approve", "delete", &format!("{}/shop/web/db", team.namespace)]).await;
    assert!(word.contains("on ProviderConfig"), "{word}");
    eventually("its record is gone", async || {
        retained(&team).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_made_anew_on_a_word() {
    let team = Team::new(Cluster::shared(), "clilost").await;
    team.apply_json(mysql()).await;
    let before = external_id(&ready(&team, "shop-web-db").await);
    team.cloud.destroy(&before);
    crate::resource_support::annotate(&team, "shop-web-db", "look", "again").await;
    told(&team, "shop-web-db", "Ready", "False", "Lost").await;
    said(&["approve", "recreate", &format!("{}/shop/web/db", team.namespace)]).await;
    let after = until(&team, "shop-web-db", "another one is ready", |object| {
        let ready = crate::resource_support::condition(object, "Ready")?.status == "True";
        Some(ready && object.status.as_ref()?.memory.external_id.as_ref() != Some(&before))
    })
    .await;
    assert!(team.cloud.get(&external_id(&after)).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_gets_new_credentials() {
    let team = Team::new(Cluster::shared(), "clirotate").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let before = entries(&team, "shop-web-db").await["password"].clone();
    said(&["rotate", &format!("{}/shop/web/db", team.namespace)]).await;
    eventually("another password", async || {
        (entries(&team, "shop-web-db").await.get("password")? != &before).then_some(())
    })
    .await;
    eventually("it is the one that serves", async || {
        logs_in(&team, "shop-web-db", &id).await.map(drop)
    })
    .await;
    let unknown = refused(&["rotate", "nobody/shop/web/db"]).await;
    assert!(unknown.contains("no CloudResource is for"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_uninstalled_while_something_lives() {
    let team = Team::new(Cluster::shared(), "cliuninstall").await;
    team.apply_json(written("logs", "log", json!({}))).await;
    ready(&team, "shop-web-logs").await;
    let refusal = refused(&["uninstall"]).await;
    assert!(refusal.contains("still there"), "{refusal}");
    get(&team, "shop-web-logs").await;
}
