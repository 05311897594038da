//! What the tests of CloudResources share.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use mooring::api::{CloudResource, RetainedResource};
use mooring_provider::{ExternalId, Kind};
use mooring_provider_mock::Op;
use serde_json::{Value as Json, json};

use crate::support::cluster::{PATIENCE, Team, eventually};

/// A CloudResource of application `shop`, component `web`, as a person writes it by hand.
pub(crate) fn written(name: &str, kind: &str, properties: Json) -> Json {
    let mut spec = json!({"application": "shop", "component": "web", "name": name});
    spec[kind] = properties;
    json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource",
        "metadata": {"name": format!("shop-web-{name}")}, "spec": spec,
    })
}

pub(crate) fn mysql() -> Json {
    written("db", "rds", json!({"engine": "mysql"}))
}

pub(crate) async fn find(team: &Team, name: &str) -> Option<CloudResource> {
    team.api::<CloudResource>()
        .get_opt(name)
        .await
        .expect("the API server answers")
}

pub(crate) async fn get(team: &Team, name: &str) -> CloudResource {
    find(team, name).await.unwrap_or_else(|| panic!("{name} is there"))
}

pub(crate) fn condition<'a>(object: &'a CloudResource, type_: &str) -> Option<&'a Condition> {
    object
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

/// Waits until the object is as wanted; says how it was last if it never is.
pub(crate) async fn until(
    team: &Team,
    name: &str,
    what: &str,
    is: impl Fn(&CloudResource) -> Option<bool>,
) -> CloudResource {
    let begun = std::time::Instant::now();
    loop {
        let object = find(team, name).await;
        match object {
            Some(object) if is(&object) == Some(true) => return object,
            last => assert!(
                begun.elapsed() < PATIENCE,
                "{name}: {what}: not in time; it is {last:#?}"
            ),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Waits until a condition has this status and this reason.
pub(crate) async fn told(team: &Team, name: &str, type_: &str, status: &str, reason: &str) -> CloudResource {
    until(team, name, &format!("{type_}={status} {reason}"), |object| {
        let condition = condition(object, type_)?;
        Some(condition.status == status && condition.reason == reason)
    })
    .await
}

pub(crate) async fn ready(team: &Team, name: &str) -> CloudResource {
    until(team, name, "Ready", |object| {
        let ready = condition(object, "Ready")?.status == "True";
        Some(ready && object.status.as_ref()?.observed_generation == object.metadata.generation)
    })
    .await
}

pub(crate) async fn gone(team: &Team, name: &str) {
    eventually(&format!("{name} is gone"), async || {
        find(team, name).await.is_none().then_some(())
    })
    .await;
}

pub(crate) async fn delete(team: &Team, name: &str) {
    let deleted = team.api::<CloudResource>().delete(name, &DeleteParams::default()).await;
    deleted.expect("it may be deleted");
}

pub(crate) async fn annotate(team: &Team, name: &str, annotation: &str, value: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
    let patched = team
        .api::<CloudResource>()
        .patch(name, &PatchParams::default(), &patch)
        .await;
    patched.expect("it may be annotated");
}

/// What an SRE approves on the team's Environment.
pub(crate) async fn approve(team: &Team, identity: &str, what: &str) {
    let annotation = format!("approve.mooring.dev/{identity}");
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: what}}}));
    let environments = Api::<mooring::api::Environment>::all(team.client.clone());
    let patched = environments
        .patch(&team.namespace, &PatchParams::default(), &patch)
        .await;
    patched.expect("it may be annotated");
}

pub(crate) fn identity(object: &CloudResource) -> String {
    object.annotations()["mooring.dev/identity"].clone()
}

pub(crate) fn external_id(object: &CloudResource) -> ExternalId {
    object
        .status
        .as_ref()
        .and_then(|status| status.memory.external_id.clone())
        .expect("an external id")
}

/// The entries of a Secret; empty while it is not there.
pub(crate) async fn entries(team: &Team, name: &str) -> BTreeMap<String, String> {
    let secret = team
        .api::<Secret>()
        .get_opt(name)
        .await
        .expect("the API server answers");
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, String::from_utf8(value.0).expect("text")))
        .collect()
}

/// Whether the Secret lets somebody into the database.
pub(crate) async fn logs_in(team: &Team, secret: &str, id: &ExternalId) -> Option<mooring_provider::Access> {
    let entries = entries(team, secret).await;
    team.cloud.login(id, entries.get("username")?, entries.get("password")?)
}

/// The RetainedResources of the team.
pub(crate) async fn retained(team: &Team) -> Vec<RetainedResource> {
    let all = Api::<RetainedResource>::all(team.client.clone())
        .list(&Default::default())
        .await;
    let mut all = all.expect("they can be listed").items;
    all.retain(|one| one.spec.key.namespace == team.namespace);
    all
}

/// Nothing of the team stands at the cloud.
pub(crate) async fn empty(team: &Team) {
    eventually("the cloud is empty", async || {
        team.cloud.list().is_empty().then_some(())
    })
    .await;
}

/// Waits until nothing goes round: for three seconds, in which it is looked at more than once, its status is not written
/// and its provider is asked no more than for a few at rest. What loops never comes to that.
pub(crate) async fn quiet(team: &Team, name: &str) {
    // What is taken stock of now and then, for all, is not this one's.
    let is_of_one = |op: &Op| !matches!(op, Op::Check | Op::Inventory);
    let calls = || -> u64 {
        let ops = Op::ALL.into_iter().filter(is_of_one);
        let of = |op| Kind::ALL.into_iter().map(move |kind| (op, kind));
        ops.flat_map(of).map(|(op, kind)| team.cloud.count(op, kind)).sum()
    };
    let seen = async || (get(team, name).await.metadata.resource_version, calls());
    eventually(&format!("{name} is at rest"), async || {
        let (version, before) = seen().await;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let (later, after) = seen().await;
        (version == later && after - before <= 12).then_some(())
    })
    .await;
}
