//! Making, changing and deleting network load balancers.
//!
//! Every write carries a client token. That of a balancer is the claim's; that of a part is new each time, for a part
//! that went and is wanted again must not be answered for by its predecessor. A part made twice by a lost answer is
//! seen by its tag, and the second one is removed.

use mooring_provider::{
    Claim, Created, ExternalId, Receipt, Result,
    spec::{Listener, Protocol, Scheme, Slb},
};
use serde::Deserialize;

use super::{
    nlb::TARGET,
    plan::Step,
    state::{Server, State},
};
use crate::{
    api::{Api, Call, Nothing},
    errors::is_not_found,
    marks::{self, Tags},
    params::Params,
    place::Place,
    product::Product,
};

/// How many backends one call takes.
const SERVERS: usize = 200;

fn token() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

async fn write(api: &Api, action: &'static str, operation: &'static str, params: Params) -> Result<Receipt> {
    let params = params.set("ClientToken", token());
    let call = Call::write(Product::Nlb, action, operation, params).idempotent();
    Ok(api.rpc::<Nothing>(call).await?.receipt())
}

#[derive(Deserialize)]
struct New {
    #[serde(rename = "LoadbalancerId", alias = "LoadBalancerId")]
    id: String,
}

pub(super) async fn create(api: &Api, claim: &Claim, spec: &Slb, place: &Place) -> Result<Created> {
    let scheme = match spec.scheme {
        Scheme::Internal => "Intranet",
        Scheme::Internet => "Internet",
    };
    let mut params = Params::new()
        .set("LoadBalancerName", &claim.name)
        .set("AddressType", scheme)
        .set("VpcId", &place.vpc)
        .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
        .set("ClientToken", claim.token())
        .tags(&marks::all(&claim.owner, &spec.common, []));
    for (n, (zone, subnet)) in place.zones.iter().enumerate() {
        params = params.member("ZoneMappings", n + 1, [("ZoneId", zone), ("VSwitchId", subnet)]);
    }
    let call = Call::write(Product::Nlb, "CreateLoadBalancer", "slb.create", params).idempotent();
    let reply = api.rpc::<New>(call).await?;
    Ok(Created {
        id: ExternalId::new(reply.value.id),
        request_id: reply.request_id,
    })
}

pub(super) async fn step(api: &Api, claim: &Claim, state: &State, spec: &Slb, step: Step) -> Result<Receipt> {
    const OPERATION: &str = "slb.update";
    match step {
        Step::MakeGroup { udp, target } => make_group(api, claim, state, spec, udp, target).await,
        Step::AddServers { group, servers, .. } => {
            let servers: Vec<_> = servers
                .into_iter()
                .map(|(address, port)| Server {
                    id: address.clone(),
                    address,
                    port,
                    kind: "Ip".into(),
                })
                .collect();
            let params = members(&group, &servers, true);
            write(api, "AddServersToServerGroup", OPERATION, params).await
        }
        Step::RemoveServers { group, servers, .. } => {
            let params = members(&group, &servers, false);
            write(api, "RemoveServersFromServerGroup", OPERATION, params).await
        }
        Step::MakeListener { listener, group, .. } => make_listener(api, state, &listener, &group).await,
        Step::StartListener { id, .. } => {
            write(api, "StartListener", OPERATION, Params::new().set("ListenerId", id)).await
        }
        Step::DropListener { id, .. } => drop_listener(api, OPERATION, &id).await,
        Step::DropGroup { id } => drop_group(api, OPERATION, &id).await,
        // The plan has none of these for this product.
        Step::SetListener { .. } | Step::MakeList | Step::FillList { .. } => Ok(Receipt::default()),
    }
}

fn members(group: &str, servers: &[Server], new: bool) -> Params {
    let mut params = Params::new().set("ServerGroupId", group);
    for (n, server) in servers.iter().take(SERVERS).enumerate() {
        let port = server.port.to_string();
        params = params.member(
            "Servers",
            n + 1,
            [
                ("ServerId", server.id.as_str()),
                ("ServerIp", server.address.as_str()),
                ("ServerType", server.kind.as_str()),
                ("Port", port.as_str()),
            ],
        );
        if new {
            params = params.member("Servers", n + 1, [("Weight", 100)]);
        }
    }
    params
}

