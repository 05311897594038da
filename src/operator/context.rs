//! What every controller works with.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Client, Resource,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::events::EventType,
};

use super::{endpoints::Endpoints, events::Events, metrics::Metrics, watched::Watched, workload::Workloads};
use crate::{
    api::{Application, CloudResource, Environment, ProviderConfig, RetainedResource, Settings},
    engine::{Engine, effective, problem::Problem},
};

/// What every controller works with.
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// The lifecycle.
    pub engine: Arc<Engine>,
    /// What is in the cluster, as last heard: a reconcile costs no reads.
    pub stores: Stores,
    /// What is counted.
    pub metrics: Metrics,
    /// How this operator was started.
    pub options: Options,
    /// What people are told beside the conditions.
    pub(super) events: Events,
}

/// What is in the cluster, as last heard; one watch of each kind.
#[derive(Debug)]
pub struct Stores {
    /// Applications. Empty while the Application controller is off and KubeVela's definition is not there.
    pub applications: Watched<DeserializeGuard<Application>>,
    /// CloudResources.
    pub resources: Watched<DeserializeGuard<CloudResource>>,
    /// Environments.
    pub environments: Watched<DeserializeGuard<Environment>>,
    /// ProviderConfigs.
    pub provider_configs: Watched<DeserializeGuard<ProviderConfig>>,
    /// RetainedResources.
    pub retained: Watched<DeserializeGuard<RetainedResource>>,
    /// Namespaces, for their labels.
    pub namespaces: Watched<PartialObjectMeta<Namespace>>,
    /// The Deployments that carry `app.oam.dev/component`, whoever made them; without their managedFields.
    pub deployments: Watched<Deployment>,
    /// All workloads, by their metadata.
    pub workloads: Workloads,
    /// Where components can be reached.
    pub endpoints: Endpoints,
}

/// How an operator is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The kubeconfig; by default `$KUBECONFIG`, `~/.kube/config` or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the operator: its Lease, and the credentials of providers.
    pub namespace: String,
    /// The name of the cluster, as `when.cluster` has it.
    pub cluster: Option<String>,
    /// Who holds what is made here; by default the uid of the namespace kube-system.
    pub cluster_id: Option<String>,
    /// Who this process is, among replicas: the name of its pod.
    pub identity: String,
    /// The URL of the ledger.
    pub ledger: String,
    /// Whether Applications are ours to carry out.
    pub applications: Applications,
    /// Where health and metrics are served; nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// How long a deleted resource waits for its consumers and dependents at most, before deletion wins.
    pub patience: Duration,
    /// How often a ready resource is looked at.
    pub poll: Duration,
    /// How often what stands at an account is compared with what is declared.
    pub inventory: Duration,
    /// How long a Lease that is not renewed stands.
    pub lease: Duration,
    /// How many objects of a kind are worked on at once. Observations are batched, so it is well above a batch.
    pub concurrency: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            namespace: "mooring-system".into(),
            cluster: None,
            cluster_id: None,
            identity: format!("mooring-{}", std::process::id()),
            ledger: "sqlite:mooring.db".into(),
            applications: Applications::Auto,
            listen: None,
            patience: Duration::from_secs(600),
            poll: Duration::from_secs(60),
            inventory: Duration::from_secs(600),
            lease: Duration::from_secs(15),
            concurrency: 512,
        }
    }
}

/// Whether Applications are ours to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Applications {
    /// They are.
    On,
    /// Somebody else does it; our finalizers on them are let go.
    Off,
    /// They are unless KubeVela is there when it is first asked; what was found then stays until told otherwise.
    #[default]
    Auto,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client has no Debug, and its configuration holds credentials.
        f.debug_struct("Context")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// What an Environment says at a provider.
    pub(super) fn settings(&self, environment: &Environment, provider: Option<&str>) -> Result<Settings, Problem> {
        let config = provider.and_then(|name| self.stores.provider_configs.get(None, name));
        let region = config.and_then(|guard| guard.0.as_ref().ok()?.region());
        let cluster = self.options.cluster.as_deref().unwrap_or_default();
        effective::settings(&environment.spec, region.as_deref(), cluster)
    }

    /// Tells whoever looks at the object. What was told of it within the last minutes is not told again. A failure is
    /// logged and is no error: in a terminating namespace nothing can be made.
    pub async fn event<K>(&self, object: &K, type_: EventType, reason: &str, action: &str, note: impl Into<String>)
    where
        K: Resource<DynamicType = ()>,
    {
        let about = object.object_ref(&());
        self.events.publish(about, type_, reason, action, note.into()).await;
    }

    /// [`event`](Self::event) of something that goes as it should.
    pub async fn tell<K>(&self, object: &K, reason: &str, action: &str, note: impl Into<String>)
    where
        K: Resource<DynamicType = ()>,
    {
        self.event(object, EventType::Normal, reason, action, note).await;
    }

    /// [`event`](Self::event) of something that somebody should look at.
    pub async fn warn<K>(&self, object: &K, reason: &str, action: &str, note: impl Into<String>)
    where
        K: Resource<DynamicType = ()>,
    {
        self.event(object, EventType::Warning, reason, action, note).await;
    }
}
