//! Looking at classic load balancers.

use std::collections::{BTreeMap, BTreeSet};

use mooring_provider::Result;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    nlb::{Found, Tag, tags},
    state::{AccessList, Balancer, Group, Kind, Listener, Server},
};
use crate::{
    api::{Api, Call},
    errors::is_not_found,
    marks::Tags,
    params::Params,
    product::Product,
};

/// How many are asked for at once by id.
const BY_ID: usize = 10;
/// How many a page has.
const PAGE: usize = 100;
/// How many access lists, and entries of one, a page has.
const LISTS: usize = 50;
/// What the name of a server group of ours begins with; the port of the backends follows.
pub(super) const GROUP: &str = "mooring-";

async fn read<T: DeserializeOwned>(api: &Api, action: &'static str, params: Params) -> Result<T> {
    let call = Call::read(Product::Slb, action, "slb.observe", params);
    Ok(api.rpc(call).await?.value)
}

/// A list within an object, as this API has them.
macro_rules! wrapped {
    ($page:ident, $outer:literal, $list:ident, $inner:literal, $item:ident) => {
        #[derive(Debug, Deserialize)]
        struct $page {
            #[serde(rename = $outer, default)]
            list: $list,
        }

        #[derive(Debug, Default, Deserialize)]
        struct $list {
            #[serde(rename = $inner, default)]
            items: Vec<$item>,
        }
    };
}

wrapped!(Balancers, "LoadBalancers", BalancerList, "LoadBalancer", BalancerItem);
wrapped!(Groups, "VServerGroups", GroupList, "VServerGroup", GroupItem);
wrapped!(Servers, "BackendServers", ServerList, "BackendServer", ServerItem);
wrapped!(Lists, "Acls", AclList, "Acl", AclItem);
wrapped!(Entries, "AclEntrys", EntryList, "AclEntry", EntryItem);

