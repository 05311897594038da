//! What a declaration may say here, and what it means here.

use std::net::IpAddr;

use mooring_provider::{
    Error, ErrorKind, Result,
    spec::{Rds, Tls},
};

use super::{
    config::{Options, RdsConfig},
    engine,
    state::gigabytes,
};
use crate::{marks, place};

/// The largest disk in GB.
const LARGEST: u64 = 64_000;
const DAY: u64 = 86_400;

pub(super) fn check(spec: &Rds) -> Result<()> {
    let bad = |message: String| Err(Error::new(ErrorKind::InvalidSpec, "rds.validate", message));
    engine::check(spec)?;
    Options::read(&spec.common)?;
    marks::check("rds.validate", &spec.common)?;
    place::check("rds.validate", &spec.network)?;
    if spec.class.trim().is_empty() {
        return bad("class is empty; name an instance class such as mysql.n2.medium.1".into());
    }
    if gigabytes(spec.storage) > LARGEST {
        return bad(format!(
            "storage: `{}` is out of range; use up to {LARGEST}Gi",
            spec.storage
        ));
    }
    let name = &spec.database;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !(2..=63).contains(&name.len())
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        || !name.chars().all(fits)
    {
        return bad(format!(
            "database: `{name}` is no name of a database here; use 2 to 63 of a-z, 0-9, _ and -, beginning with a letter \
             and ending in a letter or a digit"
        ));
    }
    if engine::is_system(name) {
        return bad(format!("database: `{name}` is the engine's own; use another name"));
    }
    if let Some(retention) = spec.backup_retention {
        let days = retention.get().as_secs().div_ceil(DAY);
        if !(7..=730).contains(&days) {
            return bad(format!(
                "backup.retention: `{retention}` is out of range; use 7d to 730d"
            ));
        }
    }
    if let Some(group) = &spec.client_security_group
        && !(group.starts_with("sg-") && group.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-'))
    {
        return bad(format!(
            "network.clients.securityGroup: `{group}` is no security group; write its id, such as sg-bp1…"
        ));
    }
    for client in &spec.clients {
        let (address, length) = client.split_once('/').unwrap_or((client, "32"));
        if !matches!(address.parse(), Ok(IpAddr::V4(_))) || !length.parse().is_ok_and(|length: u8| length <= 32) {
            return bad(format!(
                "clients: `{client}` is no range of IPv4 addresses; write one such as 10.8.0.0/16"
            ));
        }
    }
    Ok(())
}

pub(super) fn notes(spec: &Rds, config: &RdsConfig) -> Vec<String> {
    let mut notes = Vec::new();
    let bought = gigabytes(spec.storage);
    if bought != spec.storage.as_gib() {
        notes.push(format!(
            "storage: {bought}Gi are bought for {}; it comes in steps of 5Gi from 20Gi up",
            spec.storage
        ));
    }
    if spec.tls == Tls::Preferred && !engine::can_tls(spec.engine) {
        notes.push(format!("tls: connections to {} are not encrypted here", spec.engine));
    }
    if spec.clients.is_empty() && spec.client_security_group.is_none() {
        notes.push("clients: the environment names no clients, so nobody can connect".into());
    }
    if let Some(subscription) = &config.subscription {
        notes.push(format!(
            "it is paid in advance for {} {:?}, and cannot be deleted before that is over",
            subscription.count, subscription.period
        ));
    }
    notes
}
