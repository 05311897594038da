//! Where the requests of a balancer go.

use std::collections::{BTreeMap, BTreeSet};

use mooring_provider::spec::{Backend, Listener};

use crate::{
    api::{Backends, names},
    engine::declare::sense::parse_target,
};

/// Where a component can be reached in its cluster, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The addresses of its ready pods, or of the ready nodes.
    pub addresses: BTreeSet<String>,
    /// The node port of each port of its pods, if the addresses are the nodes'.
    pub node_ports: Option<BTreeMap<u16, u16>>,
}

/// Where the requests go, and what there is to tell of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Backed {
    /// `None` if somebody else manages them.
    pub(super) backends: Option<Vec<Backend>>,
    pub(super) not_applied: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// `endpoints` is `None` where there is no cluster; there the requests go to `targets`, and nowhere else do they.
pub(super) fn of(
    component: &str,
    mode: Backends,
    endpoints: Option<&Endpoints>,
    targets: &[String],
    listeners: &[Listener],
) -> Backed {
    let ports: BTreeSet<u16> = listeners.iter().map(|listener| listener.target_port).collect();
    let Some(endpoints) = endpoints else {
        return given(targets, &ports);
    };
    let goes_to = match mode {
        Backends::Service => "where the cluster's own controller sends them",
        Backends::Pods => "to the component's pods",
        Backends::Nodes => "to the nodes",
    };
    let not_applied = (!targets.is_empty()).then(|| format!("targets: in a cluster requests go {goes_to}"));
    let (backends, notes) = match mode {
        Backends::Service => (None, Vec::new()),
        Backends::Pods | Backends::Nodes => {
            let (backends, notes) = live(component, endpoints, &ports);
            (Some(backends), notes)
        }
    };
    Backed {
        backends,
        not_applied: not_applied.into_iter().collect(),
        notes,
    }
}

/// The backends that live endpoints make for these target ports, in a fixed order, and what there is to tell if some
/// have none.
pub fn live(component: &str, endpoints: &Endpoints, ports: &BTreeSet<u16>) -> (Vec<Backend>, Vec<String>) {
    let (mut backends, mut notes) = (Vec::new(), Vec::new());
    for target_port in ports {
        let port = match &endpoints.node_ports {
            None => *target_port,
            Some(node_ports) => match node_ports.get(target_port) {
                Some(port) => *port,
                None => {
                    notes.push(format!(
                        "requests to port {target_port} go nowhere: no Service of component `{component}` has a node \
                         port for it; expose the port (`expose: true`), or label a Service of type NodePort with \
                         `{}: {component}`",
                        names::OAM_COMPONENT
                    ));
                    continue;
                }
            },
        };
        backends.extend(endpoints.addresses.iter().map(|address| Backend {
            target_port: *target_port,
            address: address.clone(),
            port,
        }));
    }
    if endpoints.addresses.is_empty() {
        notes.push(match endpoints.node_ports {
            None => format!("requests go nowhere: no pod of component `{component}` is ready"),
            Some(_) => "requests go nowhere: no node is ready".to_owned(),
        });
    }
    (backends, notes)
}

/// The backends that a person named.
fn given(targets: &[String], ports: &BTreeSet<u16>) -> Backed {
    if targets.is_empty() {
        let note = "there is no cluster to find its backends in, so they are left as they are; `targets` names them";
        return Backed {
            notes: vec![note.to_owned()],
            ..Backed::default()
        };
    }
    let parsed: Vec<_> = targets.iter().filter_map(|target| parse_target(target)).collect();
    let backends: BTreeSet<_> = ports
        .iter()
        .flat_map(|target_port| {
            parsed.iter().map(|(address, port)| Backend {
                target_port: *target_port,
                address: address.clone(),
                port: port.unwrap_or(*target_port),
            })
        })
        .collect();
    Backed {
        backends: Some(backends.into_iter().collect()),
        ..Backed::default()
    }
}

#[cfg(test)]
mod tests {
    use mooring_provider::spec::Protocol;

    use super::*;

