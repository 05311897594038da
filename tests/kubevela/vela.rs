//! KubeVela on a control plane: what its chart installs, our traits, and its controller.

use std::{
    fs::File,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::cluster::Cluster;

/// A vela-core that runs. Its webhook is off, as it needs certificates; so what is wrong is told by its controller.
pub(crate) struct Vela {
    process: Child,
}

impl Vela {
    /// Installs KubeVela and our traits, and starts its controller.
    pub(crate) fn install(cluster: &Cluster) -> Self {
        define(cluster);
        Self::start(cluster)
    }

    /// Starts its controller, which asks more often than by default: it does not watch what it emits.
    fn start(cluster: &Cluster) -> Self {
        let log = File::create(cluster.directory().join("vela-core.log")).expect("a log file");
        let process = Command::new(built("kubevela"))
            .args([
                "--use-webhook=false",
                "--enable-leader-election=false",
                "--metrics-addr=127.0.0.1:0",
                "--health-addr=127.0.0.1:0",
                "--optimize-disable-component-revision",
                "--application-re-sync-period=2s",
                "--max-workflow-wait-backoff-time=1",
                "--max-workflow-failed-backoff-time=1",
                "--feature-gates=MultiStageComponentApply=true,ZstdResourceTracker=true",
            ])
            .env("KUBECONFIG", &cluster.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("vela-core starts");
        Self { process }
    }
}

impl Drop for Vela {
    fn drop(&mut self) {
        // It ends when its stdin does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The definitions of KubeVela's kinds, its components, policies and workflow steps, and our traits, as people install
/// them.
fn define(cluster: &Cluster) {
    let chart = output(Command::new(built("kubevela")).arg("chart"));
    let rendered = output(Command::new(built("helm")).args([
        "template",
        "kubevela",
        chart.trim(),
        "--namespace=vela-system",
        "--include-crds",
    ]));
    let definitions = rendered
        .split("\n---\n")
        .filter(|text| line(text, "kind: ").is_some_and(|kind| kind.ends_with("Definition")));
    let (kinds, others): (Vec<_>, Vec<_>) =
        definitions.partition(|text| line(text, "kind: ") == Some("CustomResourceDefinition"));
    assert!(
        kinds.len() > 5 && others.len() > 50,
        "{} and {}",
        kinds.len(),
        others.len()
    );
    // Helm leaves kinds alone that are there: our own definition of Applications, where we were first.
    let known = cluster.kubectl(&["get", "crd", "--output=name"]);
    let is_new = |kind: &&&str| {
        let name = line(kind, "  name: ").expect("a name");
        !known.lines().any(|known| known.ends_with(&format!("/{name}")))
    };
    create(cluster, kinds.iter().filter(is_new).copied());
    cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
    cluster.kubectl(&["create", "namespace", "vela-system"]);
    create(cluster, others.into_iter());
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kubevela");
    cluster.kubectl(&["apply", "--kustomize", ours]);
}

/// What a line of a document says after these words. The templates in these documents are not for our reader of YAML.
fn line<'a>(text: &'a str, begins: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(begins)).map(str::trim)
}

fn create<'a>(cluster: &Cluster, documents: impl Iterator<Item = &'a str>) {
    let documents: Vec<_> = documents.collect();
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a temporary file");
    file.write_all(documents.join("\n---\n").as_bytes())
        .expect("it is written");
    cluster.kubectl(&["create", "--filename", file.path().to_str().expect("a path")]);
}

/// The path of a program that is built from its Go module once.
fn built(program: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(program)
        .join("build");
    output(&mut Command::new(script)).trim().to_owned()
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}
