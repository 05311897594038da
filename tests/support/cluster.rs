//! A real API server for tests, and the operator on it.
//!
//! One control plane serves a whole test binary ([`Cluster::shared`]); a test that stops the operator or the API server
//! takes one of its own ([`Cluster::own`]). `MOORING_TEST_KUBECONFIG` names a cluster to use as the shared one
//! instead; it must be empty of Mooring.

use std::{
    env, fs,
    future::Future,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
    discovery::pinned_kind,
};
use mooring::{
    api,
    operator::{Metrics, Options, run_until},
};
use mooring_provider_mock::{Cloud, MockConfig};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up. Nothing is asserted about how long it took.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The namespace of the operator.
pub(crate) const SYSTEM: &str = "mooring-system";

/// A control plane.
pub(crate) struct Cluster {
    pub(crate) kubeconfig: PathBuf,
    directory: TempDir,
    process: Option<Child>,
    shared: Mutex<Option<Operator>>,
}

impl Cluster {
    /// The one that the tests of this binary share, with an operator that works on it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start(env::var_os("MOORING_TEST_KUBECONFIG").map(PathBuf::from), &[]);
            let operator = cluster.operator();
            *cluster.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(operator);
            cluster
        })
    }

    /// One of its own, with the definitions and without an operator.
    pub(crate) fn own() -> Self {
        Self::start(None, &[])
    }

    /// [`own`](Self::own), with an audit log.
    pub(crate) fn audited() -> Self {
        Self::start(None, &["--audit"])
    }

    fn start(given: Option<PathBuf>, options: &[&str]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("mooring-cluster-")
            .tempdir()
            .expect("a temporary directory");
        let (kubeconfig, process) = match given {
            Some(kubeconfig) => (kubeconfig, None),
            None => {
                let (kubeconfig, process) = up(directory.path(), options);
                (kubeconfig, Some(process))
            }
        };
        let cluster = Self {
            kubeconfig,
            directory,
            process,
            shared: Mutex::default(),
        };
        cluster.block_on(prepare);
        cluster
    }

    /// Runs something against it on a runtime of its own, for what is not in a test's runtime.
    fn block_on<F: Future<Output = ()>>(&self, work: impl FnOnce(Client) -> F + Send) {
        std::thread::scope(|scope| {
            let worked = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime
                    .expect("a runtime")
                    .block_on(async { work(self.client().await).await });
            });
            worked.join().expect("the cluster is prepared");
        });
    }

    async fn config(&self) -> Config {
        config(&self.kubeconfig).await
    }

    /// A client for the calling test: one cannot outlive the runtime it was made in.
    pub(crate) async fn client(&self) -> Client {
        install_crypto();
        Client::try_from(self.config().await).expect("a client")
    }

    /// Starts an operator on it. There should be one at a time, unless two are what is tested.
    pub(crate) fn operator(&self) -> Operator {
        self.operator_with(|_| {})
    }

    /// [`operator`](Self::operator), with other options.
    pub(crate) fn operator_with(&self, change: impl FnOnce(&mut Options)) -> Operator {
        let mut options = Options {
            namespace: SYSTEM.into(),
            identity: "operator-0".into(),
            ledger: format!("sqlite:{}", self.directory.path().join("ledger.db").display()),
            cluster: Some("test".into()),
            poll: Duration::from_secs(2),
            inventory: Duration::from_secs(1),
            ..Options::default()
        };
        change(&mut options);
        let kubeconfig = options.kubeconfig.clone().unwrap_or_else(|| self.kubeconfig.clone());
        Operator::start(kubeconfig, options)
    }

    /// The directory of the ledger and of the control plane; gone with the cluster.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the shared operator counted.
    pub(crate) fn metrics(&self) -> Metrics {
        let operator = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        operator.as_ref().expect("the shared operator").metrics.clone()
    }

    /// Kills the API server and starts it again after a while, on the same port and the same data; returns once it
    /// serves.
    pub(crate) fn restart_api_server(&self, away: &str) {
        let output = Command::new(script("restart-apiserver"))
            .arg("--dir")
            .arg(self.directory.path().join("cluster"))
            .args(["--down", away])
            .stdin(Stdio::null())
            .output()
            .expect("tests/controlplane/restart-apiserver runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restart-apiserver: {said}");
    }

    /// Runs the control plane's own kubectl; answers what it printed, and fails with what it said if it failed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new(script("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .expect("tests/controlplane/kubectl runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It ends when its stdin does, and takes everything it started with it.
            drop(process.stdin.take());
            let _ = process.wait();
        }
    }
}

