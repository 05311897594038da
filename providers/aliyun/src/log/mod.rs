//! Logs: a store for each component, in a project that the stores of a namespace share.
//!
//! The lines are collected by the cluster's Logtail, which is told by configurations in the project which pods are
//! meant; the pods are not changed. The machines on which it runs are named in the provider's configuration. Where the
//! trait asks for it (`options.aliyun.collect: environment`), the pods' `aliyun_logs_*` variables say so instead: the
//! trait's `env` makes them of the binding's `project` and `store`, and no configuration of ours collects twice.
//!
//! Not here: credentials for applications that push, dashboards, alerts and jobs.

mod calls;
mod collect;
mod config;
mod life;
mod machines;
mod observe;
mod state;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use mooring_provider::{
    Adapter, Bindings, Capability, Claim, ClusterId, Created, Drift, ExternalId, Kind, Owned, Owner, Phase, Receipt,
    Result, Sighting, spec, tag,
};
use tokio::sync::Mutex;

use calls::{Of, Sls};
use config::Collecting;
pub use config::LogConfig;
use state::{Collect, State};

use crate::{
    actions::{Need, Used},
    api::Api,
    marks,
    product::Product,
    wire::Flavour,
};

/// How many stores are looked at at once.
const AT_ONCE: usize = 4;

/// What this kind calls.
pub(crate) const ACTIONS: &[Used] = &[
    (Product::Sls, "GetProject", Need::Read),
    (Product::Sls, "ListLogStores", Need::Read),
    (Product::Sls, "GetLogStore", Need::Read),
    (Product::Sls, "GetIndex", Need::Read),
    (Product::Sls, "ListConfig", Need::Read),
    (Product::Sls, "GetAppliedConfigs", Need::Read),
    (Product::Sls, "ListTagResources", Need::Read),
    (Product::Sls, "CreateProject", Need::Create),
    (Product::Sls, "CreateLogStore", Need::Create),
    (Product::Sls, "UpdateLogStore", Need::Create),
    (Product::Sls, "CreateIndex", Need::Create),
    (Product::Sls, "CreateConfig", Need::Create),
    (Product::Sls, "CreateMachineGroup", Need::Create),
    (Product::Sls, "ApplyConfigToMachineGroup", Need::Create),
    (Product::Sls, "TagResources", Need::Create),
    (Product::Sls, "UntagResources", Need::Both),
    (Product::Sls, "DeleteConfig", Need::Both),
    (Product::Sls, "DeleteLogStore", Need::Destroy),
    (Product::Sls, "DeleteProject", Need::Destroy),
];

/// The logs of an account.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    api: Api,
    config: LogConfig,
    /// Held while a project may come or go: of two stores, one must not delete what the other is about to use.
    projects: Arc<Mutex<()>>,
}

impl Log {
    pub(crate) fn new(api: Api, config: LogConfig) -> Self {
        Self {
            api,
            config,
            projects: Arc::default(),
        }
    }

    const fn sls(&self, operation: &'static str) -> Sls<'_> {
        Sls {
            api: &self.api,
            operation,
        }
    }

    fn wanted(&self, spec: &spec::Log, store: &str) -> Vec<collect::Config> {
        let region = self.api.region();
        let within = || match self.api.flavour() {
            Flavour::Public => format!("{region}-intranet.log.aliyuncs.com"),
            Flavour::Apsara => self.api.sls_host().unwrap_or_default(),
        };
        if matches!(Collecting::of(&spec.common), Ok(Collecting::Environment)) {
            return Vec::new();
        }
        let endpoint = self.config.collect_endpoint.clone().unwrap_or_else(within);
        collect::configs(spec, store, region, &endpoint)
    }
}

#[async_trait]
impl Adapter for Log {
    type Spec = spec::Log;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Log
    }

    fn capability(&self) -> Capability {
        Capability {
            poll_busy: Duration::from_secs(5),
            batch: 20,
            idempotent_create: true,
            appears_within: Duration::from_secs(90),
            parks: true,
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &spec::Log) -> Result<()> {
        config::check(&self.config, spec)
    }

    fn notes(&self, spec: &spec::Log) -> Vec<String> {
        config::notes(spec)
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        let machines = self.config.machine_group.as_deref();
        stream::iter(claims.to_vec())
            .map(async |claim: Claim| observe::observe(self.sls("log.observe"), machines, &claim).await)
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        marks::owner(&state.tags)
    }

    fn phase(&self, state: &State) -> Phase {
        state.phase()
    }

    fn drift(&self, spec: &spec::Log, state: &State) -> Drift {
        state.drift(spec, &self.wanted(spec, &state.store))
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        state.bindings(&self.api.sls_host().unwrap_or_default())
    }

    async fn create(&self, claim: &Claim, spec: &spec::Log) -> Result<Created> {
        config::check(&self.config, spec)?;
        let _held = self.projects.lock().await;
        life::create(self.sls("log.create"), &self.config, claim, spec).await
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &spec::Log, drift: &Drift) -> Result<Receipt> {
        config::check(&self.config, spec)?;
        let sls = self.sls("log.update");
        let (project, store) = (state.project.as_str(), state.store.as_str());
        match drift.0.first().map(|difference| difference.field) {
            Some("store") => {
                let _held = self.projects.lock().await;
                let created = life::create(sls, &self.config, claim, spec).await?;
                Ok(Receipt {
                    request_id: created.request_id,
                    ..Receipt::default()
                })
            }
            Some("retention") => sls.keep(project, store, config::days(spec.retention)).await,
            Some("index") => sls.make_index(project, store, collect::index()).await,
            Some("tags") => {
                let (set, remove) = marks::difference(&spec.common, &state.tags);
                match set.is_empty() {
                    true => sls.untag(Of::Store(project, store), &remove).await,
                    false => sls.tag(Of::Store(project, store), &set).await,
                }
            }
            _ => {
                let machines = self.config.machine_group.as_deref().unwrap_or_default();
                match state.collecting(&self.wanted(spec, store)) {
                    Some(Collect::Group) => sls.make_group(project, machines, machines).await,
                    Some(Collect::Make(config)) => sls.make_config(project, config.body).await,
                    Some(Collect::Apply(config)) => sls.apply(project, machines, &config).await,
                    Some(Collect::Drop(config)) => sls.delete_config(project, &config).await,
                    None => Ok(Receipt::default()),
                }
            }
        }
    }

    async fn delete(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let _held = self.projects.lock().await;
        life::delete(self.sls("log.delete"), claim, state).await
    }

    async fn park(&self, _: &Claim, state: &State, until: &str, _: bool) -> Result<Receipt> {
        life::park(self.sls("log.park"), state, until).await
    }

    async fn unpark(&self, _: &Claim, state: &State) -> Result<Receipt> {
        let of = Of::Store(&state.project, &state.store);
        self.sls("log.unpark").untag(of, &[tag::PARKED_UNTIL.to_owned()]).await
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let (sls, of) = (self.sls("log.adopt"), Of::Store(&state.project, &state.store));
        let tags = marks::of_owner(&claim.owner);
        let stale = marks::stale(&state.tags, &tags);
        if !stale.is_empty() {
            sls.untag(of, &stale).await?;
        }
        sls.tag(of, &tags).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        observe::inventory(self.sls("log.inventory"), cluster).await
    }
}
