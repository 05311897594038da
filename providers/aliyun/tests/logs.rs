//! Logs on the simulated cloud: the shared project, what Logtail is told, and what is left alone.

mod simulated;

use std::sync::Arc;

use mooring_provider::{
    Claim, ClusterId, DynAdapter, ErrorKind, Goal, Identity, Key, Kind, Owner, Step, conformance::Intents, converge,
};
use mooring_simulator_aliyun::{Handle, Kind as Thing, OTHER_ACCOUNT};
use serde_json::{Value as Json, json};

async fn cloud() -> (Arc<Handle>, Arc<dyn DynAdapter>) {
    let cloud = simulated::cloud(|_| {}).await;
    let config = json!({"log": {"machineGroup": "k8s-group-c1"}});
    let adapter = simulated::provider(&cloud, &config)
        .adapter(Kind::Log)
        .expect("logs are served");
    (cloud, adapter)
}

fn claim(namespace: &str, component: &str) -> Claim {
    Claim::new(Owner {
        cluster: ClusterId::new("c1"),
        identity: Identity::new(format!("id{component}")),
        key: Key::new(namespace, "shop", component, "log"),
    })
}

async fn up(adapter: &Arc<dyn DynAdapter>, claim: &mut Claim, spec: &Json) {
    let goal = Goal::Present {
        spec: spec.clone(),
        applied: None,
        was_ready: false,
        recreate: false,
        accounts: Vec::new(),
        revoked: Vec::new(),
    };
    for _ in 0..30 {
        let journal = Intents::new(std::time::Duration::ZERO);
        let outcome = converge(&**adapter, &*journal, claim, &goal)
            .await
            .expect("it comes up");
        match outcome.step {
            Step::Created { id, .. } => claim.id = Some(id),
            Step::Ready => return,
            _ => {}
        }
    }
    panic!("it does not come up")
}

async fn down(adapter: &Arc<dyn DynAdapter>, claim: &Claim) {
    for _ in 0..30 {
        let journal = Intents::new(std::time::Duration::ZERO);
        let outcome = converge(&**adapter, &*journal, claim, &Goal::Absent)
            .await
            .expect("it goes");
        if outcome.step == Step::Gone {
            return;
        }
    }
    panic!("it does not go")
}

#[tokio::test]
async fn a_namespace_shares_a_project_that_goes_with_its_last_store() {
    let (cloud, adapter) = cloud().await;
    let spec = simulated::spec(Kind::Log);
    let (mut web, mut report, mut other) = (
        claim("team-a", "web"),
        claim("team-a", "report"),
        claim("team-b", "web2"),
    );
    for claim in [&mut web, &mut report, &mut other] {
        up(&adapter, claim, &spec).await;
    }
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (2, 3)
    );
    assert!(
        cloud.list(Thing::Project).iter().all(|project| project.tags.len() == 2),
        "no mark is left"
    );
    down(&adapter, &web).await;
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (2, 2)
    );
    down(&adapter, &report).await;
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (1, 1)
    );
    // Somebody keeps a store of his own in our project: then it stays.
    let project = cloud.list(Thing::Project)[0].id.clone();
    let params = json!({"project": project, "logstoreName": "by-hand", "ttl": 30, "shardCount": 2});
    cloud.act("Sls", "CreateLogStore", params).expect("a person may");
    down(&adapter, &other).await;
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (1, 1)
    );
}

