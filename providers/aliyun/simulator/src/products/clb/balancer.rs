//! Balancers.

use serde_json::{Value as Json, json};

use super::balancer;
use crate::{
    Kind, Resource,
    context::{Context, done, page, tag_list},
    products::vpc,
    refusal::{Answer, Refusal, absent, bad},
    world::iso,
};

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    vpc::region(context)?;
    let address_type = context.params.text("AddressType").unwrap_or("internet").to_owned();
    if !["internet", "intranet"].contains(&address_type.as_str()) {
        return Err(Refusal::parameter("AddressType", "it is internet or intranet"));
    }
    let by_use = context.params.text("InstanceChargeType") == Some("PayByCLCU");
    let stack = context.action == "CreateLoadBalancerPro";
    match context.params.text("LoadBalancerSpec") {
        Some(_) if by_use => {
            return bad(
                "OperationDenied.PayByCLCU",
                "A specification does not go with PayByCLCU.",
            );
        }
        None if !by_use && !stack => return Err(Refusal::missing("LoadBalancerSpec")),
        Some(_) if !stack => {
            return bad(
                "Operation.NotAllowed",
                "Pay-by-specification instances are no longer sold.",
            );
        }
        _ => {}
    }
    let vpc = match context.params.text("VSwitchId") {
        Some(id) => {
            let Some(vswitch) = context.find(Kind::VSwitch, id) else {
                return absent("VSwitchNotExist", "The specified VSwitch does not exist.");
            };
            let vpc = vswitch.parent.clone().unwrap_or_default();
            if !context.wants("VpcId", &vpc) {
                return Err(Refusal::parameter("VpcId", "the vSwitch is in another VPC"));
            }
            vpc
        }
        None if address_type == "intranet" => return Err(Refusal::missing("VSwitchId")),
        None => String::new(),
    };
    let tags = context.tags("Tag")?;
    if context.count(Kind::Clb) >= context.options.quotas.balancers {
        return bad("QuotaExceeded.LoadBalancer", "The quota of load balancers is used up.");
    }
    let id = context.id("lb-bp1");
    let (one, other) = (context.world.number() % 250, context.world.number() % 250 + 2);
    let address = if address_type == "internet" {
        format!("203.0.113.{other}")
    } else {
        format!("10.2.{one}.{other}")
    };
    let mut balancer = context.make(Kind::Clb, &id, context.params.text("LoadBalancerName").unwrap_or(&id));
    balancer.tags = tags;
    balancer.attrs = context.params.pick(&[
        "LoadBalancerSpec",
        "InstanceChargeType",
        "InternetChargeType",
        "VSwitchId",
        "MasterZoneId",
        "SlaveZoneId",
        "ResourceGroupId",
        "ModificationProtectionStatus",
        "ModificationProtectionReason",
        "Bandwidth",
    ]);
    balancer.set(
        "DeleteProtection",
        context.params.text("DeleteProtection").unwrap_or("off"),
    );
    balancer.set("AddressType", address_type);
    balancer.set("Address", address.as_str());
    balancer.set("VpcId", vpc.as_str());
    balancer.set("LoadBalancerStatus", "active");
    let (name, network) = (balancer.name.clone(), if vpc.is_empty() { "classic" } else { "vpc" });
    let vswitch = balancer.text("VSwitchId").to_owned();
    balancer.set("NetworkType", network);
    context.world.put(balancer);
    if !vswitch.is_empty() {
        context.attach(&id, &vswitch, vpc.as_str().into(), address.as_str().into());
    }
    let order = context.world.number();
    Ok(json!({
        "LoadBalancerId": id, "Address": address, "VpcId": vpc, "VSwitchId": vswitch, "NetworkType": network,
        "LoadBalancerName": name, "OrderId": order, "AddressIPVersion": "ipv4",
    }))
}

