//! Figures: what an application costs in calls, what watching many costs, and what a signature costs.
//!
//! `cargo bench -p mooring-provider-aliyun`. The cloud is the simulator in this process, where a creation or a change
//! takes a minute, and time is virtual: only the signatures are measured by a real clock.

#[path = "../tests/simulated/kit/mod.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod kit;

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use kit::{Scene, listener};
use mooring_provider::{Access, Account, Claim, Goal, Kind, Phase, Step};
use mooring_provider_aliyun::signature::{Parts, acs3, rpc, sls};
use mooring_simulator_aliyun::Handle;
use serde_json::json;

/// By product and Action.
type Counts = BTreeMap<(String, String), u64>;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        one_application().await;
        a_thousand_resources().await;
    });
    signatures();
}

fn counted(cloud: &Handle) -> Counts {
    let counts = cloud.counts();
    cloud.forget_calls();
    counts
}

/// Steps until the end, as the engine does: what a step did is looked at soon, what is awaited is polled.
async fn lead(scene: &mut Scene, goal: impl Fn(&Scene, bool) -> Goal, end: &Step) {
    let (poll, mut told) = (scene.adapter.capability().poll_busy, false);
    for _ in 0..500 {
        let goal = goal(scene, told);
        let pause = match scene.step(&goal).await {
            Ok(outcome) if outcome.step == *end => return,
            Ok(outcome) => {
                told |= matches!(outcome.step, Step::AccountEnsured { .. });
                let busy = outcome.seen.is_some_and(|seen| matches!(seen.phase, Phase::Busy(_)));
                let waits = busy || matches!(outcome.step, Step::Wait { .. } | Step::Deleting { .. });
                if waits { poll } else { Duration::from_secs(1) }
            }
            Err(_) => poll,
        };
        tokio::time::sleep(pause).await;
    }
    panic!("{} is never {end:?}", scene.claim.name);
}

fn present(scene: &Scene, told: bool) -> Goal {
    let account = Account {
        name: "shop".into(),
        access: Access::Owner,
        password: "A-good-one-1".into(),
    };
    let accounts = scene.adapter.capability().accounts.then_some(account);
    let mut goal = scene.present(accounts.into_iter().collect());
    if let Goal::Present { accounts, .. } = &mut goal {
        accounts.iter_mut().for_each(|account| account.told = told);
    }
    goal
}

async fn one_application() {
    println!("\n## Calls of one application, from nothing to bound, and back\n");
    println!("| resource | up: writes | up: reads | down: writes | down: reads | writes by Action (up; down) |");
    println!("|---|---|---|---|---|---|");
    let mut all = [0; 4];
    for (name, kind, tcp) in [
        ("rds (MySQL, two zones, an account)", Kind::Rds, false),
        ("slb (http: CLB)", Kind::Slb, false),
        ("log", Kind::Log, false),
        ("monitor (two alarms)", Kind::Monitor, false),
        ("beside: slb (tcp: NLB)", Kind::Slb, true),
        ("beside: vpc (dedicated)", Kind::Vpc, false),
    ] {
        let mut scene = Scene::new(kind);
        scene
            .cloud
            .configure(|options| options.provisioning = Duration::from_secs(60));
        if tcp {
            scene.spec["listeners"] = json!([listener(80, "tcp", 8080)]);
        }
        lead(&mut scene, present, &Step::Ready).await;
        let up = counted(&scene.cloud);
        lead(&mut scene, |_, _| Goal::Absent, &Step::Gone).await;
        let down = counted(&scene.cloud);
        let row = [writes(&up).1, reads(&up), writes(&down).1, reads(&down)];
        println!(
            "| {name} | {} | {} | {} | {} | {}; {} |",
            row[0],
            row[1],
            row[2],
            row[3],
            writes(&up).0,
            writes(&down).0
        );
        if !name.starts_with("beside") {
            all.iter_mut().zip(row).for_each(|(all, row)| *all += row);
        }
    }
    println!(
        "| **application** (the first four) | {} | {} | {} | {} | |",
        all[0], all[1], all[2], all[3]
    );
}

fn is_read(action: &str) -> bool {
    ["Describe", "List", "Get"].iter().any(|read| action.starts_with(read))
}

fn reads(counts: &Counts) -> u64 {
    counts
        .iter()
        .filter(|((_, action), _)| is_read(action))
        .map(|(_, count)| count)
        .sum()
}

