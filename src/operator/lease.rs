//! Leader election by a Lease: of many replicas one works.
//!
//! It saves work; it does not fence. A leader that was asleep for a minute may still send what it had in hand, so what
//! must happen once is decided by a compare-and-swap on the object concerned.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        coordination::v1::{Lease as Object, LeaseSpec},
        core::v1::Namespace,
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, Error, ResourceExt, Result,
    api::{ObjectMeta, PostParams},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The name of the Lease, in the operator's namespace.
pub(super) const NAME: &str = "mooring";

/// A Lease as one replica sees it.
#[derive(Clone)]
pub(super) struct Lease {
    api: Api<Object>,
    identity: String,
    duration: Duration,
}

/// The Lease is held; the object is as it was last written.
pub(super) struct Held {
    lease: Lease,
    object: Object,
    since: Instant,
}

impl Lease {
    pub(super) fn new(client: &Client, namespace: &str, identity: &str, duration: Duration) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            identity: identity.to_owned(),
            duration,
        }
    }

    /// Waits until the Lease is ours. Another's is taken once it was not renewed for its duration, by our own clock
    /// from when we saw it: clocks of machines differ.
    pub(super) async fn acquire(self) -> Held {
        let mut seen: Option<(String, Instant)> = None;
        loop {
            let now = Instant::now();
            let found = self.api.get_opt(NAME).await;
            let attempt = match found {
                Ok(None) => Some(self.api.create(&PostParams::default(), &self.claim(None)).await),
                Ok(Some(found)) => {
                    let version = found.resource_version().unwrap_or_default();
                    let since = match &seen {
                        Some((known, since)) if *known == version => *since,
                        _ => {
                            seen = Some((version, now));
                            now
                        }
                    };
                    let is_free = self.is_free(&found) || now.duration_since(since) >= stands(&found);
                    match is_free {
                        true => Some(self.write(self.claim(Some(found))).await),
                        false => None,
                    }
                }
                Err(error) => Some(Err(error)),
            };
            match attempt {
                Some(Ok(object)) => {
                    tracing::info!(identity = self.identity, "leading");
                    return Held {
                        lease: self,
                        object,
                        since: now,
                    };
                }
                // Another was quicker.
                Some(Err(Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {}
                Some(Err(Error::Api(status))) if status.is_not_found() => self.make_namespace().await,
                Some(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "lease"),
                None => {}
            }
            tokio::time::sleep(self.duration / 8).await;
        }
    }

    /// Run from outside, on a cluster that it was not installed on, it has no namespace yet.
    async fn make_namespace(&self) {
        let name = self.api.namespace().unwrap_or_default();
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.into()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let all = Api::all(self.api.clone().into_client());
        match all.create(&PostParams::default(), &namespace).await {
            Ok(_) => tracing::info!(namespace = name, "made the operator's namespace; there was none"),
            Err(Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the operator's namespace is not there; make it with `kubectl create namespace {name}`"
            ),
        }
    }

    fn is_free(&self, found: &Object) -> bool {
        let holder = holder(found);
        holder.is_empty() || holder == self.identity
    }

    fn claim(&self, found: Option<Object>) -> Object {
        let now = MicroTime(Timestamp::now());
        let mut object = found.unwrap_or_else(|| Object {
            metadata: ObjectMeta {
                name: Some(NAME.into()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        let transitions = object.spec.as_ref().and_then(|spec| spec.lease_transitions);
        object.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs().max(1)).unwrap_or(i32::MAX)),
            lease_transitions: Some(transitions.map_or(0, |count| count + 1)),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        });
        object
    }

    /// A write with the resourceVersion that was read: of two, one succeeds.
    async fn write(&self, object: Object) -> Result<Object> {
        self.api.replace(NAME, &PostParams::default(), &object).await
    }
}

fn holder(lease: &Object) -> &str {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    holder.unwrap_or_default()
}

fn stands(lease: &Object) -> Duration {
    let seconds = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.lease_duration_seconds)
        .unwrap_or(1);
    Duration::from_secs(seconds.max(1).unsigned_abs().into())
}

impl Held {
    /// What is written on it, which outlives the process.
    pub(super) fn annotations(&self) -> &BTreeMap<String, String> {
        self.object.annotations()
    }

    /// Writes something on it.
    pub(super) async fn annotate(&mut self, name: &str, value: &str) -> Result<()> {
        let mut object = self.object.clone();
        object.annotations_mut().insert(name.into(), value.into());
        self.object = self.lease.write(object).await?;
        Ok(())
    }

    /// Renews until `shutdown`, or until it is lost.
    pub(super) async fn keep(&mut self, shutdown: CancellationToken) -> Kept {
        let every = self.lease.duration / 4;
        // Work ends before another may begin.
        let limit = self.lease.duration * 3 / 4;
        loop {
            if shutdown.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                return Kept::ToTheEnd;
            }
            let started = Instant::now();
            match tokio::time::timeout(every, self.renew()).await {
                Ok(Ok(true)) => self.since = started,
                Ok(Ok(false)) => return Kept::Lost,
                Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "lease renewal"),
                Err(_) => tracing::warn!("lease renewal takes too long"),
            }
            if self.since.elapsed() >= limit {
                return Kept::Lost;
            }
        }
    }

    async fn renew(&mut self) -> Result<bool> {
        let mut object = self.object.clone();
        if let Some(spec) = &mut object.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        match self.lease.write(object).await {
            Ok(object) => {
                self.object = object;
                Ok(true)
            }
            Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                // Somebody wrote on it, or our last write came through and its answer did not.
                match self.lease.api.get_opt(NAME).await? {
                    Some(found) if holder(&found) == self.lease.identity => {
                        self.object = found;
                        Ok(true)
                    }
                    _ => Ok(false),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Lets go, so that another need not wait. What is under way must be over.
    pub(super) async fn release(mut self) {
        if let Some(spec) = &mut self.object.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        if let Err(error) = self.lease.write(self.object).await {
            tracing::debug!(%error, "the lease was not let go; it runs out");
        }
    }
}

/// Why it is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It was to end.
    ToTheEnd,
    /// Another has it, or may soon.
    Lost,
}
