//! Observations of many resources, asked for one by one, made in batches (the data-loader pattern).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mooring_provider::{AnyState, Claim, DynAdapter, Error, ErrorKind, Result, Sighting};
use tokio::sync::{Notify, oneshot};

use super::budget::{Budget, Priority};

/// How long the first of a batch waits for others. Short beside any call over a network.
const LINGER: Duration = Duration::from_millis(5);

/// How long what is at rest waits for a full batch: nobody waits for the answer, and all of a kind are looked at in
/// the same moment, as fast as the front comes round to each.
const LINGER_AT_REST: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Waiting {
    claim: Claim,
    priority: Priority,
    answer: oneshot::Sender<Result<Sighting<AnyState>>>,
}

/// Collects the observations of one kind at one account.
#[derive(Debug)]
pub(super) struct Batcher {
    adapter: Arc<dyn DynAdapter>,
    budget: Budget,
    queue: Mutex<Queue>,
    /// There is a full batch, or somebody who waits for an answer.
    due: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    running: bool,
}

impl Batcher {
    pub(super) fn new(adapter: Arc<dyn DynAdapter>, budget: Budget) -> Arc<Self> {
        Arc::new(Self {
            adapter,
            budget,
            queue: Mutex::default(),
            due: Notify::new(),
        })
    }

    pub(super) async fn observe(self: &Arc<Self>, claim: Claim, priority: Priority) -> Result<Sighting<AnyState>> {
        let (answer, observed) = oneshot::channel();
        let start = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.push(Waiting {
                claim,
                priority,
                answer,
            });
            if priority != Priority::Drift || queue.waiting.len() >= self.adapter.capability().batch {
                self.due.notify_one();
            }
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            tokio::spawn(Arc::clone(self).run());
        }
        observed.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unavailable,
                "observe",
                "the observation was dropped; it is made again",
            ))
        })
    }

    async fn run(self: Arc<Self>) {
        // If a call panics, the next observation starts anew instead of waiting for ever.
        let mut guard = StopOnDrop(Some(&self));
        loop {
            tokio::time::sleep(LINGER).await;
            if self.most_urgent() == Some(Priority::Drift) && !self.is_full() {
                // One that was due a moment ago may end this early; the batch is smaller then.
                let _ = tokio::time::timeout(LINGER_AT_REST, self.due.notified()).await;
            }
            let Some(urgent) = self.most_urgent() else {
                guard.0 = None;
                return;
            };
            let permit = self.budget.acquire(urgent).await;
            let batch = self.take();
            let claims: Vec<_> = batch.iter().map(|waiting| waiting.claim.clone()).collect();
            let mut sightings = self.adapter.observe(&claims).await.into_iter();
            let mut throttled = None;
            for waiting in batch {
                let sighting = sightings.next().unwrap_or_else(|| {
                    Err(Error::new(
                        ErrorKind::Unexpected,
                        "observe",
                        "the adapter gave fewer answers than claims",
                    ))
                });
                if let Err(error) = &sighting
                    && error.kind() == ErrorKind::Throttled
                {
                    throttled = Some(super::retry_after(error));
                }
                // Nobody waits any more: the reconcile was dropped.
                drop(waiting.answer.send(sighting));
            }
            match throttled {
                Some(after) => self.budget.throttled(after),
                None => self.budget.succeeded(),
            }
            drop(permit);
        }
    }

    /// The urgency of the most urgent one; `None`, and no longer running, when nobody waits.
    fn most_urgent(&self) -> Option<Priority> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.retain(|waiting| !waiting.answer.is_closed());
        let urgent = queue.waiting.iter().map(|waiting| waiting.priority).max();
        queue.running = urgent.is_some();
        urgent
    }

    fn is_full(&self) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.len() >= self.adapter.capability().batch
    }

    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.sort_by_key(|waiting| std::cmp::Reverse(waiting.priority));
        let most = self.adapter.capability().batch.max(1).min(queue.waiting.len());
        queue.waiting.drain(..most).collect()
    }
}

struct StopOnDrop<'a>(Option<&'a Batcher>);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(batcher) = self.0 {
            let mut queue = batcher.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.running = false;
            queue.waiting.clear();
        }
    }
}
