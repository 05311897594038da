//! What a schema cannot say of properties, for traits and for CloudResources made by hand.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use mooring_provider::{
    Kind,
    spec::{Metric, Protocol},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::schema;
use crate::{
    api::{
        Declares,
        properties::{Consume, Log, Monitor, NetworkKind, Rds, Slb, Vpc},
    },
    engine::{
        binding,
        problem::{Problem, reason},
    },
};

/// Members of a trait that an override cannot change: they say what the resource is, not how it is.
const FIXED: [&str; 5] = ["name", "overrides", "existing", "shareWith", "to"];

/// Everything that is wrong with the properties of a trait by themselves, its overrides included.
pub(crate) fn check(declares: Declares, properties: &Map<String, Json>) -> Vec<Problem> {
    let mut problems = schema::check(declares, properties, true);
    for (index, entry) in properties
        .get("overrides")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let Some(inner) = entry.get("properties").and_then(Json::as_object) else {
            continue;
        };
        problems.extend(partial(declares, inner, &format!("overrides[{index}].properties")));
        if entry.get("when").and_then(Json::as_object).is_some_and(Map::is_empty) {
            problems.push(wrong(
                format!("overrides[{index}].when"),
                "name an environment, a region or a cluster in it",
            ));
        }
    }
    if problems.is_empty() {
        problems = sense(declares, properties);
    }
    problems
}

/// Everything that is wrong with properties that are merged into others. `at` is where they stand.
pub(crate) fn partial(declares: Declares, properties: &Map<String, Json>, at: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut rest = properties.clone();
    for name in FIXED {
        if rest.remove(name).is_some() {
            problems.push(wrong(
                name.to_owned(),
                "cannot be set here: it says what the resource is; declare another",
            ));
        }
    }
    problems.extend(schema::check(declares, &rest, false));
    for problem in &mut problems {
        problem.field = format!("{at}.{}", problem.field);
    }
    problems
}

fn wrong(field: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem::new(reason::INVALID_SPEC, message).field(field)
}

fn typed<T: DeserializeOwned>(properties: &Map<String, Json>) -> Result<T, Vec<Problem>> {
    serde_json::from_value(Json::Object(properties.clone()))
        .map_err(|error| vec![Problem::new(reason::INVALID_SPEC, error.to_string())])
}

fn sense(declares: Declares, properties: &Map<String, Json>) -> Vec<Problem> {
    let judged = match declares {
        Declares::Resource(Kind::Rds) => typed::<Rds>(properties).map(|_| Vec::new()),
        Declares::Resource(Kind::Slb) => typed::<Slb>(properties).map(|slb| balancer(&slb)),
        Declares::Resource(Kind::Vpc) => typed::<Vpc>(properties).map(|vpc| network(&vpc)),
        Declares::Resource(Kind::Log) => typed::<Log>(properties).map(|_| Vec::new()),
        Declares::Resource(Kind::Monitor) => typed::<Monitor>(properties).map(|monitor| alarms(&monitor)),
        _ => Ok(Vec::new()),
    };
    let mut problems = judged.unwrap_or_else(|problems| problems);
    match typed::<Consume>(properties) {
        Ok(consume) => problems.extend(consumption(declares, &consume)),
        Err(more) => problems.extend(more),
    }
    problems
}

