//! The mock cloud.

use std::{sync::Arc, time::Duration};

use mooring_provider::{
    Access, ExternalId, Kind, Phase, Provider, Span,
    spec::{Common, Egress, Engine, Network, Rds, Scheme, Slb, Tls, Vpc},
};
use mooring_provider_mock::{Call, Fault, MockConfig, Op, Settings};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::cloud::{Cloud, Deed, Thing};

/// The mock cloud of a seed.
#[derive(Debug)]
pub(crate) struct Mock(mooring_provider_mock::Cloud);

impl Mock {
    pub(crate) fn new(seed: u64, random: &mut StdRng) -> Self {
        let millis = |random: &mut StdRng, most: u64| Span::new(Duration::from_millis(random.random_range(0..=most)));
        let config = MockConfig {
            account: format!("seed-{seed}"),
            latency: millis(random, 200),
            provisioning: millis(random, 4_000),
            invisible_for: millis(random, 3_000),
            seed,
            ..MockConfig::default()
        };
        Self(mooring_provider_mock::Cloud::detached(config).expect("the configuration is good"))
    }
}

impl Cloud for Mock {
    fn provider(&self) -> Arc<dyn Provider> {
        self.0.provider()
    }

    fn owned(&self) -> Vec<Thing> {
        let all = self.0.list().into_iter();
        all.filter_map(|resource| {
            let phase = self.0.phase(&resource.id);
            Some(Thing {
                identity: resource.owner()?.identity,
                whole: true,
                parked: matches!(phase, Some(Phase::Parked(_))),
                going: false,
                id: resource.id,
            })
        })
        .collect()
    }

    fn add_foreign(&self, kind: Kind, name: &str) -> Option<ExternalId> {
        if matches!(kind, Kind::Log | Kind::Monitor) {
            return None;
        }
        Some(self.0.add_foreign(name, foreign(kind)))
    }

    fn named(&self, name: &str) -> Option<ExternalId> {
        Some(self.0.list().into_iter().find(|resource| resource.name == name)?.id)
    }

    fn look(&self, id: &ExternalId) -> Option<String> {
        self.0.get(id).map(|resource| format!("{resource:?}"))
    }

    fn destroy(&self, _: Kind, id: &ExternalId) {
        self.0.destroy(id);
    }

    fn write(&self, id: &ExternalId, row: &str) {
        self.0.write(id, row);
    }

    fn rows(&self, id: &ExternalId) -> Option<Vec<String>> {
        self.0.rows(id)
    }

    fn login(&self, id: &ExternalId, user: &str, password: &str) -> Option<Access> {
        self.0.login(id, user, password)
    }

    fn storm(&self, rate: f64, seed: u64) {
        let deadline = self.0.config().latency.get() * 4 + Duration::from_millis(200);
        self.0.plan_faults(move |call: &Call| {
            let mut random = StdRng::seed_from_u64(seed ^ call.n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            random.random_bool(rate).then(|| match random.random_range(0..4) {
                0 => Fault::Before,
                1 => Fault::After,
                2 => Fault::Throttled(Duration::from_millis(random.random_range(100..5_000))),
                _ => Fault::Late(deadline.mul_f64(random.random_range(0.0..0.9))),
            })
        });
    }

    fn calm(&self) {
        self.0.clear_faults();
    }

    fn faults(&self) -> u64 {
        self.0.counters().throttled
    }

    fn created(&self) -> u64 {
        self.0.created()
    }

    fn unrest(&self) -> Duration {
        self.0.unrest()
    }

    fn deeds(&self) -> Vec<Deed> {
        let calls = self.0.calls().into_iter();
        calls
            .filter_map(|call| {
                let created = match call.op {
                    Op::Create => true,
                    Op::Delete => false,
                    _ => return None,
                };
                Some(Deed {
                    kind: call.kind?,
                    created,
                    shown: call.to_string(),
                })
            })
            .collect()
    }

    fn story(&self) -> Vec<String> {
        let calls = self.0.calls().into_iter().filter(|call| call.op.writes());
        calls.map(|call| call.to_string()).collect()
    }

    fn longest_life(&self) -> u64 {
        400
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(600)
    }
}

fn foreign(kind: Kind) -> Settings {
    match kind {
        Kind::Vpc => Settings::Vpc(Vpc {
            cidr: Some("192.168.0.0/16".into()),
            egress: Egress::None,
            zones: Vec::new(),
            shared: None,
            common: Common::default(),
        }),
        Kind::Slb => Settings::Slb(Slb {
            scheme: Scheme::Internal,
            listeners: Vec::new(),
            allow_from: Vec::new(),
            backends: None,
            network: Network::default(),
            common: Common::default(),
        }),
        _ => Settings::Rds(Rds {
            engine: Engine::Mysql,
            version: None,
            class: "mock.large".into(),
            storage: mooring_provider::Bytes::gib(500),
            high_availability: true,
            database: "theirs".into(),
            tls: Tls::Preferred,
            backup_retention: None,
            deletion_protection: false,
            clients: Vec::new(),
            client_security_group: None,
            network: Network::default(),
            common: Common::default(),
        }),
    }
}
