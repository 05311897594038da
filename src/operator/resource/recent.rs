//! What we wrote last of each object, until the watch has brought it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::ResourceExt;

use crate::api::CloudResource;

/// How many of our own writes of one object are remembered.
const OWN: usize = 8;

/// What we wrote last of each object. A reconcile that comes before the watch has brought our own write would decide
/// on what was before it.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<String, Written>>);

#[derive(Debug)]
struct Written {
    newest: Option<Arc<CloudResource>>,
    own: VecDeque<String>,
    at: Instant,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Written>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newer of what was heard and what was written.
    pub(super) fn newest(&self, heard: &CloudResource) -> Arc<CloudResource> {
        let mut all = self.lock();
        if let Some(written) = all.get_mut(&uid(heard)) {
            match &written.newest {
                Some(newest) if version(newest) > version(heard) => return Arc::clone(newest),
                _ => written.newest = None,
            }
        }
        Arc::new(heard.clone())
    }

    /// Remembers what a write of ours came to.
    pub(super) fn wrote(&self, object: &Arc<CloudResource>) {
        let mut all = self.lock();
        let written = all.entry(uid(object)).or_insert_with(|| Written {
            newest: None,
            own: VecDeque::new(),
            at: Instant::now(),
        });
        written.at = Instant::now();
        let mut newest = object.as_ref().clone();
        newest.metadata.managed_fields = None;
        written.newest = Some(Arc::new(newest));
        if written.own.len() == OWN {
            written.own.pop_front();
        }
        written.own.extend(object.resource_version());
    }

    /// Whether the watch brings what we wrote ourselves; what it has brought is in its store from now on.
    pub(super) fn is_own(&self, heard: &CloudResource) -> bool {
        let mut all = self.lock();
        let Some(written) = all.get_mut(&uid(heard)) else {
            return false;
        };
        written.newest.take_if(|newest| version(newest) <= version(heard));
        heard
            .resource_version()
            .is_some_and(|version| written.own.contains(&version))
    }

    /// How long ago we wrote it.
    pub(super) fn age(&self, object: &CloudResource) -> Option<Duration> {
        self.lock().get(&uid(object)).map(|written| written.at.elapsed())
    }

    /// It is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

fn uid(object: &CloudResource) -> String {
    object.uid().unwrap_or_default()
}

/// Resource versions of one kind are decimal numbers that grow (a promise of Kubernetes since 1.35, and true before).
fn version(object: &CloudResource) -> u64 {
    object
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CloudResourceSpec;

    fn object(version: &str) -> Arc<CloudResource> {
        let spec: CloudResourceSpec =
            serde_json::from_value(serde_json::json!({"application": "a", "component": "b", "name": "c", "log": {}}))
                .expect("a spec");
        let mut object = CloudResource::new("a-b-c", spec);
        object.metadata.uid = Some("u".into());
        object.metadata.resource_version = Some(version.into());
        Arc::new(object)
    }

    #[test]
    fn what_we_wrote_counts_until_something_newer_is_heard() {
        let recent = Recent::default();
        recent.wrote(&object("10"));
        assert_eq!(recent.newest(&object("9")).resource_version().as_deref(), Some("10"));
        assert!(recent.is_own(&object("10")) && !recent.is_own(&object("11")));
        assert_eq!(recent.newest(&object("100")).resource_version().as_deref(), Some("100"));
        recent.forget("u");
        assert!(!recent.is_own(&object("10")) && recent.age(&object("10")).is_none());
    }
}
