//! The figures of the README: the operator, as a process of its own, on a real API server with the mock cloud.
//!
//!   cargo bench --bench cluster                      300 and 3,000 resources
//!   MOORING_BENCH=300 cargo bench --bench cluster    those sizes, comma-separated

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, WatchParams},
    core::WatchEvent,
};
use mooring::api::{Application, CloudResource};
use serde_json::{Value as Json, json};
use support::cluster::{Cluster, SYSTEM, Team};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn start(cluster: &Cluster) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|bound| bound.local_addr())
            .expect("a port")
            .port();
        let log = File::create(cluster.directory().join("operator.log")).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_mooring"))
            .args([
                "run",
                "--applications",
                "on",
                "--lease",
                "15s",
                "--namespace",
                SYSTEM,
                "--identity",
                "bench",
            ])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--kubeconfig")
            .arg(&cluster.kubeconfig)
            .arg("--ledger")
            .arg(format!("sqlite:{}", cluster.directory().join("bench.db").display()))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the operator starts");
        Self { child, port }
    }

    /// Every figure of /metrics, by its name with labels; none while it does not serve.
    async fn metrics(&self) -> BTreeMap<String, f64> {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else {
            return BTreeMap::new();
        };
        let mut text = String::new();
        let request = b"GET /metrics HTTP/1.0\r\nHost: operator\r\n\r\n";
        if stream.write_all(request).await.is_err() || stream.read_to_string(&mut text).await.is_err() {
            return BTreeMap::new();
        }
        let figure = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(figure)
            .collect()
    }

    /// Writes to the API server so far by resource, Events apart.
    async fn writes(&self) -> BTreeMap<String, f64> {
        let mut writes = BTreeMap::new();
        for (name, count) in self.metrics().await {
            let label = |key: &str| Some(name.split_once(&format!("{key}=\""))?.1.split('"').next()?.to_owned());
            let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else {
                continue;
            };
            if matches!(verb.as_str(), "create" | "replace" | "patch" | "delete") && resource != "events" {
                *writes.entry(resource).or_default() += count;
            }
        }
        writes
    }

    fn resident_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace()
            .nth(1)
            .and_then(|kb| kb.parse::<f64>().ok())
            .expect("a number")
            / 1024.0
    }

    /// Processor seconds used so far.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("/proc");
        let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        // utime and stime, in ticks of 10 ms.
        (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) / 100.0
    }

    /// Waits until it knows everything and has had nothing to do for a second.
    async fn idle(&self) {
        let mut last = -1.0;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let metrics = self.metrics().await;
            let (reconciles, leads) = (sum(&metrics, "mooring_reconciles"), sum(&metrics, "mooring_leader"));
            if leads > 0.0 && reconciles > 0.0 && reconciles == last {
                return;
            }
            last = reconciles;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sum(metrics: &BTreeMap<String, f64>, part: &str) -> f64 {
    metrics
        .iter()
        .filter(|(name, _)| name.contains(part))
        .map(|(_, value)| value)
        .sum()
}

/// An application with all five kinds, in the environment's own network.
fn application(n: usize) -> Json {
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": format!("app{n}")},
        "spec": {"components": [{
            "name": format!("web{n}"), "type": "worker", "properties": {"image": "x"},
            "traits": [
                {"type": "vpc", "properties": {}},
                {"type": "rds", "properties": {"engine": "mysql", "as": "DB"}},
                {"type": "slb", "properties": {"listeners": [{"port": 80, "targetPort": 8080, "protocol": "http"}]}},
                {"type": "log", "properties": {}},
                {"type": "monitor", "properties": {"alarms": [{"of": "rds", "metric": "connections", "above": "80%"}]}},
            ],
        }]},
    })
}

async fn ready(resources: &Api<CloudResource>) -> usize {
    let all = resources.list(&ListParams::default()).await.expect("it answers").items;
    all.iter().filter(|resource| condition(resource, "Ready")).count()
}

fn condition(resource: &CloudResource, of: &str) -> bool {
    resource
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .any(|c| c.type_ == of && c.status == "True")
}

