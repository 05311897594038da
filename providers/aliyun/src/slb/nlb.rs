//! Looking at network load balancers.
//!
//! What a call starts there runs as a job. Its id is not kept: what the job does is seen on the balancer, its
//! listeners and its server groups, each of which has a state, and a job that failed leaves the gap that it was to
//! close.

use std::collections::BTreeMap;

use mooring_provider::Result;
use serde::{Deserialize, de::DeserializeOwned};

use super::state::{Balancer, Group, Kind, Listener, Server};
use crate::{
    api::{Api, Call},
    marks::Tags,
    params::Params,
    product::Product,
};

/// The tag of a server group that says which protocol and port it stands for: `tcp-8080`.
pub(super) const TARGET: &str = "mooring.dev/target";

/// How many are asked for at once by id.
const BY_ID: usize = 20;
/// How many a page has.
const PAGE: usize = 100;

/// A balancer as it is listed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) tags: Tags,
    pub(super) balancer: Balancer,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag {
    #[serde(rename = "Key", alias = "TagKey")]
    key: String,
    #[serde(rename = "Value", alias = "TagValue", default)]
    value: String,
}

pub(super) fn tags(list: Vec<Tag>) -> Tags {
    list.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// A page of one of the lists.
trait Page: DeserializeOwned {
    type Item;
    fn parts(self) -> (Vec<Self::Item>, Option<String>);
}

macro_rules! page {
    ($page:ident, $name:literal, $item:ident) => {
        #[derive(Debug, Deserialize)]
        struct $page {
            #[serde(rename = $name, default)]
            items: Vec<$item>,
            #[serde(rename = "NextToken", default)]
            next: Option<String>,
        }

        impl Page for $page {
            type Item = $item;

            fn parts(self) -> (Vec<$item>, Option<String>) {
                (self.items, self.next)
            }
        }
    };
}

page!(Balancers, "LoadBalancers", BalancerItem);
page!(Listeners, "Listeners", ListenerItem);
page!(Groups, "ServerGroups", GroupItem);
page!(Servers, "Servers", ServerItem);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BalancerItem {
    load_balancer_id: String,
    #[serde(default)]
    load_balancer_status: String,
    #[serde(default)]
    address_type: String,
    #[serde(default)]
    vpc_id: String,
    #[serde(default)]
    resource_group_id: String,
    #[serde(default, rename = "DNSName")]
    dns_name: String,
    #[serde(default)]
    operation_locks: Vec<Lock>,
    #[serde(default)]
    deletion_protection_config: Protection,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Lock {
    lock_type: String,
    lock_reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Protection {
    enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListenerItem {
    listener_id: String,
    load_balancer_id: String,
    listener_port: u16,
    listener_protocol: String,
    #[serde(default)]
    listener_status: String,
    #[serde(default)]
    server_group_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupItem {
    server_group_id: String,
    #[serde(default)]
    server_group_status: String,
    #[serde(default)]
    server_count: u32,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServerItem {
    server_id: String,
    #[serde(default)]
    server_ip: String,
    #[serde(default)]
    server_type: String,
    port: u16,
    #[serde(default)]
    status: String,
}

async fn pages<P: Page>(api: &Api, action: &'static str, params: Params) -> Result<Vec<P::Item>> {
    let (mut all, mut next) = (Vec::new(), None::<String>);
    loop {
        let params = params.clone().set("MaxResults", PAGE).maybe("NextToken", next.as_ref());
        let (items, token) = api
            .rpc::<P>(Call::read(Product::Nlb, action, "slb.observe", params))
            .await?
            .value
            .parts();
        all.extend(items);
        next = token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

fn found(item: BalancerItem) -> Found {
    let lock = item.operation_locks.into_iter().next();
    Found {
        id: item.load_balancer_id,
        kind: Kind::Nlb,
        tags: tags(item.tags),
        balancer: Balancer {
            status: item.load_balancer_status,
            locked: lock.map(|lock| format!("{} {}", lock.lock_type, lock.lock_reason).trim().to_owned()),
            host: item.dns_name,
            vpc: item.vpc_id,
            internet: item.address_type.eq_ignore_ascii_case("internet"),
            resource_group: item.resource_group_id,
            protected: item.deletion_protection_config.enabled,
            prepaid: false,
        },
    }
}

/// The balancers with these ids.
pub(super) async fn by_id(api: &Api, ids: &[String]) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for ids in ids.chunks(BY_ID) {
        let params = Params::new().list("LoadBalancerIds", ids);
        let items = pages::<Balancers>(api, "ListLoadBalancers", params).await?;
        all.extend(items.into_iter().map(found).filter(|found| ids.contains(&found.id)));
    }
    Ok(all)
}

/// The balancers with this tag.
pub(super) async fn by_tag(api: &Api, name: &str, value: &str) -> Result<Vec<Found>> {
    let params = Params::new().tags([(name, value)]);
    let items = pages::<Balancers>(api, "ListLoadBalancers", params).await?;
    let tagged = |found: &Found| found.tags.get(name).is_some_and(|has| has == value);
    Ok(items.into_iter().map(found).filter(tagged).collect())
}

/// The listeners of these balancers, by balancer.
pub(super) async fn listeners(api: &Api, ids: &[String]) -> Result<BTreeMap<String, Vec<Listener>>> {
    let mut all: BTreeMap<String, Vec<Listener>> = BTreeMap::new();
    for ids in ids.chunks(BY_ID) {
        let params = Params::new().list("LoadBalancerIds", ids);
        for item in pages::<Listeners>(api, "ListListeners", params).await? {
            all.entry(item.load_balancer_id).or_default().push(Listener {
                id: item.listener_id,
                port: item.listener_port,
                protocol: item.listener_protocol,
                status: item.listener_status,
                group: item.server_group_id,
                ..Listener::default()
            });
        }
    }
    all.values_mut()
        .for_each(|list| list.retain(|listener| listener.status != "Deleted"));
    Ok(all)
}

/// The server groups with this tag that are ours, each with its tags. They have a life of their own beside the
/// balancer.
pub(super) async fn groups(api: &Api, name: &str, value: &str) -> Result<Vec<(Tags, Group)>> {
    let params = Params::new().tags([(name, value)]);
    let mut all = Vec::new();
    for item in pages::<Groups>(api, "ListServerGroups", params).await? {
        let tags = tags(item.tags);
        if tags.get(name).is_none_or(|has| has != value) {
            continue;
        }
        let target = tags.get(TARGET).and_then(|target| target.split_once('-'));
        let Some((protocol, Ok(port))) = target.map(|(protocol, port)| (protocol, port.parse())) else {
            continue;
        };
        let group = Group {
            id: item.server_group_id,
            udp: protocol == "udp",
            target: port,
            status: item.server_group_status,
            servers: vec![Server::default(); usize::from(item.server_count > 0)],
        };
        all.push((tags, group));
    }
    Ok(all)
}

/// The backends in a group.
pub(super) async fn servers(api: &Api, group: &str) -> Result<Vec<Server>> {
    let params = Params::new().set("ServerGroupId", group);
    let items = pages::<Servers>(api, "ListServerGroupServers", params).await?;
    let staying = |item: &ServerItem| item.status != "Removing";
    Ok(items
        .into_iter()
        .filter(staying)
        .map(|item| Server {
            address: if item.server_ip.is_empty() {
                item.server_id.clone()
            } else {
                item.server_ip
            },
            port: item.port,
            id: item.server_id,
            kind: item.server_type,
        })
        .collect())
}
