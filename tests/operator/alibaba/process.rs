//! The simulator as its users have it: a process of its own, disturbed over its control endpoint.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{CONTACTS, KINDS};

/// `mooring simulate aliyun`. It ends with this.
pub(crate) struct Cloud {
    child: Child,
    address: SocketAddr,
}

impl Cloud {
    /// On a free port, quick, with the people who are told of alarms.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mooring"))
            .args([
                "simulate",
                "aliyun",
                "--listen",
                "127.0.0.1:0",
                "--provisioning",
                "300ms",
            ])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its stdout");
        BufReader::new(stdout).read_line(&mut line).expect("it can be read");
        let address = line.trim().strip_prefix("# http://").expect("it prints its address");
        let address = address.parse().expect("an address");
        let cloud = Self { child, address };
        for (action, params) in CONTACTS {
            cloud
                .act("Cms", action, serde_json::from_str(params).expect("JSON"))
                .await;
        }
        cloud
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks the control endpoint. In HTTP/1.0, whose answers end with the connection.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Json) -> Json {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} /-/{path} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.expect("the simulator serves");
        stream.write_all(request.as_bytes()).await.expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.contains(" 200 "), "{method} {path}: {answer}");
        serde_json::from_str(body).expect("JSON")
    }

    /// What somebody else in the account does.
    pub(crate) async fn act(&self, product: &str, action: &str, params: Json) -> Json {
        let body = json!({"product": product, "action": action, "params": params});
        self.ask("POST", "act", body).await
    }

    /// Everything of a kind that was not there from the beginning.
    pub(crate) async fn list(&self, kind: &str) -> Vec<Json> {
        let Json::Array(mut all) = self.ask("GET", "resources", Json::Null).await else {
            panic!("a list");
        };
        all.retain(|one| one["kind"] == kind && !one["id"].as_str().expect("an id").contains("shared"));
        all
    }

    /// The one of a kind.
    pub(crate) async fn only(&self, kind: &str) -> Json {
        let mut all = self.list(kind).await;
        assert_eq!(all.len(), 1, "one {kind}: {all:?}");
        all.remove(0)
    }

    /// The ids of what stands there beside what was there from the beginning.
    pub(crate) async fn stands(&self) -> Vec<String> {
        let all = self.ask("GET", "resources", Json::Null).await;
        let kinds: Vec<_> = KINDS.iter().map(|kind| json!(kind)).collect();
        let some = all.as_array().expect("a list").iter();
        some.filter(|one| kinds.contains(&one["kind"]))
            .map(|one| one["id"].as_str().expect("an id").to_owned())
            .filter(|id| !id.contains("shared"))
            .collect()
    }

    /// How many calls there were.
    pub(crate) async fn calls(&self) -> u64 {
        let counts = self.ask("GET", "counts", Json::Null).await;
        let counts = counts.as_object().expect("counts").values();
        counts.map(|count| count.as_u64().expect("a number")).sum()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
