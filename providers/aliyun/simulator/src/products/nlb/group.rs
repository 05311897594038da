//! Server groups and the servers in them.

use serde_json::{Value as Json, json};

use super::{among, dry_run, find, job, listed};
use crate::{
    Kind, Resource,
    context::{Context, tag_list},
    products::vpc,
    refusal::{Answer, absent, bad},
    world::millis,
};

const FIELDS: [&str; 10] = [
    "ServerGroupType",
    "VpcId",
    "Protocol",
    "Scheduler",
    "AddressIPVersion",
    "ConnectionDrainEnabled",
    "ConnectionDrainTimeout",
    "PreserveClientIpEnabled",
    "ResourceGroupId",
    "AnyPortEnabled",
];

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    vpc::region(context)?;
    let name = context.params.need("ServerGroupName")?.to_owned();
    if context.find(Kind::Vpc, context.params.need("VpcId")?).is_none() {
        return absent("ResourceNotFound.Vpc", "The specified resource of VPC is not found.");
    }
    let or = |name: &str, default: &str| context.params.text(name).unwrap_or(default).to_owned();
    let (kind, protocol) = (or("ServerGroupType", "Instance"), or("Protocol", "TCP").to_uppercase());
    if !["Instance", "Ip"].contains(&kind.as_str()) || !["TCP", "UDP", "TCP_UDP"].contains(&protocol.as_str()) {
        return bad(
            "IllegalParam",
            "ServerGroupType is Instance or Ip, Protocol is TCP or UDP.",
        );
    }
    let tags = context.tags("Tag")?;
    dry_run(context)?;
    let id = format!("sgp-{}", context.world.random(15));
    let mut group = context.make(Kind::NlbGroup, &id, name);
    group.tags = tags;
    group.attrs = context.params.pick(&FIELDS);
    group.set("ServerGroupType", kind);
    group.set("Protocol", protocol);
    group.set(
        "HealthCheck",
        context
            .params
            .0
            .get("HealthCheckConfig")
            .cloned()
            .unwrap_or_else(|| json!({"HealthCheckEnabled": true})),
    );
    group.set("servers", json!([]));
    group.busy = context.busy("Creating");
    context.world.put(group);
    Ok(json!({"ServerGroupId": id, "JobId": job(context)}))
}

/// The balancers whose listeners send to a group.
fn users<'a>(context: &'a Context<'_>, group: &'a str) -> impl Iterator<Item = &'a String> {
    let uses = context
        .world
        .of(Kind::NlbListener)
        .filter(move |is| is.text("ServerGroupId") == group);
    uses.filter_map(|is| is.parent.as_ref())
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let mut all = Vec::new();
    for is in context.seen(Kind::NlbGroup) {
        let named = among(context, "ServerGroupIds", &is.id)? && among(context, "ServerGroupNames", &is.name)?;
        if !named || !context.has_tags(is) || !context.wants("VpcId", is.text("VpcId")) {
            continue;
        }
        let mut shown = Json::Object(is.attrs.clone());
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("servers");
        }
        shown["ServerGroupId"] = is.id.as_str().into();
        shown["ServerGroupName"] = is.name.as_str().into();
        shown["ServerGroupStatus"] = is.status(context.now, "Available").into();
        shown["ServerCount"] = servers_of(context, is).len().into();
        shown["RelatedLoadBalancerIds"] = users(context, &is.id).map(String::as_str).collect();
        shown["RegionId"] = context.options.region.as_str().into();
        shown["Tags"] = tag_list(&is.tags, "Key", "Value");
        all.push(shown);
    }
    listed(context, "ServerGroups", all)
}

/// The group of the call, at rest.
fn resting<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let group = find(context, Kind::NlbGroup, "ServerGroupId")?;
    if group.is_busy(context.now) {
        return bad(
            "IncorrectStatus.serverGroup",
            "The status of the server group is incorrect.",
        );
    }
    Ok(group)
}

/// The servers that are in a group, or on their way in or out.
fn servers_of(context: &Context<'_>, group: &Resource) -> Vec<Json> {
    let here = |server: &&Json| server["until"].as_i64().is_none_or(|until| context.now < until);
    group.list("servers").iter().filter(here).cloned().collect()
}

