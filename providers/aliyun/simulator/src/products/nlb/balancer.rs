//! Balancers.

use serde_json::{Value as Json, json};

use super::{active, among, dry_run, find, job, listed};
use crate::{
    Kind, Resource,
    context::{Context, done, tag_list},
    products::vpc,
    refusal::{Answer, absent, bad},
    world::{iso, millis},
};

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    vpc::region(context)?;
    let address_type = context.params.need("AddressType")?.to_owned();
    if !["Internet", "Intranet"].contains(&address_type.as_str()) {
        return bad("IllegalParam", format!("The AddressType {address_type} is not valid."));
    }
    let vpc = context.params.need("VpcId")?.to_owned();
    if context.find(Kind::Vpc, &vpc).is_none() {
        return absent("ResourceNotFound.Vpc", "The specified resource of VPC is not found.");
    }
    let zones = context.params.list("ZoneMappings").to_vec();
    if zones.is_empty() || zones.len() > 10 {
        return bad("InvalidZones", "There are 1 to 10 zones.");
    }
    for (n, zone) in zones.iter().enumerate() {
        if zones[..n].iter().any(|other| other["ZoneId"] == zone["ZoneId"]) {
            return bad("OperationFailed.DuplicateZones", "A zone is there twice.");
        }
        let Some(vswitch) = context.find(Kind::VSwitch, zone["VSwitchId"].as_str().unwrap_or_default()) else {
            return absent(
                "ResourceNotFound.VSwitch",
                "The specified resource of vSwitch is not found.",
            );
        };
        if vswitch.parent.as_ref() != Some(&vpc) || vswitch.attr("ZoneId") != zone["ZoneId"] {
            return bad("Mismatch.ZoneIdAndVswitchId", "The vSwitch is not in the zone and VPC.");
        }
    }
    let tags = context.tags("Tag")?;
    if context.count(Kind::Nlb) >= context.options.quotas.balancers {
        return bad(
            "QuotaExceeded.QuotaInsufficient",
            "The quota of load balancers is used up.",
        );
    }
    dry_run(context)?;
    let id = context.id("nlb-");
    let mut mappings = Vec::new();
    for zone in zones {
        let address = format!(
            "10.1.{}.{}",
            context.world.number() % 250,
            context.world.number() % 250 + 2
        );
        let mut addresses = json!({"PrivateIPv4Address": address, "PrivateIPv4HcStatus": "Healthy"});
        if address_type == "Internet" {
            addresses["PublicIPv4Address"] = format!("203.0.113.{}", context.world.number() % 250 + 2).into();
        }
        let vswitch = zone["VSwitchId"].as_str().unwrap_or_default().to_owned();
        mappings.push(json!({
            "VSwitchId": vswitch, "ZoneId": zone["ZoneId"], "Status": "Active", "LoadBalancerAddresses": [addresses],
        }));
        context.attach(&id, &vswitch, vpc.as_str().into(), address.into());
    }
    let mut balancer = context.make(
        Kind::Nlb,
        &id,
        context.params.text("LoadBalancerName").unwrap_or_default(),
    );
    balancer.tags = tags;
    balancer.busy = context.busy("Provisioning");
    balancer.attrs = context
        .params
        .pick(&["AddressType", "VpcId", "ResourceGroupId", "DeletionProtectionConfig"]);
    balancer.set("ZoneMappings", mappings);
    balancer.set("DNSName", format!("{id}.{}.nlb.aliyuncs.com", context.options.region));
    balancer.set("CrossZoneEnabled", true);
    context.world.put(balancer);
    let order = context.world.number();
    // The letter is small in this one answer.
    Ok(json!({"LoadbalancerId": id, "OrderId": order}))
}

