//! Networks and the addresses in them.

use std::net::{IpAddr, Ipv4Addr};

use mooring_provider::{
    Key,
    spec::{Network, Vpc},
};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use super::{Context, Output, Unresolved, read};
use crate::{
    api::{NetworkSettings, Settings, properties::NetworkKind},
    engine::{
        declare::{Declaration, sense},
        problem::{Problem, reason},
    },
};

/// The length of the prefix of a network that is taken from a pool.
const TAKEN_BITS: u8 = 20;

/// The network of a database or a balancer: the application's dedicated one, else the environment's.
pub(super) fn network_of(
    declaration: &Declaration,
    context: &Context<'_>,
    settings: &Settings,
) -> Result<Network, Unresolved> {
    let before = context
        .outputs
        .iter()
        .filter(|(key, _)| is_same_application(key, &declaration.key));
    let dedicated = before
        .filter_map(|(_, output): (_, &Output)| output.network.clone())
        .next();
    Ok(dedicated.unwrap_or_else(|| shared(settings)))
}

fn is_same_application(one: &Key, other: &Key) -> bool {
    one.namespace == other.namespace && one.application == other.application
}

/// The environment's network.
fn shared(settings: &Settings) -> Network {
    let Some(network) = &settings.network else {
        return Network::default();
    };
    Network {
        id: network.id.clone(),
        subnets: network.subnets.clone(),
        security_group: network.security_group.clone(),
    }
}

/// What a provider is asked for of a vpc.
pub(super) fn vpc(
    declaration: &Declaration,
    context: &Context<'_>,
    settings: &Settings,
    merged: &Map<String, Json>,
    common: mooring_provider::spec::Common,
) -> Result<Vpc, Unresolved> {
    let egress = read(merged, "egress")?.unwrap_or_default();
    if read::<NetworkKind>(merged, "network")?.unwrap_or_default() == NetworkKind::Shared {
        return Ok(Vpc {
            cidr: None,
            egress,
            zones: Vec::new(),
            shared: Some(shared(settings)),
            common,
        });
    }
    let none = NetworkSettings::default();
    let dedicated = &settings.network.as_ref().unwrap_or(&none).dedicated;
    if !dedicated.allow {
        let message = format!(
            "Environment `{}` allows no dedicated networks; use `shared`, or ask an SRE to set \
             `network.dedicated.allow`",
            context.environment
        );
        let problem = Problem::new(reason::NOT_ALLOWED, message);
        return Err(problem.field("network").value("dedicated").into());
    }
    let wanted: Option<String> = read(merged, "cidr")?;
    let cidr = match (wanted, &dedicated.cidr_pool) {
        (Some(cidr), Some(pool)) if !contains(pool, &cidr) => {
            let message = format!(
                "is not within {pool}, which Environment `{}` allows",
                context.environment
            );
            return Err(Problem::new(reason::NOT_ALLOWED, message)
                .field("cidr")
                .value(cidr)
                .into());
        }
        (Some(cidr), _) => Some(cidr),
        (None, Some(pool)) => taken(pool, &declaration.key),
        (None, None) => None,
    };
    Ok(Vpc {
        cidr,
        egress,
        zones: dedicated.zones.clone(),
        shared: None,
        common,
    })
}

/// Whether the address range is within the pool.
fn contains(pool: &str, range: &str) -> bool {
    match (sense::parse_range(pool), sense::parse_range(range)) {
        (Some((IpAddr::V4(pool), pool_bits)), Some((IpAddr::V4(first), bits))) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(pool_bits)).unwrap_or(0);
            bits >= pool_bits && u32::from(first) & mask == u32::from(pool) & mask
        }
        _ => false,
    }
}

/// A range of the pool that is always the same for one key. Two keys seldom get the same one; where that matters,
/// because their networks are to be joined, `cidr` says which.
fn taken(pool: &str, key: &Key) -> Option<String> {
    let (IpAddr::V4(first), bits) = sense::parse_range(pool)? else {
        return None;
    };
    let taken_bits = TAKEN_BITS.max(bits);
    let hash = Sha256::digest(key.to_string());
    let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let index = hash
        .checked_rem(1u32.checked_shl(u32::from(taken_bits - bits)).unwrap_or(0))
        .unwrap_or(hash);
    let offset = index.checked_shl(32 - u32::from(taken_bits)).unwrap_or(0);
    Some(format!("{}/{taken_bits}", Ipv4Addr::from(u32::from(first) + offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_taken_from_the_pool_and_stays() {
        for name in ["a", "b", "c", "d"] {
            let key = Key::new("team-a", "shop", "web", name);
            let range = taken("10.64.0.0/10", &key).expect("a pool of addresses");
            assert!(
                contains("10.64.0.0/10", &range) && sense::address_range("cidr", &range).is_none(),
                "{range}"
            );
            assert_eq!(taken("10.64.0.0/10", &key), Some(range));
        }
        assert_eq!(
            taken("10.1.2.0/24", &Key::new("n", "a", "c", "t")).as_deref(),
            Some("10.1.2.0/24")
        );
        assert!(!contains("10.64.0.0/10", "10.0.0.0/16") && !contains("10.64.0.0/10", "10.0.0.0/8"));
    }
}
