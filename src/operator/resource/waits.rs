//! What a CloudResource that goes waits for: whoever uses it, and whatever lives in it. Every wait is bounded, and says
//! until when, who can act, and how it is cut short.

use jiff::Timestamp;
use kube::ResourceExt;
use mooring_provider::Kind;

use super::{Failure, relations, status::Told, teardown::Going};
use crate::{
    api::names,
    engine::Want,
    ledger::{Filter, Standing},
};

impl Going<'_> {
    pub(super) fn released(&self) -> bool {
        relations::is_released(self.context, &self.remains.meta)
    }

    pub(super) fn until(&self) -> String {
        let since = self
            .remains
            .meta
            .deletion_timestamp
            .as_ref()
            .map_or_else(Timestamp::now, |since| since.0);
        let until = since
            .saturating_add(self.context.options.patience)
            .unwrap_or(Timestamp::MAX);
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ");
        let release = names::RELEASE;
        format!("it goes on without them at {until}, or at once with the annotation {release}=true")
    }

    pub(super) fn consumers(&self) -> Option<Told> {
        let consumers = &self.status().consumers;
        if consumers.is_empty() || self.released() {
            return None;
        }
        let list: Vec<_> = consumers
            .iter()
            .map(|one| format!("{} {}", one.kind, one.name))
            .collect();
        let message = format!(
            "{} still use it and are being unbound; {}",
            list.join(", "),
            self.until()
        );
        Some(Told::yes("WaitingForConsumers", message))
    }

    pub(super) fn dependents(&self) -> Option<Told> {
        if self.released() {
            return None;
        }
        let target_gone = |bind: &relations::Relative| {
            // A bind whose own consumers are gone goes by itself once its target goes.
            bind.declaration.declares.kind().is_none() && bind.is_deleting() && bind.status().consumers.is_empty()
        };
        let list: Vec<_> = relations::dependents(self.context, &self.key)
            .iter()
            .filter(|other| !target_gone(other))
            .map(|other| format!("{}/{}", other.key().namespace, other.object.name_any()))
            .collect();
        if list.is_empty() {
            return None;
        }
        let message = format!("{} must go first: delete them; {}", list.join(", "), self.until());
        Some(Told::yes("WaitingForDependents", message))
    }

    /// How many of a kind its Environment lets go within an hour; where that is gone or cannot be read, how many it let
    /// go when it was last asked.
    pub(super) fn deletes_per_hour(&self, kind: Kind, environment: &str) -> Option<u32> {
        let guard = self.context.stores.environments.get(None, environment);
        let Some(environment) = guard.as_ref().and_then(|guard| guard.0.as_ref().ok()) else {
            return self.status().deletes_per_hour;
        };
        let settings = self.context.settings(environment, self.provider().as_deref());
        let settings = settings.unwrap_or_else(|_| environment.spec.settings.clone());
        settings.limits.deletes_per_hour.get(kind).copied()
    }

    /// A network is kept as long as what was kept in it: no provider deletes one that is in use.
    pub(super) async fn as_long_as_what_lives_in_it(&self) -> Result<Option<Want>, Failure> {
        let filter = Filter {
            cluster: Some(self.context.engine.cluster().clone()),
            provider: self.provider(),
            namespace: Some(self.key.namespace.clone()),
            application: Some(self.key.application.clone()),
            gone: false,
        };
        let mut kept = self.context.engine.ledger().list(&filter).await?;
        kept.retain(|record| {
            matches!(record.kind, Kind::Rds | Kind::Slb)
                && !record.existing
                && matches!(record.standing, Standing::Parked | Standing::Retained)
        });
        if let Some(retained) = kept.iter().find(|record| record.standing == Standing::Retained) {
            let reason = format!("{} {} was retained in it", retained.kind, retained.owner.key);
            return Ok(Some(Want::Retained { reason }));
        }
        let until = kept
            .iter()
            .map(|record| record.keep_until.unwrap_or(Timestamp::MAX))
            .max();
        Ok(until.map(|until| Want::Parked { until, backup: false }))
    }
}