fn show(context: &Context<'_>, is: &Resource) -> Json {
    let protection = is
        .attrs
        .get("DeletionProtectionConfig")
        .cloned()
        .unwrap_or_else(|| json!({"Enabled": false}));
    json!({
        "LoadBalancerId": is.id, "LoadBalancerName": is.name, "LoadBalancerType": "network",
        "LoadBalancerStatus": is.status(context.now, "Active"), "LoadBalancerBusinessStatus": "Normal",
        "AddressType": is.attr("AddressType"), "AddressIpVersion": "Ipv4", "VpcId": is.attr("VpcId"),
        "ZoneMappings": is.attr("ZoneMappings"), "DNSName": is.attr("DNSName"), "RegionId": context.options.region,
        "CrossZoneEnabled": is.attr("CrossZoneEnabled"), "SecurityGroupIds": is.list("SecurityGroupIds"),
        "DeletionProtectionConfig": protection, "ResourceGroupId": is.text("ResourceGroupId"),
        "LoadBalancerBillingConfig": {"PayType": "PostPay"}, "CreateTime": iso(is.created),
    })
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    let balancer = find(context, Kind::Nlb, "LoadBalancerId")?;
    let mut shown = show(context, balancer);
    shown["Tags"] = tag_list(&balancer.tags, "TagKey", "TagValue");
    Ok(shown)
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let mut all = Vec::new();
    for is in context.seen(Kind::Nlb) {
        let named = among(context, "LoadBalancerIds", &is.id)?
            && among(context, "LoadBalancerNames", &is.name)?
            && among(context, "VpcIds", is.text("VpcId"))?;
        let status = is.status(context.now, "Active");
        if named && context.has_tags(is) && context.wants("LoadBalancerStatus", &status) {
            let mut shown = show(context, is);
            shown["Tags"] = tag_list(&is.tags, "Key", "Value");
            all.push(shown);
        }
    }
    listed(context, "LoadBalancers", all)
}

pub(super) fn update(context: &mut Context<'_>) -> Answer {
    let id = active(context)?;
    dry_run(context)?;
    let (name, cross) = (
        context.params.text("LoadBalancerName").map(str::to_owned),
        context.params.pick(&["CrossZoneEnabled"]),
    );
    let busy = context.busy("Configuring");
    let balancer = context.edit(Kind::Nlb, &id);
    balancer.attrs.extend(cross);
    balancer.busy = busy;
    if let Some(name) = name {
        balancer.name = name;
    }
    Ok(json!({"JobId": job(context)}))
}

pub(super) fn protect(context: &mut Context<'_>) -> Answer {
    let id = active(context)?;
    dry_run(context)?;
    if let Some(enabled) = context.params.truth("DeletionProtectionEnabled") {
        let reason = context.params.text("DeletionProtectionReason").unwrap_or_default();
        let protection = json!({"Enabled": enabled, "Reason": if enabled { reason } else { "" }});
        context.edit(Kind::Nlb, &id).set("DeletionProtectionConfig", protection);
    }
    done()
}

/// Its listeners go with it.
pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = active(context)?;
    let balancer = find(context, Kind::Nlb, "LoadBalancerId")?;
    if balancer.attr("DeletionProtectionConfig")["Enabled"] == true {
        return bad(
            "OperationDenied.DeletionProtectionEnabled",
            "The operation is not allowed because deletion protection is enabled.",
        );
    }
    dry_run(context)?;
    let (busy, gone) = (
        context.busy("Deleting"),
        context.now + millis(context.options.provisioning),
    );
    let balancer = context.edit(Kind::Nlb, &id);
    balancer.busy = busy;
    balancer.gone_at = Some(gone);
    context.detach(&id, gone);
    let job = job(context);
    context.world.sweep();
    Ok(json!({ "JobId": job }))
}

pub(super) fn security_groups(context: &mut Context<'_>, join: bool) -> Answer {
    let id = active(context)?;
    let groups: Vec<_> = context
        .params
        .texts("SecurityGroupIds")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let vpc = find(context, Kind::Nlb, "LoadBalancerId")?.attr("VpcId");
    for group in &groups {
        match context.find(Kind::SecurityGroup, group) {
            None => {
                return absent(
                    "ResourceNotFound.SecurityGroup",
                    "The specified security group is not found.",
                );
            }
            Some(is) if is.attr("VpcId") != vpc => return bad("Mismatch.vpc", "The security group is in another VPC."),
            Some(_) => {}
        }
    }
    let mut is = find(context, Kind::Nlb, "LoadBalancerId")?
        .list("SecurityGroupIds")
        .to_vec();
    if join && is.iter().any(|is| groups.iter().any(|group| is == group)) {
        return bad("Conflict.SecurityGroup", "The security group is joined already.");
    }
    is.retain(|is| join || !groups.iter().any(|group| is == group));
    if join {
        is.extend(groups.into_iter().map(Json::from));
    }
    let busy = context.busy("Configuring");
    let balancer = context.edit(Kind::Nlb, &id);
    balancer.set("SecurityGroupIds", is);
    balancer.busy = busy;
    Ok(json!({"JobId": job(context)}))
}