fn show(context: &Context<'_>, is: &Resource) -> Json {
    let or = |name: &str, default: &str| is.attrs.get(name).cloned().unwrap_or_else(|| default.into());
    json!({
        "LoadBalancerId": is.id, "LoadBalancerName": is.name, "LoadBalancerStatus": is.attr("LoadBalancerStatus"),
        "Address": is.attr("Address"), "AddressType": is.attr("AddressType"), "AddressIPVersion": "ipv4",
        "VpcId": is.attr("VpcId"), "VSwitchId": or("VSwitchId", ""), "NetworkType": is.attr("NetworkType"),
        "RegionId": context.options.region, "LoadBalancerSpec": or("LoadBalancerSpec", ""), "PayType": "PayOnDemand",
        "InstanceChargeType": or("InstanceChargeType", "PayBySpec"), "InternetChargeType": or("InternetChargeType", "paybytraffic"),
        "DeleteProtection": is.attr("DeleteProtection"), "ResourceGroupId": or("ResourceGroupId", ""),
        "MasterZoneId": or("MasterZoneId", ""), "SlaveZoneId": or("SlaveZoneId", ""), "CreateTime": iso(is.created),
        "ModificationProtectionStatus": or("ModificationProtectionStatus", "NonProtection"),
        "Tags": {"Tag": tag_list(&is.tags, "TagKey", "TagValue")},
    })
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    let balancer = balancer(context)?;
    let mut shown = show(context, balancer);
    let listeners = context
        .seen(Kind::ClbListener)
        .filter(|is| is.parent.as_ref() == Some(&balancer.id));
    let listeners: Vec<_> = listeners.map(|is| json!({"ListenerPort": is.attr("ListenerPort"), "ListenerProtocol": is.attr("protocol"), "Description": is.text("Description")})).collect();
    let ports: Vec<_> = listeners
        .iter()
        .map(|listener| listener["ListenerPort"].clone())
        .collect();
    shown["ListenerPorts"] = json!({"ListenerPort": ports});
    shown["ListenerPortsAndProtocol"] = json!({"ListenerPortAndProtocol": listeners});
    shown["BackendServers"] = json!({"BackendServer": []});
    Ok(shown)
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    vpc::region(context)?;
    if context.params.int("PageSize").is_some() && context.params.int("PageNumber").is_none() {
        return Err(Refusal::missing("PageNumber"));
    }
    let tags = context.params.json("Tags")?.unwrap_or_else(|| json!([]));
    let mut all = Vec::new();
    for is in context.seen(Kind::Clb) {
        let fits = [
            "VpcId",
            "VSwitchId",
            "AddressType",
            "LoadBalancerStatus",
            "Address",
            "ResourceGroupId",
        ];
        let fits =
            fits.iter().all(|name| context.wants(name, is.text(name))) && context.wants("LoadBalancerName", &is.name);
        let has = tags.as_array().into_iter().flatten().all(|tag| {
            is.tags
                .get(tag["TagKey"].as_str().unwrap_or_default())
                .is_some_and(|is| tag["TagValue"] == is.as_str())
        });
        if fits && has && context.has_tags(is) && context.lists("LoadBalancerId", &is.id, 10)? {
            all.push(show(context, is));
        }
    }
    let at = context.page(100, 10)?;
    let total = all.len();
    let some = page(all, at);
    Ok(json!({"LoadBalancers": {"LoadBalancer": some}, "TotalCount": total, "PageNumber": at.0, "PageSize": at.1}))
}

pub(super) fn set(context: &mut Context<'_>, name: &str, values: &[&str]) -> Answer {
    let (id, value) = (balancer(context)?.id.clone(), context.params.need(name)?.to_owned());
    if !values.contains(&value.as_str()) {
        return Err(Refusal::parameter(name, format!("it is one of {values:?}")));
    }
    context.edit(Kind::Clb, &id).set(name, value);
    done()
}

pub(super) fn rename(context: &mut Context<'_>) -> Answer {
    let (id, name) = (
        balancer(context)?.id.clone(),
        context.params.need("LoadBalancerName")?.to_owned(),
    );
    context.edit(Kind::Clb, &id).name = name;
    done()
}

pub(super) fn bandwidth(context: &mut Context<'_>) -> Answer {
    let (id, changed) = (
        balancer(context)?.id.clone(),
        context.params.pick(&["InternetChargeType", "Bandwidth"]),
    );
    context.edit(Kind::Clb, &id).attrs.extend(changed);
    Ok(json!({"OrderId": context.world.number()}))
}

/// What is left of its listeners and groups goes with it.
pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let balancer = balancer(context)?;
    if balancer.text("DeleteProtection") == "on" {
        return bad(
            "OperationDenied.DeleteProtectionIsOn",
            "DeleteProtection attribute is on.",
        );
    }
    let id = balancer.id.clone();
    context.detach(&id, context.now);
    context.world.remove(Kind::Clb, &id);
    context.world.sweep();
    done()
}
