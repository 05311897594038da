//! What a balancer can reach: only what is in its own VPC.

use std::{collections::BTreeMap, net::Ipv4Addr};

use mooring_provider::{Error, ErrorKind, Result, spec::Slb};
use serde::Deserialize;

use super::state::{Kind, Server};
use crate::{
    api::{Api, Call},
    params::Params,
    product::Product,
};

/// How many addresses one call takes.
const ADDRESSES: usize = 20;

/// Backends in another network would be taken, and never be reached.
pub(super) async fn check(api: &Api, kind: Kind, spec: &Slb, vpc: &str) -> Result<()> {
    let servers: Vec<_> = spec
        .backends
        .iter()
        .flatten()
        .map(|backend| (backend.address.clone(), backend.port))
        .collect();
    if servers.is_empty() {
        return Ok(());
    }
    if kind == Kind::Clb {
        return resolve(api, "slb.create", vpc, &servers, ErrorKind::InvalidSpec)
            .await
            .map(drop);
    }
    let params = Params::new().set("VpcId", vpc);
    let call = Call::read(Product::Vpc, "DescribeVpcs", "slb.create", params);
    let answer: Vpcs = api.rpc(call).await?.value;
    let ranges: Vec<_> = answer
        .vpcs
        .list
        .into_iter()
        .filter(|found| found.id == vpc)
        .flat_map(Vpc::ranges)
        .collect();
    let outside = servers
        .iter()
        .find(|(address, _)| !ranges.iter().any(|range| contains(range, address)));
    outside.map_or(Ok(()), |(address, _)| {
        let message = format!(
            "backends.address: `{address}` is not in {vpc} ({}); a balancer reaches only what is in its own VPC, so \
             environment and backends have to name the same one",
            ranges.join(", ")
        );
        Err(Error::new(ErrorKind::InvalidSpec, "slb.create", message))
    })
}

#[derive(Deserialize)]
struct Vpcs {
    #[serde(rename = "Vpcs")]
    vpcs: VpcList,
}

#[derive(Deserialize)]
struct VpcList {
    #[serde(rename = "Vpc", default)]
    list: Vec<Vpc>,
}

#[derive(Deserialize)]
struct Vpc {
    #[serde(rename = "VpcId")]
    id: String,
    #[serde(rename = "CidrBlock", default)]
    cidr: String,
    #[serde(rename = "SecondaryCidrBlocks", default)]
    secondary: Secondary,
}

#[derive(Default, Deserialize)]
struct Secondary {
    #[serde(rename = "SecondaryCidrBlock", default)]
    list: Vec<String>,
}

impl Vpc {
    fn ranges(self) -> impl Iterator<Item = String> {
        std::iter::once(self.cidr).chain(self.secondary.list)
    }
}

pub(super) fn contains(range: &str, address: &str) -> bool {
    let parsed = range.split_once('/').and_then(|(base, length)| {
        let (base, address): (Ipv4Addr, Ipv4Addr) = (base.parse().ok()?, address.parse().ok()?);
        let mask = u32::MAX.checked_shl(32 - length.parse::<u32>().ok().filter(|length| *length <= 32)?);
        Some((u32::from(base), u32::from(address), mask.unwrap_or(0)))
    });
    parsed.is_some_and(|(base, address, mask)| base & mask == address & mask)
}

#[derive(Deserialize)]
struct Interfaces {
    #[serde(rename = "NetworkInterfaceSets")]
    sets: InterfaceSets,
}

#[derive(Deserialize)]
struct InterfaceSets {
    #[serde(rename = "NetworkInterfaceSet", default)]
    list: Vec<Interface>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Interface {
    network_interface_id: String,
    #[serde(default)]
    instance_id: String,
    #[serde(default, rename = "Type")]
    kind: String,
    #[serde(default)]
    private_ip_address: String,
    #[serde(default)]
    private_ip_sets: Addresses,
}

#[derive(Default, Deserialize)]
struct Addresses {
    #[serde(rename = "PrivateIpSet", default)]
    list: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    #[serde(default)]
    private_ip_address: String,
}

/// This product takes no addresses: it is told the server, or the network interface of a pod, that has one in the
/// network of the balancer. An address without one cannot be reached, which is said as an error of this kind.
pub(super) async fn resolve(
    api: &Api,
    operation: &'static str,
    vpc: &str,
    servers: &[(String, u16)],
    missing: ErrorKind,
) -> Result<Vec<Server>> {
    let mut known: BTreeMap<String, (String, &str)> = BTreeMap::new();
    let mut addresses: Vec<_> = servers.iter().map(|(address, _)| address.clone()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    for addresses in addresses.chunks(ADDRESSES) {
        let params = Params::new()
            .set("VpcId", vpc)
            .list("PrivateIpAddress", addresses)
            .set("MaxResults", 100);
        let call = Call::read(Product::Ecs, "DescribeNetworkInterfaces", operation, params);
        for interface in api.rpc::<Interfaces>(call).await?.value.sets.list {
            let of_server = interface.kind.eq_ignore_ascii_case("primary") && !interface.instance_id.is_empty();
            let own = interface.private_ip_address.clone();
            let all = interface
                .private_ip_sets
                .list
                .into_iter()
                .map(|address| address.private_ip_address);
            for address in all.chain([own.clone()]).filter(|address| !address.is_empty()) {
                let is = match of_server && address == own {
                    true => (interface.instance_id.clone(), "ecs"),
                    false => (interface.network_interface_id.clone(), "eni"),
                };
                known.insert(address, is);
            }
        }
    }
    servers
        .iter()
        .map(|(address, port)| {
            let (id, kind) = known.get(address).ok_or_else(|| {
                let message = format!(
                    "backends.address: `{address}` belongs to no network interface of {vpc}; a balancer reaches only \
                     what is in its own VPC, so environment and backends have to name the same one"
                );
                Error::new(missing, operation, message)
            })?;
            Ok(Server {
                address: address.clone(),
                port: *port,
                id: id.clone(),
                kind: (*kind).to_owned(),
            })
        })
        .collect()
}
