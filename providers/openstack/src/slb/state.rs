//! What Octavia says of a load balancer and its parts.

use std::collections::{BTreeMap, BTreeSet};

use mooring_provider::{
    ExternalId, Owner, Phase,
    spec::{Protocol, Slb},
    tag,
};
use serde::{Deserialize, Serialize};

use crate::{label, neutron::FloatingIp};

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LoadBalancer {
    pub(super) id: String,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) provisioning_status: String,
    #[serde(default)]
    pub(super) vip_address: Option<String>,
    #[serde(default)]
    pub(super) vip_port_id: Option<String>,
    #[serde(default)]
    pub(super) vip_subnet_id: Option<String>,
    #[serde(default = "yes")]
    pub(super) admin_state_up: bool,
}

fn yes() -> bool {
    true
}

impl LoadBalancer {
    pub(super) fn owner(&self) -> Option<Owner> {
        label::owner(&self.tags, self.description.as_deref().unwrap_or_default())
    }
}

/// A reference to another part.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ref {
    pub(super) id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listener {
    pub(super) id: String,
    pub(super) protocol: String,
    pub(super) protocol_port: u16,
    pub(super) default_pool_id: Option<String>,
    pub(super) default_tls_container_ref: Option<String>,
    pub(super) allowed_cidrs: Option<Vec<String>>,
    pub(super) loadbalancers: Vec<Ref>,
    pub(super) provisioning_status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pool {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) healthmonitor_id: Option<String>,
    pub(super) loadbalancers: Vec<Ref>,
    pub(super) provisioning_status: String,
    #[serde(skip)]
    pub(super) members: BTreeSet<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) address: String,
    pub(super) protocol_port: u16,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Monitor {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) url_path: Option<String>,
}

/// A load balancer with its parts, or the public address that is left of one.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) id: ExternalId,
    pub(super) balancer: Option<LoadBalancer>,
    pub(super) listeners: Vec<Listener>,
    pub(super) pools: Vec<Pool>,
    pub(super) monitors: BTreeMap<String, Monitor>,
    pub(super) addresses: Vec<FloatingIp>,
}

/// A listener as it is declared, with its pool: named by protocol and port, `http-80`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Door {
    certificate: Option<String>,
    health_check: Option<(String, Option<String>)>,
}

pub(super) fn name(protocol: Protocol, port: u16) -> String {
    format!("{}-{port}", protocol.as_str())
}

/// What Octavia calls the protocol of a listener, and of its pool.
pub(super) fn protocols(protocol: Protocol) -> (&'static str, &'static str) {
    match protocol {
        Protocol::Tcp => ("TCP", "TCP"),
        Protocol::Udp => ("UDP", "UDP"),
        Protocol::Http => ("HTTP", "HTTP"),
        Protocol::Https => ("TERMINATED_HTTPS", "HTTP"),
    }
}

/// How a backend is asked whether it is well.
pub(super) fn check(listener: &mooring_provider::spec::Listener) -> (&'static str, Option<&str>) {
    match (&listener.health_check_path, listener.protocol) {
        (Some(path), _) => ("HTTP", Some(path)),
        (None, Protocol::Udp) => ("UDP-CONNECT", None),
        (None, _) => ("TCP", None),
    }
}

