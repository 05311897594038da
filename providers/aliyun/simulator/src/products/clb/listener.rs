//! Listeners, of four protocols with an Action each.

use serde_json::{Map, Value as Json, json};

use super::balancer;
use crate::{
    Kind, Resource,
    context::{Context, done, tag_list},
    contract,
    refusal::{Answer, Refusal, absent, bad},
};

/// The protocol that an Action is of, when it is one of a listener.
pub(super) fn protocol(action: &str) -> Option<&'static str> {
    let rest = ["CreateLoadBalancer", "SetLoadBalancer", "DescribeLoadBalancer"]
        .iter()
        .find_map(|start| action.strip_prefix(start))?;
    let protocol = rest
        .strip_suffix("ListenerAttribute")
        .or_else(|| rest.strip_suffix("Listener"))?;
    ["TCP", "UDP", "HTTP", "HTTPS"]
        .into_iter()
        .find(|known| *known == protocol)
}

pub(super) fn call(context: &mut Context<'_>, protocol: &'static str) -> Option<Answer> {
    Some(match context.action.as_bytes() {
        [b'C', ..] => create(context, protocol),
        [b'S', ..] => update(context, protocol),
        [b'D', ..] => get(context, protocol),
        _ => return None,
    })
}

fn key(balancer: &str, protocol: &str, port: i64) -> String {
    format!("{balancer}/{}:{port}", protocol.to_lowercase())
}

fn port(context: &Context<'_>) -> Answer<i64> {
    match context.params.int("ListenerPort") {
        Some(port) if (1..=65535).contains(&port) => Ok(port),
        Some(_) => Err(Refusal::parameter("ListenerPort", "it is from 1 to 65535")),
        None => Err(Refusal::missing("ListenerPort")),
    }
}

/// The server group, the list of access control and the certificate that parameters name.
fn check(context: &Context<'_>, balancer: &str) -> Answer<()> {
    if let Some(group) = context.params.text("VServerGroupId") {
        let known = context
            .find(Kind::ClbGroup, group)
            .filter(|is| is.parent.as_deref() == Some(balancer));
        if known.is_none() {
            return bad(
                "ResourceNotFound.VServerGroup",
                "The specified VServerGroupId does not exist.",
            );
        }
    }
    if let Some(acl) = context
        .params
        .commas("AclId")
        .into_iter()
        .find(|acl| context.find(Kind::ClbAcl, acl).is_none())
    {
        return bad("AclNotExist", format!("The specified acl {acl} does not exist."));
    }
    let certificate = context.params.text("ServerCertificateId");
    if certificate.is_some_and(|id| context.find(Kind::Certificate, id).is_none()) {
        return bad("CertificateNotExist", "The specified certificate does not exist.");
    }
    if context.params.text("AclStatus") == Some("on") && context.params.text("AclId").is_none() {
        return Err(Refusal::missing("AclId"));
    }
    Ok(())
}

/// The parameters in the names of answers.
fn said(context: &Context<'_>) -> Map<String, Json> {
    let rename = |name: &str| match name {
        "HealthCheckSwitch" => "HealthCheck".to_owned(),
        "healthCheckInterval" => "HealthCheckInterval".to_owned(),
        name => name.to_owned(),
    };
    let all = context
        .params
        .0
        .iter()
        .filter(|(name, _)| !["Tag", "RegionId", "VServerGroup", "DryRun"].contains(&name.as_str()));
    all.map(|(name, value)| (rename(name), value.clone())).collect()
}

fn create(context: &mut Context<'_>, protocol: &'static str) -> Answer {
    let balancer = balancer(context)?.id.clone();
    let port = port(context)?;
    let same = |is: &Resource| {
        let clash = is.attr("ListenerPort") == port && (is.text("protocol") == "udp") == (protocol == "UDP");
        is.parent.as_ref() == Some(&balancer) && clash
    };
    if context.world.of(Kind::ClbListener).any(same) {
        return bad("ListenerAlreadyExists", "There is already a listener on the port.");
    }
    if context.params.text("VServerGroupId").is_none() && context.params.int("BackendServerPort").is_none() {
        return Err(Refusal::missing("BackendServerPort"));
    }
    if protocol.starts_with("HTTP") && context.params.text("StickySession").is_none() {
        return Err(Refusal::missing("StickySession"));
    }
    if protocol == "HTTPS" && context.params.text("ServerCertificateId").is_none() {
        return Err(Refusal::missing("ServerCertificateId"));
    }
    check(context, &balancer)?;
    let mut listener = context.make(Kind::ClbListener, key(&balancer, protocol, port), "");
    listener.tags = context.tags("Tag")?;
    listener.parent = Some(balancer);
    listener.attrs = said(context);
    listener.set("protocol", protocol.to_lowercase());
    listener.set("resting", "stopped");
    context.world.put(listener);
    done()
}

