//! The engine's own rules, one story each, on the mock cloud and the ledger in memory.

mod absence;
mod kinds;
mod memory;
mod shared;
mod world;

use std::time::Duration;

use mooring::{
    engine::{Done, Job, Next, Report, Want},
    ledger::{Ledger, Standing},
};
use mooring_provider::{Access, ErrorKind, ExternalId, Kind, Phase};
use mooring_provider_mock::{Fault, Op};

use world::*;

#[tokio::test(start_paused = true)]
async fn deletions_beyond_the_limit_wait_for_a_word_or_an_hour() {
    let world = world("limit").await;
    let limited = |approved| Want::Absent {
        per_hour: Some(1),
        approved,
    };
    for name in ["one", "two", "three"] {
        world.ready(&job(name, Kind::Log, log())).await;
    }
    world
        .until(&job("one", Kind::Log, limited(false)), |report| {
            report.done == Some(Done::Gone)
        })
        .await;
    let told = world.step(&job("two", Kind::Log, limited(false))).await;
    let told = told.ready.expect("it says why");
    assert_eq!((told.is, told.reason), (false, "DeletionLimit"));
    assert!(
        told.message.contains("mooring approve delete team-a/shop/web/two"),
        "{}",
        told.message
    );
    world
        .until(&job("two", Kind::Log, limited(true)), |report| {
            report.done == Some(Done::Gone)
        })
        .await;
    assert_eq!(world.cloud.list().len(), 1);
    tokio::time::sleep(Duration::from_secs(3601)).await;
    world
        .until(&job("three", Kind::Log, limited(false)), |report| {
            report.done == Some(Done::Gone)
        })
        .await;
    assert!(world.cloud.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn lost_data_is_told_and_comes_back_empty_only_when_asked() {
    let world = world("lost").await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    let first = world.ready(&wanted).await;
    world.cloud.destroy(&first);
    let lost = world.until(&wanted, |report| report.synced.reason == "Lost").await;
    assert!(
        lost.synced.message.contains("mooring.dev/recreate=0"),
        "{}",
        lost.synced.message
    );
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert_eq!(world.step(&wanted).await.synced.reason, "Lost");
    assert!(world.cloud.list().is_empty());
    let Want::Present { spec, accounts, .. } = wanted.want.clone() else {
        unreachable!("it is wanted")
    };
    let asked = Job {
        want: Want::Present {
            spec,
            accounts,
            recreate: true,
        },
        ..wanted
    };
    let second = world.ready(&asked).await;
    assert_ne!(first, second);
    assert_eq!(world.cloud.login(&second, "shop", PASSWORD), Some(Access::Owner));
}

#[tokio::test(start_paused = true)]
async fn a_change_behind_our_back_is_told_and_a_declared_one_is_made() {
    let world = world("drift").await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    let id = world.ready(&wanted).await;
    world.cloud.change(&id, |resource| {
        if let mooring_provider_mock::Settings::Rds(rds) = &mut resource.settings {
            rds.class = "mock.large".into();
            rds.clients.clear();
        }
    });
    // The whitelist is ours and is put right; the class is somebody's decision and is told.
    let drifted = world
        .until(&wanted, |report| report.synced.reason == "Drifted" && report.is_ready())
        .await;
    assert!(
        drifted
            .synced
            .message
            .contains("class is mock.large, declared mock.small"),
        "{}",
        drifted.synced.message
    );
    let settings = world.cloud.get(&id).expect("it is there").settings;
    let mooring_provider_mock::Settings::Rds(is) = settings else {
        panic!("it is a database")
    };
    assert_eq!(
        (is.class.as_str(), is.clients),
        ("mock.large", vec!["10.0.0.0/8".to_owned()])
    );
    world
        .ready(&job("rds", Kind::Rds, present(rds(60, "mock.medium"))))
        .await;
    let shrunk = job("rds", Kind::Rds, present(rds(30, "mock.medium")));
    let told = world
        .until(&shrunk, |report| report.synced.reason == "CannotShrink")
        .await;
    assert!(told.is_ready(), "what runs is left running");
}

#[tokio::test(start_paused = true)]
async fn an_existing_one_is_used_and_never_changed() {
    let world = world("existing").await;
    let settings =
        mooring_provider_mock::Settings::Rds(serde_json::from_value(rds(500, "mock.large")).expect("it is a spec"));
    let id = world.cloud.add_foreign("theirs", settings);
    let before = format!("{:?}", world.cloud.get(&id));
    let existing = Job {
        existing: Some(id.clone()),
        want: Want::Present {
            spec: rds(20, "mock.small"),
            accounts: Vec::new(),
            recreate: false,
        },
        ..job("rds", Kind::Rds, ABSENT)
    };
    let report = world.until(&existing, Report::is_ready).await;
    assert!(report.bindings.contains_key("host"), "{report:?}");
    let released = world
        .step(&Job {
            want: ABSENT,
            ..existing.clone()
        })
        .await;
    assert_eq!(released.done, Some(Done::Released));
    assert_eq!(format!("{:?}", world.cloud.get(&id)), before);
    let missing = Job {
        existing: Some(ExternalId::new("rds-nowhere")),
        ..existing
    };
    let told = world
        .step(&Job {
            owner: owner("other"),
            ..missing
        })
        .await;
    assert_eq!(told.error, Some(ErrorKind::InvalidSpec));
    assert!(told.synced.message.contains("existing.id") && told.synced.message.contains("rds-nowhere"));
}

#[tokio::test(start_paused = true)]
async fn parked_it_keeps_its_rows_and_admits_nobody() {
    let world = world("parked").await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    let id = world.ready(&wanted).await;
    world.cloud.write(&id, "a row");
    let until = "2026-01-08T00:00:00Z".parse().expect("a time");
    let parked = Job {
        want: Want::Parked { until, backup: true },
        ..wanted.clone()
    };
    world.until(&parked, |report| report.done == Some(Done::Parked)).await;
    assert_eq!(world.cloud.login(&id, "shop", PASSWORD), None);
    let record = world
        .ledger
        .get(&wanted.owner.identity)
        .await
        .expect("it works")
        .expect("it is on record");
    assert_eq!((record.standing, record.keep_until), (Standing::Parked, Some(until)));
    let again = world
        .engine
        .identity(&wanted.owner.key, Kind::Rds, &world.connection)
        .await
        .expect("it can be asked");
    assert_eq!(again, wanted.owner.identity, "declared again, it is taken back");
    world.ready(&wanted).await;
    assert_eq!(world.cloud.rows(&id), Some(vec!["a row".to_owned()]));
    assert_eq!(world.cloud.login(&id, "shop", PASSWORD), Some(Access::Owner));
}

#[tokio::test(start_paused = true)]
async fn a_park_that_takes_effect_late_takes_no_account_with_it() {
    let world = world("late-park").await;
    let wanted = job("rds", Kind::Rds, present(rds(20, "mock.small")));
    let id = world.ready(&wanted).await;
    let until = "2026-01-08T00:00:00Z".parse().expect("a time");
    let parked = Job {
        want: Want::Parked { until, backup: false },
        ..wanted.clone()
    };
    let late = Duration::from_secs(30);
    world.cloud.fail_next(Op::Park, Some(Kind::Rds), Fault::Late(late));
    // Whoever asked for it is gone before it happens, and what was to go is declared again.
    let asked = tokio::time::timeout(Duration::from_secs(1), world.step(&parked)).await;
    assert!(asked.is_err(), "nobody hears of it");
    world.ready(&wanted).await;
    assert_eq!(world.cloud.login(&id, "shop", PASSWORD), Some(Access::Owner));
    tokio::time::sleep(late).await;
    assert!(matches!(world.cloud.phase(&id), Some(Phase::Parked(_))));
    assert_eq!(world.cloud.login(&id, "shop", PASSWORD), None);
    world.ready(&wanted).await;
    assert_eq!(world.cloud.phase(&id), Some(Phase::Ready));
    assert_eq!(world.cloud.login(&id, "shop", PASSWORD), Some(Access::Owner));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_account_is_asked_less_and_nothing_is_lost() {
    let world = world("throttled").await;
    world.cloud.plan_faults(|call: &mooring_provider_mock::Call| {
        (call.n < 60).then_some(Fault::Throttled(Duration::from_secs(20)))
    });
    let started = tokio::time::Instant::now();
    let names: Vec<_> = (0..20).map(|n| format!("log{n}")).collect();
    let jobs: Vec<_> = names.iter().map(|name| job(name, Kind::Log, log())).collect();
    futures::future::join_all(jobs.iter().map(|job| world.ready(job))).await;
    assert_eq!(world.cloud.created(), 20);
    let (_, throttled) = world.connection.budget().figures();
    assert!(
        throttled > 0 && started.elapsed() > Duration::from_secs(60),
        "{throttled} {:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn many_at_rest_are_looked_at_in_few_reads() {
    let world = world("batches").await;
    let jobs: Vec<_> = (0..300).map(|n| job(&format!("log{n}"), Kind::Log, log())).collect();
    futures::future::join_all(jobs.iter().map(|job| world.ready(job))).await;
    let before = world.cloud.counters().reads;
    // Two periods of polling, each resource as it was told.
    let rounds = jobs.iter().map(|job| async {
        for _ in 0..2 {
            let Next::After(pause) = world.step(job).await.next else {
                panic!("it is to be looked at again")
            };
            tokio::time::sleep(pause).await;
        }
    });
    futures::future::join_all(rounds).await;
    let reads = world.cloud.counters().reads - before;
    assert!(reads <= 2 * 300 / 50, "{reads} reads for 300 resources in two periods");
}
