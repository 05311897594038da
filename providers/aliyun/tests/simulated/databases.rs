//! Databases on the simulated cloud: what is sent, what the answers mean, and what is left alone.

use mooring_provider::{Access, Account, Change, ErrorKind, ExternalId, Goal, Kind, Phase, Sighting, Step, tag};
use mooring_simulator_aliyun::{Fault, Kind as Thing, Planned, Resource, SHARED_VPC};
use serde_json::json;

use crate::kit::Scene;

fn scene() -> Scene {
    Scene::new(Kind::Rds)
}

/// Up and ready.
async fn up(scene: &mut Scene) -> ExternalId {
    scene.up().await;
    scene.claim.id.clone().expect("it was created")
}

fn change(scene: &Scene, change: impl FnOnce(&mut Resource)) {
    let id = scene.claim.id.as_ref().expect("it was created");
    assert!(scene.cloud.change(Thing::Db, id.as_str(), change));
}

fn account(access: Access, password: &str) -> Account {
    Account {
        name: "app".into(),
        access,
        password: password.into(),
    }
}

#[tokio::test]
async fn an_instance_is_ordered_closed_and_tagged() {
    let mut scene = scene();
    let goal = scene.present(Vec::new());
    scene.step(&goal).await.expect("it is ordered");
    let sent = scene.last("CreateDBInstance");
    for (name, value) in [
        ("Engine", "MySQL"),
        ("EngineVersion", "8.0"),
        ("Category", "HighAvailability"),
        ("PayType", "Postpaid"),
        ("InstanceNetworkType", "VPC"),
        ("VPCId", "vpc-shared"),
        ("VSwitchId", "vsw-shared-1,vsw-shared-2"),
        ("ZoneId", "cn-hangzhou-h"),
        ("ZoneIdSlave1", "cn-hangzhou-i"),
        ("SecurityIPList", "127.0.0.1"),
        ("DBInstanceDescription", "shop-web-rds-k3x9q2"),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    assert_eq!(sent["ClientToken"], scene.claim.token());
    let made = scene.cloud.list(Thing::Db).pop().expect("it is there");
    assert_eq!(made.tags[tag::KEY], "team-a/shop/web/rds");
    assert_eq!(made.tags["cost-center"], "c42");
}

#[tokio::test]
async fn an_instance_that_came_without_its_tags_gets_them() {
    let mut scene = scene();
    scene
        .cloud
        .fail(Planned::action("Rds", "CreateDBInstance", Fault::Untagged));
    // The call that would have tagged it fails, too; the same token then answers for the same instance.
    scene.cloud.fail(Planned {
        times: 3,
        ..Planned::action("Rds", "TagResources", Fault::Before)
    });
    let spec = scene.spec.clone();
    let lost = scene.adapter.create(&scene.claim, &spec).await;
    assert_eq!(lost.expect_err("it was not tagged").kind(), ErrorKind::Unavailable);
    scene
        .cloud
        .fail(Planned::action("Rds", "CreateDBInstance", Fault::Untagged));
    let created = scene
        .adapter
        .create(&scene.claim, &spec)
        .await
        .expect("it is tagged now");
    let all = scene.cloud.list(Thing::Db);
    assert_eq!(all.len(), 1, "one token makes one instance");
    assert_eq!(all[0].id, created.id.as_str());
    assert_eq!(all[0].tags[tag::IDENTITY], "k3x9q2");
    scene.claim.id = Some(created.id);
    scene.up().await;
}

#[tokio::test]
async fn a_batch_is_described_together() {
    let mut scene = scene();
    let mut claims = Vec::new();
    for identity in ["a1", "b2", "c3"] {
        scene.claim = Scene::claim(Kind::Rds, identity);
        scene.up().await;
        claims.push(scene.claim.clone());
    }
    scene.cloud.forget_calls();
    let seen = scene.adapter.observe(&claims).await;
    assert!(seen.iter().all(|sighting| matches!(sighting, Ok(Sighting::One(_)))));
    let calls = scene.cloud.calls(0);
    let count = |action: &str| calls.iter().filter(|call| call.action == action).count();
    assert_eq!(
        (count("DescribeDBInstanceAttribute"), count("ListTagResources")),
        (1, 1)
    );
    assert_eq!(count("DescribeDBInstances"), 0);
}

#[tokio::test]
async fn locks_say_who_has_to_act() {
    let mut scene = scene();
    scene.up().await;
    for (lock, failed, word) in [
        ("LockByExpiration", true, "AccountOverdue"),
        ("ManualLock", true, "unlock"),
        ("LockByDiskQuota", false, "disk is full"),
    ] {
        change(&scene, |db| {
            db.attrs.insert("LockMode".into(), lock.into());
        });
        match scene.adapter.phase(&scene.sight().await) {
            Phase::Failed(why) if failed => assert!(why.contains(word), "{why}"),
            Phase::Unreachable(why) if !failed => assert!(why.contains(word), "{why}"),
            other => panic!("{lock} is {other:?}"),
        }
    }
    change(&scene, |db| {
        db.attrs.insert("LockMode".into(), "SomethingNew".into());
    });
    assert!(matches!(scene.adapter.phase(&scene.sight().await), Phase::Busy(_)));
}

#[tokio::test]
async fn a_subscription_says_until_when_it_is_paid() {
    let subscribed = json!({"rds": {"subscription": {"period": "Month", "count": 1}}});
    let mut scene = Scene::with(Kind::Rds, &subscribed);
    scene.up().await;
    assert_eq!(scene.last("CreateDBInstance")["PayType"], "Prepaid");
    change(&scene, |db| {
        db.attrs.insert("ExpireTime".into(), "2027-01-01T00:00:00Z".into());
    });
    let error = scene.step(&Goal::Absent).await.expect_err("it cannot be deleted");
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert!(error.message().contains("2027-01-01"), "{error}");
    assert_eq!(scene.cloud.count("Rds", "DeleteDBInstance"), 0);
}

#[tokio::test]
async fn storage_that_the_provider_has_grown_is_no_drift() {
    let mut scene = scene();
    scene.up().await;
    change(&scene, |db| {
        db.attrs.insert("DBInstanceStorage".into(), 60.into());
    });
    let drift = scene
        .adapter
        .drift(&scene.spec, &scene.sight().await)
        .expect("the spec is good");
    assert!(drift.is_empty(), "{drift:?}");
    scene.spec["storage"] = json!("40Gi");
    let drift = scene
        .adapter
        .drift(&scene.spec, &scene.sight().await)
        .expect("the spec is good");
    assert!(drift.is_empty(), "there are 60 already: {drift:?}");
    scene.spec["storage"] = json!("80Gi");
    let drift = scene
        .adapter
        .drift(&scene.spec, &scene.sight().await)
        .expect("the spec is good");
    assert_eq!(drift.0[0].change, Change::OnChange);
}

#[tokio::test]
async fn storage_never_shrinks() {
    let mut scene = scene();
    scene.spec["storage"] = json!("100Gi");
    scene.up().await;
    scene.spec["storage"] = json!("50Gi");
    let drift = scene
        .adapter
        .drift(&scene.spec, &scene.sight().await)
        .expect("the spec is good");
    assert_eq!((drift.0[0].field, drift.0[0].change), ("storage", Change::CannotShrink));
    let goal = scene.present(Vec::new());
    assert_eq!(scene.step(&goal).await.expect("it stays").step, Step::Ready);
    assert_eq!(scene.cloud.count("Rds", "ModifyDBInstanceSpec"), 0);
}

#[tokio::test]
async fn somebody_elses_group_of_the_whitelist_is_left_alone() {
    let mut scene = scene();
    let id = up(&mut scene).await;
    let by_hand = json!({
        "DBInstanceId": id.as_str(), "DBInstanceIPArrayName": "dba", "ModifyMode": "Cover", "SecurityIps": "10.1.1.1",
    });
    scene
        .cloud
        .act("Rds", "ModifySecurityIps", by_hand)
        .expect("a person may do it");
    scene.spec["clients"] = json!(["10.9.0.0/16"]);
    scene.up().await;
    let shown = scene
        .cloud
        .act(
            "Rds",
            "DescribeDBInstanceIPArrayList",
            json!({"DBInstanceId": id.as_str()}),
        )
        .expect("it is shown");
    let groups = shown["Items"]["DBInstanceIPArray"].as_array().expect("a list");
    let of = |name: &str| {
        groups
            .iter()
            .find(|group| group["DBInstanceIPArrayName"] == name)
            .expect("it is there")
    };
    assert_eq!(of("dba")["SecurityIPList"], "10.1.1.1");
    assert_eq!(of("mooring")["SecurityIPList"], "10.9.0.0/16");
}

#[tokio::test]
async fn an_account_gets_its_access_and_no_more() {
    let mut scene = scene();
    let id = up(&mut scene).await;
    for (access, may) in [
        (Access::Owner, "ReadWrite"),
        (Access::ReadOnly, "ReadOnly"),
        (Access::ReadWrite, "DMLOnly"),
    ] {
        let goal = scene.present(vec![account(access, "Right-one-1")]);
        let outcome = scene.step(&goal).await.expect("it is told");
        assert!(matches!(outcome.step, Step::AccountEnsured { .. }), "{outcome:?}");
        let shown = scene
            .cloud
            .act("Rds", "DescribeAccounts", json!({"DBInstanceId": id.as_str()}))
            .expect("it is shown");
        let held = &shown["Accounts"]["DBInstanceAccount"][0]["DatabasePrivileges"]["DatabasePrivilege"];
        assert_eq!(held.as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&held[0]["DBName"], &held[0]["AccountPrivilege"]),
            (&json!("shop"), &json!(may))
        );
    }
    let goal = scene.present(vec![account(Access::Owner, "too-weak")]);
    let error = scene.step(&goal).await.expect_err("the password is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    assert!(!error.to_string().contains("too-weak"), "{error}");
}

#[tokio::test]
async fn what_is_not_served_is_said_before_anything_is_ordered() {
    let scene = scene();
    for (field, value, kind, word) in [
        ("engine", json!("polardb-mysql"), ErrorKind::Unsupported, "another API"),
        (
            "engine",
            json!("polardb-postgresql"),
            ErrorKind::Unsupported,
            "engines: {polardb-postgresql:",
        ),
        ("version", json!("9.9"), ErrorKind::InvalidSpec, "8.0, 5.7"),
        ("database", json!("Shop!"), ErrorKind::InvalidSpec, "Shop!"),
        ("database", json!("mysql"), ErrorKind::InvalidSpec, "the engine's own"),
        ("backupRetention", json!("1d"), ErrorKind::InvalidSpec, "7d to 730d"),
        ("clients", json!(["everybody"]), ErrorKind::InvalidSpec, "everybody"),
        (
            "network",
            json!({"id": null, "subnets": []}),
            ErrorKind::InvalidSpec,
            "network.id",
        ),
    ] {
        let mut spec = scene.spec.clone();
        spec[field] = value;
        let error = scene.adapter.validate(&spec).expect_err(field);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(word), "{error}");
    }
    let mut spec = scene.spec.clone();
    (spec["engine"], spec["tls"]) = (json!("postgresql"), json!("required"));
    assert_eq!(
        scene.adapter.validate(&spec).expect_err("it cannot").kind(),
        ErrorKind::Unsupported
    );
}

