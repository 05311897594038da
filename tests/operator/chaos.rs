//! Fifty applications come and go while the operator's processes are killed at random moments.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use mooring::api::{Application, CloudResource};
use mooring_provider_mock::{Cloud, MockConfig};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::support::cluster::{Cluster, PATIENCE, SYSTEM, Team, eventually};

const APPLICATIONS: usize = 50;
const ROUNDS: usize = 25;

/// What a person turns on who looks for a fault.
const LOG: &str = "info,mooring=debug,mooring_provider=debug,kube=debug";

/// A real process of the real program.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(cluster: &Cluster, n: usize) -> Self {
        let log = cluster.directory().join(format!("operator-{n}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_mooring"))
            .args([
                "--log",
                LOG,
                "run",
                "--applications",
                "on",
                "--lease",
                "2s",
                "--namespace",
                SYSTEM,
                "--listen",
                "127.0.0.1:0",
            ])
            .arg("--identity")
            .arg(format!("operator-{n}"))
            .arg("--kubeconfig")
            .arg(&cluster.kubeconfig)
            .arg("--ledger")
            .arg(format!("sqlite:{}", cluster.directory().join("chaos.db").display()))
            .stdin(Stdio::null())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("the operator starts");
        Self { child, log }
    }

    /// One that ended by itself, as it does when its short lease runs out under load, is started anew, as a cluster
    /// would; answers what the old one said.
    pub(crate) fn supervise(processes: &Mutex<Vec<Self>>, cluster: &Cluster) -> String {
        let mut said = String::new();
        for process in processes.lock().expect("nobody panicked").iter_mut() {
            if process.child.try_wait().expect("it can be asked").is_some() {
                said += &std::fs::read_to_string(&process.log).expect("its log can be read");
                static NEXT: AtomicUsize = AtomicUsize::new(1_000);
                *process = Self::start(cluster, NEXT.fetch_add(1, Ordering::Relaxed));
            }
        }
        said
    }

    /// SIGKILL: nothing is cleaned up.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is gone");
        std::fs::read_to_string(&self.log).expect("its log can be read")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn application(n: usize, storage: u32) -> Json {
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": format!("app{n}")},
        "spec": {"components": [{
            "name": "web", "type": "worker", "properties": {"image": "x"},
            "traits": [
                {"type": "rds", "properties": {"engine": "mysql", "as": "DB", "storage": format!("{storage}Gi")}},
                {"type": "log", "properties": {}},
            ],
        }]},
    })
}

