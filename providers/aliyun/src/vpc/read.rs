//! Asking for networks and their parts.

use std::collections::BTreeMap;

use futures::future::try_join;
use mooring_provider::{Error, ErrorKind, Result};
use serde::Deserialize;

use super::state::{Group, State, VSwitch, Vpc};
use crate::{
    api::{Api, Call},
    params::Params,
    product::Product,
    wire::Flavour,
};

const OBSERVE: &str = "vpc.observe";
/// The largest page there is.
const PAGE: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vpcs {
    total_count: usize,
    vpcs: VpcList,
}

#[derive(Deserialize)]
struct VpcList {
    #[serde(rename = "Vpc")]
    list: Vec<Vpc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VSwitches {
    total_count: usize,
    #[serde(rename = "VSwitches")]
    vswitches: VSwitchList,
}

#[derive(Deserialize)]
struct VSwitchList {
    #[serde(rename = "VSwitch")]
    list: Vec<VSwitch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Groups {
    security_groups: GroupList,
    #[serde(default)]
    next_token: Option<String>,
    #[serde(default)]
    total_count: usize,
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(rename = "SecurityGroup")]
    list: Vec<Group>,
}

#[derive(Deserialize)]
struct Zones {
    #[serde(rename = "Zones")]
    zones: ZoneList,
}

#[derive(Deserialize)]
struct ZoneList {
    #[serde(rename = "Zone")]
    list: Vec<Zone>,
}

#[derive(Deserialize)]
struct Zone {
    #[serde(rename = "ZoneId")]
    id: String,
}

/// The networks of these ids, as many as fit into one call. One that is not answered does not exist.
pub(super) async fn by_ids(api: &Api, ids: &[&str]) -> Result<Vec<Vpc>> {
    all_vpcs(api, Params::new().set("VpcId", ids.join(","))).await
}

/// The networks with this tag. The filter of the API is not relied on.
pub(super) async fn by_tag(api: &Api, key: &str, value: &str) -> Result<Vec<Vpc>> {
    let found = all_vpcs(api, Params::new().tags([(key, value)])).await?;
    Ok(found
        .into_iter()
        .filter(|vpc| vpc.tags.get(key).map(String::as_str) == Some(value))
        .collect())
}

/// How many networks there are in the region.
pub(super) async fn count(api: &Api) -> Result<usize> {
    let params = Params::new().set("PageSize", 1).set("PageNumber", 1);
    let reply = api.rpc::<Vpcs>(Call::read(Product::Vpc, "DescribeVpcs", "vpc.create", params));
    Ok(reply.await?.value.total_count)
}

async fn all_vpcs(api: &Api, params: Params) -> Result<Vec<Vpc>> {
    let mut found = BTreeMap::new();
    for page in 1.. {
        let params = params.clone().set("PageSize", PAGE).set("PageNumber", page);
        let call = Call::read(Product::Vpc, "DescribeVpcs", OBSERVE, params);
        let answer = api.rpc::<Vpcs>(call).await?.value;
        let (count, total) = (answer.vpcs.list.len(), answer.total_count);
        found.extend(answer.vpcs.list.into_iter().map(|vpc| (vpc.vpc_id.clone(), vpc)));
        if whole(page, count, total, found.len())? {
            break;
        }
    }
    Ok(found.into_values().collect())
}

/// Whether a list has been read to its end. One that is shorter than it says has changed meanwhile, or lies; what is
/// missing in it is not absent.
fn whole(page: usize, count: usize, total: usize, found: usize) -> Result<bool> {
    if page * PAGE < total && count > 0 {
        return Ok(false);
    }
    if found < total {
        let message = format!("the list has {found} of {total} entries; it is read again later");
        return Err(Error::new(ErrorKind::Unavailable, OBSERVE, message));
    }
    Ok(true)
}

/// A network with what is in it.
pub(super) async fn with_parts(api: &Api, vpc: Vpc) -> Result<State> {
    let (vswitches, groups) = try_join(vswitches(api, &vpc.vpc_id), groups(api, &vpc.vpc_id)).await?;
    let mut state = State {
        vpc,
        vswitches,
        groups,
        zones: Vec::new(),
    };
    if state.owner().is_some() && state.own_vswitches().count() < super::ZONES {
        state.zones = zones(api).await?;
    }
    Ok(state)
}

async fn vswitches(api: &Api, vpc: &str) -> Result<Vec<VSwitch>> {
    let mut found = BTreeMap::new();
    for page in 1.. {
        let params = Params::new()
            .set("VpcId", vpc)
            .set("PageSize", PAGE)
            .set("PageNumber", page);
        let call = Call::read(Product::Vpc, "DescribeVSwitches", OBSERVE, params);
        let answer = api.rpc::<VSwitches>(call).await?.value;
        let (count, total) = (answer.vswitches.list.len(), answer.total_count);
        found.extend(
            answer
                .vswitches
                .list
                .into_iter()
                .map(|vswitch| (vswitch.id.clone(), vswitch)),
        );
        if whole(page, count, total, found.len())? {
            break;
        }
    }
    Ok(found.into_values().collect())
}

/// The public cloud pages by tokens and wants nothing else any more; an Apsara Stack's older API knows pages only.
async fn groups(api: &Api, vpc: &str) -> Result<Vec<Group>> {
    let mut found = BTreeMap::new();
    let mut token: Option<String> = None;
    for page in 1.. {
        let params = Params::new().set("VpcId", vpc);
        let params = match api.flavour() {
            Flavour::Public => params.set("MaxResults", PAGE).maybe("NextToken", token.as_deref()),
            Flavour::Apsara => params.set("PageSize", PAGE).set("PageNumber", page),
        };
        let call = Call::read(Product::Ecs, "DescribeSecurityGroups", OBSERVE, params);
        let answer = api.rpc::<Groups>(call).await?.value;
        let count = answer.security_groups.list.len();
        found.extend(
            answer
                .security_groups
                .list
                .into_iter()
                .map(|group| (group.id.clone(), group)),
        );
        token = answer.next_token.filter(|token| !token.is_empty());
        let last = match api.flavour() {
            Flavour::Public => token.is_none(),
            Flavour::Apsara => whole(page, count, answer.total_count, found.len())?,
        };
        if last {
            break;
        }
    }
    Ok(found.into_values().collect())
}

async fn zones(api: &Api) -> Result<Vec<String>> {
    let call = Call::read(Product::Vpc, "DescribeZones", OBSERVE, Params::new());
    let answer = api.rpc::<Zones>(call).await?.value;
    let mut zones: Vec<_> = answer.zones.list.into_iter().map(|zone| zone.id).collect();
    zones.sort_unstable();
    Ok(zones)
}
