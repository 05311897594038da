//! The engine on Alibaba Cloud's simulator: the pace of each API, what a glance costs and finds, and what stays.

use std::{cell::RefCell, sync::Arc, time::Duration};

use mooring::{
    engine::{Connection, Done, Engine, Job, Next, Report, TokioClock, Want},
    ledger::{InMemory, Ledger, Memory, Standing},
};
use mooring_provider::{ClusterId, Credentials, Kind, Provider, Registration, Result};
use mooring_provider_aliyun::{Flavour, connect_over};
use mooring_provider_http::Client;
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Handle, Kind as Thing, Options, SHARED_VPC, SHARED_VSWITCHES, Simulator,
};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::world::{ABSENT, job, owner, present};

thread_local! {
    /// The cloud of the test that runs on this thread: a registration cannot carry one.
    static CLOUD: RefCell<Option<Arc<Handle>>> = const { RefCell::new(None) };
}

struct Alibaba {
    cloud: Arc<Handle>,
    engine: Engine,
    connection: Arc<Connection>,
    ledger: InMemory,
}

fn connect(config: &Json, credentials: Credentials) -> Result<Arc<dyn Provider>> {
    let cloud = CLOUD.with_borrow(Clone::clone).expect("the test made one");
    connect_over(Client::over(cloud), Flavour::Public, config, &credentials)
}

async fn alibaba(more: Json) -> Alibaba {
    let cloud = Arc::new(Simulator::within(Options::default()).expect("it needs no file"));
    CLOUD.set(Some(cloud.clone()));
    let ledger = InMemory::new();
    let clock = TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time"));
    let registration = Registration {
        name: "aliyun",
        connect,
    };
    let engine = Engine::new(
        Arc::new(ledger.clone()),
        Arc::new(clock),
        vec![registration],
        ClusterId::new("here"),
        "test".into(),
    );
    let engine = engine.await.expect("the ledger works");
    let mut config = json!({
        "region": "cn-hangzhou", "endpoints": {"default": cloud.url()}, "log": {"machineGroup": "k8s-group-c1"},
    });
    config
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().cloned().unwrap_or_default());
    let secret = [("accessKeyId", ACCESS_KEY_ID), ("accessKeySecret", ACCESS_KEY_SECRET)];
    let secret = secret.map(|(name, value)| (name.to_owned(), value.into())).into();
    let connection = engine.connections().connect("aliyun", "aliyun", &config, secret);
    Alibaba {
        connection: connection.expect("it connects"),
        cloud,
        engine,
        ledger,
    }
}

fn network() -> Json {
    json!({"id": SHARED_VPC, "subnets": SHARED_VSWITCHES.map(|id| json!({"id": id}))})
}

fn database() -> Want {
    present(json!({
        "engine": "mysql", "version": null, "class": "mysql.n2.medium.2c", "storage": "20Gi",
        "highAvailability": true, "database": "shop", "tls": "preferred", "backupRetention": "7d",
        "deletionProtection": false, "clients": ["10.8.0.0/16"], "network": network(), "common": {},
    }))
}

/// Bare, as the cluster's cloud controller wants it: it takes one step, and looks.
fn balancer() -> Want {
    let listener = json!({"port": 80, "protocol": "http", "targetPort": 8080});
    Want::Present {
        spec: json!({
            "scheme": "internal", "allowFrom": [], "network": network(), "common": {}, "listeners": [listener],
            "backends": null,
        }),
        accounts: Vec::new(),
        recreate: false,
    }
}

impl Alibaba {
    async fn step(&self, job: &Job) -> Report {
        self.engine.step(&self.connection, job, &Memory::default(), &()).await
    }

    /// Steps until it says so, as a front does.
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

    async fn ready(&self, job: &Job) -> Report {
        self.until(job, |report| report.is_ready() && report.synced.is).await
    }

    /// The calls that a step makes.
    async fn calls(&self, job: &Job) -> u64 {
        self.cloud.forget_calls();
        self.step(job).await;
        self.cloud.counts().values().sum()
    }
}

/// Forty databases that may not be looked for keep no balancer waiting, and take the account none of its calls.
#[tokio::test(start_paused = true)]
async fn an_api_that_is_throttled_leaves_the_others_at_their_pace() {
    let quiet = alibaba(json!({})).await;
    let balancers: Vec<_> = (0..10)
        .map(|n| job(&format!("slb-{n}"), Kind::Slb, balancer()))
        .collect();
    let up = async |world: &Alibaba| {
        let begun = Instant::now();
        futures::future::join_all(balancers.iter().map(|job| world.ready(job))).await;
        begun.elapsed()
    };
    let alone = up(&quiet).await;

    let busy = alibaba(json!({})).await;
    busy.cloud
        .configure(|options| _ = options.throttles.insert("Rds.DescribeDBInstances".into(), 0));
    let databases: Vec<_> = (0..40)
        .map(|n| job(&format!("rds-{n}"), Kind::Rds, database()))
        .collect();
    let throttled = async {
        let told = |report: &Report| report.synced.reason == "Throttled";
        futures::future::join_all(databases.iter().map(|job| busy.until(job, told))).await;
        // They come back for as long as the balancers take, and longer.
        futures::future::join_all(databases.iter().map(|job| busy.ready(job))).await;
    };
    let beside = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let beside = up(&busy).await;
        let asked = busy.cloud.count("Rds", "DescribeDBInstances");
        let figures = busy.connection.budget().figures();
        busy.cloud.configure(|options| options.throttles.clear());
        (beside, asked, figures)
    };
    let (_, (beside, asked, (at_once, refused))) = tokio::join!(throttled, beside);
    assert!(
        beside <= alone + Duration::from_millis(500),
        "{beside:?}, where it is {alone:?} alone"
    );
    assert_eq!(at_once, 32, "the account's own budget is whole");
    assert!(refused > 0, "that it was throttled is counted");
    assert!(asked <= 2 * 60, "{asked} calls of what is refused");
    assert_eq!(busy.cloud.list(Thing::Db).len(), 40, "and it ends");
}

