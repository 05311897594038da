//! Where components can be reached: the addresses of their ready pods, or of the nodes and the ports these lend to
//! their Services. It is what a balancer sends requests to where an Environment's `network.backends` is `pods` or
//! `nodes`.
//!
//! - **Pods, not EndpointSlices**: a component need not be exposed by a Service, and on a bare cluster most are not.
//!   Those that carry the label of a component are watched, and of each only its name, labels and address are kept.
//! - **Nothing is watched before an Environment asks for it.**
//! - **What is not known is not empty.** Until a first list was read, nobody is told that there are no pods: a balancer
//!   would lose all its backends for that.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ObjectMeta,
    runtime::{reflector::ObjectRef, watcher},
};
use mooring_provider::Key;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

use super::Watched;
use crate::{
    api::{Backends, CloudResource, names},
    engine::effective,
};

/// How long the first list is waited for within a reconcile.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pods come and go several at once; what happens within this time is one piece of news.
const TOGETHER: Duration = Duration::from_millis(250);
/// The label by which a node asks to be left out.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// As much of a pod as matters here.
#[derive(Resource, Debug, Clone, Default, Serialize, Deserialize)]
#[resource(inherit = "Pod")]
struct PodSeen {
    metadata: ObjectMeta,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    conditions: Vec<Told>,
}

