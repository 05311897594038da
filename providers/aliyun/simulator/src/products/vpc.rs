//! VPCs, and what both VPCs and vSwitches have.

use std::net::Ipv4Addr;

use serde_json::{Value as Json, json};

use super::{tags, vswitch};
use crate::{
    ACCOUNT, Kind, Options, Resource,
    context::{Context, done, page, tag_list},
    refusal::{Answer, absent, bad},
    world::{World, iso},
};

/// The network that an account has from the start.
pub const SHARED_VPC: &str = "vpc-shared";
/// Its vSwitches, one in each of the first zones.
pub const SHARED_VSWITCHES: [&str; 2] = ["vsw-shared-1", "vsw-shared-2"];
/// Its security group.
pub const SHARED_SECURITY_GROUP: &str = "sg-shared";
/// The group of contacts that is there from the beginning.
pub const SHARED_CONTACTS: &str = "shared";

const TYPES: tags::Types = &[("VPC", Kind::Vpc), ("VSWITCH", Kind::VSwitch)];

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    Some(match context.action {
        "CreateVpc" => create_vpc(context),
        "DescribeVpcs" => describe_vpcs(context),
        "DescribeVpcAttribute" => vpc(context).map(|vpc| show_vpc(context, vpc)),
        "ModifyVpcAttribute" => modify(context, Kind::Vpc),
        "DeleteVpc" => delete_vpc(context),
        "CreateVSwitch" => vswitch::create(context),
        "DescribeVSwitches" => vswitch::describe(context),
        "DescribeVSwitchAttributes" => vswitch::find(context).map(|is| vswitch::show(context, is)),
        "ModifyVSwitchAttribute" => modify(context, Kind::VSwitch),
        "DeleteVSwitch" => vswitch::delete(context),
        "DescribeZones" => {
            let zone = |zone: &String| json!({"ZoneId": zone, "LocalName": zone, "ZoneType": "AvailabilityZone"});
            Ok(json!({"Zones": {"Zone": context.options.zones.iter().map(zone).collect::<Vec<_>>()}}))
        }
        "DescribeRegions" => {
            let region = &context.options.region;
            let endpoint = format!("vpc.{region}.aliyuncs.com");
            Ok(json!({"Regions": {"Region": [{"RegionId": region, "LocalName": region, "RegionEndpoint": endpoint}]}}))
        }
        "MoveResourceGroup" => move_group(context),
        "TagResources" => tags::tag(context, TYPES),
        "UnTagResources" => tags::untag(context, TYPES),
        "ListTagResources" => tags::listed(context, TYPES, ""),
        _ => return None,
    })
}

/// The network that is there from the start.
pub(crate) fn found(world: &mut World, options: &Options) {
    let make = |kind: Kind, id: &str, parent: Option<&str>, attrs: Json| Resource {
        kind,
        id: id.into(),
        name: id.into(),
        parent: parent.map(str::to_owned),
        account: options
            .access_keys
            .first()
            .map_or(ACCOUNT, |key| &key.account)
            .to_owned(),
        created: 0,
        visible_from: 0,
        busy: None,
        gone_at: None,
        tags: std::collections::BTreeMap::new(),
        attrs: attrs.as_object().cloned().unwrap_or_default(),
        rows: Vec::new(),
    };
    world.put(make(Kind::Vpc, SHARED_VPC, None, json!({"CidrBlock": "10.0.0.0/8"})));
    for (n, (id, zone)) in SHARED_VSWITCHES.iter().zip(options.zones.iter().cycle()).enumerate() {
        let attrs = json!({"CidrBlock": format!("10.{n}.0.0/16"), "ZoneId": zone, "VpcId": SHARED_VPC});
        world.put(make(Kind::VSwitch, id, Some(SHARED_VPC), attrs));
    }
    let attrs = json!({"SecurityGroupType": "normal", "VpcId": SHARED_VPC});
    world.put(make(
        Kind::SecurityGroup,
        SHARED_SECURITY_GROUP,
        Some(SHARED_VPC),
        attrs,
    ));
    // Alarms are told to a group of contacts, which nobody but a person makes.
    let mut group = make(Kind::ContactGroup, SHARED_CONTACTS, None, json!({"ContactNames": []}));
    group.id = format!("{}/{SHARED_CONTACTS}", group.account);
    world.put(group);
}

/// The first and last address of a block, which has to begin where it says.
pub(crate) fn block(cidr: &str) -> Option<(u32, u32, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let (address, bits): (Ipv4Addr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let size = u32::MAX.checked_shr(bits).unwrap_or(0);
    let first = u32::from(address);
    (bits <= 32 && first & size == 0).then_some((first, first | size, bits))
}

pub(super) fn vpc<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let id = context.params.need("VpcId")?;
    match context.find(Kind::Vpc, id) {
        Some(vpc) => Ok(vpc),
        None => absent(
            "InvalidVpcId.NotFound",
            "Specified value of VpcId is not found in our record.",
        ),
    }
}

/// A call for another region finds nothing here.
pub(crate) fn region(context: &Context<'_>) -> Answer<()> {
    match context.params.text("RegionId") {
        Some(region) if region != context.options.region => absent(
            "InvalidRegionId.NotFound",
            format!("The specified RegionId {region} does not exist."),
        ),
        _ => Ok(()),
    }
}

