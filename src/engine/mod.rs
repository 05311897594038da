//! The lifecycle of a resource, free of Kubernetes.
//!
//! [`Engine::step`] takes one step of one resource: it makes a claim of what is remembered, lets
//! [`mooring_provider::converge`] do at most one thing, and says what is to be remembered, what a person is to be
//! told, and when to come back. The fronts decide what is wanted ([`Want`]) and keep the memory.
//!
//! What it deliberately does not have: a queue, a loop over resources, a workflow engine. A front calls `step` for as
//! long as it is told to come back.

mod backoff;
mod batch;
pub mod binding;
mod budget;
pub mod builtin;
mod clock;
mod connection;
pub mod declare;
pub mod effective;
mod inventory;
pub mod problem;
mod proofs;
mod scope;
mod secret;
mod step;

use std::{sync::Arc, time::Duration};

use mooring_provider::{
    Account, ClusterId, DynAdapter, Error, ErrorKind, Identity, Key, Kind, Registration, Result, Retry,
};

use crate::ledger::{self, Filter, Ledger, Memory, Record, Standing};

pub use backoff::Backoff;
pub use budget::{Budget, Permit, Priority};
pub use clock::{Clock, SystemClock, TokioClock};
pub use connection::{Calls, Connection, Connections, Metered};
pub use inventory::{Entry, Held};
pub use scope::{is_shared, shared_identity, shared_owner};
pub use secret::{keyed_hash, new_identity, new_password};
pub use step::{Done, Job, Next, Report, State, Want, WriteAhead};

/// What every step needs.
#[derive(Debug)]
pub struct Engine {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    connections: Connections,
    backoff: Backoff,
    proofs: proofs::Proofs,
    cluster: ClusterId,
    actor: String,
    hash_key: String,
    deleting: tokio::sync::Mutex<()>,
}

impl Engine {
    /// An engine for what `cluster` owns. `actor` is who is named in the audit.
    pub async fn new(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        registrations: Vec<Registration>,
        cluster: ClusterId,
        actor: String,
    ) -> ledger::Result<Self> {
        use secrecy::ExposeSecret;
        let hash_key = ledger.constant("hash-key", new_password().expose_secret()).await?;
        Ok(Self {
            ledger,
            clock,
            connections: Connections::new(registrations),
            backoff: Backoff::default(),
            proofs: proofs::Proofs::default(),
            cluster,
            actor,
            hash_key,
            deleting: tokio::sync::Mutex::new(()),
        })
    }

    /// Who owns what this engine makes.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// What was intended and what exists.
    pub fn ledger(&self) -> &dyn Ledger {
        self.ledger.as_ref()
    }

    /// The time of day.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The connected accounts.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// A keyed hash that this ledger's holder alone can make: for revisions that people may read.
    pub fn hash(&self, parts: &[&str]) -> String {
        keyed_hash(&self.hash_key, parts)
    }

    /// The identity of a key: the one it has, if anything of it exists or is kept, else a new one. With a ledger that
    /// was lost this asks the provider's inventory first.
    pub async fn identity(&self, key: &Key, kind: Kind, connection: &Connection) -> Result<Identity> {
        self.prove(connection, kind).await?;
        let known = self.ledger.of_key(&self.cluster, key).await.map_err(unwritten)?;
        let held = known
            .into_iter()
            .find(|record| !matches!(record.standing, Standing::Gone | Standing::Abandoned));
        Ok(held.map_or_else(new_identity, |record| record.owner.identity))
    }

    /// Proves once that a connection is to the account it was to before and may see a kind there, and takes what it
    /// holds of ours into the ledger where that does not know it. Until then nothing of the kind may be created there.
    ///
    /// Of many resources that ask an account that refuses, one asks for all.
    pub async fn prove(&self, connection: &Connection, kind: Kind) -> Result<()> {
        self.prove_account(connection).await?;
        let Some(seen) = connection.seen.get(&kind) else {
            return connection.adapter(kind, Priority::Create).map(drop);
        };
        let proof = || async {
            if let Some(refusal) = connection.refusal(Some(kind)) {
                return Err(refusal);
            }
            let taken = self.take_inventory(connection, kind).await;
            taken.inspect_err(|error| connection.refused(Some(kind), error))
        };
        seen.get_or_try_init(proof).await.copied()
    }

