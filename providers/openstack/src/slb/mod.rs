//! Load balancers: one of Octavia with a listener, a pool and a health monitor for each declared port.

mod change;
mod look;
mod state;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use async_trait::async_trait;
use mooring_provider::{
    Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Drift, ExternalId, Kind, Owned, Owner, Phase,
    Receipt, Result, Sighting,
    spec::{Listener, Protocol, Scheme, Slb},
};
use serde::Deserialize;

use crate::{
    label,
    neutron::no_external_network,
    session::{Session, again},
    validate::Check,
};
pub(crate) use state::State;

/// The load balancers of a project.
#[derive(Debug)]
pub(crate) struct LoadBalancerAdapter {
    session: Arc<Session>,
}

/// `options.openstack` of a load balancer.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// The address it shall have in its subnet.
    address: Option<String>,
}

impl LoadBalancerAdapter {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session }
    }
}

#[async_trait]
impl Adapter for LoadBalancerAdapter {
    type Spec = Slb;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Slb
    }

    fn capability(&self) -> Capability {
        Capability {
            parks: true,
            ..self.session.capability()
        }
    }

    fn validate(&self, spec: &Slb) -> Result<()> {
        let check = Check(Kind::Slb);
        let options: Options = check.options(&spec.common)?;
        check.tags(&spec.common)?;
        if let Some(address) = &options.address {
            check.require(
                address.parse::<IpAddr>().is_ok(),
                "options.openstack.address",
                address,
                "is no address",
            )?;
        }
        check.require(
            !spec.listeners.is_empty(),
            "listeners",
            "[]",
            "is empty; name at least one port",
        )?;
        let mut ports = BTreeSet::new();
        for listener in &spec.listeners {
            check_listener(&check, listener)?;
            let key = (listener.port, listener.protocol == Protocol::Udp);
            check.require(
                ports.insert(key),
                "listeners.port",
                listener.port,
                "is listened on twice; remove one",
            )?;
        }
        check.ranges("allowFrom", &spec.allow_from)?;
        for backend in spec.backends.iter().flatten() {
            check.require(
                backend.address.parse::<IpAddr>().is_ok(),
                "backends.address",
                &backend.address,
                "is no address; give the address of a pod or a node",
            )?;
        }
        check.require(
            !spec.network.subnets.is_empty(),
            "network.subnets",
            "[]",
            "is empty; a load balancer of OpenStack has its address in the first subnet of the Environment's network",
        )?;
        match (spec.scheme, &self.session.config.external_network) {
            (Scheme::Internet, None) => Err(no_external_network("validate")),
            _ => Ok(()),
        }
    }

    fn notes(&self, spec: &Slb) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(group) = &spec.network.security_group {
            notes.push(format!(
                "network.securityGroup: Octavia opens the ports of its listeners by itself, `{group}` is not put on \
                 the address; allowFrom says who may connect"
            ));
        }
        if spec.network.subnets.len() > 1 {
            notes.push("network.subnets: the address is in the first of them".into());
        }
        notes
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        if claims.is_empty() {
            return Vec::new();
        }
        match self.view().await {
            Ok(view) => futures::future::join_all(claims.iter().map(|claim| self.sight(&view, claim))).await,
            Err(error) => claims.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.owner()
    }

    fn phase(&self, state: &State) -> Phase {
        state.phase()
    }

    fn drift(&self, spec: &Slb, state: &State) -> Drift {
        let mut drift = Drift::none();
        let Some(balancer) = &state.balancer else {
            drift.compare(
                "loadBalancer",
                Change::Enforced,
                &"a load balancer",
                &"the address of one that is gone",
            );
            return drift;
        };
        let subnet = spec.network.subnets.first().map(|subnet| subnet.id.as_str());
        drift.compare(
            "network",
            Change::Immutable,
            &subnet,
            &balancer.vip_subnet_id.as_deref(),
        );
        let public = match state.public() {
            Some(_) => Scheme::Internet,
            None => Scheme::Internal,
        };
        drift.compare("scheme", Change::Enforced, &spec.scheme, &public);
        drift.compare(
            "listeners",
            Change::Enforced,
            &state::wanted_doors(spec),
            &state.doors(),
        );
        // A pool without a listener is what is left of a change.
        let pools: BTreeSet<_> = state.pools.iter().map(|pool| pool.name.clone()).collect();
        let wanted: BTreeSet<_> = state::wanted_doors(spec).into_keys().collect();
        if pools != wanted || pools.len() != state.pools.len() {
            drift.compare(
                "listeners",
                Change::Enforced,
                &wanted,
                &state.pools.iter().map(|pool| pool.name.clone()).collect(),
            );
        }
        if drift.is_empty() {
            drift.compare(
                "allowFrom",
                Change::Enforced,
                &state::wanted_allowed(spec),
                &state.allowed(),
            );
        }
        if spec.backends.is_some() {
            let wanted: BTreeMap<_, _> = spec
                .listeners
                .iter()
                .map(|listener| {
                    (
                        state::name(listener.protocol, listener.port),
                        state::wanted_members(spec, listener),
                    )
                })
                .collect();
            drift.compare("backends", Change::Enforced, &wanted, &state.members());
        }
        drift.compare("enabled", Change::Enforced, &true, &balancer.admin_state_up);
        drift.compare(
            "tags",
            Change::Enforced,
            &spec.common.tags,
            &label::others(&balancer.tags),
        );
        drift
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        let (Some(balancer), Phase::Ready) = (&state.balancer, state.phase()) else {
            return Bindings::new();
        };
        let public = state.public().map(|address| address.floating_ip_address.clone());
        let first = state.listeners.iter().min_by_key(|listener| listener.protocol_port);
        let (Some(host), Some(first)) = (public.or_else(|| balancer.vip_address.clone()), first) else {
            return Bindings::new();
        };
        let scheme = match first.protocol.as_str() {
            "TERMINATED_HTTPS" => "https".to_owned(),
            other => other.to_ascii_lowercase(),
        };
        let shown = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        Bindings::from([
            (
                "uri".into(),
                format!("{scheme}://{shown}:{}", first.protocol_port).into(),
            ),
            ("host".into(), host.into()),
            ("port".into(), first.protocol_port.to_string().into()),
        ])
    }

    async fn create(&self, claim: &Claim, spec: &Slb) -> Result<Created> {
        self.validate(spec)?;
        let options = Check(Kind::Slb).options(&spec.common)?;
        let (id, receipt) = self.begin(claim, spec, options).await?;
        Ok(Created {
            id,
            request_id: receipt.request_id,
        })
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &Slb, drift: &Drift) -> Result<Receipt> {
        self.validate(spec)?;
        match drift.0.first() {
            Some(difference) => self.close(claim, state, spec, difference.field).await,
            None => Ok(Receipt::default()),
        }
    }

    async fn delete(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        self.end(claim, state).await
    }

    async fn park(&self, claim: &Claim, state: &State, until: &str, _backup: bool) -> Result<Receipt> {
        match self.anew(claim, &state.id).await? {
            Some(now) if !matches!(now.phase(), Phase::Parked(_)) => self.switch(&now, Some(until)).await,
            _ => Ok(Receipt::default()),
        }
    }

    async fn unpark(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        match self.anew(claim, &state.id).await? {
            Some(now) => self.switch(&now, None).await,
            None => Ok(Receipt::default()),
        }
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        self.give(claim, state).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        self.listed(cluster).await
    }
}

fn check_listener(check: &Check, listener: &Listener) -> Result<()> {
    let Listener {
        port,
        protocol,
        target_port,
        certificate,
        health_check_path,
    } = listener;
    check.require(*port > 0, "listeners.port", port, "is no port; use 1 to 65535")?;
    check.require(
        *target_port > 0,
        "listeners.targetPort",
        target_port,
        "is no port; use 1 to 65535",
    )?;
    let certificate = certificate.as_deref().unwrap_or_default();
    match protocol {
        Protocol::Https => check.can(
            !certificate.is_empty(),
            "listeners.certificate",
            certificate,
            "is no certificate: Octavia ends TLS only with one that is kept in Barbican; give the reference of its \
             container, https://.../v1/containers/ID, or use tcp",
        )?,
        _ => check.require(
            certificate.is_empty(),
            "listeners.certificate",
            certificate,
            "is for https; use that protocol or leave the certificate out",
        )?,
    }
    let Some(path) = health_check_path else {
        return Ok(());
    };
    let field = "listeners.healthCheck.path";
    let web = matches!(protocol, Protocol::Http | Protocol::Https);
    check.require(web, field, path, "is for http and https; leave it out")?;
    check.require(path.starts_with('/'), field, path, "is no path; begin it with /")
}
