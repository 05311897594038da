//! The drive over the mock cloud, in paused time, with the ledger in memory.

use mooring_provider::{Access, Account, ClusterId, Identity, spec};
use mooring_provider_mock::{Cloud, Fault, MockConfig, Op};
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    engine::TokioClock,
    ledger::{InMemory, Ledger, Standing},
};

struct Bench {
    engine: Engine,
    cloud: Cloud,
    connection: Arc<Connection>,
}

async fn bench(name: &str) -> Bench {
    let clock = Arc::new(TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time")));
    let ledger: Arc<dyn Ledger> = Arc::new(InMemory::default());
    let registrations = vec![mooring_provider_mock::register()];
    let engine = Engine::new(ledger, clock, registrations, ClusterId::new("c"), "test".into())
        .await
        .expect("a ledger");
    let config = json!({"account": name, "latency": "20ms"});
    let connection = engine
        .connections()
        .connect("mock", "mock", &config, Default::default())
        .expect("it connects");
    let cloud = Cloud::open(&MockConfig::read(&config).expect("a config")).expect("a cloud");
    Bench {
        engine,
        cloud,
        connection,
    }
}

fn key(name: &str) -> Key {
    Key::new("ns", "shop", "web", name)
}

fn vpc() -> Json {
    serde_json::to_value(spec::Vpc {
        cidr: Some("10.64.0.0/20".into()),
        egress: spec::Egress::None,
        zones: vec![],
        shared: None,
        common: spec::Common::default(),
    })
    .expect("JSON")
}

fn rds(network: &str) -> Json {
    serde_json::to_value(spec::Rds {
        engine: spec::Engine::Mysql,
        version: None,
        class: "small".into(),
        storage: mooring_provider::Bytes::gib(20),
        high_availability: false,
        database: "shop".into(),
        tls: spec::Tls::Preferred,
        backup_retention: None,
        deletion_protection: false,
        clients: vec!["10.0.0.0/8".into()],
        client_security_group: None,
        network: spec::Network {
            id: Some(network.into()),
            ..spec::Network::default()
        },
        common: spec::Common::default(),
    })
    .expect("JSON")
}

impl Bench {
    fn unit(&self, name: &str, kind: Kind, after: &[&str], want: Wanted) -> Unit {
        Unit {
            owner: Owner {
                cluster: ClusterId::new("c"),
                identity: Identity::new(format!("id-{name}")),
                key: key(name),
            },
            kind,
            environment: "local".into(),
            existing: None,
            may_adopt: false,
            connection: Arc::clone(&self.connection),
            after: after.iter().map(|name| key(name)).collect(),
            want,
        }
    }

    fn up(&self) -> Vec<Unit> {
        let account = Account {
            name: "shop".into(),
            access: Access::Owner,
            password: "Pw-1".to_owned().into(),
        };
        vec![
            self.unit(
                "rds",
                Kind::Rds,
                &["vpc"],
                Box::new(move |made| {
                    let network = made[&key("vpc")].bindings["network-id"]
                        .plain()
                        .unwrap_or_default()
                        .to_owned();
                    Ok(Want::Present {
                        spec: rds(&network),
                        accounts: vec![account.clone()],
                        recreate: false,
                    })
                }),
            ),
            self.unit(
                "vpc",
                Kind::Vpc,
                &[],
                Box::new(|_| {
                    Ok(Want::Present {
                        spec: vpc(),
                        accounts: vec![],
                        recreate: false,
                    })
                }),
            ),
        ]
    }

    fn down(&self) -> Vec<Unit> {
        let absent = || {
            Box::new(|_: &Made| {
                Ok(Want::Absent {
                    per_hour: None,
                    approved: false,
                })
            }) as Wanted
        };
        vec![
            self.unit("vpc", Kind::Vpc, &["rds"], absent()),
            self.unit("rds", Kind::Rds, &[], absent()),
        ]
    }

    async fn drive(&self, units: Vec<Unit>) -> (Vec<Ended>, Vec<Progress>) {
        let told = Mutex::new(Vec::new());
        let ended = drive(&self.engine, units, Duration::from_secs(1800), &|progress| {
            told.lock().expect("one thread").push(progress);
        })
        .await;
        (ended, told.into_inner().expect("one thread"))
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_another_comes_after_it_and_goes_before_it() {
    let bench = bench("order").await;
    let (ended, told) = bench.drive(bench.up()).await;
    assert!(ended.iter().all(|end| end.how == How::Ready), "{ended:?}");
    let first = &told[0];
    assert_eq!((first.stage, &first.key), (Stage::Waiting, &key("rds")));
    assert!(first.message.contains("ns/shop/web/vpc"), "{}", first.message);
    assert!(
        bench
            .cloud
            .login(ended[0].external_id.as_ref().expect("an id"), "shop", "Pw-1")
            .is_some()
    );
    let (ended, told) = bench.drive(bench.down()).await;
    assert!(ended.iter().all(|end| end.how == How::Done(Done::Gone)), "{ended:?}");
    assert_eq!((told[0].stage, &told[0].key), (Stage::Waiting, &key("vpc")));
    assert!(bench.cloud.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_run_makes_and_changes_nothing() {
    let bench = bench("idempotent").await;
    bench.drive(bench.up()).await;
    let writes = bench.cloud.counters().writes;
    let (ended, _) = bench.drive(bench.up()).await;
    assert!(ended.iter().all(|end| end.how == How::Ready));
    assert_eq!((bench.cloud.counters().writes, bench.cloud.created()), (writes, 2));
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_moment_it_goes_on_where_it_was() {
    for millis in (1..600).step_by(13) {
        let bench = bench(&format!("dropped-{millis}")).await;
        let dropped = tokio::time::timeout(Duration::from_millis(millis), bench.drive(bench.up())).await;
        let (ended, _) = bench.drive(bench.up()).await;
        assert!(
            ended.iter().all(|end| end.how == How::Ready),
            "after {millis} ms ({dropped:?}): {ended:?}"
        );
        assert_eq!(bench.cloud.created(), 2, "dropped after {millis} ms");
        let dropped = tokio::time::timeout(Duration::from_millis(millis), bench.drive(bench.down())).await;
        let (ended, _) = bench.drive(bench.down()).await;
        assert!(
            ended.iter().all(|end| end.how == How::Done(Done::Gone)),
            "{millis} ms ({dropped:?}): {ended:?}"
        );
        assert!(bench.cloud.list().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_go_on_ends_at_once_and_takes_with_it_what_needs_it() {
    let bench = bench("stuck").await;
    let mut units = bench.up();
    units[1].want = Box::new(|_| {
        Ok(Want::Present {
            spec: json!({"cidr": 1}),
            accounts: vec![],
            recreate: false,
        })
    });
    let (ended, told) = bench.drive(units).await;
    assert_eq!((ended[0].how, ended[1].how), (How::NotStarted, How::Stuck));
    assert!(
        ended[0].message.contains("needs ns/shop/web/vpc"),
        "{}",
        ended[0].message
    );
    assert_eq!(ended[1].reason, "InvalidSpec");
    assert!(
        told.iter()
            .any(|progress| progress.stage == Stage::Stuck && progress.key == key("vpc"))
    );
    bench.cloud.set_revoked(true);
    let (ended, _) = bench.drive(bench.up()).await;
    assert_eq!((ended[1].how, ended[1].reason), (How::Stuck, "Unauthenticated"));
}

#[tokio::test(start_paused = true)]
async fn what_only_waits_goes_on_until_time_is_up_and_says_why() {
    let bench = bench("waits").await;
    bench.cloud.fail_next(Op::Create, Some(Kind::Vpc), Fault::Before);
    bench
        .cloud
        .fail_next(Op::Create, Some(Kind::Vpc), Fault::Throttled(Duration::from_secs(3)));
    let (ended, told) = bench.drive(bench.up()).await;
    assert!(ended.iter().all(|end| end.how == How::Ready), "{ended:?}");
    assert!(
        told.iter()
            .any(|p| p.reason == "Throttled" && p.message.contains("tried again in")),
        "{told:?}"
    );
    bench.cloud.set_down(true);
    let (ended, _) = bench.drive(bench.down()).await;
    assert_eq!((ended[1].how, ended[1].reason), (How::TimedOut, "Unavailable"));
    assert_eq!(ended[0].how, How::TimedOut);
    assert!(
        ended[0].message.contains("waits for ns/shop/web/rds"),
        "{}",
        ended[0].message
    );
    let record = bench
        .engine
        .ledger()
        .get(&Identity::new("id-rds"))
        .await
        .expect("a ledger")
        .expect("a record");
    assert_ne!(record.standing, Standing::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_leaves_it_ready_and_is_told() {
    let bench = bench("refused").await;
    bench.drive(bench.up()).await;
    let mut units = bench.up();
    units[1].want = Box::new(|_| {
        let mut spec = vpc();
        spec["cidr"] = "10.128.0.0/20".into();
        Ok(Want::Present {
            spec,
            accounts: vec![],
            recreate: false,
        })
    });
    let (ended, _) = bench.drive(units).await;
    assert_eq!(
        (ended[1].how, ended[1].reason),
        (How::ReadyButNotAsDeclared, "ImmutableField")
    );
    assert!(ended[1].message.contains("cidr"), "{}", ended[1].message);
    assert_eq!(ended[0].how, How::Ready);
}
