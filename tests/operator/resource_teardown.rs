//! How CloudResources go, and what stays of them.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use mooring::api::{CloudResource, Environment, ProviderConfig, RetainedResource, RetainedStanding};
use mooring_provider::{Kind, Phase};
use mooring_provider_mock::Op;
use serde_json::json;

use crate::{
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

async fn remove_environment(team: &Team) {
    let environments = Api::<Environment>::all(team.client.clone());
    environments
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("it may be deleted");
    eventually("the Environment is gone", async || {
        environments
            .get_opt(&team.namespace)
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_leaves_nothing() {
    let team = Team::new(Cluster::shared(), "nsgone").await;
    team.apply_json(written("net", "vpc", json!({"network": "dedicated"})))
        .await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    let namespaces = Api::<Namespace>::all(team.client.clone());
    namespaces
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("it may be deleted");
    eventually("the namespace is gone", async || {
        namespaces
            .get_opt(&team.namespace)
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
    empty(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_environment_it_goes_as_that_said_last() {
    let cluster = Cluster::shared();
    let lenient = Team::new(cluster, "envgone").await;
    lenient.apply_json(mysql()).await;
    ready(&lenient, "shop-web-db").await;
    remove_environment(&lenient).await;
    delete(&lenient, "shop-web-db").await;
    gone(&lenient, "shop-web-db").await;
    empty(&lenient).await;

    let strict = Team::with(cluster, "envgone-prod", json!({}), json!({"class": "production"})).await;
    strict.apply_json(mysql()).await;
    let id = external_id(&ready(&strict, "shop-web-db").await);
    remove_environment(&strict).await;
    delete(&strict, "shop-web-db").await;
    gone(&strict, "shop-web-db").await;
    assert!(
        matches!(strict.cloud.phase(&id), Some(Phase::Parked(_))),
        "{:?}",
        strict.cloud.phase(&id)
    );
    assert_eq!(retained(&strict).await[0].spec.standing, RetainedStanding::Parked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_database_is_taken_back_with_its_rows() {
    let team = Team::with(Cluster::shared(), "parked", json!({}), json!({"class": "production"})).await;
    team.apply_json(mysql()).await;
    let before = ready(&team, "shop-web-db").await;
    let id = external_id(&before);
    assert!(team.cloud.write(&id, "order 1"));
    let old = entries(&team, "shop-web-db").await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    let kept = retained(&team).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].spec.standing, RetainedStanding::Parked);
    assert!(kept[0].spec.keep_until.is_some());
    assert_eq!(kept[0].spec.external_id, id);
    assert_eq!(
        team.cloud.login(&id, &old["username"], &old["password"]),
        None,
        "access is revoked"
    );
    assert!(entries(&team, "shop-web-db").await.is_empty());

    team.apply_json(mysql()).await;
    let after = ready(&team, "shop-web-db").await;
    assert_eq!((identity(&after), external_id(&after)), (identity(&before), id.clone()));
    assert_eq!(team.cloud.rows(&id), Some(vec!["order 1".to_owned()]));
    assert!(logs_in(&team, "shop-web-db", &id).await.is_some());
    assert_eq!(team.cloud.created(), 1);
    eventually("its record is gone", async || {
        retained(&team).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_database_is_reaped_when_its_time_is_over() {
    let environment = json!({"deletion": {"rds": {"policy": "Recycle", "after": "2s"}}});
    let team = Team::with(Cluster::shared(), "reaped", json!({}), environment).await;
    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    empty(&team).await;
    eventually("its record is gone", async || {
        retained(&team).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(team.cloud.count(Op::Park, Kind::Rds), 1, "it was parked first");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_parked_database_goes_with_an_sres_word_only() {
    let team = Team::with(Cluster::shared(), "word", json!({}), json!({"class": "production"})).await;
    team.apply_json(mysql()).await;
    let object = ready(&team, "shop-web-db").await;
    let id = external_id(&object);
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    let name = retained(&team).await[0].name_any();
    let records = Api::<RetainedResource>::all(team.client.clone());
    records
        .delete(&name, &DeleteParams::default())
        .await
        .expect("it may be asked for");
    eventually("it says what it waits for", async || {
        let status = records.get(&name).await.expect("it stays").status?;
        status
            .conditions
            .iter()
            .any(|known| known.reason == "WaitingForApproval")
            .then_some(())
    })
    .await;
    assert!(team.cloud.get(&id).is_some());
    approve(&team, &identity(&object), "delete").await;
    eventually("its record is gone", async || {
        retained(&team).await.is_empty().then_some(())
    })
    .await;
    empty(&team).await;
    // The word was for one deletion.
    let environment = Api::<Environment>::all(team.client.clone())
        .get(&team.namespace)
        .await
        .expect("it is there");
    assert!(
        environment
            .annotations()
            .keys()
            .all(|name| !name.starts_with("approve.mooring.dev/"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_database_stays_and_is_forgotten_when_its_record_is_deleted() {
    let team = Team::new(Cluster::shared(), "retain").await;
    team.apply_json(written(
        "db",
        "rds",
        json!({"engine": "mysql", "deletionPolicy": "Retain"}),
    ))
    .await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    let kept = retained(&team).await;
    assert_eq!(kept[0].spec.standing, RetainedStanding::Retained);
    assert_eq!(team.cloud.phase(&id), Some(Phase::Ready));
    let records = Api::<RetainedResource>::all(team.client.clone());
    records
        .delete(&kept[0].name_any(), &DeleteParams::default())
        .await
        .expect("it may be forgotten");
    eventually("its record is gone", async || {
        retained(&team).await.is_empty().then_some(())
    })
    .await;
    assert!(team.cloud.get(&id).is_some());
    // What was given up is not taken back by declaring it again.
    team.apply_json(mysql()).await;
    assert_ne!(external_id(&ready(&team, "shop-web-db").await), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_sre_gives_up_goes_without_a_call() {
    let team = Team::new(Cluster::shared(), "abandon").await;
    team.apply_json(mysql()).await;
    let object = ready(&team, "shop-web-db").await;
    team.cloud.set_down(true);
    delete(&team, "shop-web-db").await;
    told(&team, "shop-web-db", "Deleting", "True", "Unavailable").await;
    approve(&team, &identity(&object), "abandon").await;
    gone(&team, "shop-web-db").await;
    let kept = retained(&team).await;
    assert_eq!(kept[0].spec.standing, RetainedStanding::Abandoned);
    assert!(kept[0].spec.reason.contains("approved"), "{}", kept[0].spec.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_deletions_than_allowed_wait_for_an_sre() {
    let environment = json!({"limits": {"deletesPerHour": {"rds": 1}}});
    let team = Team::with(Cluster::shared(), "perhour", json!({}), environment).await;
    for name in ["one", "two"] {
        team.apply_json(written(name, "rds", json!({"engine": "mysql"}))).await;
    }
    ready(&team, "shop-web-one").await;
    let two = ready(&team, "shop-web-two").await;
    delete(&team, "shop-web-one").await;
    gone(&team, "shop-web-one").await;
    delete(&team, "shop-web-two").await;
    let waiting = told(&team, "shop-web-two", "Deleting", "True", "DeletionLimit").await;
    let message = &condition(&waiting, "Deleting").expect("Deleting").message;
    assert!(message.contains("mooring approve delete"), "{message}");
    assert!(team.cloud.get(&external_id(&two)).is_some());
    // A developer's word, on the object itself, is none.
    annotate(
        &team,
        "shop-web-two",
        &format!("approve.mooring.dev/{}", identity(&two)),
        "delete",
    )
    .await;
    approve(&team, &identity(&two), "delete").await;
    gone(&team, "shop-web-two").await;
    empty(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_need_waits_for_them_and_can_be_released() {
    let team = Team::new(Cluster::shared(), "release").await;
    team.apply_json(mysql()).await;
    let watching = json!({"alarms": [{"of": "db", "metric": "connections", "above": "80%"}]});
    team.apply_json(written("alarms", "monitor", watching)).await;
    ready(&team, "shop-web-db").await;
    ready(&team, "shop-web-alarms").await;
    delete(&team, "shop-web-db").await;
    let waiting = told(&team, "shop-web-db", "Deleting", "True", "WaitingForDependents").await;
    let message = &condition(&waiting, "Deleting").expect("Deleting").message;
    assert!(
        message.contains("shop-web-alarms") && message.contains("mooring.dev/release"),
        "{message}"
    );
    assert_eq!(team.cloud.count(Op::Delete, Kind::Rds), 0);
    annotate(&team, "shop-web-db", "mooring.dev/release", "true").await;
    gone(&team, "shop-web-db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_config_stays_while_something_is_there_and_its_credentials_are_kept() {
    let cluster = Cluster::shared();
    let mock = json!({"requiresCredentials": true});
    let team = Team::with(cluster, "inuse", mock.clone(), json!({})).await;
    let configs = Api::<ProviderConfig>::all(team.client.clone());
    let secrets = Api::<Secret>::namespaced(team.client.clone(), crate::support::cluster::SYSTEM);
    let credentials = |token: &str| {
        let mut secret = Secret::default();
        secret.metadata.name = Some(team.namespace.clone());
        secret.string_data = Some([("token".to_owned(), token.to_owned())].into());
        secret
    };
    let reason = async |wanted: &str| {
        eventually(&format!("the ProviderConfig says {wanted}"), async || {
            let status = configs.get(&team.namespace).await.expect("it is there").status?;
            status
                .conditions
                .iter()
                .any(|known| known.type_ == "Ready" && known.reason == wanted)
                .then_some(())
        })
        .await;
    };
    reason("Unauthenticated").await;
    let spec = json!({"credentials": {"secretRef": {"name": team.namespace}}});
    let patch = Patch::Merge(json!({"spec": spec}));
    configs
        .patch(&team.namespace, &PatchParams::default(), &patch)
        .await
        .expect("it may be changed");
    reason("CredentialsNotFound").await;
    secrets
        .create(&Default::default(), &credentials("revoked"))
        .await
        .expect("a Secret");
    reason("Unauthenticated").await;
    let patch = Patch::Merge(json!({"stringData": {"token": "good"}}));
    secrets
        .patch(&team.namespace, &PatchParams::default(), &patch)
        .await
        .expect("it may be rotated");
    reason("Ready").await;
    let status = configs
        .get(&team.namespace)
        .await
        .expect("it is there")
        .status
        .expect("a status");
    assert_eq!(status.account.as_deref(), Some(team.namespace.as_str()));

    team.apply_json(mysql()).await;
    ready(&team, "shop-web-db").await;
    secrets
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("it may be deleted");
    configs
        .delete(&team.namespace, &DeleteParams::default())
        .await
        .expect("it may be asked for");
    eventually("it says what holds it", async || {
        let status = configs.get(&team.namespace).await.expect("it stays").status?;
        let deleting = status.conditions.iter().find(|known| known.type_ == "Deleting")?;
        deleting.message.contains("shop-web-db").then_some(())
    })
    .await;
    team.apply_json(written("late", "log", json!({}))).await;
    told(&team, "shop-web-late", "Ready", "False", "ProviderNotReady").await;
    remove_environment(&team).await;
    delete(&team, "shop-web-late").await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
    gone(&team, "shop-web-late").await;
    empty(&team).await;
    eventually("the ProviderConfig is gone", async || {
        configs
            .get_opt(&team.namespace)
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
    let copy = format!("mooring-credentials-{}", team.namespace);
    assert!(
        secrets.get_opt(&copy).await.expect("an answer").is_none(),
        "the copy goes with it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_makes_no_sense_says_so() {
    let cluster = Cluster::shared();
    let environment = json!({"network": {"clients": {"cidrs": ["10.0.0.1/16"]}}});
    let team = Team::with(cluster, "nonsense", json!({}), environment).await;
    let environments = Api::<Environment>::all(team.client.clone());
    let says = async |wanted: &str| {
        eventually(&format!("the Environment says {wanted}"), async || {
            let status = environments.get(&team.namespace).await.expect("it is there").status?;
            status
                .conditions
                .iter()
                .find(|known| known.reason == wanted)
                .map(|known| known.message.clone())
        })
        .await
    };
    assert!(
        says("InvalidEnvironment").await.contains("10.0.0.0/16"),
        "it names the fix"
    );
    let patch = Patch::Merge(json!({"spec": {"network": null, "providers": {"default": "nowhere"}}}));
    environments
        .patch(&team.namespace, &PatchParams::default(), &patch)
        .await
        .expect("it may be changed");
    assert!(says("ProviderNotFound").await.contains("nowhere"));
    team.apply_json(mysql()).await;
    told(&team, "shop-web-db", "Ready", "False", "ProviderNotFound").await;
    delete(&team, "shop-web-db").await;
    gone(&team, "shop-web-db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_forgets_no_parked_database() {
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::with(&cluster, "parkedlost", json!({}), json!({"class": "production"})).await;
    team.apply_json(mysql()).await;
    team.apply_json(written(
        "kept",
        "rds",
        json!({"engine": "mysql", "deletionPolicy": "Retain"}),
    ))
    .await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let kept = external_id(&ready(&team, "shop-web-kept").await);
    assert!(team.cloud.write(&id, "order 1"));
    for name in ["shop-web-db", "shop-web-kept"] {
        delete(&team, name).await;
        gone(&team, name).await;
    }
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
    let operator = cluster.operator();
    team.apply_json(mysql()).await;
    assert_eq!(external_id(&ready(&team, "shop-web-db").await), id);
    assert_eq!(team.cloud.rows(&id), Some(vec!["order 1".to_owned()]));
    eventually("one record is left", async || {
        let left = retained(&team).await;
        (left.len() == 1 && left[0].spec.external_id == kept).then_some(())
    })
    .await;
    assert_eq!(team.cloud.created(), 2);
    assert!(
        team.api::<CloudResource>()
            .get_opt("shop-web-kept")
            .await
            .expect("an answer")
            .is_none()
    );
    operator.stop().await.expect("it ends in good order");
}
