//! Puts bindings into the environment of workloads, and takes them out.
//!
//! **One writer per workload.** The controller is keyed by workload and applies the union of its bindings as one field
//! manager: two applies of one manager would delete each other's variables. Each name is judged first
//! (`judge.rs`), since a forced apply silently takes over what somebody else wrote: what is not ours is
//! refused and named in the condition `Bound`, the rest is applied with the `uid` (an apply must never make a
//! workload) and the `resourceVersion` (what was judged is what is changed) of what was read.
//!
//! **Who owns the variables of a Deployment that we render.** The Application controller gives them to the Deployment
//! at its creation, by server-side apply, so that the first pods wait for the Secret and nothing is rolled twice: as
//! `{name, valueFrom: {secretKeyRef: {name, key}}}` and no more. As soon as the Deployment is seen, their ownership is
//! handed over to the binding controller by one write of `managedFields`, which changes no template. From then on they
//! stay until the binding controller takes them out, whether or not later applies of the Application controller
//! contain them; if those do, they are handed over once more when they are to go. So a trait that goes costs one
//! rollout. What the Application controller must not do: leave them out before [`is_handed_over`], or apply those of a
//! CloudResource that is being deleted.
//!
//! **Rollouts.** The annotation on the pod template has the revision of each binding that has changed since it was
//! first bound. So a first binding is the one rollout that the variables make, a Deployment that was born with them
//! has none, and a change of the Secret's data has one. A CronJob's next Job has it without any.
//!
//! **What somebody else put in place of ours.** An apply that leaves a variable out takes it away whole, the value that
//! somebody wrote into it as well. So such a variable is given up first, again by a write of `managedFields`.
//!
//! **When somebody undoes it** (`kubectl replace`, `rollout undo`, an edit), it is done again, a few times at once and
//! then slowly: see `contest.rs`.
//!
//! **Way out.** Who wants to rename or remove a bound container by server-side apply gets `image: Required value`,
//! since what we own keeps the old one. `inject: false` on the trait takes everything out; rename it then, and remove
//! `inject` again, with `containers` if it is not named like the component.
//!
//! What it deliberately does not do: make a workload; write to lists that are atomic (CloneSet, Rollout); change Jobs;
//! read Secrets.

mod contest;
mod judge;
mod owners;
mod reconcile;
mod report;
#[cfg(test)]
mod tests;
mod verdict;
mod wanted;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    Resource as _,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::reflector::ObjectRef,
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Context, Watched, control,
    workload::{Found, Watchable, WorkloadKey, WorkloadKind, found, label},
};
use crate::api::{CloudResource, WorkloadReference, names};

pub(super) use owners::rendered_variables;
pub use verdict::reason;
pub use wanted::{Env, Wanted, env_of};

type Resource = DeserializeGuard<CloudResource>;
type Meta<K> = PartialObjectMeta<K>;

/// Whether the binding controller has taken over the variables of a Deployment that the Application controller made.
/// Until then the latter does not apply a changed template, which would drop them.
pub fn is_handed_over(managed: &[ManagedFieldsEntry]) -> bool {
    let owners = owners::Owners::of(WorkloadKind::Deployment, managed);
    owners.ours().next().is_some()
}

/// Starts the controllers: one per kind of workload, and one that says of each CloudResource how far it is.
pub(super) fn spawn(context: &Arc<Context>, tasks: &TaskTracker, shutdown: &CancellationToken) {
    let (news, changed) = mpsc::unbounded_channel();
    let binder = Arc::new(Binder {
        context: Arc::clone(context),
        known: Mutex::default(),
        news,
    });
    let workloads = &context.stores.workloads;
    binder.follow(WorkloadKind::Deployment, &workloads.deployments, tasks, shutdown);
    binder.follow(WorkloadKind::StatefulSet, &workloads.stateful_sets, tasks, shutdown);
    binder.follow(WorkloadKind::DaemonSet, &workloads.daemon_sets, tasks, shutdown);
    binder.follow(WorkloadKind::CronJob, &workloads.cron_jobs, tasks, shutdown);
    binder.follow(WorkloadKind::Job, &workloads.jobs, tasks, shutdown);
    let changed = stream::unfold(
        changed,
        |mut changed| async move { Some((changed.recv().await?, changed)) },
    );
    let touched = context.stores.resources.touched();
    let queue = stream::select(touched.map(|resource| ObjectRef::from_obj(resource.as_ref())), changed);
    let task = control::run(
        "binding-status",
        Arc::clone(context),
        context.stores.resources.store().clone(),
        queue,
        move |resource, _| Arc::clone(&binder).report(resource),
        shutdown.clone(),
    );
    tasks.spawn(task);
}

/// What is said of a CloudResource that is bound by its Secret alone; `None` of any other.
pub(super) fn secret_only(resource: &CloudResource) -> Option<String> {
    let wanted = Wanted::of(resource, None);
    let is_it = wanted.bound && !wanted.is_going && wanted.env == Env::SecretOnly && wanted.consumers.is_empty();
    is_it.then(|| verdict::said(&wanted, &BTreeMap::new()).message)
}

/// What the binding controllers share.
struct Binder {
    context: Arc<Context>,
    known: Mutex<HashMap<WorkloadKey, reconcile::Known>>,
    news: mpsc::UnboundedSender<ObjectRef<Resource>>,
}

