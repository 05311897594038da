//! What is in `deploy/`: that it installs, that it guards, and that it grants exactly what is used.

#[path = "../support/mod.rs"]
mod support;

mod guards;
mod image;
mod install;
mod monitoring;
mod people;
mod rights;
mod story;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use support::cluster::{Cluster, PATIENCE};

/// The account of the operator, for `kubectl --as`.
const ACCOUNT: &str = "--as=system:serviceaccount:mooring-system:mooring";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(relative: &str) -> PathBuf {
    root().join(relative)
}

fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Runs kubectl without a cluster, or on one; what it printed, or what it said when it failed.
fn kubectl(kubeconfig: Option<&Path>, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut process = Command::new(path("tests/controlplane/kubectl"))
        .args(arguments)
        .current_dir(root())
        .env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/dev/null")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/controlplane/kubectl runs");
    let mut stdin = process.stdin.take().expect("its stdin");
    // It may have ended without reading.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = process.wait_with_output().expect("kubectl ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(said),
    }
}

/// The objects of a kustomization.
fn rendered(kustomization: &str) -> Vec<Json> {
    let yaml = kubectl(None, &["kustomize", kustomization], "").expect("it renders");
    serde_saphyr::from_multiple(&yaml).expect("kustomize prints YAML")
}

/// The object of a kind and a name.
fn object<'a>(objects: &'a [Json], kind: &str, name: &str) -> &'a Json {
    let found = objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// A control plane with `deploy/` on it.
struct Installed {
    cluster: Cluster,
}

impl Installed {
    /// The one that tests share that leave it as it was.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Installed> = OnceLock::new();
        SHARED.get_or_init(|| Self::with("deploy"))
    }

    fn with(kustomization: &str) -> Self {
        let installed = Self {
            cluster: Cluster::audited(),
        };
        installed.install(kustomization);
        installed
    }

    /// Applies a kustomization and waits until its policies are in force.
    fn install(&self, kustomization: &str) {
        self.run(&["apply", "--kustomize", kustomization]);
        self.until_refused(
            &["delete", "namespace", "mooring-system", "--dry-run=server"],
            "",
            "mooring uninstall",
        );
        let probe = secret("mooring-system", "probe", "Opaque", "somebody");
        for _ in 0..2 {
            // Each policy comes into force by itself.
            self.until_refused(
                &[ACCOUNT, "create", "--dry-run=server", "-f", "-"],
                &probe,
                "managed-by: mooring",
            );
        }
    }

    fn try_run(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        kubectl(Some(&self.cluster.kubeconfig), arguments, input)
    }

    /// Runs kubectl, which must succeed.
    fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> String {
        let result = self.try_run(arguments, input);
        result.unwrap_or_else(|error| panic!("kubectl {}: {error}\n{input}", arguments.join(" ")))
    }

    /// Runs kubectl, which must be refused, with this in the reason: a dead server refuses nothing.
    fn refused(&self, arguments: &[&str], input: &str, reason: &str) {
        match self.try_run(arguments, input) {
            Ok(said) => panic!("not refused: kubectl {}: {said}\n{input}", arguments.join(" ")),
            Err(error) => assert!(error.contains(reason), "{error}\nis not for: {reason}"),
        }
    }

    /// A policy comes into force a moment after it was made.
    fn until_refused(&self, arguments: &[&str], input: &str, reason: &str) {
        let begun = Instant::now();
        while !self
            .try_run(arguments, input)
            .is_err_and(|error| error.contains(reason))
        {
            assert!(
                begun.elapsed() < PATIENCE,
                "kubectl {} is not refused",
                arguments.join(" ")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A Secret as YAML.
fn secret(namespace: &str, name: &str, type_: &str, managed_by: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Secret, type: {type_}, metadata: {{name: {name}, namespace: {namespace}, labels: \
         {{app.kubernetes.io/managed-by: {managed_by}}}}}, stringData: {{a: b}}}}"
    )
}
