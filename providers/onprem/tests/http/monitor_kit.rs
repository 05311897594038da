//! The monitor adapter under the conformance kit, against a real Prometheus.

use std::{fs, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use mooring_provider::{
    DynAdapter, ExternalId, Kind, Owner,
    conformance::{self, Faults, Subject},
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::{http, kit, process::Process, proxy::Proxy};

const HINT: &str = "apt-get install --no-install-recommends prometheus prometheus-alertmanager";

/// A Prometheus with directories for rules and targets, and the Alertmanager it tells.
pub(crate) struct Prometheus {
    _processes: [Process; 2],
    directory: TempDir,
    port: u16,
    pub(crate) url: String,
    pub(crate) alertmanager: String,
}

impl Prometheus {
    /// Starts both. Prometheus also reads the metrics of this exporter.
    pub(crate) async fn start(exporter: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (port, alerts) = (http::port(), http::port());
        for name in ["rules", "targets"] {
            fs::create_dir(directory.path().join(name)).expect("there is room");
        }
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules/*.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [format!("127.0.0.1:{alerts}")]}]}]},
            "scrape_configs": [
                {"job_name": "exporter", "static_configs": [{"targets": [exporter]}]},
                {"job_name": "applications", "file_sd_configs": [{"files": ["targets/*.json"]}]},
            ],
        });
        let routes = json!({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]});
        let file = |name: &str, config: &Json| {
            let path = directory.path().join(name);
            fs::write(&path, config.to_string()).expect("there is room");
            path.display().to_string()
        };
        let (config, routes) = (file("prometheus.yml", &config), file("alertmanager.yml", &routes));
        let data = |name: &str| directory.path().join(name).display().to_string();
        let (url, alertmanager) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{alerts}"));
        let arguments = [
            format!("--config.file={config}"),
            format!("--web.listen-address=127.0.0.1:{port}"),
            format!("--storage.tsdb.path={}", data("data")),
            "--web.enable-lifecycle".into(),
            "--rules.alert.resend-delay=1s".into(),
        ];
        let ready = format!("{url}/-/ready");
        let prometheus = Process::start(Path::new("prometheus"), &arguments, directory.path(), &ready, HINT).await;
        let arguments = [
            format!("--config.file={routes}"),
            format!("--web.listen-address=127.0.0.1:{alerts}"),
            format!("--storage.path={}", data("alerts")),
            "--cluster.listen-address=".into(),
        ];
        let ready = format!("{alertmanager}/-/ready");
        let program = Path::new("prometheus-alertmanager");
        let alerts = Process::start(program, &arguments, directory.path(), &ready, HINT).await;
        Self {
            _processes: [prometheus, alerts],
            directory,
            port,
            url,
            alertmanager,
        }
    }

    pub(crate) fn proxy(&self) -> Proxy {
        Proxy::before(([127, 0, 0, 1], self.port).into())
    }

    /// The configuration of a provider that reaches it under this address.
    pub(crate) fn config(&self, url: &str) -> Json {
        json!({"monitor": {
            "url": url,
            "rulesDirectory": self.rules(),
            "targetsDirectory": self.directory.path().join("targets"),
        }})
    }

    pub(crate) fn rules(&self) -> std::path::PathBuf {
        self.directory.path().join("rules")
    }

    /// The groups of rules in force, by name.
    pub(crate) fn groups(&self) -> Vec<Json> {
        let rules = http::json(&format!("{}/api/v1/rules", self.url));
        rules["data"]["groups"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn reload(&self) -> u16 {
        http::ask("POST", &format!("{}/-/reload", self.url), &[], "").status
    }
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
        let proxy = prometheus.proxy();
        let adapter = kit::adapter(&prometheus.config(&proxy.url), Kind::Monitor);
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
        self.prometheus
            .directory
            .path()
            .join("targets")
            .join(format!("{id}.json"))
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
        for directory in ["rules", "targets"] {
            let path = self.prometheus.directory.path().join(directory);
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
