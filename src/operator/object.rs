//! What several controllers write on their objects.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, Resource,
    api::{ObjectMeta, Patch, PatchParams},
};
use serde_json::json;

use crate::api::names;

/// The longest message that is written; the API server takes 32 KiB, a person less.
const LONGEST: usize = 2000;

/// Sets a condition; its time changes only when its status does.
pub(super) fn tell(
    conditions: &mut Vec<Condition>,
    type_: &str,
    is: bool,
    reason: &str,
    message: &str,
    generation: Option<i64>,
) {
    let value = if is { "True" } else { "False" };
    let old = conditions.iter().position(|known| known.type_ == type_);
    let since = old
        .map(|at| &conditions[at])
        .filter(|known| known.status == value)
        .map_or_else(|| Time(Timestamp::now()), |known| known.last_transition_time.clone());
    let new = Condition {
        type_: type_.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(LONGEST).collect(),
        last_transition_time: since,
        observed_generation: generation,
    };
    match old {
        Some(at) => conditions[at] = new,
        None => conditions.push(new),
    }
}

/// Takes our finalizer off an object, by its place and only while it is there.
pub(super) async fn remove_finalizer<K>(api: &Api<K>, meta: &ObjectMeta) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let finalizers = meta.finalizers.as_deref().unwrap_or_default();
    let Some(at) = finalizers.iter().position(|name| name == names::FINALIZER) else {
        return Ok(());
    };
    let path = format!("/metadata/finalizers/{at}");
    let patch = serde_json::from_value(json!([
        { "op": "test", "path": "/metadata/uid", "value": meta.uid },
        { "op": "test", "path": path, "value": names::FINALIZER },
        { "op": "remove", "path": path },
    ]))
    .expect("a JSON patch");
    let name = meta.name.clone().unwrap_or_default();
    match api
        .patch_metadata(&name, &PatchParams::default(), &Patch::<()>::Json(patch))
        .await
    {
        Err(kube::Error::Api(refused)) if refused.is_not_found() => Ok(()),
        patched => patched.map(drop),
    }
}
