//! Workloads: their kinds, where their containers are, who refers to a Secret, and whether their pods are rolled.
//!
//! The metadata of all Deployments, StatefulSets, DaemonSets and CronJobs is watched, and of the Jobs that carry the
//! label of a component: a CloudResource may name any workload, and one watch per kind costs less than one per name.
//! What is kept of an object is its name, labels and owners; before anything is decided the object itself is read.
//! Kinds of other projects are watched where and while they are defined: see `foreign.rs`.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{Container, PodTemplateSpec},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    core::PartialObjectMeta,
    runtime::watcher,
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::Watched;
use crate::api::{WorkloadReference, names};

pub mod foreign;
pub mod mapping;
mod rolled;
pub(super) use rolled::{Given, given, holds, rolled};
pub use rolled::{Rolled, Unbinding, Use, unbound_and_rolled};

/// How long other projects' kinds are waited for at the start.
const FOREIGN: Duration = Duration::from_secs(30);

/// A kind of workload that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// batch/v1 CronJob.
    CronJob,
    /// batch/v1 Job, whose pod template cannot be changed.
    Job,
    /// apps.kruise.io/v1alpha1 CloneSet, of OpenKruise.
    CloneSet,
    /// apps.kruise.io/v1beta1 StatefulSet, of OpenKruise.
    AdvancedStatefulSet,
    /// argoproj.io/v1alpha1 Rollout.
    Rollout,
    /// serving.knative.dev/v1 Service.
    KnativeService,
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::CronJob,
        Self::Job,
        Self::CloneSet,
        Self::AdvancedStatefulSet,
        Self::Rollout,
        Self::KnativeService,
    ];

    /// As it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet | Self::AdvancedStatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
            Self::Job => "Job",
            Self::CloneSet => "CloneSet",
            Self::Rollout => "Rollout",
            Self::KnativeService => "Service",
        }
    }

    /// For requests to the API server.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
            Self::CronJob => ApiResource::erase::<CronJob>(&()),
            Self::Job => ApiResource::erase::<Job>(&()),
            Self::CloneSet => ApiResource::erase::<foreign::CloneSet>(&()),
            Self::AdvancedStatefulSet => ApiResource::erase::<foreign::AdvancedStatefulSet>(&()),
            Self::Rollout => ApiResource::erase::<foreign::Rollout>(&()),
            Self::KnativeService => ApiResource::erase::<foreign::KnativeService>(&()),
        }
    }

    /// Whether its lists of containers and variables are atomic, so that an apply of ours would wipe out what else is in
    /// them.
    pub const fn has_atomic_lists(self) -> bool {
        matches!(
            self,
            Self::CloneSet | Self::AdvancedStatefulSet | Self::Rollout | Self::KnativeService
        )
    }

    /// Where the pod template is.
    pub const fn template(self) -> &'static [&'static str] {
        match self {
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
            _ => &["spec", "template"],
        }
    }

    /// The kind that is referred to. The version does not matter: the API server converts.
    pub fn of(reference: &WorkloadReference) -> Option<Self> {
        let group = reference.api_version.split_once('/').map_or("", |(group, _)| group);
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == reference.kind && kind.resource().group == group)
    }
}

/// Names a workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadKey {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

impl WorkloadKey {
    /// As a status has it.
    pub fn reference(&self) -> WorkloadReference {
        WorkloadReference {
            api_version: self.kind.resource().api_version,
            kind: self.kind.as_str().into(),
            name: self.name.clone(),
        }
    }

    /// What a status names; `None` for a kind that is not known here.
    pub fn of(namespace: &str, reference: &WorkloadReference) -> Option<Self> {
        Some(Self {
            namespace: namespace.into(),
            kind: WorkloadKind::of(reference)?,
            name: reference.name.clone(),
        })
    }

    /// Where requests for it go.
    pub fn api(&self, client: &Client) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), &self.namespace, &self.kind.resource())
    }

    /// Reads it; `None` if there is none.
    pub async fn read(&self, client: &Client) -> kube::Result<Option<Workload>> {
        let object = self.api(client).get_opt(&self.name).await?;
        Ok(object.map(|object| Workload {
            kind: self.kind,
            object,
        }))
    }
}