impl State {
    pub(super) fn owner(&self) -> Option<Owner> {
        match &self.balancer {
            Some(balancer) => balancer.owner(),
            None => self.addresses.first().and_then(|address| address.meta.owner()),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        let Some(balancer) = &self.balancer else {
            return Phase::Ready;
        };
        let parked = label::read(&balancer.tags).remove(tag::PARKED_UNTIL);
        match (balancer.provisioning_status.as_str(), parked) {
            ("PENDING_DELETE" | "DELETED", _) => Phase::Deleting,
            ("ERROR", _) => Phase::Failed(format!(
                "Octavia says that load balancer {} is in ERROR; `openstack loadbalancer failover {0}` may mend it",
                balancer.id
            )),
            ("ACTIVE", Some(until)) => Phase::Parked(until),
            ("ACTIVE", None) => match self.broken() {
                Some(part) => Phase::Failed(format!(
                    "Octavia says that {part} of load balancer {} is in ERROR",
                    balancer.id
                )),
                None => Phase::Ready,
            },
            (status, _) => Phase::Busy(format!("the load balancer is in {status}")),
        }
    }

    fn broken(&self) -> Option<String> {
        let listeners = self
            .listeners
            .iter()
            .map(|part| (&part.provisioning_status, "listener", &part.id));
        let pools = self
            .pools
            .iter()
            .map(|part| (&part.provisioning_status, "pool", &part.id));
        let mut parts = listeners.chain(pools);
        let (_, what, id) = parts.find(|(status, ..)| *status == "ERROR")?;
        Some(format!("{what} {id}"))
    }

    /// The listeners by name, as they are.
    pub(super) fn doors(&self) -> BTreeMap<String, Door> {
        self.listeners
            .iter()
            .map(|listener| (Self::name_of(listener), self.door(listener)))
            .collect()
    }

    pub(super) fn name_of(listener: &Listener) -> String {
        let known = [Protocol::Tcp, Protocol::Udp, Protocol::Http, Protocol::Https];
        let protocol = known
            .into_iter()
            .find(|protocol| protocols(*protocol).0 == listener.protocol);
        match protocol {
            Some(protocol) => name(protocol, listener.protocol_port),
            None => format!("{}-{}", listener.protocol, listener.protocol_port),
        }
    }

    fn door(&self, listener: &Listener) -> Door {
        let pool = self
            .pools
            .iter()
            .find(|pool| Some(&pool.id) == listener.default_pool_id.as_ref());
        let monitor = pool.and_then(|pool| self.monitors.get(pool.healthmonitor_id.as_ref()?));
        Door {
            certificate: listener
                .default_tls_container_ref
                .clone()
                .filter(|reference| !reference.is_empty()),
            // A path is kept even where nobody asks for it.
            health_check: monitor.map(|monitor| {
                (
                    monitor.kind.clone(),
                    monitor.url_path.clone().filter(|_| monitor.kind == "HTTP"),
                )
            }),
        }
    }

    /// Who may connect to each listener.
    pub(super) fn allowed(&self) -> BTreeMap<String, BTreeSet<String>> {
        let set = |listener: &Listener| listener.allowed_cidrs.iter().flatten().cloned().collect();
        self.listeners
            .iter()
            .map(|listener| (Self::name_of(listener), set(listener)))
            .collect()
    }

    /// The backends of each pool.
    pub(super) fn members(&self) -> BTreeMap<String, BTreeSet<Member>> {
        self.pools
            .iter()
            .map(|pool| (pool.name.clone(), pool.members.clone()))
            .collect()
    }

    /// The public address of ours that leads to it.
    pub(super) fn public(&self) -> Option<&FloatingIp> {
        let port = self.balancer.as_ref()?.vip_port_id.as_ref();
        let leads_here = |address: &&FloatingIp| address.port_id.is_some() && address.port_id.as_ref() == port;
        self.addresses
            .iter()
            .filter(|address| address.meta.owner().is_some())
            .find(leads_here)
    }
}

pub(super) fn wanted_doors(spec: &Slb) -> BTreeMap<String, Door> {
    let door = |listener: &mooring_provider::spec::Listener| {
        let (kind, path) = check(listener);
        Door {
            certificate: listener.certificate.clone(),
            health_check: Some((kind.to_owned(), path.map(str::to_owned))),
        }
    };
    spec.listeners
        .iter()
        .map(|listener| (name(listener.protocol, listener.port), door(listener)))
        .collect()
}

pub(super) fn wanted_allowed(spec: &Slb) -> BTreeMap<String, BTreeSet<String>> {
    let all: BTreeSet<_> = spec.allow_from.iter().cloned().collect();
    spec.listeners
        .iter()
        .map(|listener| (name(listener.protocol, listener.port), all.clone()))
        .collect()
}

/// The members of a listener's pool.
pub(super) fn wanted_members(spec: &Slb, listener: &mooring_provider::spec::Listener) -> BTreeSet<Member> {
    spec.backends
        .iter()
        .flatten()
        .filter(|backend| backend.target_port == listener.target_port)
        .map(|backend| Member {
            address: backend.address.clone(),
            protocol_port: backend.port,
        })
        .collect()
}
