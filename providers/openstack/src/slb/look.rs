//! Finding load balancers and their parts.

use std::collections::BTreeMap;

use futures::{future::try_join_all, try_join};
use mooring_provider::{Claim, ClusterId, ExternalId, Owned, Result, Sighting};
use serde::de::DeserializeOwned;

use super::{
    LoadBalancerAdapter,
    state::{Listener, LoadBalancer, Monitor, Pool, Ref, State},
};
use crate::{
    config::Service,
    neutron::{FLOATING, FloatingIp, Meta},
    session::Call,
};

const OPERATION: &str = "slb.observe";

/// What there is in the project.
pub(super) struct View {
    balancers: Vec<LoadBalancer>,
    listeners: Vec<Listener>,
    pools: Vec<Pool>,
    monitors: BTreeMap<String, Monitor>,
    addresses: Vec<FloatingIp>,
}

fn is_of(meta: &Meta, identity: &str) -> bool {
    meta.owner().is_some_and(|owner| owner.identity.as_str() == identity)
}

impl View {
    /// What is left of a load balancer that is gone.
    fn rest(&self, claim: &Claim) -> Sighting<State> {
        let ours = |address: &&FloatingIp| is_of(&address.meta, claim.owner.identity.as_str());
        let addresses: Vec<_> = self.addresses.iter().filter(ours).cloned().collect();
        let Some(first) = addresses.first() else {
            return Sighting::Absent;
        };
        Sighting::One(State {
            id: claim.id.clone().unwrap_or_else(|| ExternalId::new(&first.meta.id)),
            balancer: None,
            listeners: Vec::new(),
            pools: Vec::new(),
            monitors: BTreeMap::new(),
            addresses,
        })
    }
}

impl LoadBalancerAdapter {
    async fn collection<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<Vec<T>> {
        let project = self.session.token().await?.project.clone();
        let call = Call::get(OPERATION, Service::LoadBalancer, path).with("project_id", project);
        self.session.all(call, name).await
    }

    pub(super) async fn view(&self) -> Result<View> {
        let (balancers, listeners, pools, monitors, addresses) = try_join!(
            self.collection("/loadbalancers", "loadbalancers"),
            self.collection("/listeners", "listeners"),
            self.collection("/pools", "pools"),
            self.collection::<Monitor>("/healthmonitors", "healthmonitors"),
            self.session.own(OPERATION, FLOATING, &[]),
        )?;
        let monitors = monitors
            .into_iter()
            .map(|monitor| (monitor.id.clone(), monitor))
            .collect();
        Ok(View {
            balancers,
            listeners,
            pools,
            monitors,
            addresses,
        })
    }

    /// A load balancer with its parts; the members of its pools are asked for one by one.
    async fn whole(&self, view: &View, balancer: &LoadBalancer) -> Result<State> {
        let inside = |refs: &[Ref]| refs.iter().any(|reference| reference.id == balancer.id);
        let pools = view.pools.iter().filter(|pool| inside(&pool.loadbalancers)).cloned();
        let pools = try_join_all(pools.map(async |mut pool| {
            let call = Call::get(OPERATION, Service::LoadBalancer, format!("/pools/{}/members", pool.id));
            // A pool that has gone since the listing has no members.
            pool.members = self
                .session
                .list(call, "members", "id")
                .await?
                .into_iter()
                .flatten()
                .collect();
            Ok::<_, mooring_provider::Error>(pool)
        }))
        .await?;
        let identity = balancer.owner().map(|owner| owner.identity);
        let leads_here = |address: &&FloatingIp| {
            identity
                .as_ref()
                .is_some_and(|identity| is_of(&address.meta, identity.as_str()))
                || (address.port_id.is_some() && address.port_id == balancer.vip_port_id)
        };
        Ok(State {
            id: ExternalId::new(&balancer.id),
            listeners: view
                .listeners
                .iter()
                .filter(|listener| inside(&listener.loadbalancers))
                .cloned()
                .collect(),
            pools,
            monitors: view.monitors.clone(),
            addresses: view.addresses.iter().filter(leads_here).cloned().collect(),
            balancer: Some(balancer.clone()),
        })
    }

    /// What there is for a claim. One that is going makes room for one that stays.
    pub(super) async fn sight(&self, view: &View, claim: &Claim) -> Result<Sighting<State>> {
        let identity = claim.owner.identity.as_str();
        let is_ours = |balancer: &&LoadBalancer| {
            balancer
                .owner()
                .is_some_and(|owner| owner.identity.as_str() == identity)
        };
        let found = match &claim.id {
            Some(id) => match view.balancers.iter().find(|balancer| balancer.id == id.as_str()) {
                Some(balancer) => Some(balancer.clone()),
                None => {
                    let call = Call::get(OPERATION, Service::LoadBalancer, format!("/loadbalancers/{id}"));
                    self.session.read(call, "loadbalancer").await?
                }
            },
            None => {
                let ours: Vec<_> = view.balancers.iter().filter(is_ours).collect();
                let staying: Vec<_> = ours
                    .iter()
                    .filter(|one| one.provisioning_status != "PENDING_DELETE")
                    .collect();
                match (staying.as_slice(), ours.as_slice()) {
                    ([one], _) => Some((**one).clone()),
                    ([], [one, ..]) => Some((*one).clone()),
                    ([], []) => None,
                    (several, _) => {
                        let ids = several.iter().map(|balancer| ExternalId::new(&balancer.id));
                        return Ok(Sighting::Several(ids.collect()));
                    }
                }
            }
        };
        match found {
            Some(balancer) => Ok(Sighting::One(self.whole(view, &balancer).await?)),
            None if claim.existing || view.balancers.iter().any(|balancer| is_ours(&balancer)) => Ok(Sighting::Absent),
            None => Ok(view.rest(claim)),
        }
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

    /// Everything of a cluster, the public addresses that are left of a load balancer among it.
    pub(super) async fn listed(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let view = self.view().await?;
        let mut listed = Vec::new();
        for balancer in &view.balancers {
            if let Some(owner) = balancer.owner().filter(|owner| owner.cluster == *cluster) {
                let state = self.whole(&view, balancer).await?;
                listed.push(Owned {
                    phase: state.phase(),
                    id: state.id,
                    owner,
                });
            }
        }
        for address in &view.addresses {
            let Some(owner) = address.meta.owner().filter(|owner| owner.cluster == *cluster) else {
                continue;
            };
            if !listed.iter().any(|other| other.owner.identity == owner.identity) {
                let phase = mooring_provider::Phase::Ready;
                listed.push(Owned {
                    id: ExternalId::new(&address.meta.id),
                    owner,
                    phase,
                });
            }
        }
        Ok(listed)
    }
}