async fn config(kubeconfig: &Path) -> Config {
    let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .expect("a kubeconfig that makes sense")
}

fn install_crypto() {
    // Whoever comes second finds it done.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/controlplane")
        .join(name)
}

fn up(directory: &Path, options: &[&str]) -> (PathBuf, Child) {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let log = fs::File::create(directory.join("up.log")).expect("a log file");
    let mut process = Command::new(script("up"))
        .args(["--foreground", "--kwok", "--dir"])
        .arg(directory.join("cluster"))
        .arg("--crds")
        .arg(crds)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("tests/controlplane/up starts");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("its stdout");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("its stdout can be read");
    if line.trim().is_empty() {
        let log = fs::read_to_string(directory.join("up.log")).unwrap_or_default();
        panic!(
            "tests/controlplane/up did not start a control plane (see its README, or name a cluster with MOORING_TEST_KUBECONFIG): {log}"
        );
    }
    (PathBuf::from(line.trim()), process)
}

/// Our definitions and the operator's namespace, on a cluster that may be somebody's.
async fn prepare(client: Client) {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in api::crds() {
        let name = definition.metadata.name.clone().expect("it has a name");
        let apply = PatchParams::apply("mooring-tests").force();
        let applied = definitions.patch(&name, &apply, &Patch::Apply(&definition)).await;
        applied.expect("our definitions are accepted");
    }
    namespace(&client, SYSTEM, &[]).await;
}

async fn namespace(client: &Client, name: &str, labels: &[(&str, &str)]) {
    let mut object = Namespace::default();
    object.metadata.name = Some(name.into());
    object.metadata.labels = Some(
        labels
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
    );
    match Api::all(client.clone()).create(&PostParams::default(), &object).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => panic!("namespace {name}: {error}"),
    }
}

/// An operator in this process, on threads of its own.
pub(crate) struct Operator {
    runtime: Option<tokio::runtime::Runtime>,
    task: Option<tokio::task::JoinHandle<Result<(), mooring::operator::Error>>>,
    shutdown: CancellationToken,
    pub(crate) metrics: Metrics,
}

impl Operator {
    fn start(kubeconfig: PathBuf, options: Options) -> Self {
        install_crypto();
        log();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("operator")
            .enable_all()
            .build()
            .expect("a runtime");
        let (shutdown, metrics) = (CancellationToken::new(), Metrics::default());
        let (token, counted) = (shutdown.clone(), metrics.clone());
        let task = runtime.spawn(async move {
            run_until(
                config(&kubeconfig).await,
                options,
                mooring::registrations(),
                counted,
                token,
            )
            .await
        });
        Self {
            runtime: Some(runtime),
            task: Some(task),
            shutdown,
            metrics,
        }
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) -> Result<(), mooring::operator::Error> {
        self.shutdown.cancel();
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<(), mooring::operator::Error> {
        let task = self.task.take().expect("it ends once");
        let ended = tokio::time::timeout(PATIENCE, task).await;
        ended.expect("an operator ends").expect("an operator does not panic")
    }

    /// Ends it where it stands: every task is dropped at the await it is at.
    pub(crate) fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The operator's log, on request: `RUST_LOG=mooring=debug`.
fn log() {
    if env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init();
    }
}

/// What one test has to itself: a namespace, and an Environment, a ProviderConfig and a mock cloud of its name.
pub(crate) struct Team {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// The mock cloud that this team's environment is at.
    pub(crate) cloud: Cloud,
}

impl Team {
    /// A namespace whose Environment is at a mock cloud of its own, without limits, with dedicated networks allowed.
    pub(crate) async fn new(cluster: &Cluster, name: &str) -> Self {
        Self::with(cluster, name, json!({}), json!({})).await
    }

