//! A provider that refuses, is slow to forgive, or does what nobody hears of; and a ledger that cannot be written.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use mooring::api::ProviderConfig;
use mooring_provider::{ClusterId, Identity, Key, Kind, Owner, external_name};
use mooring_provider_mock::{Call, Fault, Op};
use serde_json::json;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::{
    resource_support::*,
    support::cluster::{Cluster, SYSTEM, Team, eventually},
};

fn message(object: &mooring::api::CloudResource, type_: &str) -> String {
    condition(object, type_).expect("it was told").message.clone()
}

/// A provider in trouble is asked less and less; whoever mended it says so by touching the object.
async fn look_again(team: &Team, name: &str) {
    annotate(team, name, "look", "again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_reached_is_told_and_room_is_used() {
    let team = Team::with(Cluster::shared(), "quota", json!({"quota": {"rds": 1}}), json!({})).await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    team.apply_json(written("second", "rds", json!({"engine": "mysql"})))
        .await;
    let object = told(&team, "shop-web-second", "Ready", "False", "QuotaExceeded").await;
    assert!(message(&object, "Ready").contains("all 1 rds"), "{object:?}");
    quiet(&team, "shop-web-second").await;
    assert_eq!((team.cloud.created(), team.cloud.list().len()), (1, 1));
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    look_again(&team, "shop-web-second").await;
    ready(&team, "shop-web-second").await;
    assert_eq!(team.cloud.created(), 2);
    delete(&team, "shop-web-second").await;
    gone(&team, "shop-web-second").await;
    empty(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_throttles_is_left_alone_for_as_long_as_it_asks() {
    let team = Team::new(Cluster::shared(), "throttled").await;
    team.apply_json(written("first", "log", json!({}))).await;
    ready(&team, "shop-web-first").await;
    let throttles = Arc::new(AtomicBool::new(true));
    let plan = Arc::clone(&throttles);
    team.cloud.plan_faults(move |_: &Call| {
        let is_on = plan.load(Ordering::Relaxed);
        is_on.then_some(Fault::Throttled(Duration::from_secs(5)))
    });
    for name in ["one", "two", "three"] {
        team.apply_json(written(name, "rds", json!({"engine": "mysql"}))).await;
    }
    for name in ["one", "two", "three"] {
        told(&team, &format!("shop-web-{name}"), "Ready", "False", "Throttled").await;
    }
    // What runs is not called unready for that.
    let first = get(&team, "shop-web-first").await;
    assert_eq!(condition(&first, "Ready").expect("Ready").status, "True");
    quiet(&team, "shop-web-one").await;
    assert_eq!(team.cloud.created(), 1);
    throttles.store(false, Ordering::Relaxed);
    for name in ["one", "two", "three"] {
        ready(&team, &format!("shop-web-{name}")).await;
    }
    assert_eq!((team.cloud.created(), team.cloud.list().len()), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_revoked_are_told_and_nothing_is_taken_for_lost() {
    let team = Team::new(Cluster::shared(), "revoked").await;
    for object in [mysql(), written("lb", "slb", json!({"listeners": [{"port": 80}]}))] {
        team.apply_json(object).await;
    }
    for name in ["shop-web-db", "shop-web-lb"] {
        ready(&team, name).await;
    }
    team.cloud.set_revoked(true);
    for name in ["shop-web-db", "shop-web-lb"] {
        let object = told(&team, name, "Synced", "False", "Unauthenticated").await;
        assert_eq!(condition(&object, "Ready").expect("Ready").status, "True", "{name}");
        quiet(&team, name).await;
    }
    // Absence proves nothing while nobody may look: neither is made anew, and neither is gone.
    delete(&team, "shop-web-lb").await;
    told(&team, "shop-web-lb", "Deleting", "True", "Unauthenticated").await;
    quiet(&team, "shop-web-lb").await;
    assert_eq!((team.cloud.created(), team.cloud.list().len()), (2, 2));
    team.cloud.set_revoked(false);
    team.cloud.configure(|config| config.requires_credentials = false);
    for name in ["shop-web-db", "shop-web-lb"] {
        look_again(&team, name).await;
    }
    told(&team, "shop-web-db", "Synced", "True", "InSync").await;
    gone(&team, "shop-web-lb").await;
    assert_eq!((team.cloud.created(), team.cloud.list().len()), (2, 1));
}

/// Waits until the ProviderConfig has this reason, and answers what it says.
async fn said(team: &Team, reason: &str) -> (String, String) {
    let configs = Api::<ProviderConfig>::all(team.client.clone());
    eventually(&format!("the ProviderConfig says {reason}"), async || {
        let status = configs.get(&team.namespace).await.expect("it is there").status?;
        let ready = status.conditions.into_iter().find(|known| known.type_ == "Ready")?;
        (ready.reason == reason).then_some((ready.status, ready.message))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_credentials_are_proven_before_they_replace_those_in_use() {
    let mock = json!({"requiresCredentials": true});
    let team = Team::with(Cluster::shared(), "newkey", mock, json!({})).await;
    let secrets = Api::<Secret>::namespaced(team.client.clone(), SYSTEM);
    let mut secret = Secret::default();
    secret.metadata.name = Some(team.namespace.clone());
    secret.string_data = Some([("token".to_owned(), "the-first-key".to_owned())].into());
    secrets.create(&PostParams::default(), &secret).await.expect("a Secret");
    let configs = Api::<ProviderConfig>::all(team.client.clone());
    let spec = json!({"spec": {"credentials": {"secretRef": {"name": team.namespace}}}});
    configs
        .patch(&team.namespace, &PatchParams::default(), &Patch::Merge(spec))
        .await
        .expect("an SRE may");
    said(&team, "Ready").await;
    let put = async |token: &str| {
        let patch = Patch::Merge(json!({"stringData": {"token": token}}));
        secrets
            .patch(&team.namespace, &PatchParams::default(), &patch)
            .await
            .expect("an SRE may");
    };
    let held = async || {
        let copy = secrets.get(&format!("mooring-credentials-{}", team.namespace)).await;
        let mut data = copy.expect("there is a copy").data.expect("it has data");
        String::from_utf8(data.remove("token").expect("a token").0).expect("text")
    };
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    assert_eq!(held().await, "the-first-key");

    put("revoked").await;
    let (status, told_of) = said(&team, "Unauthenticated").await;
    assert_eq!(status, "False");
    for word in [team.namespace.as_str(), "do not work", "from before stay in use"] {
        assert!(told_of.contains(word), "{word}: {told_of}");
    }
    assert_eq!(held().await, "the-first-key");
    // With those from before everything goes on: what runs, what is changed, what is new, what goes.
    quiet(&team, "shop-web-db").await;
    let object = get(&team, "shop-web-db").await;
    for type_ in ["Ready", "Synced"] {
        assert_eq!(condition(&object, type_).expect("it is told").status, "True", "{type_}");
    }
    let grown = json!({"engine": "mysql", "storage": "40Gi"});
    team.apply_json(written("db", "rds", grown)).await;
    eventually("the storage grows", async || {
        let settings = serde_json::to_value(team.cloud.get(&id)?.settings).ok()?;
        (settings["rds"]["storage"] == json!("40Gi")).then_some(())
    })
    .await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    empty(&team).await;

    put("the-second-key").await;
    said(&team, "Ready").await;
    eventually("the new ones are held", async || {
        (held().await == "the-second-key").then_some(())
    })
    .await;
    team.apply_json(written("log", "log", json!({}))).await;
    ready(&team, "shop-web-log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_lost_makes_nothing_twice() {
    let team = Team::with(
        Cluster::shared(),
        "noreply",
        json!({"invisibleFor": "300ms"}),
        json!({}),
    )
    .await;
    for (kind, op) in [
        (Kind::Rds, Op::Create),
        (Kind::Slb, Op::Create),
        (Kind::Log, Op::Create),
        (Kind::Rds, Op::EnsureAccount),
        (Kind::Rds, Op::Delete),
        (Kind::Slb, Op::Delete),
        (Kind::Log, Op::Delete),
    ] {
        team.cloud.fail_next(op, Some(kind), Fault::After);
    }
    let names = ["shop-web-db", "shop-web-lb", "shop-web-log"];
    for object in [
        mysql(),
        written("lb", "slb", json!({"listeners": [{"port": 80}]})),
        written("log", "log", json!({})),
    ] {
        team.apply_json(object).await;
    }
    for name in names {
        ready(&team, name).await;
    }
    let id = external_id(&get(&team, "shop-web-db").await);
    assert!(logs_in(&team, "shop-web-db", &id).await.is_some());
    assert_eq!((team.cloud.created(), team.cloud.list().len()), (3, 3));
    assert!(team.cloud.doubled().is_empty(), "{:?}", team.cloud.doubled());
    for name in names {
        delete(&team, name).await;
    }
    for name in names {
        gone(&team, name).await;
    }
    empty(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_resource_of_our_name_is_told_and_not_touched() {
    let team = Team::new(Cluster::shared(), "ourname").await;
    team.apply_json(written("first", "log", json!({}))).await;
    let first = external_id(&ready(&team, "shop-web-first").await);
    let first = team.cloud.get(&first).expect("it is there");
    // The name comes from the identity, which a person may write down beforehand.
    let owner = Owner {
        cluster: first.owner().map_or_else(|| ClusterId::new(""), |owner| owner.cluster),
        identity: Identity::new(format!("known-{}", team.namespace)),
        key: Key::new(&team.namespace, "shop", "web", "log"),
    };
    let id = team.cloud.add_foreign(&external_name(&owner), first.settings.clone());
    assert!(team.cloud.write(&id, "a line of theirs"));
    let theirs = team.cloud.get(&id);
    let mut object = written("log", "log", json!({}));
    object["metadata"]["annotations"] = json!({"mooring.dev/identity": owner.identity.as_str()});
    team.apply_json(object).await;
    let object = told(&team, "shop-web-log", "Ready", "False", "NotOwned").await;
    let told_of = message(&object, "Ready");
    assert!(
        told_of.contains(id.as_str()) && told_of.contains("rename or remove"),
        "{told_of}"
    );
    quiet(&team, "shop-web-log").await;
    assert_eq!(team.cloud.get(&id), theirs, "it is as it was");
    delete(&team, "shop-web-log").await;
    gone(&team, "shop-web-log").await;
    assert_eq!(team.cloud.get(&id), theirs, "it is as it was");
    assert_eq!(team.cloud.list().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_locked_makes_nothing_and_is_told_until_it_is_free() {
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::new(&cluster, "locked").await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    let file = format!("sqlite:{}", cluster.directory().join("ledger.db").display());
    let mut other = SqliteConnection::connect(&file).await.expect("the file of the ledger");
    other.execute("BEGIN IMMEDIATE").await.expect("it is free");
    team.apply_json(written("second", "rds", json!({"engine": "mysql"})))
        .await;
    let object = told(&team, "shop-web-second", "Ready", "False", "Unavailable").await;
    assert!(message(&object, "Ready").contains("ledger"), "{object:?}");
    assert_eq!(team.cloud.created(), 1, "nothing is made that is not written down");
    let object = get(&team, "shop-web-db").await;
    assert_eq!(condition(&object, "Ready").expect("Ready").status, "True");
    other.execute("ROLLBACK").await.expect("it is let go");
    ready(&team, "shop-web-second").await;
    assert_eq!((team.cloud.created(), team.cloud.list().len()), (2, 2));
    for name in ["shop-web-db", "shop-web-second"] {
        delete(&team, name).await;
        gone(&team, name).await;
    }
    empty(&team).await;
    operator.stop().await.expect("it ends in good order");
}
