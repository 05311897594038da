//! Workloads: their kinds, where their containers are, who refers to a Secret, and whether their pods are rolled.
//!
//! The metadata of all Deployments, StatefulSets, DaemonSets and CronJobs is watched, and of the Jobs that carry the
//! label of a component: a CloudResource may name any workload, and one watch per kind costs less than one per name.
//! What is kept of an object is its name, labels and owners; before anything is decided the object itself is read.

use std::fmt::Debug;

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
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::Watched;
use crate::api::{WorkloadReference, names};

mod rolled;
pub use rolled::{Rolled, Unbinding, Use, unbound_and_rolled};
pub(super) use rolled::{holds, rolled};

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
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::CronJob,
        Self::Job,
    ];

    /// As it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
            Self::Job => "Job",
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
        }
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
}

impl Workloads {
    /// Starts watching; ends with `shutdown`.
    pub fn start(client: &Client, shutdown: &CancellationToken) -> Self {
        let any = watcher::Config::default();
        // A cluster has many Jobs, and of an unlabelled one there is nothing to say but what its kind says.
        let labelled = any.clone().labels(names::OAM_COMPONENT);
        Self {
            deployments: Watched::start(Api::all(client.clone()), any.clone(), shutdown),
            stateful_sets: Watched::start(Api::all(client.clone()), any.clone(), shutdown),
            daemon_sets: Watched::start(Api::all(client.clone()), any.clone(), shutdown),
            cron_jobs: Watched::start(Api::all(client.clone()), any, shutdown),
            jobs: Watched::start(Api::all(client.clone()), labelled, shutdown),
        }
    }

    /// Waits until everything that was there at the start is known.
    pub async fn ready(&self) {
        tokio::join!(
            self.deployments.ready(),
            self.stateful_sets.ready(),
            self.daemon_sets.ready(),
            self.cron_jobs.ready(),
            self.jobs.ready(),
        );
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
            return found.into_iter().collect();
        }
        let mut found = Vec::new();
        found.extend(labelled(
            &self.deployments,
            WorkloadKind::Deployment,
            namespace,
            application,
            component,
        ));
        found.extend(labelled(
            &self.stateful_sets,
            WorkloadKind::StatefulSet,
            namespace,
            application,
            component,
        ));
        found.extend(labelled(
            &self.daemon_sets,
            WorkloadKind::DaemonSet,
            namespace,
            application,
            component,
        ));
        found.extend(labelled(
            &self.cron_jobs,
            WorkloadKind::CronJob,
            namespace,
            application,
            component,
        ));
        if found.is_empty() {
            found.extend(labelled(
                &self.jobs,
                WorkloadKind::Job,
                namespace,
                application,
                component,
            ));
        }
        found
    }

    /// The application and the component that a workload is labelled with.
    pub fn labels(&self, key: &WorkloadKey) -> [Option<String>; 2] {
        match key.kind {
            WorkloadKind::Deployment => labels(&self.deployments, key),
            WorkloadKind::StatefulSet => labels(&self.stateful_sets, key),
            WorkloadKind::DaemonSet => labels(&self.daemon_sets, key),
            WorkloadKind::CronJob => labels(&self.cron_jobs, key),
            WorkloadKind::Job => labels(&self.jobs, key),
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
        }
    }
}

/// A kind whose metadata is watched.
pub trait Watchable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static
{
}

impl<K> Watchable for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static
{
}

/// What is known of an object of that kind.
pub(super) fn found<K: Watchable>(kind: WorkloadKind, object: &PartialObjectMeta<K>) -> Found {
    Found {
        key: WorkloadKey {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            kind,
            name: object.metadata.name.clone().unwrap_or_default(),
        },
        uid: object.metadata.uid.clone().unwrap_or_default(),
        is_going: object.metadata.deletion_timestamp.is_some(),
    }
}

fn named<K: Watchable>(watched: &Watched<PartialObjectMeta<K>>, key: &WorkloadKey) -> Option<Found> {
    let object = watched.get(Some(&key.namespace), &key.name)?;
    Some(found(key.kind, object.as_ref()))
}

fn labelled<K: Watchable>(
    watched: &Watched<PartialObjectMeta<K>>,
    kind: WorkloadKind,
    namespace: &str,
    application: &str,
    component: &str,
) -> Vec<Found> {
    let fits = |object: &PartialObjectMeta<K>| {
        object.metadata.namespace.as_deref() == Some(namespace)
            && label(object, names::OAM_COMPONENT) == Some(component)
            && label(object, names::OAM_NAME) == Some(application)
            && !object.owner_references().iter().any(|owner| owner.kind == "CronJob")
    };
    let objects = watched.filter(fits);
    objects.iter().map(|object| found(kind, object.as_ref())).collect()
}

/// A label of a workload.
fn labels<K: Watchable>(watched: &Watched<PartialObjectMeta<K>>, key: &WorkloadKey) -> [Option<String>; 2] {
    let found = watched.get(Some(&key.namespace), &key.name);
    [names::OAM_NAME, names::OAM_COMPONENT].map(|name| label(found.as_deref()?, name).map(str::to_owned))
}

pub(super) fn label<'a, K: Watchable>(object: &'a PartialObjectMeta<K>, name: &str) -> Option<&'a str> {
    let labels = object.metadata.labels.as_ref()?;
    labels.get(name).map(String::as_str)
}
