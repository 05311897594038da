//! The operator's process is killed at random moments while it provisions, and answers are lost.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kube::Api;
use mooring::api::Application;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value as Json, json};

use super::{all_ready, goes, process::Cloud, shop, team};
use crate::support::cluster::{Cluster, PATIENCE, SYSTEM, Team};

/// The process of the real program, as a cluster would keep it.
struct Operator {
    child: Child,
    kubeconfig: PathBuf,
    directory: PathBuf,
    starts: usize,
}

impl Operator {
    fn start(cluster: &Cluster) -> Self {
        let (kubeconfig, directory) = (cluster.kubeconfig.clone(), cluster.directory().to_owned());
        Self {
            child: spawn(&kubeconfig, &directory, 0),
            kubeconfig,
            directory,
            starts: 1,
        }
    }

    /// SIGKILL: nothing is cleaned up. Another one is started.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(&self.kubeconfig, &self.directory, self.starts);
        self.starts += 1;
    }

    /// One that ended by itself, as it does when its short lease runs out under load, is started anew.
    fn revive(&mut self) {
        if self.child.try_wait().expect("it can be asked").is_some() {
            self.kill();
        }
    }
}

fn spawn(kubeconfig: &Path, directory: &Path, n: usize) -> Child {
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
        .arg(kubeconfig)
        .arg("--ledger")
        .arg(format!("sqlite:{}", directory.join("killed.db").display()))
        .stdin(Stdio::null())
        .stderr(File::create(log(directory, n)).expect("a log file"))
        .spawn();
    child.expect("the operator starts")
}

fn log(directory: &Path, n: usize) -> PathBuf {
    directory.join(format!("operator-{n}.log"))
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    let operator = Arc::new(Mutex::new(Operator::start(&cluster)));
    let kept = Arc::clone(&operator);
    let supervision = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            kept.lock().expect("nobody panicked").revive();
        }
    });
    let team = team(&cluster, "alikill", &cloud.url(), json!({})).await;
    let trouble = json!({"before": 0.03, "after": 0.05, "lost": 0.1, "throttled": 0.03, "slow": 0.05});
    cloud.ask("POST", "chances", trouble).await;
    team.apply_json(networked_shop(&team)).await;
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..5_000))).await;
        operator.lock().expect("nobody panicked").kill();
    }
    cloud.ask("DELETE", "faults", Json::Null).await;
    all_ready(&team).await;
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
    supervision.abort();
    let starts = operator.lock().expect("nobody panicked").starts;
    for n in 0..starts {
        let said = std::fs::read_to_string(log(cluster.directory(), n)).expect("its log can be read");
        assert!(!said.contains("panicked"), "{said}");
    }
}
