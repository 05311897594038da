//! What this process knows of each resource's calls, by which an absence after a deletion is judged.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use mooring_provider::{Capability, Identity, Proof};

/// One for each resource that this process has taken a step of.
#[derive(Debug, Default)]
pub(super) struct Proofs(Mutex<HashMap<Identity, Proof>>);

impl Proofs {
    /// Taken out while a step is on its way: of a step that was cut short nothing is known.
    pub(super) fn take(&self, identity: &Identity, capability: &Capability) -> Proof {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(identity).unwrap_or_else(|| Proof::none(capability))
    }

    pub(super) fn put(&self, identity: &Identity, proof: Proof) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(identity.clone(), proof);
    }
}
