//! A stand-in for the kubelet and kube-proxy, where no container can run. It is not a kubelet: no image is started.
//!
//! One node, 127.0.0.1, takes every pod. A pod becomes ready when it has all that it mounts and refers to, and is gone when
//! it is deleted. On the node ports of Services it serves over HTTP what the newest ready pod would see: `/env`,
//! `/env/NAME`, and files by their absolute path, live. That is what the test application of servicebinding/conformance
//! serves. Deployments, ReplicaSets and Services are the control plane's own.

pub(crate) mod pod;

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

const NODE: &str = "stand-in-kubelet";
const EVERY: Duration = Duration::from_millis(300);
/// How long a pod takes to start, as pulling an image and starting a container do. The suite counts on it: in `Only bind
/// workloads with the correct label` it asks the workload that is bound, before its new pod is ready, for the files that
/// the other one must not have.
const STARTING: i64 = 10;

/// The environment each pod was started with, by its uid.
type Started = Arc<Mutex<HashMap<String, BTreeMap<String, String>>>>;

/// Plays until it is dropped.
pub(crate) async fn play(client: Client) -> kube::Result<()> {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}});
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "StandIn", "message": "no container runs here"}],
    }});
    let nodes = Api::<Node>::all(client.clone());
    nodes
        .patch(NODE, &PatchParams::apply(NODE).force(), &Patch::Apply(&node))
        .await?;
    nodes
        .patch_status(NODE, &PatchParams::default(), &Patch::Merge(&status))
        .await?;
    let started = Started::default();
    let mut served = HashMap::new();
    loop {
        if let Err(error) = round(&client, &started, &mut served).await {
            eprintln!("{NODE}: {error}");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn round(client: &Client, started: &Started, served: &mut HashMap<u16, Listener>) -> kube::Result<()> {
    for pod in Api::<Pod>::all(client.clone()).list(&ListParams::default()).await? {
        match one(client, started, &pod).await {
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
            other => other?,
        }
    }
    let services = Api::<Service>::all(client.clone()).list(&ListParams::default()).await?;
    let ports = services.items.iter().flat_map(|service| {
        let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        ports.filter_map(move |port| Some((u16::try_from(port.node_port?).ok()?, service)))
    });
    let ports: HashMap<_, _> = ports.collect();
    served.retain(|port, _| ports.contains_key(port));
    for (port, service) in ports {
        let Entry::Vacant(vacant) = served.entry(port) else {
            continue;
        };
        match Listener::start(client, started, port, service).await {
            Ok(listener) => drop(vacant.insert(listener)),
            Err(error) => eprintln!("{NODE}: node port {port}: {error}"),
        }
    }
    Ok(())
}

async fn one(client: &Client, started: &Started, pod: &Pod) -> kube::Result<()> {
    let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    match node.as_deref() {
        None => {
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
            });
            let bound: kube::Result<serde_json::Value> = api
                .create_subresource("binding", &name, &PostParams::default(), &binding)
                .await;
            bound.map(drop)
        }
        Some(NODE) if pod.metadata.deletion_timestamp.is_some() => api
            .delete(&name, &DeleteParams::default().grace_period(0))
            .await
            .map(drop),
        Some(NODE) if !is_running(pod) && has_had_time(pod) && pod::can_start(client, pod).await.is_ok() => {
            let Ok(env) = pod::env(client, pod).await else {
                return Ok(());
            };
            let uid = pod.uid().unwrap_or_default();
            started.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, env);
            let now = Timestamp::now().to_string();
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let containers = containers.map(|container| {
                json!({
                    "name": container.name, "image": container.image, "imageID": "none", "ready": true, "started": true,
                    "restartCount": 0, "state": {"running": {"startedAt": now}},
                })
            });
            let conditions = ["Initialized", "PodScheduled", "ContainersReady", "Ready"];
            let conditions =
                conditions.map(|type_| json!({"type": type_, "status": "True", "lastTransitionTime": now}));
            let status = json!({"status": {
                "phase": "Running", "startTime": now, "hostIP": "127.0.0.1", "podIP": "127.0.0.1",
                "conditions": conditions, "containerStatuses": containers.collect::<Vec<_>>(),
            }});
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
                .await
                .map(drop)
        }
        Some(_) => Ok(()),
    }
}

fn has_had_time(pod: &Pod) -> bool {
    let since = pod.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    Timestamp::now().duration_since(since).as_secs() >= STARTING
}

fn is_running(pod: &Pod) -> bool {
    pod.status
        .as_ref()
        .is_some_and(|status| status.phase.as_deref() == Some("Running"))
}

/// A node port.
struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone)]
struct Backend {
    client: Client,
    started: Started,
    namespace: String,
    selector: String,
}

impl Listener {
    async fn start(client: &Client, started: &Started, port: u16, service: &Service) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let selector = service.spec.iter().flat_map(|spec| spec.selector.iter().flatten());
        let selector = selector.map(|(key, value)| format!("{key}={value}"));
        let backend = Backend {
            client: client.clone(),
            started: Arc::clone(started),
            namespace: service.namespace().unwrap_or_default(),
            selector: selector.collect::<Vec<_>>().join(","),
        };
        let router = Router::new().fallback(answer).with_state(backend);
        let serve = async move {
            let _ = axum::serve(listener, router).await;
        };
        Ok(Self(tokio::spawn(serve)))
    }
}

async fn answer(State(backend): State<Backend>, uri: Uri) -> (StatusCode, Vec<u8>) {
    match backend.answer(uri.path()).await {
        Ok(Some(content)) => (StatusCode::OK, content),
        Ok(None) => (StatusCode::NOT_FOUND, Vec::new()),
        Err(trouble) => (StatusCode::SERVICE_UNAVAILABLE, trouble.into_bytes()),
    }
}

impl Backend {
    async fn answer(&self, path: &str) -> Result<Option<Vec<u8>>, pod::Trouble> {
        let api = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        let pods = api
            .list(&ListParams::default().labels(&self.selector))
            .await
            .map_err(|error| error.to_string())?;
        let pods = pods
            .items
            .into_iter()
            .filter(|pod| is_running(pod) && pod.metadata.deletion_timestamp.is_none());
        let newest = pods.max_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
        let pod = newest.ok_or("no pod is ready")?;
        let env = || {
            let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            started.get(&pod.uid().unwrap_or_default()).cloned().unwrap_or_default()
        };
        match path.strip_prefix("/env") {
            Some("") => Ok(Some(json!(env()).to_string().into_bytes())),
            Some(name) if name.starts_with('/') => {
                Ok(env().get(&name[1..]).map(|value| json!(value).to_string().into_bytes()))
            }
            _ => pod::file(&self.client, &pod, path).await,
        }
    }
}
