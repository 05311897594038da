//! VictoriaLogs, and what is said to it.

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{
    http,
    process::{Process, script},
};

/// A VictoriaLogs of one process.
#[derive(Debug)]
pub struct VictoriaLogs {
    _process: Process,
    _directory: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Where it is.
    pub url: String,
}

impl VictoriaLogs {
    /// A new one, which deletes lines or does not.
    pub async fn start(deletes: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = http::port();
        let url = format!("http://127.0.0.1:{port}");
        let arguments = [
            format!("-httpListenAddr=127.0.0.1:{port}"),
            format!("-storageDataPath={}", directory.path().join("data").display()),
            format!("-delete.enable={deletes}"),
        ];
        let hint = "tests/victorialogs/build builds it from its Go module";
        let ready = format!("{url}/health");
        let process = Process::start(
            &script("victorialogs/build"),
            &arguments,
            directory.path(),
            &ready,
            hint,
        )
        .await;
        Self {
            _process: process,
            _directory: directory,
            port,
            url,
        }
    }
}

/// The headers that name a tenant, `ACCOUNT:PROJECT`.
pub fn headers(tenant: &str) -> Vec<(&'static str, String)> {
    let (account, project) = tenant.split_once(':').expect("a pair");
    vec![("accountid", account.to_owned()), ("projectid", project.to_owned())]
}

/// The lines of a tenant, those of this moment too.
pub fn lines(url: &str, tenant: &str) -> Vec<String> {
    let headers = headers(tenant);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // What was pushed is found a second later, or when it is told to be.
    http::ask("GET", &format!("{url}/internal/force_flush"), &[], "");
    let answer = http::ask("GET", &format!("{url}/select/logsql/query?query=*"), &headers, "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let line = |text: &str| {
        let line: Json = serde_json::from_str(text).expect("JSON");
        line["_msg"].as_str().expect("a line").to_owned()
    };
    answer.body.lines().map(line).collect()
}
