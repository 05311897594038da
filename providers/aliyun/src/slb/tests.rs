use mooring_provider::{
    ExternalId, Phase,
    spec::{Backend, Common, Listener as Declared, Network, Protocol, Scheme, Slb},
};

use super::{
    plan::{Step, next},
    state::{Balancer, Group, Kind, Listener, Server, State},
};

fn declared(port: u16, protocol: Protocol, target_port: u16) -> Declared {
    Declared {
        port,
        protocol,
        target_port,
        certificate: None,
        health_check_path: None,
    }
}

fn spec(listeners: Vec<Declared>, backends: &[(u16, &str, u16)]) -> Slb {
    Slb {
        scheme: Scheme::Internal,
        listeners,
        allow_from: Vec::new(),
        backends: Some(
            backends
                .iter()
                .map(|(target_port, address, port)| Backend {
                    target_port: *target_port,
                    address: (*address).to_owned(),
                    port: *port,
                })
                .collect(),
        ),
        network: Network::default(),
        common: Common::default(),
    }
}

fn state(kind: Kind) -> State {
    State {
        id: ExternalId::new("lb-1"),
        kind,
        tags: Default::default(),
        balancer: Some(Balancer {
            status: "active".into(),
            ..Balancer::default()
        }),
        listeners: Vec::new(),
        groups: Vec::new(),
        lists: Vec::new(),
    }
}

fn group(id: &str, target: u16, servers: &[(&str, u16)]) -> Group {
    Group {
        id: id.into(),
        target,
        servers: servers
            .iter()
            .map(|(address, port)| Server {
                address: (*address).to_owned(),
                port: *port,
                ..Server::default()
            })
            .collect(),
        ..Group::default()
    }
}

fn listener(port: u16, group: &str, status: &str) -> Listener {
    Listener {
        port,
        protocol: "TCP".into(),
        status: status.into(),
        group: group.into(),
        ..Listener::default()
    }
}

#[test]
fn a_listener_gets_the_backends_of_its_target_port_only() {
    let spec = spec(
        vec![declared(80, Protocol::Tcp, 8080), declared(81, Protocol::Tcp, 9090)],
        &[(8080, "10.0.0.1", 8080), (9090, "10.0.0.2", 30090)],
    );
    let mut is = state(Kind::Nlb);
    assert_eq!(
        next(&spec, &is),
        Some(Step::MakeGroup {
            udp: false,
            target: 8080
        })
    );
    is.groups.push(group("a", 8080, &[]));
    let servers = vec![("10.0.0.1".to_owned(), 8080)];
    assert_eq!(
        next(&spec, &is),
        Some(Step::AddServers {
            group: "a".into(),
            target: 8080,
            servers
        })
    );
    is.groups[0] = group("a", 8080, &[("10.0.0.1", 8080)]);
    is.groups.push(group("b", 9090, &[("10.0.0.2", 30090)]));
    is.listeners.push(listener(80, "a", "Running"));
    let Some(Step::MakeListener {
        listener: made, group, ..
    }) = next(&spec, &is)
    else {
        panic!("the second listener is missing")
    };
    assert_eq!((made.port, group.as_str()), (81, "b"));
    is.listeners.push(listener(81, "b", "Running"));
    assert_eq!(next(&spec, &is), None);
}

#[test]
fn backends_that_went_go_before_new_ones_come() {
    let spec = spec(vec![declared(80, Protocol::Tcp, 8080)], &[(8080, "10.0.0.2", 8080)]);
    let mut is = state(Kind::Nlb);
    is.groups.push(group("a", 8080, &[("10.0.0.1", 8080)]));
    assert!(matches!(next(&spec, &is), Some(Step::RemoveServers { servers, .. }) if servers[0].address == "10.0.0.1"));
}

#[test]
fn a_group_that_was_made_twice_is_used_once() {
    let spec = spec(vec![declared(80, Protocol::Tcp, 8080)], &[]);
    let mut is = state(Kind::Nlb);
    is.groups = vec![group("b", 8080, &[]), group("a", 8080, &[])];
    is.listeners.push(listener(80, "a", "Running"));
    assert_eq!(next(&spec, &is), Some(Step::DropGroup { id: "b".into() }));
}

#[test]
fn a_classic_listener_is_started_and_changed_in_place() {
    let mut wanted = declared(80, Protocol::Http, 8080);
    wanted.health_check_path = Some("/healthz".into());
    let spec = spec(vec![wanted], &[]);
    let mut is = state(Kind::Clb);
    is.groups.push(group("a", 8080, &[]));
    is.listeners.push(Listener {
        protocol: "http".into(),
        path: Some("/healthz".into()),
        ..listener(80, "a", "stopped")
    });
    assert!(matches!(next(&spec, &is), Some(Step::StartListener { port: 80, .. })));
    is.listeners[0].path = Some("/".into());
    assert!(matches!(next(&spec, &is), Some(Step::SetListener { .. })));
    is.listeners[0].port = 8000;
    assert!(matches!(next(&spec, &is), Some(Step::DropListener { port: 8000, .. })));
}

#[test]
fn what_the_cloud_controller_makes_is_nobodys_drift() {
    let mut spec = spec(vec![declared(80, Protocol::Tcp, 8080)], &[]);
    spec.backends = None;
    let mut is = state(Kind::Nlb);
    is.listeners.push(listener(443, "theirs", "Running"));
    assert_eq!(next(&spec, &is), None);
}

#[test]
fn a_state_that_is_not_known_is_busy() {
    let mut is = state(Kind::Nlb);
    assert_eq!(is.phase(), Phase::Ready);
    for status in ["Provisioning", "Configuring", "SomethingNew", ""] {
        is.balancer = Some(Balancer {
            status: status.into(),
            ..Balancer::default()
        });
        assert!(matches!(is.phase(), Phase::Busy(_)), "{status}");
    }
    is.balancer = Some(Balancer {
        status: "Active".into(),
        locked: Some("FinancialLocked".into()),
        ..Balancer::default()
    });
    assert!(matches!(is.phase(), Phase::Failed(why) if why.contains("AccountOverdue")));
}

#[test]
fn an_address_is_in_a_range_or_not() {
    for (range, address, inside) in [
        ("10.0.0.0/8", "10.8.0.7", true),
        ("192.168.0.0/16", "10.8.0.7", false),
        ("0.0.0.0/0", "10.8.0.7", true),
        ("10.8.0.7/32", "10.8.0.7", true),
        ("10.8.0.6/32", "10.8.0.7", false),
        ("nonsense", "10.8.0.7", false),
    ] {
        assert_eq!(super::contains(range, address), inside, "{range} {address}");
    }
}
