//! Applications on Alibaba Cloud, whose part the simulator plays, from the Application to a login and back.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use kube::{Api, ResourceExt, api::DeleteParams};
use mooring::api::{Application, CloudResource};
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, AccessKey, Denial, Handle, Kind, Options, SHARED_VPC, SHARED_VSWITCHES,
    Simulator,
};
use serde_json::{Value as Json, json};

use crate::{
    resource_support::{entries, gone, ready, told},
    support::cluster::{Cluster, SYSTEM, Team, eventually},
};

/// The kinds of what an application may have there.
const KINDS: [Kind; 9] = [
    Kind::Vpc,
    Kind::VSwitch,
    Kind::SecurityGroup,
    Kind::Clb,
    Kind::Nlb,
    Kind::Db,
    Kind::Project,
    Kind::Logstore,
    Kind::Rule,
];

/// A key that comes later.
const NEW_KEY: (&str, &str) = ("LTAI-second", "another-secret");

/// A simulated cloud in this process, so that it can be looked at and disturbed.
async fn cloud() -> Handle {
    let mut options = Options {
        provisioning: Duration::from_millis(300),
        ..Options::default()
    };
    options.access_keys.push(AccessKey::new(NEW_KEY.0, NEW_KEY.1, ACCOUNT));
    let cloud = Simulator::start(options).await.expect("the simulator starts");
    for (action, params) in CONTACTS {
        let params = serde_json::from_str(params).expect("JSON");
        cloud.act("Cms", action, params).expect("an SRE may");
    }
    cloud
}

/// The people who are told, whom an SRE names.
const CONTACTS: [(&str, &str); 2] = [
    ("PutContact", r#"{"ContactName": "me", "Describe": "somebody"}"#),
    (
        "PutContactGroup",
        r#"{"ContactGroupName": "shop", "ContactNames": ["me"]}"#,
    ),
];

/// What stands there beside what was there from the beginning.
fn stands(cloud: &Handle) -> Vec<String> {
    let all = KINDS.into_iter().flat_map(|kind| cloud.list(kind));
    all.map(|resource| resource.id)
        .filter(|id| !id.contains("shared"))
        .collect()
}

async fn credentials(team: &Team, id: &str, secret: &str) {
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(team.client.clone(), SYSTEM);
    let name = format!("aliyun-{}", team.namespace);
    let object = serde_json::from_value(json!({
        "metadata": {"name": name}, "stringData": {"accessKeyId": id, "accessKeySecret": secret},
    }));
    let object: k8s_openapi::api::core::v1::Secret = object.expect("a Secret");
    let parameters = kube::api::PatchParams::apply("sre").force();
    let patch = kube::api::Patch::Apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": object.metadata,
        "stringData": {"accessKeyId": id, "accessKeySecret": secret},
    }));
    secrets
        .patch(&name, &parameters, &patch)
        .await
        .expect("the Secret is taken");
}

/// A team whose environment `<namespace>-aliyun` is at a cloud at this address; `environment` is merged into it.
async fn team(cluster: &Cluster, name: &str, url: &str, environment: Json) -> Team {
    let team = Team::new(cluster, name).await;
    credentials(&team, ACCESS_KEY_ID, ACCESS_KEY_SECRET).await;
    let provider = format!("{}-aliyun", team.namespace);
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": provider},
        "spec": {
            "aliyun": {"region": "cn-hangzhou", "endpoints": {"default": url}, "log": {"machineGroup": "k8s-group-c1"}},
            "credentials": {"secretRef": {"name": format!("aliyun-{}", team.namespace)}},
        },
    }))
    .await;
    let subnets = [
        json!({"zone": "cn-hangzhou-h", "id": SHARED_VSWITCHES[0]}),
        json!({"zone": "cn-hangzhou-i", "id": SHARED_VSWITCHES[1]}),
    ];
    let mut spec = json!({
        "providers": {"default": provider},
        "allowedNamespaces": {},
        "network": {
            "id": SHARED_VPC, "subnets": subnets, "clients": {"cidrs": ["10.8.0.0/16"]},
            "dedicated": {"allow": true, "cidrPool": "10.64.0.0/10"},
        },
        "sizes": {"rds": {"small": {"aliyun": "mysql.n2.medium.1"}}},
        "notify": {"default": {"contactGroup": "shop"}},
    });
    for (field, value) in environment.as_object().expect("an object") {
        spec[field] = value.clone();
    }
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": provider}, "spec": spec,
    }))
    .await;
    team
}