fn create_vpc(context: &mut Context<'_>) -> Answer {
    region(context)?;
    let cidr = context.params.text("CidrBlock").unwrap_or("172.16.0.0/12").to_owned();
    if block(&cidr).is_none_or(|(_, _, bits)| !(8..=28).contains(&bits)) {
        return bad(
            "InvalidCidrBlock.Malformed",
            format!("The CIDR block {cidr} is not valid."),
        );
    }
    let tags = context.tags("Tag")?;
    if context.count(Kind::Vpc) >= context.options.quotas.vpcs {
        return bad("QuotaExceeded.Vpc", "VPC quota exceeded.");
    }
    if context.params.truth("DryRun").unwrap_or_default() {
        return bad(
            "DryRunOperation",
            "Request validation has been passed with DryRun flag set.",
        );
    }
    let id = context.id("vpc-bp1");
    let (router, table) = (context.id("vrt-bp1"), context.id("vtb-bp1"));
    let group = context
        .params
        .text("ResourceGroupId")
        .unwrap_or("rg-default")
        .to_owned();
    let mut vpc = context.make(Kind::Vpc, &id, context.params.text("VpcName").unwrap_or_default());
    vpc.tags = tags;
    vpc.busy = context.busy("Pending");
    vpc.attrs = context.params.pick(&["Description"]);
    vpc.set("CidrBlock", cidr);
    vpc.set("VRouterId", router.as_str());
    vpc.set("RouteTableId", table.as_str());
    vpc.set("ResourceGroupId", group.as_str());
    context.world.put(vpc);
    Ok(json!({"VpcId": id, "VRouterId": router, "RouteTableId": table, "ResourceGroupId": group}))
}

fn show_vpc(context: &Context<'_>, vpc: &Resource) -> Json {
    let vswitches: Vec<_> = context
        .seen(Kind::VSwitch)
        .filter(|is| is.parent.as_ref() == Some(&vpc.id))
        .map(|is| &is.id)
        .collect();
    json!({
        "VpcId": vpc.id, "VpcName": vpc.name, "Status": vpc.status(context.now, "Available"),
        "CidrBlock": vpc.text("CidrBlock"), "Description": vpc.text("Description"), "RegionId": context.options.region,
        "VRouterId": vpc.text("VRouterId"), "ResourceGroupId": vpc.text("ResourceGroupId"), "IsDefault": false,
        "CreationTime": iso(vpc.created), "OwnerId": vpc.account.parse::<i64>().unwrap_or_default(),
        "VSwitchIds": {"VSwitchId": vswitches}, "Tags": {"Tag": tag_list(&vpc.tags, "Key", "Value")},
    })
}

fn describe_vpcs(context: &Context<'_>) -> Answer {
    region(context)?;
    let at = context.page(50, 10)?;
    let mut all = Vec::new();
    for vpc in context.seen(Kind::Vpc) {
        let named =
            context.wants("VpcName", &vpc.name) && context.wants("ResourceGroupId", vpc.text("ResourceGroupId"));
        if context.lists("VpcId", &vpc.id, 20)? && named && context.has_tags(vpc) {
            all.push(show_vpc(context, vpc));
        }
    }
    Ok(json!({"TotalCount": all.len(), "PageNumber": at.0, "PageSize": at.1, "Vpcs": {"Vpc": page(all, at)}}))
}

fn modify(context: &mut Context<'_>, kind: Kind) -> Answer {
    let (id, name) = match kind {
        Kind::Vpc => (vpc(context)?.id.clone(), "VpcName"),
        _ => (vswitch::find(context)?.id.clone(), "VSwitchName"),
    };
    let (name, changed) = (
        context.params.text(name).map(str::to_owned),
        context.params.pick(&["Description"]),
    );
    let resource = context.edit(kind, &id);
    resource.attrs.extend(changed);
    if let Some(name) = name {
        resource.name = name;
    }
    done()
}

fn move_group(context: &mut Context<'_>) -> Answer {
    let (id, group) = (
        context.params.need("ResourceId")?.to_owned(),
        context.params.need("NewResourceGroupId")?.to_owned(),
    );
    if context.find(Kind::Vpc, &id).is_none() {
        return absent("InvalidResourceId.NotFound", "The specified ResourceId is not found.");
    }
    context.edit(Kind::Vpc, &id).set("ResourceGroupId", group);
    done()
}

fn delete_vpc(context: &mut Context<'_>) -> Answer {
    let vpc = vpc(context)?;
    if vpc.is_busy(context.now) {
        return bad(
            "IncorrectVpcStatus",
            "Current VPC status does not support this operation.",
        );
    }
    let id = vpc.id.clone();
    let inside = context.world.inside(Kind::Vpc, &id);
    for (kind, code) in [
        (Kind::VSwitch, "DependencyViolation.VSwitch"),
        (Kind::SecurityGroup, "DependencyViolation.SecurityGroup"),
    ] {
        if inside.iter().any(|(is, _)| *is == kind) {
            return bad(code, "The VPC still holds resources; delete them first.");
        }
    }
    let groups = context.world.of(Kind::NlbGroup).any(|is| is.text("VpcId") == id);
    if groups {
        return bad(
            "DependencyViolation.CloudServiceResource",
            "Cloud service resources of the VPC have not been deleted.",
        );
    }
    context.world.remove(Kind::Vpc, &id);
    done()
}
