//! The operator under its own account, with the rights and policies of `deploy/`: an SRE and two developers have it do
//! everything that it does. What it asked of the API server is in the audit log.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use crate::{Installed, support::cluster::PATIENCE};

/// The user that the account's tokens speak for.
pub(crate) const USER: &str = "system:serviceaccount:mooring-system:mooring";

/// What there is to be told.
pub(crate) struct Told {
    /// What the account asked of the API server.
    pub(crate) requests: Vec<Json>,
    /// What `/metrics` said when there was most to say.
    pub(crate) metrics: String,
}

/// The story; it happens once.
pub(crate) fn told() -> &'static Told {
    static TOLD: OnceLock<Option<Told>> = OnceLock::new();
    // One that fails is not tried again for the next who asks.
    let told = TOLD.get_or_init(|| std::thread::spawn(happen).join().ok());
    told.as_ref().expect("the story comes to its end")
}

fn happen() -> Told {
    let story = Story(Installed::with("deploy"));
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let kubeconfig = story.account();
    let operator = story.0.cluster.operator_with(|options| {
        options.kubeconfig = Some(kubeconfig);
        options.listen = Some(port);
        options.poll = Duration::from_millis(500);
    });
    story.apply(include_str!("data/story.yaml"));
    story.eventually("Applications are served", || {
        story.0.try_run(&["get", "applications.core.oam.dev", "-A"], "").is_ok()
    });

    // Two developers: one with an Application, one with workloads and resources by hand.
    story.apply(&application());
    story.by_hand();
    story.ready(10);
    for (kind, name) in [
        ("deployment", "web"),
        ("deployment", "report"),
        ("statefulset", "web"),
        ("daemonset", "web"),
        ("cronjob", "web"),
    ] {
        story.eventually(&format!("{kind} {name} is bound"), || {
            story.get(kind, name).to_string().contains("secretKeyRef")
        });
    }
    let metrics = metrics(port);

    story.cannot_be_read();
    story.changes();
    story.goes();

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(operator.stop()).expect("it ends in good order");
    Told {
        requests: story.requests(),
        metrics,
    }
}

struct Story(Installed);

