//! The Kubernetes front: controllers around the [engine](crate::engine).
//!
//! Only the leader runs controllers; a lease does not fence, so what must happen once is decided by a compare-and-swap
//! on the object concerned. Each kind is watched once ([`Watched`]); a reconcile reads from there, looks at what there
//! is and takes a step, whatever it was called for.

pub mod application;
pub mod binding;
pub mod context;
pub mod control;
pub mod endpoints;
mod environment;
mod events;
mod health;
mod lease;
pub mod metrics;
mod object;
mod orphans;
mod provider;
mod resource;
mod retained;
mod setup;
pub mod watched;
pub mod workload;

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{Api, Client, ResourceExt, client::ClientBuilder, runtime::watcher};
use mooring_provider::{ClusterId, Registration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api::names,
    engine::{Engine, SystemClock},
    ledger,
};

pub use context::{Applications, Context, Options, Stores};
pub use control::Failure;
pub use metrics::Metrics;
pub use watched::Watched;

use health::Health;
use lease::{Kept, Lease};
use setup::Whose;

/// Why an operator could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no kubeconfig, or it makes no sense.
    #[error("no cluster: name one with --kubeconfig, or run in one")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The API server refused something that is needed from the start.
    #[error("cannot {attempt}")]
    Cluster {
        /// What was tried.
        attempt: &'static str,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened")]
    Ledger(#[from] ledger::Error),
    /// Health and metrics cannot be served.
    #[error("cannot serve health and metrics; name another address with --listen")]
    Listen(#[source] std::io::Error),
    /// Another replica leads now.
    #[error("the lease was lost; another replica may lead now")]
    LeaseLost,
}

fn cluster(attempt: &'static str) -> impl Fn(kube::Error) -> Error {
    move |source| Error::Cluster {
        attempt,
        source: Box::new(source),
    }
}

/// Runs until SIGTERM or SIGINT, or until the lease is lost.
pub async fn run(options: Options, registrations: Vec<Registration>) -> Result<(), Error> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Error::Config(error.into()))?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("ending: what is under way comes to its end first");
        token.cancel();
    });
    let config = match &options.kubeconfig {
        Some(path) => from_file(path).await?,
        None => kube::Config::infer()
            .await
            .map_err(|error| Error::Config(error.into()))?,
    };
    run_until(config, options, registrations, Metrics::default(), shutdown).await
}

async fn from_file(path: &std::path::Path) -> Result<kube::Config, Error> {
    let wrong = |error| Error::Config(Box::new(error));
    let file = kube::config::Kubeconfig::read_from(path).map_err(wrong)?;
    kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
        .await
        .map_err(wrong)
}

/// Runs against a cluster until `shutdown`, or until the lease is lost.
pub async fn run_until(
    config: kube::Config,
    options: Options,
    registrations: Vec<Registration>,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let client = connect(config, &metrics)?;
    let health = Health::new(metrics.clone());
    // Ends with this function, however that ends; so do the watches.
    let over = shutdown.child_token();
    let _guard = over.clone().drop_guard();
    let mut served = tokio::spawn({
        let (health, over) = (health.clone(), over.clone());
        async move {
            match options.listen {
                Some(listen) => health.serve(listen, over).await,
                None => std::future::pending().await,
            }
        }
    });
    let work = lead(client, options, registrations, metrics, health, shutdown.clone());
    tokio::select! {
        ended = work => ended,
        Ok(Err(error)) = &mut served => Err(Error::Listen(error)),
    }
}

/// How many requests wait for an answer of the API server at once: with more of them its fairness turns us away.
const REQUESTS: usize = 100;

/// A client whose requests are counted, and limited.
fn connect(config: kube::Config, metrics: &Metrics) -> Result<Client, Error> {
    let metrics = metrics.clone();
    let counted = tower::util::MapRequestLayer::new(move |request: axum::http::Request<kube::client::Body>| {
        metrics.requested(request.method().as_str(), request.uri().path());
        request
    });
    let limited = tower::limit::ConcurrencyLimitLayer::new(REQUESTS);
    let builder = ClientBuilder::try_from(config).map_err(cluster("make a client"))?;
    Ok(builder.with_layer(&counted).with_layer(&limited).build())
}