fn writes(counts: &Counts) -> (String, u64) {
    let writes: Vec<_> = counts.iter().filter(|((_, action), _)| !is_read(action)).collect();
    let shown: Vec<_> = writes
        .iter()
        .map(|((_, action), count)| match count {
            1 => action.clone(),
            count => format!("{count} {action}"),
        })
        .collect();
    (shown.join(", "), writes.iter().map(|(_, count)| **count).sum())
}

/// 250 of each of four kinds, at rest.
async fn a_thousand_resources() {
    const EACH: usize = 250;
    println!("\n## Calls per hour to keep 1,000 resources observed (250 each), at the default interval\n");
    println!("| kind | interval | batch | calls a round | calls an hour | one by one, an hour |");
    println!("|---|---|---|---|---|---|");
    let mut all = (0, 0);
    for kind in [Kind::Rds, Kind::Slb, Kind::Log, Kind::Monitor] {
        let home = Scene::new(kind);
        home.cloud.configure(|options| {
            options.quotas.balancers = 2 * EACH;
            options.quotas.logstores = 2 * EACH;
        });
        let mut claims: Vec<Claim> = Vec::new();
        for n in 0..EACH {
            let mut scene = home.beside(Scene::claim(kind, &format!("id{n:04}")));
            lead(&mut scene, present, &Step::Ready).await;
            claims.push(scene.claim);
        }
        let capability = home.adapter.capability();
        home.cloud.forget_calls();
        for claims in claims.chunks(capability.batch) {
            home.adapter.observe(claims).await;
        }
        let batched: u64 = counted(&home.cloud).values().sum();
        for claim in &claims {
            home.adapter.observe(std::slice::from_ref(claim)).await;
        }
        let single: u64 = counted(&home.cloud).values().sum();
        let rounds = 3600 / capability.poll.as_secs();
        println!(
            "| {kind} | {:?} | {} | {batched} | {} | {} |",
            capability.poll,
            capability.batch,
            batched * rounds,
            single * rounds
        );
        all = (all.0 + batched * rounds, all.1 + single * rounds);
    }
    println!("| **all** | | | | {} | {} |", all.0, all.1);
}

fn signatures() {
    println!("\n## What a signature costs\n");
    println!("| scheme | ns per request |");
    println!("|---|---|");
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let query: Vec<_> = [
        ("Action", "DescribeDBInstanceAttribute"),
        ("DBInstanceId", "rm-bp1abcdefghijklmn"),
        ("RegionId", "cn-hangzhou"),
        ("SignatureNonce", "0123456789abcdef0123456789abcdef"),
        ("Timestamp", "2026-01-01T00:00:00Z"),
        ("Version", "2014-08-15"),
    ]
    .map(pair)
    .into();
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let headers: Vec<_> = [
        ("host", "rds.cn-hangzhou.aliyuncs.com"),
        ("content-type", "application/json"),
        ("x-acs-action", "DescribeDBInstanceAttribute"),
        ("x-acs-version", "2014-08-15"),
        ("x-acs-date", "2026-01-01T00:00:00Z"),
        ("x-acs-signature-nonce", "0123456789abcdef0123456789abcdef"),
        ("x-acs-content-sha256", hash),
        ("x-log-apiversion", "0.6.0"),
        ("x-log-bodyrawsize", "0"),
        ("x-log-date", "20260101T000000Z"),
        ("x-log-content-sha256", hash),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ]
    .map(pair)
    .into();
    let parts = Parts {
        method: "POST",
        path: "/",
        query: &query,
        headers: &headers,
    };
    let (id, secret) = ("LTAI5tExampleExample", "ExampleExampleExampleExample30");
    time("ACS3-HMAC-SHA256", || {
        acs3::authorization(black_box(&parts), id, secret)
    });
    time("RPC V1 HMAC-SHA1", || rpc::signature("POST", black_box(&query), secret));
    for (name, variant) in [
        ("SLS V1 HMAC-SHA1", sls::Variant::Sha1),
        ("SLS V1 HMAC-SHA256", sls::Variant::Sha256),
    ] {
        time(name, || sls::v1::authorization(black_box(&parts), variant, id, secret));
    }
    time("SLS V4", || {
        sls::v4::authorization(black_box(&parts), "cn-hangzhou", id, secret)
    });
}

/// The median of 21 rounds.
fn time<T>(name: &str, mut sign: impl FnMut() -> T) {
    const TIMES: u32 = 2_000;
    let mut rounds: Vec<_> = (0..21)
        .map(|_| {
            let since = Instant::now();
            for _ in 0..TIMES {
                black_box(sign());
            }
            since.elapsed() / TIMES
        })
        .collect();
    rounds.sort_unstable();
    println!("| {name} | {} |", rounds[rounds.len() / 2].as_nanos());
}
