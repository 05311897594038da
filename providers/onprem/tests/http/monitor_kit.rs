//! The monitor adapter under the conformance kit, against a real Prometheus.

use std::{fs, sync::Arc, time::Duration};

use async_trait::async_trait;
use mooring_provider::{
    DynAdapter, ExternalId, Kind, Owner,
    conformance::{self, Faults, Subject},
};
use mooring_test_servers::Prometheus;
use serde_json::{Value as Json, json};

use crate::{kit, proxy::Proxy};

/// The configuration of a provider that reaches a Prometheus under this address.
pub(crate) fn config(prometheus: &Prometheus, url: &str) -> Json {
    json!({"monitor": {
        "url": url, "rulesDirectory": prometheus.rules(), "targetsDirectory": prometheus.targets(),
    }})
}

/// An alarm on the connections of a database.
pub(crate) fn spec() -> Json {
    json!({
        "alarms": [{
            "name": "many connections", "target": {"resource": {"kind": "rds", "id": "pg1/shop"}},
            "metric": "connections", "threshold": {"above": true, "value": 10.0, "percent": false}, "for": "1s",
            "severity": "critical", "notify": ["shop-oncall"],
        }],
        "scrape": {"port": 9090, "path": "/metrics"},
        "selector": {"namespace": "team-a", "labels": {}},
        "common": kit::common("c42"),
    })
}

/// A Prometheus under the kit.
pub(crate) struct Alarms {
    pub(crate) prometheus: Prometheus,
    proxy: Proxy,
    adapter: Arc<dyn DynAdapter>,
}

impl Alarms {
    pub(crate) async fn start(exporter: &str) -> Self {
        let prometheus = Prometheus::start(exporter).await;
        let proxy = Proxy::before(([127, 0, 0, 1], prometheus.port).into());
        let adapter = kit::adapter(&config(&prometheus, &proxy.url), Kind::Monitor);
        Self {
            prometheus,
            proxy,
            adapter,
        }
    }

    fn path(&self, id: &ExternalId) -> std::path::PathBuf {
        self.prometheus.rules().join(format!("{id}.yml"))
    }

    fn targets(&self, id: &ExternalId) -> std::path::PathBuf {
        self.prometheus.targets().join(format!("{id}.json"))
    }
}

#[async_trait]
impl Subject for Alarms {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.adapter.clone()
    }

    fn spec(&self) -> Json {
        spec()
    }

    fn changed(&self) -> Json {
        let mut spec = spec();
        spec["common"] = kit::common("c43");
        spec["alarms"][0]["threshold"]["value"] = json!(12.5);
        spec["scrape"] = Json::Null;
        spec
    }

    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        let mark = format!(r#""identity":"{}""#, owner.identity);
        let mut ids = std::collections::BTreeSet::new();
        for path in [self.prometheus.rules(), self.prometheus.targets()] {
            for entry in fs::read_dir(path).expect("it is there").flatten() {
                let text = fs::read_to_string(entry.path())
                    .unwrap_or_default()
                    .replace("\\\"", "\"");
                // What another broker is just writing has no such name yet, and Prometheus does not read it.
                let whole = entry
                    .path()
                    .extension()
                    .is_some_and(|end| end == "yml" || end == "json");
                if whole && text.contains(&mark) {
                    let name = entry
                        .path()
                        .file_stem()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    ids.insert(ExternalId::new(name));
                }
            }
        }
        for group in self.prometheus.groups() {
            if group.to_string().replace("\\\"", "\"").contains(&mark) {
                ids.insert(ExternalId::new(group["name"].as_str().expect("a name")));
            }
        }
        ids.into_iter().collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let rules = json!({"groups": [{"name": "theirs", "rules": [{"record": "theirs:up", "expr": "up"}]}]});
        let id = ExternalId::new(name);
        fs::write(self.path(&id), rules.to_string()).expect("there is room");
        id
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        let targets = fs::read_to_string(self.targets(id)).unwrap_or_default();
        Some(fs::read_to_string(self.path(id)).ok()? + &targets)
    }

    async fn destroy(&self, id: &ExternalId) {
        for path in [self.path(id), self.targets(id)] {
            let _ = fs::remove_file(path);
        }
        assert_eq!(self.prometheus.reload(), 200);
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.proxy.refuse(refused);
    }

    async fn settle(&self, time: Duration) {
        kit::settle(time).await;
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        let text = fs::read_to_string(self.path(id)).expect("it is there");
        fs::write(self.path(id), text.replace("> 10", "> 1000")).expect("there is room");
        true
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(self.proxy.faults())
    }
}

#[tokio::test]
async fn conforms() {
    conformance::assert_conforms(&Alarms::start("127.0.0.1:1").await).await;
}
