//! What Neutron says of a network and its parts.

use std::collections::BTreeMap;

use mooring_provider::{ExternalId, Owner, Phase, spec::Egress, tag};
use serde::Deserialize;

use crate::{label, neutron::Meta};

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Network {
    #[serde(flatten)]
    pub(super) meta: Meta,
    #[serde(default)]
    pub(super) status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Subnet {
    #[serde(flatten)]
    pub(super) meta: Meta,
    pub(super) network_id: String,
    pub(super) cidr: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Router {
    #[serde(flatten)]
    pub(super) meta: Meta,
    pub(super) external_gateway_info: Option<Gateway>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Gateway {}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Group {
    #[serde(flatten)]
    pub(super) meta: Meta,
    #[serde(default)]
    pub(super) security_group_rules: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rule {
    pub(super) direction: String,
    pub(super) protocol: Option<String>,
    pub(super) remote_ip_prefix: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Port {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    pub(super) network_id: String,
    #[serde(default)]
    pub(super) device_id: String,
    #[serde(default)]
    pub(super) device_owner: String,
}

/// A network with its parts, or the parts that are left of one.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) id: ExternalId,
    pub(super) network: Option<Network>,
    pub(super) subnets: Vec<Subnet>,
    pub(super) routers: Vec<Router>,
    pub(super) groups: Vec<Group>,
    /// The ports by which its routers are in the network.
    pub(super) interfaces: Vec<Port>,
}

impl State {
    /// What every part of it has.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Meta> {
        let network = self.network.iter().map(|network| &network.meta);
        let subnets = self.subnets.iter().map(|subnet| &subnet.meta);
        let routers = self.routers.iter().map(|router| &router.meta);
        network
            .chain(subnets)
            .chain(routers)
            .chain(self.groups.iter().map(|group| &group.meta))
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        self.parts().next().and_then(Meta::owner)
    }

    pub(super) fn phase(&self) -> Phase {
        match self.network.as_ref().map(|network| network.status.as_str()) {
            // What is left of it is taken away as a difference.
            None | Some("ACTIVE" | "") => Phase::Ready,
            Some("DOWN") => {
                Phase::Unreachable("the network is administratively down; `openstack network set --enable`".into())
            }
            Some("ERROR") => Phase::Failed("Neutron says that the network is in ERROR".into()),
            Some(other) => Phase::Busy(format!("the network is in {other}")),
        }
    }

    pub(super) fn cidr(&self) -> Option<&str> {
        self.subnets.first().map(|subnet| subnet.cidr.as_str())
    }

    /// Whether members may talk to each other as the security group has it.
    pub(super) fn admits(&self, cidr: &str) -> bool {
        let admits = |rule: &Rule| {
            rule.direction == "ingress" && rule.protocol.is_none() && rule.remote_ip_prefix.as_deref() == Some(cidr)
        };
        self.groups
            .first()
            .is_some_and(|group| group.security_group_rules.iter().any(admits))
    }

    /// The way out, if it is whole or there is nothing of it.
    pub(super) fn egress(&self) -> Option<Egress> {
        match self.routers.as_slice() {
            [] => Some(Egress::None),
            [router] => {
                let inside = self.interfaces.iter().any(|port| port.device_id == router.meta.id);
                (inside && router.external_gateway_info.is_some()).then_some(Egress::Internet)
            }
            _ => None,
        }
    }

    /// Tags beside the owner's: those of the first part that differs from the wanted ones.
    pub(super) fn tags(&self, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.parts()
            .map(shown)
            .find(|tags| tags != wanted)
            .unwrap_or_else(|| wanted.clone())
    }
}

/// Tags beside the owner's; one that is missing there shows.
pub(super) fn shown(part: &Meta) -> BTreeMap<String, String> {
    let mut tags = label::others(&part.tags);
    if !label::read(&part.tags).contains_key(tag::IDENTITY) {
        tags.insert(tag::IDENTITY.into(), "missing".into());
    }
    tags
}