pub(crate) fn cloud(state: &Path) -> (Json, Cloud) {
    let mock = json!({
        "state": state, "latency": "20ms", "provisioning": "300ms", "invisibleFor": "500ms",
        "errors": 0.02, "throttled": 0.02, "lostReplies": 0.05, "seed": 7,
    });
    let config = MockConfig::deserialize(&mock).expect("a mock's configuration");
    (mock, Cloud::open(&config).expect("a cloud"))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_leaves_no_orphan_and_no_duplicate() {
    let cluster = Cluster::own();
    let (mock, cloud) = cloud(&cluster.directory().join("cloud.json"));
    let processes = Mutex::new(vec![Process::start(&cluster, 0), Process::start(&cluster, 1)]);
    let logs = Mutex::new(String::new());
    let supervise = || {
        logs.lock()
            .expect("nobody panicked")
            .push_str(&Process::supervise(&processes, &cluster));
    };
    let team = Team::with(&cluster, "chaos", mock, json!({})).await;
    let applications: Api<Application> = team.api();
    eventually("the API serves Applications", async || {
        applications.list(&ListParams::default()).await.ok()
    })
    .await;
    let mut random = StdRng::seed_from_u64(1);
    let mut wanted: BTreeMap<usize, u32> = BTreeMap::new();
    for round in 0..ROUNDS {
        for _ in 0..8 {
            let n = random.random_range(0..APPLICATIONS);
            if wanted.remove(&n).is_some() {
                let deleted = applications.delete(&format!("app{n}"), &DeleteParams::default()).await;
                assert!(deleted.is_ok() || matches!(&deleted, Err(kube::Error::Api(status)) if status.is_not_found()));
            } else if applications
                .get_opt(&format!("app{n}"))
                .await
                .expect("it answers")
                .is_none()
            {
                team.apply_json(application(n, 20)).await;
                wanted.insert(n, 20);
            }
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(50..1_500))).await;
        supervise();
        let mut processes = processes.lock().expect("nobody panicked");
        let victim = random.random_range(0..processes.len());
        let said = processes.swap_remove(victim).kill();
        logs.lock().expect("nobody panicked").push_str(&said);
        processes.push(Process::start(&cluster, round + 2));
    }
    for n in 0..APPLICATIONS {
        if let std::collections::btree_map::Entry::Vacant(vacant) = wanted.entry(n)
            && applications
                .get_opt(&format!("app{n}"))
                .await
                .expect("it answers")
                .is_none()
        {
            team.apply_json(application(n, 20)).await;
            vacant.insert(20);
        }
    }
    // What was being deleted goes; what is wanted comes up.
    let resources: Api<CloudResource> = team.api();
    settles("declared, ready, and in the cloud", [2 * wanted.len(); 3], async || {
        supervise();
        let all = resources.list(&ListParams::default()).await.ok()?.items;
        let ready = all.iter().filter(|resource| is_ready(resource)).count();
        Some([all.len(), ready, cloud.list().len()])
    })
    .await;
    let identities: std::collections::BTreeSet<_> = cloud
        .list()
        .iter()
        .filter_map(|resource| Some(resource.owner()?.identity))
        .collect();
    assert_eq!(identities.len(), 2 * wanted.len(), "each identity has one resource");
    let passwords = passwords(&team).await;

    applications
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .expect("they can be deleted");
    settles("applications, resources, and in the cloud", [0; 3], async || {
        supervise();
        let applications = applications.list(&ListParams::default()).await.ok()?.items;
        let resources = resources.list(&ListParams::default()).await.ok()?.items;
        Some([applications.len(), resources.len(), cloud.list().len()])
    })
    .await;
    let mut logs = logs.into_inner().expect("nobody panicked");
    for process in processes.into_inner().expect("nobody panicked") {
        logs += &process.kill();
    }
    is_clean(&logs, &passwords);
}

/// Waits until so many are there. Of many it is not asked how long they take, as long as they get on.
pub(crate) async fn settles(what: &str, wanted: [usize; 3], look: impl AsyncFn() -> Option<[usize; 3]>) {
    let begun = Instant::now();
    let (mut last, mut since) = (None, begun);
    loop {
        let now = look().await;
        if now == Some(wanted) {
            return;
        }
        if now != last {
            (last, since) = (now, Instant::now());
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{what}: {wanted:?} are wanted, it stays at {last:?}"
        );
        assert!(
            begun.elapsed() < PATIENCE * 5,
            "{what}: {wanted:?} are wanted, it goes round at {last:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every password that is in a Secret of the team.
pub(crate) async fn passwords(team: &Team) -> Vec<String> {
    let secrets = team.api::<Secret>().list(&ListParams::default()).await;
    let secrets = secrets.expect("they can be listed").items;
    let passwords: Vec<_> = secrets
        .into_iter()
        .filter_map(|secret| String::from_utf8(secret.data?.remove("password")?.0).ok())
        .collect();
    assert!(!passwords.is_empty(), "there are passwords to look for");
    passwords
}

/// What the processes said: nothing that was a fault of their own, and nothing that is secret.
pub(crate) fn is_clean(logs: &str, passwords: &[String]) {
    let faults: Vec<_> = logs.lines().filter(|line| line.contains("panicked")).collect();
    assert!(faults.is_empty(), "{faults:?}");
    for password in passwords {
        let told = logs.lines().find(|line| line.contains(password.as_str()));
        assert!(told.is_none(), "a password is in the log: {told:?}");
    }
}

pub(crate) fn is_ready(resource: &CloudResource) -> bool {
    resource.metadata.deletion_timestamp.is_none()
        && resource.status.as_ref().is_some_and(|status| {
            status
                .conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True")
        })
}
