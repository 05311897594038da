//! What one listener is in Caddy's configuration, and what can be read back from it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use mooring_provider::{
    Owner,
    spec::{Listener, Protocol, Slb},
};
use serde_json::{Map, Value as Json, json};

/// The variable that says which of the declared listeners a server is, from 0.
const POSITION: &str = "mooring.dev/position";
/// What stands before the name of a tag that is not of the owner.
const TAG: &str = "tag:";

/// The servers of a balancer, by port.
pub(super) fn servers(
    owner: &Owner,
    spec: &Slb,
    address: IpAddr,
    tags: &BTreeMap<String, String>,
) -> BTreeMap<u16, Json> {
    let server = |(position, listener): (usize, &Listener)| {
        let mut variables = Map::from_iter([("handler".to_owned(), json!("vars"))]);
        variables.extend(owner.tags().map(|(name, value)| (name.to_owned(), json!(value))));
        variables.extend(
            spec.common
                .tags
                .iter()
                .map(|(name, value)| (format!("{TAG}{name}"), json!(value))),
        );
        variables.insert(POSITION.into(), json!(position));
        let mut server = json!({
            "listen": [SocketAddr::new(address, listener.port).to_string()],
            // Or Caddy would open port 80 and ask for certificates of its own accord.
            "automatic_https": {"disable": true},
            "routes": [{"handle": [variables]}, {"handle": [proxy(spec, listener)]}],
        });
        if !spec.allow_from.is_empty() {
            server["routes"] = json!([
                server["routes"][0],
                {
                    "match": [{"remote_ip": {"ranges": spec.allow_from}}],
                    "handle": [proxy(spec, listener)],
                    "terminal": true,
                },
                {"handle": [{"handler": "static_response", "status_code": 403}]},
            ]);
        }
        if listener.protocol == Protocol::Https {
            let tag = listener.certificate.as_ref().and_then(|name| tags.get(name));
            server["tls_connection_policies"] = json!([{"certificate_selection": {"any_tag": [tag]}}]);
        }
        (listener.port, server)
    };
    spec.listeners.iter().enumerate().map(server).collect()
}

fn proxy(spec: &Slb, listener: &Listener) -> Json {
    let backends = spec
        .backends
        .iter()
        .flatten()
        .filter(|backend| backend.target_port == listener.target_port);
    let mut dials: Vec<_> = backends.map(|backend| join(&backend.address, backend.port)).collect();
    dials.sort();
    dials.dedup();
    let mut health = json!({"passive": {"fail_duration": "10s"}});
    if let Some(path) = &listener.health_check_path {
        health["active"] = json!({"uri": path, "interval": "5s", "timeout": "2s"});
    }
    json!({
        "handler": "reverse_proxy",
        "upstreams": dials.iter().map(|dial| json!({"dial": dial})).collect::<Vec<_>>(),
        // A request that reached no backend is tried at another one.
        "load_balancing": {"selection_policy": {"policy": "round_robin"}, "retries": 2},
        "health_checks": health,
    })
}

fn join(address: &str, port: u16) -> String {
    match address.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, port).to_string(),
        Err(_) => format!("{address}:{port}"),
    }
}

/// The owner that a server's variables name. They stand in its first route: Caddy refuses fields that it does not
/// know, and takes any variable.
pub(super) fn owner(server: &Json) -> Option<Owner> {
    let variables = variables(server);
    Owner::from_tags(|name| variables?.get(name)?.as_str())
}

fn variables(server: &Json) -> Option<&Json> {
    let handler = server.pointer("/routes/0/handle/0")?;
    (handler.get("handler")? == "vars").then_some(handler)
}

/// Which of the declared listeners it is.
pub(super) fn position(server: &Json) -> u64 {
    let position = variables(server).and_then(|variables| variables.get(POSITION)?.as_u64());
    position.unwrap_or(u64::MAX)
}

/// Where it listens.
pub(super) fn listens(server: &Json) -> impl Iterator<Item = &str> {
    server
        .get("listen")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

/// Whether it speaks TLS.
pub(super) fn is_https(server: &Json) -> bool {
    server.get("tls_connection_policies").is_some()
}

/// Whether a listen address of Caddy's takes what this address needs: the same port, on the same address or on all.
pub(super) fn overlaps(listen: &str, address: IpAddr, port: u16) -> bool {
    let listen = listen.rsplit_once('/').map_or(listen, |(_, rest)| rest);
    let Some((host, ports)) = listen.rsplit_once(':') else {
        return false;
    };
    let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
    let within =
        matches!((low.parse::<u16>(), high.parse::<u16>()), (Ok(low), Ok(high)) if (low..=high).contains(&port));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let everywhere = |address: IpAddr| address.is_unspecified();
    within
        && match host.parse::<IpAddr>() {
            Ok(host) => host == address || everywhere(host) || everywhere(address),
            // No host is every address; a name may be any.
            Err(_) => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_who_is_in_the_way() {
        let here: IpAddr = [10, 0, 0, 5].into();
        for (listen, is) in [
            ("10.0.0.5:80", true),
            ("tcp/10.0.0.5:80", true),
            (":80", true),
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            (":70-90", true),
            ("10.0.0.6:80", false),
            ("10.0.0.5:81", false),
            ("unix//run/caddy.sock", false),
        ] {
            assert_eq!(overlaps(listen, here, 80), is, "{listen}");
        }
    }
}
