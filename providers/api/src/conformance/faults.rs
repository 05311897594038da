//! Decorators that make any adapter's calls go wrong, or happen twice.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::{
    Account, AnyState, Bindings, Capability, Claim, ClusterId, Created, Drift, DynAdapter, Error, ErrorKind,
    ExternalId, Kind, Owned, Owner, Phase, Receipt, Result, Sighting,
};

/// Which side of its effect a call fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It fails and has no effect.
    Before,
    /// It has its effect, and the answer is lost.
    After,
}

/// A source of faults: one call of a numbered sequence fails, once.
pub trait Faults: Send + Sync {
    /// Begins to count calls anew; the one at this position (from 0) fails.
    fn arm(&self, position: usize, when: When);

    /// No call fails any more. Tells whether one has failed since it was armed.
    fn disarm(&self) -> bool;
}

/// An adapter whose calls fail as they are told to.
pub struct Faulty {
    inner: Arc<dyn DynAdapter>,
    armed: Mutex<Option<(usize, When)>>,
    hit: AtomicBool,
}

impl Faulty {
    /// Decorates an adapter. Nothing fails until it is [armed](Faults::arm).
    pub fn new(inner: Arc<dyn DynAdapter>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            armed: Mutex::new(None),
            hit: AtomicBool::new(false),
        })
    }

    fn next(&self) -> Option<When> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        match *armed {
            Some((0, when)) => {
                *armed = None;
                self.hit.store(true, Ordering::SeqCst);
                Some(when)
            }
            Some((ahead, when)) => {
                *armed = Some((ahead - 1, when));
                None
            }
            None => None,
        }
    }

    async fn look(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
        match self.next() {
            Some(_) => claims.iter().map(|_| Err(fault("nobody answered"))).collect(),
            None => self.inner.observe(claims).await,
        }
    }

    async fn guard<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self.next() {
            Some(When::Before) => Err(fault("failed before its effect")),
            Some(When::After) => {
                call.await?;
                Err(fault("the answer was lost"))
            }
            None => call.await,
        }
    }
}

fn fault(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "conformance.fault", message)
}

impl Faults for Faulty {
    fn arm(&self, position: usize, when: When) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((position, when));
        self.hit.store(false, Ordering::SeqCst);
    }

    fn disarm(&self) -> bool {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.hit.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?})", self.inner)
    }
}

/// An adapter that does everything twice, as a caller does who did not get the first answer. The second time must
/// succeed as well, or say that the resource is busy with the first.
#[derive(Debug)]
pub struct Twice(pub Arc<dyn DynAdapter>);

impl Twice {
    async fn look(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
        self.0.observe(claims).await
    }
}

fn either<T>(first: T, second: Result<T>) -> Result<T> {
    match second {
        Err(error) if error.kind() == ErrorKind::Busy => Ok(first),
        second => second,
    }
}

/// Makes a decorator an adapter: each call that acts or lists passes through a macro, which gets it as an expression;
/// looking is the decorator's own `look`.
macro_rules! decorate {
    ($decorator:ty, $inner:tt, $through:ident) => {
        #[async_trait]
        impl DynAdapter for $decorator {
            fn kind(&self) -> Kind {
                self.$inner.kind()
            }

            fn capability(&self) -> Capability {
                self.$inner.capability()
            }

            fn schema(&self) -> schemars::Schema {
                self.$inner.schema()
            }

            fn validate(&self, spec: &Json) -> Result<()> {
                self.$inner.validate(spec)
            }

            fn id(&self, state: &AnyState) -> ExternalId {
                self.$inner.id(state)
            }

            fn owner(&self, state: &AnyState) -> Option<Owner> {
                self.$inner.owner(state)
            }

            fn phase(&self, state: &AnyState) -> Phase {
                self.$inner.phase(state)
            }

            fn drift(&self, spec: &Json, state: &AnyState) -> Result<Drift> {
                self.$inner.drift(spec, state)
            }

            fn bindings(&self, claim: &Claim, state: &AnyState) -> Bindings {
                self.$inner.bindings(claim, state)
            }

            async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
                self.look(claims).await
            }

            async fn create(&self, claim: &Claim, spec: &Json) -> Result<Created> {
                $through!(self, self.$inner.create(claim, spec))
            }

            async fn update(&self, claim: &Claim, state: &AnyState, spec: &Json, drift: &Drift) -> Result<Receipt> {
                $through!(self, self.$inner.update(claim, state, spec, drift))
            }

            async fn delete(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                $through!(self, self.$inner.delete(claim, state))
            }

            async fn park(&self, claim: &Claim, state: &AnyState, until: &str, backup: bool) -> Result<Receipt> {
                $through!(self, self.$inner.park(claim, state, until, backup))
            }

            async fn unpark(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                $through!(self, self.$inner.unpark(claim, state))
            }

            async fn adopt(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                $through!(self, self.$inner.adopt(claim, state))
            }

            async fn ensure_account(&self, claim: &Claim, state: &AnyState, account: &Account) -> Result<Receipt> {
                $through!(self, self.$inner.ensure_account(claim, state, account))
            }

            async fn drop_account(&self, claim: &Claim, state: &AnyState, name: &str) -> Result<Receipt> {
                $through!(self, self.$inner.drop_account(claim, state, name))
            }

            async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
                $through!(self, self.$inner.inventory(cluster))
            }
        }
    };
}

macro_rules! guarded {
    ($self:ident, $call:expr) => {
        $self.guard($call).await
    };
}

macro_rules! twice {
    ($self:ident, $call:expr) => {{
        let first = $call.await?;
        either(first, $call.await)
    }};
}

decorate!(Faulty, inner, guarded);
decorate!(Twice, 0, twice);
