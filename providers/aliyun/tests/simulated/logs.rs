//! Logs on the simulated cloud: the shared project, what Logtail is told, and what is left alone.

use mooring_provider::{Claim, ClusterId, ErrorKind, Identity, Key, Kind, Owner};
use mooring_simulator_aliyun::{Kind as Thing, OTHER_ACCOUNT};
use serde_json::json;

use crate::kit::{self, Scene};

fn claim(namespace: &str, component: &str) -> Claim {
    Claim::new(Owner {
        cluster: ClusterId::new("c1"),
        identity: Identity::new(format!("id{component}")),
        key: Key::new(namespace, "shop", component, "log"),
    })
}

fn web() -> Scene {
    Scene::new(Kind::Log).beside(claim("team-a", "web"))
}

#[tokio::test]
async fn a_namespace_shares_a_project_that_goes_with_its_last_store() {
    let mut web = web();
    let cloud = web.cloud.clone();
    let mut report = web.beside(claim("team-a", "report"));
    let mut other = web.beside(claim("team-b", "web2"));
    for scene in [&mut web, &mut report, &mut other] {
        scene.up().await;
    }
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (2, 3)
    );
    assert!(
        cloud.list(Thing::Project).iter().all(|project| project.tags.len() == 2),
        "no mark is left"
    );
    web.down().await;
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (2, 2)
    );
    report.down().await;
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (1, 1)
    );
    // Somebody keeps a store of his own in our project: then it stays.
    let project = cloud.list(Thing::Project)[0].id.clone();
    let params = json!({"project": project, "logstoreName": "by-hand", "ttl": 30, "shardCount": 2});
    cloud.act("Sls", "CreateLogStore", params).expect("a person may");
    other.down().await;
    assert_eq!(
        (cloud.list(Thing::Project).len(), cloud.list(Thing::Logstore).len()),
        (1, 1)
    );
}

#[tokio::test]
async fn logtail_is_told_which_pods_are_meant() {
    let mut web = web();
    let cloud = web.cloud.clone();
    web.spec["sources"] = json!(["stdout", "file:/var/log/shop/app.log"]);
    web.up().await;
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
        "outputDetail": {"endpoint": "x", "logstoreName": web.claim.name},
    }});
    cloud.act("Sls", "CreateConfig", by_hand).expect("a person may");
    web.spec["sources"] = json!(["stdout"]);
    web.up().await;
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
    let mut web = web();
    let cloud = web.cloud.clone();
    web.up().await;
    let project = cloud.list(Thing::Project)[0].id.clone();
    web.down().await;
    assert!(cloud.list(Thing::Project).is_empty());
    for (account, description) in [(None, "somebody's"), (Some(OTHER_ACCOUNT), "another account's")] {
        let params = json!({"projectName": project, "description": description});
        match account {
            None => cloud.act("Sls", "CreateProject", params),
            Some(account) => cloud.act_as(account, "Sls", "CreateProject", params),
        }
        .expect("they may");
        web.claim.id = None;
        let error = web
            .adapter
            .create(&web.claim, &web.spec)
            .await
            .expect_err("it is theirs");
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
    let Scene {
        cloud, adapter, spec, ..
    } = web();
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
    let bare = kit::provider(&cloud, &json!({}))
        .adapter(Kind::Log)
        .expect("logs are served");
    let error = bare.validate(&spec).expect_err("nobody collects");
    assert!(
        error.kind() == ErrorKind::Unsupported && error.message().contains("log.machineGroup"),
        "{error}"
    );
}

/// Only where it is asked for: no configuration of ours collects what the pods' own variables already say.
#[tokio::test]
async fn the_pods_variables_tell_logtail_where_that_is_asked_for() {
    let mut web = web();
    web.up().await;
    assert_eq!(web.of(Thing::Config).len(), 1);
    web.spec["common"]["options"] = json!({"collect": "environment"});
    web.spec["sources"] = json!(["stdout", "file:/var/log/shop/app.log"]);
    let outcome = web.up().await;
    assert!(web.of(Thing::Config).is_empty(), "nothing collects twice");
    let bindings = outcome.seen.expect("it was seen").bindings;
    for key in ["project", "store"] {
        assert!(bindings[key].plain().is_some(), "{key} is for the templates");
    }
    let notes = web.adapter.notes(&web.spec).expect("the spec is good");
    for part in [
        "aliyun_logs_app: stdout",
        "aliyun_logs_app_logstore: \"{store}\"",
        "aliyun_logs_app2: /var/log/shop/app.log",
    ] {
        assert!(notes[0].contains(part), "{part} is not in {notes:?}");
    }
    // The cluster's controller finds the machines by itself then.
    let bare = kit::provider(&web.cloud, &json!({}))
        .adapter(Kind::Log)
        .expect("logs are served");
    bare.validate(&web.spec).expect("no machines have to be named");
    web.down().await;
}