/// As much of a node as matters here.
#[derive(Resource, Debug, Clone, Default, Serialize, Deserialize)]
#[resource(inherit = "Node")]
struct NodeSeen {
    metadata: ObjectMeta,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct NodeStatus {
    addresses: Vec<NodeAddress>,
    conditions: Vec<Told>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct NodeAddress {
    address: String,
    r#type: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    r#type: String,
    status: String,
}

/// As much of a Service as matters here.
#[derive(Resource, Debug, Clone, Default, Serialize, Deserialize)]
#[resource(inherit = "Service")]
struct ServiceSeen {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: ServicePorts,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct ServicePorts {
    ports: Vec<ServicePort>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicePort {
    port: u16,
    /// A number; a name would need the pods' containers to be understood.
    #[serde(default)]
    target_port: Option<serde_json::Value>,
    #[serde(default)]
    node_port: Option<u16>,
}

fn is_ready(conditions: &[Told]) -> bool {
    conditions
        .iter()
        .any(|told| told.r#type == "Ready" && told.status == "True")
}

impl PodSeen {
    /// Its address, if requests may be sent there: one that is going, or not ready, is no backend.
    fn address(&self) -> Option<&str> {
        let serves = self.metadata.deletion_timestamp.is_none() && is_ready(&self.status.conditions);
        self.status.pod_ip.as_deref().filter(|_| serves)
    }
}

impl NodeSeen {
    fn address(&self) -> Option<&str> {
        let serves = self.metadata.deletion_timestamp.is_none()
            && is_ready(&self.status.conditions)
            && !self.labels().contains_key(EXCLUDED);
        let addresses = self.status.addresses.iter();
        let mut internal = addresses.filter(|address| address.r#type == "InternalIP");
        internal
            .next()
            .filter(|_| serves)
            .map(|address| address.address.as_str())
    }
}

impl ServiceSeen {
    /// Its node ports by the ports of the pods.
    fn node_ports(&self) -> impl Iterator<Item = (u16, u16)> {
        self.spec.ports.iter().filter_map(|port| {
            let target = match &port.target_port {
                None => port.port,
                Some(target) => u16::try_from(target.as_u64()?).ok()?,
            };
            Some((target, port.node_port?))
        })
    }
}

/// Whether an object is of a component. One that names no application belongs to whoever has the component.
fn is_of(object: &impl Resource, key: &Key) -> bool {
    let label = |name: &str| object.labels().get(name).map(String::as_str);
    object.meta().namespace.as_deref() == Some(&key.namespace)
        && label(names::OAM_COMPONENT) == Some(&key.component)
        && label(names::OAM_NAME).is_none_or(|name| name == key.application)
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Changed {
    /// A component of a namespace.
    Component(String, String),
    /// The nodes.
    Nodes,
}

impl Changed {
    fn component(object: &impl Resource) -> Self {
        let component = object.labels().get(names::OAM_COMPONENT).cloned();
        Self::Component(object.namespace().unwrap_or_default(), component.unwrap_or_default())
    }

    /// Whether this may be where the requests of a balancer go.
    pub(super) fn concerns(&self, balancer: &CloudResource) -> bool {
        match self {
            Self::Component(namespace, component) => {
                balancer.metadata.namespace.as_ref() == Some(namespace) && balancer.spec.component == *component
            }
            Self::Nodes => true,
        }
    }
}

/// Where components can be reached.
#[derive(Debug)]
pub struct Endpoints {
    pods: Watched<PodSeen>,
    nodes: Watched<NodeSeen>,
    services: Watched<ServiceSeen>,
}

impl Endpoints {
    /// Watches nothing yet; ends with `shutdown`.
    pub fn prepare(client: &Client, shutdown: &CancellationToken) -> Self {
        let of_components = || watcher::Config::default().labels(names::OAM_COMPONENT);
        Self {
            pods: Watched::when_wanted(Api::all(client.clone()), of_components(), trim, shutdown),
            nodes: Watched::when_wanted(Api::all(client.clone()), watcher::Config::default(), trim, shutdown),
            services: Watched::when_wanted(Api::all(client.clone()), of_components(), trim, shutdown),
        }
    }

    /// Where the component of a key can be reached now; `None` if that is not known yet.
    pub(super) async fn of(&self, mode: Backends, key: &Key) -> Option<effective::Endpoints> {
        match mode {
            Backends::Service => Some(effective::Endpoints::default()),
            Backends::Pods => {
                known(&self.pods).await?;
                let pods = self.pods.filter(|pod| is_of(pod, key));
                Some(effective::Endpoints {
                    addresses: pods.iter().filter_map(|pod| pod.address().map(str::to_owned)).collect(),
                    node_ports: None,
                })
            }
            Backends::Nodes => {
                // Both are asked for at once.
                let (nodes, services) = tokio::join!(known(&self.nodes), known(&self.services));
                nodes.and(services)?;
                let nodes = self.nodes.filter(|_| true);
                let mut services = self.services.filter(|service| is_of(service, key));
                // Of two with a port for one, the first by name is it.
                services.sort_by_key(|service| std::cmp::Reverse(service.name_any()));
                let addresses = nodes.iter().filter_map(|node| node.address().map(str::to_owned));
                Some(effective::Endpoints {
                    addresses: addresses.collect(),
                    node_ports: Some(services.iter().flat_map(|service| service.node_ports()).collect()),
                })
            }
        }
    }

    /// What changed, as it comes.
    pub(super) fn news(&self) -> impl Stream<Item = BTreeSet<Changed>> + Send + 'static {
        let pods = changes(&self.pods, |pod| {
            let labels = (
                pod.labels().get(names::OAM_COMPONENT),
                pod.labels().get(names::OAM_NAME),
            );
            pod.address().map(|address| format!("{labels:?} {address}"))
        });
        let nodes = changes(&self.nodes, |node| node.address().map(str::to_owned));
        let services = changes(&self.services, |service| {
            let ports: Vec<_> = service.node_ports().collect();
            (!ports.is_empty()).then(|| format!("{ports:?}"))
        });
        let all = stream::select_all([
            pods.map(|pod| Changed::component(pod.as_ref())).boxed(),
            nodes.map(|_| Changed::Nodes).boxed(),
            services.map(|service| Changed::component(service.as_ref())).boxed(),
        ]);
        together(all)
    }
}

/// Keeps name and labels; annotations and owners are of no use here.
fn trim<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    *meta = ObjectMeta {
        name: meta.name.take(),
        namespace: meta.namespace.take(),
        uid: meta.uid.take(),
        resource_version: meta.resource_version.take(),
        labels: meta.labels.take(),
        deletion_timestamp: meta.deletion_timestamp.take(),
        ..ObjectMeta::default()
    };
}

/// Has it watched, and waits until what is there is known; `None` if that takes too long.
async fn known<K>(watched: &Watched<K>) -> Option<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    watched.want();
    tokio::time::timeout(PATIENCE, watched.ready()).await.ok()
}

/// Only those of which this changed. What says nothing, or is gone, is forgotten: names of pods are used once.
fn changes<K>(
    watched: &Watched<K>,
    says: impl Fn(&K) -> Option<String> + Send + 'static,
) -> impl Stream<Item = Arc<K>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let store = watched.store().clone();
    let mut known: HashMap<ObjectRef<K>, String> = HashMap::new();
    watched.touched().filter_map(move |object| {
        let key = ObjectRef::from_obj(object.as_ref());
        // As it is by now, which may be nothing.
        let changed = match store.get(&key).and_then(|now| says(&now)) {
            Some(now) => {
                let before = known.insert(key, now.clone());
                before != Some(now)
            }
            None => known.remove(&key).is_some(),
        };
        std::future::ready(changed.then_some(object))
    })
}

/// What comes soon after a first piece of news comes with it.
fn together<T: Ord + Send + 'static>(news: impl Stream<Item = T> + Send + 'static) -> impl Stream<Item = BTreeSet<T>> {
    stream::unfold(news.boxed(), |mut news| async move {
        let mut all = BTreeSet::from([news.next().await?]);
        let until = tokio::time::Instant::now() + TOGETHER;
        while let Ok(Some(more)) = tokio::time::timeout_at(until, news.next()).await {
            all.insert(more);
        }
        Some((all, news))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn pod(status: Json, deleted: bool) -> PodSeen {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": []}, "status": status});
        if deleted {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        serde_json::from_value(pod).expect("a pod")
    }

    #[test]
    fn only_what_is_ready_and_stays_is_a_backend() {
        let ready = |is: &str| json!({"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": is}]});
        assert_eq!(pod(ready("True"), false).address(), Some("10.0.0.1"));
        assert_eq!(pod(ready("False"), false).address(), None);
        assert_eq!(pod(ready("True"), true).address(), None);
        assert_eq!(pod(json!({"phase": "Pending"}), false).address(), None);
        let node = |labels: Json| -> NodeSeen {
            let addresses = json!([
                {"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "192.168.0.1"},
            ]);
            let status = json!({"addresses": addresses, "conditions": [{"type": "Ready", "status": "True"}]});
            serde_json::from_value(json!({"metadata": {"labels": labels}, "status": status})).expect("a node")
        };
        assert_eq!(node(json!({})).address(), Some("192.168.0.1"));
        assert_eq!(node(json!({EXCLUDED: ""})).address(), None);
    }

    #[test]
    fn a_service_lends_its_node_ports() {
        let ports = json!([
            {"port": 80, "targetPort": 8080, "nodePort": 30080}, {"port": 9090, "nodePort": 30090},
            {"port": 81, "targetPort": "web", "nodePort": 30081}, {"port": 82, "targetPort": 8082},
        ]);
        let service: ServiceSeen =
            serde_json::from_value(json!({"metadata": {}, "spec": {"ports": ports}})).expect("a Service");
        let ports: Vec<_> = service.node_ports().collect();
        assert_eq!(ports, [(8080, 30080), (9090, 30090)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_is_told_together() {
        let (send, receive) = tokio::sync::mpsc::unbounded_channel();
        let mut news = std::pin::pin!(together(stream::unfold(receive, |mut receive| async {
            Some((receive.recv().await?, receive))
        })));
        for n in [2, 1, 2] {
            send.send(n).expect("it is heard");
        }
        assert_eq!(news.next().await, Some(BTreeSet::from([1, 2])));
        drop(send);
        assert_eq!(news.next().await, None);
    }
}
