//! Connected accounts: one budget each, observations batched, every call counted.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    Access, Account, AnyState, Bindings, Capability, Claim, ClusterId, Created, Credentials, Drift, DynAdapter, Error,
    ErrorKind, ExternalId, Identity, Kind, Owned, Owner, Phase, Provider, Receipt, Registration, Result, Sighting,
};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{
    batch::Batcher,
    budget::{Budget, Permit, Priority},
};

/// How many calls one account takes at once while nothing was throttled.
const CALLS_AT_ONCE: usize = 32;

/// One account at one provider.
#[derive(Debug)]
pub struct Connection {
    /// The name of its ProviderConfig.
    pub name: String,
    /// The kind of provider: `mock`, `aliyun`.
    pub provider: &'static str,
    /// What its config and credentials come to; another digest is another connection.
    digest: String,
    inner: Arc<dyn Provider>,
    budget: Budget,
    batchers: HashMap<Kind, Arc<Batcher>>,
    calls: Arc<Calls>,
    /// Its account was compared with the one the ledger knows.
    pub(super) account: tokio::sync::OnceCell<String>,
    /// What it holds of a kind was taken into the ledger. Each kind for itself: credentials may be for some only.
    pub(super) seen: HashMap<Kind, tokio::sync::OnceCell<()>>,
    refusals: Mutex<HashMap<Option<Kind>, Refusal>>,
}

/// Until when it holds, of what kind it is, and what was said.
type Refusal = (Instant, ErrorKind, String);

/// How long the refusal of an account, or of a kind there, holds for all who ask.
const REFUSAL_HOLDS: Duration = Duration::from_secs(2);

/// Counts the calls of an account.
#[derive(Debug, Default)]
pub struct Calls {
    reads: AtomicU64,
    writes: AtomicU64,
    failures: AtomicU64,
}

impl Calls {
    /// How many reads, writes and failures there were.
    pub fn figures(&self) -> (u64, u64, u64) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (get(&self.reads), get(&self.writes), get(&self.failures))
    }
}

impl Connection {
    fn new(name: &str, registration: Registration, digest: String, inner: Arc<dyn Provider>) -> Self {
        let budget = Budget::new(CALLS_AT_ONCE);
        let calls = Arc::new(Calls::default());
        let batchers: HashMap<_, _> = Kind::ALL
            .into_iter()
            .filter_map(|kind| {
                let adapter = Arc::new(Counted {
                    inner: inner.adapter(kind)?,
                    calls: Arc::clone(&calls),
                });
                Some((kind, Batcher::new(adapter, budget.clone())))
            })
            .collect();
        Self {
            name: name.to_owned(),
            provider: registration.name,
            digest,
            inner,
            budget,
            seen: batchers
                .keys()
                .map(|kind| (*kind, tokio::sync::OnceCell::new()))
                .collect(),
            batchers,
            calls,
            account: tokio::sync::OnceCell::new(),
            refusals: Mutex::default(),
        }
    }

    /// The adapter for a kind, its calls made with this urgency.
    pub fn adapter(&self, kind: Kind, priority: Priority) -> Result<Metered> {
        let inner = self.inner.adapter(kind).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "connect",
                format!(
                    "provider `{}` ({}) has no {kind}; name another provider for {kind} in the Environment, or `none`",
                    self.name, self.provider
                ),
            )
        })?;
        Ok(Metered {
            inner: Arc::new(Counted {
                inner,
                calls: Arc::clone(&self.calls),
            }),
            batcher: Arc::clone(&self.batchers[&kind]),
            budget: self.budget.clone(),
            priority,
            reserved: Mutex::default(),
            sent: AtomicBool::new(false),
        })
    }

    /// Remembers that the account, or a kind there, could not be proven.
    pub(super) fn refused(&self, kind: Option<Kind>, error: &Error) {
        let mut holds = REFUSAL_HOLDS;
        if error.kind() == ErrorKind::Throttled {
            let after = super::retry_after(error);
            self.budget.throttled(after);
            holds = after.unwrap_or(holds);
        }
        let refusal = (Instant::now() + holds, error.kind(), error.message().to_owned());
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.insert(kind, refusal);
    }

    /// Why the account, or a kind there, could not be proven a moment ago.
    pub(super) fn refusal(&self, of: Option<Kind>) -> Option<Error> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, kind, message) = refusals.get(&of).filter(|(until, ..)| *until > Instant::now())?;
        Some(Error::new(*kind, "connect", message.clone()))
    }

    /// The kinds it serves.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        Kind::ALL.into_iter().filter(|kind| self.batchers.contains_key(kind))
    }

    /// The provider itself, for its check.
    pub fn provider(&self) -> &dyn Provider {
        self.inner.as_ref()
    }

    /// Its budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The kinds that were seen to be open to its credentials; of any other nothing is created there.
    pub fn proven(&self) -> Vec<Kind> {
        self.kinds().filter(|kind| self.seen[kind].initialized()).collect()
    }

    /// The count of its calls.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }
}

