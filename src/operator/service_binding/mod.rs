//! Projects services into workloads as servicebinding.io says: files below `SERVICE_BINDING_ROOT`, and variables.
//!
//! **One writer per workload.** Whatever asks for it, a workload is written by `project.rs`, one at a time, with the
//! union of all ServiceBindings that mean it (`plan.rs`, no I/O), by a JSON patch that tests what was read
//! ([`mapping`](super::workload::mapping)). So two ServiceBindings on one workload do not undo each other, any kind of
//! workload will do, and what is as it should be is not written: nothing rolls for nothing.
//!
//! **In peace with our binding controller.** That one writes variables by server-side apply and owns them by
//! `managedFields`; this one writes what carries the uid of a ServiceBinding, and variables that the record on the
//! workload names (`record.rs`). A variable that is there and in no record is somebody else's, refused and named in the
//! condition; to the binding controller, ours are those of a field manager that is not its own, and refused likewise.
//! Who comes first has it.
//!
//! **What stays.** A service that vanishes makes the ServiceBinding not ready, and what is in the workload stays: taking
//! it out would roll the workload into a life without it. A ServiceBinding that goes, or whose selector does not match
//! any more, is taken out whole. A Secret whose data changes reaches the files by the kubelet, without a rollout.
//!
//! **Deletion** needs no spec: the kinds of workloads that it may be in are written on the ServiceBinding with the
//! finalizer, before anything is projected.
//!
//! What it deliberately does not do: read Secrets (of one only the metadata); watch or list them; mutate workloads at
//! their admission, so one that comes after its ServiceBinding is rolled once; make workloads.

mod kinds;
mod plan;
mod project;
mod record;
mod report;
mod service;
#[cfg(test)]
mod tests;
mod want;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams},
    core::{DeserializeGuard, GroupVersionKind, PartialObjectMeta},
    runtime::{controller::Action, reflector::ObjectRef, watcher},
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Context, Watched, control, object,
    workload::{Watchable, WorkloadKind},
};
use crate::api::{ClusterWorkloadResourceMapping, ServiceBinding, names};

use kinds::{Kinds, Touched};
use project::{Key, Known, Projected, forbidden, recorded};
use record::Record;
use report::{Problem, Standing};
use want::{Meant, kind, meant, of_api_version};

type Guard = DeserializeGuard<ServiceBinding>;
/// The workloads of a kind, by their metadata, and how that is asked for.
type Listed = (ApiResource, Vec<PartialObjectMeta<DynamicObject>>);

/// How soon it is looked again where something is on its way.
const SOON: Duration = Duration::from_secs(3);
/// How long a refusal stands before it is tried again.
const REFUSED: Duration = Duration::from_secs(60);

/// What the reconciles share.
struct Projector {
    context: Arc<Context>,
    bindings: Watched<Guard>,
    mappings: Watched<DeserializeGuard<ClusterWorkloadResourceMapping>>,
    kinds: Kinds,
    /// The Secret of each ServiceBinding that was looked at, if its service has one, by its uid.
    resolved: Mutex<HashMap<String, Option<String>>>,
    workloads: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Known>>>>,
}

/// Runs the controller. `ours`: ServiceBindings are reconciled; else our finalizers are let go, and that is all.
pub(super) async fn run(context: Arc<Context>, ours: bool, shutdown: CancellationToken) {
    let client = &context.client;
    let bindings = context.stores.service_bindings.clone();
    let mappings = if ours {
        Watched::start(Api::all(client.clone()), watcher::Config::default(), &shutdown)
    } else {
        Watched::nothing()
    };
    let ready = async { tokio::join!(bindings.ready(), mappings.ready()) };
    if shutdown.run_until_cancelled(ready).await.is_none() {
        return;
    }
    let (news, touched) = mpsc::unbounded_channel();
    let projector = Arc::new(Projector {
        kinds: Kinds::new(client.clone(), news, shutdown.clone()),
        bindings: bindings.clone(),
        mappings,
        resolved: Mutex::default(),
        workloads: Mutex::default(),
        context: Arc::clone(&context),
    });
    let queue = projector.queue(touched);
    let store = bindings.store().clone();
    let reconcile = move |guard: Arc<Guard>, _| Arc::clone(&projector).reconcile(guard, ours);
    control::run("service-binding", context, store, queue, reconcile, shutdown).await;
}