/// A workload as it was read.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// All of it.
    pub object: DynamicObject,
}

impl Workload {
    /// Its name and kind.
    pub fn key(&self) -> WorkloadKey {
        WorkloadKey {
            namespace: self.object.namespace().unwrap_or_default(),
            kind: self.kind,
            name: self.object.name_any(),
        }
    }

    /// Its pod template; an empty one if it has none that can be read.
    pub fn template(&self) -> PodTemplateSpec {
        let template = self
            .kind
            .template()
            .iter()
            .try_fold(&self.object.data, |value: &Json, step| value.get(step));
        template
            .and_then(|template| serde_json::from_value(template.clone()).ok())
            .unwrap_or_default()
    }
}

/// The two lists of containers in a pod template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContainerList {
    /// They run before the others.
    Init,
    /// They run.
    Main,
}

impl ContainerList {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Init, Self::Main];

    /// The name of the field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
        }
    }

    /// The containers of this list.
    pub fn of(self, template: &PodTemplateSpec) -> &[Container] {
        let Some(spec) = &template.spec else { return &[] };
        match self {
            Self::Init => spec.init_containers.as_deref().unwrap_or_default(),
            Self::Main => &spec.containers,
        }
    }
}

/// What is known of a workload without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name and kind.
    pub key: WorkloadKey,
    /// Its uid.
    pub uid: String,
    /// Whether it is being deleted.
    pub is_going: bool,
}

/// The workloads of the cluster, as last heard.
#[derive(Debug, Clone)]
pub struct Workloads {
    pub(super) deployments: Watched<PartialObjectMeta<Deployment>>,
    pub(super) stateful_sets: Watched<PartialObjectMeta<StatefulSet>>,
    pub(super) daemon_sets: Watched<PartialObjectMeta<DaemonSet>>,
    pub(super) cron_jobs: Watched<PartialObjectMeta<CronJob>>,
    pub(super) jobs: Watched<PartialObjectMeta<Job>>,
    pub(super) clone_sets: Watched<PartialObjectMeta<foreign::CloneSet>>,
    pub(super) advanced_stateful_sets: Watched<PartialObjectMeta<foreign::AdvancedStatefulSet>>,
    pub(super) rollouts: Watched<foreign::Rollout>,
    pub(super) knative_services: Watched<PartialObjectMeta<foreign::KnativeService>>,
}

impl Workloads {
    /// Starts watching; ends with `shutdown`.
    pub fn start(client: &Client, shutdown: &CancellationToken) -> Self {
        let any = watcher::Config::default();
        // A cluster has many Jobs, and of an unlabelled one there is nothing to say but what its kind says.
        let labelled = any.clone().labels(names::OAM_COMPONENT);
        let served = foreign::Served::start(client, shutdown);
        Self {
            clone_sets: served.watched(client, shutdown),
            advanced_stateful_sets: served.watched(client, shutdown),
            rollouts: served.watched(client, shutdown),
            knative_services: served.watched(client, shutdown),
            deployments: Watched::start(Api::all(client.clone()), any.clone(), shutdown),
            stateful_sets: Watched::start(Api::all(client.clone()), any.clone(), shutdown),
            daemon_sets: Watched::start(Api::all(client.clone()), any.clone(), shutdown),
            cron_jobs: Watched::start(Api::all(client.clone()), any, shutdown),
            jobs: Watched::start(Api::all(client.clone()), labelled, shutdown),
        }
    }