/// The connected accounts, by the name of their ProviderConfig.
#[derive(Debug)]
pub struct Connections {
    registrations: Vec<Registration>,
    open: Mutex<HashMap<String, Arc<Connection>>>,
    /// Those that were made and are not in use yet, the last one of each name.
    candidates: Mutex<HashMap<String, Arc<Connection>>>,
}

impl Connections {
    /// With these kinds of providers.
    pub fn new(registrations: Vec<Registration>) -> Self {
        Self {
            registrations,
            open: Mutex::default(),
            candidates: Mutex::default(),
        }
    }

    /// Connects, unless it is connected with just this config and these credentials.
    ///
    /// `provider` is the member of the ProviderConfig's spec (`mock`), `config` its content.
    pub fn connect(
        &self,
        name: &str,
        provider: &str,
        config: &Json,
        credentials: Credentials,
    ) -> Result<Arc<Connection>> {
        let connection = self.candidate(name, provider, config, credentials)?;
        self.open(&connection);
        Ok(connection)
    }

    /// Puts a connection into use, in place of the one of its name.
    pub fn open(&self, connection: &Arc<Connection>) {
        let name = &connection.name;
        let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        if candidates.get(name).is_some_and(|known| Arc::ptr_eq(known, connection)) {
            candidates.remove(name);
        }
        drop(candidates);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(name.clone(), Arc::clone(connection));
    }

    /// A connection that nobody uses until it is [opened](Self::open), so that it can be proven before; the open one,
    /// or the candidate from before, if it is with just this config and these credentials.
    pub fn candidate(
        &self,
        name: &str,
        provider: &str,
        config: &Json,
        credentials: Credentials,
    ) -> Result<Arc<Connection>> {
        let registration = self
            .registrations
            .iter()
            .find(|known| known.name == provider)
            .ok_or_else(|| {
                let known = self
                    .registrations
                    .iter()
                    .map(|known| known.name)
                    .collect::<Vec<_>>()
                    .join(", ");
                Error::new(
                    ErrorKind::Unsupported,
                    "connect",
                    format!("ProviderConfig `{name}`: this build has no provider `{provider}`; it has {known}"),
                )
            })?;
        let digest = digest(provider, config, &credentials);
        let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.get(name).into_iter().chain(candidates.get(name).cloned());
        if let Some(connection) = known.into_iter().find(|known| known.digest == digest) {
            return Ok(connection);
        }
        let inner = (registration.connect)(config, credentials)?;
        let connection = Arc::new(Connection::new(name, *registration, digest, inner));
        candidates.insert(name.to_owned(), Arc::clone(&connection));
        Ok(connection)
    }

    /// The connection of a ProviderConfig, if it is connected.
    pub fn get(&self, name: &str) -> Option<Arc<Connection>> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// Forgets the connection of a ProviderConfig that is gone. One of its name is another one.
    pub fn close(&self, name: &str) {
        let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        candidates.remove(name);
        drop(candidates);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(name);
    }

    /// Forgets what was made to replace the open connection of this name and never did.
    pub fn forget_candidate(&self, name: &str) {
        let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        candidates.remove(name);
    }

