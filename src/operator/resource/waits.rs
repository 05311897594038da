//! What a CloudResource that goes waits for: whoever uses it, and whatever lives in it. Every wait is bounded, and says
//! until when, who can act, and how it is cut short.

use jiff::Timestamp;
use kube::ResourceExt;

use super::{relations, status::Told, teardown::Going};
use crate::api::names;

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
}