async fn lead(
    client: Client,
    options: Options,
    registrations: Vec<Registration>,
    metrics: Metrics,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Some(cluster_id) = shutdown.run_until_cancelled(begin(&client, &options, &health)).await else {
        return Ok(());
    };
    let lease = Lease::new(&client, &options.namespace, &options.identity, options.lease);
    let Some(mut held) = shutdown.run_until_cancelled(lease.acquire()).await else {
        return Ok(());
    };
    metrics.leading(true);
    let whose = setup::decide(&client, options.applications, &mut held)
        .await
        .map_err(cluster("find out whose Applications are"))?;
    // Opened by the leader alone: a file has one writer.
    let ledger = ledger::open(&options.ledger).await?;
    let engine = Engine::new(
        ledger,
        Arc::new(SystemClock),
        registrations,
        cluster_id?,
        options.identity.clone(),
    )
    .await?;
    let watching = CancellationToken::new();
    let _guard = watching.clone().drop_guard();
    let context = Arc::new(Context {
        stores: Stores::watch(&client, whose, &watching),
        events: events::Events::new(client.clone(), &options.identity, metrics.clone()),
        engine: Arc::new(engine),
        client,
        metrics: metrics.clone(),
        options,
    });
    health.leads(&context);
    let ending = shutdown.child_token();
    let tasks = TaskTracker::new();
    spawn(&context, whose, &tasks, &ending);
    tasks.close();
    let kept = held.keep(ending.clone()).await;
    // It is kept while the last reconciles end, for as long as it stands.
    ending.cancel();
    let grace = context.options.lease / 2;
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        tracing::warn!("some reconciles did not end in time; what they had begun is found again");
    }
    metrics.leading(false);
    match kept {
        Kept::Lost => Err(Error::LeaseLost),
        Kept::ToTheEnd => {
            held.release().await;
            Ok(())
        }
    }
}

async fn begin(client: &Client, options: &Options, health: &Health) -> Result<ClusterId, Error> {
    setup::wait_for_definitions(client).await;
    let cluster_id = match &options.cluster_id {
        Some(id) => ClusterId::new(id),
        None => {
            let system = Api::<Namespace>::all(client.clone()).get("kube-system").await;
            let system = system.map_err(cluster("read the namespace kube-system, whose uid names the cluster"))?;
            ClusterId::new(system.uid().unwrap_or_default())
        }
    };
    health.ready(true);
    Ok(cluster_id)
}

impl Stores {
    fn watch(client: &Client, whose: Whose, shutdown: &CancellationToken) -> Self {
        let all = watcher::Config::default;
        let component = all().labels(names::OAM_COMPONENT);
        Self {
            applications: match whose {
                Whose::Nobodys => Watched::nothing(),
                Whose::Ours | Whose::Others => Watched::start(Api::all(client.clone()), all(), shutdown),
            },
            resources: Watched::start(Api::all(client.clone()), all(), shutdown),
            environments: Watched::start(Api::all(client.clone()), all(), shutdown),
            provider_configs: Watched::start(Api::all(client.clone()), all(), shutdown),
            retained: Watched::start(Api::all(client.clone()), all(), shutdown),
            namespaces: Watched::start(Api::all(client.clone()), all(), shutdown),
            deployments: Watched::start(Api::<Deployment>::all(client.clone()), component, shutdown),
            workloads: workload::Workloads::start(client, shutdown),
            endpoints: endpoints::Endpoints::prepare(client, shutdown),
        }
    }

    /// Waits until everything that is there is known.
    async fn ready(&self) {
        self.applications.ready().await;
        self.resources.ready().await;
        self.environments.ready().await;
        self.provider_configs.ready().await;
        self.retained.ready().await;
        self.namespaces.ready().await;
        self.deployments.ready().await;
        self.workloads.ready().await;
    }
}

/// Starts the controllers, once what is there is known: to a store that is still filling, everything looks deleted.
fn spawn(context: &Arc<Context>, whose: Whose, tasks: &TaskTracker, shutdown: &CancellationToken) {
    let (context, shutdown, spawner) = (Arc::clone(context), shutdown.clone(), tasks.clone());
    tasks.spawn(async move {
        if shutdown.run_until_cancelled(context.stores.ready()).await.is_none() {
            return;
        }
        tracing::info!(
            resources = context.stores.resources.store().len(),
            "the cluster is known; working"
        );
        if whose != Whose::Nobodys {
            spawner.spawn(application::run(
                Arc::clone(&context),
                whose == Whose::Ours,
                shutdown.clone(),
            ));
        }
        binding::spawn(&context, &spawner, &shutdown);
        spawner.spawn(provider::run(Arc::clone(&context), shutdown.clone()));
        spawner.spawn(environment::run(Arc::clone(&context), shutdown.clone()));
        spawner.spawn(resource::run(Arc::clone(&context), shutdown.clone()));
        spawner.spawn(retained::run(Arc::clone(&context), shutdown.clone()));
        spawner.spawn(orphans::run(Arc::clone(&context), shutdown.clone()));
        spawner.spawn(forget(context, shutdown));
    });
}

/// How often what is long gone is removed from the ledger.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Keeps the ledger from growing with everything there ever was.
async fn forget(context: Arc<Context>, shutdown: CancellationToken) {
    loop {
        match context.engine.forget_gone().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed from the ledger what is long gone"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what is long gone stays in the ledger"
            ),
        }
        let pause = tokio::time::sleep(FORGET_EVERY);
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}
