//! Who reaches an instance, and how.

use std::net::Ipv4Addr;

use serde_json::{Value as Json, json};

use super::{db, malformed, parts, running};
use crate::{
    Kind,
    context::{Context, done},
    products::vpc,
    refusal::{Answer, bad},
    world::World,
};

/// The certificate of a CA that signs for every instance here.
const CA: &str = include_str!("ca.pem");

/// The first and last address of a whitelist's entry.
pub(super) fn entry(text: &str) -> Option<(u32, u32)> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some((u32::from(address), u32::from(address)));
    }
    vpc::block(text).map(|(first, last, _)| (first, last))
}

/// Whether the whitelists of an instance admit an address, or anybody but the instance's own host.
pub(crate) fn admits(world: &World, id: &str, from: Option<Ipv4Addr>) -> bool {
    let groups = world
        .of(Kind::Whitelist)
        .filter(|group| group.parent.as_deref() == Some(id));
    let entries: Vec<_> = groups
        .flat_map(|group| group.text("SecurityIPList").split(','))
        .filter(|one| !one.is_empty())
        .collect();
    entries
        .into_iter()
        .filter(|one| *one != "127.0.0.1")
        .filter_map(entry)
        .any(|(first, last)| from.is_none_or(|from| (first..=last).contains(&u32::from(from))))
}

pub(super) fn modify(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let name = context
        .params
        .text("DBInstanceIPArrayName")
        .unwrap_or("default")
        .to_owned();
    if !super::good_name(&name, 120) {
        return bad(
            "InvalidIPArrayName.Format",
            format!("The name {name} of a whitelist group is not valid."),
        );
    }
    let entries: Vec<_> = context
        .params
        .commas("SecurityIps")
        .into_iter()
        .map(str::to_owned)
        .collect();
    if entries.iter().any(|one| entry(one).is_none()) || entries.len() > 1000 {
        return malformed("SecurityIPList.Format");
    }
    let mut sorted = entries.clone();
    sorted.sort();
    sorted.dedup();
    if sorted.len() != entries.len() {
        return bad(
            "InvalidSecurityIPList.Duplicate",
            "The IP addresses in the whitelist are duplicate.",
        );
    }
    let key = format!("{id}/{name}");
    let known = context
        .find(Kind::Whitelist, &key)
        .map(|group| group.text("SecurityIPList").to_owned());
    let mut is: Vec<String> = known
        .iter()
        .flat_map(|list| list.split(','))
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect();
    match context.params.text("ModifyMode").unwrap_or("Cover") {
        "Cover" => is = entries,
        "Append" => is.extend(
            entries
                .into_iter()
                .filter(|one| !known.iter().flat_map(|list| list.split(',')).any(|old| old == one)),
        ),
        "Delete" => is.retain(|one| !entries.contains(one)),
        _ => return malformed("InvalidModifyMode.Format"),
    }
    if known.is_none() && parts(context, Kind::Whitelist, &id).count() >= 200 {
        return bad(
            "SecurityIPGroupCountExceeded",
            "An instance has up to 200 whitelist groups.",
        );
    }
    if is.is_empty() && name != "default" {
        context.world.remove(Kind::Whitelist, &key);
        return Ok(json!({"TaskId": "0"}));
    }
    let mut group = context.make(Kind::Whitelist, key, name);
    group.parent = Some(id);
    group.set(
        "SecurityIPList",
        if is.is_empty() {
            "127.0.0.1".to_owned()
        } else {
            is.join(",")
        },
    );
    context.world.put(group);
    Ok(json!({"TaskId": context.world.number().to_string()}))
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let id = db(context)?.id.clone();
    let groups = parts(context, Kind::Whitelist, &id).map(|group| {
        let entries = group.attr("SecurityIPList");
        json!({"DBInstanceIPArrayName": group.name, "SecurityIPList": entries, "SecurityIPType": "IPv4", "DBInstanceIPArrayAttribute": ""})
    });
    Ok(json!({"Items": {"DBInstanceIPArray": groups.collect::<Vec<_>>()}}))
}

/// Replaces the security groups whose members are let in; none, if none is named.
pub(super) fn let_in(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let groups: Vec<_> = context
        .params
        .commas("SecurityGroupId")
        .into_iter()
        .map(str::to_owned)
        .collect();
    if groups.len() > 10 {
        return bad(
            "AssociatedEcsSecurityGroupIdQuotaExceed",
            "Security groups quota exceeded",
        );
    }
    let vpc = db(context)?.text("VpcId").to_owned();
    for group in &groups {
        let found = context.find(Kind::SecurityGroup, group);
        if found.is_none_or(|group| group.parent.as_deref() != Some(vpc.as_str())) {
            return bad(
                "InvalidSecurityGroupId",
                format!("{group} is no security group of the instance's VPC."),
            );
        }
    }
    context.edit(Kind::Db, &id).set("SecurityGroups", groups);
    let_in_are(context)
}

pub(super) fn let_in_are(context: &Context<'_>) -> Answer {
    let db = db(context)?;
    let region = &context.options.region;
    let one = |group: &Json| json!({"NetworkType": "VPC", "RegionId": region, "SecurityGroupId": group});
    let groups: Vec<_> = db.list("SecurityGroups").iter().map(one).collect();
    Ok(json!({"DBInstanceName": db.id, "Items": {"EcsSecurityGroupRelation": groups}}))
}

pub(super) fn info(context: &Context<'_>) -> Answer {
    let db = db(context)?;
    let vswitch = db.text("VSwitchId").split(',').next();
    Ok(json!({
        "InstanceNetworkType": "VPC", "SecurityIPMode": "normal",
        "DBInstanceNetInfos": {"DBInstanceNetInfo": [{
            "ConnectionString": db.attr("ConnectionString"), "ConnectionStringType": "Normal", "IPType": "Private",
            "Port": db.attr("Port"), "IPAddress": db.attr("IPAddress"), "VPCId": db.attr("VpcId"), "VSwitchId": vswitch,
        }]},
    }))
}

pub(super) fn modify_ssl(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    if context.params.need("ConnectionString")? != db(context)?.text("ConnectionString") {
        return bad(
            "InvalidConnectionString.NotFound",
            "The connection string is not the instance's.",
        );
    }
    let on = match context.params.int("SSLEnabled") {
        None | Some(1 | 2) => true,
        Some(0) => false,
        Some(_) => return malformed("InvalidSSLStatus"),
    };
    if !on && !db(context)?.truth("ssl") {
        return bad("IncorrectDBSslStatus", "SSL is off already.");
    }
    let (busy, force) = (
        context.busy("SSL_MODIFYING"),
        context.params.text("ForceEncryption").unwrap_or("0").to_owned(),
    );
    let instance = context.edit(Kind::Db, &id);
    instance.set("ssl", on);
    instance.set("ForceEncryption", force);
    instance.busy = busy;
    done()
}

pub(super) fn ssl(context: &Context<'_>) -> Answer {
    let db = db(context)?;
    let on = db.truth("ssl");
    Ok(json!({
        "SSLEnabled": if on { "Yes" } else { "No" }, "ConnectionString": if on { db.text("ConnectionString") } else { "" },
        "RequireUpdate": "No", "ForceEncryption": db.text("ForceEncryption"), "ServerCert": if on { CA } else { "" },
        "CAType": "aliyun",
    }))
}
