//! A journal in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{Claim, Identity, Journal, Permission, Result};

/// The journal: which create was written down when. Several lives may share it.
#[derive(Debug)]
pub struct Intents {
    grace: Duration,
    written: Mutex<HashMap<Identity, (u32, Instant)>>,
}

impl Intents {
    /// A journal in which an intent counts for that long.
    pub fn new(grace: Duration) -> Arc<Self> {
        Arc::new(Self {
            grace,
            written: Mutex::default(),
        })
    }

    pub(super) fn get(&self, identity: &Identity) -> Option<(u32, Instant)> {
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(identity)
            .copied()
    }

    pub(super) fn live(&self, identity: &Identity) -> bool {
        self.get(identity).is_some_and(|(_, at)| at.elapsed() < self.grace)
    }

    pub(super) fn forget(&self, identity: &Identity) {
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(identity);
    }
}

#[async_trait]
impl Journal for Intents {
    async fn creating(&self, claim: &Claim) -> Result<Permission> {
        // One that is sent again is written down again.
        if self.live(&claim.owner.identity) && !claim.resend {
            return Ok(Permission::Settling);
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(claim.owner.identity.clone(), (claim.incarnation, Instant::now()));
        Ok(Permission::Granted)
    }
}
