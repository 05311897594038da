//! What is seen of a balancer of either product, and what that means.

use std::collections::BTreeSet;

use mooring_provider::{
    Bindings, Change, Difference, Drift, ExternalId, Phase,
    spec::{Protocol, Scheme, Slb},
    tag,
};

use super::plan;
use crate::marks::{self, Tags};

/// Which product serves a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The network load balancer: tcp and udp.
    Nlb,
    /// The classic load balancer: http and https, and everything on Apsara Stack.
    Clb,
}

/// A balancer with its parts, or what is left of one.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(super) id: ExternalId,
    pub(super) kind: Kind,
    pub(super) tags: Tags,
    /// `None`: it is gone, and these parts of it are not.
    pub(super) balancer: Option<Balancer>,
    pub(super) listeners: Vec<Listener>,
    pub(super) groups: Vec<Group>,
    pub(super) lists: Vec<AccessList>,
}

/// The balancer itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Balancer {
    pub(super) status: String,
    pub(super) locked: Option<String>,
    pub(super) host: String,
    pub(super) vpc: String,
    pub(super) internet: bool,
    pub(super) resource_group: String,
    pub(super) protected: bool,
    pub(super) prepaid: bool,
}

/// A port it listens on.
#[derive(Debug, Clone, Default)]
pub(super) struct Listener {
    /// Only the network load balancer's have one.
    pub(super) id: String,
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) status: String,
    pub(super) group: String,
    pub(super) path: Option<String>,
    pub(super) certificate: Option<String>,
    /// The access list that is in force.
    pub(super) list: Option<String>,
}

/// A group of backends that is ours.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) udp: bool,
    /// The port of the backends that it stands for.
    pub(super) target: u16,
    pub(super) status: String,
    pub(super) servers: Vec<Server>,
}

/// A backend in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) port: u16,
    /// The server or network interface, as the API calls it.
    pub(super) id: String,
    /// `ecs`, `eni` or `Ip`.
    pub(super) kind: String,
}

/// A list of addresses that may connect.
#[derive(Debug, Clone, Default)]
pub(super) struct AccessList {
    pub(super) id: String,
    pub(super) entries: BTreeSet<String>,
}

impl Listener {
    pub(super) fn is(&self, port: u16, protocol: Protocol) -> bool {
        self.port == port && self.protocol.eq_ignore_ascii_case(protocol.as_str())
    }

    fn is_stopped(&self) -> bool {
        self.status.eq_ignore_ascii_case("stopped")
    }

    fn is_running(&self) -> bool {
        self.status.eq_ignore_ascii_case("running")
    }

    pub(super) fn is_going(&self) -> bool {
        self.status.eq_ignore_ascii_case("deleting") || self.status.eq_ignore_ascii_case("deleted")
    }

    /// Whether it was made and never started, or was stopped.
    pub(super) fn needs_start(&self) -> bool {
        self.is_stopped()
    }
}

impl State {
    pub(super) fn phase(&self) -> Phase {
        let Some(is) = &self.balancer else {
            return Phase::Unreachable(format!(
                "{} is gone; what is left of it is removed before there can be another",
                self.id
            ));
        };
        if let Some(lock) = &is.locked {
            let arrears = if lock.to_ascii_lowercase().contains("financial") {
                "AccountOverdue: the account is in arrears; settle it, or the provider deletes the balancer; "
            } else {
                ""
            };
            return Phase::Failed(format!("{arrears}{} is locked: {lock}", self.id));
        }
        match is.status.to_ascii_lowercase().as_str() {
            "active" => self.parts(),
            "deleting" | "deleted" => Phase::Deleting,
            "createfailed" => Phase::Failed(format!("{} could not be made by the provider", self.id)),
            "inactive" => Phase::Failed(format!(
                "{} is switched off; whoever did that has to switch it on",
                self.id
            )),
            "locked" => Phase::Failed(format!(
                "AccountOverdue: {} is locked, because the account is in arrears; settle it, or the provider deletes the \
                 balancer",
                self.id
            )),
            // A state that nobody has told us of is one of them.
            _ => Phase::Busy(format!("{} is {}", self.id, is.status)),
        }
    }

    fn parts(&self) -> Phase {
        let moving = |listener: &&Listener| !listener.is_running() && !listener.is_stopped();
        if let Some(listener) = self.listeners.iter().find(moving) {
            return Phase::Busy(format!("its listener on port {} is {}", listener.port, listener.status));
        }
        let moving = |group: &&Group| !group.status.is_empty() && !group.status.eq_ignore_ascii_case("available");
        if let Some(group) = self.groups.iter().find(moving) {
            return Phase::Busy(format!("its server group {} is {}", group.id, group.status));
        }
        match self.tags.get(tag::PARKED_UNTIL) {
            Some(until) => Phase::Parked(until.clone()),
            None => Phase::Ready,
        }
    }

    pub(super) fn drift(&self, spec: &Slb) -> Drift {
        let mut drift = Drift::none();
        let Some(is) = &self.balancer else {
            drift.0.push(Difference {
                field: "leftovers",
                desired: String::new(),
                observed: format!("{} groups, {} access lists", self.groups.len(), self.lists.len()),
                change: Change::Enforced,
            });
            return drift;
        };
        let scheme = if is.internet {
            Scheme::Internet
        } else {
            Scheme::Internal
        };
        drift.compare("scheme", Change::Immutable, &spec.scheme, &scheme);
        if !is.vpc.is_empty() {
            let wanted = spec.network.id.as_deref().unwrap_or_default();
            drift.compare("network", Change::Immutable, &wanted, &is.vpc.as_str());
        }
        if let Some(group) = &spec.common.resource_group {
            drift.compare("resourceGroup", Change::Immutable, group, &is.resource_group);
        }
        if marks::owner(&self.tags).is_some() {
            drift.compare("tags", Change::Enforced, &spec.common.tags, &marks::extra(&self.tags));
        }
        if let Some(step) = plan::next(spec, self) {
            drift.0.push(step.difference());
        }
        drift
    }

    /// Without listeners, as when the cluster's cloud controller is still to make them, there is an address only.
    pub(super) fn bindings(&self) -> Bindings {
        let mut bindings = Bindings::new();
        let usable = matches!(self.phase(), Phase::Ready | Phase::Unreachable(_));
        let Some(is) = self.balancer.as_ref().filter(|is| usable && !is.host.is_empty()) else {
            return bindings;
        };
        bindings.insert("host".into(), is.host.as_str().into());
        if let Some(first) = self.listeners.iter().min_by_key(|listener| listener.port) {
            let (port, scheme) = (first.port, first.protocol.to_ascii_lowercase());
            bindings.insert("port".into(), port.to_string().into());
            bindings.insert("uri".into(), format!("{scheme}://{}:{port}", is.host).into());
        }
        bindings
    }
}
