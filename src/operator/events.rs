//! Events: what people are told beside the conditions.
//!
//! kube's Recorder counts repeats by the reason alone and keeps the first note; here another note is another Event,
//! and the same one is not repeated for a while: the condition stands anyway, and each repeat would be a write.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    runtime::events::EventType,
};

use super::metrics::Metrics;

/// How long a note is not repeated.
const QUIET: Duration = Duration::from_secs(600);
/// The API server takes no longer note.
const LONGEST_NOTE: usize = 1000;
/// The name under which Events are reported.
const REPORTER: &str = "mooring.dev/operator";

/// Publishes Events.
pub(super) struct Events {
    client: Client,
    instance: String,
    metrics: Metrics,
    told: Mutex<HashMap<Told, Instant>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Told {
    uid: String,
    reason: String,
    note: String,
}

impl Events {
    pub(super) fn new(client: Client, instance: &str, metrics: Metrics) -> Self {
        Self {
            client,
            instance: instance.chars().take(128).collect(),
            metrics,
            told: Mutex::default(),
        }
    }

    pub(super) async fn publish(
        &self,
        about: ObjectReference,
        type_: EventType,
        reason: &str,
        action: &str,
        note: String,
    ) {
        let note = shortened(note);
        if !self.is_news(&about, reason, &note) {
            return;
        }
        let namespace = about.namespace.clone().unwrap_or_else(|| "default".into());
        let now = Timestamp::now();
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!(
                    "{}.{:x}",
                    about.name.as_deref().unwrap_or("mooring"),
                    now.as_nanosecond()
                )),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            action: Some(action.into()),
            event_time: Some(MicroTime(now)),
            note: Some(note),
            reason: Some(reason.into()),
            regarding: Some(about),
            reporting_controller: Some(REPORTER.into()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(match type_ {
                EventType::Normal => "Normal".into(),
                EventType::Warning => "Warning".into(),
            }),
            ..Event::default()
        };
        self.metrics.event();
        let api = Api::<Event>::namespaced(self.client.clone(), &namespace);
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            tracing::debug!(%error, reason, namespace, "an Event could not be made");
        }
    }

    fn is_news(&self, about: &ObjectReference, reason: &str, note: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, when| when.elapsed() < QUIET);
        let key = Told {
            uid: about.uid.clone().unwrap_or_default(),
            reason: reason.into(),
            note: note.into(),
        };
        told.insert(key, Instant::now()).is_none()
    }
}

fn shortened(mut note: String) -> String {
    if note.len() > LONGEST_NOTE {
        let end = (0..=LONGEST_NOTE - '…'.len_utf8())
            .rev()
            .find(|&end| note.is_char_boundary(end))
            .unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = shortened("ü".repeat(600));
        assert!(note.len() <= LONGEST_NOTE && note.ends_with('…'), "{}", note.len());
        assert_eq!(shortened("short".into()), "short");
    }
}
