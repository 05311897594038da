//! Running a controller: its queue, its retries, its log and its figures, the same for all.

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt};
use kube::{
    Resource,
    runtime::{
        Config, applier,
        controller::{self, Action},
        reflector::{ObjectRef, Store},
    },
};
use rand::Rng;
use tokio_util::sync::CancellationToken;

use super::Context;

/// The first wait after a failure, and the longest.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(300);
/// Several news of one object at once are one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// Why a reconcile failed.
pub trait Failure: Error + Send + Sync + 'static {
    /// One word, of a fixed set: it is a label of a metric.
    fn reason(&self) -> &'static str;
}

impl Failure for kube::Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Api(status) if status.is_conflict() => "Conflict",
            Self::Api(status) if status.is_already_exists() => "AlreadyExists",
            Self::Api(status) if status.is_forbidden() => "Forbidden",
            Self::Api(status) if status.is_not_found() => "NotFound",
            Self::Api(status) if status.is_invalid() => "Invalid",
            Self::Api(_) => "ApiServer",
            _ => "Unreachable",
        }
    }
}

/// A reconcile that failed or panicked.
#[derive(Debug, thiserror::Error)]
enum Trouble<E: Error + 'static> {
    #[error(transparent)]
    Failed(E),
    #[error("it was cut short: the operator ends")]
    CutShort,
    #[error("the reconcile panicked; this is a fault in Mooring")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Runs a controller until `shutdown`, then lets what is under way come to its end.
///
/// `queue` says what is to be looked at, and `store` has it. A reconcile that fails is tried again, later each time;
/// one that panics harms no other.
pub async fn run<K, F, E>(
    name: &'static str,
    context: Arc<Context>,
    store: Store<K>,
    queue: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> F + Send + 'static,
    shutdown: CancellationToken,
) where
    K: Resource + Clone + Debug + Send + Sync + 'static,
    K::DynamicType: Debug + Default + Eq + Hash + Clone + Unpin + Send + Sync,
    F: Future<Output = Result<Action, E>> + Send + 'static,
    E: Failure,
{
    let config = Config::default()
        .debounce(DEBOUNCE)
        .concurrency(context.options.concurrency);
    let attempts = Arc::new(Mutex::new(HashMap::<ObjectRef<K>, u32>::new()));
    let failures = Arc::clone(&attempts);
    let metrics = context.metrics.clone();
    let work = applier(
        move |object, context| {
            let (task, attempts) = (reconcile(Arc::clone(&object), context), Arc::clone(&attempts));
            // A task of its own: reconciles run on all cores, and a panic stays within one.
            let task = tokio::spawn(tracing::Instrument::in_current_span(task));
            Box::pin(async move {
                let result = match task.await {
                    Ok(result) => result.map_err(Trouble::Failed),
                    Err(error) if error.is_cancelled() => Err(Trouble::CutShort),
                    Err(error) => Err(Trouble::Panicked(error)),
                };
                if result.is_ok() {
                    let key = ObjectRef::from_obj(object.as_ref());
                    attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                }
                result
            })
        },
        move |object, _: &Trouble<E>, _| {
            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
            let attempt = failures.entry(ObjectRef::from_obj(object.as_ref())).or_default();
            *attempt += 1;
            Action::requeue(wait(*attempt))
        },
        context,
        store,
        queue.map(Ok::<_, Infallible>).take_until(shutdown.cancelled_owned()),
        config,
    );
    work.for_each(|result| {
        match &result {
            Ok(_) => metrics.reconciled(name, "ok"),
            // It went between the news and the look.
            Err(controller::Error::ObjectNotFound(_)) => {}
            Err(controller::Error::ReconcilerFailed(trouble, object)) => {
                let reason = match trouble {
                    Trouble::Failed(error) => error.reason(),
                    Trouble::CutShort => "CutShort",
                    Trouble::Panicked(_) => "Panicked",
                };
                metrics.reconciled(name, "error");
                metrics.failed(name, reason);
                tracing::warn!(controller = name, %object, reason, error = trouble as &dyn Error, "reconcile");
            }
            Err(error) => tracing::error!(controller = name, error = error as &dyn Error, "controller"),
        }
        std::future::ready(())
    })
    .await;
}

fn wait(attempt: u32) -> Duration {
    let ceiling = SHORTEST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    ceiling.mul_f64(rand::rng().random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_longer_up_to_a_limit() {
        assert!(wait(1) <= SHORTEST * 2);
        assert!(wait(40) <= LONGEST && wait(40) >= LONGEST / 2);
    }
}
