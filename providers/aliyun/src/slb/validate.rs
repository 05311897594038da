//! What a declaration may say here, and which product serves it.

use std::{collections::BTreeSet, net::IpAddr};

use mooring_provider::{
    Error, ErrorKind, Result,
    spec::{Common, Protocol, Slb},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::Kind;
use crate::{marks, place, wire::Flavour};

const OPERATION: &str = "slb.validate";

/// How balancers are bought: `slb` of the provider's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SlbConfig {
    /// The specification of classic load balancers (`slb.s1.small`), where paying by consumption is not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specification: Option<String>,
}

/// `options.aliyun` of a balancer: there are none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {}

fn read_options(common: &Common) -> Result<()> {
    serde_json::from_value::<Options>(serde_json::Value::Object(common.options.clone()))
        .map(drop)
        .map_err(|error| Error::new(ErrorKind::InvalidSpec, OPERATION, format!("options.aliyun: {error}")))
}

/// The product that serves these listeners.
pub(super) fn kind(flavour: Flavour, spec: &Slb) -> Result<Kind> {
    let web = |protocol: Protocol| matches!(protocol, Protocol::Http | Protocol::Https);
    let many = spec.listeners.iter().filter(|listener| web(listener.protocol)).count();
    match flavour {
        Flavour::Apsara => Ok(Kind::Clb),
        Flavour::Public if many == 0 => Ok(Kind::Nlb),
        Flavour::Public if many == spec.listeners.len() => Ok(Kind::Clb),
        Flavour::Public => {
            let message = "listeners: tcp and udp are served by another product here than http and https; declare two \
                           slb traits, one for each";
            Err(Error::new(ErrorKind::InvalidSpec, OPERATION, message))
        }
    }
}

pub(super) fn check(flavour: Flavour, spec: &Slb) -> Result<Kind> {
    let bad = |message: String| Err(Error::new(ErrorKind::InvalidSpec, OPERATION, message));
    read_options(&spec.common)?;
    marks::check(OPERATION, &spec.common)?;
    place::check(OPERATION, &spec.network)?;
    if spec.listeners.is_empty() {
        return bad("listeners is empty; name at least one port".into());
    }
    let mut ports = BTreeSet::new();
    for listener in &spec.listeners {
        if listener.port == 0 || listener.target_port == 0 {
            return bad("listeners: port and targetPort are 1 to 65535".into());
        }
        if !ports.insert((listener.port, listener.protocol == Protocol::Udp)) {
            return bad(format!(
                "listeners.port: `{}` is listened on twice; remove one",
                listener.port
            ));
        }
        let (secure, web) = (
            listener.protocol == Protocol::Https,
            matches!(listener.protocol, Protocol::Http | Protocol::Https),
        );
        match listener.certificate.as_deref().unwrap_or_default() {
            "" if secure => {
                return bad(format!(
                    "listeners.certificate: port {} speaks https and has none; give the id of a certificate of the load \
                     balancer service",
                    listener.port
                ));
            }
            certificate if !secure && !certificate.is_empty() => {
                return bad(format!(
                    "listeners.certificate: `{certificate}` is for https; use that protocol or leave it out"
                ));
            }
            _ => {}
        }
        if let Some(path) = &listener.health_check_path
            && (!web || !path.starts_with('/'))
        {
            return bad(format!(
                "listeners.healthCheck.path: `{path}` will not do; it is for http and https and begins with /"
            ));
        }
    }
    for backend in spec.backends.iter().flatten() {
        if !matches!(backend.address.parse(), Ok(IpAddr::V4(_))) {
            return bad(format!(
                "backends.address: `{}` is no IPv4 address; give that of a pod or a node",
                backend.address
            ));
        }
    }
    let kind = kind(flavour, spec)?;
    check_allow_from(kind, spec)?;
    Ok(kind)
}

fn check_allow_from(kind: Kind, spec: &Slb) -> Result<()> {
    let error = |kind, message: String| Err(Error::new(kind, OPERATION, message));
    for range in &spec.allow_from {
        let (address, length) = range.split_once('/').unwrap_or((range, ""));
        if !matches!(address.parse(), Ok(IpAddr::V4(_))) || !length.parse().is_ok_and(|length: u8| length <= 32) {
            let message = format!("allowFrom: `{range}` is no range of IPv4 addresses; write one such as 10.8.0.0/16");
            return error(ErrorKind::InvalidSpec, message);
        }
    }
    if spec.allow_from.is_empty() {
        return Ok(());
    }
    if kind == Kind::Nlb {
        let message = "allowFrom: a network load balancer (tcp, udp) filters by security groups only, which reach \
                       further than one balancer; leave it out and filter at the backends, or use http";
        return error(ErrorKind::Unsupported, message.into());
    }
    if spec.backends.is_none() {
        let message = "allowFrom: the cluster's cloud controller manages the listeners (backends: service); set it by \
                       annotation of the Service";
        return error(ErrorKind::Unsupported, message.into());
    }
    Ok(())
}

pub(super) fn notes(flavour: Flavour, spec: &Slb) -> Vec<String> {
    let mut notes = Vec::new();
    if spec.backends.is_none() {
        notes.push(
            "backends: the balancer is made bare; the cluster's cloud controller makes its listeners once a Service \
             names it"
                .into(),
        );
    }
    let zones: BTreeSet<_> = spec.network.subnets.iter().map(|subnet| &subnet.zone).collect();
    if kind(flavour, spec).is_ok_and(|kind| kind == Kind::Nlb) && zones.len() < 2 {
        notes.push("network.subnets: the balancer stands in one zone; name a vSwitch of a second one".into());
    }
    notes
}
