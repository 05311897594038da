//! The same application in a cluster: a real API server with the operator. What is used is what stands in the
//! environment of its containers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use mooring_test_servers::{Loki, openstack::range};
use serde_json::{Value as Json, json};

use crate::{
    alibaba::Alibaba,
    mock::Mock,
    onprem::Onprem,
    openstack::Openstack,
    place::{Got, Place, Variables},
    shop::{Backends, shop},
    support::cluster::Cluster,
    workplace::Workplace,
};

/// The cluster as people use it.
pub(crate) struct Kubectl(pub(crate) Cluster);

impl Kubectl {
    pub(crate) fn apply(&self, namespace: &[&str], text: &str) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("there is room");
        let path = file.path().display().to_string();
        self.0.kubectl(&[&["apply", "-f", &path], namespace].concat());
    }

    pub(crate) fn get(&self, namespace: &str, what: &[&str]) -> Json {
        let arguments = [
            &["get", "--namespace", namespace, "-o", "json", "--ignore-not-found"],
            what,
        ]
        .concat();
        let said = self.0.kubectl(&arguments);
        serde_json::from_str(&said).unwrap_or(Json::Null)
    }

    /// The CloudResources, by name.
    pub(crate) fn resources(&self, namespace: &str) -> BTreeMap<String, Json> {
        let listed = self.get(namespace, &["cloudresources"]);
        let items = listed["items"].as_array().cloned().unwrap_or_default();
        items
            .into_iter()
            .map(|item| (text(&item["metadata"]["name"]), item))
            .collect()
    }

    /// The entries of a Secret.
    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Variables {
        let secret = self.get(namespace, &["secret", name]);
        let entries = secret["data"].as_object().cloned().unwrap_or_default();
        entries
            .into_iter()
            .map(|(key, value)| (key, plain(&text(&value))))
            .collect()
    }

    /// Whether the two pods of `web` are where its processes are. They are told to be: nobody runs them.
    fn pods_are_at(&self, namespace: &str, backends: &Backends) -> bool {
        let listed = self.get(namespace, &["pods", "--selector=app.oam.dev/component=web"]);
        let mut pods = listed["items"].as_array().cloned().unwrap_or_default();
        pods.retain(|pod| pod["status"]["podIP"].is_string() && pod["metadata"]["deletionTimestamp"].is_null());
        for (pod, address) in pods.iter().zip(backends.addresses) {
            let (name, ip) = (text(&pod["metadata"]["name"]), address.ip().to_string());
            if pod["status"]["podIP"] != ip.as_str() {
                let patch = json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}}).to_string();
                let arguments = ["patch", "pod", &name, "--namespace", namespace, "--subresource=status"];
                self.0
                    .kubectl(&[&arguments[..], &["--type=merge", "-p", &patch]].concat());
            }
        }
        pods.len() == 2
    }

    /// What the container of a component finds in its environment.
    fn variables(&self, namespace: &str, component: &str) -> Variables {
        let deployment = self.get(namespace, &["deployment", component]);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let listed = container["env"].as_array().cloned().unwrap_or_default();
        let value = |variable: &Json| {
            let from = &variable["valueFrom"]["secretKeyRef"];
            self.secret(namespace, from["name"].as_str()?)
                .remove(from["key"].as_str()?)
        };
        let named = |variable: &Json| Some((text(&variable["name"]), value(variable)?));
        listed.iter().filter_map(named).collect()
    }
}