impl Projector {
    /// The ServiceBindings that are to be looked at.
    fn queue(
        self: &Arc<Self>,
        touched: mpsc::UnboundedReceiver<Touched>,
    ) -> impl Stream<Item = ObjectRef<Guard>> + Send + use<> {
        let stores = &self.context.stores;
        let named = stream::unfold(
            touched,
            |mut touched| async move { Some((touched.recv().await?, touched)) },
        );
        let resources = stores.resources.touched();
        let resources = resources.map(|object| Touched::of("mooring.dev", "CloudResource", object.as_ref()));
        let workloads = &stores.workloads;
        let touched = stream::select_all([
            named.boxed(),
            resources.boxed(),
            changed(WorkloadKind::Deployment, &workloads.deployments).boxed(),
            changed(WorkloadKind::StatefulSet, &workloads.stateful_sets).boxed(),
            changed(WorkloadKind::DaemonSet, &workloads.daemon_sets).boxed(),
            changed(WorkloadKind::CronJob, &workloads.cron_jobs).boxed(),
        ]);
        let projector = Arc::clone(self);
        let concerned = touched.flat_map(move |touched| {
            let found = projector.bindings.filter(|guard| concerns(guard, &touched));
            stream::iter(found).map(|guard| ObjectRef::from_obj(guard.as_ref()))
        });
        let projector = Arc::clone(self);
        let mapped = self.mappings.touched().flat_map(move |mapping| {
            let name = mapping.name_any();
            let group = name.split_once('.').map_or("", |(_, group)| group).to_owned();
            let is_of = |guard: &Guard| guard.0.as_ref().is_ok_and(|binding| kind(&binding.spec).group == group);
            stream::iter(projector.bindings.filter(is_of)).map(|guard| ObjectRef::from_obj(guard.as_ref()))
        });
        let own = self.bindings.touched().map(|guard| ObjectRef::from_obj(guard.as_ref()));
        stream::select_all([own.boxed(), concerned.boxed(), mapped.boxed()])
    }

    async fn reconcile(self: Arc<Self>, guard: Arc<Guard>, ours: bool) -> kube::Result<Action> {
        let meta = guard.meta();
        if !ours {
            object::remove_finalizer(&self.api(meta), meta).await?;
            return Ok(Action::await_change());
        }
        if meta.deletion_timestamp.is_some() {
            return self.tear_down(&guard).await;
        }
        match &guard.0 {
            Ok(binding) => self.converge(binding).await,
            Err(invalid) => {
                let message = format!("it cannot be read: {}; what it has in workloads stays", invalid.error);
                let before = report::written(&self.context.client, meta).await?;
                report::complain(&self.context.client, meta, before, &Problem::new("Invalid", message)).await?;
                Ok(Action::await_change())
            }
        }
    }

    fn api(&self, meta: &ObjectMeta) -> Api<Guard> {
        Api::namespaced(
            self.context.client.clone(),
            meta.namespace.as_deref().unwrap_or_default(),
        )
    }

    async fn converge(&self, binding: &ServiceBinding) -> kube::Result<Action> {
        let namespace = binding.namespace().unwrap_or_default();
        let uid = binding.uid().unwrap_or_default();
        let client = &self.context.client;
        let meant = match meant(binding) {
            Ok(meant) => meant,
            Err(problem) => {
                let standing = Standing {
                    service: Err(problem.clone()),
                    workload: Err(problem),
                };
                report::write(client, binding, &standing).await?;
                return Ok(Action::await_change());
            }
        };
        let wanted = kind(&binding.spec);
        let mut kinds = recorded(binding.annotations().get(names::PROJECTED_INTO));
        if !kinds.contains(&wanted) {
            kinds.push(wanted.clone());
        }
        self.hold(binding, &kinds).await?;
        let service = self.secret_of(&namespace, &binding.spec.service).await?;
        locked(&self.resolved).insert(uid.clone(), service.clone().ok());
        let mut tally = Tally::default();
        for one in &kinds {
            let is_wanted = *one == wanted;
            let (resource, objects) = match self.workloads_of(&namespace, one).await? {
                Ok(found) => found,
                Err(problem) if is_wanted => {
                    tally.problem(problem, Some(REFUSED));
                    continue;
                }
                Err(_) => continue,
            };
            for object in objects {
                let name = object.name_any();
                let is_meant = is_wanted && meant.is(&name, object.labels());
                if is_meant || has(&object, &uid) {
                    let projected = self.project(&resource, &namespace, &name).await?;
                    tally.count(&resource, &name, &uid, is_meant, projected);
                }
            }
        }
        let wait = tally.wait;
        let poll = self.context.options.poll;
        let is_away = service
            .as_ref()
            .is_err_and(|problem| problem.reason == "SecretNotFound");
        let away = report::unavailable_for(binding)
            .div_f64(10.0)
            .clamp(SOON, poll.max(SOON));
        let standing = Standing {
            workload: tally.outcome(&wanted, &meant, service.is_ok()),
            service,
        };
        report::write(client, binding, &standing).await?;
        let wait = wait.into_iter().chain(is_away.then_some(away)).min().unwrap_or(poll);
        Ok(Action::requeue(wait))
    }

