//! Balancers on a Caddy, through its admin API: one HTTP server for each listener.
//!
//! The servers of a balancer are named `ID-PORT`. A name can be made once (a second PUT is a conflict), which is what
//! a client token is elsewhere, so nothing is found by `@id`. The owner tags are variables of each server's first
//! route; see [`render`]. Every change names the version that it changes, so that of two writers one is refused.
//!
//! Deliberately absent: certificates (they are the operator's, and named by tag) and ports below the HTTP layer.

mod admin;
mod render;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Credentials, Difference, Drift, Error, ErrorKind,
    ExternalId, Kind, Owned, Owner, Phase, Receipt, Result, Sighting,
    spec::{Protocol, Scheme, Slb},
};
use mooring_provider_http::HttpConfig;
use serde_json::Value as Json;

use self::admin::Admin;
use crate::{
    api::Api,
    check::{invalid, is_cidr, no_options, unsupported},
    config::Caddy,
};

/// Balancers on a Caddy.
#[derive(Debug)]
pub(crate) struct SlbAdapter {
    admin: Admin,
    config: Caddy,
}

/// A balancer as Caddy has it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    id: ExternalId,
    owner: Option<Owner>,
    /// By their names.
    servers: BTreeMap<String, Json>,
}

impl State {
    /// The address that it listens on.
    fn address(&self) -> Option<IpAddr> {
        let mut listens = self.servers.values().flat_map(render::listens);
        listens
            .find_map(|listen| listen.parse::<SocketAddr>().ok())
            .map(|address| address.ip())
    }
}

impl SlbAdapter {
    pub(crate) fn new(config: &Caddy, http: &HttpConfig, credentials: &Credentials) -> Result<Self> {
        Ok(Self {
            admin: Admin(Api::new("slb", &config.admin_url, http, credentials)?),
            config: config.clone(),
        })
    }

    fn addresses(&self, scheme: Scheme) -> &[IpAddr] {
        match scheme {
            Scheme::Internal => &self.config.addresses,
            Scheme::Internet => &self.config.public_addresses,
        }
    }

    /// The servers as they should be on an address, by name.
    fn wanted(&self, id: &ExternalId, owner: &Owner, spec: &Slb, address: IpAddr) -> BTreeMap<String, Json> {
        let servers = render::servers(owner, spec, address, &self.config.certificates);
        let named = |(port, server)| (format!("{id}-{port}"), server);
        servers.into_iter().map(named).collect()
    }

    async fn balancers(&self, operation: &'static str) -> Result<BTreeMap<ExternalId, State>> {
        let mut balancers = BTreeMap::<ExternalId, State>::new();
        for (name, server) in self.admin.servers(operation).await? {
            let owner = render::owner(&server);
            let ours = owner.as_ref().and_then(|_| name.rsplit_once('-'));
            let id = ExternalId::new(ours.map_or(name.as_str(), |(id, _)| id));
            let state = balancers.entry(id.clone()).or_insert_with(|| State {
                id,
                owner: owner.clone(),
                servers: BTreeMap::new(),
            });
            if state.owner != owner {
                // Half of it was moved to another owner; the rest follows, and until then it is told by its first.
                tracing::debug!(id = %state.id, name, "the servers of a balancer name two owners");
            }
            state.servers.insert(name, server);
        }
        Ok(balancers)
    }

    /// Makes the servers as they should be, one after the other. What is not wanted goes last: while one is left, the
    /// balancer is found.
    async fn write(
        &self,
        operation: &'static str,
        claim: &Claim,
        state: &State,
        wanted: &BTreeMap<String, Json>,
    ) -> Result<()> {
        for (name, server) in wanted {
            let is = state.servers.get(name);
            if is == Some(server) || (is.is_none() && self.admin.make(operation, name, server).await?) {
                continue;
            }
            let Some((now, version)) = self.admin.server(operation, name).await? else {
                // It went meanwhile, and is made when it is next looked at.
                continue;
            };
            may_change(operation, claim, name, &now)?;
            if now != *server {
                self.admin.replace(operation, name, server, &version).await?;
            }
        }
        for name in state.servers.keys().filter(|name| !wanted.contains_key(*name)) {
            if let Some((now, version)) = self.admin.server(operation, name).await? {
                may_change(operation, claim, name, &now)?;
                self.admin.remove(operation, name, &version).await?;
            }
        }
        Ok(())
    }

