//! Prometheus with its Alertmanager, and exporters.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::{http, process::Process};

const HINT: &str = "apt-get install --no-install-recommends prometheus prometheus-alertmanager";

/// A Prometheus with directories for rules and targets, and the Alertmanager it tells.
#[derive(Debug)]
pub struct Prometheus {
    _processes: [Process; 2],
    directory: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Where it is.
    pub url: String,
    /// Where the Alertmanager is.
    pub alertmanager: String,
}

impl Prometheus {
    /// Starts both. Prometheus also reads the metrics of this exporter.
    pub async fn start(exporter: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (port, alerts) = (http::port(), http::port());
        for name in ["rules", "targets", "exporters"] {
            fs::create_dir(directory.path().join(name)).expect("there is room");
        }
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules/*.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [format!("127.0.0.1:{alerts}")]}]}]},
            "scrape_configs": [
                {"job_name": "exporter", "static_configs": [{"targets": [exporter]}]},
                {"job_name": "exporters", "file_sd_configs": [{"files": ["exporters/*.json"]}]},
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

    /// The directory of its rules.
    pub fn rules(&self) -> PathBuf {
        self.directory.path().join("rules")
    }

    /// The directory of what it scrapes for applications.
    pub fn targets(&self) -> PathBuf {
        self.directory.path().join("targets")
    }

    /// Reads the metrics of a further exporter under the name of what that watches.
    pub fn watch(&self, instance: &str, port: u16) {
        let target = json!([{"targets": [format!("127.0.0.1:{port}")], "labels": {"instance": instance}}]);
        let directory = self.directory.path().join("exporters");
        let part = directory.join("part");
        fs::write(&part, target.to_string()).expect("there is room");
        fs::rename(part, directory.join(format!("{instance}.json"))).expect("there is room");
    }

    /// The alerts that Alertmanager has.
    pub fn alerts(&self) -> Vec<Json> {
        let alerts = http::json(&format!("{}/api/v2/alerts", self.alertmanager));
        alerts.as_array().cloned().unwrap_or_default()
    }

    /// The groups of rules in force, by name.
    pub fn groups(&self) -> Vec<Json> {
        let rules = http::json(&format!("{}/api/v1/rules", self.url));
        rules["data"]["groups"].as_array().cloned().unwrap_or_default()
    }

    /// Makes it read its rules again; the status it answers with.
    pub fn reload(&self) -> u16 {
        http::ask("POST", &format!("{}/-/reload", self.url), &[], "").status
    }
}

/// The exporter of a MariaDB that can be reached under this data source name, with the collectors that the figures of
/// databases need, and its port.
pub async fn mysqld_exporter(directory: &Path, source: &str) -> (Process, u16) {
    let port = http::port();
    let arguments = [
        format!("DATA_SOURCE_NAME={source}"),
        "prometheus-mysqld-exporter".into(),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--collect.info_schema.processlist".into(),
        "--collect.mysql.user".into(),
    ];
    let hint = "apt-get install --no-install-recommends prometheus-mysqld-exporter";
    let ready = format!("http://127.0.0.1:{port}/metrics");
    let process = Process::start(Path::new("env"), &arguments, directory, &ready, hint).await;
    (process, port)
}
