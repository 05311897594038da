//! Writing a create down, in the front's memory and in the ledger, before it is sent.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mooring_provider::{Claim, DynAdapter, Journal, Permission, Result};

use serde_json::Value as Json;

use crate::{
    engine::{Engine, Metered, unwritten},
    ledger::{Intent, Memory, Record},
};

/// The front's own compare-and-swap before a create: in a cluster the status write `Creating` with the
/// resourceVersion that was read. Without a cluster the ledger is enough, and `()` serves.
#[async_trait]
pub trait WriteAhead: Send + Sync {
    /// Writes the memory down if nobody else wrote since it was read.
    async fn write(&self, memory: &Memory) -> Result<Permission>;
}

#[async_trait]
impl WriteAhead for () {
    async fn write(&self, _: &Memory) -> Result<Permission> {
        Ok(Permission::Granted)
    }
}

/// The journal of one step.
pub(super) struct Intents<'a> {
    engine: &'a Engine,
    adapter: &'a Metered,
    record: &'a Record,
    spec: &'a Json,
    spec_hash: &'a str,
    front: &'a dyn WriteAhead,
    written: Mutex<Option<(Memory, bool)>>,
}

impl<'a> Intents<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        adapter: &'a Metered,
        record: &'a Record,
        spec: &'a Json,
        spec_hash: &'a str,
        front: &'a dyn WriteAhead,
    ) -> Self {
        Self {
            engine,
            adapter,
            record,
            spec,
            spec_hash,
            front,
            written: Mutex::default(),
        }
    }

    /// The memory with the intent, if one was written in this step.
    pub(super) fn written(&self) -> Option<Memory> {
        self.lock().as_ref().map(|(memory, _)| memory.clone())
    }

    /// Whether this step was granted a create that nobody sent before, so that its failure may settle the matter.
    pub(super) fn granted(&self) -> bool {
        self.lock().as_ref().is_some_and(|(_, granted)| *granted)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Memory, bool)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for Intents<'_> {
    async fn creating(&self, claim: &Claim) -> Result<Permission> {
        self.adapter.reserve().await;
        let now = self.engine.clock().now();
        let intent = Intent {
            incarnation: claim.incarnation,
            spec_hash: self.spec_hash.to_owned(),
            since: now,
        };
        let memory = Memory {
            incarnation: claim.incarnation,
            external_id: None,
            intent: Some(intent.clone()),
            was_ready: false,
            missing_since: None,
            // What it is created with; a declaration that changes before it is ready is a change.
            applied: Some(self.spec.clone()),
        };
        if self.front.write(&memory).await? == Permission::Settling {
            return Ok(Permission::Settling);
        }
        *self.lock() = Some((memory.clone(), false));
        let record = Record {
            memory: memory.clone(),
            ..self.record.clone()
        };
        // An intent that is sent again is renewed: its effect may show as late as that of a new one. Who else renews
        // it sends the same token.
        let stale = if claim.resend {
            now
        } else {
            now - self.adapter.capability().grace()
        };
        let permission = self
            .engine
            .ledger()
            .creating(&record, &intent, stale)
            .await
            .map_err(unwritten)?;
        // What was sent before may have had its effect, whatever becomes of sending it again.
        *self.lock() = Some((memory, permission == Permission::Granted && !claim.resend));
        Ok(permission)
    }
}