    /// Waits until everything that was there at the start is known; of other projects' kinds, which may be broken or
    /// forbidden, only for a while.
    pub async fn ready(&self) {
        let foreign = async {
            tokio::join!(
                self.clone_sets.ready(),
                self.advanced_stateful_sets.ready(),
                self.rollouts.ready(),
                self.knative_services.ready(),
            )
        };
        let _ = tokio::join!(
            tokio::time::timeout(FOREIGN, foreign),
            self.deployments.ready(),
            self.stateful_sets.ready(),
            self.daemon_sets.ready(),
            self.cron_jobs.ready(),
            self.jobs.ready(),
        );
        for kind in WorkloadKind::ALL.into_iter().filter(|kind| !self.knows(*kind)) {
            tracing::error!(
                kind = kind.as_str(),
                "objects of this kind cannot be listed, and nothing waits for them any longer; see the warnings of its watch"
            );
        }
    }

    /// Whether everything of a kind that was there at the start is known.
    pub fn knows(&self, kind: WorkloadKind) -> bool {
        match kind {
            WorkloadKind::CloneSet => self.clone_sets.is_known(),
            WorkloadKind::AdvancedStatefulSet => self.advanced_stateful_sets.is_known(),
            WorkloadKind::Rollout => self.rollouts.is_known(),
            WorkloadKind::KnativeService => self.knative_services.is_known(),
            // These are waited for.
            WorkloadKind::Deployment
            | WorkloadKind::StatefulSet
            | WorkloadKind::DaemonSet
            | WorkloadKind::CronJob
            | WorkloadKind::Job => true,
        }
    }

    /// The workloads that are meant: the one that is named, else those labelled with the application and the
    /// component. A Job that a CronJob made is its business; one beside another workload is an errand of its own.
    pub fn meant(
        &self,
        namespace: &str,
        application: &str,
        component: &str,
        named: Option<&WorkloadReference>,
    ) -> Vec<Found> {
        if let Some(named) = named {
            let found = WorkloadKey::of(namespace, named).and_then(|key| self.get(&key));
            return self.with_templates(found.into_iter().collect());
        }
        let mut found = self.labelled(namespace, application, component);
        if found.is_empty() {
            found = labelled(&self.jobs, WorkloadKind::Job, namespace, application, component);
        }
        self.with_templates(found)
    }

    /// The workloads that are labelled with the application and the component, but for Jobs.
    fn labelled(&self, namespace: &str, application: &str, component: &str) -> Vec<Found> {
        use WorkloadKind as Kind;
        [
            labelled(&self.deployments, Kind::Deployment, namespace, application, component),
            labelled(
                &self.stateful_sets,
                Kind::StatefulSet,
                namespace,
                application,
                component,
            ),
            labelled(&self.daemon_sets, Kind::DaemonSet, namespace, application, component),
            labelled(&self.cron_jobs, Kind::CronJob, namespace, application, component),
            labelled(&self.clone_sets, Kind::CloneSet, namespace, application, component),
            labelled(
                &self.advanced_stateful_sets,
                Kind::AdvancedStatefulSet,
                namespace,
                application,
                component,
            ),
            labelled(&self.rollouts, Kind::Rollout, namespace, application, component),
            labelled(
                &self.knative_services,
                Kind::KnativeService,
                namespace,
                application,
                component,
            ),
        ]
        .concat()
    }

    /// With a Rollout, the workload whose pod template it runs: that is where the variables are put.
    fn with_templates(&self, mut found: Vec<Found>) -> Vec<Found> {
        let templates: Vec<_> = found
            .iter()
            .filter_map(|found| self.template_of(&found.key))
            .filter_map(|key| self.get(&key))
            .collect();
        for template in templates {
            if !found.iter().any(|known| known.key == template.key) {
                found.push(template);
            }
        }
        found
    }

    /// The workload whose pod template a Rollout runs, if it has none of its own.
    pub fn template_of(&self, key: &WorkloadKey) -> Option<WorkloadKey> {
        if key.kind != WorkloadKind::Rollout {
            return None;
        }
        let rollout = self.rollouts.get(Some(&key.namespace), &key.name)?;
        WorkloadKey::of(&key.namespace, rollout.spec.workload_ref.as_ref()?)
    }