/// The listener of the call.
fn listener<'a>(context: &'a Context<'_>, protocol: Option<&str>) -> Answer<&'a Resource> {
    let (balancer, port) = (balancer(context)?.id.clone(), port(context)?);
    let fits = |is: &&Resource| {
        let protocol = protocol.is_none_or(|protocol| is.text("protocol").eq_ignore_ascii_case(protocol));
        is.parent.as_ref() == Some(&balancer) && is.attr("ListenerPort") == port && protocol
    };
    let mut found = context.seen(Kind::ClbListener).filter(fits);
    match (found.next(), found.next()) {
        (Some(listener), None) => Ok(listener),
        (Some(_), Some(_)) => bad(
            "TooManyListeners",
            "More than one listener has this port; say its protocol.",
        ),
        (None, _) if context.action.starts_with("Delete") => {
            absent("ResourceNotFound.Listener", "The specified listener does not exist.")
        }
        (None, _) => bad("InvalidParameter", "The specified resource does not exist."),
    }
}

fn update(context: &mut Context<'_>, protocol: &'static str) -> Answer {
    let is = listener(context, Some(protocol))?;
    if is.is_busy(context.now) {
        return bad("ServiceIsConfiguring", "The specified listener is configuring.");
    }
    let id = is.id.clone();
    check(context, &balancer(context)?.id.clone())?;
    let changed = said(context);
    context.edit(Kind::ClbListener, &id).attrs.extend(changed);
    done()
}

/// What of a listener an answer of this shape tells.
fn show(context: &Context<'_>, is: &Resource, fields: &Json) -> Json {
    let known = |name: &str| fields.get(name).is_some();
    let attrs = is.attrs.iter().filter(|(name, _)| known(name));
    let mut shown: Map<String, Json> = attrs.map(|(name, value)| (name.clone(), value.clone())).collect();
    if known("Status") {
        shown.insert("Status".into(), is.status(context.now, is.text("resting")).into());
    }
    if fields["Tags"].is_object() {
        shown.insert("Tags".into(), json!({"Tag": tag_list(&is.tags, "TagKey", "TagValue")}));
    }
    if known("HealthCheck") {
        shown.entry("HealthCheck").or_insert_with(|| "on".into());
    }
    Json::Object(shown)
}

fn get(context: &Context<'_>, protocol: &'static str) -> Answer {
    let fields = contract::reply("Slb", context.action);
    Ok(show(context, listener(context, Some(protocol))?, fields))
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let balancers = context.params.texts("LoadBalancerId");
    if balancers.len() > 10 {
        return bad("IllegalParamSize.LoadBalancerId", "Up to 10 load balancers.");
    }
    let fields = &contract::reply("Slb", context.action)["Listeners"][0];
    let mut all = Vec::new();
    for is in context.seen(Kind::ClbListener) {
        let of = balancers.is_empty()
            || is
                .parent
                .as_ref()
                .is_some_and(|parent| balancers.contains(&parent.as_str()));
        if !of || !context.wants("ListenerProtocol", is.text("protocol")) || !context.has_tags(is) {
            continue;
        }
        let mut shown = show(context, is, fields);
        shown["ListenerProtocol"] = is.attr("protocol");
        shown["LoadBalancerId"] = is.parent.as_deref().unwrap_or_default().into();
        let config = format!("{}ListenerConfig", is.text("protocol").to_uppercase());
        shown[&config] = show(context, is, &fields[&config]);
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("Tags");
        }
        all.push(shown);
    }
    let total = all.len();
    let (some, next) = context.slice(all, 100, 20)?;
    Ok(
        json!({"Listeners": some, "NextToken": next, "TotalCount": total, "MaxResults": context.params.int("MaxResults").unwrap_or(20)}),
    )
}

pub(super) fn switch(context: &mut Context<'_>, on: bool) -> Answer {
    let is = listener(context, context.params.text("ListenerProtocol"))?;
    let (from, through, to) = if on {
        ("stopped", "starting", "running")
    } else {
        ("running", "stopping", "stopped")
    };
    if is.is_busy(context.now) {
        let code = if is.status(context.now, "") == "stopping" {
            "ServiceIsStopping"
        } else {
            "ServiceIsConfiguring"
        };
        return bad(code, "The specified listener is being changed.");
    }
    if is.text("resting") != from {
        return bad(
            "OperationFailed.ListenerStatusNotSupport",
            "The status of the listener does not support this.",
        );
    }
    let (id, busy) = (is.id.clone(), context.busy(through));
    let listener = context.edit(Kind::ClbListener, &id);
    listener.set("resting", to);
    listener.busy = busy;
    done()
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let is = listener(context, context.params.text("ListenerProtocol"))?;
    if is.is_busy(context.now) {
        return bad("ServiceIsConfiguring", "The specified listener is being changed.");
    }
    let id = is.id.clone();
    context.world.remove(Kind::ClbListener, &id);
    done()
}
