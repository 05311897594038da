//! Server groups and the backends in them.

use serde_json::{Value as Json, json};

use super::balancer;
use crate::{
    Kind, Resource,
    context::{Context, done, tag_list},
    refusal::{Answer, Refusal, bad},
    world::iso,
};

/// The group of the call.
fn group<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let id = context.params.need("VServerGroupId")?;
    let message = || Refusal::new(400, "InvalidParameter", "The specified VServerGroupId does not exist.");
    context.find(Kind::ClbGroup, id).ok_or_else(message)
}

/// A number that may be written as a text.
fn number(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The backends in a parameter, each of the balancer's own VPC.
fn backends(context: &Context<'_>, name: &str, balancer: &Resource) -> Answer<Vec<Json>> {
    let all = context.params.json(name)?.unwrap_or_else(|| json!([]));
    let Some(all) = all.as_array().filter(|all| all.len() <= 40) else {
        return Err(Refusal::parameter(name, "it is a JSON list of up to 40"));
    };
    let mut backends = Vec::new();
    for backend in all {
        let id = backend["ServerId"].as_str().unwrap_or_default();
        let kind = backend["Type"].as_str().unwrap_or("ecs");
        let port = number(&backend["Port"]).filter(|port| (1..=65535).contains(port));
        let weight = if backend["Weight"].is_null() {
            Some(100)
        } else {
            number(&backend["Weight"])
        };
        let (Some(port), Some(weight)) = (port, weight.filter(|weight| (0..=100).contains(weight))) else {
            return Err(Refusal::parameter(
                name,
                "Port is from 1 to 65535, Weight from 0 to 100",
            ));
        };
        let server = match kind {
            "ecs" => context.find(Kind::Instance, id),
            "eni" => context.find(Kind::NetworkInterface, id),
            _ => return bad("BackendServer.InvalidType", format!("The type {kind} is not valid.")),
        };
        let Some(server) = server else {
            return bad("InvalidServerId.NotExist", format!("The server {id} does not exist."));
        };
        if server.attr("VpcId") != balancer.attr("VpcId") {
            return bad(
                "NetworkConflict",
                "The server is in another network than the load balancer.",
            );
        }
        let address = backend["ServerIp"].as_str().unwrap_or(server.text("PrivateIpAddress"));
        let description = backend["Description"].as_str().unwrap_or_default();
        backends.push(json!({
            "ServerId": id, "Type": kind, "Port": port, "Weight": weight, "ServerIp": address, "Description": description,
        }));
    }
    Ok(backends)
}

fn same(one: &Json, other: &Json) -> bool {
    one["ServerId"] == other["ServerId"] && number(&one["Port"]) == number(&other["Port"])
}

/// Backends as most answers tell them.
fn told(backends: &[Json]) -> Json {
    let all = backends.iter().map(|backend| {
        json!({"ServerId": backend["ServerId"], "Type": backend["Type"], "Port": backend["Port"], "Weight": backend["Weight"]})
    });
    json!({"BackendServer": all.collect::<Vec<_>>()})
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    let parent = balancer(context)?;
    let backends = backends(context, "BackendServers", parent)?;
    let parent = parent.id.clone();
    let tags = context.tags("Tag")?;
    let id = context.id("rsp-");
    let mut group = context.make(
        Kind::ClbGroup,
        &id,
        context.params.text("VServerGroupName").unwrap_or_default(),
    );
    group.parent = Some(parent);
    group.tags = tags;
    group.set("backends", backends.clone());
    context.world.put(group);
    Ok(json!({"VServerGroupId": id, "BackendServers": told(&backends)}))
}

/// The listeners that send to a group.
fn users<'a>(context: &'a Context<'_>, group: &'a str) -> impl Iterator<Item = &'a Resource> {
    context
        .seen(Kind::ClbListener)
        .filter(move |is| is.text("VServerGroupId") == group)
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let parent = &balancer(context)?.id;
    let groups = context
        .seen(Kind::ClbGroup)
        .filter(|is| is.parent.as_ref() == Some(parent) && context.has_tags(is));
    let all = groups.map(|is| {
        let listeners: Vec<_> = users(context, &is.id)
            .map(|is| json!({"Port": is.attr("ListenerPort"), "Protocol": is.attr("protocol")}))
            .collect();
        json!({
            "VServerGroupId": is.id, "VServerGroupName": is.name, "ServerCount": is.list("backends").len(),
            "CreateTime": iso(is.created), "AssociatedObjects": {"Listeners": {"Listener": listeners}},
            "Tags": {"Tag": tag_list(&is.tags, "TagKey", "TagValue")},
        })
    });
    Ok(json!({"VServerGroups": {"VServerGroup": all.collect::<Vec<_>>()}}))
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    let group = group(context)?;
    Ok(json!({
        "VServerGroupId": group.id, "VServerGroupName": group.name, "LoadBalancerId": group.parent,
        "BackendServers": {"BackendServer": group.list("backends")}, "CreateTime": iso(group.created),
        "Tags": {"Tag": tag_list(&group.tags, "TagKey", "TagValue")},
    }))
}