    /// The Rollouts that run a workload's pod template.
    pub fn rollouts_of(&self, key: &WorkloadKey) -> Vec<WorkloadKey> {
        let runs_it = |rollout: &foreign::Rollout| {
            let template = rollout.spec.workload_ref.as_ref();
            rollout.metadata.namespace.as_deref() == Some(&key.namespace)
                && template
                    .and_then(|template| WorkloadKey::of(&key.namespace, template))
                    .as_ref()
                    == Some(key)
        };
        let rollouts = self.rollouts.filter(runs_it);
        rollouts
            .iter()
            .map(|rollout| found(WorkloadKind::Rollout, rollout.as_ref()).key)
            .collect()
    }

    /// The application and the component that a workload is labelled with.
    pub fn labels(&self, key: &WorkloadKey) -> [Option<String>; 2] {
        match key.kind {
            WorkloadKind::Deployment => labels(&self.deployments, key),
            WorkloadKind::StatefulSet => labels(&self.stateful_sets, key),
            WorkloadKind::DaemonSet => labels(&self.daemon_sets, key),
            WorkloadKind::CronJob => labels(&self.cron_jobs, key),
            WorkloadKind::Job => labels(&self.jobs, key),
            WorkloadKind::CloneSet => labels(&self.clone_sets, key),
            WorkloadKind::AdvancedStatefulSet => labels(&self.advanced_stateful_sets, key),
            WorkloadKind::Rollout => labels(&self.rollouts, key),
            WorkloadKind::KnativeService => labels(&self.knative_services, key),
        }
    }

    /// The workload of that name, if it is there.
    pub fn get(&self, key: &WorkloadKey) -> Option<Found> {
        match key.kind {
            WorkloadKind::Deployment => named(&self.deployments, key),
            WorkloadKind::StatefulSet => named(&self.stateful_sets, key),
            WorkloadKind::DaemonSet => named(&self.daemon_sets, key),
            WorkloadKind::CronJob => named(&self.cron_jobs, key),
            WorkloadKind::Job => named(&self.jobs, key),
            WorkloadKind::CloneSet => named(&self.clone_sets, key),
            WorkloadKind::AdvancedStatefulSet => named(&self.advanced_stateful_sets, key),
            WorkloadKind::Rollout => named(&self.rollouts, key),
            WorkloadKind::KnativeService => named(&self.knative_services, key),
        }
    }
}

/// What is watched of a kind: as a rule its metadata alone.
pub trait Watchable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Watchable for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// What is known of an object of that kind.
pub(super) fn found<K: Watchable>(kind: WorkloadKind, object: &K) -> Found {
    Found {
        key: WorkloadKey {
            namespace: object.namespace().unwrap_or_default(),
            kind,
            name: object.name_any(),
        },
        uid: object.uid().unwrap_or_default(),
        is_going: object.meta().deletion_timestamp.is_some(),
    }
}

fn named<K: Watchable>(watched: &Watched<K>, key: &WorkloadKey) -> Option<Found> {
    let object = watched.get(Some(&key.namespace), &key.name)?;
    Some(found(key.kind, object.as_ref()))
}

fn labelled<K: Watchable>(
    watched: &Watched<K>,
    kind: WorkloadKind,
    namespace: &str,
    application: &str,
    component: &str,
) -> Vec<Found> {
    let fits = |object: &K| {
        object.meta().namespace.as_deref() == Some(namespace)
            && label(object, names::OAM_COMPONENT) == Some(component)
            && label(object, names::OAM_NAME) == Some(application)
            && !object.owner_references().iter().any(|owner| owner.kind == "CronJob")
    };
    let objects = watched.filter(fits);
    objects.iter().map(|object| found(kind, object.as_ref())).collect()
}

/// A label of a workload.
fn labels<K: Watchable>(watched: &Watched<K>, key: &WorkloadKey) -> [Option<String>; 2] {
    let found = watched.get(Some(&key.namespace), &key.name);
    [names::OAM_NAME, names::OAM_COMPONENT].map(|name| label(found.as_deref()?, name).map(str::to_owned))
}

pub(super) fn label<'a, K: Watchable>(object: &'a K, name: &str) -> Option<&'a str> {
    let labels = object.meta().labels.as_ref()?;
    labels.get(name).map(String::as_str)
}
