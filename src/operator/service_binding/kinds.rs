//! The kinds that ServiceBindings name: found by discovery, and watched by their metadata once somebody names one.
//!
//! Nothing is stored of what is watched; it is news that something is to be looked at. Where the right to watch is not
//! granted, kube lists anew now and then, and beside that each ServiceBinding is looked at in turn.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use futures::StreamExt;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    core::{GroupVersionKind, PartialObjectMeta},
    discovery::{Scope, pinned_kind},
    error::DiscoveryError,
    runtime::{WatchStreamExt, watcher},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::record::Record;
use crate::operator::workload::WorkloadKind;

/// An object that was touched, as far as it is of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// The uids of the ServiceBindings that it has something of.
    pub(super) has: Vec<String>,
}

impl Touched {
    /// What is to be known of an object.
    pub(super) fn of<K: Resource>(group: &str, kind: &str, object: &K) -> Self {
        let record = Record::of(object.meta().annotations.as_ref());
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            labels: object.labels().clone(),
            has: record.bindings.into_keys().collect(),
        }
    }
}

/// Whether others watch this kind already, and tell of it.
pub(super) fn is_watched_elsewhere(group: &str, kind: &str) -> bool {
    let is_known = |known: &WorkloadKind| known.as_str() == kind && known.resource().group == group;
    // Of Jobs only some are, and of other projects' kinds nobody tells the news here.
    let workload = WorkloadKind::ALL.iter().find(|known| is_known(known));
    workload.is_some_and(|kind| *kind != WorkloadKind::Job && !kind.has_atomic_lists())
        || (group, kind) == ("mooring.dev", "CloudResource")
}

/// The kinds.
pub(super) struct Kinds {
    client: Client,
    found: Mutex<HashMap<GroupVersionKind, ApiResource>>,
    watched: Mutex<HashSet<(String, String)>>,
    news: mpsc::UnboundedSender<Touched>,
    shutdown: CancellationToken,
}

impl Kinds {
    pub(super) fn new(client: Client, news: mpsc::UnboundedSender<Touched>, shutdown: CancellationToken) -> Self {
        Self {
            client,
            found: Mutex::default(),
            watched: Mutex::default(),
            news,
            shutdown,
        }
    }

    /// How a kind is asked for; `None` if the API server does not serve it, or not in namespaces.
    pub(super) async fn find(&self, kind: &GroupVersionKind) -> kube::Result<Option<ApiResource>> {
        let known = self
            .found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kind)
            .cloned();
        if known.is_some() {
            return Ok(known);
        }
        let resource = match pinned_kind(&self.client, kind).await {
            Ok((resource, capabilities)) if capabilities.scope == Scope::Namespaced => resource,
            Ok(_) => return Ok(None),
            // Of a group that nobody serves the API server says so in plain text, without a reason.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(kube::Error::Discovery(error)) => match error {
                DiscoveryError::InvalidGroupVersion(_)
                | DiscoveryError::MissingKind(_)
                | DiscoveryError::MissingApiGroup(_)
                | DiscoveryError::MissingResource(_)
                | DiscoveryError::EmptyApiGroup(_) => return Ok(None),
            },
            Err(error) => return Err(error),
        };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(kind.clone(), resource.clone());
        Ok(Some(resource))
    }

    /// The kind is not served any more, as far as is known; it is asked for anew.
    pub(super) fn forget(&self, kind: &GroupVersionKind) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).remove(kind);
    }

    /// Has a kind watched from now on, if it is not yet.
    pub(super) fn watch(&self, resource: &ApiResource) {
        let key = (resource.group.clone(), resource.kind.clone());
        if is_watched_elsewhere(&key.0, &key.1)
            || !self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
        {
            return;
        }
        let api = Api::<PartialObjectMeta<DynamicObject>>::all_with(self.client.clone(), resource);
        let (news, shutdown, resource) = (self.news.clone(), self.shutdown.clone(), resource.clone());
        let follow = async move {
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => tell(&news, &resource, event),
                    Err(error) => {
                        tracing::debug!(kind = resource.kind, error = &error as &dyn std::error::Error, "watch");
                    }
                }
            }
        };
        tokio::spawn(async move { shutdown.run_until_cancelled(follow).await });
    }
}

fn tell(
    news: &mpsc::UnboundedSender<Touched>,
    resource: &ApiResource,
    event: watcher::Event<PartialObjectMeta<DynamicObject>>,
) {
    if let watcher::Event::Apply(object) | watcher::Event::InitApply(object) | watcher::Event::Delete(object) = event {
        // At the very end nobody listens any more.
        let _ = news.send(Touched::of(&resource.group, &resource.kind, &object));
    }
}