    /// [`new`](Self::new), with `mock` merged into the ProviderConfig and `environment` into the Environment's spec.
    pub(crate) async fn with(cluster: &Cluster, name: &str, mut mock: Json, environment: Json) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // A cluster that is used again has the names of the last time.
        let unique = format!(
            "{name}-{:x}{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let client = cluster.client().await;
        mock["account"] = json!(unique);
        mock.as_object_mut()
            .expect("an object")
            .entry("provisioning")
            .or_insert(json!("100ms"));
        let cloud = Cloud::open(&MockConfig::deserialize(&mock).expect("a mock's configuration")).expect("a cloud");
        let mut spec = json!({
            "providers": {"default": unique},
            "allowedNamespaces": {},
            "network": {
                "dedicated": {"allow": true, "cidrPool": "10.64.0.0/10"},
                "clients": {"cidrs": ["10.0.0.0/8"]},
            },
            "sizes": {"rds": {"small": {"mock": "mock.small"}, "medium": {"mock": "mock.medium"}, "large": {"mock": "mock.large"}}},
        });
        for (field, value) in environment.as_object().expect("an object") {
            spec[field] = value.clone();
        }
        namespace(&client, &unique, &[("mooring.dev/environment", &unique)]).await;
        let team = Self {
            client,
            namespace: unique.clone(),
            cloud,
        };
        team.apply_json(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": unique},
            "spec": {"mock": mock},
        }))
        .await;
        team.apply_json(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": unique}, "spec": spec,
        }))
        .await;
        team
    }

    /// Creates or replaces the objects of a YAML text, in the team's namespace where they have one, as a user would
    /// with a tool that replaces.
    pub(crate) async fn apply(&self, yaml: &str) {
        for document in serde_saphyr::from_multiple::<Json>(yaml).expect("YAML") {
            self.apply_json(document).await;
        }
    }

    /// [`apply`](Self::apply) of one object.
    pub(crate) async fn apply_json(&self, object: Json) {
        if let Err(error) = self.try_apply(object.clone()).await {
            panic!("{object}: {error}");
        }
    }

    /// [`apply`](Self::apply) of one object that may be refused.
    pub(crate) async fn try_apply(&self, mut object: Json) -> kube::Result<()> {
        let (group, version) = match object["apiVersion"].as_str().expect("an apiVersion").split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (
                String::new(),
                object["apiVersion"].as_str().expect("an apiVersion").to_owned(),
            ),
        };
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        let gvk = GroupVersionKind::gvk(&group, &version, &kind);
        // The definition of Applications is made by the operator, which may have only begun.
        let (resource, capabilities) = eventually(&format!("the API serves {kind}"), async || {
            pinned_kind(&self.client, &gvk).await.ok()
        })
        .await;
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        let api: Api<DynamicObject> = match capabilities.scope {
            kube::discovery::Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            kube::discovery::Scope::Namespaced => {
                object["metadata"]["namespace"] = json!(self.namespace);
                Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
            }
        };
        loop {
            let result = match api.get_opt(&name).await? {
                None => {
                    api.create(
                        &PostParams::default(),
                        &serde_json::from_value(object.clone()).expect("an object"),
                    )
                    .await
                }
                Some(found) => {
                    // What others wrote on it stays: a user's `kubectl apply` keeps it too.
                    let mut merged = serde_json::to_value(&found).expect("JSON");
                    merged["spec"] = object["spec"].clone();
                    for map in ["labels", "annotations"] {
                        for (key, value) in object["metadata"][map].as_object().into_iter().flatten() {
                            merged["metadata"][map][key] = value.clone();
                        }
                    }
                    api.replace(
                        &name,
                        &PostParams::default(),
                        &serde_json::from_value(merged).expect("an object"),
                    )
                    .await
                }
            };
            match result {
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {}
                other => return other.map(drop),
            }
        }
    }

    /// The objects of a kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// Asks until there is an answer. It is about whether, not about when: the limit is only there so that a test ends.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: not within {} s",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
