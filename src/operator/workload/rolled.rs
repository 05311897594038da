//! Whether a workload still has a binding in its environment, and whether its old pods are gone.

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    batch::v1::CronJob,
    core::v1::PodTemplateSpec,
};
use kube::{Client, ResourceExt, api::ObjectMeta};
use serde::de::DeserializeOwned;

use super::{ContainerList, Workload, WorkloadKey, WorkloadKind, Workloads};
use crate::api::{CloudResource, CloudResourceStatus, WorkloadReference, names};

/// Whether the pods are those of the current template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rolled {
    /// No older pod is left.
    Done,
    /// Older pods are left; why, for a person.
    Waiting(String),
}

/// Whether a binding is out of its workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unbinding {
    /// No pod has it any more.
    Done,
    /// Some may still have it.
    Waiting {
        /// Which, why, and who can do what.
        message: String,
    },
}

/// Where a CloudResource is used; all that its deletion needs, and known of one that cannot be decoded, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Its namespace.
    pub namespace: String,
    /// The Secret.
    pub secret: String,
    /// The Application it is for.
    pub application: String,
    /// The component it is for.
    pub component: String,
    /// The workload that is named.
    pub workload: Option<WorkloadReference>,
    /// The workloads that had it when that was last written down.
    pub consumers: Vec<WorkloadReference>,
}

impl Use {
    /// Of a CloudResource.
    pub fn of(resource: &CloudResource) -> Self {
        let mut known = Self::of_metadata(&resource.metadata, resource.status.as_ref());
        known.application.clone_from(&resource.spec.application);
        known.component.clone_from(&resource.spec.component);
        known.workload.clone_from(&resource.spec.workload);
        known
    }

    /// Of a CloudResource whose spec cannot be read.
    pub fn of_metadata(metadata: &ObjectMeta, status: Option<&CloudResourceStatus>) -> Self {
        let label = |name| metadata.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            secret: status
                .and_then(|status| status.binding.as_ref())
                .map(|binding| binding.name.clone())
                .or_else(|| metadata.name.clone())
                .unwrap_or_default(),
            application: label(names::APPLICATION).unwrap_or_default(),
            component: label(names::COMPONENT).unwrap_or_default(),
            workload: None,
            consumers: status.map(|status| status.consumers.clone()).unwrap_or_default(),
        }
    }
}

/// Whether no pod has it in its environment any more. A workload that is gone or going counts as unbound.
///
/// It reads each workload that had it or is meant to have it, so it is for the deletion path only.
pub async fn unbound_and_rolled(client: &Client, workloads: &Workloads, used: &Use) -> kube::Result<Unbinding> {
    let meant = workloads
        .meant(
            &used.namespace,
            &used.application,
            &used.component,
            used.workload.as_ref(),
        )
        .into_iter()
        .map(|found| found.key);
    let had = used
        .consumers
        .iter()
        .filter_map(|had| WorkloadKey::of(&used.namespace, had));
    let mut keys: Vec<_> = meant.chain(had).collect();
    keys.sort();
    keys.dedup();
    let mut waiting = Vec::new();
    for key in keys {
        let Some(workload) = key.read(client).await? else {
            continue;
        };
        if workload.object.metadata.deletion_timestamp.is_some() {
            continue;
        }
        // One that never had it owes no rollout of it.
        let had = used.consumers.contains(&key.reference());
        if holds(&workload.template(), &used.secret) {
            waiting.push(format!(
                "{key} refers to Secret {} in its pod template; what is Mooring's in it is being taken out, what \
                 somebody else put there they must remove",
                used.secret
            ));
        } else if had && let Rolled::Waiting(why) = rolled(client, &workload, &used.secret).await? {
            waiting.push(why);
        }
    }
    Ok(if waiting.is_empty() {
        Unbinding::Done
    } else {
        let message = waiting.join("; ");
        Unbinding::Waiting { message }
    })
}

/// Whether a container of the template has a variable from that Secret.
pub(in crate::operator) fn holds(template: &PodTemplateSpec, secret: &str) -> bool {
    ContainerList::ALL
        .into_iter()
        .flat_map(|list| list.of(template))
        .flat_map(|container| container.env.as_deref().unwrap_or_default())
        .filter_map(|variable| variable.value_from.as_ref()?.secret_key_ref.as_ref())
        .any(|reference| reference.name == secret)
}

