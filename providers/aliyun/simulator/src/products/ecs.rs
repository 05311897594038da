//! Security groups, and network interfaces and instances to be looked at.

use serde_json::{Value as Json, json};

use super::{tags, vpc};
use crate::{
    Kind, Resource,
    context::{Context, done, page, tag_list},
    refusal::{Answer, Refusal, absent, forbidden},
    world::iso,
};

const TYPES: tags::Types = &[
    ("securitygroup", Kind::SecurityGroup),
    ("eni", Kind::NetworkInterface),
    ("instance", Kind::Instance),
];
const RULE: [&str; 8] = [
    "IpProtocol",
    "PortRange",
    "SourceCidrIp",
    "SourceGroupId",
    "Policy",
    "Priority",
    "Description",
    "NicType",
];

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    Some(match context.action {
        "CreateSecurityGroup" => create(context),
        "DescribeSecurityGroups" => describe(context),
        "DescribeSecurityGroupAttribute" => attribute(context),
        "ModifySecurityGroupAttribute" => modify(context),
        "AuthorizeSecurityGroup" => authorize(context, true),
        "RevokeSecurityGroup" => authorize(context, false),
        "DeleteSecurityGroup" => delete(context),
        "DescribeNetworkInterfaces" => interfaces(context),
        "DescribeInstances" => instances(context),
        "DescribeRegions" => {
            let region = &context.options.region;
            let endpoint = format!("ecs.{region}.aliyuncs.com");
            Ok(json!({"Regions": {"Region": [{"RegionId": region, "LocalName": region, "RegionEndpoint": endpoint}]}}))
        }
        "TagResources" => tags::tag(context, TYPES),
        "UntagResources" => tags::untag(context, TYPES),
        "ListTagResources" => tags::listed(context, TYPES, ""),
        _ => return None,
    })
}

fn group<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let id = context.params.need("SecurityGroupId")?;
    match context.find(Kind::SecurityGroup, id) {
        Some(group) => Ok(group),
        None => absent(
            "InvalidSecurityGroupId.NotFound",
            "The specified SecurityGroupId does not exist.",
        ),
    }
}

fn create(context: &mut Context<'_>) -> Answer {
    vpc::region(context)?;
    let vpc = context.params.need("VpcId")?.to_owned();
    if context.find(Kind::Vpc, &vpc).is_none() {
        return absent("InvalidVpcId.NotFound", "The specified VpcId does not exist.");
    }
    let tags = context.tags("Tag")?;
    let id = context.id("sg-bp1");
    let mut group = context.make(
        Kind::SecurityGroup,
        &id,
        context.params.text("SecurityGroupName").unwrap_or_default(),
    );
    group.parent = Some(vpc);
    group.tags = tags;
    group.attrs = context
        .params
        .pick(&["Description", "ResourceGroupId", "SecurityGroupType", "VpcId"]);
    context.world.put(group);
    Ok(json!({ "SecurityGroupId": id }))
}

fn describe(context: &Context<'_>) -> Answer {
    vpc::region(context)?;
    let ids = context.params.json("SecurityGroupIds")?;
    let ids = ids.as_ref().and_then(Json::as_array);
    let mut all = Vec::new();
    for group in context.seen(Kind::SecurityGroup) {
        let listed = ids.is_none_or(|ids| ids.iter().any(|id| *id == group.id.as_str()));
        let fits = context.wants("SecurityGroupId", &group.id)
            && context.wants("VpcId", group.text("VpcId"))
            && context.wants("SecurityGroupName", &group.name);
        if listed && fits && context.has_tags(group) {
            all.push(json!({
                "SecurityGroupId": group.id, "SecurityGroupName": group.name, "VpcId": group.text("VpcId"),
                "Description": group.text("Description"), "CreationTime": iso(group.created),
                "SecurityGroupType": "normal", "RuleCount": group.list("rules").len(),
                "Tags": {"Tag": tag_list(&group.tags, "TagKey", "TagValue")},
            }));
        }
    }
    let total = all.len();
    if context.params.int("MaxResults").is_some() || context.params.text("NextToken").is_some() {
        let (some, next) = context.slice(all, 100, 10)?;
        return Ok(json!({"SecurityGroups": {"SecurityGroup": some}, "NextToken": next, "TotalCount": total}));
    }
    let at = context.page(100, 10)?;
    let some = page(all, at);
    Ok(json!({"SecurityGroups": {"SecurityGroup": some}, "TotalCount": total, "PageNumber": at.0, "PageSize": at.1}))
}

fn attribute(context: &Context<'_>) -> Answer {
    let group = group(context)?;
    let rules = group.list("rules").iter().map(|rule| {
        let mut rule = rule.clone();
        rule["Direction"] = "ingress".into();
        rule
    });
    Ok(json!({
        "SecurityGroupId": group.id, "SecurityGroupName": group.name, "VpcId": group.text("VpcId"),
        "Description": group.text("Description"), "RegionId": context.options.region, "InnerAccessPolicy": "Accept",
        "Permissions": {"Permission": rules.collect::<Vec<_>>()},
    }))
}

fn modify(context: &mut Context<'_>) -> Answer {
    let id = group(context)?.id.clone();
    let (name, changed) = (
        context.params.text("SecurityGroupName").map(str::to_owned),
        context.params.pick(&["Description"]),
    );
    let group = context.edit(Kind::SecurityGroup, &id);
    group.attrs.extend(changed);
    if let Some(name) = name {
        group.name = name;
    }
    done()
}

