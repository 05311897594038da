//! Making, changing and deleting classic load balancers.
//!
//! Of the writes only the create has a client token. The others find what exists already by looking first, and take
//! "it exists" for done: the next look tells whether it is as it should be.

use mooring_provider::{
    Claim, Created, Error, ErrorKind, ExternalId, Receipt, Result,
    spec::{Listener, Protocol, Scheme, Slb},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    clb::GROUP,
    plan::{self, Step, path},
    reach::resolve,
    state::{Server, State},
    validate::SlbConfig,
};
use crate::{
    api::{Api, Call, Nothing},
    errors::{is_duplicate, is_not_found},
    marks::{self, Tags},
    params::Params,
    place::Place,
    product::Product,
    wire::Flavour,
};

const UPDATE: &str = "slb.update";
/// How many backends one call takes.
const SERVERS: usize = 20;
/// How many entries of an access list one call takes.
const ENTRIES: usize = 50;

async fn write(api: &Api, action: &'static str, operation: &'static str, params: Params) -> Result<Receipt> {
    let call = Call::write(Product::Slb, action, operation, params);
    Ok(api.rpc::<Nothing>(call).await?.receipt())
}

/// A change that says the whole of what is wanted, or a removal.
async fn again(api: &Api, action: &'static str, operation: &'static str, params: Params) -> Result<Receipt> {
    let call = Call::write(Product::Slb, action, operation, params).idempotent();
    Ok(api.rpc::<Nothing>(call).await?.receipt())
}

fn exists_is_done(done: Result<Receipt>) -> Result<Receipt> {
    match done {
        Err(error) if is_duplicate(&error) => Ok(Receipt::default()),
        done => done,
    }
}

