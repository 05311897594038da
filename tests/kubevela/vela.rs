//! KubeVela, as its Go module has it: its definitions, and its controller.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use mooring_test_servers::http;
use serde_json::Value as Json;
use tokio::sync::OnceCell;

use crate::support::cluster::{Cluster, Operator, eventually};

/// Where KubeVela looks for definitions.
pub(crate) const SYSTEM: &str = "vela-system";

/// What is installed of KubeVela's own definitions.
const DEFINITIONS: [&str; 10] = [
    "webservice",
    "worker",
    "statefulset",
    "deploy",
    "apply-component",
    "override",
    "topology",
    "shared-resource",
    "apply-once",
    "garbage-collect",
];

fn build(arguments: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubevela/build");
    let output = Command::new(&script)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/kubevela/build runs");
    assert!(
        output.status.success(),
        "tests/kubevela/build failed; it says why above"
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// The program, built once.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build(&[]))
}

/// Its controller, running.
pub(crate) struct Vela {
    process: Child,
    metrics: String,
}

impl Vela {
    /// Its definitions, as its chart installs them, and ours. A CustomResourceDefinition that is there stays, as Helm
    /// leaves it.
    pub(crate) async fn install(cluster: &Cluster) {
        let chart = build(&["--module"]).join("charts/vela-core");
        let there = Api::<CustomResourceDefinition>::all(cluster.client().await);
        for file in fs::read_dir(chart.join("crds")).expect("KubeVela's CRDs") {
            let file = file.expect("a file").path();
            let text = fs::read_to_string(&file).expect("a file");
            let definition: CustomResourceDefinition = serde_saphyr::from_str(&text).expect("a definition");
            let name = definition.metadata.name.expect("a name");
            if there.get_opt(&name).await.expect("an answer").is_none() {
                cluster.kubectl(&["create", "-f", &file.display().to_string()]);
            }
        }
        cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all"]);
        cluster.kubectl(&["create", "namespace", SYSTEM]);
        let mut texts: Vec<_> = DEFINITIONS
            .iter()
            .map(|name| {
                let file = chart.join(format!("templates/defwithtemplate/{name}.yaml"));
                let text = fs::read_to_string(file).expect("a definition of KubeVela's");
                text.replace("{{ include \"systemDefinitionNamespace\" . }}", SYSTEM)
            })
            .collect();
        let ours = mooring::kubevela::files();
        let ours = ours.into_iter().filter(|(name, _)| name != "kustomization.yaml");
        texts.extend(ours.map(|(_, text)| text));
        let file = cluster.directory().join("definitions.yaml");
        fs::write(&file, texts.join("\n---\n")).expect("there is room");
        cluster.kubectl(&["apply", "-f", &file.display().to_string()]);
    }

    /// Starts its controller as its chart does, but for one cluster and without webhooks; it looks after what it made
    /// every few seconds.
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let (health, metrics) = (http::port(), http::port());
        let log = fs::File::create(cluster.directory().join("vela-core.log")).expect("a log");
        let process = Command::new(program())
            .args(["core", "--use-webhook=false", "--enable-leader-election=false"])
            .args([
                format!("--health-addr=127.0.0.1:{health}"),
                format!("--metrics-addr=127.0.0.1:{metrics}"),
                format!("--system-definition-namespace={SYSTEM}"),
            ])
            .args([
                "--feature-gates=MultiStageComponentApply=true",
                "--application-re-sync-period=5s",
            ])
            .env("KUBECONFIG", &cluster.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("KubeVela's controller starts");
        let vela = Self {
            process,
            metrics: format!("http://127.0.0.1:{metrics}/metrics"),
        };
        let ready = format!("http://127.0.0.1:{health}/readyz");
        eventually("KubeVela's controller is ready", async || {
            http::try_ask("GET", &ready, &[], "").filter(|answer| answer.status == 200)
        })
        .await;
        vela
    }

    /// How often it looked at an Application.
    pub(crate) fn reconciles(&self) -> u64 {
        let text = http::try_ask("GET", &self.metrics, &[], "").expect("its metrics").body;
        let lines = text.lines().filter(|line| {
            line.starts_with("controller_runtime_reconcile_total{") && line.contains("controller=\"application\"")
        });
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        counts.sum::<f64>() as u64
    }
}

impl Drop for Vela {
    fn drop(&mut self) {
        // It ends when its stdin does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A cluster where KubeVela was first and Mooring came after it, which most tests share.
pub(crate) struct Lab {
    pub(crate) cluster: Cluster,
    _vela: Vela,
    _operator: Operator,
}

impl Lab {
    pub(crate) async fn shared() -> &'static Self {
        static LAB: OnceCell<Lab> = OnceCell::const_new();
        LAB.get_or_init(|| async {
            let cluster = Cluster::own();
            Vela::install(&cluster).await;
            let vela = Vela::start(&cluster).await;
            let operator = cluster.operator();
            Lab {
                cluster,
                _vela: vela,
                _operator: operator,
            }
        })
        .await
    }
}

/// What KubeVela, without a cluster, makes of traits; each case as `tests/kubevela/main.go` has it.
pub(crate) fn render(cases: &Json) -> Vec<Json> {
    let answer = ask(&["render"], &cases.to_string());
    serde_json::from_str(&answer).expect("JSON")
}

/// Runs the program with this input.
pub(crate) fn ask(arguments: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut process = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = process.stdin.take().expect("its stdin");
    let input = input.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = process.wait_with_output().expect("it ends");
    writing.join().expect("no panic").expect("it reads");
    assert!(output.status.success(), "{arguments:?} failed; it says why above");
    String::from_utf8(output.stdout).expect("text")
}