impl Binder {
    /// Starts the controller of one kind of workload.
    fn follow<K>(
        self: &Arc<Self>,
        kind: WorkloadKind,
        watched: &Watched<Meta<K>>,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) where
        K: Watchable,
        Meta<K>: DeserializeOwned,
    {
        let binder = Arc::clone(self);
        let task = control::run(
            "binding",
            Arc::clone(&self.context),
            watched.store().clone(),
            self.queue(kind, watched),
            move |object, _| Arc::clone(&binder).reconcile(found(kind, object.as_ref()), object.metadata.generation),
            shutdown.clone(),
        );
        tasks.spawn(task);
    }

    /// The workloads of a kind that are to be looked at: those that changed and may concern us, and those that a
    /// CloudResource that changed means or had.
    fn queue<K>(
        self: &Arc<Self>,
        kind: WorkloadKind,
        watched: &Watched<Meta<K>>,
    ) -> impl Stream<Item = ObjectRef<Meta<K>>> + Send + use<K>
    where
        K: Watchable,
        Meta<K>: DeserializeOwned,
    {
        let (binder, workloads) = (Arc::clone(self), watched.clone());
        let own = watched.touched().filter_map(move |object| {
            let found = found(kind, object.as_ref());
            let is_there = workloads.get(Some(&found.key.namespace), &found.key.name).is_some();
            if !is_there {
                binder.forget(&found.key);
            }
            // A labelled one may have variables of a CloudResource that went unseen.
            let is_labelled = label(object.as_ref(), names::OAM_COMPONENT).is_some();
            let is_due =
                is_there && (is_labelled || binder.is_known(&found.key) || !binder.wanted(&found.key).is_empty());
            std::future::ready(is_due.then(|| ObjectRef::from_obj(object.as_ref())))
        });
        let binder = Arc::clone(self);
        let of_resources = self.context.stores.resources.touched().flat_map(move |resource| {
            let keys = binder.keys(&binder.read(resource.as_ref()));
            let refs = keys.into_iter().filter(move |key| key.kind == kind);
            stream::iter(refs.map(|key| ObjectRef::new(&key.name).within(&key.namespace)))
        });
        stream::select(own, of_resources)
    }

    /// What a CloudResource wants.
    fn read(&self, resource: &Resource) -> Wanted {
        let Ok(decoded) = &resource.0 else {
            return Wanted::of_guard(resource, None);
        };
        if decoded.spec.bind.is_none() {
            return Wanted::of(decoded, None);
        }
        let all = self.context.stores.resources.store().state();
        let others = all.iter().filter_map(|other| other.0.as_ref().ok());
        let namespace = decoded.metadata.namespace.as_deref().unwrap_or_default();
        Wanted::of(
            decoded,
            wanted::target(namespace, &decoded.spec, others).map(|target| &target.spec),
        )
    }

    /// The workloads that a CloudResource means or had.
    fn keys(&self, wanted: &Wanted) -> Vec<WorkloadKey> {
        let meant = self.meant(wanted).into_iter().map(|found| found.key);
        let had = wanted.consumers.iter();
        let had = had.filter_map(|had| WorkloadKey::of(&wanted.namespace, had));
        let mut keys: Vec<_> = meant.chain(had).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    fn meant(&self, wanted: &Wanted) -> Vec<Found> {
        self.context.stores.workloads.meant(
            &wanted.namespace,
            &wanted.application,
            &wanted.component,
            wanted.workload.as_ref(),
        )
    }

    /// What the CloudResources that mean a workload or had it want. One that means another by now is going from here.
    fn wanted(&self, key: &WorkloadKey) -> Vec<Wanted> {
        let (labels, reference) = (self.context.stores.workloads.labels(key), key.reference());
        let may = |resource: &Resource| may_want(resource, key, &labels, &reference);
        let resources = self.context.stores.resources.filter(may);
        let wanted = resources.iter().map(|resource| self.read(resource));
        wanted
            .filter_map(|mut wanted| {
                let is_meant = self.meant(&wanted).iter().any(|found| found.key == *key);
                let had = wanted.consumers.contains(&key.reference());
                wanted.is_going |= !is_meant;
                (is_meant || had).then_some(wanted)
            })
            .collect()
    }

    fn is_known(&self, key: &WorkloadKey) -> bool {
        locked(&self.known).contains_key(key)
    }

    /// A workload is gone: nothing is said of it any more.
    fn forget(&self, key: &WorkloadKey) {
        if let Some(known) = locked(&self.known).remove(key) {
            self.tell(&key.namespace, known.resources());
        }
    }

    /// Has these CloudResources looked at.
    fn tell<'a>(&self, namespace: &str, resources: impl IntoIterator<Item = &'a String>) {
        for resource in resources {
            // At the very end nobody listens any more.
            let _ = self.news.send(ObjectRef::new(resource).within(namespace));
        }
    }
}

/// Whether a CloudResource may mean a workload or have had it: what rules most of them out at once.
fn may_want(resource: &Resource, key: &WorkloadKey, labels: &[Option<String>; 2], had: &WorkloadReference) -> bool {
    if resource.meta().namespace.as_deref() != Some(&key.namespace) {
        return false;
    }
    let Ok(resource) = &resource.0 else { return true };
    let spec = &resource.spec;
    let is_labelled = || labels[0].as_ref() == Some(&spec.application) && labels[1].as_ref() == Some(&spec.component);
    let is_had = || resource.status.iter().any(|status| status.consumers.contains(had));
    spec.workload.is_some() || is_labelled() || is_had()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