    /// All that are connected.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = open.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

fn digest(provider: &str, config: &Json, credentials: &Credentials) -> String {
    use secrecy::ExposeSecret;
    let config = config.to_string();
    let mut parts = vec![provider, &config];
    for (name, value) in credentials {
        parts.extend([name.as_str(), value.expose_secret()]);
    }
    super::secret::keyed_hash("connection", &parts)
}

/// An adapter whose calls are counted.
#[derive(Debug)]
struct Counted {
    inner: Arc<dyn DynAdapter>,
    calls: Arc<Calls>,
}

/// An adapter whose observations are batched and whose other calls wait for their turn in the account's budget.
#[derive(Debug)]
pub struct Metered {
    inner: Arc<Counted>,
    batcher: Arc<Batcher>,
    budget: Budget,
    priority: Priority,
    reserved: Mutex<Option<Permit>>,
    sent: AtomicBool,
}

impl Counted {
    fn count<T>(&self, counter: &AtomicU64, result: Result<T>) -> Result<T> {
        counter.fetch_add(1, Ordering::Relaxed);
        if result.is_err() {
            self.calls.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl Metered {
    /// Waits for the right to make the next call. A create is written down only when it can be sent at once, so that
    /// a throttled account does not use up its deadline.
    pub(super) async fn reserve(&self) {
        let permit = self.budget.acquire(self.priority).await;
        *self.reserved.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
    }

    /// Whether it was asked for more than a look.
    pub(super) fn sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner).take();
        let permit = match reserved {
            Some(permit) => permit,
            None => self.budget.acquire(self.priority).await,
        };
        self.sent.store(true, Ordering::Relaxed);
        let result = call.await;
        match &result {
            Err(error) if error.kind() == ErrorKind::Throttled => self.budget.throttled(super::retry_after(error)),
            _ => self.budget.succeeded(),
        }
        drop(permit);
        result
    }
}

macro_rules! decorate {
    ($type:ident, $self:ident, $call:ident => $wrapped:expr, observe: |$claims:ident| $observe:expr) => {
        #[async_trait]
        impl DynAdapter for $type {
            fn kind(&self) -> Kind {
                self.inner.kind()
            }
            fn capability(&self) -> Capability {
                self.inner.capability()
            }
            fn schema(&self) -> schemars::Schema {
                self.inner.schema()
            }
            fn validate(&self, spec: &Json) -> Result<()> {
                self.inner.validate(spec)
            }
            fn notes(&self, spec: &Json) -> Result<Vec<String>> {
                self.inner.notes(spec)
            }
            fn id(&self, state: &AnyState) -> ExternalId {
                self.inner.id(state)
            }
            fn owner(&self, state: &AnyState) -> Option<Owner> {
                self.inner.owner(state)
            }
            fn phase(&self, state: &AnyState) -> Phase {
                self.inner.phase(state)
            }
            fn drift(&self, spec: &Json, state: &AnyState) -> Result<Drift> {
                self.inner.drift(spec, state)
            }
            fn bindings(&self, claim: &Claim, state: &AnyState) -> Bindings {
                self.inner.bindings(claim, state)
            }
            fn login(&self, identity: &Identity, account: &str) -> String {
                self.inner.login(identity, account)
            }
            fn grants(&self, access: Access) -> Result<Access> {
                self.inner.grants(access)
            }
            async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
                let ($self, $claims) = (self, claims);
                $observe
            }
            async fn create(&self, claim: &Claim, spec: &Json) -> Result<Created> {
                let ($self, $call) = (self, self.inner.create(claim, spec));
                $wrapped
            }
            async fn update(&self, claim: &Claim, state: &AnyState, spec: &Json, drift: &Drift) -> Result<Receipt> {
                let ($self, $call) = (self, self.inner.update(claim, state, spec, drift));
                $wrapped
            }
            async fn delete(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                let ($self, $call) = (self, self.inner.delete(claim, state));
                $wrapped
            }
            async fn park(&self, claim: &Claim, state: &AnyState, until: &str, backup: bool) -> Result<Receipt> {
                let ($self, $call) = (self, self.inner.park(claim, state, until, backup));
                $wrapped
            }
            async fn unpark(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                let ($self, $call) = (self, self.inner.unpark(claim, state));
                $wrapped
            }
            async fn adopt(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                let ($self, $call) = (self, self.inner.adopt(claim, state));
                $wrapped
            }
            async fn ensure_account(&self, claim: &Claim, state: &AnyState, account: &Account) -> Result<Receipt> {
                let ($self, $call) = (self, self.inner.ensure_account(claim, state, account));
                $wrapped
            }
            async fn drop_account(&self, claim: &Claim, state: &AnyState, name: &str) -> Result<Receipt> {
                let ($self, $call) = (self, self.inner.drop_account(claim, state, name));
                $wrapped
            }
            async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
                let ($self, $call) = (self, self.inner.inventory(cluster));
                $wrapped
            }
        }
    };
}

decorate!(Counted, this, call => this.count(&this.calls.writes, call.await), observe: |claims| {
    this.calls.reads.fetch_add(1, Ordering::Relaxed);
    let sightings = this.inner.observe(claims).await;
    let failures = sightings.iter().filter(|sighting| sighting.is_err()).count();
    this.calls.failures.fetch_add(failures as u64, Ordering::Relaxed);
    sightings
});

decorate!(Metered, this, call => this.call(call).await, observe: |claims| {
    let observed = claims.iter().map(|claim| this.batcher.observe(claim.clone(), this.priority));
    futures::future::join_all(observed).await
});
