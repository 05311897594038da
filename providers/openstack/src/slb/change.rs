//! Making load balancers and their parts, and taking them away. Octavia takes one change of a load balancer at a time.

use std::collections::BTreeSet;

use mooring_provider::{
    Claim, Error, ErrorKind, ExternalId, Receipt, Result,
    spec::{self, Protocol, Scheme, Slb},
    tag,
};
use serde_json::{Value as Json, json};

use super::{
    LoadBalancerAdapter, Options,
    state::{LoadBalancer, Member, State, check, name, protocols, wanted_doors, wanted_members},
};
use crate::{
    config::Service,
    label,
    neutron::{FLOATING, FloatingIp},
    session::{Call, one, receipt},
};

const CREATE: &str = "slb.create";
const UPDATE: &str = "slb.update";
const DELETE: &str = "slb.delete";

impl LoadBalancerAdapter {
    /// Sends all of it in one call, so that a load balancer is never seen without its listeners.
    pub(super) async fn begin(&self, claim: &Claim, spec: &Slb, options: Options) -> Result<(ExternalId, Receipt)> {
        let mut by_owner = claim.clone();
        by_owner.id = None;
        if let mooring_provider::Sighting::One(State {
            balancer: Some(balancer),
            ..
        }) = self.sight(&self.view().await?, &by_owner).await?
            && balancer.provisioning_status != "PENDING_DELETE"
        {
            return Ok((ExternalId::new(balancer.id), Receipt::default()));
        }
        let settings = &self.session.config.load_balancers;
        let mut body = json!({
            "name": claim.name,
            "description": label::describe(&claim.owner, &[])?,
            "tags": label::tags(&claim.owner, &spec.common.tags),
            "vip_subnet_id": spec.network.subnets.first().map(|subnet| &subnet.id),
            "admin_state_up": true,
            "listeners": spec.listeners.iter().map(|listener| {
                let mut pool = pool_body(listener);
                pool["healthmonitor"] = self.monitor_body(listener);
                pool["members"] = json!(wanted_members(spec, listener));
                let mut door = listener_body(listener, spec);
                door["default_pool"] = pool;
                door
            }).collect::<Vec<_>>(),
        });
        for (field, value) in [
            ("vip_address", &options.address),
            ("provider", &settings.provider),
            ("flavor_id", &settings.flavor),
        ] {
            if let Some(value) = value {
                body[field] = json!(value);
            }
        }
        let call = Call::post(
            CREATE,
            Service::LoadBalancer,
            "/loadbalancers",
            json!({ "loadbalancer": body }),
        );
        let answer = self.session.make(call).await?;
        let made: LoadBalancer = one(&answer, CREATE, "loadbalancer")?;
        Ok((ExternalId::new(made.id), receipt(&answer)))
    }

    fn monitor_body(&self, listener: &spec::Listener) -> Json {
        let interval = self
            .session
            .config
            .load_balancers
            .health_check_interval
            .get()
            .as_secs()
            .max(1);
        let (kind, path) = check(listener);
        let mut body = json!({
            "type": kind, "delay": interval, "timeout": interval, "max_retries": 2, "max_retries_down": 3,
        });
        if let Some(path) = path {
            body["url_path"] = json!(path);
            body["http_method"] = json!("GET");
            // Who redirects is well.
            body["expected_codes"] = json!("200-399");
        }
        body
    }

    /// Closes one difference, as it is now, by one change.
    pub(super) async fn close(&self, claim: &Claim, state: &State, spec: &Slb, field: &str) -> Result<Receipt> {
        let Some(now) = self.anew(claim, &state.id).await? else {
            return Ok(Receipt::default());
        };
        let Some(balancer) = &now.balancer else {
            return self.release(DELETE, now.addresses.iter()).await;
        };
        match field {
            "scheme" => self.close_scheme(claim, &now, balancer, spec).await,
            "listeners" => self.close_listeners(&now, spec).await,
            "allowFrom" => self.close_allowed(&now, spec).await,
            "backends" => self.close_backends(&now, spec).await,
            "enabled" => self.edit(&balancer.id, json!({"admin_state_up": true})).await,
            "tags" => {
                let tags = label::tags(&claim.owner, &spec.common.tags);
                self.edit(&balancer.id, json!({ "tags": tags })).await
            }
            _ => Ok(Receipt::default()),
        }
    }

    async fn edit(&self, id: &str, change: Json) -> Result<Receipt> {
        self.put(format!("/loadbalancers/{id}"), json!({ "loadbalancer": change }))
            .await
    }

