//! The engine's own rules, one story each, on the mock cloud and the ledger in memory.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mooring::{
    engine::{Connection, Done, Engine, Held, Job, Next, Report, TokioClock, Want},
    ledger::{Filter, InMemory, Ledger, Memory, Standing},
};
use mooring_provider::{
    Access, Account, Bytes, ClusterId, ErrorKind, ExternalId, Identity, Key, Kind, Owner, Span,
    spec::{Common, Engine as Database, Format, Log, Network, Rds, Selector, Source, Tls},
};
use mooring_provider_mock::{Cloud, Fault, MockConfig, Op};
use secrecy::SecretString;
use serde_json::{Value as Json, json};

struct World {
    engine: Engine,
    connection: Arc<Connection>,
    cloud: Cloud,
    ledger: InMemory,
}

const PASSWORD: &str = "Not-For-Anybodys-Eyes-1";

/// An engine on a cloud of the test's own.
async fn world(account: &str) -> World {
    world_with(account, InMemory::new()).await
}

async fn world_with(account: &str, ledger: InMemory) -> World {
    let config = MockConfig {
        account: account.into(),
        ..MockConfig::default()
    };
    let cloud = Cloud::open(&config).expect("the configuration is good");
    let clock = TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time"));
    let engine = Engine::new(
        Arc::new(ledger.clone()),
        Arc::new(clock),
        vec![mooring_provider_mock::register()],
        ClusterId::new("here"),
        "test".into(),
    )
    .await
    .expect("the ledger works");
    let connection = engine
        .connections()
        .connect("mock", "mock", &json!({ "account": account }), BTreeMap::new())
        .expect("it connects");
    World {
        engine,
        connection,
        cloud,
        ledger,
    }
}

fn owner(name: &str) -> Owner {
    Owner {
        cluster: ClusterId::new("here"),
        identity: Identity::new(format!("id-{name}")),
        key: Key::new("team-a", "shop", "web", name),
    }
}

fn job(name: &str, kind: Kind, want: Want) -> Job {
    Job {
        owner: owner(name),
        kind,
        environment: "test".into(),
        existing: None,
        want,
        may_adopt: false,
    }
}

fn rds(storage: u64, class: &str) -> Json {
    serde_json::to_value(Rds {
        engine: Database::Mysql,
        version: None,
        class: class.into(),
        storage: Bytes::gib(storage),
        high_availability: false,
        database: "shop".into(),
        tls: Tls::Preferred,
        backup_retention: None,
        deletion_protection: false,
        clients: vec!["10.0.0.0/8".into()],
        client_security_group: None,
        network: Network::default(),
        common: Common::default(),
    })
    .expect("a spec is JSON")
}

fn present(spec: Json) -> Want {
    let account = Account {
        name: "shop".into(),
        access: Access::Owner,
        password: SecretString::from(PASSWORD),
    };
    Want::Present {
        spec,
        accounts: vec![account],
        recreate: false,
    }
}

fn log() -> Want {
    let log = Log {
        retention: Span::new(Duration::from_secs(86_400)),
        sources: vec![Source::Stdout],
        format: Format::Text,
        push: false,
        selector: Selector::default(),
        common: Common::default(),
    };
    Want::Present {
        spec: serde_json::to_value(log).expect("a spec is JSON"),
        accounts: Vec::new(),
        recreate: false,
    }
}

const ABSENT: Want = Want::Absent {
    per_hour: None,
    approved: false,
};

impl World {
    async fn step(&self, job: &Job) -> Report {
        self.engine.step(&self.connection, job, &Memory::default(), &()).await
    }

    /// Steps until it says so, or does not come to it.
    async fn until(&self, job: &Job, what: impl Fn(&Report) -> bool) -> Report {
        for _ in 0..1_000 {
            let report = self.step(job).await;
            if what(&report) {
                return report;
            }
            match report.next {
                Next::After(pause) => tokio::time::sleep(pause).await,
                Next::OnChange => panic!("it waits for a change: {report:?}"),
            }
        }
        panic!("it did not come to it in a thousand steps")
    }

    async fn ready(&self, job: &Job) -> ExternalId {
        let report = self.until(job, |report| report.is_ready() && report.synced.is).await;
        report.memory.external_id.expect("what is ready has an id")
    }
}

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
        .identity(&owner("rds").key, &amnesic.connection)
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
        .inventory(&amnesic.connection, None)
        .await
        .expect("it can be asked");
    assert_eq!(inventory[0].state, Held::Orphan, "nobody has declared it here yet");
    amnesic
        .ready(&job("rds", Kind::Rds, present(rds(20, "mock.small"))))
        .await;
    let inventory = amnesic
        .engine
        .inventory(&amnesic.connection, None)
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
        .identity(&wanted.owner.key, &world.connection)
        .await
        .expect("it can be asked");
    assert_eq!(again, wanted.owner.identity, "declared again, it is taken back");
    world.ready(&wanted).await;
    assert_eq!(world.cloud.rows(&id), Some(vec!["a row".to_owned()]));
    assert_eq!(world.cloud.login(&id, "shop", PASSWORD), Some(Access::Owner));
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
