//! Databases: MySQL, PostgreSQL, MariaDB and SQL Server.
//!
//! An instance is one resource with its whitelist, its database, its encryption, its backups and its accounts. It is
//! made closed to everybody, and a group of the whitelist that is ours opens it to the clients of the environment
//! once the rest is as declared; their security group is let in beside whatever somebody else has let in. Of the calls only the create has a client token; every other one says the whole of
//! what is wanted, or looks first.
//!
//! Not here: PolarDB, which is another API with clusters and endpoints of their own; read replicas; the proxy; and
//! moving an instance to another network.

mod account;
mod change;
mod config;
mod engine;
mod life;
mod observe;
mod state;
#[cfg(test)]
mod tests;
mod validate;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use mooring_provider::{
    Account, Adapter, Bindings, Capability, Claim, ClusterId, Created, Drift, ExternalId, Kind, Owned, Owner, Phase,
    Receipt, Result, Sighting, spec,
};

pub use config::{KeepBackups, Period, RdsConfig, Subscription};
use state::State;

use crate::{
    actions::{Need, Used},
    api::Api,
    marks,
    product::Product,
};

/// What this kind calls.
pub(crate) const ACTIONS: &[Used] = &[
    (Product::Rds, "CreateAccount", Need::Create),
    (Product::Rds, "CreateBackup", Need::Create),
    (Product::Rds, "CreateDBInstance", Need::Create),
    (Product::Rds, "CreateDatabase", Need::Create),
    (Product::Rds, "DeleteAccount", Need::Both),
    (Product::Rds, "DeleteDBInstance", Need::Destroy),
    (Product::Rds, "DescribeAccounts", Need::Read),
    (Product::Rds, "DescribeBackupPolicy", Need::Read),
    (Product::Rds, "DescribeDBInstanceAttribute", Need::Read),
    (Product::Rds, "DescribeDBInstanceIPArrayList", Need::Read),
    (Product::Rds, "DescribeDBInstanceSSL", Need::Read),
    (Product::Rds, "DescribeDBInstances", Need::Read),
    (Product::Rds, "DescribeDatabases", Need::Read),
    (Product::Rds, "DescribeSecurityGroupConfiguration", Need::Read),
    (Product::Rds, "GrantAccountPrivilege", Need::Create),
    (Product::Rds, "ListTagResources", Need::Read),
    (Product::Rds, "ModifyBackupPolicy", Need::Create),
    (Product::Rds, "ModifyDBInstanceDeletionProtection", Need::Both),
    (Product::Rds, "ModifyDBInstanceSSL", Need::Create),
    (Product::Rds, "ModifyDBInstanceSpec", Need::Create),
    (Product::Rds, "ModifySecurityGroupConfiguration", Need::Create),
    (Product::Rds, "ModifySecurityIps", Need::Create),
    (Product::Rds, "ResetAccountPassword", Need::Create),
    (Product::Rds, "RevokeAccountPrivilege", Need::Both),
    (Product::Rds, "TagResources", Need::Create),
    (Product::Rds, "UntagResources", Need::Both),
    (Product::Vpc, "DescribeVSwitches", Need::Read),
];

/// The databases of an account.
#[derive(Debug, Clone)]
pub(crate) struct Rds {
    api: Api,
    config: RdsConfig,
}

impl Rds {
    pub(crate) fn new(api: Api, config: RdsConfig) -> Self {
        Self { api, config }
    }
}

#[async_trait]
impl Adapter for Rds {
    type Spec = spec::Rds;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Rds
    }

    fn capability(&self) -> Capability {
        Capability {
            poll_busy: Duration::from_secs(15),
            batch: 50,
            idempotent_create: true,
            appears_within: Duration::from_secs(120),
            accounts: true,
            parks: true,
            self_contained: true,
            backs_up: true,
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &spec::Rds) -> Result<()> {
        validate::check(spec)
    }

    fn notes(&self, spec: &spec::Rds) -> Vec<String> {
        validate::notes(spec, &self.config)
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        observe::observe(&self.api, claims).await
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        marks::owner(&state.tags)
    }

    fn phase(&self, state: &State) -> Phase {
        state.phase()
    }

    fn drift(&self, spec: &spec::Rds, state: &State) -> Drift {
        state.drift(spec)
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        state.bindings(self.config.ca.as_deref())
    }

    async fn create(&self, claim: &Claim, spec: &spec::Rds) -> Result<Created> {
        validate::check(spec)?;
        change::create(&self.api, &self.config, claim, spec).await
    }

    async fn update(&self, _: &Claim, state: &State, spec: &spec::Rds, drift: &Drift) -> Result<Receipt> {
        validate::check(spec)?;
        change::update(&self.api, state, spec, drift).await
    }

    async fn delete(&self, _: &Claim, state: &State) -> Result<Receipt> {
        life::delete(&self.api, &self.config, state).await
    }

    async fn park(&self, _: &Claim, state: &State, until: &str, backup: bool) -> Result<Receipt> {
        life::park(&self.api, state, until, backup).await
    }

    async fn unpark(&self, _: &Claim, state: &State) -> Result<Receipt> {
        life::unpark(&self.api, state).await
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        life::adopt(&self.api, claim, state).await
    }

    async fn ensure_account(&self, _: &Claim, state: &State, account: &Account) -> Result<Receipt> {
        account::ensure(&self.api, state, account).await
    }

    async fn drop_account(&self, _: &Claim, state: &State, name: &str) -> Result<Receipt> {
        account::drop(&self.api, state, name).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        observe::inventory(&self.api, cluster).await
    }
}