fn consumption(declares: Declares, consume: &Consume) -> Vec<Problem> {
    let mut problems: Vec<_> = consume
        .env
        .keys()
        .filter(|name| !is_variable(name))
        .map(|name| {
            wrong(
                format!("env.{name}"),
                "is no name of an environment variable; use letters, digits and _",
            )
        })
        .collect();
    if let Some(kind) = declares.kind()
        && consume.prefix.is_some()
        && binding::env_keys(kind).is_empty()
    {
        let fix = "remove `as`, or write the variables you need as templates in `env`";
        problems.push(wrong(
            "as",
            format!("a {kind} has no environment variables of its own; {fix}"),
        ));
    }
    problems
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn network(vpc: &Vpc) -> Vec<Problem> {
    let Some(cidr) = &vpc.cidr else { return Vec::new() };
    let mut problems = Vec::new();
    if vpc.network != Some(NetworkKind::Dedicated) {
        let message = "is for a network of your own: add `network: dedicated`, or remove it";
        problems.push(wrong("cidr", message).value(cidr));
    }
    problems.extend(address_range("cidr", cidr));
    problems
}

fn balancer(slb: &Slb) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken = BTreeSet::new();
    for (index, listener) in slb.listeners.iter().enumerate() {
        let at = |field: &str| format!("listeners[{index}].{field}");
        let protocol = listener.protocol.unwrap_or(Protocol::Tcp);
        if !taken.insert((listener.port, protocol == Protocol::Udp)) {
            problems.push(wrong(at("port"), "has a listener already; remove one of them").value(listener.port));
        }
        match (protocol, &listener.certificate) {
            (Protocol::Https, None) => problems.push(wrong(at("certificate"), "is missing; https needs one")),
            (Protocol::Https, Some(_)) | (_, None) => {}
            (_, Some(certificate)) => {
                let message = "is for `protocol: https` only; remove it, or change the protocol";
                problems.push(wrong(at("certificate"), message).value(certificate));
            }
        }
        if let (Protocol::Tcp | Protocol::Udp, Some(check)) = (protocol, &listener.health_check) {
            let message = "is for http and https only; remove it, or change the protocol";
            problems.push(wrong(at("healthCheck.path"), message).value(&check.path));
        }
    }
    for (index, range) in slb.allow_from.iter().flatten().enumerate() {
        problems.extend(address_range(&format!("allowFrom[{index}]"), range));
    }
    let ports: BTreeSet<_> = slb
        .listeners
        .iter()
        .map(|listener| listener.target_port.unwrap_or(listener.port))
        .collect();
    for (index, target) in slb.targets.iter().flatten().enumerate() {
        let problem = |message| wrong(format!("targets[{index}]"), message).value(target);
        match parse_target(target) {
            None => problems.push(problem("is no address such as 10.0.0.7 or 10.0.0.7:8080")),
            Some((_, Some(_))) if ports.len() > 1 => problems.push(problem(
                "names a port, and the listeners have several target ports: which of them it serves is not said; write \
                 the address alone",
            )),
            Some(_) => {}
        }
    }
    problems
}

/// The address and, if it is written, the port of a balancer's target.
pub(crate) fn parse_target(text: &str) -> Option<(String, Option<u16>)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address.to_string(), None));
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return (socket.port() > 0).then(|| (socket.ip().to_string(), Some(socket.port())));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    // What ends in a number is an address, and one that was no good.
    let is_number = host.rsplit('.').next()?.chars().all(|c| c.is_ascii_digit());
    (host.len() <= 253 && !is_number && host.split('.').all(is_label)).then(|| (host.to_owned(), port))
}

fn alarms(monitor: &Monitor) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, alarm) in monitor.alarms.iter().enumerate() {
        let at = |field: &str| format!("alarms[{index}].{field}");
        let level = match (alarm.above, alarm.below) {
            (Some(level), None) | (None, Some(level)) => level,
            (Some(_), Some(_)) => {
                problems.push(wrong(
                    at("below"),
                    "cannot stand beside `above`; remove one, or make it an alarm of its own",
                ));
                continue;
            }
            (None, None) => {
                problems.push(wrong(
                    at("above"),
                    "is missing; write `above` or `below`, such as `above: 80%`",
                ));
                continue;
            }
        };
        if level.percent && matches!(alarm.metric, Metric::ServerErrors | Metric::Restarts) {
            let field = at(if alarm.above.is_some() { "above" } else { "below" });
            let message = format!(
                "{} is counted, there is no percentage of it; write a number",
                alarm.metric.as_str()
            );
            problems.push(wrong(field, message).value(level));
        }
    }
    problems
}

/// What is wrong with an address range, if anything.
pub(crate) fn address_range(field: &str, text: &str) -> Option<Problem> {
    match parse_range(text) {
        Some((first, bits)) if network_address(first, bits) == first => None,
        Some((first, bits)) => {
            let fixed = format!("{}/{bits}", network_address(first, bits));
            Some(wrong(field, format!("is an address in a range, not a range; write {fixed}")).value(text))
        }
        None => Some(wrong(field, "is no address range such as 10.0.0.0/16").value(text)),
    }
}

/// The first address and the length of the prefix.
pub(crate) fn parse_range(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

fn network_address(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}
