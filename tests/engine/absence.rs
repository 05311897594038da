//! What an absence proves: at once after a deletion that this process saw taken, else when the grace period is over.

use std::{collections::BTreeMap, time::Duration};

use mooring::{
    engine::{Done, Job},
    ledger::InMemory,
};
use mooring_provider::Kind;
use mooring_provider_mock::{Fault, Op};
use serde_json::json;
use tokio::time::Instant;

use crate::world::*;

/// How long what is new cannot be seen there.
const HIDDEN: Duration = Duration::from_secs(5);

async fn hiding(account: &str, ledger: InMemory) -> World {
    let mut world = world_with(account, ledger).await;
    let config = json!({ "account": account, "invisibleFor": "5s" });
    let connected = world
        .engine
        .connections()
        .connect("mock", "mock", &config, BTreeMap::new());
    world.connection = connected.expect("it connects");
    world
}

async fn gone(world: &World, job: &Job) -> Duration {
    let begun = Instant::now();
    let absent = Job {
        want: ABSENT,
        ..job.clone()
    };
    world.until(&absent, |report| report.done == Some(Done::Gone)).await;
    assert!(world.cloud.list().is_empty());
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_and_then_deleted_is_gone_at_once() {
    let world = hiding("absence-fresh", InMemory::new()).await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    world.ready(&wanted).await;
    let took = gone(&world, &wanted).await;
    assert!(took < HIDDEN / 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_did_not_see_the_deletion_waits() {
    let world = hiding("absence-other", InMemory::new()).await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    world.ready(&wanted).await;
    let absent = Job {
        want: ABSENT,
        ..wanted.clone()
    };
    world
        .until(&absent, |report| report.synced.message.contains("told to delete it"))
        .await;
    tokio::time::sleep(HIDDEN).await;
    assert!(world.cloud.list().is_empty());
    let other = hiding("absence-other", world.ledger.clone()).await;
    let took = gone(&other, &wanted).await;
    assert!(took >= HIDDEN, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_create_without_an_outcome_is_waited_for() {
    let world = hiding("absence-intent", InMemory::new()).await;
    world.cloud.fail_next(Op::Create, Some(Kind::Rds), Fault::After);
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    let report = world.step(&wanted).await;
    assert!(report.memory.intent.is_some(), "{report:?}");
    assert_eq!(world.cloud.list().len(), 1, "it is there, and cannot be seen");
    let took = gone(&world, &wanted).await;
    assert!(took >= HIDDEN, "{took:?}");
}
