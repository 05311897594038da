//! A login is replaced while both are good: nobody is cut off, the pods are rolled once, and in the end there is one.

mod interrupted;
mod load;

use std::collections::BTreeMap;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use mooring::api::ServiceBinding;
use mooring_provider::{Access, ExternalId, Kind};
use mooring_provider_mock::{Call, Fault, Op};
use serde_json::{Value as Json, json};

use crate::{
    interrupted::{rolled, workload},
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

const NAME: &str = "shop-web-db";

type Entries = BTreeMap<String, String>;

/// A database that is bound into the Deployment `web`, and what its pods were first given.
struct Bound {
    team: Team,
    id: ExternalId,
    first: Entries,
}

impl Bound {
    async fn of(team: Team, rotation: Json) -> Self {
        team.apply_json(written(
            "db",
            "rds",
            json!({"engine": "mysql", "as": "DB", "rotation": rotation}),
        ))
        .await;
        team.apply_json(workload()).await;
        told(&team, NAME, "Bound", "True", "Bound").await;
        assert_eq!(rolled(&team).await.1, "2", "one rollout for the binding");
        let (id, first) = (external_id(&get(&team, NAME).await), entries(&team, NAME).await);
        Self { team, id, first }
    }

    /// Somebody has sessions open, or has no more.
    fn sessions(&self, account: &str, open: u32) {
        let account = account.to_owned();
        self.team.cloud.change(&self.id, |resource| {
            resource.sessions.insert(account, open);
        });
    }

    fn admits(&self, entries: &Entries) -> bool {
        let login = self
            .team
            .cloud
            .login(&self.id, &entries["username"], &entries["password"]);
        login.is_some()
    }

    fn accounts(&self) -> Vec<String> {
        let resource = self.team.cloud.get(&self.id).expect("it is there");
        resource.accounts.into_keys().collect()
    }

    /// Waits until consumers are shown another login, which is good, and answers it.
    async fn another(&self, than: &Entries) -> Entries {
        eventually("another login is shown", async || {
            let now = entries(&self.team, NAME).await;
            (now.get("username")? != &than["username"]).then_some(now)
        })
        .await
    }

    /// Waits until there is one login, which is as it is shown.
    async fn settled(&self) -> Entries {
        eventually("there is one login", async || {
            let now = entries(&self.team, NAME).await;
            let is_one = self.accounts() == [now.get("username")?.clone()] && !now.contains_key("previous-password");
            (is_one && self.admits(&now)).then_some(now)
        })
        .await
    }

    /// Waits until the pods are of the template that was rolled out as so many.
    async fn rolled(&self, rollouts: &str) {
        let namespace = &self.team.namespace;
        eventually(
            &format!("{namespace}: the pods are rolled, {rollouts} in all"),
            async || {
                let (_, so_far) = rolled(&self.team).await;
                assert!(
                    so_far.parse::<u32>().ok() <= rollouts.parse().ok(),
                    "{namespace}: rolled {so_far} times, and not {rollouts}"
                );
                (so_far == rollouts).then_some(())
            },
        )
        .await;
    }

    async fn rotate(&self, value: &str) {
        annotate(&self.team, NAME, "mooring.dev/rotate", value).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_login_goes_when_the_pods_are_rolled_and_nobody_uses_it_and_they_are_rolled_once() {
    let bound = Bound::of(Team::new(Cluster::shared(), "rotation").await, json!({})).await;
    bound.sessions("shop", 3);
    bound.rotate("monday").await;
    let second = bound.another(&bound.first).await;
    assert_eq!(second["username"], "shop_g2");
    assert!(second["uri"].contains("shop_g2") && second["uri"].contains(&second["password"]));
    assert!(bound.admits(&second), "what is shown is good from the first moment on");
    bound.rolled("3").await;
    let told_of = until(&bound.team, NAME, "who uses the old one", |object| {
        let rotated = condition(object, "Rotated")?;
        Some(rotated.status == "False" && rotated.message.contains("3 sessions of `shop` are open"))
    })
    .await;
    let status = serde_json::to_string(&told_of.status).expect("JSON");
    assert!(!status.contains(&second["password"]) && !status.contains(&bound.first["password"]));
    assert!(bound.admits(&bound.first), "somebody uses it");
    bound.sessions("shop", 0);
    assert_eq!(bound.settled().await["username"], "shop_g2");
    assert!(!bound.admits(&bound.first));
    told(&bound.team, NAME, "Rotated", "True", "Rotated").await;
    assert_eq!(rolled(&bound.team).await.1, "3", "none for the end of it");
    quiet(&bound.team, NAME).await;
    assert_eq!(bound.team.cloud.count(Op::DropAccount, Kind::Rds), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_told_and_cuts_nobody_off_unless_somebody_says_so() {
    let bound = Bound::of(Team::new(Cluster::shared(), "deadline").await, json!({"within": "1s"})).await;
    bound.sessions("shop", 1);
    bound.rotate("monday").await;
    let second = bound.another(&bound.first).await;
    let overdue = until(&bound.team, NAME, "who uses the old one is told", |object| {
        let rotated = condition(object, "Rotated")?;
        Some(rotated.reason == "RotationOverdue" && rotated.message.contains("1 sessions of `shop`"))
    })
    .await;
    let message = &condition(&overdue, "Rotated").expect("it was told").message;
    assert!(message.contains("--finish") && message.contains("--undo"), "{message}");
    assert!(bound.admits(&bound.first), "it is kept");
    // A word about another rotation is none about this one.
    annotate(&bound.team, NAME, "mooring.dev/finish-rotation", "1/2").await;
    quiet(&bound.team, NAME).await;
    assert!(bound.admits(&bound.first), "it is kept");
    annotate(&bound.team, NAME, "mooring.dev/finish-rotation", "2/2").await;
    assert_eq!(bound.settled().await, without_hidden(second));
}

fn without_hidden(mut entries: Entries) -> Entries {
    entries.remove("previous-password");
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaked_is_revoked_in_time_whoever_uses_it() {
    let bound = Bound::of(Team::new(Cluster::shared(), "leaked").await, json!({})).await;
    bound.sessions("shop", 9);
    let asked = json!({"mooring.dev/rotate": "now", "mooring.dev/revoke-after": "0s"});
    let patch = Patch::Merge(json!({"metadata": {"annotations": asked}}));
    let patched = bound
        .team
        .api::<mooring::api::CloudResource>()
        .patch(NAME, &PatchParams::default(), &patch)
        .await;
    patched.expect("it may be annotated");
    bound.another(&bound.first).await;
    assert_eq!(bound.settled().await["username"], "shop_g2");
    bound.rolled("3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_way_back_while_the_old_login_stands() {
    let bound = Bound::of(Team::new(Cluster::shared(), "undo").await, json!({})).await;
    bound.sessions("shop", 1);
    bound.rotate("monday").await;
    let second = bound.another(&bound.first).await;
    bound.rolled("3").await;
    annotate(&bound.team, NAME, "mooring.dev/undo-rotation", "2").await;
    let back = bound.another(&second).await;
    assert_eq!(
        (&back["username"], &back["password"]),
        (&bound.first["username"], &bound.first["password"])
    );
    assert_eq!(bound.settled().await["username"], "shop");
    bound.rolled("4").await;
    bound.sessions("shop", 0);
    bound.rotate("tuesday").await;
    eventually("the next one has a name that was never used", async || {
        (entries(&bound.team, NAME).await["username"] == "shop_g3").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_about_one_rotation_is_none_about_the_next() {
    let bound = Bound::of(Team::new(Cluster::shared(), "stale").await, json!({})).await;
    bound.rotate("monday").await;
    let second = bound.another(&bound.first).await;
    annotate(&bound.team, NAME, "mooring.dev/finish-rotation", "2/2").await;
    assert_eq!(bound.settled().await["username"], "shop_g2");
    bound.sessions("shop_g2", 1);
    bound.rotate("tuesday").await;
    let third = bound.another(&second).await;
    bound.sessions("shop_g3", 1);
    annotate(&bound.team, NAME, "mooring.dev/undo-rotation", "3").await;
    assert_eq!(bound.another(&third).await["username"], "shop_g2");
    quiet(&bound.team, NAME).await;
    assert!(
        bound.admits(&third),
        "somebody uses it, and the word to drop it was about another"
    );
    bound.sessions("shop_g3", 0);
    assert_eq!(bound.settled().await["username"], "shop_g2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_dropped_unheard_is_good_again_before_it_is_shown_again() {
    let bound = Bound::of(Team::new(Cluster::shared(), "unheard").await, json!({})).await;
    bound.sessions("shop", 1);
    bound.rotate("monday").await;
    let second = bound.another(&bound.first).await;
    bound.rolled("3").await;
    // The account is dropped, and nobody hears of it.
    let cloud = &bound.team.cloud;
    cloud.plan_faults(|call: &Call| (call.op == Op::DropAccount).then_some(Fault::After));
    bound.sessions("shop", 0);
    eventually("it is dropped", async || (!bound.admits(&bound.first)).then_some(())).await;
    annotate(&bound.team, NAME, "mooring.dev/undo-rotation", "2").await;
    let back = bound.another(&second).await;
    cloud.clear_faults();
    assert_eq!(back["password"], bound.first["password"]);
    assert!(bound.admits(&back), "what is shown is good");
    assert_eq!(bound.settled().await["username"], "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_are_not_rolled_keep_the_old_login_though_no_session_is_open() {
    let bound = Bound::of(Team::new(Cluster::shared(), "paused").await, json!({})).await;
    let deployments = bound.team.api::<Deployment>();
    let pause = async |paused: bool| {
        let patch = Patch::Merge(json!({"spec": {"paused": paused}}));
        let patched = deployments.patch("web", &PatchParams::default(), &patch).await;
        patched.expect("it may be paused");
    };
    pause(true).await;
    bound.rotate("monday").await;
    bound.another(&bound.first).await;
    until(&bound.team, NAME, "which pods have the old one", |object| {
        let rotated = condition(object, "Rotated")?;
        Some(rotated.status == "False" && rotated.message.contains("Deployment"))
    })
    .await;
    quiet(&bound.team, NAME).await;
    assert!(bound.admits(&bound.first), "its pods have no other");
    pause(false).await;
    assert_eq!(bound.settled().await["username"], "shop_g2");
    bound.rolled("3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_binding_shows_is_kept_until_somebody_says_so() {
    let bound = Bound::of(Team::new(Cluster::shared(), "shown").await, json!({})).await;
    let binding = json!({
        "apiVersion": "servicebinding.io/v1", "kind": "ServiceBinding", "metadata": {"name": "elsewhere"},
        "spec": {
            "service": {"apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource", "name": NAME},
            "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "not-there-yet"},
            "env": [{"name": "PASSWORD", "key": "password"}],
        },
    });
    bound.team.apply_json(binding).await;
    bound.rotate("monday").await;
    bound.another(&bound.first).await;
    until(&bound.team, NAME, "what shows the old one", |object| {
        let rotated = condition(object, "Rotated")?;
        Some(rotated.status == "False" && rotated.message.contains("ServiceBinding elsewhere"))
    })
    .await;
    bound.rolled("3").await;
    quiet(&bound.team, NAME).await;
    assert!(bound.admits(&bound.first), "who has it is not known");
    annotate(&bound.team, NAME, "mooring.dev/finish-rotation", "2/2").await;
    assert_eq!(bound.settled().await["username"], "shop_g2");

    delete(&bound.team, NAME).await;
    until(&bound.team, NAME, "what it waits for", |object| {
        let deleting = condition(object, "Deleting")?;
        Some(deleting.message.contains("ServiceBinding elsewhere"))
    })
    .await;
    let bindings = bound.team.api::<ServiceBinding>();
    let deleted = bindings.delete("elsewhere", &DeleteParams::default()).await;
    deleted.expect("it may be deleted");
    gone(&bound.team, NAME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_for_the_database_is_refused_and_costs_nobody_the_login() {
    let bound = Bound::of(Team::new(Cluster::shared(), "renamed").await, json!({})).await;
    let changed = json!({"engine": "mysql", "as": "DB", "database": "store"});
    bound.team.apply_json(written("db", "rds", changed)).await;
    until(&bound.team, NAME, "that it cannot be changed", |object| {
        Some(condition(object, "Synced")?.message.contains("database"))
    })
    .await;
    quiet(&bound.team, NAME).await;
    assert!(bound.admits(&bound.first), "it is in use");
    let now = entries(&bound.team, NAME).await;
    assert_eq!(
        (&now["username"], &now["password"]),
        (&bound.first["username"], &bound.first["password"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_writes_about_generations_is_not_believed_beyond_reason() {
    let bound = Bound::of(Team::new(Cluster::shared(), "absurd").await, json!({})).await;
    let secret = bound.team.api::<Secret>().get(NAME).await.expect("it is there");
    let mut known: Json = serde_json::from_str(&secret.annotations()["mooring.dev/generations"]).expect("JSON");
    known["highest"] = json!(4_000_000_000_u32);
    let annotations = json!({"mooring.dev/generations": known.to_string()});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let secrets = bound.team.api::<Secret>();
    let patched = secrets.patch(NAME, &PatchParams::default(), &patch).await;
    patched.expect("it may be annotated");
    annotate(&bound.team, NAME, "look", "again").await;
    eventually("it is as it was", async || {
        let secret = secrets.get(NAME).await.ok()?;
        let known: Json = serde_json::from_str(&secret.annotations()["mooring.dev/generations"]).ok()?;
        (known["highest"].as_u64()? < 10).then_some(())
    })
    .await;
    assert!(bound.admits(&entries(&bound.team, NAME).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_rotated_by_itself_when_its_time_has_come() {
    let bound = Bound::of(Team::new(Cluster::shared(), "schedule").await, json!({"every": "90d"})).await;
    let due = |object: &mooring::api::CloudResource| object.status.as_ref()?.credentials.as_ref()?.next_rotation;
    let before = until(&bound.team, NAME, "when it is due", |object| {
        Some(due(object).is_some())
    })
    .await;
    let days = due(&before)
        .expect("just seen")
        .duration_since(jiff::Timestamp::now())
        .as_hours()
        / 24;
    assert!(
        (80..90).contains(&days),
        "up to a tenth earlier than in 90 days, and it is in {days}"
    );
    // 100 days go by.
    let secret = bound.team.api::<Secret>().get(NAME).await.expect("it is there");
    let mut known: Json = serde_json::from_str(&secret.annotations()["mooring.dev/generations"]).expect("JSON");
    known["since"] = json!(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2_400));
    let annotations = json!({"mooring.dev/generations": known.to_string()});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let patched = bound
        .team
        .api::<Secret>()
        .patch(NAME, &PatchParams::default(), &patch)
        .await;
    patched.expect("it may be annotated");
    bound.another(&bound.first).await;
    assert_eq!(bound.settled().await["username"], "shop_g2");
    assert_eq!(rolled(&bound.team).await.1, "3", "one rollout");
    let after = told(&bound.team, NAME, "Rotated", "True", "Rotated").await;
    let days = due(&after)
        .expect("it is due")
        .duration_since(jiff::Timestamp::now())
        .as_hours()
        / 24;
    assert!((80..90).contains(&days), "the next one is in its time, in {days}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bind_is_rotated_for_itself() {
    let team = Team::new(Cluster::shared(), "rotatebind").await;
    team.apply_json(mysql()).await;
    let mut bind = written("db", "bind", json!({"to": "web/db", "access": "readonly"}));
    bind["metadata"]["name"] = json!("shop-report-db");
    bind["spec"]["component"] = json!("report");
    team.apply_json(bind).await;
    let id = external_id(&ready(&team, NAME).await);
    ready(&team, "shop-report-db").await;
    let (own, first) = (entries(&team, NAME).await, entries(&team, "shop-report-db").await);
    annotate(&team, "shop-report-db", "mooring.dev/rotate", "monday").await;
    eventually("it has another login, and the one before is gone", async || {
        let now = entries(&team, "shop-report-db").await;
        let is_other = now["username"] != first["username"];
        let is_gone = team.cloud.login(&id, &first["username"], &first["password"]).is_none();
        let may = logs_in(&team, "shop-report-db", &id).await;
        (is_other && is_gone && may == Some(Access::ReadOnly)).then_some(())
    })
    .await;
    told(&team, "shop-report-db", "Rotated", "True", "Rotated").await;
    assert_eq!(entries(&team, NAME).await, own, "the owner's is its own");
    let names = entries(&team, "shop-report-db").await;
    assert!(!names.contains_key("previous-password") && !names.contains_key("next-password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_too_often_is_refused() {
    let team = Team::new(Cluster::shared(), "toooften").await;
    team.apply_json(written(
        "db",
        "rds",
        json!({"engine": "mysql", "rotation": {"every": "5m"}}),
    ))
    .await;
    let refused = told(&team, NAME, "Ready", "False", "InvalidSpec").await;
    let message = &condition(&refused, "Ready").expect("it was told").message;
    assert!(
        message.contains("rotation.every") && message.contains("1h or more"),
        "{message}"
    );
}
