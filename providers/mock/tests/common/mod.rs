//! What the tests of the mock cloud share: specs of every kind, and the cloud as a subject of the conformance kit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    DynAdapter, ExternalId, Kind, Owner, Span,
    conformance::{Faults, Subject, When},
};
use mooring_provider_mock::{Call, Cloud, Fault, MockConfig, SHARED_NETWORK, Settings};
use serde_json::{Value as Json, json};

/// A cloud of its own, quick and without faults.
pub(crate) fn cloud(change: impl FnOnce(&mut MockConfig)) -> Cloud {
    let mut config = MockConfig {
        latency: Span::new(Duration::from_millis(4)),
        ..MockConfig::default()
    };
    change(&mut config);
    Cloud::detached(config).expect("the configuration is good")
}

/// A spec that can be carried out.
pub(crate) fn spec(kind: Kind) -> Json {
    let network = json!({"id": SHARED_NETWORK, "subnets": [], "securityGroup": null});
    let common = json!({"tags": {"cost-center": "c42"}, "resourceGroup": null, "options": {}});
    match kind {
        Kind::Vpc => json!({"cidr": "10.64.0.0/20", "egress": "none", "zones": [], "shared": null, "common": common}),
        Kind::Rds => json!({
            "engine": "mysql", "version": null, "class": "small", "storage": "20Gi", "highAvailability": false,
            "database": "shop", "tls": "preferred", "backupRetention": "7d", "deletionProtection": true,
            "clients": ["10.8.0.0/16"], "clientSecurityGroup": "sg-pods", "network": network, "common": common,
        }),
        Kind::Slb => json!({
            "scheme": "internal", "allowFrom": [], "network": network, "common": common,
            "listeners": [{"port": 80, "protocol": "http", "targetPort": 8080, "certificate": null,
                           "healthCheckPath": "/"}],
            "backends": [{"targetPort": 8080, "address": "10.8.0.7", "port": 8080}],
        }),
        Kind::Log => json!({
            "retention": "30d", "sources": ["stdout"], "format": "text", "push": true, "common": common,
            "selector": {"namespace": "team-a", "labels": {"app": "shop"}},
        }),
        _ => json!({
            "alarms": [{"name": "restarts", "target": "own", "metric": "restarts", "for": "5m", "notify": [],
                        "threshold": {"above": true, "value": 3.0, "percent": false}, "severity": "warning"}],
            "scrape": null, "selector": {"namespace": "team-a", "labels": {}}, "common": common,
        }),
    }
}

/// The same, changed in what can be changed in place.
pub(crate) fn changed(kind: Kind) -> Json {
    let mut spec = spec(kind);
    spec["common"]["tags"] = json!({"cost-center": "c43", "tier": "gold"});
    match kind {
        Kind::Vpc => spec["egress"] = json!("internet"),
        Kind::Rds => {
            spec["class"] = json!("large");
            spec["storage"] = json!("40Gi");
            spec["clients"] = json!(["10.8.0.0/16", "10.9.0.0/16"]);
        }
        Kind::Slb => {
            spec["listeners"][0]["port"] = json!(81);
            spec["backends"] = json!([]);
        }
        Kind::Log => spec["retention"] = json!("60d"),
        _ => spec["alarms"][0]["threshold"]["value"] = json!(5.0),
    }
    spec
}

/// Settings of a resource that somebody else made.
pub(crate) fn settings(kind: Kind) -> Settings {
    serde_json::from_value(json!({ kind.as_str(): spec(kind) })).expect("the settings are in the words of the spec")
}

/// A mock cloud under the conformance kit.
pub(crate) struct Mock {
    pub(crate) cloud: Cloud,
    pub(crate) kind: Kind,
    pub(crate) adapter: Arc<dyn DynAdapter>,
}

impl Mock {
    /// A kind of a cloud.
    pub(crate) fn new(cloud: Cloud, kind: Kind) -> Self {
        let adapter = cloud
            .provider()
            .adapter(kind)
            .expect("the mock cloud serves every kind");
        Self { cloud, kind, adapter }
    }
}

#[async_trait]
impl Subject for Mock {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.adapter.clone()
    }

    fn spec(&self) -> Json {
        spec(self.kind)
    }

    fn changed(&self) -> Json {
        changed(self.kind)
    }

    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        self.cloud
            .owned(owner)
            .into_iter()
            .map(|resource| resource.id)
            .collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        self.cloud.add_foreign(name, settings(self.kind))
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        self.cloud.get(id).map(|resource| format!("{resource:?}"))
    }

    async fn destroy(&self, id: &ExternalId) {
        self.cloud.destroy(id);
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.cloud.set_revoked(refused);
    }

    async fn hide_new(&self, time: Duration) -> bool {
        self.cloud.configure(|config| config.invisible_for = Span::new(time));
        true
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        self.cloud.change(id, |resource| {
            resource.tags.insert("cost-center".into(), "somebody else's".into());
        })
    }

    async fn write(&self, id: &ExternalId, row: &str) -> bool {
        self.kind.bears_data() && self.cloud.write(id, row)
    }

    async fn rows(&self, id: &ExternalId) -> Vec<String> {
        self.cloud.rows(id).unwrap_or_default()
    }

    async fn login(&self, id: &ExternalId, user: &str, password: &str) -> bool {
        self.cloud.login(id, user, password).is_some()
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(Requests {
            cloud: self.cloud.clone(),
            hit: Arc::default(),
        }))
    }
}

/// The cloud's own faults, request by request.
struct Requests {
    cloud: Cloud,
    hit: Arc<AtomicBool>,
}

impl Faults for Requests {
    fn arm(&self, position: usize, when: When) {
        let (count, hit) = (AtomicUsize::new(0), self.hit.clone());
        hit.store(false, Ordering::SeqCst);
        self.cloud.plan_faults(move |_: &Call| {
            let now = count.fetch_add(1, Ordering::SeqCst) == position;
            hit.fetch_or(now, Ordering::SeqCst);
            now.then_some(if when == When::Before {
                Fault::Before
            } else {
                Fault::After
            })
        });
    }

    fn disarm(&self) -> bool {
        self.cloud.clear_faults();
        self.hit.load(Ordering::SeqCst)
    }
}
