//! Applications on Alibaba Cloud, whose part the simulator plays, from the Application to a login and back.

mod account;
mod killed;
mod portable;
mod process;
mod stranger;

use std::time::Duration;

use kube::{Api, api::DeleteParams};
use mooring::api::Application;
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, AccessKey, Denial, Handle, Kind, Options, SHARED_VPC, SHARED_VSWITCHES,
    Simulator,
};
use serde_json::{Value as Json, json};

use crate::{
    resource_support::{entries, ready, told},
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
    let parameters = kube::api::PatchParams::apply("sre").force();
    let patch = kube::api::Patch::Apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
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
fn shop(team: &Team) -> Json {
    let traits = [
        json!({"type": "rds", "properties": {"engine": "mysql", "version": "8.0", "as": "DB"}}),
        json!({"type": "slb", "properties": {"listeners": [{"port": 80, "targetPort": 8080, "protocol": "http"}]}}),
        json!({"type": "log", "properties": {"sources": ["stdout"], "retention": "7d"}}),
        json!({"type": "monitor", "properties": {"alarms": [
            {"of": "rds", "metric": "connections", "above": "80%", "for": "5m"},
        ]}}),
    ];
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

async fn is_gone(team: &Team) {
    let applications: Api<Application> = team.api();
    eventually("the application is gone", async || {
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
    team.apply_json(shop(&team)).await;
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
    team.apply_json(shop(&team)).await;
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
    let mut larger = shop(&team);
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
