//! One real OpenStack for all tests of this process: one that `MOORING_TEST_OPENSTACK` names, else one that
//! `tests/openstack/up` starts and that ends with the process.

use std::{
    io::{BufRead as _, BufReader},
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use mooring_provider_http::{Answer, Client, HttpConfig, Method, Request, Url};
use serde_json::{Value as Json, json};

/// The port by which a range of addresses is held.
const HOLDING: u16 = 20_026;

/// A cloud, and who may do what in it.
#[derive(Debug)]
pub struct Lab {
    /// What `tests/openstack/up` says of it.
    pub cloud: Json,
    http: Client,
    /// It ends when its stdin closes, which it does with this process.
    _keeper: Option<Child>,
}

/// The cloud; started when it is first asked for.
pub fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let (path, keeper) = match std::env::var("MOORING_TEST_OPENSTACK") {
            Ok(path) => (path, None),
            Err(_) => start(),
        };
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let config = HttpConfig {
            timeout: "60s".parse().expect("a time"),
            ..HttpConfig::default()
        };
        Lab {
            cloud: serde_json::from_str(&text).expect("the lab writes JSON"),
            http: Client::new(&config).expect("a client"),
            _keeper: keeper,
        }
    })
}

fn start() -> (String, Option<Child>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openstack/up");
    let dir = std::env::temp_dir().join(format!("mooring-openstack-{}", std::process::id()));
    let mut child = Command::new(&script)
        .arg("--dir")
        .arg(&dir)
        .arg("--wait")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let mut path = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout)
        .read_line(&mut path)
        .expect("it says where the cloud is");
    assert!(
        path.ends_with(".json\n"),
        "the OpenStack of the tests does not start; {} says why and what to install, or set \
         MOORING_TEST_OPENSTACK=path/to/cloud.json of a running one",
        script.display()
    );
    (path.trim().to_owned(), Some(child))
}

impl Lab {
    /// A word of what `up` says.
    pub fn get(&self, name: &str) -> &str {
        self.cloud[name]
            .as_str()
            .unwrap_or_else(|| panic!("the lab says no {name}"))
    }

    /// Where a service is.
    pub fn endpoint(&self, service: &str) -> &str {
        self.cloud["endpoints"][service].as_str().expect("an endpoint")
    }

    /// Sends a request as somebody. What is no success panics, unless it is a 404: that is `None`.
    pub async fn send(&self, token: &str, method: &str, url: &str, body: Option<Json>) -> Option<Json> {
        let answer = self.answer(token, method, url, body.clone()).await;
        if answer.status.as_u16() == 404 {
            return None;
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            answer.status.is_success(),
            "{method} {url} {body:?}: {} {text}",
            answer.status
        );
        Some(serde_json::from_str(&text).unwrap_or(Json::Null))
    }

    /// Sends a request as somebody; any answer.
    pub async fn answer(&self, token: &str, method: &str, url: &str, body: Option<Json>) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = Request::new(method, Url::parse(url).expect("an address"));
        request.header("x-auth-token", token, true).expect("a header");
        if let Some(body) = body {
            request
                .header("content-type", "application/json", false)
                .expect("a header");
            request.body = body.to_string().into();
        }
        // A connection that was kept would be driven by the runtime of the test that made it, and end with that test: in
        // the middle of another's request, which had its effect all the same. So none is kept, and nothing sent twice.
        request.header("connection", "close", false).expect("a header");
        self.http.send("test", request).await.expect("an answer")
    }

    /// Logs a user in for a project, given by id.
    pub async fn login(&self, user: &str, password: &str, project: Json) -> String {
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {
                "user": {"name": user, "domain": {"id": "default"}, "password": password},
            }},
            "scope": {"project": project},
        }});
        let url = format!("{}/auth/tokens", self.get("authUrl"));
        // Keystone may take a moment to see a role that it has just given.
        for _ in 0..100 {
            let answer = self.answer("none", "POST", &url, Some(body.clone())).await;
            if let Some(token) = answer.header("x-subject-token") {
                return token.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{user} cannot log in");
    }

    /// Somebody who may do everything.
    pub async fn admin(&self) -> String {
        let project = json!({"name": "admin", "domain": {"id": "default"}});
        self.login("admin", self.get("adminPassword"), project).await
    }
}

/// A range of loopback addresses that nobody else on this machine is given while this process lives: it holds a socket
/// at the last of them, which no cloud gives away.
pub fn range() -> String {
    static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let process = 16 + std::process::id() % 230;
    let mut held = HELD.lock().expect("nobody panics with it");
    for network in (1..255).map(|n| format!("127.{process}.{n}")) {
        if let Ok(socket) = UdpSocket::bind(format!("{network}.255:{HOLDING}")) {
            held.push(socket);
            return format!("{network}.0/24");
        }
    }
    panic!("no range of 127.{process}.0.0/16 is free; which processes hold port {HOLDING} in it?");
}