#[derive(Debug, Default, Deserialize)]
struct TagList {
    #[serde(rename = "Tag", default)]
    list: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BalancerItem {
    load_balancer_id: String,
    #[serde(default)]
    load_balancer_status: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    address_type: String,
    #[serde(default)]
    vpc_id: String,
    #[serde(default)]
    resource_group_id: String,
    #[serde(default)]
    delete_protection: String,
    #[serde(default)]
    pay_type: String,
    #[serde(default)]
    tags: TagList,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listeners {
    #[serde(default)]
    listeners: Vec<ListenerItem>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListenerItem {
    load_balancer_id: String,
    listener_port: u16,
    listener_protocol: String,
    #[serde(default)]
    status: String,
    #[serde(default, rename = "VServerGroupId")]
    group: String,
    #[serde(default)]
    acl_status: String,
    #[serde(default)]
    acl_id: String,
    #[serde(default)]
    acl_ids: Vec<String>,
    #[serde(default, rename = "HTTPListenerConfig")]
    http: Option<Web>,
    #[serde(default, rename = "HTTPSListenerConfig")]
    https: Option<Web>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Web {
    #[serde(rename = "HealthCheck")]
    checks: String,
    #[serde(rename = "HealthCheckURI")]
    path: String,
    #[serde(rename = "ServerCertificateId")]
    certificate: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupItem {
    #[serde(rename = "VServerGroupId")]
    id: String,
    #[serde(rename = "VServerGroupName", default)]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServerItem {
    server_id: String,
    #[serde(default)]
    server_ip: String,
    #[serde(default)]
    description: String,
    #[serde(default, rename = "Type")]
    kind: String,
    port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AclItem {
    acl_id: String,
    #[serde(default)]
    tags: TagList,
}

#[derive(Debug, Deserialize)]
struct EntryItem {
    #[serde(rename = "AclEntryIP")]
    address: String,
}

fn found(item: BalancerItem) -> Found {
    Found {
        id: item.load_balancer_id,
        kind: Kind::Clb,
        tags: tags(item.tags.list),
        balancer: Balancer {
            status: item.load_balancer_status,
            locked: None,
            host: item.address,
            vpc: item.vpc_id,
            internet: item.address_type.eq_ignore_ascii_case("internet"),
            resource_group: item.resource_group_id,
            protected: item.delete_protection.eq_ignore_ascii_case("on"),
            prepaid: item.pay_type.eq_ignore_ascii_case("PrePay"),
        },
    }
}

async fn balancers(api: &Api, params: Params) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for page in 1.. {
        let params = params.clone().set("PageSize", PAGE).set("PageNumber", page);
        let answer: Balancers = read(api, "DescribeLoadBalancers", params).await?;
        let last = answer.list.items.len() < PAGE;
        all.extend(answer.list.items.into_iter().map(found));
        if last {
            break;
        }
    }
    Ok(all)
}

/// The balancers with these ids.
pub(super) async fn by_id(api: &Api, ids: &[String]) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for ids in ids.chunks(BY_ID) {
        let listed = balancers(api, Params::new().set("LoadBalancerId", ids.join(","))).await?;
        all.extend(listed.into_iter().filter(|found| ids.contains(&found.id)));
    }
    Ok(all)
}

/// The balancers with this tag.
pub(super) async fn by_tag(api: &Api, name: &str, value: &str) -> Result<Vec<Found>> {
    let mut listed = balancers(api, Params::new().tags([(name, value)])).await?;
    listed.retain(|found| found.tags.get(name).is_some_and(|has| has == value));
    Ok(listed)
}

/// The listeners of these balancers, by balancer.
pub(super) async fn listeners(api: &Api, ids: &[String]) -> Result<BTreeMap<String, Vec<Listener>>> {
    let mut all: BTreeMap<String, Vec<Listener>> = BTreeMap::new();
    for ids in ids.chunks(BY_ID) {
        let mut next = None::<String>;
        loop {
            let params = Params::new()
                .list("LoadBalancerId", ids)
                .set("MaxResults", PAGE)
                .maybe("NextToken", next.as_ref());
            let page: Listeners = read(api, "DescribeLoadBalancerListeners", params).await?;
            for item in page.listeners {
                all.entry(item.load_balancer_id.clone())
                    .or_default()
                    .push(listener(item));
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
    }
    Ok(all)
}

fn listener(item: ListenerItem) -> Listener {
    let web = match item.listener_protocol.to_ascii_lowercase().as_str() {
        "http" => item.http,
        "https" => item.https,
        _ => None,
    };
    let list = item.acl_ids.into_iter().chain([item.acl_id]).find(|id| !id.is_empty());
    Listener {
        port: item.listener_port,
        protocol: item.listener_protocol,
        status: item.status,
        group: item.group,
        path: web
            .as_ref()
            .filter(|web| web.checks != "off")
            .map(|web| web.path.clone()),
        certificate: web.map(|web| web.certificate).filter(|id| !id.is_empty()),
        list: list.filter(|_| item.acl_status.eq_ignore_ascii_case("on")),
        id: String::new(),
    }
}

/// The groups of a balancer that are ours, with their backends. Those of the cluster's cloud controller have other
/// names.
pub(super) async fn groups(api: &Api, balancer: &str) -> Result<Vec<Group>> {
    let params = Params::new().set("LoadBalancerId", balancer);
    let answer: Groups = match read(api, "DescribeVServerGroups", params).await {
        Err(error) if is_not_found(Product::Slb, &error) => return Ok(Vec::new()),
        answer => answer?,
    };
    let mut groups = Vec::new();
    for item in answer.list.items {
        let Some(Ok(target)) = item.name.strip_prefix(GROUP).map(str::parse) else {
            continue;
        };
        let params = Params::new().set("VServerGroupId", &item.id);
        let servers: Servers = read(api, "DescribeVServerGroupAttribute", params).await?;
        groups.push(Group {
            id: item.id,
            target,
            servers: servers.list.items.into_iter().map(server).collect(),
            ..Group::default()
        });
    }
    Ok(groups)
}

/// The address is in the description, for a server is listed without one.
fn server(item: ServerItem) -> Server {
    let address = if item.description.is_empty() {
        item.server_ip
    } else {
        item.description
    };
    Server {
        address,
        port: item.port,
        id: item.server_id,
        kind: item.kind,
    }
}

/// The access lists with this tag, each with its tags. They have a life of their own beside the balancer.
pub(super) async fn lists(api: &Api, name: &str, value: &str) -> Result<Vec<(Tags, AccessList)>> {
    let mut all = Vec::new();
    for page in 1.. {
        let params = Params::new()
            .tags([(name, value)])
            .set("PageSize", LISTS)
            .set("PageNumber", page);
        let answer: Lists = read(api, "DescribeAccessControlLists", params).await?;
        let last = answer.list.items.len() < LISTS;
        for item in answer.list.items {
            let (tags, id) = (tags(item.tags.list), item.acl_id);
            if tags.get(name).is_some_and(|has| has == value) {
                let entries = BTreeSet::new();
                all.push((tags, AccessList { id, entries }));
            }
        }
        if last {
            break;
        }
    }
    Ok(all)
}

/// The entries of an access list.
pub(super) async fn entries(api: &Api, list: &str) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for page in 1.. {
        let params = Params::new()
            .set("AclId", list)
            .set("PageSize", LISTS)
            .set("Page", page);
        let answer: Entries = read(api, "DescribeAccessControlListAttribute", params).await?;
        let (before, last) = (all.len(), answer.list.items.len() < LISTS);
        all.extend(answer.list.items.into_iter().map(|entry| entry.address));
        // An API that knows no pages answers with all of them again.
        if last || all.len() == before {
            break;
        }
    }
    Ok(all)
}