/// Whether its condition says so.
pub(crate) fn is_ready(object: &Json) -> bool {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions
        .iter()
        .any(|it| it["type"] == "Ready" && it["status"] == "True")
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// It without its base64.
fn plain(text: &str) -> String {
    use std::io::Write as _;
    let mut decode = std::process::Command::new("base64");
    decode
        .arg("--decode")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut decode = decode.spawn().expect("base64 runs");
    let mut input = decode.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = decode.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("text")
}

/// Looks until it is so. The limit is only there so that a test ends.
pub(crate) async fn until(what: &str, shown: impl Fn() -> String, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(500),
            "{what}: not in time: {}",
            shown()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What the application has in an environment: everything ready, its pods where its two processes are.
async fn comes_up(
    kubectl: &Kubectl,
    place: &dyn Place,
    backends: &Backends,
) -> (Got, BTreeMap<String, BTreeSet<String>>) {
    let namespace = place.environment();
    kubectl.0.kubectl(&["create", "namespace", namespace]);
    kubectl.apply(&[], &place.documents());
    kubectl.apply(&["--namespace", namespace], &shop(namespace, backends));
    until(
        "its pods are about to run",
        || namespace.to_owned(),
        || !kubectl.get(namespace, &["deployment", "web"]).is_null(),
    )
    .await;
    kubectl
        .0
        .kubectl(&["scale", "--namespace", namespace, "deployment/web", "--replicas=2"]);
    let shown = || {
        format!(
            "{namespace}: {:#?}",
            kubectl
                .resources(namespace)
                .values()
                .map(|it| &it["status"])
                .collect::<Vec<_>>()
        )
    };
    until("everything is ready", shown, || {
        let resources = kubectl.resources(namespace);
        kubectl.pods_are_at(namespace, backends) && resources.len() == 5 && resources.values().all(is_ready)
    })
    .await;
    let resources = kubectl.resources(namespace);
    let ids = resources.iter().filter_map(|(name, object)| {
        let kind = name.rsplit_once('-')?.1;
        Some((kind.to_owned(), object["status"]["externalId"].as_str()?.to_owned()))
    });
    let secrets = ["shop-web-rds", "shop-web-slb", "shop-web-log", "shop-report-bind"];
    let keys = secrets.map(|name| (name.to_owned(), kubectl.secret(namespace, name).into_keys().collect()));
    let got = Got {
        namespace: namespace.to_owned(),
        web: kubectl.variables(namespace, "web"),
        report: kubectl.variables(namespace, "report"),
        ids: ids.collect(),
    };
    (got, keys.into())
}

/// What some environments have beside: a certificate where there is TLS, the headers of a tenant.
const BESIDE: [&str; 2] = ["ca.crt", "headers"];

#[tokio::test(flavor = "multi_thread")]
async fn one_application_lives_in_four_environments_of_one_cluster() {
    let (loki, backends) = (Arc::new(Loki::start().await), Arc::new(Backends::start(&range())));
    let kubectl = Kubectl(tokio::task::spawn_blocking(Cluster::own).await.expect("a cluster"));
    let _operator = kubectl
        .0
        .operator_with(|options| options.inventory = Duration::from_secs(60));
    let (openstack, onprem, alibaba) = tokio::join!(
        Openstack::start(loki.clone(), "portability-cluster"),
        Onprem::start(loki, backends.free.clone()),
        Alibaba::start(backends.clone()),
    );
    let mock = Mock::new();
    let places: [&dyn Place; 4] = [&mock, &openstack, &onprem, &alibaba];
    let up = join_all(places.map(|place| comes_up(&kubectl, place, &backends))).await;

    let names = |got: &Got| [&got.web, &got.report].map(|variables| variables.keys().cloned().collect::<Vec<_>>());
    let common = |keys: &BTreeMap<String, BTreeSet<String>>| {
        let mut keys = keys.clone();
        keys.values_mut()
            .for_each(|keys| keys.retain(|key| !BESIDE.contains(&key.as_str())));
        keys
    };
    for (place, (got, keys)) in places.iter().zip(&up) {
        assert_eq!(names(got), names(&up[0].0), "the variables in {}", place.environment());
        assert_eq!(
            common(keys),
            common(&up[0].1),
            "the keys of the Secrets in {}",
            place.environment()
        );
    }
    assert!(
        up[0].1["shop-web-rds"].is_superset(
            &["host", "port", "username", "password", "database", "uri"]
                .map(str::to_owned)
                .into()
        )
    );

    let told = &kubectl.resources("datacentre")["shop-report-bind"]["status"]["notes"];
    assert!(
        told.to_string().contains("`readonly` is asked for and `owner` given"),
        "{told}"
    );

    // The mock cloud is in the operator's process; that it has these logins is another test's.
    let workplace = Workplace::new();
    let used = places.iter().zip(&up).skip(1);
    let held = join_all(used.map(|(place, (got, _))| place.is_used(&workplace, got, &backends))).await;

    for place in places {
        let namespace = place.environment();
        kubectl.0.kubectl(&[
            "delete",
            "application",
            "shop",
            "--namespace",
            namespace,
            "--wait=false",
        ]);
    }
    for place in places {
        let resources = || kubectl.resources(place.environment());
        until(
            "everything is gone",
            || format!("{:#?}", resources()),
            || resources().is_empty(),
        )
        .await;
    }
    for (place, (got, _)) in places.iter().zip(&up).skip(1) {
        place.is_empty(&workplace, got).await;
    }
    drop(held);
}