/// The portable application of the documentation: what it says of a cloud is one label.
fn shop(team: &Team, more: Option<Json>) -> Json {
    let mut traits = vec![
        json!({"type": "rds", "properties": {"engine": "mysql", "version": "8.0", "as": "DB"}}),
        json!({"type": "slb", "properties": {"listeners": [{"port": 80, "targetPort": 8080, "protocol": "http"}]}}),
        json!({"type": "log", "properties": {"sources": ["stdout"], "retention": "7d"}}),
        json!({"type": "monitor", "properties": {"alarms": [
            {"of": "rds", "metric": "connections", "above": "80%", "for": "5m"},
        ]}}),
    ];
    traits.extend(more);
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
        "metadata": {
            "name": "shop", "labels": {"mooring.dev/environment": format!("{}-aliyun", team.namespace)},
        },
        "spec": {"components": [
            {"name": "web", "type": "webservice", "properties": {"image": "shop:1.0", "ports": [{"port": 8080}]},
             "traits": traits},
            {"name": "report", "type": "worker", "properties": {"image": "shop-report:1.0"},
             "traits": [{"type": "bind", "properties": {"to": "web/rds", "access": "readonly", "as": "DB"}}]},
        ]},
    })
}

const RESOURCES: [&str; 5] = [
    "shop-web-rds",
    "shop-web-slb",
    "shop-web-log",
    "shop-web-monitor",
    "shop-report-bind",
];

async fn all_ready(team: &Team) {
    for name in RESOURCES {
        ready(team, name).await;
    }
}

async fn goes(team: &Team) {
    let applications: Api<Application> = team.api();
    let deleted = applications.delete("shop", &DeleteParams::default()).await;
    deleted.expect("it may be deleted");
}

/// What has only just been made is not believed to be gone before its grace period is over: minutes there.
async fn patiently(what: &str, ask: impl AsyncFn() -> Option<()>) {
    let begun = std::time::Instant::now();
    while ask().await.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(400), "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn is_gone(team: &Team) {
    let applications: Api<Application> = team.api();
    patiently("the application is gone", async || {
        let found = applications.get_opt("shop").await.expect("the API server answers");
        found.is_none().then_some(())
    })
    .await;
}

