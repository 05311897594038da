//! What this process knows of each resource's calls, by which an absence after a deletion is judged.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mooring_provider::{Capability, Identity, Proof};
use tokio::time::Instant;

/// Longer than any call takes to have its effect and to show it.
const LONGEST: Duration = Duration::from_secs(600);

/// One for each resource that this process has taken a step of.
#[derive(Debug)]
pub(super) struct Proofs(Mutex<Known>);

#[derive(Debug)]
struct Known {
    of: HashMap<Identity, Of>,
    begun: Instant,
    /// Until when calls of those who were here before may still have an effect; `None` when that is not known.
    inherited: Option<Instant>,
}

#[derive(Debug)]
enum Of {
    Resting(Proof),
    /// A step is on its way, and its calls may have their effect within this time.
    UnderWay(Duration),
}

impl Default for Proofs {
    fn default() -> Self {
        Self(Mutex::new(Known {
            of: HashMap::new(),
            begun: Instant::now(),
            inherited: None,
        }))
    }
}

impl Proofs {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken out while a step is on its way: of a step that was cut short nothing is known.
    pub(super) fn take(&self, identity: &Identity, capability: &Capability) -> Proof {
        let mut known = self.lock();
        let inherited = known.inherited;
        match known.of.insert(identity.clone(), Of::UnderWay(capability.grace())) {
            Some(Of::Resting(proof)) => proof,
            Some(Of::UnderWay(_)) => Proof::none(capability),
            None => inherited.map_or_else(|| Proof::none(capability), Proof::late),
        }
    }

    /// The step is over.
    pub(super) fn put(&self, identity: &Identity, proof: Proof) {
        self.lock().of.insert(identity.clone(), Of::Resting(proof));
    }

    /// It was the last one.
    pub(super) fn forget(&self, identity: &Identity) {
        self.lock().of.remove(identity);
    }

    /// Of whoever was here before, no call has an effect any more after this time.
    pub(super) fn inherit(&self, quiet_in: Duration) {
        self.lock().inherited = Some(Instant::now() + quiet_in);
    }

    /// After this time no call of this process, nor of those before it, has an effect any more.
    pub(super) fn quiet_in(&self) -> Duration {
        let (known, now) = (self.lock(), Instant::now());
        let ends = known.of.values().map(|of| match of {
            Of::Resting(proof) => proof.late_until(),
            Of::UnderWay(grace) => now + *grace,
        });
        let inherited = known.inherited.unwrap_or(known.begun + LONGEST);
        let last = ends.fold(inherited, Instant::max);
        last.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_when_every_call_was_seen_to_its_end() {
        let (capability, identity) = (Capability::default(), Identity::new("x"));
        let proofs = Proofs::default();
        assert_eq!(proofs.quiet_in(), LONGEST, "nobody knows who was here before");
        proofs.inherit(Duration::ZERO);
        assert_eq!(proofs.quiet_in(), Duration::ZERO);
        let proof = proofs.take(&identity, &capability);
        assert_eq!(proofs.quiet_in(), capability.grace(), "a step is on its way");
        tokio::time::advance(capability.grace()).await;
        assert_eq!(proofs.quiet_in(), capability.grace(), "it still is, or was cut short");
        proofs.put(&identity, proof);
        assert_eq!(proofs.quiet_in(), Duration::ZERO, "it is over");
        drop(proofs.take(&identity, &capability));
        let cut_short = proofs.take(&identity, &capability);
        assert!(cut_short.late_until() > Instant::now());
    }
}
