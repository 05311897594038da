//! The operator's process is killed at random moments while it provisions, and answers are lost.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kube::Api;
use mooring::api::Application;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value as Json, json};

use super::{all_ready, goes, process::Cloud, shop, team};
use crate::support::cluster::{Cluster, PATIENCE, SYSTEM, Team};

/// A process of the real program.
struct Operator(Child);

impl Operator {
    fn start(cluster: &Cluster, n: usize) -> Self {
        let log = cluster.directory().join(format!("operator-{n}.log"));
        let arguments = [
            "run",
            "--applications",
            "on",
            "--lease",
            "2s",
            "--namespace",
            SYSTEM,
            "--listen",
            "127.0.0.1:0",
        ];
        let child = Command::new(env!("CARGO_BIN_EXE_mooring"))
            .args(arguments)
            .args(["--identity", &format!("operator-{n}")])
            .arg("--kubeconfig")
            .arg(&cluster.kubeconfig)
            .arg("--ledger")
            .arg(format!("sqlite:{}", cluster.directory().join("killed.db").display()))
            .stdin(Stdio::null())
            .stderr(File::create(log).expect("a log file"))
            .spawn();
        Self(child.expect("the operator starts"))
    }
}

impl Drop for Operator {
    /// SIGKILL: nothing is cleaned up.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// With a network of its own, so that there is an order to keep.
fn networked_shop(team: &Team) -> Json {
    let mut shop = shop(team);
    let traits = shop["spec"]["components"][0]["traits"].as_array_mut().expect("traits");
    traits.insert(0, json!({"type": "vpc", "properties": {"network": "dedicated"}}));
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_provisions_it_makes_each_once_and_takes_all_down() {
    let cluster = Cluster::own();
    let cloud = Cloud::start(&["--seed", "7"]).await;
    let mut operator = Operator::start(&cluster, 0);
    let team = team(&cluster, "alikill", &cloud.url(), json!({})).await;
    let trouble = json!({"before": 0.03, "after": 0.05, "lost": 0.1, "throttled": 0.03, "slow": 0.05});
    cloud.ask("POST", "chances", trouble).await;
    team.apply_json(networked_shop(&team)).await;
    let mut random = StdRng::seed_from_u64(3);
    for n in 1..=5 {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..5_000))).await;
        drop(operator);
        operator = Operator::start(&cluster, n);
    }
    all_ready(&team).await;
    cloud.ask("DELETE", "faults", Json::Null).await;
    for kind in ["Vpc", "SecurityGroup", "Db", "Clb", "Project", "Logstore", "Rule"] {
        cloud.only(kind).await;
    }
    assert_eq!(cloud.list("VSwitch").await.len(), 2);
    assert!(cloud.list("Nlb").await.is_empty());

    goes(&team).await;
    let applications: Api<Application> = team.api();
    let begun = Instant::now();
    // Whether a call of a process that was killed comes late nobody knows, so what it might make again is waited for.
    while applications
        .get_opt("shop")
        .await
        .expect("the API server answers")
        .is_some()
    {
        assert!(begun.elapsed() < 2 * PATIENCE, "it is never gone");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("taken down in {:?}", begun.elapsed());
    let left = cloud.stands().await;
    assert!(left.is_empty(), "{left:?}");
    drop(operator);
    for n in 0..=5 {
        let log = std::fs::read_to_string(cluster.directory().join(format!("operator-{n}.log")));
        let log = log.expect("its log can be read");
        assert!(!log.contains("panicked"), "{log}");
    }
}