/// Of listeners and groups this API says only in words that they are not there.
fn gone_is_done(done: Result<Receipt>) -> Result<Receipt> {
    let in_words = |error: &Error| {
        error.code().is_some_and(|code| code.starts_with("InvalidParameter"))
            && ["VServerGroupId does not exist", "specified resource does not exist"]
                .iter()
                .any(|words| error.message().contains(words))
    };
    match done {
        Err(error) if is_not_found(Product::Slb, &error) || in_words(&error) => Ok(Receipt::default()),
        done => done,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct New {
    load_balancer_id: String,
}

pub(super) async fn create(api: &Api, config: &SlbConfig, claim: &Claim, spec: &Slb, place: &Place) -> Result<Created> {
    let mut params = Params::new()
        .set("LoadBalancerName", &claim.name)
        .set("PayType", "PayOnDemand")
        .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
        .set("ClientToken", claim.token())
        .tags(&marks::all(&claim.owner, &spec.common, []));
    params = match &config.specification {
        Some(specification) => params.set("LoadBalancerSpec", specification),
        None if api.flavour() == Flavour::Public => params.set("InstanceChargeType", "PayByCLCU"),
        None => params,
    };
    params = match spec.scheme {
        Scheme::Internal => params
            .set("AddressType", "intranet")
            .set("VpcId", &place.vpc)
            .set("VSwitchId", &place.zones[0].1),
        Scheme::Internet => params
            .set("AddressType", "internet")
            .set("InternetChargeType", "paybytraffic"),
    };
    let action = match api.flavour() {
        Flavour::Public => "CreateLoadBalancer",
        Flavour::Apsara => {
            params = params.set("NetworkType", "vpc");
            "CreateLoadBalancerPro"
        }
    };
    let call = Call::write(Product::Slb, action, "slb.create", params).idempotent();
    let reply = api.rpc::<New>(call).await?;
    Ok(Created {
        id: ExternalId::new(reply.value.load_balancer_id),
        request_id: reply.request_id,
    })
}

pub(super) async fn step(api: &Api, claim: &Claim, state: &State, spec: &Slb, step: Step) -> Result<Receipt> {
    let of = || Params::new().set("LoadBalancerId", &state.id);
    match step {
        Step::MakeGroup { target, .. } => {
            let servers: Vec<_> = plan::backends(spec, target).into_iter().take(SERVERS).collect();
            let vpc = spec.network.id.as_deref().unwrap_or_default();
            let resolved = resolve(api, UPDATE, vpc, &servers, ErrorKind::Busy).await?;
            let params = of()
                .set("VServerGroupName", format!("{GROUP}{target}"))
                .json("BackendServers", &backends(&resolved))
                .tags(&marks::of_owner(&claim.owner));
            write(api, "CreateVServerGroup", UPDATE, params).await
        }
        Step::AddServers { group, servers, .. } => {
            let servers: Vec<_> = servers.into_iter().take(SERVERS).collect();
            let vpc = spec.network.id.as_deref().unwrap_or_default();
            let resolved = resolve(api, UPDATE, vpc, &servers, ErrorKind::Busy).await?;
            let params = Params::new()
                .set("VServerGroupId", group)
                .json("BackendServers", &backends(&resolved));
            exists_is_done(again(api, "AddVServerGroupBackendServers", UPDATE, params).await)
        }
        Step::RemoveServers { group, servers, .. } => {
            let params = Params::new()
                .set("VServerGroupId", group)
                .json("BackendServers", &backends(&servers[..servers.len().min(SERVERS)]));
            again(api, "RemoveVServerGroupBackendServers", UPDATE, params).await
        }
        Step::MakeListener { listener, group, list } => {
            let params = listener_params(of(), &listener, &group, list.as_deref()).set("Bandwidth", -1);
            let action = match listener.protocol {
                Protocol::Http => "CreateLoadBalancerHTTPListener",
                Protocol::Https => "CreateLoadBalancerHTTPSListener",
                Protocol::Tcp => "CreateLoadBalancerTCPListener",
                Protocol::Udp => "CreateLoadBalancerUDPListener",
            };
            exists_is_done(write(api, action, UPDATE, params).await)?;
            // It is made stopped. Where this fails, the next step starts it.
            start(api, of(), listener.port, listener.protocol.as_str()).await
        }
        Step::SetListener { listener, group, list } => {
            let action = match listener.protocol {
                Protocol::Http => "SetLoadBalancerHTTPListenerAttribute",
                Protocol::Https => "SetLoadBalancerHTTPSListenerAttribute",
                Protocol::Tcp => "SetLoadBalancerTCPListenerAttribute",
                Protocol::Udp => "SetLoadBalancerUDPListenerAttribute",
            };
            let params = listener_params(of(), &listener, &group, list.as_deref()).set("VServerGroup", "on");
            again(api, action, UPDATE, params).await
        }
        Step::StartListener { port, protocol, .. } => start(api, of(), port, &protocol.to_ascii_lowercase()).await,
        Step::DropListener { port, protocol, .. } => drop_listener(api, UPDATE, state, port, &protocol).await,
        Step::DropGroup { id } => {
            let params = Params::new().set("VServerGroupId", id);
            gone_is_done(again(api, "DeleteVServerGroup", UPDATE, params).await)
        }
        Step::MakeList => {
            let params = Params::new()
                .set("AclName", &claim.name)
                .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
                .tags(&marks::of_owner(&claim.owner));
            write(api, "CreateAccessControlList", UPDATE, params).await
        }
        Step::FillList { id, add, remove } => fill(api, &id, &add, &remove).await,
    }
}

async fn start(api: &Api, of: Params, port: u16, protocol: &str) -> Result<Receipt> {
    let params = of.set("ListenerPort", port).set("ListenerProtocol", protocol);
    again(api, "StartLoadBalancerListener", UPDATE, params).await
}

/// What a listener is, whether it is made or set.
fn listener_params(params: Params, listener: &Listener, group: &str, list: Option<&str>) -> Params {
    let mut params = params
        .set("ListenerPort", listener.port)
        .set("VServerGroupId", group)
        .set("AclStatus", if list.is_some() { "on" } else { "off" });
    if let Some(list) = list {
        params = params.set("AclId", list).set("AclType", "white");
    }
    if let Some(path) = path(listener) {
        // Who names no path has none that is known to be well; an answer that is no server error is enough then.
        let well = match listener.health_check_path {
            Some(_) => "http_2xx,http_3xx",
            None => "http_2xx,http_3xx,http_4xx",
        };
        params = params
            .set("StickySession", "off")
            .set("HealthCheck", "on")
            .set("HealthCheckURI", path)
            .set("HealthCheckHttpCode", well);
    }
    params.maybe("ServerCertificateId", listener.certificate.as_deref())
}

fn entries(entries: &[String]) -> serde_json::Value {
    entries
        .iter()
        .take(ENTRIES)
        .map(|entry| json!({"entry": entry, "comment": "mooring"}))
        .collect()
}

/// Whoever is to go goes first.
async fn fill(api: &Api, list: &str, add: &[String], remove: &[String]) -> Result<Receipt> {
    let (action, changed) = if remove.is_empty() {
        ("AddAccessControlListEntry", add)
    } else {
        ("RemoveAccessControlListEntry", remove)
    };
    let params = Params::new().set("AclId", list).json("AclEntrys", &entries(changed));
    match exists_is_done(write(api, action, UPDATE, params).await) {
        // A lost answer to the same call, in the words of another release.
        Err(error) if error.code() == Some("InvalidParam.AclEntryExists") => Ok(Receipt::default()),
        done => done,
    }
}

fn backends(servers: &[Server]) -> serde_json::Value {
    servers
        .iter()
        .map(|server| {
            let mut backend = json!({
                "ServerId": server.id, "Port": server.port.to_string(), "Weight": "100", "Type": server.kind,
                "Description": server.address,
            });
            if server.kind == "eni" {
                backend["ServerIp"] = server.address.as_str().into();
            }
            backend
        })
        .collect()
}

async fn drop_listener(
    api: &Api,
    operation: &'static str,
    state: &State,
    port: u16,
    protocol: &str,
) -> Result<Receipt> {
    let params = Params::new()
        .set("LoadBalancerId", &state.id)
        .set("ListenerPort", port)
        .set("ListenerProtocol", protocol.to_ascii_lowercase());
    gone_is_done(again(api, "DeleteLoadBalancerListener", operation, params).await)
}

async fn drop_list(api: &Api, operation: &'static str, list: &str) -> Result<Receipt> {
    let params = Params::new().set("AclId", list);
    gone_is_done(again(api, "DeleteAccessControlList", operation, params).await)
}

/// Removes every listener, one at a time; `None` when there is none.
pub(super) async fn silence(api: &Api, operation: &'static str, state: &State) -> Result<Option<Receipt>> {
    match state.listeners.first() {
        Some(listener) => drop_listener(api, operation, state, listener.port, &listener.protocol)
            .await
            .map(Some),
        None => Ok(None),
    }
}

/// The access lists, with the listeners that hold them, then the balancer with all that is in it.
pub(super) async fn delete(api: &Api, state: &State) -> Result<Receipt> {
    const OPERATION: &str = "slb.delete";
    if let Some(list) = state.lists.first() {
        return match silence(api, OPERATION, state).await? {
            Some(receipt) => Ok(receipt),
            None => {
                let done = drop_list(api, OPERATION, &list.id).await?;
                // What is left of a balancer is no balancer.
                Ok(if state.balancer.is_none() { done.ending() } else { done })
            }
        };
    }
    let Some(balancer) = &state.balancer else {
        return Ok(Receipt::default());
    };
    if balancer.prepaid {
        let message = format!(
            "{} is a subscription, which the API does not delete; unsubscribe from it, or keep it (deletionPolicy Retain)",
            state.id
        );
        return Err(Error::new(ErrorKind::QuotaExceeded, OPERATION, message));
    }
    let of = || Params::new().set("LoadBalancerId", &state.id);
    if balancer.protected {
        let params = of().set("DeleteProtection", "off");
        return gone_is_done(again(api, "SetLoadBalancerDeleteProtection", OPERATION, params).await);
    }
    let done = gone_is_done(again(api, "DeleteLoadBalancer", OPERATION, of()).await);
    done.map(Receipt::ending)
}

/// Sets tags of a balancer.
pub(super) async fn tag(api: &Api, operation: &'static str, id: &ExternalId, tags: &Tags) -> Result<Receipt> {
    let params = Params::new()
        .set("ResourceType", "instance")
        .list("ResourceId", [id])
        .tags(tags);
    again(api, "TagResources", operation, params).await
}

/// Removes tags of a balancer.
pub(super) async fn untag(api: &Api, operation: &'static str, id: &ExternalId, names: &[String]) -> Result<Receipt> {
    let params = Params::new()
        .set("ResourceType", "instance")
        .list("ResourceId", [id])
        .list("TagKey", names);
    again(api, "UntagResources", operation, params).await
}
