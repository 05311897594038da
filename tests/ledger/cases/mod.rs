//! What every ledger does, whatever it is made of.

mod books;
mod intents;
mod records;

use std::{future::Future, sync::Arc};

use jiff::Timestamp;
use mooring::ledger::{Audit, Intent, Ledger, Memory, Record, Standing};
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Kind, Owner, Permission};
use serde_json::json;

pub(crate) use books::*;
pub(crate) use intents::*;
pub(crate) use records::*;

pub(crate) fn identity(text: &str) -> Identity {
    Identity::new(text)
}

/// That many seconds after a fixed time; with nanoseconds, so that a ledger that drops some is seen.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + seconds, 123_456_789).expect("a time in range")
}

pub(crate) fn record(id: &str) -> Record {
    Record {
        owner: Owner {
            cluster: ClusterId::new("cluster"),
            identity: identity(id),
            key: Key::new("team-a", "shop", "web", "rds"),
        },
        kind: Kind::Rds,
        provider: "mock".into(),
        environment: "default".into(),
        name: format!("shop-web-rds-{id}"),
        existing: false,
        standing: Standing::Live,
        reason: None,
        keep_until: None,
        endpoint: None,
        sightings: 0,
        memory: Memory::default(),
    }
}

pub(crate) fn full(id: &str) -> Record {
    Record {
        existing: true,
        standing: Standing::Parked,
        reason: Some("deletionPolicy: Recycle".into()),
        keep_until: Some(at(600)),
        endpoint: Some("10.0.0.1:3306".into()),
        memory: Memory {
            incarnation: 3,
            external_id: Some(ExternalId::new("rm-1")),
            intent: None,
            was_ready: true,
            missing_since: Some(at(5)),
            applied: Some(json!({"storage": "20Gi", "listeners": [{"port": 80}]})),
        },
        ..record(id)
    }
}

pub(crate) fn intent(incarnation: u32, since: Timestamp) -> Intent {
    Intent {
        incarnation,
        spec_hash: "h".into(),
        since,
    }
}

pub(crate) fn entry(id: &str, action: &str, outcome: &str, when: Timestamp) -> Audit {
    Audit {
        at: when,
        actor: "pod-1".into(),
        action: action.into(),
        identity: identity(id),
        kind: Kind::Rds,
        environment: "production".into(),
        external_id: Some(ExternalId::new("rm-1")),
        request_id: Some("r-1".into()),
        outcome: outcome.into(),
        detail: "storage 20Gi to 40Gi".into(),
    }
}

pub(crate) async fn memory(ledger: &Arc<dyn Ledger>, id: &str) -> Memory {
    ledger.get(&identity(id)).await.unwrap().expect("the record").memory
}

/// Runs the same call from sixteen tasks at once.
pub(crate) async fn sixteen<T, F>(call: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(16));
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (barrier, call) = (barrier.clone(), call(number));
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("the call does not panic"));
    }
    answers
}

pub(crate) async fn granted_of_sixteen(ledgers: &[Arc<dyn Ledger>], intent: Intent, stale: Timestamp) -> usize {
    let answers = sixteen(|number| {
        let (ledger, intent) = (ledgers[number % ledgers.len()].clone(), intent.clone());
        async move { ledger.creating(&record("a"), &intent, stale).await.unwrap() }
    })
    .await;
    answers
        .into_iter()
        .filter(|permission| *permission == Permission::Granted)
        .count()
}
