//! Credentials that are good for some kinds only, connections that go, and what is taken in.

use mooring::{
    engine::{Done, Held, Report},
    ledger::{InMemory, Ledger, Memory},
};
use mooring_provider::{ErrorKind, Kind};
use mooring_provider_mock::{Call, Fault, Op};
use serde_json::json;

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_refused_keeps_no_other_from_being_made() {
    let world = world("kinds").await;
    world
        .cloud
        .plan_faults(|call: &Call| (call.op == Op::Inventory && call.kind != Some(Kind::Log)).then_some(Fault::Denied));
    let wanted = job("log", Kind::Log, log());
    world.ready(&wanted).await;
    let told = world.step(&job("rds", Kind::Rds, present(rds(20, "mock.small")))).await;
    assert_eq!(told.error, Some(ErrorKind::PermissionDenied));
    assert_eq!(
        world.cloud.count(Op::Create, Kind::Rds),
        0,
        "nothing is made where nothing can be seen"
    );
    assert_eq!(world.connection.proven(), [Kind::Log]);
    let entries = world
        .engine
        .inventory(&world.connection, &world.connection.proven(), &[], None)
        .await
        .expect("what may be seen is seen");
    assert_eq!(
        entries.iter().map(|entry| entry.state).collect::<Vec<_>>(),
        [Held::Owned]
    );
    // Once it is granted it is made.
    world.cloud.plan_faults(|_: &Call| None);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    world
        .ready(&job("rds", Kind::Rds, present(rds(20, "mock.small"))))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_dropped_when_it_is_closed_or_replaced() {
    let world = world("dropped").await;
    let connections = world.engine.connections();
    let connect = |token: &str| {
        let credentials = [("token".to_owned(), token.into())].into();
        connections
            .connect("other", "mock", &json!({"account": "dropped"}), credentials)
            .expect("it connects")
    };
    let first = std::sync::Arc::downgrade(&connect("one"));
    let second = std::sync::Arc::downgrade(&connect("two"));
    assert_eq!(
        (first.strong_count(), second.strong_count()),
        (0, 1),
        "the replaced one goes"
    );
    let candidate = connections
        .candidate(
            "other",
            "mock",
            &json!({"account": "dropped"}),
            [("token".to_owned(), "three".into())].into(),
        )
        .expect("it is made");
    let (candidate, made) = (std::sync::Arc::downgrade(&candidate), candidate);
    drop(made);
    connections.close("other");
    assert_eq!((second.strong_count(), candidate.strong_count()), (0, 0), "both go");
    assert!(connections.get("other").is_none());
    assert_eq!(connections.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_in_is_made_again_with_a_token_that_was_never_used() {
    let world = world("tokens").await;
    let wanted = job("log", Kind::Log, log());
    // Two lives: tokens of the incarnations 0 and 1 are used up.
    let unwanted = job("log", Kind::Log, ABSENT);
    for _ in 0..2 {
        world.ready(&wanted).await;
        world.until(&unwanted, |report| report.done == Some(Done::Gone)).await;
    }
    world.ready(&wanted).await;
    // The ledger and the status are lost.
    let amnesic = world_with("tokens", InMemory::new()).await;
    let id = amnesic.ready(&wanted).await;
    let known = amnesic
        .ledger
        .get(&wanted.owner.identity)
        .await
        .expect("it works")
        .expect("it was taken in");
    assert!(known.memory.incarnation > 1_000_000, "{known:?}");
    amnesic.until(&unwanted, |report| report.done == Some(Done::Gone)).await;
    let next = amnesic.until(&wanted, Report::is_ready).await;
    assert_ne!(next.memory.external_id, Some(id));
    assert!(next.memory.incarnation > known.memory.incarnation, "{next:?}");
    assert_eq!(amnesic.cloud.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_was_lost_does_not_forget_that_a_database_was_ready() {
    let world = world("wasready").await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    let report = world
        .until(&wanted, |report| report.is_ready() && report.synced.is)
        .await;
    let status = report.memory;
    let amnesic = world_with("wasready", InMemory::new()).await;
    // Taken in, then gone before it was ever seen ready by this ledger; the status knows that it was.
    amnesic
        .engine
        .prove(&amnesic.connection, Kind::Rds)
        .await
        .expect("it may be seen");
    amnesic.cloud.destroy(status.external_id.as_ref().expect("an id"));
    let step = async |memory: &Memory| amnesic.engine.step(&amnesic.connection, &wanted, memory, &()).await;
    let mut told = step(&status).await;
    while told.synced.reason == "Settling" {
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        told = step(&told.memory).await;
    }
    assert_eq!(told.synced.reason, "Lost", "{told:?}");
    assert!(amnesic.cloud.list().is_empty());
}
