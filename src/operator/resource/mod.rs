//! The CloudResource controller: dereference, validate, provide, apply, status, with I/O at the ends only.
//!
//! - [`dereference`] looks up everything a CloudResource refers to. [`validate`] decides, without I/O.
//! - [`provide`] takes one step of the engine; the status is its write-ahead. [`secret`] is what consumers get.
//! - [`status`] is the one write at the end.
//! - [`teardown`] is the way out, which needs none of what the way in needs.
//! - [`bind`] is the use of somebody else's resource: no external resource, an account of its own.
//!
//! What it deliberately does not do: write into workloads (the binding controller does), watch or list Secrets, or
//! loop within a reconcile: it takes one step and says when to come back.

mod abandon;
mod account;
pub(crate) mod approval;
mod bind;
mod dereference;
mod news;
mod present;
mod provide;
mod publish;
mod recent;
mod relations;
mod remains;
mod scope;
mod secret;
mod status;
mod teardown;
mod validate;
mod waits;

use std::{sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt, core::DeserializeGuard, runtime::controller::Action};
use mooring_provider::Identity;
use tokio_util::sync::CancellationToken;

use recent::Recent;
use remains::Remains;
use secret::Place;
use status::Told;

use crate::{
    api::{CloudResource, CloudResourceSpec, Declares, condition, names},
    engine::{declare::Declaration, keyed_hash},
    ledger,
    operator::{Context, control},
};

/// The reason of Ready for an object that is not named like its key.
pub(crate) const INVALID_NAME: &str = "InvalidName";

/// Why a reconcile failed: what it works with did. What is wrong with a CloudResource, or with its provider, is no
/// failure, but told in its conditions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The API server.
    #[error("the API server")]
    Kube(#[from] kube::Error),
    /// The ledger.
    #[error("the ledger")]
    Ledger(#[from] ledger::Error),
}

impl control::Failure for Failure {
    fn reason(&self) -> &'static str {
        match self {
            Self::Kube(error) => control::Failure::reason(error),
            Self::Ledger(_) => "Ledger",
        }
    }
}

/// Runs the controller until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let recent = Arc::new(Recent::default());
    let queue = news::queue(&context, &recent);
    let store = context.stores.resources.store().clone();
    let reconcile = move |guard: Arc<DeserializeGuard<CloudResource>>, context: Arc<Context>| {
        let recent = Arc::clone(&recent);
        async move { reconcile(&context, &recent, &guard).await }
    };
    control::run("resource", context, store, queue, reconcile, shutdown).await;
}

async fn reconcile(
    context: &Context,
    recent: &Recent,
    guard: &DeserializeGuard<CloudResource>,
) -> Result<Action, Failure> {
    if guard.meta().deletion_timestamp.is_some() {
        let remains = Remains::of(context, recent, guard).await?;
        return teardown::reconcile(context, recent, &remains).await;
    }
    let heard = match &guard.0 {
        Ok(heard) => heard,
        Err(invalid) => {
            let remains = Remains::of(context, recent, guard).await?;
            return unreadable(context, recent, &remains, &invalid.error).await;
        }
    };
    let object = recent.newest(heard);
    let namespace = object.namespace().unwrap_or_default();
    let Some(declaration) = Declaration::from_spec(&namespace, &object.spec) else {
        let remains = Remains::of(context, recent, guard).await?;
        return unreadable(
            context,
            recent,
            &remains,
            "none of vpc, slb, rds, log, monitor and bind is set",
        )
        .await;
    };
    let done = match declaration.declares {
        Declares::Bind => bind::reconcile(context, recent, Arc::clone(&object), declaration).await,
        Declares::Resource(kind) => present::reconcile(context, recent, Arc::clone(&object), declaration, kind).await,
    };
    match done {
        Err(Failure::Kube(kube::Error::Api(refused))) if refused.is_forbidden() => {
            let object = recent.newest(&object);
            let mut status = object.status.clone().unwrap_or_default();
            let told = forbidden(&refused.message);
            status::set(&mut status, condition::SYNCED, &told, object.metadata.generation);
            if !status.memory.was_ready {
                status::set(&mut status, condition::READY, &told, object.metadata.generation);
            }
            let again = if is_too_early(&refused.message) { 5 } else { 60 };
            present::finish(context, recent, &object, &status, Some(Duration::from_secs(again))).await
        }
        done => done,
    }
}

