//! Load balancers. One is made bare; its listeners and its backends are calls of their own, as in real clouds.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use mooring_provider::{
    Bindings, Change, Claim, Drift, Kind, Result,
    spec::{self, Common, Listener, Protocol, Scheme},
};

use crate::{
    config::MockConfig,
    resource::{Resource, Settings},
    shape::Shape,
    validate::Check,
};

#[derive(Debug)]
pub(crate) struct Slb;

impl Shape for Slb {
    type Spec = spec::Slb;
    const KIND: Kind = Kind::Slb;
    const PARKS: bool = true;

    super::settings!(Slb);

    fn common(spec: &spec::Slb) -> &Common {
        &spec.common
    }

    fn check(spec: &spec::Slb, check: &Check) -> Result<()> {
        check.require(
            !spec.listeners.is_empty(),
            "listeners",
            "[]",
            "is empty; name at least one port",
        )?;
        let mut ports = BTreeSet::new();
        for Listener {
            port,
            protocol,
            target_port,
            certificate,
            health_check_path,
        } in &spec.listeners
        {
            let (web, udp) = (
                matches!(protocol, Protocol::Http | Protocol::Https),
                *protocol == Protocol::Udp,
            );
            check.require(*port > 0, "listeners.port", port, "is no port; use 1 to 65535")?;
            check.require(
                *target_port > 0,
                "listeners.targetPort",
                target_port,
                "is no port; use 1 to 65535",
            )?;
            check.require(
                ports.insert((*port, udp)),
                "listeners.port",
                port,
                "is listened on twice; remove one",
            )?;
            let (secure, certificate) = (*protocol == Protocol::Https, certificate.as_deref().unwrap_or_default());
            check.require(
                !secure || !certificate.is_empty(),
                "listeners.certificate",
                "",
                "is empty; https needs one",
            )?;
            let fix = "is for https; use that protocol or leave the certificate out";
            check.require(
                secure || certificate.is_empty(),
                "listeners.certificate",
                certificate,
                fix,
            )?;
            if let Some(path) = health_check_path {
                let field = "listeners.healthCheck.path";
                check.require(web, field, path, "is for http and https; leave it out")?;
                check.require(path.starts_with('/'), field, path, "is no path; begin it with /")?;
            }
        }
        check.cidrs("allowFrom", &spec.allow_from)?;
        for backend in spec.backends.iter().flatten() {
            let fix = "is no address; give the address of a pod or a node";
            check.require(
                backend.address.parse::<IpAddr>().is_ok(),
                "backends.address",
                &backend.address,
                fix,
            )?;
        }
        check.network(&spec.network)
    }

    fn begin(spec: &spec::Slb, _: &Claim, serial: u64) -> (Settings, String) {
        let bare = spec::Slb {
            listeners: Vec::new(),
            backends: spec.backends.as_ref().map(|_| Vec::new()),
            ..spec.clone()
        };
        let host = match spec.scheme {
            Scheme::Internal => format!(
                "10.{}.{}.{}",
                200 + serial / 62_500 % 50,
                serial / 250 % 250,
                serial % 250 + 1
            ),
            Scheme::Internet => format!("203.0.113.{}", serial % 254 + 1),
        };
        (Settings::Slb(bare), host)
    }

    fn differences(spec: &spec::Slb, is: &spec::Slb, _: &Resource, drift: &mut Drift) {
        drift.compare("scheme", Change::Immutable, &spec.scheme, &is.scheme);
        drift.compare("network", Change::Immutable, &spec.network.id, &is.network.id);
        drift.compare(
            "listeners",
            Change::Enforced,
            &by_port(&spec.listeners),
            &by_port(&is.listeners),
        );
        let set = |cidrs: &[String]| cidrs.iter().cloned().collect::<BTreeSet<_>>();
        drift.compare(
            "allowFrom",
            Change::Enforced,
            &set(&spec.allow_from),
            &set(&is.allow_from),
        );
        if let Some(backends) = &spec.backends {
            let has = is.backends.iter().flatten().collect::<BTreeSet<_>>();
            drift.compare("backends", Change::Enforced, &backends.iter().collect(), &has);
        }
    }

    fn close(field: &str, spec: &spec::Slb, settings: &mut Settings, _: &MockConfig) -> Duration {
        let Settings::Slb(is) = settings else {
            return Duration::ZERO;
        };
        match field {
            "listeners" => is.listeners.clone_from(&spec.listeners),
            "allowFrom" => is.allow_from.clone_from(&spec.allow_from),
            "backends" => is.backends.clone_from(&spec.backends),
            _ => {}
        }
        Duration::ZERO
    }

    fn bindings(is: &spec::Slb, resource: &Resource) -> Bindings {
        let Some(first) = is.listeners.first() else {
            return Bindings::new();
        };
        let (scheme, host, port) = (first.protocol.as_str(), &resource.host, first.port);
        Bindings::from([
            ("host".into(), host.as_str().into()),
            ("port".into(), port.to_string().into()),
            ("uri".into(), format!("{scheme}://{host}:{port}").into()),
        ])
    }

    fn shut(settings: &mut Settings) {
        if let Settings::Slb(is) = settings {
            is.listeners.clear();
        }
    }
}

fn by_port(listeners: &[Listener]) -> BTreeMap<(u16, bool), &Listener> {
    listeners
        .iter()
        .map(|listener| ((listener.port, listener.protocol == Protocol::Udp), listener))
        .collect()
}