/// Whether no pod of an older template is left. Of a CronJob: whether no running Job has that Secret.
pub(in crate::operator) async fn rolled(client: &Client, workload: &Workload, secret: &str) -> kube::Result<Rolled> {
    if workload.kind != WorkloadKind::CronJob {
        return Ok(rolled_by_status(workload));
    }
    let active = parsed::<CronJob>(workload)
        .and_then(|job| job.status?.active)
        .unwrap_or_default();
    for name in active.into_iter().filter_map(|job| job.name) {
        let key = WorkloadKey {
            kind: WorkloadKind::Job,
            name,
            ..workload.key()
        };
        if let Some(job) = key.read(client).await?
            && holds(&job.template(), secret)
        {
            return Ok(Rolled::Waiting(format!(
                "{key} of {} still runs with it; it ends by itself, or delete it",
                workload.key()
            )));
        }
    }
    Ok(Rolled::Done)
}

/// Whether no pod of an older template is left, by what the workload's status says.
fn rolled_by_status(workload: &Workload) -> Rolled {
    let left = match workload.kind {
        WorkloadKind::Deployment => parsed::<Deployment>(workload).and_then(|object| deployment(&object)),
        WorkloadKind::StatefulSet => parsed::<StatefulSet>(workload).and_then(|object| stateful_set(&object)),
        WorkloadKind::DaemonSet => parsed::<DaemonSet>(workload).and_then(|object| daemon_set(&object)),
        WorkloadKind::CronJob | WorkloadKind::Job => None,
    };
    left.map_or(Rolled::Done, |why| Rolled::Waiting(format!("{} {why}", workload.key())))
}

fn parsed<K: DeserializeOwned>(workload: &Workload) -> Option<K> {
    let whole = serde_json::to_value(&workload.object).ok()?;
    serde_json::from_value(whole).ok()
}

const UNSEEN: &str = "was changed just now and its rollout has not begun; it goes on by itself";

fn deployment(object: &Deployment) -> Option<String> {
    let (spec, status) = (object.spec.as_ref()?, object.status.clone().unwrap_or_default());
    let (there, updated) = (status.replicas.unwrap_or(0), status.updated_replicas.unwrap_or(0));
    let ending = status.terminating_replicas.unwrap_or(0);
    let is_seen = status.observed_generation >= object.metadata.generation;
    if spec.paused == Some(true) && (!is_seen || there > updated) {
        return Some(format!(
            "is paused, so {} of its pods are as before; `kubectl rollout resume deployment/{}`",
            there - updated,
            object.name_any()
        ));
    }
    if !is_seen {
        return Some(UNSEEN.into());
    }
    if there > updated || updated < spec.replicas.unwrap_or(1) {
        return Some(format!(
            "is rolling: {updated} of {} pods are new, {} old ones stay until those are ready; `kubectl rollout \
             status deployment/{}` says why they are not",
            spec.replicas.unwrap_or(1),
            there - updated,
            object.name_any()
        ));
    }
    (ending > 0).then(|| format!("is rolling: {ending} old pods are ending"))
}

fn stateful_set(object: &StatefulSet) -> Option<String> {
    let (spec, status) = (object.spec.as_ref()?, object.status.clone().unwrap_or_default());
    let updated = status.updated_replicas.unwrap_or(0);
    let strategy = spec.update_strategy.clone().unwrap_or_default();
    let partition = strategy
        .rolling_update
        .and_then(|rolling| rolling.partition)
        .unwrap_or(0);
    if status.observed_generation < object.metadata.generation {
        return Some(UNSEEN.into());
    }
    // Not by currentRevision: under OnDelete it stays, and going back to it looks as if nothing were to be done.
    if updated >= status.replicas {
        return None;
    }
    let why = if strategy.type_.as_deref() == Some("OnDelete") {
        "its updateStrategy is OnDelete: delete its pods".to_owned()
    } else if partition > 0 {
        format!("its updateStrategy has partition {partition}: lower it, or delete the pods below it")
    } else {
        "each waits until the one before it is ready".to_owned()
    };
    Some(format!("has {updated} of {} pods renewed; {why}", status.replicas))
}

fn daemon_set(object: &DaemonSet) -> Option<String> {
    let (spec, status) = (object.spec.as_ref()?, object.status.clone().unwrap_or_default());
    let updated = status.updated_number_scheduled.unwrap_or(0);
    if status.observed_generation < object.metadata.generation {
        return Some(UNSEEN.into());
    }
    if updated >= status.desired_number_scheduled {
        return None;
    }
    let strategy = spec.update_strategy.clone().unwrap_or_default();
    let why = if strategy.type_.as_deref() == Some("OnDelete") {
        "its updateStrategy is OnDelete: delete its pods"
    } else {
        "each waits until the one before it is ready"
    };
    Some(format!(
        "has {updated} of {} pods renewed; {why}",
        status.desired_number_scheduled
    ))
}