impl Story {
    /// A kubeconfig with a token of the operator's account.
    fn account(&self) -> PathBuf {
        let token = self
            .0
            .run(&["create", "token", "mooring", "-n", "mooring-system", "--duration=1h"]);
        let given = self
            .0
            .run(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
        let mut config: Json = serde_json::from_str(&given).expect("JSON");
        config["users"][0]["user"] = json!({"token": token.trim()});
        let path = self.0.cluster.directory().join("account.kubeconfig");
        fs::write(&path, config.to_string()).expect("it can be written");
        path
    }

    fn apply(&self, yaml: &str) {
        self.0.run_with(&["apply", "-f", "-"], yaml);
    }

    /// An object of the story's namespace, or null.
    fn get(&self, kind: &str, name: &str) -> Json {
        let found = self
            .0
            .run(&["get", kind, name, "-n", "story", "-o", "json", "--ignore-not-found"]);
        serde_json::from_str(&found).unwrap_or(Json::Null)
    }

    fn list(&self, kind: &str) -> Vec<Json> {
        let found: Json = serde_json::from_str(&self.0.run(&["get", kind, "-n", "story", "-o", "json"])).expect("JSON");
        found["items"].as_array().expect("a list").clone()
    }

    fn eventually(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            if begun.elapsed() > PATIENCE {
                let there = self.0.run(&[
                    "get",
                    "applications,cloudresources,retainedresources,events",
                    "-n",
                    "story",
                    "-o",
                    "yaml",
                ]);
                panic!("{what}: not within {} s\n{there}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until that many CloudResources are ready.
    fn ready(&self, count: usize) {
        self.eventually(&format!("{count} resources are ready"), || {
            let all = self.list("cloudresources.mooring.dev");
            let is_ready = |one: &&Json| {
                let mut conditions = one["status"]["conditions"].as_array().into_iter().flatten();
                conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
            };
            all.iter().filter(is_ready).count() == count
        });
    }

    /// Workloads that somebody else made, and a database for each.
    fn by_hand(&self) {
        self.0.run_with(&["apply", "-n", "story", "-f", "-"], &workloads());
        for (kind, api_version) in [
            ("StatefulSet", "apps/v1"),
            ("DaemonSet", "apps/v1"),
            ("CronJob", "batch/v1"),
            ("Job", "batch/v1"),
        ] {
            let object = json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource",
                "metadata": {"name": format!("hand-web-{}", kind.to_lowercase()), "namespace": "story"},
                "spec": {
                    "application": "hand", "component": "web", "name": kind.to_lowercase(),
                    "rds": {"engine": "mysql", "as": "DB"},
                    "workload": {"apiVersion": api_version, "kind": kind, "name": "web"},
                },
            });
            self.apply(&object.to_string());
        }
    }

    /// An Application whose component has no type is told so, and goes.
    fn cannot_be_read(&self) {
        let unreadable = json!({
            "apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
            "metadata": {"name": "unreadable", "namespace": "story"},
            "spec": {"components": [{"name": "web"}]},
        });
        self.apply(&unreadable.to_string());
        self.eventually("it is told that it cannot be read", || {
            self.get("application", "unreadable")["status"]["conditions"].is_array()
        });
        self.0
            .run(&["delete", "application", "unreadable", "-n", "story", "--wait=false"]);
        self.eventually("it goes", || self.get("application", "unreadable").is_null());
    }

    fn changes(&self) {
        // New credentials, for a binding and for the provider.
        let before = self.get("secret", "shop-web-rds")["data"]["password"].clone();
        self.0.run(&[
            "annotate",
            "cloudresource",
            "shop-web-rds",
            "-n",
            "story",
            "mooring.dev/rotate=1",
        ]);
        self.eventually("new credentials", || {
            self.get("secret", "shop-web-rds")["data"]["password"] != before
        });
        // From the next apply on, its balancer reaches the nodes and no longer the pods.
        let changed = include_str!("data/story.yaml").replace("token: first", "token: second");
        self.apply(&changed.replace("backends: pods", "backends: nodes"));
        self.eventually("the Service has a port on each node", || {
            self.get("service", "web")["spec"]["type"] == "NodePort"
        });
        self.eventually("the copy follows", || {
            let copy = self.0.run(&[
                "get",
                "secret",
                "mooring-credentials-story",
                "-n",
                "mooring-system",
                "-o",
                "jsonpath={.data.token}",
            ]);
            copy == "c2Vjb25k"
        });
        // Larger, not exposed any more, and without its report.
        let mut changed = Json::Null;
        for document in serde_saphyr::from_multiple::<Json>(&application()).expect("YAML") {
            changed = document;
        }
        let components = changed["spec"]["components"].as_array_mut().expect("components");
        components.truncate(1);
        components[0]["properties"]["ports"] = json!([{"port": 8080, "expose": false}]);
        components[0]["traits"][1]["properties"]["size"] = json!("medium");
        self.apply(&changed.to_string());
        self.eventually("the report is gone", || self.get("deployment", "report").is_null());
        self.eventually("nothing is exposed", || self.get("service", "web").is_null());
        self.eventually("it is larger", || {
            self.get("cloudresource", "shop-web-rds")["spec"]["rds"]["size"] == "medium"
        });
        // Somebody writes at the same moment, until the operator had to look what it is now.
        let begun = Instant::now();
        for round in 2.. {
            let got = |request: &Json| request["verb"] == "get" && request["objectRef"]["resource"] == "cloudresources";
            if self.requests().iter().any(got) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "no write of the operator's met another");
            let rotate = format!("mooring.dev/rotate={round}");
            for name in ["shop-web-rds", "hand-web-daemonset"] {
                self.0
                    .run(&["annotate", "cloudresource", name, "-n", "story", "--overwrite", &rotate]);
                for other in 0..3 {
                    self.0.run(&[
                        "annotate",
                        "cloudresource",
                        name,
                        "-n",
                        "story",
                        "--overwrite",
                        &format!("x={round}-{other}"),
                    ]);
                }
            }
        }
    }

    /// Everything is deleted; what is kept is given up at once.
    fn goes(&self) {
        self.eventually("the CronJob runs", || {
            self.get("cronjob", "web")["status"]["active"].is_array()
        });
        self.0
            .run(&["delete", "application", "shop", "-n", "story", "--wait=false"]);
        self.0
            .run(&["delete", "cloudresources", "-n", "story", "--all", "--wait=false"]);
        let looked = |request: &Json| request["verb"] == "get" && request["objectRef"]["resource"] == "jobs";
        self.eventually("the runs of the CronJob are looked at", || {
            self.requests().iter().any(looked)
        });
        self.0.run(&["delete", "jobs", "-n", "story", "--all"]);
        self.eventually("all resources are gone", || {
            self.list("cloudresources.mooring.dev").is_empty()
        });
        self.eventually("the Application is gone", || {
            self.list("applications.core.oam.dev").is_empty()
        });
        let kept = self.list("retainedresources.mooring.dev");
        assert_eq!(
            kept.len(),
            6,
            "each database is parked, and the network that one is in: {kept:?}"
        );
        for one in &kept {
            let identity = one["spec"]["identity"].as_str().expect("an identity");
            self.0.run(&[
                "annotate",
                "environment",
                "story",
                &format!("approve.mooring.dev/{identity}=delete"),
            ]);
        }
        self.eventually("nothing is kept", || {
            self.list("retainedresources.mooring.dev").is_empty()
        });
        self.eventually("no word is left over", || {
            !self.get("environment", "story").to_string().contains("approve.")
        });
        self.0.run(&["delete", "environment", "story"]);
        self.0.run(&["delete", "providerconfig", "story", "--timeout=60s"]);
        self.eventually("the copy is gone", || {
            self.0
                .try_run(
                    &["get", "secret", "mooring-credentials-story", "-n", "mooring-system"],
                    "",
                )
                .is_err()
        });
    }

    /// What the account asked of the API server, from the audit log.
    fn requests(&self) -> Vec<Json> {
        let log = fs::read_to_string(self.0.cluster.directory().join("cluster/audit.log")).expect("an audit log");
        // The last line may be half written.
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        lines
            .filter(|event| event["user"]["username"] == USER && event["objectRef"].is_object())
            .collect()
    }
}

/// The example with all five kinds, in the story's namespace.
fn application() -> String {
    crate::read("crds/examples/shop.yaml").replace("  name: shop\n", "  name: shop\n  namespace: story\n")
}

/// A workload of each kind that is bound, and a Job, which can only be looked at.
fn workloads() -> String {
    // A run of the CronJob begins within the minute, and lasts: no node is like that.
    let web = include_str!("data/web.yaml")
        .replace(r#""0 0 1 1 *""#, "\"* * * * *\"\n  concurrencyPolicy: Forbid")
        .replace(
            "restartPolicy: Never\n",
            "restartPolicy: Never\n          nodeSelector: {no: node}\n",
        );
    let mut kept: Vec<_> = web
        .split("---\n")
        .filter(|one| !one.contains("kind: Deployment"))
        .map(str::to_owned)
        .collect();
    kept.push(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: web, labels: {app.oam.dev/component: web}}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
         containers: [{name: web, image: \"web:1\"}]\n"
            .into(),
    );
    kept.join("---\n")
}

/// What `/metrics` says.
fn metrics(address: std::net::SocketAddr) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: mooring\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("HTTP");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}
