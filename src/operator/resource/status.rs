//! The one write of a reconcile: what people are told, and what is remembered.
//!
//! Every write carries the resourceVersion that was read. If somebody wrote in between, it is repeated only when the
//! memory is as it was: two operators that both act on one object must not undo what the other wrote down.

use std::{sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, TypeMeta},
    core::DeserializeGuard,
};
use serde_json::json;

use super::recent::Recent;
use crate::{
    api::{CloudResource, CloudResourceStatus, condition, names},
    operator::{
        Context,
        binding::{reason, secret_only},
        object::tell,
    },
};

/// The conditions that this controller writes; the binding controller has its own.
const OURS: [&str; 3] = [condition::READY, condition::SYNCED, condition::DELETING];

/// Progress of what is looked at again within this time need not be written each time.
const SOON: Duration = Duration::from_secs(5);

/// One condition to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) is: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Told {
    pub(super) fn yes(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            is: true,
            reason: reason.into(),
            message: message.into(),
        }
    }

    pub(super) fn no(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            is: false,
            ..Self::yes(reason, message)
        }
    }
}

impl From<crate::engine::State> for Told {
    fn from(state: crate::engine::State) -> Self {
        Self {
            is: state.is,
            reason: state.reason.to_owned(),
            message: state.message,
        }
    }
}

/// What became of a write.
#[derive(Debug)]
pub(super) enum Written {
    /// It is written, or was so already.
    Done(Arc<CloudResource>),
    /// Somebody else acted on it; it is to be looked at anew.
    Overtaken,
}

/// Sets a condition; its time changes only when its status does.
pub(super) fn set(status: &mut CloudResourceStatus, type_: &str, told: &Told, generation: Option<i64>) {
    tell(
        &mut status.conditions,
        type_,
        told.is,
        &told.reason,
        &told.message,
        generation,
    );
}

/// A condition as it stands.
pub(super) fn get<'a>(status: &'a CloudResourceStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|known| known.type_ == type_)
}

/// Whether a condition holds.
pub(super) fn holds(status: &CloudResourceStatus, type_: &str) -> bool {
    get(status, type_).is_some_and(|known| known.status == "True")
}

/// What of a status is this controller's to write.
pub(super) fn ours(status: &CloudResourceStatus) -> CloudResourceStatus {
    let mut status = status.clone();
    status.consumers.clear();
    status
        .conditions
        .retain(|known| OURS.contains(&known.type_.as_str()) || is_secret_only(known));
    status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    status
}

fn is_secret_only(known: &Condition) -> bool {
    known.type_ == condition::BOUND && known.reason == reason::SECRET_ONLY
}

/// Says that it is bound when that needs no workload: it saves the binding controller the second write.
pub(super) fn tell_secret_only(object: &CloudResource, status: &mut CloudResourceStatus) {
    let before = object.status.as_ref();
    let with = CloudResource {
        status: Some(CloudResourceStatus {
            consumers: before.map(|before| before.consumers.clone()).unwrap_or_default(),
            ..status.clone()
        }),
        metadata: object.metadata.clone(),
        spec: object.spec.clone(),
    };
    let Some(message) = secret_only(&with) else {
        status.conditions.retain(|known| !is_secret_only(known));
        return;
    };
    status.conditions.retain(|known| known.type_ != condition::BOUND);
    // Its time is that of the condition that stands.
    let stands = before.and_then(|before| get(before, condition::BOUND));
    status.conditions.extend(stands.cloned());
    let told = Told::yes(reason::SECRET_ONLY, message);
    set(status, condition::BOUND, &told, object.metadata.generation);
}

/// Whether the difference is progress that the next look, which comes soon, may write as well.
fn can_wait(old: &CloudResourceStatus, new: &CloudResourceStatus) -> bool {
    let under_way = |status: &CloudResourceStatus| {
        get(status, condition::READY).is_some_and(|ready| {
            ready.status == "False" && matches!(ready.reason.as_str(), "Provisioning" | "Updating" | "Settling")
        }) && get(status, condition::DELETING).is_none()
    };
    under_way(old) && under_way(new)
}