    async fn put(&self, path: String, body: Json) -> Result<Receipt> {
        let answer = self
            .session
            .change(Call::put(UPDATE, Service::LoadBalancer, path, body))
            .await?;
        Ok(receipt(&answer))
    }

    async fn post(&self, path: &str, body: Json) -> Result<Receipt> {
        let answer = self
            .session
            .change(Call::post(UPDATE, Service::LoadBalancer, path, body))
            .await?;
        Ok(receipt(&answer))
    }

    async fn remove(&self, path: String) -> Result<Receipt> {
        self.session
            .remove(Call::delete(UPDATE, Service::LoadBalancer, path))
            .await
    }

    async fn close_scheme(&self, claim: &Claim, now: &State, balancer: &LoadBalancer, spec: &Slb) -> Result<Receipt> {
        if spec.scheme == Scheme::Internal {
            return self.release(UPDATE, now.addresses.iter()).await;
        }
        if now.public().is_some() {
            return Ok(Receipt::default());
        }
        if let Some(unused) = now.addresses.iter().find(|address| address.port_id.is_none()) {
            let path = format!("{}/{}", FLOATING.path, unused.meta.id);
            let body = json!({"floatingip": {"port_id": balancer.vip_port_id}});
            let answer = self
                .session
                .change(Call::put(UPDATE, Service::Network, path, body))
                .await?;
            return Ok(receipt(&answer));
        }
        let network = self.session.external_network(UPDATE).await?;
        let body = json!({"floating_network_id": network, "port_id": balancer.vip_port_id});
        let made = self
            .session
            .add::<FloatingIp>(UPDATE, FLOATING, &claim.owner, &spec.common.tags, body)
            .await;
        made.map(|_| Receipt::default()).map_err(|error| match error.kind() {
            ErrorKind::InvalidSpec => Error::new(
                ErrorKind::InvalidSpec,
                UPDATE,
                format!(
                    "no public address can lead to it ({}); its subnet needs a router to {network}",
                    error.message()
                ),
            ),
            _ => error,
        })
    }

    /// Gives public addresses of ours back. One that somebody else attached stays.
    async fn release(&self, operation: &'static str, addresses: impl Iterator<Item = &FloatingIp>) -> Result<Receipt> {
        let mut last = Receipt::default();
        for address in addresses.filter(|address| address.meta.owner().is_some()) {
            last = self.session.drop_part(operation, FLOATING, &address.meta.id).await?;
        }
        Ok(last)
    }

    async fn close_listeners(&self, now: &State, spec: &Slb) -> Result<Receipt> {
        let wanted = wanted_doors(spec);
        if let Some(listener) = now
            .listeners
            .iter()
            .find(|listener| !wanted.contains_key(&State::name_of(listener)))
        {
            return self.remove(format!("/listeners/{}", listener.id)).await;
        }
        let mut seen = BTreeSet::new();
        let is_spare = |name: &String| !wanted.contains_key(name) || !seen.insert(name.clone());
        let mut is_spare = is_spare;
        if let Some(pool) = now.pools.iter().find(|pool| is_spare(&pool.name)) {
            return self.remove(format!("/pools/{}", pool.id)).await;
        }
        for listener in &spec.listeners {
            let name = name(listener.protocol, listener.port);
            let Some(pool) = now.pools.iter().find(|pool| pool.name == name) else {
                let mut body = pool_body(listener);
                body["loadbalancer_id"] = json!(now.id);
                return self.post("/pools", json!({ "pool": body })).await;
            };
            let (kind, path) = check(listener);
            match pool.healthmonitor_id.as_ref().and_then(|id| now.monitors.get(id)) {
                None => {
                    let mut body = self.monitor_body(listener);
                    body["pool_id"] = json!(pool.id);
                    return self.post("/healthmonitors", json!({ "healthmonitor": body })).await;
                }
                Some(monitor) if monitor.kind != kind => {
                    return self.remove(format!("/healthmonitors/{}", monitor.id)).await;
                }
                Some(monitor) if kind == "HTTP" && monitor.url_path.as_deref() != path => {
                    let body = json!({"healthmonitor": {"url_path": path}});
                    return self.put(format!("/healthmonitors/{}", monitor.id), body).await;
                }
                Some(_) => {}
            }
            let Some(there) = now.listeners.iter().find(|there| State::name_of(there) == name) else {
                let mut body = listener_body(listener, spec);
                body["loadbalancer_id"] = json!(now.id);
                body["default_pool_id"] = json!(pool.id);
                return self.post("/listeners", json!({ "listener": body })).await;
            };
            let same = there.default_pool_id.as_ref() == Some(&pool.id);
            if !same
                || there.default_tls_container_ref.as_deref().filter(|id| !id.is_empty())
                    != listener.certificate.as_deref()
            {
                let body = json!({"default_pool_id": pool.id, "default_tls_container_ref": listener.certificate});
                return self
                    .put(format!("/listeners/{}", there.id), json!({ "listener": body }))
                    .await;
            }
        }
        Ok(Receipt::default())
    }