    /// The first address on which the ports of every listener are free, or already this balancer's.
    async fn place(&self, id: &ExternalId, spec: &Slb) -> Result<IpAddr> {
        let balancers = self.balancers("slb.create").await?;
        let mut in_the_way = String::from("spec.onprem.slb names no address for this scheme");
        for address in self.addresses(spec.scheme) {
            let taken = balancers.values().filter(|state| state.id != *id).find_map(|state| {
                let listens: Vec<_> = state.servers.values().flat_map(render::listens).collect();
                let takes = |port: u16| listens.iter().any(|listen| render::overlaps(listen, *address, port));
                let port = spec
                    .listeners
                    .iter()
                    .map(|listener| listener.port)
                    .find(|port| takes(*port))?;
                Some((port, state))
            });
            let Some((port, state)) = taken else {
                return Ok(*address);
            };
            let whose = whose(state.owner.as_ref());
            in_the_way = format!(
                "listeners.port: `{port}` is taken on every address of spec.onprem.slb, on {address} by Caddy's server \
                 `{}` of {whose}; choose another port or name another address",
                state.id
            );
        }
        Err(Error::new(ErrorKind::NotOwned, "slb.create", in_the_way))
    }
}

fn whose(owner: Option<&Owner>) -> String {
    owner.map_or("nobody of ours".into(), |owner| owner.key.to_string())
}

/// Only what carries this claim's identity, or what it was allowed to take, is changed.
fn may_change(operation: &'static str, claim: &Claim, name: &str, server: &Json) -> Result<()> {
    match render::owner(server) {
        Some(owner) if owner.identity == claim.owner.identity && (owner == claim.owner || claim.may_adopt) => Ok(()),
        owner => {
            let whose = whose(owner.as_ref());
            let message = format!("Caddy's server `{name}` belongs to {whose}; it is left alone");
            Err(Error::new(ErrorKind::NotOwned, operation, message))
        }
    }
}

