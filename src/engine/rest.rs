//! What rests, and what was seen of it when it was last looked at in full.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mooring_provider::{AnyState, Claim, DynAdapter, Goal, Identity, Outcome, Result, Step, glance};
use tokio::time::Instant;

/// One for each resource that was as wanted when this process last looked at all of it, until it has to be looked at
/// in full again.
#[derive(Debug, Default)]
pub(super) struct Rests(Mutex<HashMap<Identity, (Instant, AnyState)>>);

impl Rests {
    /// Looks whether what rested still does. `None`: it does not, or it is time to look at all of it again.
    pub(super) async fn glance(&self, adapter: &dyn DynAdapter, claim: &Claim, goal: &Goal) -> Result<Option<Outcome>> {
        let Some(known) = self.known(&claim.owner.identity) else {
            return Ok(None);
        };
        let claim = Claim {
            known: Some(known),
            ..claim.clone()
        };
        glance(adapter, &claim, goal).await
    }

    fn known(&self, identity: &Identity) -> Option<AnyState> {
        let rests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, state) = rests.get(identity)?;
        (*until > Instant::now()).then(|| state.clone())
    }

    /// Takes in what a full look came to: for so long glances are enough, if nothing was to do or to be told.
    pub(super) fn learn(&self, identity: &Identity, outcome: &Result<Outcome>, glances: Duration) {
        let rests = outcome.as_ref().ok().filter(|outcome| outcome.step == Step::Ready);
        let seen = rests.and_then(|outcome| outcome.seen.as_ref());
        let seen = seen.filter(|seen| seen.drift.is_empty() && !glances.is_zero());
        let mut rests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some(seen) => drop(rests.insert(identity.clone(), (Instant::now() + glances, seen.state.clone()))),
            None => drop(rests.remove(identity)),
        }
    }
}
