//! One workload: read it, plan, write what is due. Nothing else writes what is planned here, and one at a time does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, PatchParams},
};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{
    Projector, locked,
    plan::{Plan, Share, plan},
    record::{Record, annotations},
    report::Problem,
    want::{Want, kind, meant, of_api_version},
};
use crate::{
    api::names,
    operator::{
        binding::contest::Contest,
        workload::mapping::{Mapping, is_outdated},
    },
};

/// How often a conflict is met with a new look before the queue's own patience takes over.
const LOOKS: usize = 6;

/// Names a workload of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What is known of a workload.
#[derive(Debug, Default)]
pub(super) struct Known {
    uid: String,
    applied: Vec<Want>,
    contest: Contest,
}

/// What came of a workload.
#[derive(Debug)]
pub(super) enum Projected {
    /// All is as it can be; what each ServiceBinding has of it, by its uid.
    Done(BTreeMap<String, Share>),
    /// It is not; why, and when it is tried again.
    Held(Problem, Option<Duration>),
    /// There is no such workload, or it is going.
    Gone,
}

impl Projector {
    /// Brings a workload to what its ServiceBindings want of it.
    pub(super) async fn project(&self, resource: &ApiResource, namespace: &str, name: &str) -> kube::Result<Projected> {
        let key = Key {
            group: resource.group.clone(),
            kind: resource.kind.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let known = Arc::clone(locked(&self.workloads).entry(key.clone()).or_default());
        let mut known = known.lock().await;
        let api = Api::<DynamicObject>::namespaced_with(self.context.client.clone(), namespace, resource);
        let kinds = Mapping::of_kind(&resource.group, &resource.kind);
        let current = self.mapping(resource, &kinds);
        for _ in 0..LOOKS {
            let Some(object) = api
                .get_opt(name)
                .await?
                .filter(|object| object.metadata.deletion_timestamp.is_none())
            else {
                locked(&self.workloads).remove(&key);
                return Ok(Projected::Gone);
            };
            let uid = object.uid().unwrap_or_default();
            if known.uid != uid {
                *known = Known {
                    uid,
                    ..Known::default()
                };
            }
            let object = serde_json::to_value(&object).expect("an object is JSON");
            let wants = self.wants(&key, &object);
            let mut record = Record::of(Some(&annotations(&object)));
            let put_in_by = record.mapping(kinds.clone());
            let (mapping, is_last) = match &current {
                // What was put in by another mapping is taken out by that one first.
                Ok(current) if record.bindings.is_empty() || put_in_by.is_same_as(current) => (current, true),
                Ok(_) => (&put_in_by, false),
                Err(_) if wants.is_empty() => (&put_in_by, true),
                Err(problem) => return Ok(Projected::Held(problem.clone(), None)),
            };
            let wants = if is_last { wants } else { Vec::new() };
            record.mapping = (!mapping.is_same_as(&kinds)).then(|| mapping.template().clone());
            let shape = match mapping.read(&object) {
                Ok(shape) => shape,
                Err(_) if wants.is_empty() && record.bindings.is_empty() => {
                    return Ok(Projected::Done(BTreeMap::new()));
                }
                Err(mismatch) => {
                    return Ok(Projected::Held(
                        unlike(resource, mapping, &kinds, &mismatch.to_string()),
                        None,
                    ));
                }
            };
            let planned = plan(&shape, &record, &wants);
            let Some(patch) = shape.patch_to(&planned.changed, &object) else {
                known.applied = wants;
                return Ok(Projected::Done(planned.shares));
            };
            let is_undone = is_last && !wants.is_empty() && known.applied == wants;
            if let Some(wait) = known.contest.wait(Instant::now()).filter(|_| is_undone) {
                return Ok(Projected::Held(contested(resource, name), Some(wait)));
            }
            let params = PatchParams {
                field_manager: Some(names::MANAGER_PROJECTION.into()),
                ..PatchParams::default()
            };
            match api.patch(name, &params, &patch).await {
                Ok(written) => {
                    tracing::info!(
                        kind = resource.kind,
                        namespace,
                        name,
                        bindings = wants.len(),
                        "projected"
                    );
                    if !is_last {
                        continue;
                    }
                    if is_undone {
                        known.contest.take(Instant::now());
                    }
                    known.applied.clone_from(&wants);
                    let written = serde_json::to_value(&written).expect("an object is JSON");
                    if is_kept(mapping, &written, &wants) {
                        return Ok(Projected::Done(planned.shares));
                    }
                    let problem = "the API server does not keep what is written there";
                    return Ok(Projected::Held(unlike(resource, mapping, &kinds, problem), None));
                }
                Err(kube::Error::Api(status)) if is_outdated(&status) => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(Projected::Gone),
                Err(kube::Error::Api(status)) if status.is_forbidden() => {
                    return Ok(Projected::Held(forbidden(resource, "patch", &status.message), None));
                }
                Err(kube::Error::Api(status)) if status.is_invalid() => {
                    let message = format!("{} {name} cannot have it: {}", resource.kind, brief(&status.message));
                    return Ok(Projected::Held(Problem::new("WorkloadRefused", message), None));
                }
                Err(error) => return Err(error),
            }
        }
        let message = format!("{} {name} changes all the while; it is tried again", resource.kind);
        Ok(Projected::Held(
            Problem::new("WorkloadBusy", message),
            Some(super::SOON),
        ))
    }

    /// Where the parts are in a kind.
    fn mapping(&self, resource: &ApiResource, kinds: &Mapping) -> Result<Mapping, Problem> {
        let name = match resource.group.as_str() {
            "" => resource.plural.clone(),
            group => format!("{}.{group}", resource.plural),
        };
        let Some(guard) = self.mappings.get(None, &name) else {
            return Ok(kinds.clone());
        };
        let invalid = |message: String| {
            let message = format!("ClusterWorkloadResourceMapping {name}: {message}");
            Problem::new("InvalidMapping", message)
        };
        match &guard.0 {
            Ok(mapping) if mapping.spec.versions.is_empty() => Ok(kinds.clone()),
            Ok(mapping) => Mapping::of(&mapping.spec, &resource.version).map_err(|error| invalid(error.message())),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    /// What the ServiceBindings that mean a workload want of it. One that is going wants nothing.
    fn wants(&self, key: &Key, object: &Json) -> Vec<Want> {
        let labels = serde_json::from_value(object["metadata"]["labels"].clone()).unwrap_or_default();
        let record = Record::of(Some(&annotations(object)));
        let guards = self.bindings.filter(|guard| {
            let meta = kube::Resource::meta(guard);
            meta.namespace.as_deref() == Some(&key.namespace) && meta.deletion_timestamp.is_none()
        });
        let want = |guard: &super::Guard| {
            let binding = match &guard.0 {
                Ok(binding) => binding,
                // What it had it keeps.
                Err(invalid) => {
                    let uid = invalid.metadata.uid.clone().unwrap_or_default();
                    return record
                        .bindings
                        .contains_key(&uid)
                        .then(|| Want { uid, ..Want::default() });
                }
            };
            let had = record.bindings.contains_key(&binding.uid().unwrap_or_default());
            let Ok(meant) = meant(binding) else {
                return had.then(|| Want::unknown(binding));
            };
            let wanted = kind(&binding.spec);
            let is_it = (&wanted.group, &wanted.kind) == (&key.group, &key.kind) && meant.is(&key.name, &labels);
            let resolved = locked(&self.resolved).get(&binding.uid().unwrap_or_default()).cloned();
            let written = || binding.status.as_ref()?.binding.clone().map(|binding| binding.name);
            is_it.then(|| Want {
                secret: resolved.unwrap_or_else(written),
                ..Want::of(binding)
            })
        };
        let mut wants: Vec<_> = guards.iter().filter_map(|guard| want(guard)).collect();
        wants.sort_by(|one, other| one.uid.cmp(&other.uid));
        wants
    }
}

/// Whether what was written is there: a schema may have dropped it.
fn is_kept(mapping: &Mapping, written: &Json, wants: &[Want]) -> bool {
    let record = Record::of(Some(&annotations(written)));
    let Ok(shape) = mapping.read(written) else { return false };
    let Plan { changed, .. } = plan(&shape, &record, wants);
    shape.patch_to(&changed, written).is_none()
}

fn unlike(resource: &ApiResource, mapping: &Mapping, kinds: &Mapping, problem: &str) -> Problem {
    let name = format!("{}.{}", resource.plural, resource.group);
    let advice = if (resource.group.as_str(), resource.kind.as_str()) == ("argoproj.io", "Rollout") {
        "where it runs the pod template of another workload (spec.workloadRef), bind that one".to_owned()
    } else if mapping.is_same_as(kinds) {
        format!(
            "it has no pod template where a Deployment has one; say where in a ClusterWorkloadResourceMapping {name}"
        )
    } else {
        format!("check the paths in ClusterWorkloadResourceMapping {name}")
    };
    Problem::new("InvalidMapping", format!("{}: {problem}; {advice}", resource.kind))
}

fn contested(resource: &ApiResource, name: &str) -> Problem {
    Problem::new(
        "BindingContested",
        format!(
            "somebody takes out again and again what is put into {} {name}; whoever manages it must leave alone what \
             carries servicebinding in its name; until then it is tried every 10 minutes",
            resource.kind
        ),
    )
}

/// The beginning and the end of what the API server says: between them it may repeat a whole pod.
fn brief(message: &str) -> String {
    const PART: usize = 300;
    let characters: Vec<_> = message.chars().collect();
    if characters.len() <= 2 * PART {
        return message.to_owned();
    }
    let (head, tail) = (&characters[..PART], &characters[characters.len() - PART..]);
    format!(
        "{} ... {}",
        head.iter().collect::<String>(),
        tail.iter().collect::<String>()
    )
}

/// What is said where a right is not granted.
pub(super) fn forbidden(resource: &ApiResource, verb: &str, message: &str) -> Problem {
    Problem::new(
        "WorkloadForbidden",
        format!(
            "{verb} on {}.{} is not granted; grant get, list, watch, update and patch in a ClusterRole labelled \
             servicebinding.io/controller: \"true\" ({message})",
            resource.plural, resource.group
        ),
    )
}

/// The kinds that a ServiceBinding may have been projected into, as it is written on it.
pub(super) fn recorded(annotation: Option<&String>) -> Vec<kube::core::GroupVersionKind> {
    let written = annotation.map(String::as_str).unwrap_or_default();
    let of = |one: &str| {
        one.rsplit_once('/')
            .map(|(api_version, kind)| of_api_version(api_version, kind))
    };
    written.split(',').filter_map(of).collect()
}
