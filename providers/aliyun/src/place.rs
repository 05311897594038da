//! Where in a network something is put.

use mooring_provider::{Error, ErrorKind, Result, spec::Network};
use serde::Deserialize;

use crate::{
    api::{Api, Call},
    params::Params,
    product::Product,
};

/// A network and its subnets with their zones, as the provider has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The network.
    pub(crate) vpc: String,
    /// Zone and subnet, a zone once, in the order of the spec.
    pub(crate) zones: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "VSwitches")]
    list: List,
}

#[derive(Deserialize)]
struct List {
    #[serde(rename = "VSwitch", default)]
    items: Vec<VSwitch>,
}

#[derive(Deserialize)]
struct VSwitch {
    #[serde(rename = "VSwitchId")]
    id: String,
    #[serde(rename = "ZoneId", default)]
    zone: String,
}

/// The network of a spec must be named, and at least one subnet.
pub(crate) fn check(operation: &'static str, network: &Network) -> Result<()> {
    let bad = |message: &str| Err(Error::new(ErrorKind::InvalidSpec, operation, message));
    if network.id.as_deref().unwrap_or_default().is_empty() {
        return bad("network.id is missing; the environment has to name a VPC (vpc-…), or the application to have one");
    }
    if network.subnets.is_empty() {
        return bad("network.subnets is empty; name at least one vSwitch (vsw-…) of the network");
    }
    Ok(())
}

/// Asks for the subnets of the spec. One that is not in the network is refused before anything is created: what is
/// made in it could not be reached.
pub(crate) async fn find(api: &Api, operation: &'static str, network: &Network) -> Result<Place> {
    check(operation, network)?;
    let vpc = network.id.clone().unwrap_or_default();
    let mut found = Vec::new();
    for page in 1.. {
        let params = Params::new()
            .set("VpcId", &vpc)
            .set("PageSize", 50)
            .set("PageNumber", page);
        let answer: Answer = api
            .rpc(Call::read(Product::Vpc, "DescribeVSwitches", operation, params))
            .await?
            .value;
        let last = answer.list.items.len() < 50;
        found.extend(answer.list.items);
        if last {
            break;
        }
    }
    let mut zones: Vec<(String, String)> = Vec::new();
    for subnet in &network.subnets {
        let Some(known) = found.iter().find(|known| known.id == subnet.id) else {
            let message = format!(
                "network.subnets: `{}` is no vSwitch of {vpc}; name one that is in that VPC",
                subnet.id
            );
            return Err(Error::new(ErrorKind::InvalidSpec, operation, message));
        };
        if zones.iter().all(|(zone, _)| *zone != known.zone) {
            zones.push((known.zone.clone(), known.id.clone()));
        }
    }
    Ok(Place { vpc, zones })
}
