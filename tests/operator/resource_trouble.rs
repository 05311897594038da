//! What may befall a CloudResource that is to be there: no duplicate, no silent empty replacement, nothing foreign
//! touched.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use mooring::api::CloudResource;
use mooring_provider::Kind;
use mooring_provider_mock::Op;
use serde_json::{Value as Json, json};

use crate::{
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_make_each_database_once() {
    let cluster = Cluster::own();
    // Of two namespaces, each has a lease of its own; of two ledgers, neither knows what the other tried. What is left
    // to tell them apart is the write-ahead in the status.
    let client = cluster.client().await;
    let mut other = Namespace::default();
    other.metadata.name = Some("mooring-other".into());
    Api::<Namespace>::all(client)
        .create(&PostParams::default(), &other)
        .await
        .expect("a namespace");
    let first = cluster.operator();
    let second = cluster.operator_with(|options| {
        options.namespace = "mooring-other".into();
        options.identity = "operator-1".into();
        options.ledger = format!("sqlite:{}", cluster.directory().join("other.db").display());
    });
    let mock = json!({"latency": "30ms", "invisibleFor": "150ms"});
    let team = Team::with(&cluster, "two", mock, json!({})).await;
    for at in 0..6 {
        team.apply_json(written(&format!("db{at}"), "rds", json!({"engine": "mysql"})))
            .await;
    }
    for at in 0..6 {
        ready(&team, &format!("shop-web-db{at}")).await;
    }
    let databases = team
        .cloud
        .list()
        .into_iter()
        .filter(|one| one.kind == Kind::Rds)
        .count();
    assert_eq!((databases, team.cloud.created()), (6, 6));
    first.stop().await.expect("it ends in good order");
    second.stop().await.expect("it ends in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_status_makes_no_duplicate_and_rolls_nobody() {
    let team = Team::new(Cluster::shared(), "status").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let password = entries(&team, "shop-web-db").await["password"].clone();
    let empty = json!([{"op": "replace", "path": "/status", "value": {}}]);
    let patch = Patch::<()>::Json(serde_json::from_value(empty).expect("a patch"));
    let api = team.api::<CloudResource>();
    api.patch_status("shop-web-db", &PatchParams::default(), &patch)
        .await
        .expect("a status may be lost");
    let object = eventually("it is known again", async || {
        let object = find(&team, "shop-web-db").await?;
        condition(&object, "Ready").filter(|ready| ready.status == "True")?;
        Some(object)
    })
    .await;
    assert_eq!((external_id(&object), team.cloud.created()), (id, 1));
    assert_eq!(
        object.status.expect("a status").binding_revision,
        Some(1),
        "nobody's pods are rolled"
    );
    assert_eq!(entries(&team, "shop-web-db").await["password"], password);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_makes_no_duplicate() {
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::new(&cluster, "ledger").await;
    team.apply_json(mysql()).await;
    team.apply_json(written("log", "log", json!({}))).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    ready(&team, "shop-web-log").await;
    assert!(team.cloud.write(&id, "order 1"));
    let password = entries(&team, "shop-web-db").await["password"].clone();
    operator.stop().await.expect("it ends in good order");
    for file in std::fs::read_dir(cluster.directory()).expect("its directory") {
        let path = file.expect("an entry").path();
        if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("ledger.db"))
        {
            std::fs::remove_file(path).expect("it can be lost");
        }
    }
    // One is declared anew while nobody knows anything: its identity comes from the inventory.
    let log = get(&team, "shop-web-log").await;
    let none: Json = json!({"metadata": {"finalizers": null}});
    let api = team.api::<CloudResource>();
    api.patch("shop-web-log", &PatchParams::default(), &Patch::Merge(none))
        .await
        .expect("it may be");
    delete(&team, "shop-web-log").await;
    team.apply_json(written("log", "log", json!({}))).await;

    let operator = cluster.operator();
    team.apply_json(written("db", "rds", json!({"engine": "mysql", "storage": "30Gi"})))
        .await;
    let object = ready(&team, "shop-web-db").await;
    assert_eq!(external_id(&object), id);
    let new_log = ready(&team, "shop-web-log").await;
    assert_eq!(
        (identity(&new_log), external_id(&new_log)),
        (identity(&log), external_id(&log))
    );
    assert_eq!(team.cloud.created(), 2);
    assert_eq!(team.cloud.rows(&id), Some(vec!["order 1".to_owned()]));
    assert_eq!(entries(&team, "shop-web-db").await["password"], password);
    eventually("people are let in", async || logs_in(&team, "shop-web-db", &id).await).await;
    operator.stop().await.expect("it ends in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_data_is_reported_and_made_anew_only_when_asked_for() {
    let team = Team::new(Cluster::shared(), "lost").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    assert!(team.cloud.destroy(&id));
    let object = told(&team, "shop-web-db", "Ready", "False", "Lost").await;
    assert_eq!(team.cloud.count(Op::Create, Kind::Rds), 1);
    let message = &condition(&object, "Ready").expect("Ready").message;
    assert!(message.contains("mooring.dev/recreate=0"), "{message}");
    annotate(&team, "shop-web-db", "mooring.dev/recreate", "7").await;
    annotate(&team, "shop-web-db", "mooring.dev/recreate", "0").await;
    eventually("another one is ready", async || {
        let object = find(&team, "shop-web-db").await?;
        let ready = condition(&object, "Ready").is_some_and(|ready| ready.status == "True");
        (ready && external_id(&object) != id).then_some(())
    })
    .await;
    let second = external_id(&get(&team, "shop-web-db").await);
    eventually("people are let in", async || {
        logs_in(&team, "shop-web-db", &second).await
    })
    .await;
    // The word was for one loss.
    assert!(team.cloud.destroy(&second));
    told(&team, "shop-web-db", "Ready", "False", "Lost").await;
    assert_eq!(team.cloud.count(Op::Create, Kind::Rds), 2);
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_is_gone_comes_back_by_itself() {
    let team = Team::new(Cluster::shared(), "again").await;
    team.apply_json(written("lb", "slb", json!({"listeners": [{"port": 80}]})))
        .await;
    let id = external_id(&ready(&team, "shop-web-lb").await);
    assert!(team.cloud.destroy(&id));
    eventually("another one is ready", async || {
        let object = find(&team, "shop-web-lb").await?;
        let ready = condition(&object, "Ready").is_some_and(|ready| ready.status == "True");
        (ready && external_id(&object) != id).then_some(())
    })
    .await;
    assert_eq!(team.cloud.list().len(), 1);
}

/// A namespace of somebody else, in the same environment.
async fn neighbour(team: &Team) -> Team {
    let name = format!("{}-x", team.namespace);
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.clone());
    namespace.metadata.labels = Some([("mooring.dev/environment".to_owned(), team.namespace.clone())].into());
    let made = Api::<Namespace>::all(team.client.clone())
        .create(&PostParams::default(), &namespace)
        .await;
    made.expect("a namespace");
    Team {
        client: team.client.clone(),
        namespace: name,
        cloud: team.cloud.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_was_copied_takes_nothing_until_an_sre_approves() {
    let team = Team::new(Cluster::shared(), "copied").await;
    team.apply_json(mysql()).await;
    let owned = ready(&team, "shop-web-db").await;
    let (id, name) = (external_id(&owned), identity(&owned));
    let thief = neighbour(&team).await;
    let mut copy = mysql();
    copy["metadata"]["annotations"] = json!({"mooring.dev/identity": name});
    thief.apply_json(copy).await;
    told(&thief, "shop-web-db", "Ready", "False", "OwnedElsewhere").await;
    assert!(!entries(&thief, "shop-web-db").await.contains_key("host"));
    assert_eq!(
        (external_id(&get(&team, "shop-web-db").await), team.cloud.created()),
        (id.clone(), 1)
    );

    // It goes without touching what is not its own.
    delete(&thief, "shop-web-db").await;
    gone(&thief, "shop-web-db").await;
    assert!(team.cloud.get(&id).is_some());
    eventually("the owner is let in", async || logs_in(&team, "shop-web-db", &id).await).await;

    // A move that an SRE approves, to one key.
    let mut copy = mysql();
    copy["metadata"]["annotations"] = json!({"mooring.dev/identity": name});
    thief.apply_json(copy).await;
    told(&thief, "shop-web-db", "Ready", "False", "OwnedElsewhere").await;
    approve(&team, &name, "move:elsewhere/shop/web/db").await;
    approve(&team, &name, &format!("move:{}/shop/web/db", thief.namespace)).await;
    let moved = ready(&thief, "shop-web-db").await;
    assert_eq!((external_id(&moved), team.cloud.created()), (id.clone(), 1));
    told(&team, "shop-web-db", "Synced", "False", "OwnedElsewhere").await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    assert!(team.cloud.get(&id).is_some(), "it is the other's now");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_restored_finds_its_database_again() {
    let team = Team::new(Cluster::shared(), "restored").await;
    team.apply_json(mysql()).await;
    let before = ready(&team, "shop-web-db").await;
    let id = external_id(&before);
    assert!(team.cloud.write(&id, "order 1"));
    let backup = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource", "spec": before.spec,
        "metadata": {
            "name": "shop-web-db", "annotations": before.annotations(), "finalizers": before.finalizers(),
        },
    });
    // It vanishes as with a lost etcd: nobody tears anything down.
    let api = team.api::<CloudResource>();
    delete_without_teardown(&team, "shop-web-db").await;
    let restored = api
        .create(
            &PostParams::default(),
            &serde_json::from_value(backup).expect("an object"),
        )
        .await;
    let restored = restored.expect("it is restored");
    assert_ne!(restored.uid(), before.uid());
    let object = ready(&team, "shop-web-db").await;
    assert_eq!((external_id(&object), team.cloud.created()), (id.clone(), 1));
    assert_eq!(team.cloud.rows(&id), Some(vec!["order 1".to_owned()]));
    eventually("people are let in, by a Secret of this object", async || {
        let secret = team.api::<Secret>().get_opt("shop-web-db").await.expect("an answer")?;
        let ours = secret
            .owner_references()
            .iter()
            .any(|owner| Some(&owner.uid) == object.metadata.uid.as_ref());
        (ours && logs_in(&team, "shop-web-db", &id).await.is_some()).then_some(())
    })
    .await;
}

async fn delete_without_teardown(team: &Team, name: &str) {
    let api = team.api::<CloudResource>();
    let uid = get(team, name).await.uid();
    eventually(&format!("{name} vanishes"), async || {
        // The finalizer is put back by whoever hears of its absence first.
        let object = api.get_opt(name).await.expect("an answer")?;
        let patch = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/metadata/finalizers", "value": []},
        ]);
        let patch = Patch::<()>::Json(serde_json::from_value(patch).expect("a patch"));
        let _ = object;
        if api.patch(name, &PatchParams::default(), &patch).await.is_err() {
            return None;
        }
        let _ = api.delete(name, &DeleteParams::default()).await;
        match api.get_opt(name).await.expect("an answer") {
            None => Some(()),
            Some(left) if left.uid() != uid => Some(()),
            Some(_) => panic!("the operator was quicker and tears it down: the test needs another try"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_was_overwritten_makes_no_duplicate() {
    let team = Team::new(Cluster::shared(), "overwritten").await;
    team.apply_json(mysql()).await;
    let before = ready(&team, "shop-web-db").await;
    let patch = json!([
        {"op": "replace", "path": "/status", "value": {}},
    ]);
    annotate(&team, "shop-web-db", "mooring.dev/identity", "nonsense99").await;
    let patch = Patch::<()>::Json(serde_json::from_value(patch).expect("a patch"));
    team.api::<CloudResource>()
        .patch_status("shop-web-db", &PatchParams::default(), &patch)
        .await
        .expect("a status may be lost");
    let name = identity(&before);
    eventually("it has its own identity again", async || {
        let object = find(&team, "shop-web-db").await?;
        let ready = condition(&object, "Ready").is_some_and(|ready| ready.status == "True");
        (ready && object.annotations().get("mooring.dev/identity") == Some(&name)).then_some(())
    })
    .await;
    assert_eq!(team.cloud.created(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_in_trouble_is_named_and_waited_for() {
    let team = Team::new(Cluster::shared(), "trouble").await;
    team.cloud.set_down(true);
    team.apply_json(mysql()).await;
    eventually("the trouble is named", async || {
        let object = find(&team, "shop-web-db").await?;
        let ready = condition(&object, "Ready")?;
        ["Unavailable", "ProviderNotReady"]
            .contains(&ready.reason.as_str())
            .then_some(())
    })
    .await;
    team.cloud.set_down(false);
    ready(&team, "shop-web-db").await;
    assert_eq!(team.cloud.created(), 1);
    // What runs is not called unready for want of an answer.
    team.cloud.set_down(true);
    let object = told(&team, "shop-web-db", "Synced", "False", "Unavailable").await;
    assert_eq!(condition(&object, "Ready").expect("Ready").status, "True");
    team.cloud.set_down(false);
    told(&team, "shop-web-db", "Synced", "True", "InSync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_nobody_is_counted_until_it_is_gone() {
    let team = Team::new(Cluster::shared(), "orphan").await;
    team.apply_json(mysql()).await;
    let object = ready(&team, "shop-web-db").await;
    let metrics = Cluster::shared().metrics();
    let ours = team.cloud.get(&external_id(&object)).expect("it is there");
    let id = team.cloud.add_foreign("left-behind", ours.settings.clone());
    let own = identity(&object);
    team.cloud.change(&id, |resource| {
        resource.tags = ours.tags.clone();
        for value in resource.tags.values_mut().filter(|value| **value == own) {
            *value = "nobody-has-this".into();
        }
    });
    eventually("it is counted", async || {
        (metrics.orphaned(&team.namespace) == 1).then_some(())
    })
    .await;
    assert!(
        team.cloud.get(&id).is_some(),
        "what belongs to nobody is not deleted by itself"
    );
    team.cloud.destroy(&id);
    eventually("it is gone", async || {
        (metrics.orphaned(&team.namespace) == 0).then_some(())
    })
    .await;
    assert!(team.cloud.get(&external_id(&object)).is_some());
}