    fn listener(target_port: u16) -> Listener {
        Listener {
            port: 80,
            protocol: Protocol::Tcp,
            target_port,
            certificate: None,
            health_check_path: None,
        }
    }

    fn endpoints(addresses: &[&str], node_ports: Option<&[(u16, u16)]>) -> Endpoints {
        Endpoints {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            node_ports: node_ports.map(|ports| ports.iter().copied().collect()),
        }
    }

    fn shown(backed: &Backed) -> Option<Vec<String>> {
        let backends = backed.backends.as_ref()?;
        let shown = |backend: &Backend| format!("{}>{}:{}", backend.target_port, backend.address, backend.port);
        Some(backends.iter().map(shown).collect())
    }

    #[test]
    fn requests_go_to_pods_or_nodes_or_targets() {
        let (both, one) = ([listener(8080), listener(9090)], [listener(8080)]);
        let pods = endpoints(&["10.0.0.2", "10.0.0.1"], None);
        let nodes = endpoints(&["192.168.0.1"], Some(&[(8080, 30080)]));
        let of = |mode, endpoints: Option<&Endpoints>, targets: &[&str], listeners: &[Listener]| {
            let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
            super::of("web", mode, endpoints, &targets, listeners)
        };

        let backed = of(Backends::Pods, Some(&pods), &[], &both);
        let all = [
            "8080>10.0.0.1:8080",
            "8080>10.0.0.2:8080",
            "9090>10.0.0.1:9090",
            "9090>10.0.0.2:9090",
        ];
        assert_eq!(shown(&backed).expect("backends"), all);
        assert!(backed.notes.is_empty() && backed.not_applied.is_empty(), "{backed:?}");

        let backed = of(Backends::Nodes, Some(&nodes), &[], &both);
        assert_eq!(shown(&backed).expect("backends"), ["8080>192.168.0.1:30080"]);
        assert!(
            backed.notes[0].contains("port 9090") && backed.notes.len() == 1,
            "{backed:?}"
        );

        let backed = of(Backends::Pods, Some(&Endpoints::default()), &["10.1.1.1"], &one);
        assert_eq!(shown(&backed), Some(Vec::new()), "it stands with nothing behind it");
        assert!(backed.notes[0].contains("no pod of component `web`"), "{backed:?}");
        assert!(backed.not_applied[0].starts_with("targets:"), "{backed:?}");

        let backed = of(Backends::Service, Some(&pods), &[], &one);
        assert_eq!(backed, Backed::default(), "they are the cluster's own controller's");

        let backed = of(Backends::Pods, None, &["127.0.0.1:8081", "127.0.0.1:8082"], &one);
        assert_eq!(
            shown(&backed).expect("backends"),
            ["8080>127.0.0.1:8081", "8080>127.0.0.1:8082"]
        );
        let backed = of(Backends::Service, None, &["10.0.0.7"], &both);
        assert_eq!(
            shown(&backed).expect("backends"),
            ["8080>10.0.0.7:8080", "9090>10.0.0.7:9090"]
        );
        let backed = of(Backends::Service, None, &[], &one);
        assert!(
            backed.backends.is_none() && backed.notes[0].contains("`targets`"),
            "{backed:?}"
        );
    }

    #[test]
    fn a_target_is_an_address_or_a_name() {
        let good = [
            ("10.0.0.7", ("10.0.0.7", None)),
            ("10.0.0.7:80", ("10.0.0.7", Some(80))),
            ("[fd00::1]:80", ("fd00::1", Some(80))),
            ("fd00::1", ("fd00::1", None)),
            ("web-1.example:8080", ("web-1.example", Some(8080))),
        ];
        for (text, (address, port)) in good {
            assert_eq!(parse_target(text), Some((address.to_owned(), port)), "{text}");
        }
        for text in [
            "",
            "10.0.0.300",
            "10.0.0.7:0",
            "10.0.0.7:99999",
            "a b",
            "http://x",
            "-a",
        ] {
            assert_eq!(parse_target(text), None, "{text}");
        }
    }
}
