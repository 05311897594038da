//! What several clusters share: each has a ledger and an engine of its own, and they know nothing of each other.

use std::time::Duration;

use mooring::{
    engine::{Done, Job, Report, Want, shared_identity, shared_owner},
    ledger::{InMemory, Ledger},
};
use mooring_provider::{Access, Account, Key, Kind, Owner};
use mooring_provider_mock::Op;

use crate::world::*;

/// The same declaration, as a cluster comes to it.
fn shared(want: Want) -> Job {
    let cluster = shared_owner("production");
    let key = Key::new("team-a", "shop", "web", "db");
    let owner = Owner {
        identity: shared_identity(&cluster, &key),
        cluster,
        key,
    };
    Job {
        owner,
        ..job("db", Kind::Rds, want)
    }
}

fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        access: Access::Owner,
        password: PASSWORD.into(),
    }
}

fn made(name: &str) -> Job {
    shared(Want::Present {
        spec: rds(20, "mock.small"),
        accounts: vec![account(name)],
        recreate: false,
    })
}

fn joined(name: &str) -> Job {
    shared(Want::Joined {
        spec: rds(20, "mock.small"),
        accounts: vec![account(name)],
    })
}

#[tokio::test(start_paused = true)]
async fn one_cluster_makes_it_and_the_others_join_with_accounts_of_their_own() {
    let blue = world_of("shared", InMemory::new(), "blue").await;
    let green = world_of("shared", InMemory::new(), "green").await;
    let waiting = green.step(&joined("shop_green")).await;
    assert_eq!(waiting.synced.reason, "WaitingFor");
    assert!(
        waiting.synced.message.contains("home cluster"),
        "{}",
        waiting.synced.message
    );
    assert_eq!(green.cloud.counters().writes, 0);

    let id = blue.ready(&made("shop_blue")).await;
    assert_eq!(green.ready(&joined("shop_green")).await, id);
    assert_eq!((blue.cloud.list().len(), blue.cloud.created()), (1, 1));
    for name in ["shop_blue", "shop_green"] {
        assert_eq!(blue.cloud.login(&id, name, PASSWORD), Some(Access::Owner), "{name}");
    }
    // Neither takes the other's account away, nor changes what the other declares.
    let bigger = shared(Want::Joined {
        spec: rds(50, "mock.large"),
        accounts: vec![account("shop_green")],
    });
    let told = green.until(&bigger, Report::is_ready).await;
    assert!(!told.synced.is, "what differs is told: {told:?}");
    blue.ready(&made("shop_blue")).await;
    green.until(&bigger, Report::is_ready).await;
    assert_eq!(green.cloud.count(Op::Update, Kind::Rds), 0);
    assert_eq!(green.cloud.login(&id, "shop_blue", PASSWORD), Some(Access::Owner));

    // One leaves: its account goes, and no more.
    let left = green.until(&shared(Want::Left), |report| report.done.is_some()).await;
    assert_eq!(left.done, Some(Done::Released));
    assert_eq!(green.cloud.login(&id, "shop_green", PASSWORD), None);
    assert_eq!(green.cloud.login(&id, "shop_blue", PASSWORD), Some(Access::Owner));
    assert_eq!(green.cloud.count(Op::Delete, Kind::Rds), 0);
    assert!(
        green
            .ledger
            .told(&made("x").owner.identity)
            .await
            .expect("it works")
            .is_empty()
    );
    blue.ready(&made("shop_blue")).await;
}

#[tokio::test(start_paused = true)]
async fn what_its_home_made_anew_is_joined_anew() {
    let blue = world_of("anew", InMemory::new(), "blue").await;
    let green = world_of("anew", InMemory::new(), "green").await;
    let first = blue.ready(&made("shop_blue")).await;
    green.ready(&joined("shop_green")).await;
    blue.cloud.destroy(&first);
    blue.until(&made("shop_blue"), |report| report.synced.reason == "Lost")
        .await;
    // It is not made by whoever misses it.
    assert_eq!(green.step(&joined("shop_green")).await.synced.reason, "WaitingFor");
    let again = shared(Want::Present {
        spec: rds(20, "mock.small"),
        accounts: vec![account("shop_blue")],
        recreate: true,
    });
    let second = blue.ready(&again).await;
    assert_ne!(first, second);
    assert_eq!(green.ready(&joined("shop_green")).await, second);
    assert_eq!(green.cloud.login(&second, "shop_green", PASSWORD), Some(Access::Owner));
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_its_memory_or_becomes_the_home_finds_what_there_is() {
    let blue = world_of("home", InMemory::new(), "blue").await;
    let green = world_of("home", InMemory::new(), "green").await;
    let id = blue.ready(&made("shop_blue")).await;
    green.ready(&joined("shop_green")).await;
    // The home loses its ledger: the identity is known without it, and nothing is made a second time.
    let amnesic = world_of("home", InMemory::new(), "blue").await;
    assert_eq!(amnesic.ready(&made("shop_blue")).await, id);
    // The home moves; the accounts of both stay.
    assert_eq!(green.ready(&made("shop_green")).await, id);
    assert_eq!(amnesic.ready(&joined("shop_blue")).await, id);
    assert_eq!(green.cloud.created(), 1);
    for name in ["shop_blue", "shop_green"] {
        assert_eq!(green.cloud.login(&id, name, PASSWORD), Some(Access::Owner), "{name}");
    }
    // Whose home it was only joins now, and has nothing to delete.
    let left = amnesic.until(&shared(Want::Left), |report| report.done.is_some()).await;
    assert_eq!(left.done, Some(Done::Released));
    assert_eq!(green.cloud.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_homes_by_mistake_make_one() {
    let blue = world_of("mistake", InMemory::new(), "blue").await;
    let green = world_of("mistake", InMemory::new(), "green").await;
    let (wanted, other) = (made("shop"), made("shop"));
    let (one, two) = futures::join!(blue.ready(&wanted), green.ready(&other));
    assert_eq!(one, two);
    assert_eq!(
        (blue.cloud.list().len(), blue.cloud.created()),
        (1, 1),
        "one token is one create"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_admitted_is_told_and_changes_no_whitelist() {
    let blue = world_of("clients", InMemory::new(), "blue").await;
    let green = world_of("clients", InMemory::new(), "green").await;
    blue.ready(&made("shop_blue")).await;
    let mut spec = rds(20, "mock.small");
    spec["clients"] = serde_json::json!(["10.99.0.0/16"]);
    let elsewhere = shared(Want::Joined {
        spec,
        accounts: vec![account("shop_green")],
    });
    let told = green.step(&elsewhere).await;
    assert_eq!(told.synced.reason, "Unreachable");
    assert!(told.synced.message.contains("10.99.0.0/16"), "{}", told.synced.message);
    tokio::time::sleep(Duration::from_secs(60)).await;
    green.step(&elsewhere).await;
    assert_eq!(green.cloud.count(Op::Update, Kind::Rds), 0);
}