/// What rests is looked at by one call, and in full when that shows anything, when a step is due, and in its time.
#[tokio::test(start_paused = true)]
async fn what_rests_is_looked_at_by_a_glance() {
    let world = alibaba(json!({})).await;
    let shop = job("shop", Kind::Rds, database());
    let id = world.ready(&shop).await.memory.external_id.expect("it is there");
    let whitelist = |world: &Alibaba| {
        let params = json!({"DBInstanceId": id.as_str()});
        world
            .cloud
            .act("Rds", "DescribeDBInstanceIPArrayList", params)
            .expect("it is shown")
            .to_string()
    };
    assert_eq!(world.calls(&shop).await, 1);

    // In a part: late, but in the stated time, and then it is mended.
    let open = json!({
        "DBInstanceId": id.as_str(), "DBInstanceIPArrayName": "mooring", "ModifyMode": "Cover",
        "SecurityIps": "0.0.0.0/0",
    });
    world
        .cloud
        .act("Rds", "ModifySecurityIps", open)
        .expect("a person may do it");
    assert_eq!(world.calls(&shop).await, 1);
    assert!(whitelist(&world).contains("0.0.0.0/0"));
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(world.calls(&shop).await > 5, "it is looked at in full");
    world.ready(&shop).await;
    assert!(!whitelist(&world).contains("0.0.0.0/0"));

    // In itself: at the next look, with its parts.
    assert_eq!(world.calls(&shop).await, 1);
    world.cloud.change(Thing::Db, id.as_str(), |db| {
        db.attrs.insert("DBInstanceStorage".into(), 10.into());
    });
    let report = world.step(&shop).await;
    assert_eq!(
        report.drift.iter().map(|drift| drift.field).collect::<Vec<_>>(),
        ["storage"]
    );
    assert!(world.calls(&shop).await > 5, "what is not as declared does not rest");
    world.cloud.change(Thing::Db, id.as_str(), |db| {
        db.attrs.insert("DBInstanceStorage".into(), 20.into());
    });
    world.ready(&shop).await;

    // A declaration that changed is a step that is due.
    let mut changed = shop.clone();
    if let Want::Present { spec, .. } = &mut changed.want {
        spec["clients"] = json!(["10.9.0.0/16"]);
    }
    world.ready(&changed).await;
    assert!(whitelist(&world).contains("10.9.0.0/16"));

    // And it is missed as soon as it is gone.
    assert_eq!(world.calls(&changed).await, 1);
    world.cloud.destroy(Thing::Db, id.as_str());
    world
        .until(&changed, |report| {
            report.ready.as_ref().is_some_and(|ready| ready.reason == "Lost")
        })
        .await;
}

/// Nobody is let into it any more; it is on record with its date, comes back when it is declared again, and goes when
/// it is no subscription any more.
#[tokio::test(start_paused = true)]
async fn a_subscription_is_kept_on_record_until_it_can_go() {
    let world = alibaba(json!({"rds": {"subscription": {"period": "Month", "count": 1}}})).await;
    let shop = job("shop", Kind::Rds, database());
    let id = world.ready(&shop).await.memory.external_id.expect("it is there");
    world.cloud.change(Thing::Db, id.as_str(), |db| {
        db.attrs.insert("ExpireTime".into(), "2026-02-01T00:00:00Z".into());
    });
    let gone = job("shop", Kind::Rds, ABSENT);
    let report = world.until(&gone, |report| report.done.is_some()).await;
    assert_eq!(report.done, Some(Done::Stays));
    let record = async || {
        let record = world.ledger.get(&owner("shop").identity).await.expect("it can be read");
        record.expect("it is on record")
    };
    let kept = record().await;
    assert_eq!(kept.standing, Standing::Retained);
    assert_eq!(kept.keep_until, Some("2026-02-01T00:00:00Z".parse().expect("a time")));
    assert!(
        kept.reason.is_some_and(|why| why.contains("paid until 2026-02-01")),
        "it says why"
    );
    let password = crate::world::PASSWORD;
    assert!(!world.cloud.login(id.as_str(), "shop", password), "nobody is let in");
    assert_eq!(world.cloud.count("Rds", "DeleteDBInstance"), 0);
    let entries = world.engine.inventory(&world.connection, &[Kind::Rds], &[], None).await;
    let states: Vec<_> = entries
        .expect("it is listed")
        .iter()
        .map(|entry| entry.state.as_str())
        .collect();
    assert_eq!(states, ["retained"]);

    world.ready(&shop).await;
    assert_eq!(record().await.standing, Standing::Live);
    assert!(world.cloud.login(id.as_str(), "shop", password));

    world.cloud.change(Thing::Db, id.as_str(), |db| {
        db.attrs.insert("PayType".into(), "Postpaid".into());
    });
    let report = world.until(&gone, |report| report.done.is_some()).await;
    assert_eq!(report.done, Some(Done::Gone));
    assert!(world.cloud.list(Thing::Db).is_empty());
}