async fn many(size: usize) {
    let cluster = Cluster::own();
    let mut process = Process::start(&cluster);
    let team = Team::with(
        &cluster,
        "bench",
        json!({"state": cluster.directory().join("cloud.json"), "provisioning": "2s", "latency": "5ms"}),
        json!({"network": {"id": "vpc-shared", "subnets": [{"id": "vsw-shared-a"}], "clients": {"cidrs": ["10.0.0.0/8"]}}}),
    )
    .await;
    let (applications, resources): (Api<Application>, Api<CloudResource>) = (team.api(), team.api());
    team.apply_json(application(0)).await;
    while ready(&resources).await < 5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    process.idle().await;

    let (before, begun) = (process.writes().await, Instant::now());
    futures::stream::iter(1..size / 5)
        .for_each_concurrent(16, |n| {
            let application = serde_json::from_value::<Application>(application(n)).expect("an Application");
            let applications = applications.clone();
            async move {
                applications
                    .create(&PostParams::default(), &application)
                    .await
                    .expect("it is accepted");
            }
        })
        .await;
    let accepted = begun.elapsed();
    while ready(&resources).await < size {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let all_ready = begun.elapsed();
    process.idle().await;
    let writes = process.writes().await;

    let (reads_before, cpu_before) = (reads(&process).await, process.cpu());
    // Two periods of the mock's poll of one minute.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let (reads_after, cpu_after) = (reads(&process).await, process.cpu());
    let resident = process.resident_mb();

    process.child.kill().expect("it can be killed");
    process.child.wait().expect("it is gone");
    // The lease of the one that was killed has to run out first; that wait is not the operator's work.
    tokio::time::sleep(Duration::from_secs(16)).await;
    let restarted = Instant::now();
    process = Process::start(&cluster);
    process.idle().await;
    let idle = restarted.elapsed();

    let per_second = (size / 5) as f64 / accepted.as_secs_f64();
    let per_resource: Vec<_> = writes
        .iter()
        .map(|(resource, count)| {
            let earlier = before.get(resource).copied().unwrap_or_default();
            (resource, (count - earlier) / (size - 5) as f64)
        })
        .collect();
    let each: Vec<_> = per_resource
        .iter()
        .map(|(resource, each)| format!("{resource} {each:.2}"))
        .collect();
    println!("| {size} resources ({} applications) | |", size / 5);
    println!("|---|---|");
    println!(
        "| API-server writes per resource, declared to bound, Events apart | {:.1} |",
        per_resource.iter().map(|(_, each)| each).sum::<f64>()
    );
    println!("| of which {} | |", each.join(", "));
    println!("| applications accepted by the API server per second | {per_second:.0} |");
    println!(
        "| from the first declared to all ready | {:.1} s |",
        all_ready.as_secs_f64()
    );
    println!("| resident memory | {resident:.0} MB |");
    println!(
        "| idle processor use | {:.1} % of a core |",
        (cpu_after - cpu_before) / 1.2
    );
    println!(
        "| cloud reads per poll interval | {:.0} (N/50 = {}) |",
        (reads_after - reads_before) / 2.0,
        size / 50
    );
    println!(
        "| from restart to idle, of which 1 s is seeing that it is idle | {:.1} s |",
        idle.as_secs_f64()
    );
    println!();
    let _ = applications
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await;
}

async fn reads(process: &Process) -> f64 {
    sum(&process.metrics().await, "call=\"read\"")
}

/// From the cloud being ready to the env in a workload that is somebody else's: the operator in this process, so that
/// the mock cloud can be asked the moment it happens.
async fn latency() {
    let cluster = Cluster::own();
    let operator = cluster.operator_with(|options| options.poll = Duration::from_secs(60));
    let team = Team::with(&cluster, "latency", json!({"provisioning": "2s"}), json!({})).await;
    let deployments: Api<Deployment> = team.api();
    const WORKLOADS: usize = 100;
    for n in 0..WORKLOADS {
        let labels = json!({"app.oam.dev/name": format!("app{n}"), "app.oam.dev/component": "web"});
        team.apply_json(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": format!("web{n}"), "labels": labels},
            "spec": {
                "replicas": 0, "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "web", "image": "x"}]},
                },
            },
        }))
        .await;
    }
    let cloud = team.cloud.clone();
    let watched = tokio::spawn({
        let deployments = deployments.clone();
        async move {
            let mut bound = BTreeMap::new();
            let mut stream = deployments
                .watch(&WatchParams::default(), "0")
                .await
                .expect("a watch")
                .boxed();
            while bound.len() < WORKLOADS {
                if let Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) = stream.next().await {
                    let text = serde_json::to_string(&object.spec).expect("JSON");
                    let app = object.labels()["app.oam.dev/name"].clone();
                    if text.contains("DB_HOST") {
                        bound.entry(app).or_insert_with(Instant::now);
                    }
                }
            }
            bound
        }
    });
    let asked = tokio::spawn(async move {
        let mut ready = BTreeMap::new();
        while ready.len() < WORKLOADS {
            for resource in cloud.list() {
                let up = cloud.phase(&resource.id) == Some(mooring_provider::Phase::Ready);
                if let (true, Some(owner)) = (up, resource.owner()) {
                    ready.entry(owner.key.application).or_insert_with(Instant::now);
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        ready
    });
    for n in 0..WORKLOADS {
        team.apply_json(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource",
            "metadata": {"name": format!("app{n}-web-rds")},
            "spec": {
                "application": format!("app{n}"), "component": "web", "name": "rds",
                "rds": {"engine": "mysql", "as": "DB"},
            },
        }))
        .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (ready, bound) = (
        asked.await.expect("all get ready"),
        watched.await.expect("all get bound"),
    );
    let mut spans: Vec<_> = ready
        .iter()
        .map(|(app, at)| bound[app].saturating_duration_since(*at))
        .collect();
    spans.sort();
    let at = |part: f64| spans[((spans.len() - 1) as f64 * part) as usize].as_secs_f64();
    println!(
        "| from cloud-ready to env in the workload, {WORKLOADS} workloads | p50 {:.2} s, p99 {:.2} s |",
        at(0.5),
        at(0.99)
    );
    operator.kill();
}

fn main() {
    let sizes = std::env::var("MOORING_BENCH").unwrap_or_else(|_| "300,3000".into());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for size in sizes.split(',') {
        let size = size.trim().parse().expect("MOORING_BENCH: numbers, comma-separated");
        runtime.block_on(many(size));
    }
    runtime.block_on(latency());
}