    /// Writes down that there will be something to take out, and where to look for it.
    async fn hold(&self, binding: &ServiceBinding, kinds: &[GroupVersionKind]) -> kube::Result<()> {
        let written = kinds.iter().map(|kind| format!("{}/{}", kind.api_version(), kind.kind));
        let written = written.collect::<Vec<_>>().join(",");
        let mut finalizers = binding.finalizers().to_vec();
        let is_held = finalizers.iter().any(|name| name == names::FINALIZER);
        if is_held && binding.annotations().get(names::PROJECTED_INTO) == Some(&written) {
            return Ok(());
        }
        if !is_held {
            finalizers.push(names::FINALIZER.to_owned());
        }
        let patch = Patch::Merge(json!({ "metadata": {
            "uid": binding.metadata.uid,
            "resourceVersion": binding.metadata.resource_version,
            "finalizers": finalizers,
            "annotations": { names::PROJECTED_INTO: written },
        }}));
        let api = self.api(&binding.metadata);
        api.patch_metadata(&binding.name_any(), &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// The workloads of a kind in a namespace, by their metadata.
    async fn workloads_of(&self, namespace: &str, kind: &GroupVersionKind) -> kube::Result<Result<Listed, Problem>> {
        let unknown = || {
            let (api_version, kind) = (kind.api_version(), &kind.kind);
            let message = format!(
                "spec.workload: the API server serves no {kind} of {api_version} in namespaces; check both, or install its \
                 definition"
            );
            Problem::new("WorkloadNotFound", message)
        };
        let Some(resource) = self.kinds.find(kind).await? else {
            return Ok(Err(unknown()));
        };
        self.kinds.watch(&resource);
        let api = Api::<DynamicObject>::namespaced_with(self.context.client.clone(), namespace, &resource);
        match api.list_metadata(&ListParams::default()).await {
            Ok(list) => Ok(Ok((resource, list.items))),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.kinds.forget(kind);
                Ok(Err(unknown()))
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                Ok(Err(forbidden(&resource, "list", &status.message)))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes it out of every workload, then lets it go. Needs no spec.
    async fn tear_down(&self, guard: &Guard) -> kube::Result<Action> {
        let meta = guard.meta();
        if !guard.finalizers().iter().any(|name| name == names::FINALIZER) {
            return Ok(Action::await_change());
        }
        let namespace = meta.namespace.clone().unwrap_or_default();
        let uid = meta.uid.clone().unwrap_or_default();
        let mut left = Vec::new();
        for kind in recorded(guard.annotations().get(names::PROJECTED_INTO)) {
            let (resource, objects) = match self.workloads_of(&namespace, &kind).await? {
                Ok(found) => found,
                // Of a kind that is not served nothing is left.
                Err(problem) if problem.reason == "WorkloadNotFound" => continue,
                Err(problem) => {
                    left.push(problem.message);
                    continue;
                }
            };
            for object in objects.iter().filter(|object| has(object, &uid)) {
                if let Projected::Held(problem, _) = self.project(&resource, &namespace, &object.name_any()).await? {
                    left.push(problem.message);
                }
            }
        }
        if !left.is_empty() {
            let message = format!("not yet out of its workloads: {}", left.join("; "));
            let since = meta.deletion_timestamp.as_ref().map_or(Timestamp::now(), |time| time.0);
            let waited = Timestamp::now().duration_since(since);
            if waited < self.context.options.patience.try_into().unwrap_or_default() {
                let before = guard
                    .0
                    .as_ref()
                    .ok()
                    .and_then(|binding| binding.status.clone())
                    .unwrap_or_default();
                let problem = Problem::new("Unbinding", message);
                report::complain(&self.context.client, meta, before.conditions, &problem).await?;
                return Ok(Action::requeue(SOON));
            }
            self.context.warn(guard, "Abandoned", "Unbind", message).await;
        }
        object::remove_finalizer(&self.api(meta), meta).await?;
        locked(&self.resolved).remove(&uid);
        Ok(Action::await_change())
    }
}

/// What came of all the workloads of a ServiceBinding.
#[derive(Debug, Default)]
struct Tally {
    there: Vec<String>,
    problems: Vec<Problem>,
    is_found: bool,
    is_out: bool,
    wait: Option<Duration>,
}

impl Tally {
    fn problem(&mut self, problem: Problem, wait: Option<Duration>) {
        self.is_found = true;
        self.wait = self.wait.into_iter().chain(wait).min();
        self.problems.push(problem);
    }

    fn count(&mut self, resource: &ApiResource, name: &str, uid: &str, is_meant: bool, projected: Projected) {
        match projected {
            Projected::Gone => {}
            Projected::Held(problem, wait) => self.problem(problem, Some(wait.unwrap_or(REFUSED))),
            Projected::Done(_) if !is_meant => {}
            Projected::Done(mut shares) => {
                self.is_found = true;
                let share = shares.remove(uid).unwrap_or_default();
                let workload = format!("{} {name}", resource.kind);
                if !share.refused.is_empty() {
                    let message = format!("{workload}: {}", share.refused.join("; "));
                    self.problems.push(Problem::new("Collision", message));
                } else if share.is_there {
                    self.there.push(workload);
                } else {
                    self.is_out = true;
                    self.there.push(format!("{workload} (none of its containers is meant)"));
                }
            }
        }
    }

    fn outcome(self, kind: &GroupVersionKind, meant: &Meant, is_available: bool) -> Result<Vec<String>, Problem> {
        if let Some(first) = self.problems.first() {
            let messages: Vec<_> = self.problems.iter().map(|problem| problem.message.as_str()).collect();
            return Err(Problem::new(first.reason, messages.join("; ")));
        }
        if !self.is_found {
            let kind = &kind.kind;
            let message = match meant {
                Meant::Named(name) => {
                    format!("there is no {kind} {name} in the namespace; it is bound when there is one")
                }
                Meant::Selected(selector) => {
                    format!("no {kind} in the namespace is labelled {selector}; one that is will be bound")
                }
            };
            return Err(Problem::new("WorkloadNotFound", message));
        }
        if self.is_out && !is_available {
            return Err(Problem::new(
                "ServiceUnavailable",
                "it is projected when its service is available",
            ));
        }
        Ok(self.there)
    }
}

/// Whether an object has something of a ServiceBinding.
fn has(object: &PartialObjectMeta<DynamicObject>, uid: &str) -> bool {
    Record::of(object.metadata.annotations.as_ref())
        .bindings
        .contains_key(uid)
}

/// Whether a ServiceBinding is to be looked at because an object was touched: it is its service, or it is its workload by
/// now or was.
fn concerns(guard: &Guard, touched: &Touched) -> bool {
    let meta = guard.meta();
    if meta.namespace.as_deref() != Some(&touched.namespace) {
        return false;
    }
    if meta.uid.as_ref().is_some_and(|uid| touched.has.contains(uid)) {
        return true;
    }
    let Ok(binding) = &guard.0 else { return false };
    let is_of = |kind: GroupVersionKind| (&kind.group, &kind.kind) == (&touched.group, &touched.kind);
    let service = &binding.spec.service;
    let is_service = service.name == touched.name && is_of(of_api_version(&service.api_version, &service.kind));
    let is_workload = || meant(binding).is_ok_and(|meant| meant.is(&touched.name, &touched.labels));
    is_service || is_of(kind(&binding.spec)) && is_workload()
}

/// News of a kind of workload that is watched anyway, without those of its status alone.
fn changed<K>(
    kind: WorkloadKind,
    watched: &Watched<PartialObjectMeta<K>>,
) -> impl Stream<Item = Touched> + Send + use<K>
where
    K: Watchable,
    PartialObjectMeta<K>: serde::de::DeserializeOwned,
{
    let (group, store) = (kind.resource().group, watched.clone());
    let mut seen = BTreeMap::new();
    watched.touched().filter_map(move |object| {
        let touched = Touched::of(&group, kind.as_str(), object.as_ref());
        let key = (touched.namespace.clone(), touched.name.clone());
        let is_news = if store.get(Some(&key.0), &key.1).is_some() {
            let now = (object.uid(), object.metadata.generation, touched.clone());
            let before = seen.insert(key, now.clone());
            before != Some(now)
        } else {
            seen.remove(&key);
            true
        };
        std::future::ready(is_news.then_some(touched))
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