/// The API server lets us not: mostly a namespace that was not opened to a namespaced operator, or one that is going.
fn forbidden(message: &str) -> Told {
    if is_too_early(message) {
        let why = "the API server's admission plugin OwnerReferencesPermissionEnforcement looks for new kinds every 30 s \
                   only, and ours were defined a moment ago";
        return Told::no("WaitingFor", format!("{why}; it is tried again every 5 s ({message})"));
    }
    let open = "deploy/overlays/namespaced/open/role-binding.yaml";
    Told::no(
        "Forbidden",
        format!("{message}; if the operator has no rights in this namespace, an SRE applies `{open}` there"),
    )
}

/// The API server refuses a reference to an owner whose kind its admission has not heard of yet.
fn is_too_early(message: &str) -> bool {
    message.contains("cannot find RESTMapping")
}

/// What cannot be read is told so; what it made is left running.
async fn unreadable(context: &Context, recent: &Recent, remains: &Remains, error: &str) -> Result<Action, Failure> {
    let mut status = remains.status.clone();
    let told = Told::no("InvalidSpec", format!("the spec cannot be read: {error}"));
    status::set(&mut status, condition::SYNCED, &told, remains.meta.generation);
    if !status.memory.was_ready {
        status::set(&mut status, condition::READY, &told, remains.meta.generation);
    }
    present::finish(context, recent, &remains.shared(), &status, None).await
}

/// The name of the Secret, if it has one of its own.
fn secret_name_of(spec: &CloudResourceSpec) -> Option<String> {
    let (_, properties) = spec.declares()?;
    properties.get("secretName")?.as_str().map(str::to_owned)
}

/// Where the Secret of a CloudResource belongs.
fn place_of(object: &CloudResource) -> Place {
    let identity = object
        .annotations()
        .get(names::IDENTITY)
        .map(|text| Identity::new(text.as_str()));
    let namespace = object.namespace().unwrap_or_default();
    // A bind has no identity; its key serves to know its Secret again after a restore.
    let identity =
        identity.unwrap_or_else(|| Identity::new(keyed_hash("secret", &[&object.spec.key(&namespace).to_string()])));
    let name = secret_name_of(&object.spec).unwrap_or_else(|| object.name_any());
    Place::of(object, &identity, &name)
}

/// Where the Secret of what goes is; it is known by its owner alone.
fn place_named(meta: &ObjectMeta, identity: Option<&Identity>, name: &str) -> Place {
    Place {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: name.to_owned(),
        owner: OwnerReference {
            api_version: CloudResource::api_version(&()).into_owned(),
            kind: CloudResource::kind(&()).into_owned(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            ..OwnerReference::default()
        },
        labels: std::collections::BTreeMap::new(),
        // No Secret carries an empty one.
        identity: identity.cloned().unwrap_or_else(|| Identity::new("")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_is_too_young_is_no_matter_of_rights() {
        let young = "secrets \"shop-web-db\" is forbidden: cannot set blockOwnerDeletion in this case because cannot find \
                     RESTMapping for APIVersion mooring.dev/v1alpha1 Kind CloudResource: no matches for kind";
        let told = forbidden(young);
        assert_eq!(told.reason, "WaitingFor");
        assert!(
            told.message.contains("every 30 s") && !told.message.contains("role-binding"),
            "{}",
            told.message
        );
        let refused = forbidden("secrets is forbidden: User \"x\" cannot create resource \"secrets\"");
        assert_eq!(refused.reason, "Forbidden");
        assert!(refused.message.contains("role-binding.yaml"), "{}", refused.message);
    }
}
