//! Decorators that make any adapter's calls go wrong, or happen twice.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value as Json;

use super::decorate::decorate;
use crate::{
    Account, AnyState, Bindings, Capability, Claim, ClusterId, Created, Drift, DynAdapter, Error, ErrorKind,
    ExternalId, Identity, Kind, Owned, Owner, Phase, Receipt, Result, Sighting,
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
    reads: bool,
}

impl Faulty {
    /// Decorates an adapter. Nothing fails until it is [armed](Faults::arm).
    pub fn new(inner: Arc<dyn DynAdapter>) -> Arc<Self> {
        Self::failing(inner, true)
    }

    /// The same, but calls that only look do not fail and are not counted.
    pub fn sparing_reads(inner: Arc<dyn DynAdapter>) -> Arc<Self> {
        Self::failing(inner, false)
    }

    fn failing(inner: Arc<dyn DynAdapter>, reads: bool) -> Arc<Self> {
        Arc::new(Self {
            inner,
            armed: Mutex::new(None),
            hit: AtomicBool::new(false),
            reads,
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
        match self.reads.then(|| self.next()).flatten() {
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

macro_rules! guarded {
    ($self:ident, $call:expr) => {
        $self.guard($call).await
    };
}

decorate!(Faulty, inner, guarded);