/// The group of the call, and its balancer.
fn both<'a>(context: &'a Context<'_>) -> Answer<(&'a Resource, &'a Resource)> {
    let group = group(context)?;
    let parent = group.parent.as_deref().unwrap_or_default();
    let message = || {
        Refusal::new(
            404,
            "InvalidLoadBalancerId.NotFound",
            "The load balancer does not exist.",
        )
    };
    Ok((group, context.find(Kind::Clb, parent).ok_or_else(message)?))
}

fn put(context: &mut Context<'_>, backends: Vec<Json>) -> Answer {
    let id = group(context)?.id.clone();
    if backends.len() > 200 {
        return bad("TooManyBackendServers", "A group takes up to 200 backend servers.");
    }
    let told = told(&backends);
    context.edit(Kind::ClbGroup, &id).set("backends", backends);
    Ok(json!({"VServerGroupId": id, "BackendServers": told}))
}

pub(super) fn set(context: &mut Context<'_>) -> Answer {
    let (is, parent) = both(context)?;
    let changed = backends(context, "BackendServers", parent)?;
    let (id, mut all, name) = (
        is.id.clone(),
        is.list("backends").to_vec(),
        context.params.text("VServerGroupName"),
    );
    let name = name.map_or_else(|| is.name.clone(), str::to_owned);
    // It changes the weights of those that are there.
    for backend in &mut all {
        if let Some(changed) = changed.iter().find(|changed| same(changed, backend)) {
            *backend = changed.clone();
        }
    }
    context.edit(Kind::ClbGroup, &id).name.clone_from(&name);
    let mut answer = put(context, all)?;
    answer["VServerGroupName"] = name.into();
    Ok(answer)
}

pub(super) fn add(context: &mut Context<'_>) -> Answer {
    let (is, parent) = both(context)?;
    let new = backends(context, "BackendServers", parent)?;
    let mut all = is.list("backends").to_vec();
    all.retain(|is| !new.iter().any(|new| same(new, is)));
    all.extend(new);
    put(context, all)
}

/// Those that are not there are not missed.
pub(super) fn remove(context: &mut Context<'_>) -> Answer {
    let gone = context.params.json("BackendServers")?.unwrap_or_else(|| json!([]));
    let mut all = group(context)?.list("backends").to_vec();
    all.retain(|is| !gone.as_array().into_iter().flatten().any(|gone| same(gone, is)));
    put(context, all)
}

pub(super) fn modify(context: &mut Context<'_>) -> Answer {
    let (is, parent) = both(context)?;
    let new = backends(context, "NewBackendServers", parent)?;
    let old = context.params.json("OldBackendServers")?.unwrap_or_else(|| json!([]));
    let mut all = is.list("backends").to_vec();
    all.retain(|is| {
        !old.as_array()
            .into_iter()
            .flatten()
            .chain(&new)
            .any(|other| same(other, is))
    });
    all.extend(new);
    put(context, all)
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = group(context)?.id.clone();
    if users(context, &id).next().is_some() {
        return bad("RspoolVipExist", "There are vips associated with this vServer group.");
    }
    context.world.remove(Kind::ClbGroup, &id);
    done()
}

pub(super) fn health(context: &Context<'_>) -> Answer {
    let parent = &balancer(context)?.id;
    let mut all = Vec::new();
    for listener in context
        .seen(Kind::ClbListener)
        .filter(|is| is.parent.as_ref() == Some(parent))
    {
        let fits = context
            .params
            .int("ListenerPort")
            .is_none_or(|port| listener.attr("ListenerPort") == port);
        let group = context
            .find(Kind::ClbGroup, listener.text("VServerGroupId"))
            .filter(|_| fits);
        for backend in group.into_iter().flat_map(|group| group.list("backends")) {
            all.push(json!({
                "ListenerPort": listener.attr("ListenerPort"), "Protocol": listener.attr("protocol"),
                "ServerId": backend["ServerId"], "Port": backend["Port"], "ServerIp": backend["ServerIp"],
                "ServerHealthStatus": "normal",
            }));
        }
    }
    Ok(json!({"BackendServers": {"BackendServer": all}}))
}