    /// Proves once that a connection is to the account it was to before.
    pub async fn prove_account(&self, connection: &Connection) -> Result<()> {
        let proof = || async {
            if let Some(refusal) = connection.refusal(None) {
                return Err(refusal);
            }
            let account = self.account_of(connection).await;
            account.inspect_err(|error| connection.refused(None, error))
        };
        connection.account.get_or_try_init(proof).await.map(|_| ())
    }

    async fn account_of(&self, connection: &Connection) -> Result<String> {
        let permit = connection.budget().acquire(Priority::Create).await;
        let info = connection.provider().check().await?;
        drop(permit);
        // Another region shows other resources; what is not to be seen there is not gone.
        let account = match info.region {
            Some(region) => format!("{} in {region}", info.account),
            None => info.account,
        };
        let constant = format!("account/{}", connection.name);
        let known = self.ledger.constant(&constant, &account).await.map_err(unwritten)?;
        if known != account {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "connect",
                format!(
                    "ProviderConfig `{}` reaches account {account}, its resources are in account {known}; set it back, \
                     or make another ProviderConfig",
                    connection.name
                ),
            ));
        }
        Ok(account)
    }

    /// Whether the credentials of a connection are good for a kind. Writes nothing down.
    pub async fn may_see(&self, connection: &Connection, kind: Kind) -> Result<()> {
        let adapter = connection.adapter(kind, Priority::Drift)?;
        adapter.inventory(&self.cluster).await.map(drop)
    }

    async fn take_inventory(&self, connection: &Connection, kind: Kind) -> Result<()> {
        let adapter = connection.adapter(kind, Priority::Create)?;
        for owned in adapter.inventory(&self.cluster).await? {
            let known = self.ledger.get(&owned.owner.identity).await.map_err(unwritten)?;
            if known.is_none() {
                self.take_in(connection, kind, owned).await.map_err(unwritten)?;
            }
        }
        Ok(())
    }

    async fn take_in(&self, connection: &Connection, kind: Kind, owned: mooring_provider::Owned) -> ledger::Result<()> {
        tracing::info!(%kind, id = %owned.id, key = %owned.owner.key, "taken into the ledger from the inventory");
        let (standing, keep_until) = match &owned.phase {
            mooring_provider::Phase::Parked(until) => (Standing::Parked, until.parse().ok()),
            _ => (Standing::Live, None),
        };
        let record = Record {
            name: mooring_provider::external_name(&owned.owner),
            owner: owned.owner,
            kind,
            provider: connection.name.clone(),
            environment: String::new(),
            existing: false,
            standing,
            reason: Some("found in the provider's inventory; the ledger did not know it".into()),
            keep_until,
            endpoint: None,
            sightings: 0,
            memory: Memory {
                // How many there were before is not known, and a token of one of those may still answer for it. No
                // count comes near a number of seconds.
                incarnation: u32::try_from(self.clock.now().as_second()).unwrap_or(u32::MAX / 2),
                external_id: Some(owned.id),
                ..Memory::default()
            },
        };
        self.ledger.put(&record).await
    }

    /// Whether the provider was told exactly this of an account of a resource.
    pub async fn is_told(&self, identity: &Identity, incarnation: u32, account: &Account) -> ledger::Result<bool> {
        let told = self.ledger.told(identity).await?;
        Ok(told.get(&account.name) == Some(&secret::told_hash(&self.hash_key, identity, incarnation, account)))
    }

    /// Removes from the ledger what is gone for more than 90 days, and answers how much that was. Of the audit of what
    /// is there, the last hundred entries of each resource stay, and all of the last day.
    pub async fn forget_gone(&self) -> crate::ledger::Result<u64> {
        let day = jiff::SignedDuration::from_hours(24);
        self.ledger.trim_audit(self.clock.now() - day, AUDIT_ENTRIES).await?;
        self.ledger.prune(self.clock.now() - day * HISTORY_DAYS).await
    }

    /// Everything of ours: what the ledger knows, and what stands at the connected providers.
    pub async fn records(&self, filter: &Filter) -> ledger::Result<Vec<Record>> {
        self.ledger.list(filter).await
    }
}

/// How many days what is gone stays in the ledger, with its audit.
const HISTORY_DAYS: i32 = 90;
/// How many entries of its audit a resource keeps, however old they are.
const AUDIT_ENTRIES: u32 = 100;

/// A ledger that fails, as an error of the step it keeps from being taken.
fn unwritten(error: ledger::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "ledger",
        "cannot be read or written; nothing is created until it can",
    )
    .with_source(error)
}

fn retry_after(error: &Error) -> Option<Duration> {
    match error.retry() {
        Retry::After(after) => Some(after),
        _ => None,
    }
}