/// Writes the status if it says something new. `next` is when the object is looked at again.
pub(super) async fn write(
    context: &Context,
    recent: &Recent,
    object: &Arc<CloudResource>,
    status: &CloudResourceStatus,
    next: Option<Duration>,
) -> kube::Result<Written> {
    let (old, new) = (ours(&object.status.clone().unwrap_or_default()), ours(status));
    if old == new {
        return Ok(Written::Done(Arc::clone(object)));
    }
    let soon = next.is_some_and(|next| next < SOON) && recent.age(object).is_some_and(|age| age < SOON);
    if soon && can_wait(&old, &new) {
        return Ok(Written::Done(Arc::clone(object)));
    }
    swap(context, recent, object, &new).await
}

/// Writes the status whatever it says, if nobody changed the memory since `object` was read.
pub(super) async fn swap(
    context: &Context,
    recent: &Recent,
    object: &Arc<CloudResource>,
    status: &CloudResourceStatus,
) -> kube::Result<Written> {
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    // What cannot be read can still be told why, and be torn down.
    let api = Api::<DeserializeGuard<CloudResource>>::namespaced(context.client.clone(), &namespace);
    let remembered = object
        .status
        .as_ref()
        .map(|status| status.memory.clone())
        .unwrap_or_default();
    let mut version = object.resource_version();
    for _ in 0..4 {
        let types = TypeMeta::resource::<CloudResource>();
        let body = json!({
            "apiVersion": types.api_version, "kind": types.kind,
            "metadata": { "name": name, "namespace": namespace, "uid": object.uid(), "resourceVersion": version },
            "status": ours(status),
        });
        let parameters = PatchParams::apply(names::MANAGER_RESOURCE).force();
        match api.patch_status(&name, &parameters, &Patch::Apply(&body)).await {
            Ok(written) => {
                let written = Arc::new(written.0.unwrap_or_else(|invalid| CloudResource {
                    metadata: invalid.metadata,
                    spec: object.spec.clone(),
                    status: Some(status.clone()),
                }));
                recent.wrote(&written);
                return Ok(Written::Done(written));
            }
            Err(kube::Error::Api(refused)) if refused.is_conflict() => {}
            Err(kube::Error::Api(refused)) if refused.is_not_found() => return Ok(Written::Overtaken),
            Err(error) => return Err(error),
        }
        let Some(fresh) = api.get_opt(&name).await? else {
            return Ok(Written::Overtaken);
        };
        let same = fresh.uid() == object.uid()
            && fresh.meta().generation == object.meta().generation
            && fresh.meta().deletion_timestamp == object.meta().deletion_timestamp
            && fresh.annotations() == object.annotations()
            && fresh.0.as_ref().is_ok_and(|fresh| {
                fresh
                    .status
                    .as_ref()
                    .map(|status| status.memory.clone())
                    .unwrap_or_default()
                    == remembered
            });
        if !same {
            return Ok(Written::Overtaken);
        }
        version = fresh.resource_version();
    }
    Ok(Written::Overtaken)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn a_condition_keeps_its_time_until_its_status_flips() {
        let mut status = CloudResourceStatus::default();
        set(&mut status, condition::READY, &Told::no("Provisioning", "a"), Some(1));
        let long_ago = Time(Timestamp::UNIX_EPOCH);
        status.conditions[0].last_transition_time = long_ago.clone();
        set(&mut status, condition::READY, &Told::no("Busy", "b"), Some(2));
        assert_eq!(status.conditions[0].last_transition_time, long_ago);
        assert_eq!(status.conditions.len(), 1);
        set(&mut status, condition::READY, &Told::yes("Ready", ""), Some(2));
        assert_ne!(status.conditions[0].last_transition_time, long_ago);
        assert!(holds(&status, condition::READY));
    }

    #[test]
    fn only_progress_may_wait() {
        let with = |told: Told| {
            let mut status = CloudResourceStatus::default();
            set(&mut status, condition::READY, &told, None);
            status
        };
        let (making, settling) = (with(Told::no("Provisioning", "")), with(Told::no("Settling", "")));
        assert!(can_wait(&making, &settling));
        assert!(!can_wait(&making, &with(Told::yes("Ready", ""))));
        assert!(!can_wait(&making, &with(Told::no("Lost", ""))));
        assert!(!can_wait(&CloudResourceStatus::default(), &making));
    }
}