/// The one database there.
fn database(cloud: &Handle) -> String {
    let found = cloud.list(Kind::Db);
    assert_eq!(found.len(), 1, "one database: {found:?}");
    found[0].id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_lives_and_dies_there() {
    let cloud = cloud().await;
    let team = team(Cluster::shared(), "ali", &cloud.url(), json!({})).await;
    team.apply_json(shop(&team, None)).await;
    all_ready(&team).await;
    let id = database(&cloud);
    for (secret, may_write) in [("shop-web-rds", true), ("shop-report-bind", false)] {
        let entries = entries(&team, secret).await;
        assert!(cloud.login(&id, &entries["username"], &entries["password"]), "{secret}");
        assert_eq!(entries["type"], "mysql");
        assert_eq!(entries["username"] == "shop", may_write, "an account of its own");
    }
    assert_eq!(cloud.list(Kind::Clb).len(), 1, "http is balanced by a CLB");
    assert_eq!(cloud.list(Kind::Logstore).len(), 1);
    goes(&team).await;
    is_gone(&team).await;
    eventually("the cloud is empty", async || stands(&cloud).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_takes_effect_and_a_refused_account_proves_nothing() {
    let cloud = cloud().await;
    let team = team(Cluster::shared(), "alikey", &cloud.url(), json!({})).await;
    team.apply_json(shop(&team, None)).await;
    all_ready(&team).await;
    let before = stands(&cloud);

    // The whole account is refused for a while: it is told, and nothing is taken for absent.
    for (denial, reason) in [
        (Denial::Forbidden, "PermissionDenied"),
        (Denial::Unknown, "Unauthenticated"),
    ] {
        cloud.deny(Some(denial));
        crate::resource_support::annotate(&team, "shop-web-rds", "look", reason).await;
        told(&team, "shop-web-rds", "Synced", "False", reason).await;
        cloud.deny(None);
        told(&team, "shop-web-rds", "Synced", "True", "InSync").await;
    }
    assert_eq!(stands(&cloud), before);

    cloud.deny_key(ACCESS_KEY_ID, Some(Denial::Inactive));
    credentials(&team, NEW_KEY.0, NEW_KEY.1).await;
    let grown =
        json!({"type": "rds", "properties": {"engine": "mysql", "version": "8.0", "as": "DB", "storage": "40Gi"}});
    let mut larger = shop(&team, None);
    larger["spec"]["components"][0]["traits"][0] = grown;
    team.apply_json(larger).await;
    eventually("the new key changed it", async || {
        let found = cloud.get(Kind::Db, &database(&cloud))?;
        (found.attrs.get("DBInstanceStorage")? == &json!(40)).then_some(())
    })
    .await;
    goes(&team).await;
    is_gone(&team).await;
    eventually("the cloud is empty", async || stands(&cloud).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_in_a_dedicated_network_is_waited_for_and_not_touched() {
    let cloud = cloud().await;
    let team = team(Cluster::shared(), "alivpc", &cloud.url(), json!({})).await;
    let dedicated = json!({"type": "vpc", "properties": {"network": "dedicated"}});
    team.apply_json(shop(&team, Some(dedicated))).await;
    all_ready(&team).await;
    let ours = |kind: Kind| {
        let found = cloud.list(kind).into_iter().map(|resource| resource.id);
        found.filter(|id| !id.contains("shared")).collect::<Vec<_>>()
    };
    let (vpc, vswitch) = (ours(Kind::Vpc)[0].clone(), ours(Kind::VSwitch)[0].clone());
    let stranger = cloud
        .act(
            "Slb",
            "CreateLoadBalancer",
            json!({
                "RegionId": "cn-hangzhou", "AddressType": "intranet", "VpcId": vpc, "VSwitchId": vswitch,
                "LoadBalancerName": "theirs", "InstanceChargeType": "PayByCLCU",
            }),
        )
        .expect("somebody else may");
    let stranger = stranger["LoadBalancerId"].as_str().expect("an id").to_owned();
    goes(&team).await;
    patiently("it says what it waits for", async || {
        let waiting = crate::resource_support::find(&team, "shop-web-vpc").await?;
        let deleting = crate::resource_support::condition(&waiting, "Deleting")?;
        (deleting.reason == "Busy").then_some(())
    })
    .await;
    assert!(cloud.get(Kind::Clb, &stranger).is_some(), "it is not ours");
    cloud.destroy(Kind::Clb, &stranger);
    gone(&team, "shop-web-vpc").await;
    is_gone(&team).await;
    eventually("the cloud is empty", async || stands(&cloud).is_empty().then_some(())).await;
}

/// The simulator as a process of its own, as a CI job has it.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mooring"))
            .args(["simulate", "aliyun", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut url = String::new();
        let stdout = child.stdout.take().expect("its stdout");
        BufReader::new(stdout).read_line(&mut url).expect("it says where it is");
        let url = url.trim().to_owned();
        for (action, params) in CONTACTS {
            let params: Json = serde_json::from_str(params).expect("JSON");
            let body = json!({"product": "Cms", "action": action, "params": params}).to_string();
            post(url.trim_start_matches("http://"), "/-/act", &body);
        }
        Self { child, url }
    }
}

/// A request to the simulator's control endpoint.
fn post(address: &str, path: &str, body: &str) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_provisions_it_makes_one_of_each() {
    let served = Served::start(&[
        "--provisioning",
        "1s",
        "--lost-replies",
        "0.1",
        "--throttled",
        "0.1",
        "--seed",
        "7",
    ]);
    let cluster = Cluster::own();
    let run = |n: usize| -> Child {
        Command::new(env!("CARGO_BIN_EXE_mooring"))
            .args(["run", "--applications", "on", "--lease", "2s", "--namespace", SYSTEM])
            .args([
                "--listen",
                "127.0.0.1:0",
                "--identity",
                &format!("operator-{n}"),
                "--kubeconfig",
            ])
            .arg(&cluster.kubeconfig)
            .arg("--ledger")
            .arg(format!("sqlite:{}", cluster.directory().join("kill.db").display()))
            .stdin(Stdio::null())
            .stderr(File::create(cluster.directory().join(format!("operator-{n}.log"))).expect("a log file"))
            .spawn()
            .expect("the operator starts")
    };
    let mut operator = run(0);
    let team = team(&cluster, "alikill", &served.url, json!({})).await;
    team.apply_json(shop(&team, None)).await;
    let resources: Api<CloudResource> = team.api();
    for n in 1..5 {
        // Each time it is further: the next resource has shown itself.
        eventually("it goes on", async || {
            let all = resources.list(&kube::api::ListParams::default()).await.ok()?.items;
            let begun = all
                .iter()
                .filter(|one| one.annotations().contains_key("mooring.dev/identity"));
            (begun.count() >= n.min(4)).then_some(())
        })
        .await;
        operator.kill().expect("it can be killed");
        operator.wait().expect("it is gone");
        operator = run(n);
    }
    all_ready(&team).await;
    let ids: Vec<_> = resources
        .list(&kube::api::ListParams::default())
        .await
        .expect("it answers")
        .items
        .into_iter()
        .filter_map(|one| one.status?.memory.external_id)
        .collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    let calm = json!({"before": 0, "after": 0, "lost": 0, "throttled": 0, "slow": 0}).to_string();
    post(served.url.trim_start_matches("http://"), "/-/chances", &calm);
    let stands = inventory(&cluster).await;
    assert_eq!(stands.len(), 4, "one of each: {stands:?}");
    goes(&team).await;
    is_gone(&team).await;
    assert_eq!(inventory(&cluster).await, Vec::<Json>::new());
    operator.kill().expect("it can be killed");
    operator.wait().expect("it is gone");
}

/// What stands at the providers, asked by the command line.
async fn inventory(cluster: &Cluster) -> Vec<Json> {
    let output = Command::new(env!("CARGO_BIN_EXE_mooring"))
        .args(["inventory", "-o", "json", "--kubeconfig"])
        .arg(&cluster.kubeconfig)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
