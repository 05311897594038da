//! Whose something is, and what is known of it: the ledger, the identity, the account.

use std::{collections::BTreeMap, time::Duration};

use mooring::{
    engine::{Held, Job, Want},
    ledger::{Filter, InMemory, Ledger, Memory},
};
use mooring_provider::{Access, Account, ErrorKind, Kind};
use mooring_provider_mock::Op;
use secrecy::SecretString;
use serde_json::json;

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn an_identity_is_not_taken_by_copying_it() {
    let world = world("copied").await;
    world
        .ready(&job("rds", Kind::Rds, present(rds(20, "mock.small"))))
        .await;
    let mut copied = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    copied.owner.key.namespace = "team-b".into();
    let told = world.step(&copied).await;
    assert_eq!(told.synced.reason, "OwnedElsewhere");
    assert!(
        told.synced.message.contains("team-a/shop/web/rds"),
        "{}",
        told.synced.message
    );
    let gone = world
        .step(&Job {
            want: ABSENT,
            ..copied.clone()
        })
        .await;
    assert_eq!(gone.synced.reason, "OwnedElsewhere");
    assert_eq!(world.cloud.list().len(), 1);
    // With a ledger that knows nothing, the owner tags tell.
    let amnesic = world_with("copied", InMemory::new()).await;
    amnesic.ledger.constant("x", "y").await.expect("it works");
    let told = amnesic.step(&copied).await;
    assert_eq!(told.synced.reason, "OwnedElsewhere");
    let moved = Job {
        may_adopt: true,
        ..copied
    };
    world.ready(&moved).await;
    assert_eq!(world.cloud.owned(&moved.owner)[0].owner(), Some(moved.owner.clone()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_created_without_the_ledger() {
    let world = world("unwritten").await;
    world.ledger.break_it(true);
    let wanted = job("log", Kind::Log, log());
    for _ in 0..5 {
        let told = world.step(&wanted).await;
        assert_eq!(told.error, Some(ErrorKind::Unavailable));
        assert!(told.synced.message.contains("ledger"), "{}", told.synced.message);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(world.cloud.counters().writes, 0);
    world.ledger.break_it(false);
    world.ready(&wanted).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_ledger_is_made_again_from_the_inventory() {
    let world = world("amnesia").await;
    let id = world
        .ready(&job("rds", Kind::Rds, present(rds(20, "mock.small"))))
        .await;
    let amnesic = world_with("amnesia", InMemory::new()).await;
    let identity = amnesic
        .engine
        .identity(&owner("rds").key, Kind::Rds, &amnesic.connection)
        .await
        .expect("it can be asked");
    assert_eq!(identity, owner("rds").identity);
    let known = amnesic
        .ledger
        .get(&identity)
        .await
        .expect("it works")
        .expect("it was taken in");
    assert_eq!(known.memory.external_id, Some(id));
    let inventory = amnesic
        .engine
        .inventory(&amnesic.connection, &Kind::ALL, &[], None)
        .await
        .expect("it can be asked");
    assert_eq!(inventory[0].state, Held::Orphan, "nobody has declared it here yet");
    amnesic
        .ready(&job("rds", Kind::Rds, present(rds(20, "mock.small"))))
        .await;
    let inventory = amnesic
        .engine
        .inventory(&amnesic.connection, &Kind::ALL, &[], None)
        .await
        .expect("it can be asked");
    assert_eq!(inventory[0].state, Held::Owned);
    assert_eq!(world.cloud.created(), 1);
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_account_prove_nothing() {
    let world = world("account-a").await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    world.ready(&wanted).await;
    let other = world
        .engine
        .connections()
        .connect("mock", "mock", &json!({ "account": "account-b" }), BTreeMap::new())
        .expect("it connects");
    let told = world.engine.step(&other, &wanted, &Memory::default(), &()).await;
    assert_eq!(told.error, Some(ErrorKind::PermissionDenied));
    assert!(told.synced.message.contains("account-a") && told.synced.message.contains("account-b"));
    assert!(
        told.ready.is_none(),
        "what was ready is not called unready for want of an answer"
    );
    let gone = world
        .engine
        .step(&other, &Job { want: ABSENT, ..wanted }, &Memory::default(), &())
        .await;
    assert_eq!(gone.done, None, "nor is it believed to be gone");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_no_longer_wanted_is_dropped_and_a_new_password_is_told() {
    let world = world("accounts").await;
    let account = |name: &str, password: &str| Account {
        name: name.into(),
        access: Access::ReadOnly,
        password: SecretString::from(password),
    };
    let with = |accounts| {
        job(
            "rds",
            Kind::Rds,
            Want::Present {
                spec: rds(20, "mock.small"),
                accounts,
                recreate: false,
            },
        )
    };
    let both = with(vec![account("shop", PASSWORD), account("report", "Another-One-22")]);
    let id = world.ready(&both).await;
    assert_eq!(
        world.cloud.login(&id, "report", "Another-One-22"),
        Some(Access::ReadOnly)
    );
    let before = world.cloud.count(Op::EnsureAccount, Kind::Rds);
    world.ready(&both).await;
    assert_eq!(
        world.cloud.count(Op::EnsureAccount, Kind::Rds),
        before,
        "what was told is not told again"
    );
    let id = world.ready(&with(vec![account("shop", "A-New-Password-333")])).await;
    assert_eq!(world.cloud.login(&id, "report", "Another-One-22"), None);
    assert_eq!(world.cloud.login(&id, "shop", PASSWORD), None);
    assert_eq!(
        world.cloud.login(&id, "shop", "A-New-Password-333"),
        Some(Access::ReadOnly)
    );
    let dump = format!(
        "{:?}{:?}",
        world
            .ledger
            .list(&Filter {
                gone: true,
                ..Filter::default()
            })
            .await,
        world.ledger.audits(None, jiff::Timestamp::MIN, 1_000).await
    );
    assert!(!dump.contains("Password") && !dump.contains(PASSWORD));
}
