//! vSwitches.

use serde_json::{Value as Json, json};

use super::vpc::{block, region, vpc};
use crate::{
    Kind, Resource,
    context::{Context, done, page, tag_list},
    refusal::{Answer, absent, bad},
    world::iso,
};

/// The vSwitch of the call.
pub(super) fn find<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let id = context.params.need("VSwitchId")?;
    match context.find(Kind::VSwitch, id) {
        Some(vswitch) => Ok(vswitch),
        None => absent("InvalidVSwitchId.NotFound", "Specified virtual switch is not found."),
    }
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    region(context)?;
    let (vpc_id, zone) = (vpc(context)?.id.clone(), context.params.need("ZoneId")?.to_owned());
    let outer = block(vpc(context)?.text("CidrBlock"));
    if vpc(context)?.is_busy(context.now) {
        return bad(
            "IncorrectVpcStatus",
            "Current VPC status does not support this operation.",
        );
    }
    if !context.options.zones.contains(&zone) {
        return absent(
            "InvalidZoneId.NotFound",
            format!("The specified ZoneId {zone} does not exist."),
        );
    }
    let cidr = context.params.need("CidrBlock")?.to_owned();
    let (Some(inner), Some(outer)) = (block(&cidr), outer) else {
        return bad(
            "InvalidCidrBlock.Malformed",
            format!("The CIDR block {cidr} is not valid."),
        );
    };
    if !(16..=29).contains(&inner.2) || inner.0 < outer.0 || inner.1 > outer.1 {
        return bad(
            "InvalidCidrBlock.Malformed",
            format!("The CIDR block {cidr} is not within that of the VPC."),
        );
    }
    let siblings: Vec<_> = context
        .world
        .of(Kind::VSwitch)
        .filter(|is| is.parent.as_ref() == Some(&vpc_id))
        .collect();
    if siblings.iter().any(|is| is.is_busy(context.now)) {
        return bad(
            "IncorrectVSwitchStatus",
            "Creating vSwitches of a VPC simultaneously is not supported.",
        );
    }
    let overlaps = |is: &&Resource| block(is.text("CidrBlock")).is_some_and(|is| is.0 <= inner.1 && inner.0 <= is.1);
    if siblings.iter().any(overlaps) {
        return bad(
            "InvalidCidrBlock.Overlapped",
            format!("The CIDR block {cidr} overlaps with that of another vSwitch."),
        );
    }
    if siblings.len() >= context.options.quotas.vswitches {
        return bad("QuotaExceeded.VSwitch", "VSwitch quota exceeded.");
    }
    let tags = context.tags("Tag")?;
    let id = context.id("vsw-bp1");
    let mut vswitch = context.make(
        Kind::VSwitch,
        &id,
        context.params.text("VSwitchName").unwrap_or_default(),
    );
    vswitch.parent = Some(vpc_id);
    vswitch.tags = tags;
    vswitch.busy = context.busy("Pending");
    vswitch.attrs = context.params.pick(&["Description", "CidrBlock", "ZoneId", "VpcId"]);
    context.world.put(vswitch);
    Ok(json!({ "VSwitchId": id }))
}

pub(super) fn show(context: &Context<'_>, is: &Resource) -> Json {
    let size = block(is.text("CidrBlock")).map_or(0, |(first, last, _)| last - first);
    json!({
        "VSwitchId": is.id, "VSwitchName": is.name, "Status": is.status(context.now, "Available"),
        "VpcId": is.parent, "CidrBlock": is.text("CidrBlock"), "ZoneId": is.text("ZoneId"), "IsDefault": false,
        "Description": is.text("Description"), "CreationTime": iso(is.created),
        "AvailableIpAddressCount": size.saturating_sub(3), "Tags": {"Tag": tag_list(&is.tags, "Key", "Value")},
    })
}

pub(super) fn describe(context: &Context<'_>) -> Answer {
    region(context)?;
    let at = context.page(50, 10)?;
    let mut all = Vec::new();
    for is in context.seen(Kind::VSwitch) {
        let inside = context.wants("VpcId", is.parent.as_deref().unwrap_or_default());
        let fits = context.wants("ZoneId", is.text("ZoneId")) && context.wants("VSwitchName", &is.name);
        if inside && fits && context.lists("VSwitchId", &is.id, 20)? && context.has_tags(is) {
            all.push(show(context, is));
        }
    }
    Ok(json!({"TotalCount": all.len(), "PageNumber": at.0, "PageSize": at.1, "VSwitches": {"VSwitch": page(all, at)}}))
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = find(context)?.id.clone();
    let uses = |is: &Resource| match is.kind {
        Kind::NetworkInterface => is.parent.as_ref() == Some(&id),
        Kind::Db | Kind::Clb | Kind::Instance => is.text("VSwitchId").split(',').any(|used| used == id),
        Kind::Nlb => is
            .list("ZoneMappings")
            .iter()
            .any(|zone| zone["VSwitchId"] == id.as_str()),
        _ => false,
    };
    if context.world.all().any(uses) {
        return bad(
            "DependencyViolation",
            "Specified object has dependent resources; delete them first.",
        );
    }
    context.world.remove(Kind::VSwitch, &id);
    done()
}
