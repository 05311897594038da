//! Who may connect to a network load balancer: a security group of ours that the balancer has joined.
//!
//! A group without a rule that refuses admits everybody, so ours has one rule for each range that is let in, and one
//! of less weight that refuses the rest. What somebody else joined to the balancer is left alone.

use std::collections::BTreeSet;

use mooring_provider::{Claim, Receipt, Result, spec::Slb};
use serde::Deserialize;

use super::{
    nlb::{Tag, tags},
    nlb_act::{token, write},
    state::{AccessList, State},
};
use crate::{
    api::{Api, Call, Nothing},
    errors::is_not_found,
    marks::{self, Tags},
    params::Params,
    product::Product,
};

/// The tag by which our groups are told from those of networks.
const GATE: &str = "mooring.dev/gate";
/// How many groups, and rules of one, a page has.
const PAGE: usize = 100;
/// How many rules one call takes.
const RULES: usize = 100;
const EVERYBODY: &str = "0.0.0.0/0";
const LET_IN: (&str, &str) = ("Accept", "1");
const KEEP_OUT: (&str, &str) = ("Drop", "100");

#[derive(Deserialize)]
struct Groups {
    #[serde(rename = "SecurityGroups")]
    groups: GroupList,
    #[serde(rename = "NextToken", default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(rename = "SecurityGroup", default)]
    list: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(rename = "SecurityGroupId")]
    id: String,
    #[serde(rename = "Tags", default)]
    tags: TagList,
}

#[derive(Default, Deserialize)]
struct TagList {
    #[serde(rename = "Tag", default)]
    list: Vec<Tag>,
}

#[derive(Deserialize)]
struct Rules {
    #[serde(rename = "Permissions", default)]
    rules: RuleList,
    #[serde(rename = "NextToken", default)]
    next: Option<String>,
}

#[derive(Default, Deserialize)]
struct RuleList {
    #[serde(rename = "Permission", default)]
    list: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Rule {
    source_cidr_ip: String,
    policy: String,
}

/// The groups with this tag that are ours, each with its tags. They have a life of their own beside the balancer.
pub(super) async fn groups(api: &Api, name: &str, value: &str) -> Result<Vec<(Tags, AccessList)>> {
    let (mut all, mut next) = (Vec::new(), None::<String>);
    loop {
        let params = Params::new()
            .tags([(name, value)])
            .set("MaxResults", PAGE)
            .maybe("NextToken", next.as_ref());
        let call = Call::read(Product::Ecs, "DescribeSecurityGroups", "slb.observe", params);
        let page: Groups = api.rpc(call).await?.value;
        for group in page.groups.list {
            let (tags, id) = (tags(group.tags.list), group.id);
            if tags.get(name).is_some_and(|has| has == value) && tags.contains_key(GATE) {
                let list = AccessList {
                    id,
                    ..AccessList::default()
                };
                all.push((tags, list));
            }
        }
        next = page.next.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// Whom a group lets in, and whether it keeps out the rest.
pub(super) async fn fill(api: &Api, list: &mut AccessList) -> Result<()> {
    let mut next = None::<String>;
    loop {
        let params = Params::new()
            .set("SecurityGroupId", &list.id)
            .set("Direction", "ingress")
            .set("MaxResults", PAGE)
            .maybe("NextToken", next.as_ref());
        let call = Call::read(Product::Ecs, "DescribeSecurityGroupAttribute", "slb.observe", params);
        let page: Rules = match api.rpc(call).await {
            Err(error) if is_not_found(Product::Ecs, &error) => return Ok(()),
            answer => answer?.value,
        };
        for rule in page.rules.list {
            match rule.policy.eq_ignore_ascii_case(LET_IN.0) {
                true => drop(list.entries.insert(rule.source_cidr_ip)),
                false => list.open &= rule.source_cidr_ip != EVERYBODY,
            }
        }
        next = page.next.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(());
        }
    }
}

pub(super) async fn make(api: &Api, claim: &Claim, state: &State, spec: &Slb) -> Result<Receipt> {
    let vpc = state.balancer.as_ref().map_or("", |balancer| balancer.vpc.as_str());
    let params = Params::new()
        .set("VpcId", vpc)
        .set("SecurityGroupName", &claim.name)
        .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
        .tags(marks::all(&claim.owner, &spec.common, [(GATE, "nlb".to_owned())]))
        .set("ClientToken", token());
    let call = Call::write(Product::Ecs, "CreateSecurityGroup", "slb.update", params).idempotent();
    Ok(api.rpc::<Nothing>(call).await?.receipt())
}

/// Lets in and no longer lets in; whoever is not let in is kept out.
pub(super) async fn set(api: &Api, id: &str, add: &[String], remove: &[String]) -> Result<Receipt> {
    let of = |ranges: &[String], (policy, priority): (&'static str, &'static str)| -> Vec<_> {
        let rule = |range: &String| [range.clone(), policy.to_owned(), priority.to_owned()];
        ranges.iter().map(rule).collect()
    };
    let mut receipt = Receipt::default();
    let everybody = [EVERYBODY.to_owned()];
    let new = [of(&everybody, KEEP_OUT), of(add, LET_IN)].concat();
    for (action, rules) in [
        ("AuthorizeSecurityGroup", new),
        ("RevokeSecurityGroup", of(remove, LET_IN)),
    ] {
        for rules in rules.chunks(RULES) {
            let mut params = Params::new().set("SecurityGroupId", id);
            for (n, [range, policy, priority]) in rules.iter().enumerate() {
                let fields = [
                    ("IpProtocol", "ALL"),
                    ("PortRange", "-1/-1"),
                    ("SourceCidrIp", range.as_str()),
                    ("Policy", policy.as_str()),
                    ("Priority", priority.as_str()),
                ];
                params = params.member("Permissions", n + 1, fields);
            }
            // A rule that is there already is there once, and one that is not need not go.
            let call = Call::write(Product::Ecs, action, "slb.update", params).idempotent();
            receipt = api.rpc::<Nothing>(call).await?.receipt();
        }
    }
    Ok(receipt)
}

/// Joins the balancer to a group, or takes it out.
pub(super) async fn join(api: &Api, operation: &'static str, state: &State, id: &str, joins: bool) -> Result<Receipt> {
    let action = match joins {
        true => "LoadBalancerJoinSecurityGroup",
        false => "LoadBalancerLeaveSecurityGroup",
    };
    let params = Params::new()
        .set("LoadBalancerId", &state.id)
        .list("SecurityGroupIds", [id]);
    write(api, action, operation, params).await
}

pub(super) async fn remove(api: &Api, operation: &'static str, id: &str) -> Result<Receipt> {
    let params = Params::new().set("SecurityGroupId", id);
    let call = Call::write(Product::Ecs, "DeleteSecurityGroup", operation, params).idempotent();
    match api.rpc::<Nothing>(call).await {
        Err(error) if is_not_found(Product::Ecs, &error) => Ok(Receipt::default()),
        done => Ok(done?.receipt()),
    }
}

/// Sets tags of groups.
pub(super) async fn tag(api: &Api, operation: &'static str, lists: &[AccessList], tags: &Tags) -> Result<Receipt> {
    let ids: BTreeSet<_> = lists.iter().map(|list| &list.id).collect();
    let params = Params::new()
        .set("ResourceType", "securitygroup")
        .list("ResourceId", ids)
        .tags(tags);
    let call = Call::write(Product::Ecs, "TagResources", operation, params).idempotent();
    Ok(api.rpc::<Nothing>(call).await?.receipt())
}
