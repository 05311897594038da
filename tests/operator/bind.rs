//! A bind with somebody who uses it goes after them; and whoever is called alike has a login of their own.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use mooring_provider::Access;
use serde_json::{Value as Json, json};

use crate::{
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

fn report() -> Json {
    let labels = json!({"app.oam.dev/component": "report"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "report", "labels": {"app.oam.dev/component": "report", "app.oam.dev/name": "shop"},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "report", "image": "report:1.0"}]},
            },
        },
    })
}

/// New pods of the Deployment find no node, or find one again.
async fn node_selector(team: &Team, selector: Json) {
    let patch = json!({"spec": {"template": {"spec": {"nodeSelector": selector}}}});
    team.api::<Deployment>()
        .patch("report", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("its owner may");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bind_that_goes_waits_for_those_who_use_it_and_then_gives_its_account_back() {
    let team = Team::new(Cluster::shared(), "bindgoes").await;
    team.apply_json(mysql()).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let mut bind = written("db", "bind", json!({"to": "web/db", "access": "readonly", "as": "DB"}));
    bind["metadata"]["name"] = json!("shop-report-db");
    bind["spec"]["component"] = json!("report");
    team.apply_json(report()).await;
    team.apply_json(bind).await;
    told(&team, "shop-report-db", "Bound", "True", "Bound").await;
    eventually("its pod has it", async || {
        let there = team.api::<Deployment>().get("report").await.ok()?;
        let status = there.status.clone()?;
        let is_rolled = status.observed_generation == there.metadata.generation
            && [status.updated_replicas, status.replicas, status.available_replicas] == [Some(1); 3];
        is_rolled.then_some(())
    })
    .await;
    let own = entries(&team, "shop-report-db").await;
    let login = || team.cloud.login(&id, &own["username"], &own["password"]);
    assert_eq!(login(), Some(Access::ReadOnly));

    // The pod of before stays, since the new one finds no node; and with it the account.
    node_selector(&team, json!({"nowhere": "1"})).await;
    delete(&team, "shop-report-db").await;
    let waiting = told(&team, "shop-report-db", "Deleting", "True", "WaitingForConsumers").await;
    let message = &condition(&waiting, "Deleting").expect("it was told").message;
    assert!(
        message.contains("Deployment report") && message.contains("mooring.dev/release=true"),
        "{message}"
    );
    quiet(&team, "shop-report-db").await;
    assert_eq!(login(), Some(Access::ReadOnly), "who still runs is still let in");
    assert!(!entries(&team, "shop-report-db").await.is_empty());

    node_selector(&team, Json::Null).await;
    gone(&team, "shop-report-db").await;
    assert_eq!(login(), None, "the account is gone before the bind is");
    let accounts = team.cloud.get(&id).expect("it is there").accounts;
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    assert_eq!(logs_in(&team, "shop-web-db", &id).await, Some(Access::Owner));
    let there = team.api::<Deployment>().get("report").await.expect("it is there");
    let pod = there.spec.expect("a spec").template.spec.expect("a pod");
    assert!(pod.containers[0].env.iter().flatten().next().is_none(), "{pod:?}");
    assert!(entries(&team, "shop-report-db").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_applications_of_one_name_share_nothing_but_the_provider() {
    let team = Team::new(Cluster::shared(), "alike").await;
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(format!("{}-x", team.namespace));
    namespace.metadata.labels = Some([("mooring.dev/environment".to_owned(), team.namespace.clone())].into());
    Api::<Namespace>::all(team.client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .expect("a namespace");
    let twin = Team {
        client: team.client.clone(),
        namespace: format!("{}-x", team.namespace),
        cloud: team.cloud.clone(),
    };
    let mut all = Vec::new();
    for one in [&team, &twin] {
        one.apply_json(mysql()).await;
        let id = external_id(&ready(one, "shop-web-db").await);
        assert!(one.cloud.write(&id, one.namespace.as_str()));
        all.push((one, id, entries(one, "shop-web-db").await));
    }
    for (at, (one, id, own)) in all.iter().enumerate() {
        let (_, other, theirs) = &all[1 - at];
        assert_eq!(logs_in(one, "shop-web-db", id).await, Some(Access::Owner));
        assert_eq!(one.cloud.login(other, &own["username"], &own["password"]), None);
        assert_ne!(
            (id, &own["password"], &own["host"]),
            (other, &theirs["password"], &theirs["host"])
        );
        assert_eq!(one.cloud.rows(id), Some(vec![one.namespace.clone()]));
    }
    // One goes, and the other's stays.
    delete(&twin, "shop-web-db").await;
    gone(&twin, "shop-web-db").await;
    let (_, id, _) = &all[0];
    assert_eq!(logs_in(&team, "shop-web-db", id).await, Some(Access::Owner));
    assert_eq!(team.cloud.rows(id), Some(vec![team.namespace.clone()]));
}