async fn make_group(api: &Api, claim: &Claim, state: &State, spec: &Slb, udp: bool, target: u16) -> Result<Receipt> {
    let protocol = if udp { "udp" } else { "tcp" };
    let tags = marks::all(&claim.owner, &spec.common, [(TARGET, format!("{protocol}-{target}"))]);
    let vpc = state.balancer.as_ref().map_or("", |balancer| balancer.vpc.as_str());
    let params = Params::new()
        .set("ServerGroupName", format!("{}-{protocol}-{target}", claim.name))
        .set("ServerGroupType", "Ip")
        .set("Protocol", protocol.to_ascii_uppercase())
        .set("VpcId", vpc)
        .set("HealthCheckConfig.HealthCheckEnabled", true)
        .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
        .tags(&tags);
    write(api, "CreateServerGroup", "slb.update", params).await
}

async fn make_listener(api: &Api, state: &State, listener: &Listener, group: &str) -> Result<Receipt> {
    let protocol = if listener.protocol == Protocol::Udp {
        "UDP"
    } else {
        "TCP"
    };
    let params = Params::new()
        .set("LoadBalancerId", &state.id)
        .set("ListenerPort", listener.port)
        .set("ListenerProtocol", protocol)
        .set("ServerGroupId", group);
    write(api, "CreateListener", "slb.update", params).await
}

fn gone_is_done(done: Result<Receipt>) -> Result<Receipt> {
    match done {
        Err(error) if is_not_found(Product::Nlb, &error) => Ok(Receipt::default()),
        done => done,
    }
}

pub(super) async fn drop_listener(api: &Api, operation: &'static str, id: &str) -> Result<Receipt> {
    let params = Params::new().set("ListenerId", id);
    gone_is_done(write(api, "DeleteListener", operation, params).await)
}

pub(super) async fn drop_group(api: &Api, operation: &'static str, id: &str) -> Result<Receipt> {
    let params = Params::new().set("ServerGroupId", id);
    gone_is_done(write(api, "DeleteServerGroup", operation, params).await)
}

/// Listeners first, then the groups they used, then the balancer: one step at a time.
pub(super) async fn delete(api: &Api, state: &State) -> Result<Receipt> {
    const OPERATION: &str = "slb.delete";
    if !state.listeners.is_empty() {
        return match state.listeners.iter().find(|listener| !listener.is_going()) {
            Some(listener) => drop_listener(api, OPERATION, &listener.id).await,
            None => Ok(Receipt::default()),
        };
    }
    if let Some(group) = state.groups.first() {
        let done = drop_group(api, OPERATION, &group.id).await?;
        // What is left of a balancer is no balancer.
        return Ok(if state.balancer.is_none() { done.ending() } else { done });
    }
    let Some(balancer) = &state.balancer else {
        return Ok(Receipt::default());
    };
    let of = || Params::new().set("LoadBalancerId", &state.id);
    if balancer.protected {
        let params = of().set("DeletionProtectionEnabled", false);
        return gone_is_done(write(api, "UpdateLoadBalancerProtection", OPERATION, params).await);
    }
    let done = gone_is_done(write(api, "DeleteLoadBalancer", OPERATION, of()).await);
    done.map(Receipt::ending)
}

/// Sets tags of a balancer or of its server groups.
pub(super) async fn tag(
    api: &Api,
    operation: &'static str,
    kind: &str,
    ids: &[String],
    tags: &Tags,
) -> Result<Receipt> {
    let params = Params::new()
        .set("ResourceType", kind)
        .list("ResourceId", ids)
        .tags(tags);
    write(api, "TagResources", operation, params).await
}

/// Removes tags of a balancer or of its server groups.
pub(super) async fn untag(
    api: &Api,
    operation: &'static str,
    kind: &str,
    ids: &[String],
    names: &[String],
) -> Result<Receipt> {
    let params = Params::new()
        .set("ResourceType", kind)
        .list("ResourceId", ids)
        .list("TagKey", names);
    write(api, "UntagResources", operation, params).await
}