/// A server has to be of the group's VPC. An address is taken as it is.
fn check(context: &Context<'_>, group: &Resource, server: &Json) -> Answer<()> {
    let (id, kind) = (
        server["ServerId"].as_str().unwrap_or_default(),
        server["ServerType"].as_str().unwrap_or_default(),
    );
    if (kind == "Ip") != (group.text("ServerGroupType") == "Ip") {
        return bad(
            "Mismatch.ServerType",
            "The type of the server does not fit the type of the server group.",
        );
    }
    if server["Port"].as_i64().is_none_or(|port| !(1..=65535).contains(&port)) {
        return bad("MissingParam.Port", "The port of the server is from 1 to 65535.");
    }
    let (found, code) = match kind {
        "Ip" => return Ok(()),
        "Ecs" => (context.find(Kind::Instance, id), "ResourceNotFound.Ecs"),
        "Eni" => (context.find(Kind::NetworkInterface, id), "ResourceNotFound.Eni"),
        _ => return bad("IllegalParam", format!("The ServerType {kind} is not valid.")),
    };
    match found {
        None => absent(code, format!("The specified server {id} is not found.")),
        Some(is) if is.attr("VpcId") != group.attr("VpcId") => bad("Mismatch.VpcId", "The server is in another VPC."),
        Some(_) => Ok(()),
    }
}

fn same(one: &Json, other: &Json) -> bool {
    ["ServerId", "Port", "ServerType"]
        .iter()
        .all(|name| one[name] == other[name])
}

pub(super) fn add(context: &mut Context<'_>) -> Answer {
    let group = resting(context)?;
    let new = context.params.list("Servers").to_vec();
    let mut servers = servers_of(context, group);
    if new.is_empty() || new.len() > 200 {
        return bad("IllegalParam", "There are 1 to 200 servers.");
    }
    for server in &new {
        check(context, group, server)?;
        if servers.iter().any(|is| same(is, server)) {
            return bad("DuplicatedParam.Server", "The server is in the group already.");
        }
    }
    let id = group.id.clone();
    let busy = context.busy("Configuring");
    let ready = context.now + millis(context.options.provisioning);
    servers.extend(new.into_iter().map(|mut server| {
        server["ready"] = ready.into();
        if server["Weight"].is_null() {
            server["Weight"] = 100.into();
        }
        server
    }));
    let group = context.edit(Kind::NlbGroup, &id);
    group.set("servers", servers);
    group.busy = busy;
    Ok(json!({"ServerGroupId": id, "JobId": job(context)}))
}

pub(super) fn remove(context: &mut Context<'_>) -> Answer {
    let group = resting(context)?;
    let (id, gone) = (group.id.clone(), context.params.list("Servers").to_vec());
    let mut servers = servers_of(context, group);
    if let Some(lost) = gone.iter().find(|server| !servers.iter().any(|is| same(is, server))) {
        return absent(
            "ResourceNotFound.BackendServer",
            format!("The server {} is not in the group.", lost["ServerId"]),
        );
    }
    let until = context.now + millis(context.options.provisioning);
    for server in &mut servers {
        if gone.iter().any(|gone| same(gone, server)) {
            server["until"] = until.into();
        }
    }
    let busy = context.busy("Configuring");
    let group = context.edit(Kind::NlbGroup, &id);
    group.set("servers", servers);
    group.busy = busy;
    Ok(json!({"ServerGroupId": id, "JobId": job(context)}))
}

pub(super) fn servers(context: &Context<'_>) -> Answer {
    let group = find(context, Kind::NlbGroup, "ServerGroupId")?;
    let all = servers_of(context, group).into_iter().map(|mut server| {
        let status = match (server["until"].as_i64(), server["ready"].as_i64()) {
            (Some(_), _) => "Removing",
            (None, Some(ready)) if context.now < ready => "Adding",
            _ => "Available",
        };
        if let Some(server) = server.as_object_mut() {
            server.retain(|name, _| name != "until" && name != "ready");
        }
        server["Status"] = status.into();
        server["ServerGroupId"] = group.id.as_str().into();
        server
    });
    let ids = context.params.texts("ServerIds");
    let all = all.filter(|server| ids.is_empty() || ids.iter().any(|id| server["ServerId"] == *id));
    listed(context, "Servers", all.collect())
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = resting(context)?.id.clone();
    if users(context, &id).next().is_some() {
        return bad("ResourceInUse.ServerGroup", "The server group is used by a listener.");
    }
    dry_run(context)?;
    let (busy, gone) = (
        context.busy("Deleting"),
        context.now + millis(context.options.provisioning),
    );
    let group = context.edit(Kind::NlbGroup, &id);
    group.busy = busy;
    group.gone_at = Some(gone);
    let job = job(context);
    context.world.sweep();
    Ok(json!({ "JobId": job }))
}