/// The rules of the call, from `Permissions.N` or from single parameters.
fn rules(context: &Context<'_>) -> Answer<Vec<Json>> {
    let mut rules = context.params.list("Permissions").to_vec();
    if rules.is_empty() {
        rules.push(Json::Object(context.params.pick(&RULE)));
    }
    for rule in &mut rules {
        if rule["IpProtocol"].is_null() || rule["PortRange"].is_null() {
            return Err(Refusal::missing("Permissions.1.IpProtocol"));
        }
        if rule["SourceCidrIp"]
            .as_str()
            .is_some_and(|cidr| vpc::block(cidr).is_none())
        {
            return Err(Refusal::new(
                400,
                "InvalidParam.SourceIp",
                "The Parameter SourceCidrIp is not valid.",
            ));
        }
        for (name, default) in [("Policy", "Accept"), ("Priority", "1"), ("NicType", "intranet")] {
            if rule[name].is_null() {
                rule[name] = default.into();
            }
        }
        let protocol = rule["IpProtocol"].as_str().unwrap_or_default().to_uppercase();
        rule["IpProtocol"] = protocol.into();
    }
    Ok(rules)
}

/// Rules that are there already are there once.
fn authorize(context: &mut Context<'_>, add: bool) -> Answer {
    let (id, rules) = (group(context)?.id.clone(), rules(context)?);
    let group = context.edit(Kind::SecurityGroup, &id);
    let mut is = group.list("rules").to_vec();
    is.retain(|rule| !rules.iter().any(|other| same(rule, other)));
    if add {
        is.extend(rules);
    }
    group.set("rules", is);
    done()
}

fn same(one: &Json, other: &Json) -> bool {
    [
        "IpProtocol",
        "PortRange",
        "SourceCidrIp",
        "SourceGroupId",
        "Policy",
        "Priority",
    ]
    .iter()
    .all(|name| one[name] == other[name])
}

fn delete(context: &mut Context<'_>) -> Answer {
    let id = group(context)?.id.clone();
    let used = context.world.all().any(|is| {
        let names = |list: &str| is.list(list).iter().any(|group| *group == id.as_str());
        matches!(is.kind, Kind::Nlb | Kind::NetworkInterface | Kind::Instance) && names("SecurityGroupIds")
    });
    if used {
        return forbidden(
            "DependencyViolation",
            "There is still instance(s) in the specified security group.",
        );
    }
    context.world.remove(Kind::SecurityGroup, &id);
    done()
}

fn interfaces(context: &Context<'_>) -> Answer {
    vpc::region(context)?;
    let (ids, addresses) = (
        context.params.texts("NetworkInterfaceId"),
        context.params.texts("PrivateIpAddress"),
    );
    let mut all = Vec::new();
    for is in context.seen(Kind::NetworkInterface) {
        let address = is.text("PrivateIpAddress");
        let listed = (ids.is_empty() || ids.contains(&is.id.as_str()))
            && (addresses.is_empty() || addresses.contains(&address))
            && context.wants("PrimaryIpAddress", address);
        let fits = context.wants("VSwitchId", is.parent.as_deref().unwrap_or_default())
            && context.wants("VpcId", is.text("VpcId"))
            && context.wants("InstanceId", is.text("InstanceId"));
        if listed && fits && context.has_tags(is) {
            all.push(json!({
                "NetworkInterfaceId": is.id, "NetworkInterfaceName": is.name, "PrivateIpAddress": address,
                "Status": "InUse", "Type": match is.text("Type") { "" => "Secondary", kind => kind }, "VSwitchId": is.parent, "VpcId": is.text("VpcId"),
                "InstanceId": is.text("InstanceId"), "CreationTime": iso(is.created),
                "ServiceManaged": is.truth("ServiceManaged"), "Description": is.text("Description"),
                "SecurityGroupIds": {"SecurityGroupId": is.list("SecurityGroupIds")},
                "PrivateIpSets": {"PrivateIpSet": [{"PrivateIpAddress": address, "Primary": true}]},
                "Tags": {"Tag": tag_list(&is.tags, "TagKey", "TagValue")},
            }));
        }
    }
    let total = all.len();
    let (some, next) = context.slice(all, 500, 50)?;
    Ok(json!({"NetworkInterfaceSets": {"NetworkInterfaceSet": some}, "NextToken": next, "TotalCount": total}))
}

fn instances(context: &Context<'_>) -> Answer {
    vpc::region(context)?;
    let (ids, addresses) = (
        context.params.json("InstanceIds")?,
        context.params.json("PrivateIpAddresses")?,
    );
    let listed = |list: &Option<Json>, is: &str| {
        list.as_ref()
            .and_then(Json::as_array)
            .is_none_or(|list| list.iter().any(|one| *one == is))
    };
    let mut all = Vec::new();
    for is in context.seen(Kind::Instance) {
        let address = is.text("PrivateIpAddress");
        if listed(&ids, &is.id) && listed(&addresses, address) && context.wants("VpcId", is.text("VpcId")) {
            all.push(json!({
                "InstanceId": is.id, "InstanceName": is.name, "Status": "Running", "CreationTime": iso(is.created),
                "VpcAttributes": {
                    "VpcId": is.text("VpcId"), "VSwitchId": is.text("VSwitchId"),
                    "PrivateIpAddress": {"IpAddress": [address]},
                },
            }));
        }
    }
    let total = all.len();
    let (some, next) = context.slice(all, 100, 10)?;
    Ok(json!({"Instances": {"Instance": some}, "NextToken": next, "TotalCount": total}))
}