#[tokio::test]
async fn logtail_is_told_which_pods_are_meant() {
    let (cloud, adapter) = cloud().await;
    let mut spec = simulated::spec(Kind::Log);
    spec["sources"] = json!(["stdout", "file:/var/log/shop/app.log"]);
    let mut web = claim("team-a", "web");
    up(&adapter, &mut web, &spec).await;
    let mut configs = cloud.list(Thing::Config);
    configs.sort_by_key(|config| config.attrs["inputType"].to_string());
    let file = &configs[0].attrs["inputDetail"];
    assert_eq!(
        (&file["logPath"], &file["filePattern"]),
        (&json!("/var/log/shop"), &json!("app.log"))
    );
    let stdout = &configs[1].attrs["inputDetail"]["plugin"]["inputs"][0];
    assert_eq!(stdout["type"], "service_docker_stdout");
    assert_eq!(stdout["detail"]["K8sNamespaceRegex"], "^team\\-a$");
    assert_eq!(
        stdout["detail"]["IncludeK8sLabel"],
        json!({"app.oam.dev/component": "^web$"})
    );
    assert_eq!(
        configs[1].attrs["outputDetail"]["endpoint"],
        "cn-hangzhou-intranet.log.aliyuncs.com"
    );
    let group = cloud.list(Thing::MachineGroup).pop().expect("the machines are known");
    assert_eq!(group.attrs["machineList"], json!(["k8s-group-c1"]));
    assert_eq!(group.attrs["applied"].as_array().map(Vec::len), Some(2));
    // A source that is no longer declared is no longer collected; a configuration made by hand stays.
    let by_hand = json!({"project": cloud.list(Thing::Project)[0].id, "rawBody": {
        "configName": "by-hand", "inputType": "plugin", "inputDetail": {}, "outputType": "LogService",
        "outputDetail": {"endpoint": "x", "logstoreName": web.name},
    }});
    cloud.act("Sls", "CreateConfig", by_hand).expect("a person may");
    spec["sources"] = json!(["stdout"]);
    up(&adapter, &mut web, &spec).await;
    let left: Vec<_> = cloud
        .list(Thing::Config)
        .into_iter()
        .map(|config| config.name)
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&"by-hand".to_owned()));
}

#[tokio::test]
async fn a_project_of_our_name_in_another_account_is_not_ours() {
    let (cloud, adapter) = cloud().await;
    let spec = simulated::spec(Kind::Log);
    let mut web = claim("team-a", "web");
    up(&adapter, &mut web, &spec).await;
    let project = cloud.list(Thing::Project)[0].id.clone();
    down(&adapter, &web).await;
    assert!(cloud.list(Thing::Project).is_empty());
    for (account, description) in [(None, "somebody's"), (Some(OTHER_ACCOUNT), "another account's")] {
        let params = json!({"projectName": project, "description": description});
        match account {
            None => cloud.act("Sls", "CreateProject", params),
            Some(account) => cloud.act_as(account, "Sls", "CreateProject", params),
        }
        .expect("they may");
        web.id = None;
        let error = adapter.create(&web, &spec).await.expect_err("it is theirs");
        assert!(!error.kind().may_have_had_effect(), "{account:?}: {error}");
        if account.is_none() {
            assert_eq!(error.kind(), ErrorKind::NotOwned, "{error}");
        }
        assert!(cloud.list(Thing::Logstore).is_empty());
        assert!(
            cloud
                .get(Thing::Project, &project)
                .is_some_and(|project| project.tags.is_empty())
        );
        cloud.destroy(Thing::Project, &project);
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let (cloud, adapter) = cloud().await;
    let spec = simulated::spec(Kind::Log);
    for (field, value, kind) in [
        ("push", json!(true), ErrorKind::Unsupported),
        ("retention", json!("20y"), ErrorKind::InvalidSpec),
        ("sources", json!([]), ErrorKind::InvalidSpec),
        ("sources", json!(["file:/var/log/"]), ErrorKind::InvalidSpec),
    ] {
        let mut spec = spec.clone();
        spec[field] = value;
        assert_eq!(adapter.validate(&spec).expect_err(field).kind(), kind, "{field}");
    }
    let bare = simulated::provider(&cloud, &json!({}))
        .adapter(Kind::Log)
        .expect("logs are served");
    let error = bare.validate(&spec).expect_err("nobody collects");
    assert!(
        error.kind() == ErrorKind::Unsupported && error.message().contains("log.machineGroup"),
        "{error}"
    );
}
