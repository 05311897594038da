//! What is let go although it may still exist: it stays on record.

use kube::runtime::controller::Action;
use mooring_provider::{Kind, Owner};

use super::{Failure, approval, teardown::Going};
use crate::{
    api::RetainedStanding,
    engine::new_identity,
    ledger::{Memory, Record, Standing},
    operator::retained,
};

impl Going<'_> {
    /// Given up on by an SRE's word: it is on record, and nothing is called.
    pub(super) async fn abandon(&mut self) -> Result<Action, Failure> {
        let Some(identity) = self.identity.clone() else {
            return self.let_go().await;
        };
        let (environment, provider) = (self.environment(), self.provider());
        self.put_abandoned("given up on, as an SRE approved; it may still exist at the provider")
            .await?;
        approval::used(
            self.context,
            &identity,
            environment.as_deref(),
            provider.as_deref(),
            "abandon",
        )
        .await;
        self.let_go().await
    }

    /// Lets go of what cannot be deleted. If something was made and is not known to be gone, that is on record.
    pub(super) async fn give_up(&self, why: &str) -> Result<Action, Failure> {
        let cluster = self.holder();
        let of_another = self
            .record
            .as_ref()
            .is_some_and(|record| record.owner.cluster != cluster);
        if !of_another && self.existing().is_none() && self.external_id().is_some() {
            self.put_abandoned(&format!("let go, it may still exist at the provider: {why}"))
                .await?;
        }
        self.let_go().await
    }

    /// For those who look for it later, in both places: what the cluster keeps first, for the ledger follows it.
    async fn put_abandoned(&self, reason: &str) -> Result<(), Failure> {
        let external_id = self.external_id();
        let record = match (&self.record, self.kind) {
            (Some(record), _) => record.clone(),
            (None, Some(kind)) if external_id.is_some() => self.reconstructed(kind),
            _ => return Ok(()),
        };
        let memory = Memory {
            external_id,
            ..record.memory.clone()
        };
        let record = Record {
            standing: Standing::Abandoned,
            reason: Some(reason.to_owned()),
            memory,
            ..record
        };
        retained::record(self.context, &record, RetainedStanding::Abandoned).await?;
        self.context.engine.ledger().put(&record).await?;
        Ok(())
    }

    /// The record that the ledger has not, from what the status remembers.
    fn reconstructed(&self, kind: Kind) -> Record {
        let owner = Owner {
            cluster: self.holder(),
            identity: self.identity.clone().unwrap_or_else(new_identity),
            key: self.key.clone(),
        };
        let name = self.status().name.clone();
        Record {
            name: name.unwrap_or_else(|| mooring_provider::external_name(&owner)),
            owner,
            kind,
            provider: self.provider().unwrap_or_default(),
            environment: self.environment().unwrap_or_default(),
            existing: false,
            standing: Standing::Live,
            reason: None,
            keep_until: None,
            endpoint: None,
            sightings: 0,
            memory: self.memory(),
        }
    }
}
