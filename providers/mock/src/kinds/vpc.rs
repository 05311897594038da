//! Networks.

use std::time::Duration;

use jiff::Timestamp;
use mooring_provider::{
    Bindings, Change, Claim, Drift, Kind, Result,
    spec::{self, Common, Network, Subnet},
};

use crate::{
    config::MockConfig,
    resource::{Resource, Settings},
    shape::Shape,
    validate::{Check, prefix},
    world::World,
};

#[derive(Debug)]
pub(crate) struct Vpc;

impl Shape for Vpc {
    type Spec = spec::Vpc;
    const KIND: Kind = Kind::Vpc;
    const TOKENS: bool = true;

    super::settings!(Vpc);

    fn common(spec: &spec::Vpc) -> &Common {
        &spec.common
    }

    fn check(spec: &spec::Vpc, check: &Check) -> Result<()> {
        if let Some(shared) = &spec.shared {
            let id = shared.id.as_deref().unwrap_or_default();
            check.require(
                !id.is_empty(),
                "network.id",
                id,
                "names no network; name the one that is shared",
            )?;
            let cidr = spec.cidr.as_deref().unwrap_or_default();
            return check.require(
                cidr.is_empty(),
                "cidr",
                cidr,
                "is for a dedicated network; this one is shared",
            );
        }
        let cidr = spec.cidr.as_deref().unwrap_or_default();
        let fits = prefix(cidr).is_some_and(|(length, v4)| v4 && (8..=28).contains(&length));
        check.require(
            fits,
            "cidr",
            cidr,
            "is no range of a network; write one from /8 to /28 such as 10.64.0.0/20",
        )
    }

    fn begin(spec: &spec::Vpc, _: &Claim, serial: u64) -> (Settings, String) {
        let mut network = spec.clone();
        if network.zones.is_empty() {
            network.zones = vec!["mock-a".into(), "mock-b".into()];
        }
        // The subnets and the group it has are kept where a shared network has them, too.
        network.shared = Some(Network {
            id: None,
            subnets: network
                .zones
                .iter()
                .enumerate()
                .map(|(n, zone)| Subnet {
                    zone: Some(zone.clone()),
                    id: format!("vsw-{serial:06}-{n}"),
                })
                .collect(),
            security_group: Some(format!("sg-{serial:06}")),
        });
        (Settings::Vpc(network), String::new())
    }

    fn differences(spec: &spec::Vpc, is: &spec::Vpc, _: &Resource, drift: &mut Drift) {
        if spec.shared.is_some() {
            return;
        }
        drift.compare("cidr", Change::Immutable, &spec.cidr, &is.cidr);
        drift.compare("egress", Change::Enforced, &spec.egress, &is.egress);
        if !spec.zones.is_empty() {
            drift.compare("zones", Change::Immutable, &spec.zones, &is.zones);
        }
    }

    fn close(field: &str, spec: &spec::Vpc, settings: &mut Settings, _: &MockConfig) -> Duration {
        if let (Settings::Vpc(is), "egress") = (settings, field) {
            is.egress = spec.egress;
        }
        Duration::ZERO
    }

    fn bindings(is: &spec::Vpc, resource: &Resource) -> Bindings {
        let network = is.shared.clone().unwrap_or_default();
        let subnets: Vec<_> = network.subnets.iter().map(|subnet| subnet.id.as_str()).collect();
        Bindings::from([
            ("network-id".into(), resource.id.as_str().into()),
            ("subnet-ids".into(), subnets.join(",").into()),
            ("cidr".into(), is.cidr.clone().unwrap_or_default().into()),
            (
                "security-group-id".into(),
                network.security_group.unwrap_or_default().into(),
            ),
        ])
    }

    fn shared(spec: &spec::Vpc) -> Option<&str> {
        spec.shared.as_ref()?.id.as_deref()
    }

    fn obstacle(resource: &Resource, world: &World, _: Timestamp) -> Option<(String, &'static str)> {
        let inside = world
            .all()
            .find(|other| other.network() == Some(resource.id.as_str()))?;
        Some((
            format!("{} {} lives in network {}", inside.kind, inside.id, resource.id),
            "DependencyViolation",
        ))
    }
}
