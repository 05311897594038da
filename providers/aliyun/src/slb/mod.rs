//! Balancers: the network load balancer (NLB) for tcp and udp, the classic one (CLB, paid by consumption) for http
//! and https, and for everything on Apsara Stack.
//!
//! Where the cluster's cloud controller manages the listeners (`backends: service`), a balancer is made bare and its
//! listeners are left alone. Else its listeners, server groups, backends and access list are all of this resource,
//! and [`plan`] says the next step. Backends are addresses: an NLB takes them as they are, a CLB is told the server or
//! the network interface that has one. A balancer reaches only what is in its own VPC, which is checked before it is
//! made.
//!
//! Not here: the application load balancer (ALB), rules by host and path, the upload of certificates, and moving a
//! balancer to other zones.

mod clb;
mod clb_act;
mod nlb;
mod nlb_act;
mod observe;
mod plan;
mod reach;
mod state;
#[cfg(test)]
mod tests;
mod validate;

use std::time::Duration;

use async_trait::async_trait;
use mooring_provider::{
    Adapter, Bindings, Capability, Claim, ClusterId, Created, Drift, Error, ErrorKind, ExternalId, Owned, Owner, Phase,
    Receipt, Result, Sighting, spec, tag,
};

use state::{Kind, State};
pub use validate::SlbConfig;

use crate::{
    actions::{Need, Used},
    api::Api,
    marks::{self, Tags},
    place,
    product::Product,
};

/// What this kind calls.
pub(crate) const ACTIONS: &[Used] = &[
    (Product::Nlb, "AddServersToServerGroup", Need::Create),
    (Product::Nlb, "CreateListener", Need::Create),
    (Product::Nlb, "CreateLoadBalancer", Need::Create),
    (Product::Nlb, "CreateServerGroup", Need::Create),
    (Product::Nlb, "DeleteListener", Need::Both),
    (Product::Nlb, "DeleteLoadBalancer", Need::Destroy),
    (Product::Nlb, "DeleteServerGroup", Need::Both),
    (Product::Nlb, "ListListeners", Need::Read),
    (Product::Nlb, "ListLoadBalancers", Need::Read),
    (Product::Nlb, "ListServerGroupServers", Need::Read),
    (Product::Nlb, "ListServerGroups", Need::Read),
    (Product::Nlb, "RemoveServersFromServerGroup", Need::Both),
    (Product::Nlb, "StartListener", Need::Create),
    (Product::Nlb, "TagResources", Need::Create),
    (Product::Nlb, "UntagResources", Need::Both),
    (Product::Nlb, "UpdateLoadBalancerProtection", Need::Destroy),
    (Product::Slb, "AddAccessControlListEntry", Need::Create),
    (Product::Slb, "AddVServerGroupBackendServers", Need::Create),
    (Product::Slb, "CreateAccessControlList", Need::Create),
    (Product::Slb, "CreateLoadBalancer", Need::Create),
    (Product::Slb, "CreateLoadBalancerHTTPListener", Need::Create),
    (Product::Slb, "CreateLoadBalancerHTTPSListener", Need::Create),
    (Product::Slb, "CreateLoadBalancerTCPListener", Need::Create),
    (Product::Slb, "CreateLoadBalancerUDPListener", Need::Create),
    (Product::Slb, "CreateVServerGroup", Need::Create),
    (Product::Slb, "DeleteAccessControlList", Need::Both),
    (Product::Slb, "DeleteLoadBalancer", Need::Destroy),
    (Product::Slb, "DeleteLoadBalancerListener", Need::Both),
    (Product::Slb, "DeleteVServerGroup", Need::Both),
    (Product::Slb, "DescribeAccessControlListAttribute", Need::Read),
    (Product::Slb, "DescribeAccessControlLists", Need::Read),
    (Product::Slb, "DescribeLoadBalancerListeners", Need::Read),
    (Product::Slb, "DescribeLoadBalancers", Need::Read),
    (Product::Slb, "DescribeVServerGroupAttribute", Need::Read),
    (Product::Slb, "DescribeVServerGroups", Need::Read),
    (Product::Slb, "RemoveAccessControlListEntry", Need::Both),
    (Product::Slb, "RemoveVServerGroupBackendServers", Need::Both),
    (Product::Slb, "SetLoadBalancerDeleteProtection", Need::Destroy),
    (Product::Slb, "SetLoadBalancerHTTPListenerAttribute", Need::Create),
    (Product::Slb, "SetLoadBalancerHTTPSListenerAttribute", Need::Create),
    (Product::Slb, "SetLoadBalancerTCPListenerAttribute", Need::Create),
    (Product::Slb, "SetLoadBalancerUDPListenerAttribute", Need::Create),
    (Product::Slb, "StartLoadBalancerListener", Need::Create),
    (Product::Slb, "TagResources", Need::Create),
    (Product::Slb, "UntagResources", Need::Both),
    (Product::Ecs, "DescribeNetworkInterfaces", Need::Read),
    (Product::Vpc, "DescribeVSwitches", Need::Read),
    (Product::Vpc, "DescribeVpcs", Need::Read),
];

/// The balancers of an account.
#[derive(Debug, Clone)]
pub(crate) struct Slb {
    api: Api,
    config: SlbConfig,
}

impl Slb {
    pub(crate) fn new(api: Api, config: SlbConfig) -> Self {
        Self { api, config }
    }