#[async_trait]
impl Adapter for SlbAdapter {
    type Spec = Slb;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Slb
    }

    fn capability(&self) -> Capability {
        Capability {
            poll: Duration::from_secs(60),
            poll_busy: Duration::from_secs(1),
            batch: 200,
            idempotent_create: true,
            send_deadline: Duration::from_secs(30),
            appears_within: Duration::from_secs(1),
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &Slb) -> Result<()> {
        const OPERATION: &str = "slb.validate";
        no_options(OPERATION, &spec.common)?;
        if self.addresses(spec.scheme).is_empty() {
            let why = "`internet` needs a public address of Caddy's host; name it in spec.onprem.slb.publicAddresses";
            return Err(unsupported(OPERATION, "scheme", why));
        }
        let Some(backends) = &spec.backends else {
            let why =
                "a Caddy has to be told where requests go; set the Environment's network.backends to `pods` or `nodes`";
            return Err(unsupported(OPERATION, "network.backends", why));
        };
        if let Some(backend) = backends
            .iter()
            .find(|backend| backend.address.parse::<IpAddr>().is_err())
        {
            let fix = "is no address; give the address of a pod or a node";
            return Err(invalid(OPERATION, "backends.address", &backend.address, fix));
        }
        if let Some(range) = spec.allow_from.iter().find(|range| !is_cidr(range)) {
            return Err(invalid(
                OPERATION,
                "allowFrom",
                range,
                "is no range; write it as 10.0.0.0/8",
            ));
        }
        if spec.listeners.is_empty() {
            return Err(invalid(
                OPERATION,
                "listeners",
                "[]",
                "is empty; name at least one port",
            ));
        }
        let mut ports = BTreeSet::new();
        for listener in &spec.listeners {
            for (field, port) in [
                ("listeners.port", listener.port),
                ("listeners.targetPort", listener.target_port),
            ] {
                if port == 0 {
                    return Err(invalid(OPERATION, field, port, "is no port; use 1 to 65535"));
                }
            }
            if !ports.insert(listener.port) {
                return Err(invalid(
                    OPERATION,
                    "listeners.port",
                    listener.port,
                    "is listened on twice; remove one",
                ));
            }
            if let Some(path) = listener
                .health_check_path
                .as_ref()
                .filter(|path| !path.starts_with('/'))
            {
                return Err(invalid(
                    OPERATION,
                    "listeners.healthCheck.path",
                    path,
                    "is no path; begin it with /",
                ));
            }
            let certificate = listener.certificate.as_ref();
            match (listener.protocol, certificate) {
                (Protocol::Tcp | Protocol::Udp, _) => {
                    let why = format!(
                        "`{}` cannot be balanced by a Caddy; use http or https, or let another provider of the \
                         Environment (`providers.slb`, such as an OpenStack) or a Service of type LoadBalancer serve it",
                        listener.protocol.as_str()
                    );
                    return Err(unsupported(OPERATION, "listeners.protocol", &why));
                }
                (Protocol::Http, Some(name)) => {
                    let fix = "is for https; use that protocol or leave the certificate out";
                    return Err(invalid(OPERATION, "listeners.certificate", name, fix));
                }
                (Protocol::Https, None) => {
                    return Err(invalid(
                        OPERATION,
                        "listeners.certificate",
                        "",
                        "is empty; https needs one",
                    ));
                }
                (Protocol::Https, Some(name)) if !self.config.certificates.contains_key(name) => {
                    let why = format!("`{name}` is not known here; name it in spec.onprem.slb.certificates");
                    return Err(unsupported(OPERATION, "listeners.certificate", &why));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn notes(&self, _: &Slb) -> Vec<String> {
        vec![
            "the load balancer is a server of one Caddy: it is as available as its host".into(),
            "a Caddy that is not started with --resume forgets it when it restarts; it is then made anew when it is \
             next looked at, under the same address"
                .into(),
        ]
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        if claims.is_empty() {
            return Vec::new();
        }
        let balancers = match self.balancers("slb.observe").await {
            Ok(balancers) => balancers,
            Err(error) => return crate::check::for_each(claims, &error),
        };
        let look = |claim: &Claim| {
            if let Some(id) = &claim.id {
                return balancers.get(id).cloned().map_or(Sighting::Absent, Sighting::One);
            }
            let ours = |state: &&State| {
                state
                    .owner
                    .as_ref()
                    .is_some_and(|owner| owner.identity == claim.owner.identity)
            };
            crate::check::sighting(balancers.values().filter(ours), |state| state.id.clone())
        };
        claims.iter().map(|claim| Ok(look(claim))).collect()
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.owner.clone()
    }

    fn phase(&self, _: &State) -> Phase {
        Phase::Ready
    }

    fn drift(&self, spec: &Slb, state: &State) -> Drift {
        let mut drift = Drift::none();
        let Some(owner) = &state.owner else {
            return drift;
        };
        let Some(address) = state.address() else {
            return drift;
        };
        if !self.addresses(spec.scheme).contains(&address) {
            let observed = if spec.scheme == Scheme::Internal {
                Scheme::Internet
            } else {
                Scheme::Internal
            };
            drift.compare("scheme", Change::Immutable, &spec.scheme, &observed);
        }
        let wanted = self.wanted(&state.id, owner, spec, address);
        for (field, path) in [("backends", "/handle/0/upstreams"), ("allowFrom", "/match")] {
            let of = |servers: &BTreeMap<String, Json>| -> Vec<_> {
                let part = |server: &Json| server.pointer(&format!("/routes/1{path}")).cloned();
                servers
                    .iter()
                    .filter(|(name, _)| wanted.contains_key(*name))
                    .map(|(_, server)| part(server))
                    .collect()
            };
            drift.compare(field, Change::Enforced, &of(&wanted), &of(&state.servers));
        }
        if drift.0.iter().all(|difference| difference.change == Change::Immutable) && wanted != state.servers {
            let names = |servers: &BTreeMap<String, Json>| servers.keys().cloned().collect::<Vec<_>>().join(", ");
            drift.0.push(Difference {
                field: "listeners",
                desired: names(&wanted),
                observed: format!("{}, with other settings", names(&state.servers)),
                change: Change::Enforced,
            });
        }
        drift
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        let first = state.servers.values().min_by_key(|server| render::position(server));
        let Some((server, listen)) = first.and_then(|server| Some((server, render::listens(server).next()?))) else {
            return Bindings::new();
        };
        let scheme = if render::is_https(server) { "https" } else { "http" };
        let Ok(address) = listen.parse::<SocketAddr>() else {
            return Bindings::new();
        };
        Bindings::from([
            ("host".into(), address.ip().to_string().into()),
            ("port".into(), address.port().to_string().into()),
            ("uri".into(), format!("{scheme}://{address}").into()),
        ])
    }

    async fn create(&self, claim: &Claim, spec: &Slb) -> Result<Created> {
        let id = ExternalId::new(crate::check::unique_name(claim));
        let address = self.place(&id, spec).await?;
        let nothing = State {
            id: id.clone(),
            owner: None,
            servers: BTreeMap::new(),
        };
        let wanted = self.wanted(&id, &claim.owner, spec, address);
        self.write("slb.create", claim, &nothing, &wanted).await?;
        Ok(Created { id, request_id: None })
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &Slb, _: &Drift) -> Result<Receipt> {
        let Some(address) = state.address() else {
            let message = format!("{} listens on no address that can be read", state.id);
            return Err(Error::new(ErrorKind::Unexpected, "slb.update", message));
        };
        let wanted = self.wanted(&state.id, &claim.owner, spec, address);
        self.write("slb.update", claim, state, &wanted).await?;
        Ok(Receipt::default())
    }

    async fn delete(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        self.write("slb.delete", claim, state, &BTreeMap::new()).await?;
        Ok(Receipt::default())
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let moved = state.servers.iter().map(|(name, server)| {
            let mut server = server.clone();
            if let Some(variables) = server.pointer_mut("/routes/0/handle/0") {
                for (tag, value) in claim.owner.tags() {
                    variables[tag] = value.into();
                }
            }
            (name.clone(), server)
        });
        self.write("slb.adopt", claim, state, &moved.collect()).await?;
        Ok(Receipt::default())
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let balancers = self.balancers("slb.inventory").await?;
        let owned = balancers.into_values().filter_map(|state| {
            let owner = state.owner.filter(|owner| owner.cluster == *cluster)?;
            Some(Owned {
                id: state.id,
                owner,
                phase: Phase::Ready,
            })
        });
        Ok(owned.collect())
    }
}