#[tokio::test]
async fn a_standby_needs_a_second_zone_and_the_subnets_their_network() {
    let scene = scene();
    let mut spec = scene.spec.clone();
    spec["network"]["subnets"] = json!([{"id": "vsw-shared-1"}]);
    let error = scene.adapter.create(&scene.claim, &spec).await.expect_err("one zone");
    assert!(
        error.kind() == ErrorKind::InvalidSpec && error.message().contains("second zone"),
        "{error}"
    );
    spec["network"]["subnets"] = json!([{"id": "vsw-elsewhere"}]);
    let error = scene
        .adapter
        .create(&scene.claim, &spec)
        .await
        .expect_err("another network");
    assert!(
        error.kind() == ErrorKind::InvalidSpec && error.message().contains("vsw-elsewhere"),
        "{error}"
    );
    assert_eq!(scene.cloud.count("Rds", "CreateDBInstance"), 0);
}

#[tokio::test]
async fn a_security_group_is_let_in_beside_somebody_elses() {
    let mut scene = scene();
    let id = up(&mut scene).await;
    assert_eq!(
        scene.cloud.count("Rds", "DescribeSecurityGroupConfiguration"),
        0,
        "who has none is not asked"
    );
    let group = |name: &str| {
        let params = json!({"RegionId": "cn-hangzhou", "VpcId": SHARED_VPC, "SecurityGroupName": name});
        let made = scene
            .cloud
            .act("Ecs", "CreateSecurityGroup", params)
            .expect("a person may do it");
        made["SecurityGroupId"].as_str().expect("it has an id").to_owned()
    };
    let (pods, others, theirs) = (group("pods"), group("others"), group("theirs"));
    let by_hand = json!({"DBInstanceId": id.as_str(), "SecurityGroupId": theirs});
    scene
        .cloud
        .act("Rds", "ModifySecurityGroupConfiguration", by_hand)
        .expect("a person may do it");
    let let_in = |scene: &Scene| {
        let mut groups = scene.cloud.get(Thing::Db, id.as_str()).expect("it is there").attrs["SecurityGroups"].clone();
        groups.as_array_mut().expect("a list").sort_by_key(ToString::to_string);
        groups
    };
    let sorted = |mut all: Vec<&String>| {
        all.sort();
        json!(all)
    };
    for (wanted, is) in [
        (Some(&pods), sorted(vec![&pods, &theirs])),
        (Some(&others), sorted(vec![&others, &theirs])),
        (None, sorted(vec![&theirs])),
    ] {
        scene.spec["clientSecurityGroup"] = json!(wanted);
        scene.up().await;
        assert_eq!(let_in(&scene), is);
    }
    assert!(
        !scene.of(Thing::Db)[0].tags.contains_key("mooring.dev/clients"),
        "no note is left"
    );
    let mut spec = scene.spec.clone();
    spec["clientSecurityGroup"] = json!("default");
    let error = scene.adapter.validate(&spec).expect_err("it is no id");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    assert!(
        error.message().contains("network.clients.securityGroup: `default`"),
        "{error}"
    );
}
