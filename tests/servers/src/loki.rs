//! Loki, and what is said to it.

use std::{fs, path::PathBuf};

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::{
    http,
    process::{Process, script},
};

/// A Loki of one process that has tenants and deletes lines soon.
#[derive(Debug)]
pub struct Loki {
    _process: Process,
    directory: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Where it is.
    pub url: String,
}

impl Loki {
    /// A new one.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (port, grpc) = (http::port(), http::port());
        let path = |name: &str| directory.path().join(name).display().to_string();
        let config = json!({
            "auth_enabled": true,
            "server": {"http_listen_address": "127.0.0.1", "http_listen_port": port,
                       "grpc_listen_address": "127.0.0.1", "grpc_listen_port": grpc, "log_level": "warn"},
            "common": {"instance_addr": "127.0.0.1", "path_prefix": path("loki"), "replication_factor": 1,
                       "storage": {"filesystem": {"chunks_directory": path("chunks"), "rules_directory": path("rules")}},
                       "ring": {"kvstore": {"store": "inmemory"}}},
            "schema_config": {"configs": [{"from": "2020-10-24", "store": "tsdb", "object_store": "filesystem",
                                           "schema": "v13", "index": {"prefix": "index_", "period": "24h"}}]},
            "compactor": {"working_directory": path("compactor"), "retention_enabled": true,
                          "delete_request_store": "filesystem", // Loki adds a minute.
                          "delete_request_cancel_period": "1s",
                          "compaction_interval": "1s", "retention_delete_delay": "1s"},
            "ingester": {"chunk_idle_period": "1s", "flush_check_period": "1s", "max_chunk_age": "2s"},
            "limits_config": {"deletion_mode": "filter-and-delete"},
            // Nothing is told to anybody.
            "analytics": {"reporting_enabled": false},
        });
        let file = directory.path().join("loki.json");
        fs::write(&file, config.to_string()).expect("there is room");
        fs::create_dir(directory.path().join("registry")).expect("there is room");
        let url = format!("http://127.0.0.1:{port}");
        let program = script("loki/build");
        let arguments = [format!("-config.file={}", file.display())];
        let hint = "tests/loki/build builds it from its Go module";
        let process = Process::start(&program, &arguments, directory.path(), &format!("{url}/ready"), hint).await;
        Self {
            _process: process,
            directory,
            port,
            url,
        }
    }

    /// The directory in which it is written down which tenant is whose.
    pub fn registry(&self) -> PathBuf {
        self.directory.path().join("registry")
    }
}

/// The headers that a binding names.
pub fn headers(text: &str) -> Vec<(&str, &str)> {
    text.split(',').filter_map(|header| header.split_once('=')).collect()
}

/// Pushes a line as any collector that speaks Loki's protocol does.
pub fn push(endpoint: &str, headers: &[(&str, &str)], line: &str) -> u16 {
    let now = Timestamp::now().as_nanosecond().to_string();
    let body = json!({"streams": [{"stream": {"app": "shop"}, "values": [[now, line]]}]});
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    http::ask("POST", endpoint, &all, &body.to_string()).status
}

/// The lines of a tenant.
pub fn lines(loki: &str, tenant: &str) -> Vec<String> {
    let query = "query=%7Bapp%3D~%22.%2B%22%7D&since=1h&limit=100";
    let url = format!("{loki}/loki/api/v1/query_range?{query}");
    let answer = http::ask("GET", &url, &[("x-scope-orgid", tenant)], "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer: Json = serde_json::from_str(&answer.body).expect("JSON");
    let streams = answer["data"]["result"].as_array().expect("streams").iter();
    let values = streams.flat_map(|stream| stream["values"].as_array().expect("values"));
    values.filter_map(|value| Some(value[1].as_str()?.to_owned())).collect()
}

/// What Loki was asked to delete.
pub fn deletions(loki: &str, tenant: &str) -> String {
    http::ask(
        "GET",
        &format!("{loki}/loki/api/v1/delete"),
        &[("x-scope-orgid", tenant)],
        "",
    )
    .body
}