    async fn close_allowed(&self, now: &State, spec: &Slb) -> Result<Receipt> {
        let wanted: BTreeSet<_> = spec.allow_from.iter().collect();
        for listener in &now.listeners {
            if listener.allowed_cidrs.iter().flatten().collect::<BTreeSet<_>>() != wanted {
                let body = json!({"listener": {"allowed_cidrs": allowed(spec)}});
                return self.put(format!("/listeners/{}", listener.id), body).await;
            }
        }
        Ok(Receipt::default())
    }

    async fn close_backends(&self, now: &State, spec: &Slb) -> Result<Receipt> {
        for listener in &spec.listeners {
            let wanted: BTreeSet<Member> = wanted_members(spec, listener);
            let name = name(listener.protocol, listener.port);
            if let Some(pool) = now
                .pools
                .iter()
                .find(|pool| pool.name == name && pool.members != wanted)
            {
                return self
                    .put(format!("/pools/{}/members", pool.id), json!({ "members": wanted }))
                    .await;
            }
        }
        Ok(Receipt::default())
    }

    /// The public address goes first: the load balancer is seen as long as there is anything of it.
    pub(super) async fn end(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let Some(now) = self.anew(claim, &state.id).await? else {
            return Ok(Receipt::default());
        };
        let released = self.release(DELETE, now.addresses.iter()).await?;
        match &now.balancer {
            Some(balancer) if balancer.provisioning_status != "PENDING_DELETE" => {
                let call = Call::delete(DELETE, Service::LoadBalancer, format!("/loadbalancers/{}", balancer.id));
                self.session.remove(call.with("cascade", "true")).await
            }
            _ => Ok(released),
        }
    }

    /// Switches it off, or on again. What it has stays as it is.
    pub(super) async fn switch(&self, state: &State, until: Option<&str>) -> Result<Receipt> {
        let Some(balancer) = &state.balancer else {
            return Ok(Receipt::default());
        };
        let parked = format!("{}=", tag::PARKED_UNTIL);
        let mut tags: Vec<_> = balancer
            .tags
            .iter()
            .filter(|tag| !tag.starts_with(&parked))
            .cloned()
            .collect();
        tags.extend(until.map(|until| format!("{parked}{until}")));
        self.edit(&balancer.id, json!({"admin_state_up": until.is_none(), "tags": tags}))
            .await
    }

    pub(super) async fn give(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        for address in state.addresses.iter().filter(|address| address.meta.owner().is_some()) {
            self.session
                .hand_over("slb.adopt", FLOATING, &address.meta, &claim.owner)
                .await?;
        }
        let Some(balancer) = &state.balancer else {
            return Ok(Receipt::default());
        };
        let tags = label::tags(&claim.owner, &label::others(&balancer.tags));
        self.edit(
            &balancer.id,
            json!({"tags": tags, "description": label::describe(&claim.owner, &[])?}),
        )
        .await
    }
}

fn pool_body(listener: &spec::Listener) -> Json {
    json!({
        "name": name(listener.protocol, listener.port),
        "protocol": protocols(listener.protocol).1,
        "lb_algorithm": "ROUND_ROBIN",
    })
}

fn listener_body(listener: &spec::Listener, spec: &Slb) -> Json {
    let mut body = json!({
        "name": name(listener.protocol, listener.port),
        "protocol": protocols(listener.protocol).0,
        "protocol_port": listener.port,
    });
    if !spec.allow_from.is_empty() {
        body["allowed_cidrs"] = allowed(spec);
    }
    if matches!(listener.protocol, Protocol::Http | Protocol::Https) {
        body["insert_headers"] = json!({"X-Forwarded-For": "true"});
    }
    if let Some(certificate) = &listener.certificate {
        body["default_tls_container_ref"] = json!(certificate);
    }
    body
}

/// Who may connect; `null` is everybody.
fn allowed(spec: &Slb) -> Json {
    match spec.allow_from.as_slice() {
        [] => Json::Null,
        ranges => json!(ranges),
    }
}
