//! Listeners, which run as soon as they are made.

use serde_json::{Value as Json, json};

use super::{active, among, dry_run, find, job, listed};
use crate::{
    Kind, Resource,
    context::{Context, tag_list},
    refusal::{Answer, Refusal, bad},
    world::millis,
};

const FIELDS: [&str; 9] = [
    "ListenerPort",
    "ListenerProtocol",
    "ServerGroupId",
    "ListenerDescription",
    "IdleTimeout",
    "CertificateIds",
    "ProxyProtocolEnabled",
    "SecurityPolicyId",
    "LoadBalancerId",
];

/// While one listener of a balancer is worked on, the others are locked.
fn locked(context: &Context<'_>, balancer: &str) -> Answer<()> {
    let siblings = |is: &&Resource| is.parent.as_deref() == Some(balancer);
    if context
        .world
        .of(Kind::NlbListener)
        .filter(siblings)
        .any(|is| is.is_busy(context.now))
    {
        return bad(
            "Conflict.Lock",
            "The load balancer is locked by another operation; try again.",
        );
    }
    Ok(())
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    let balancer = active(context)?;
    let protocol = context.params.need("ListenerProtocol")?.to_uppercase();
    let port = context
        .params
        .int("ListenerPort")
        .ok_or_else(|| Refusal::missing("ListenerPort"))?;
    if !["TCP", "UDP", "TCPSSL"].contains(&protocol.as_str()) || !(1..=65535).contains(&port) {
        return bad(
            "IllegalParam.Port",
            "The protocol is TCP, UDP or TCPSSL, the port from 1 to 65535.",
        );
    }
    if protocol == "TCPSSL" && context.params.list("CertificateIds").is_empty() {
        return bad("MissingParam.Certificate", "The certificate is missing.");
    }
    if context.params.text("ServerGroupId").is_none() {
        return bad("MissingParam.ServerGroupId", "The server group is missing.");
    }
    let group = find(context, Kind::NlbGroup, "ServerGroupId")?;
    if group.attr("VpcId") != find(context, Kind::Nlb, "LoadBalancerId")?.attr("VpcId") {
        return bad(
            "Mismatch.VpcId",
            "The VPC of the server group is not that of the load balancer.",
        );
    }
    let fits = if protocol == "UDP" { "UDP" } else { "TCP" };
    if group.text("Protocol").to_uppercase() != fits {
        return bad(
            "Mismatch.Protocol",
            "The protocol of the server group does not fit that of the listener.",
        );
    }
    let taken = |is: &Resource| {
        let same = is.attr("ListenerPort") == port && (is.text("ListenerProtocol") == "UDP") == (protocol == "UDP");
        is.parent.as_ref() == Some(&balancer) && same
    };
    if context.world.of(Kind::NlbListener).any(taken) {
        return bad("Conflict.Port", format!("The port {port} is used by another listener."));
    }
    locked(context, &balancer)?;
    let tags = context.tags("Tag")?;
    dry_run(context)?;
    let id = format!("lsn-{}", context.world.random(15));
    let mut listener = context.make(
        Kind::NlbListener,
        &id,
        context.params.text("ListenerDescription").unwrap_or_default(),
    );
    listener.parent = Some(balancer);
    listener.tags = tags;
    listener.attrs = context.params.pick(&FIELDS);
    listener.set("ListenerProtocol", protocol);
    listener.set("resting", "Running");
    listener.busy = context.busy("Provisioning");
    context.world.put(listener);
    Ok(json!({"ListenerId": id, "JobId": job(context)}))
}

fn show(context: &Context<'_>, is: &Resource) -> Json {
    let mut shown = Json::Object(is.attrs.clone());
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("resting");
    }
    shown["ListenerId"] = is.id.as_str().into();
    shown["ListenerStatus"] = is.status(context.now, is.text("resting")).into();
    shown["RegionId"] = context.options.region.as_str().into();
    shown
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    let listener = find(context, Kind::NlbListener, "ListenerId")?;
    let mut shown = show(context, listener);
    shown["Tags"] = tag_list(&listener.tags, "TagKey", "TagValue");
    Ok(shown)
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let mut all = Vec::new();
    for is in context.seen(Kind::NlbListener) {
        let named = among(context, "ListenerIds", &is.id)?
            && among(context, "LoadBalancerIds", is.parent.as_deref().unwrap_or_default())?;
        if named && context.has_tags(is) && context.wants("ListenerProtocol", is.text("ListenerProtocol")) {
            let mut shown = show(context, is);
            shown["Tags"] = tag_list(&is.tags, "Key", "Value");
            all.push(shown);
        }
    }
    listed(context, "Listeners", all)
}

/// The listener of the call, at rest, and its balancer.
fn resting<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let listener = find(context, Kind::NlbListener, "ListenerId")?;
    if listener.is_busy(context.now) {
        return bad("IncorrectStatus.listener", "The status of the listener is incorrect.");
    }
    locked(context, listener.parent.as_deref().unwrap_or_default())?;
    Ok(listener)
}

pub(super) fn switch(context: &mut Context<'_>, on: bool) -> Answer {
    let is = resting(context)?;
    let (from, through, to) = if on {
        ("Stopped", "Starting", "Running")
    } else {
        ("Running", "Stopping", "Stopped")
    };
    if is.text("resting") != from {
        return bad("IncorrectStatus.listener", "The status of the listener is incorrect.");
    }
    dry_run(context)?;
    let (id, busy) = (is.id.clone(), context.busy(through));
    let listener = context.edit(Kind::NlbListener, &id);
    listener.set("resting", to);
    listener.busy = busy;
    Ok(json!({"JobId": job(context)}))
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = resting(context)?.id.clone();
    dry_run(context)?;
    let (busy, gone) = (
        context.busy("Deleting"),
        context.now + millis(context.options.provisioning),
    );
    let listener = context.edit(Kind::NlbListener, &id);
    listener.busy = busy;
    listener.gone_at = Some(gone);
    let job = job(context);
    context.world.sweep();
    Ok(json!({ "JobId": job }))
}