    async fn tag(&self, operation: &'static str, state: &State, tags: &Tags) -> Result<Receipt> {
        match state.kind {
            Kind::Nlb => nlb_act::tag(&self.api, operation, "loadbalancer", &[state.id.to_string()], tags).await,
            Kind::Clb => clb_act::tag(&self.api, operation, &state.id, tags).await,
        }
    }

    async fn untag(&self, operation: &'static str, state: &State, names: &[String]) -> Result<Receipt> {
        match state.kind {
            Kind::Nlb => nlb_act::untag(&self.api, operation, "loadbalancer", &[state.id.to_string()], names).await,
            Kind::Clb => clb_act::untag(&self.api, operation, &state.id, names).await,
        }
    }

    async fn remove(&self, state: &State) -> Result<Receipt> {
        match state.kind {
            // What is left of a balancer may be of either product.
            Kind::Nlb if state.balancer.is_some() || !state.groups.is_empty() => {
                nlb_act::delete(&self.api, state).await
            }
            Kind::Nlb | Kind::Clb => clb_act::delete(&self.api, state).await,
        }
    }
}

#[async_trait]
impl Adapter for Slb {
    type Spec = spec::Slb;
    type State = State;

    fn kind(&self) -> mooring_provider::Kind {
        mooring_provider::Kind::Slb
    }

    fn capability(&self) -> Capability {
        Capability {
            poll_busy: Duration::from_secs(5),
            batch: 20,
            idempotent_create: true,
            parks: true,
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &spec::Slb) -> Result<()> {
        validate::check(self.api.flavour(), spec).map(drop)
    }

    fn notes(&self, spec: &spec::Slb) -> Vec<String> {
        validate::notes(self.api.flavour(), spec)
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        observe::observe(&self.api, claims).await
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        marks::owner(&state.tags)
    }

    fn phase(&self, state: &State) -> Phase {
        state.phase()
    }

    fn drift(&self, spec: &spec::Slb, state: &State) -> Drift {
        state.drift(spec)
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        state.bindings()
    }

    async fn create(&self, claim: &Claim, spec: &spec::Slb) -> Result<Created> {
        let kind = validate::check(self.api.flavour(), spec)?;
        let place = place::find(&self.api, "slb.create", &spec.network).await?;
        reach::check(&self.api, kind, spec, &place.vpc).await?;
        match kind {
            Kind::Nlb => nlb_act::create(&self.api, claim, spec, &place).await,
            Kind::Clb => clb_act::create(&self.api, &self.config, claim, spec, &place).await,
        }
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &spec::Slb, drift: &Drift) -> Result<Receipt> {
        let kind = validate::check(self.api.flavour(), spec)?;
        let first = drift.0.first().map(|difference| difference.field);
        if first == Some("leftovers") {
            return self.remove(state).await;
        }
        if kind != state.kind {
            let message = "listeners: tcp and udp are served by another product than http and https, so the balancer \
                           cannot change from one to the other; declare another slb trait, and remove this one";
            return Err(Error::new(ErrorKind::InvalidSpec, "slb.update", message));
        }
        if first == Some("tags") {
            let (set, remove) = marks::difference(&spec.common, &state.tags);
            return if set.is_empty() {
                self.untag("slb.update", state, &remove).await
            } else {
                self.tag("slb.update", state, &set).await
            };
        }
        match (plan::next(spec, state), state.kind) {
            (None, _) => Ok(Receipt::default()),
            (Some(step), Kind::Nlb) => nlb_act::step(&self.api, claim, state, spec, step).await,
            (Some(step), Kind::Clb) => clb_act::step(&self.api, claim, state, spec, step).await,
        }
    }

    async fn delete(&self, _: &Claim, state: &State) -> Result<Receipt> {
        self.remove(state).await
    }

    /// It keeps its address and loses its listeners.
    async fn park(&self, _: &Claim, state: &State, until: &str, _: bool) -> Result<Receipt> {
        if let Some(listener) = state.listeners.iter().find(|listener| !listener.is_going()) {
            return match state.kind {
                Kind::Nlb => nlb_act::drop_listener(&self.api, "slb.park", &listener.id).await,
                Kind::Clb => clb_act::silence(&self.api, "slb.park", state)
                    .await
                    .map(Option::unwrap_or_default),
            };
        }
        let note = Tags::from([(tag::PARKED_UNTIL.to_owned(), until.to_owned())]);
        self.tag("slb.park", state, &note).await
    }

    async fn unpark(&self, _: &Claim, state: &State) -> Result<Receipt> {
        self.untag("slb.unpark", state, &[tag::PARKED_UNTIL.to_owned()]).await
    }

    /// Its parts move first: a balancer that has moved is known by its own tags.
    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        const OPERATION: &str = "slb.adopt";
        let tags = marks::of_owner(&claim.owner);
        let groups: Vec<_> = state.groups.iter().map(|group| group.id.clone()).collect();
        if state.kind == Kind::Nlb && !groups.is_empty() {
            nlb_act::tag(&self.api, OPERATION, "servergroup", &groups, &tags).await?;
        }
        let stale = marks::stale(&state.tags, &tags);
        if !stale.is_empty() {
            self.untag(OPERATION, state, &stale).await?;
        }
        self.tag(OPERATION, state, &tags).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        observe::inventory(&self.api, cluster).await
    }
}
