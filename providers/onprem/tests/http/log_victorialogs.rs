//! The log adapter on VictoriaLogs, under the conformance kit.
//!
//! VictoriaLogs cannot be had from a package registry, so what answers here is a model of the four paths that the
//! adapter uses, written from what VictoriaLogs 1.26 answers (pushing, asking, tenants, and the refusal to delete)
//! and from memory of how later versions delete, which was never seen.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use mooring_provider::{
    ErrorKind, Kind,
    conformance::{self, Life, Wish},
};
use mooring_test_servers::loki::{headers, push};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::{
    http::{self, Got},
    kit,
    log_loki::Tenants,
    proxy::Proxy,
};

/// The lines of each tenant, and the tenants whose deletion is under way.
#[derive(Debug, Default)]
struct Model {
    lines: HashMap<String, Vec<String>>,
    deleting: Vec<String>,
}

impl Model {
    fn answer(&mut self, request: &Got, deletes: bool) -> (u16, String) {
        let get = |name: &str| request.headers.get(name).map_or("0", String::as_str);
        let tenant = format!("{}:{}", get("accountid"), get("projectid"));
        let path = request.target.split('?').next().unwrap_or_default();
        match (request.method.as_str(), path) {
            ("POST", "/insert/loki/api/v1/push") => {
                let body: Json = serde_json::from_slice(&request.body).expect("JSON");
                let line = body["streams"][0]["values"][0][1].as_str().expect("a line");
                self.lines.entry(tenant).or_default().push(line.to_owned());
                (204, String::new())
            }
            ("GET", "/select/logsql/query") => {
                let lines = self.lines.get(&tenant).into_iter().flatten();
                (
                    200,
                    lines.map(|line| json!({"_msg": line}).to_string() + "\n").collect(),
                )
            }
            ("POST", "/delete/run_task") if deletes => {
                self.deleting.push(tenant);
                (200, json!({"task_id": "1"}).to_string())
            }
            ("GET", "/delete/active_tasks") if deletes => {
                let tasks = self.deleting.drain(..).map(|tenant| {
                    self.lines.remove(&tenant);
                    let (account, project) = tenant.split_once(':').expect("a pair");
                    let number = |text: &str| text.parse::<u32>().expect("a number of 32 bits");
                    json!({"task_id": "1", "filter": "*",
                           "tenant_ids": [{"account_id": number(account), "project_id": number(project)}]})
                });
                (200, Json::from_iter(tasks).to_string())
            }
            (_, path) => (400, format!("unsupported path requested: {path:?}")),
        }
    }
}

struct Rig {
    server: SocketAddr,
    model: Arc<Mutex<Model>>,
    registry: TempDir,
}

impl Rig {
    fn new(deletes: bool) -> Self {
        let model = Arc::<Mutex<Model>>::default();
        let shared = model.clone();
        let server = http::serve(move |request| shared.lock().expect("no panic before").answer(&request, deletes));
        let registry = tempfile::tempdir().expect("a directory");
        Self {
            server,
            model,
            registry,
        }
    }

    fn tenants(&self, removal: &str) -> Tenants {
        let (proxy, model) = (Proxy::before(self.server), self.model.clone());
        let config = json!({"log": {
            "flavour": "victorialogs", "url": proxy.url, "registry": self.registry.path(), "retention": "7d",
            "removal": removal,
        }});
        Tenants {
            adapter: kit::adapter(&config, Kind::Log),
            proxy,
            registry: self.registry.path().to_owned(),
            endpoint: format!("http://{}/insert/loki/api/v1/push", self.server),
            headers: |tenant| {
                let (account, project) = tenant.split_once(':').expect("a pair");
                vec![("accountid", account.to_owned()), ("projectid", project.to_owned())]
            },
            lines: Box::new(move |tenant| {
                model
                    .lock()
                    .expect("no panic before")
                    .lines
                    .get(tenant)
                    .cloned()
                    .unwrap_or_default()
            }),
            foreign: |name| format!("{}:7", name.len()),
        }
    }
}

#[tokio::test]
async fn conforms() {
    conformance::assert_conforms(&Rig::new(true).tenants("wait")).await;
}

#[tokio::test]
async fn a_server_that_deletes_nothing_says_what_to_do() {
    let rig = Rig::new(false);
    let subject = rig.tenants("wait");
    let mut life = Life::new(&subject, subject.adapter.clone(), http::claim("kept").owner);
    let seen = life
        .until(Wish::Present)
        .await
        .expect("it comes up")
        .seen
        .expect("it is seen");
    let tenant = seen.id.to_string();
    let bound = headers(seen.bindings["headers"].plain().expect("it may be shown"));
    assert_eq!(push(&subject.endpoint, &bound, "a line"), 204);
    let error = life.step(Wish::Absent).await.expect_err("it cannot be deleted");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.message().contains("-delete.enable") && error.message().contains("ageOut"),
        "{error}"
    );

    // The operator decides that lines may age out.
    let subject = rig.tenants("ageOut");
    let mut life = Life::new(&subject, subject.adapter.clone(), life.claim.owner);
    let note = life.spec.clone();
    let notes = subject.adapter.notes(&note).expect("it is a spec").join("\n");
    assert!(
        notes.contains("kept for 7d") && notes.contains("until they are 7d old"),
        "{notes}"
    );
    life.until(Wish::Absent).await.expect("it goes");
    assert_eq!((subject.lines)(&tenant), ["a line"]);
    // Its numbers are nobody's any more, even for who would get the same.
    life.until(Wish::Present).await.expect("it comes up again");
    assert_ne!(life.claim.id.expect("an id").to_string(), tenant);
}
