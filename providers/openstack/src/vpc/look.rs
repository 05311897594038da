//! Finding networks and their parts.

use std::collections::BTreeSet;

use futures::try_join;
use mooring_provider::{Claim, ClusterId, ExternalId, Owned, Result, Sighting};

use super::{
    Networks,
    state::{Group, Network, Port, Router, State, Subnet},
};
use crate::{
    config::Service,
    neutron::{GROUPS, Meta, NETWORKS, PORTS, ROUTERS, SUBNETS},
    session::Call,
};

/// Every kind of port by which a router is in a network.
const INTERFACES: [(&str, &str); 3] = [
    ("device_owner", "network:router_interface"),
    ("device_owner", "network:router_interface_distributed"),
    ("device_owner", "network:ha_router_replicated_interface"),
];

/// What there is in the project.
pub(super) struct View {
    networks: Vec<Network>,
    subnets: Vec<Subnet>,
    routers: Vec<Router>,
    groups: Vec<Group>,
    interfaces: Vec<Port>,
}

fn is_of(meta: &Meta, identity: &str) -> bool {
    meta.owner().is_some_and(|owner| owner.identity.as_str() == identity)
}

impl View {
    fn parts_of(&self, id: ExternalId, network: Option<Network>, identity: Option<&str>) -> State {
        let is_ours = |meta: &Meta| identity.is_some_and(|identity| is_of(meta, identity));
        let mut routers: Vec<_> = self
            .routers
            .iter()
            .filter(|router| is_ours(&router.meta))
            .cloned()
            .collect();
        let interfaces: Vec<_> = self
            .interfaces
            .iter()
            .filter(|port| routers.iter().any(|router| router.meta.id == port.device_id))
            .cloned()
            .collect();
        // The one that is in use comes first; what comes later is one too many.
        routers.sort_by_key(|router| {
            let inside = interfaces.iter().any(|port| port.device_id == router.meta.id);
            (!inside, router.meta.id.clone())
        });
        let mut groups: Vec<_> = self
            .groups
            .iter()
            .filter(|group| is_ours(&group.meta))
            .cloned()
            .collect();
        groups.sort_by_key(|group| group.meta.id.clone());
        let inside = |subnet: &&Subnet| {
            network
                .as_ref()
                .is_some_and(|network| subnet.network_id == network.meta.id)
        };
        let mut subnets: Vec<_> = self.subnets.iter().filter(inside).cloned().collect();
        subnets.sort_by_key(|subnet| subnet.meta.id.clone());
        State {
            id,
            subnets,
            routers,
            groups,
            interfaces,
            network,
        }
    }

    fn whole(&self, network: &Network) -> State {
        let owner = network.meta.owner();
        let identity = owner.as_ref().map(|owner| owner.identity.as_str());
        self.parts_of(ExternalId::new(&network.meta.id), Some(network.clone()), identity)
    }

    /// What is left of a network that is gone.
    fn rest(&self, claim: &Claim) -> Sighting<State> {
        let identity = claim.owner.identity.as_str();
        let rest = self.parts_of(ExternalId::new("none"), None, Some(identity));
        let first = rest.parts().next().map(|part| ExternalId::new(&part.id));
        match (&claim.id, first) {
            (_, None) => Sighting::Absent,
            (Some(id), _) => Sighting::One(State { id: id.clone(), ..rest }),
            (None, Some(id)) => Sighting::One(State { id, ..rest }),
        }
    }
}

impl Networks {
    pub(super) async fn view(&self) -> Result<View> {
        const OPERATION: &str = "vpc.observe";
        let session = &self.session;
        let (networks, subnets, routers, groups, interfaces) = try_join!(
            session.own(OPERATION, NETWORKS, &[]),
            session.own(OPERATION, SUBNETS, &[]),
            session.own(OPERATION, ROUTERS, &[]),
            session.own(OPERATION, GROUPS, &[]),
            session.own(OPERATION, PORTS, &INTERFACES),
        )?;
        Ok(View {
            networks,
            subnets,
            routers,
            groups,
            interfaces,
        })
    }

    /// What there is for a claim.
    pub(super) async fn sight(&self, view: &View, claim: &Claim) -> Result<Sighting<State>> {
        let tagged: Vec<_> = view
            .networks
            .iter()
            .filter(|network| is_of(&network.meta, claim.owner.identity.as_str()))
            .collect();
        let Some(id) = &claim.id else {
            return Ok(match tagged.as_slice() {
                [] => view.rest(claim),
                [network] => Sighting::One(view.whole(network)),
                several => Sighting::Several(
                    several
                        .iter()
                        .map(|network| ExternalId::new(&network.meta.id))
                        .collect(),
                ),
            });
        };
        if let Some(network) = view.networks.iter().find(|network| network.meta.id == id.as_str()) {
            return Ok(Sighting::One(view.whole(network)));
        }
        match self.somebodys(id).await? {
            Some(state) => Ok(Sighting::One(state)),
            None if tagged.is_empty() && !claim.existing => Ok(view.rest(claim)),
            None => Ok(Sighting::Absent),
        }
    }

    /// A network of another project that this one may use, or one that has come since the listing.
    async fn somebodys(&self, id: &ExternalId) -> Result<Option<State>> {
        const OPERATION: &str = "vpc.observe";
        let call = Call::get(OPERATION, Service::Network, format!("{}/{id}", NETWORKS.path));
        let Some(network) = self.session.read::<Network>(call, NETWORKS.one).await? else {
            return Ok(None);
        };
        let subnets = self
            .session
            .find(OPERATION, SUBNETS, &[("network_id", id.as_str())])
            .await?;
        Ok(Some(State {
            id: id.clone(),
            network: Some(network),
            subnets,
            routers: Vec::new(),
            groups: Vec::new(),
            interfaces: Vec::new(),
        }))
    }

    /// What there is for a claim now, before it is changed.
    pub(super) async fn anew(&self, claim: &Claim, id: &ExternalId) -> Result<Option<State>> {
        let mut claim = claim.clone();
        claim.id = Some(id.clone());
        match self.sight(&self.view().await?, &claim).await? {
            Sighting::One(state) => Ok(Some(state)),
            Sighting::Absent | Sighting::Several(_) => Ok(None),
        }
    }

    /// Everything of a cluster, what is left of a network among it.
    pub(super) async fn listed(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let view = self.view().await?;
        let mut listed: Vec<_> = view
            .networks
            .iter()
            .filter_map(|network| Some((network.meta.owner()?, view.whole(network))))
            .collect();
        let whole: BTreeSet<_> = listed.iter().map(|(owner, _)| owner.identity.clone()).collect();
        let mut rest = BTreeSet::new();
        let parts = view
            .routers
            .iter()
            .map(|router| &router.meta)
            .chain(view.groups.iter().map(|group| &group.meta));
        for owner in parts.filter_map(Meta::owner) {
            if !whole.contains(&owner.identity)
                && rest.insert(owner.identity.clone())
                && let Sighting::One(state) = view.rest(&Claim::new(owner.clone()))
            {
                listed.push((owner, state));
            }
        }
        Ok(listed
            .into_iter()
            .filter(|(owner, _)| owner.cluster == *cluster)
            .map(|(owner, state)| Owned {
                phase: state.phase(),
                id: state.id,
                owner,
            })
            .collect())
    }
}
