//! CloudResources made by hand: provisioned, bound, kept true.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use mooring::api::CloudResource;
use mooring_provider::{Access, Kind};
use mooring_provider_mock::Op;
use serde_json::{Value as Json, json};

use crate::{
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

/// All five kinds, with a network of their own.
async fn five(team: &Team) {
    for object in [
        written("net", "vpc", json!({"network": "dedicated"})),
        mysql(),
        written("lb", "slb", json!({"listeners": [{"port": 80, "protocol": "http"}]})),
        written("log", "log", json!({})),
        written(
            "alarms",
            "monitor",
            json!({"alarms": [{"of": "db", "metric": "connections", "above": "80%"}]}),
        ),
    ] {
        team.apply_json(object).await;
    }
}

const FIVE: [&str; 5] = [
    "shop-web-net",
    "shop-web-db",
    "shop-web-lb",
    "shop-web-log",
    "shop-web-alarms",
];

#[tokio::test(flavor = "multi_thread")]
async fn all_five_kinds_come_up_in_order_and_go_in_order() {
    let team = Team::new(Cluster::shared(), "five").await;
    five(&team).await;
    for name in FIVE {
        let object = ready(&team, name).await;
        let status = object.status.as_ref().expect("a status");
        assert_eq!(status.provider.as_deref(), Some(team.namespace.as_str()));
        assert_eq!(status.environment.as_deref(), Some(team.namespace.as_str()));
        assert!(object.finalizers().iter().any(|name| name == "mooring.dev/teardown"));
        assert_eq!(
            condition(&object, "Synced").expect("Synced").status,
            "True",
            "{object:?}"
        );
    }
    let db = get(&team, "shop-web-db").await;
    let bound = entries(&team, "shop-web-db").await;
    for key in [
        "type", "provider", "host", "port", "username", "password", "database", "uri",
    ] {
        assert!(bound.contains_key(key), "{key} is missing in {:?}", bound.keys());
    }
    assert_eq!(
        logs_in(&team, "shop-web-db", &external_id(&db)).await,
        Some(Access::Owner)
    );
    assert_eq!(
        db.status
            .as_ref()
            .and_then(|status| status.binding.clone())
            .expect("a binding")
            .name,
        "shop-web-db"
    );
    let secret = team.api::<Secret>().get("shop-web-db").await.expect("a Secret");
    assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/mysql"));
    assert!(
        !serde_json::to_string(&db).expect("JSON").contains(&bound["password"]),
        "a password in the object"
    );

    // The database and the balancer live in the network of their own.
    let net = external_id(&get(&team, "shop-web-net").await);
    let db_settings = serde_json::to_value(team.cloud.get(&external_id(&db)).expect("it is there").settings).unwrap();
    assert_eq!(db_settings["rds"]["network"]["id"], json!(net.as_str()));

    for name in FIVE {
        delete(&team, name).await;
    }
    for name in FIVE {
        gone(&team, name).await;
    }
    empty(&team).await;
    assert!(entries(&team, "shop-web-db").await.is_empty());
    let deleted: Vec<_> = team
        .cloud
        .calls()
        .into_iter()
        .filter(|call| call.op == Op::Delete)
        .collect();
    let first = |kind: Kind| {
        deleted
            .iter()
            .position(|call| call.kind == Some(kind))
            .expect("it was deleted")
    };
    assert!(
        first(Kind::Monitor) < first(Kind::Rds) && first(Kind::Rds) < first(Kind::Vpc),
        "{deleted:?}"
    );
    assert!(first(Kind::Slb) < first(Kind::Vpc), "{deleted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_less_at_the_provider_is_in_the_status() {
    let group = json!({"cidrs": ["10.0.0.0/8"], "securityGroup": "sg-pods"});
    let environment = json!({"network": {"clients": group}});
    let team = Team::with(Cluster::shared(), "notes", json!({}), environment).await;
    team.apply_json(written(
        "db",
        "rds",
        json!({"engine": "mysql", "highAvailability": true}),
    ))
    .await;
    let object = ready(&team, "shop-web-db").await;
    let notes = object.status.as_ref().expect("a status").notes.clone();
    assert!(notes.len() == 1 && notes[0].contains("no standby"), "{notes:?}");
    let settings = team.cloud.get(&external_id(&object)).expect("it is there").settings;
    let settings = serde_json::to_value(settings).expect("JSON");
    assert_eq!(settings["rds"]["clientSecurityGroup"], "sg-pods");
    team.apply_json(mysql()).await;
    until(&team, "shop-web-db", "no note", |object| {
        Some(object.status.as_ref()?.notes.is_empty())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_deleted_or_edited_comes_back_and_lets_people_in() {
    let team = Team::new(Cluster::shared(), "secret").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let first = entries(&team, "shop-web-db").await;
    let secrets = team.api::<Secret>();

    secrets
        .delete("shop-web-db", &DeleteParams::default())
        .await
        .expect("it may be deleted");
    eventually("a new password works", async || {
        let now = entries(&team, "shop-web-db").await;
        let new = now
            .get("password")
            .is_some_and(|password| *password != first["password"])
            && now.contains_key("uri");
        (new && logs_in(&team, "shop-web-db", &id).await.is_some()).then_some(())
    })
    .await;
    eventually("the revision says so", async || {
        (get(&team, "shop-web-db").await.status?.binding_revision == Some(2)).then_some(())
    })
    .await;

    let edit = json!({"stringData": {"password": "guessme", "host": "evil.invalid"}});
    secrets
        .patch("shop-web-db", &PatchParams::default(), &Patch::Merge(edit))
        .await
        .expect("it may be edited");
    eventually("it is mended", async || {
        let now = entries(&team, "shop-web-db").await;
        let mended = now.get("host") == first.get("host") && now.get("password").is_some_and(|text| text != "guessme");
        (mended && logs_in(&team, "shop-web-db", &id).await.is_some()).then_some(())
    })
    .await;
    assert_eq!(team.cloud.login(&id, "shop", "guessme"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_credentials_are_made_on_request() {
    let team = Team::new(Cluster::shared(), "rotate").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let first = entries(&team, "shop-web-db").await;
    annotate(&team, "shop-web-db", "mooring.dev/rotate", "monday").await;
    eventually("other credentials work", async || {
        let now = entries(&team, "shop-web-db").await;
        let other = now.get("password") != first.get("password");
        (other && logs_in(&team, "shop-web-db", &id).await.is_some()).then_some(())
    })
    .await;
    assert_eq!(
        team.cloud.login(&id, &first["username"], &first["password"]),
        None,
        "the old ones do not"
    );
    eventually("the revision says so", async || {
        (get(&team, "shop-web-db").await.status?.binding_revision == Some(2)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_secret_is_not_overwritten() {
    let team = Team::new(Cluster::shared(), "foreign").await;
    let mut secret = Secret::default();
    secret.metadata.name = Some("shop-web-db".into());
    secret.string_data = Some([("mine".to_owned(), "precious".to_owned())].into());
    team.api::<Secret>()
        .create(&PostParams::default(), &secret)
        .await
        .expect("a user may have a Secret");
    team.apply_json(mysql()).await;
    told(&team, "shop-web-db", "Ready", "False", "SecretTaken").await;
    assert_eq!(entries(&team, "shop-web-db").await["mine"], "precious");
    assert!(team.cloud.list().is_empty(), "nothing is made that could not be used");
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    assert_eq!(entries(&team, "shop-web-db").await["mine"], "precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bind_has_an_account_of_its_own_and_gives_it_back() {
    let team = Team::new(Cluster::shared(), "bind").await;
    let mut bind = written("db", "bind", json!({"to": "web/db", "access": "readonly"}));
    bind["metadata"]["name"] = json!("shop-report-db");
    bind["spec"]["component"] = json!("report");
    team.apply_json(bind).await;
    told(&team, "shop-report-db", "Ready", "False", "TargetNotFound").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    ready(&team, "shop-report-db").await;
    assert_eq!(logs_in(&team, "shop-report-db", &id).await, Some(Access::ReadOnly));
    let (own, of_target) = (
        entries(&team, "shop-report-db").await,
        entries(&team, "shop-web-db").await,
    );
    assert_ne!(own["username"], of_target["username"]);
    assert_eq!(own["host"], of_target["host"]);
    assert!(own["uri"].contains(&own["username"]));

    delete(&team, "shop-report-db").await;
    gone(&team, "shop-report-db").await;
    assert_eq!(
        team.cloud.login(&id, &own["username"], &own["password"]),
        None,
        "the account is gone"
    );
    assert_eq!(
        logs_in(&team, "shop-web-db", &id).await,
        Some(Access::Owner),
        "and nobody else's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_database_is_used_only_with_consent() {
    let cluster = Cluster::shared();
    let (owner, guest) = (Team::new(cluster, "owner").await, Team::new(cluster, "guest").await);
    owner.apply_json(mysql()).await;
    let id = external_id(&ready(&owner, "shop-web-db").await);
    let to = format!("{}/shop-web-db", owner.namespace);
    guest.apply_json(written("their-db", "bind", json!({"to": to}))).await;
    told(&guest, "shop-web-their-db", "Ready", "False", "NotAllowed").await;
    let shared = json!({"engine": "mysql", "shareWith": [{"namespace": guest.namespace}]});
    owner.apply_json(written("db", "rds", shared)).await;
    ready(&guest, "shop-web-their-db").await;
    let entries = entries(&guest, "shop-web-their-db").await;
    assert_eq!(
        owner.cloud.login(&id, &entries["username"], &entries["password"]),
        Some(Access::ReadOnly)
    );

    // More than was consented to is not had by asking for it.
    let login = async || owner.cloud.login(&id, &entries["username"], &entries["password"]);
    guest
        .apply_json(written("their-db", "bind", json!({"to": to, "access": "readwrite"})))
        .await;
    let refused = told(&guest, "shop-web-their-db", "Ready", "False", "NotAllowed").await;
    let message = &condition(&refused, "Ready").expect("Ready").message;
    assert!(message.contains("consents to `readonly` only"), "{message}");
    assert_eq!(login().await, Some(Access::ReadOnly));
    let more = json!([{"namespace": guest.namespace, "access": "readwrite"}]);
    owner
        .apply_json(written("db", "rds", json!({"engine": "mysql", "shareWith": more})))
        .await;
    ready(&guest, "shop-web-their-db").await;
    eventually("it may write", async || {
        (login().await == Some(Access::ReadWrite)).then_some(())
    })
    .await;
    // And it is taken back when the owner thinks better of it.
    let less = json!([{"namespace": guest.namespace}]);
    owner
        .apply_json(written("db", "rds", json!({"engine": "mysql", "shareWith": less})))
        .await;
    eventually("it may only read again", async || {
        (login().await == Some(Access::ReadOnly)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_carried_out_and_drift_is_reported_only() {
    let team = Team::new(Cluster::shared(), "change").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let setting = |field: &str| {
        let settings = serde_json::to_value(team.cloud.get(&id).expect("it is there").settings).expect("JSON");
        settings["rds"][field].clone()
    };
    team.apply_json(written("db", "rds", json!({"engine": "mysql", "storage": "40Gi"})))
        .await;
    eventually("the storage grows", async || {
        (setting("storage") == json!("40Gi")).then_some(())
    })
    .await;
    team.apply_json(written("db", "rds", json!({"engine": "mysql", "storage": "30Gi"})))
        .await;
    let object = told(&team, "shop-web-db", "Synced", "False", "CannotShrink").await;
    assert_eq!(condition(&object, "Ready").expect("Ready").status, "True");
    team.apply_json(written("db", "rds", json!({"engine": "mysql", "storage": "40Gi"})))
        .await;
    told(&team, "shop-web-db", "Synced", "True", "InSync").await;

    team.cloud.change(&id, |resource| {
        let mut settings = serde_json::to_value(&resource.settings).expect("JSON");
        settings["rds"]["highAvailability"] = Json::Bool(true);
        resource.settings = serde_json::from_value(settings).expect("settings");
    });
    let object = told(&team, "shop-web-db", "Synced", "False", "Drifted").await;
    assert_eq!(condition(&object, "Ready").expect("Ready").status, "True");
    assert_eq!(setting("highAvailability"), json!(true), "an operator's change is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_that_went_bad_leaves_what_runs_and_can_be_deleted() {
    let team = Team::new(Cluster::shared(), "bad").await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    team.apply_json(written("db", "rds", json!({"engine": "mysql", "size": "enormous"})))
        .await;
    let object = told(&team, "shop-web-db", "Synced", "False", "InvalidSpec").await;
    assert_eq!(condition(&object, "Ready").expect("Ready").status, "True");
    assert!(
        condition(&object, "Synced").expect("Synced").message.contains("size"),
        "{object:?}"
    );
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    empty(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_takes_few_writes() {
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::new(&cluster, "writes").await;
    team.apply_json(written("first", "log", json!({}))).await;
    ready(&team, "shop-web-first").await;
    let before = operator.metrics.writes();
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    let after = operator.metrics.writes();
    // The lease is renewed meanwhile, at most once here; the object itself was written by hand.
    let writes = (after.0 - before.0) - (after.1 - before.1);
    println!("API writes for one database from declared to bound, Events and the declaration apart: {writes}");
    assert!(writes <= 6, "{writes} writes");
    operator.stop().await.expect("it ends in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_environment_does_without_is_skipped() {
    let environment = json!({"providers": {"default": "none"}});
    let team = Team::with(Cluster::shared(), "none", json!({}), environment).await;
    team.apply_json(written("log", "log", json!({}))).await;
    told(&team, "shop-web-log", "Ready", "True", "Skipped").await;
    assert!(team.cloud.list().is_empty());
    delete(&team, "shop-web-log").await;
    gone(&team, "shop-web-log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_bound_and_never_touched() {
    let any = json!({"existing": {"rds": [{"id": "*", "namespaces": {}}]}});
    let team = Team::with(Cluster::shared(), "existing", json!({}), any).await;
    team.apply_json(mysql()).await;
    let owned = ready(&team, "shop-web-db").await;
    let settings = team.cloud.get(&external_id(&owned)).expect("it is there").settings;
    let foreign = team.cloud.add_foreign("legacy", settings);

    let mut credentials = Secret::default();
    credentials.metadata.name = Some("legacy".into());
    credentials.string_data = Some(
        [
            ("username".to_owned(), "old".to_owned()),
            ("password".to_owned(), "friend".to_owned()),
        ]
        .into(),
    );
    team.api::<Secret>()
        .create(&PostParams::default(), &credentials)
        .await
        .expect("a Secret");
    let existing = json!({"id": foreign.as_str(), "credentialsSecret": "legacy"});
    team.apply_json(written(
        "legacy",
        "rds",
        json!({"engine": "mysql", "existing": existing}),
    ))
    .await;
    ready(&team, "shop-web-legacy").await;
    let bound = entries(&team, "shop-web-legacy").await;
    assert_eq!(
        (bound["username"].as_str(), bound["password"].as_str()),
        ("old", "friend")
    );
    let before = team.cloud.get(&foreign);
    delete(&team, "shop-web-legacy").await;
    gone(&team, "shop-web-legacy").await;
    assert_eq!(team.cloud.get(&foreign), before, "it is as it was");

    // One of ours is used by a bind, which its owner consents to, and not by its id.
    let stolen = json!({"id": external_id(&owned).as_str()});
    team.apply_json(written("stolen", "rds", json!({"engine": "mysql", "existing": stolen})))
        .await;
    told(&team, "shop-web-stolen", "Ready", "False", "NotAllowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_changed_consumers_have_what_they_had() {
    let team = Team::with(Cluster::shared(), "inplace", json!({"provisioning": "3s"}), json!({})).await;
    team.apply_json(mysql()).await;
    let revision = |object: &CloudResource| object.status.as_ref().and_then(|status| status.binding_revision);
    let before = revision(&ready(&team, "shop-web-db").await);
    let first = entries(&team, "shop-web-db").await;
    assert!(first.contains_key("host") && first.contains_key("uri"));
    let larger = json!({"engine": "mysql", "storage": "40Gi"});
    team.apply_json(written("db", "rds", larger)).await;
    until(&team, "shop-web-db", "it is being changed", |object| {
        Some(condition(object, "Ready")?.reason == "Updating")
    })
    .await;
    let after = eventually("it is changed", async || {
        assert_eq!(
            entries(&team, "shop-web-db").await,
            first,
            "what they had is good all the time"
        );
        let object = get(&team, "shop-web-db").await;
        let is_over = condition(&object, "Ready")?.reason == "Ready" && condition(&object, "Synced")?.status == "True";
        (is_over && object.metadata.generation == condition(&object, "Synced")?.observed_generation).then_some(object)
    })
    .await;
    assert_eq!(revision(&after), before);
}
