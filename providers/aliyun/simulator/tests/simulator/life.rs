//! Time, visibility, dependencies, what is kept, and what tests may do.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use crate::common::{call, database, make, shown, start};
use mooring_simulator_aliyun::{Kind, OTHER_ACCOUNT, Options, Scope, Simulator};
use serde_json::{Value as Json, json};

const REGION: (&str, &str) = ("RegionId", "cn-hangzhou");

#[tokio::test]
async fn what_is_new_is_hidden_and_pending_for_a_while() {
    let cloud = start(|options| {
        options.provisioning = Duration::from_secs(3600);
        options.invisible_for = Duration::from_secs(60);
    })
    .await;
    let made = make(&cloud, "one").await.expect("an answer");
    let id = made.body["VpcId"].as_str().expect("an id");
    assert_eq!(shown(&cloud).await, 0, "it is hidden");
    assert_eq!(
        call(&cloud, "Vpc", "DeleteVpc", &[("VpcId", id)]).await.code(),
        "InvalidVpcId.NotFound"
    );
    cloud.advance(Duration::from_secs(60));
    let describe = async || {
        call(&cloud, "Vpc", "DescribeVpcs", &[REGION, ("VpcId", id)]).await.body["Vpcs"]["Vpc"][0]["Status"].clone()
    };
    assert_eq!(describe().await, "Pending");
    assert_eq!(
        call(&cloud, "Vpc", "DeleteVpc", &[("VpcId", id)]).await.code(),
        "IncorrectVpcStatus"
    );
    cloud.advance(cloud.unrest());
    assert_eq!(describe().await, "Available");
    assert_eq!(call(&cloud, "Vpc", "DeleteVpc", &[("VpcId", id)]).await.status, 200);
}

#[tokio::test]
async fn a_client_token_is_still_processing_for_a_while() {
    let cloud = start(|options| options.token_processing = Duration::from_secs(60)).await;
    let first = make(&cloud, "one").await.expect("an answer");
    assert_eq!(make(&cloud, "one").await.expect("an answer").code(), "TOKEN_PROCESSING");
    cloud.advance(Duration::from_secs(60));
    assert_eq!(
        make(&cloud, "one").await.expect("an answer").body["VpcId"],
        first.body["VpcId"]
    );
    let other = [REGION, ("ClientToken", "one"), ("VpcName", "other")];
    assert_eq!(
        call(&cloud, "Vpc", "CreateVpc", &other).await.code(),
        "Duplicated.ClientToken"
    );
}

#[tokio::test]
async fn interfaces_outlive_their_database() {
    let cloud = start(|options| options.lingering = Duration::from_secs(120)).await;
    let vpc = cloud
        .act("Vpc", "CreateVpc", json!({"RegionId": "cn-hangzhou"}))
        .expect("a VPC")["VpcId"]
        .clone();
    let params = json!({"VpcId": vpc, "ZoneId": "cn-hangzhou-h", "CidrBlock": "172.16.1.0/24"});
    let vswitch = cloud.act("Vpc", "CreateVSwitch", params).expect("a vSwitch")["VSwitchId"].clone();
    let id = database(&cloud);
    assert!(cloud.change(Kind::Db, &id, |db| db.attrs["VSwitchId"] = vswitch.clone()));
    let interface = cloud.list(Kind::NetworkInterface).pop().expect("the database's");
    cloud.change(Kind::NetworkInterface, &interface.id, |is| {
        is.parent = vswitch.as_str().map(str::to_owned);
    });
    let delete = || cloud.act("Vpc", "DeleteVSwitch", json!({"VSwitchId": vswitch}));
    assert!(
        delete()
            .expect_err("the database is in it")
            .starts_with("DependencyViolation")
    );
    cloud
        .act("Rds", "DeleteDBInstance", json!({"DBInstanceId": id}))
        .expect("it goes");
    assert!(cloud.get(Kind::Db, &id).is_none());
    assert!(
        delete()
            .expect_err("its interface is in it")
            .starts_with("DependencyViolation")
    );
    cloud.advance(Duration::from_secs(120));
    delete().expect("nothing is in it any more");
}

#[tokio::test]
async fn backups_are_kept_as_told() {
    let cloud = start(|_| {}).await;
    for (keep, left) in [("None", 0), ("Lastest", 1), ("All", 2)] {
        let id = database(&cloud);
        for _ in 0..2 {
            cloud
                .act("Rds", "CreateBackup", json!({"DBInstanceId": id}))
                .expect("a backup");
        }
        cloud
            .act(
                "Rds",
                "DeleteDBInstance",
                json!({"DBInstanceId": id, "ReleasedKeepPolicy": keep}),
            )
            .expect("it goes");
        let listed = cloud
            .act("Rds", "DescribeDetachedBackups", json!({"DBInstanceId": id}))
            .expect("a list");
        assert_eq!(listed["Items"]["Backup"].as_array().map(Vec::len), Some(left), "{keep}");
    }
}

#[tokio::test]
async fn who_may_log_in() {
    let cloud = start(|_| {}).await;
    let id = database(&cloud);
    let account = json!({"DBInstanceId": id, "AccountName": "app", "AccountPassword": "Secret-of-1"});
    cloud.act("Rds", "CreateAccount", account).expect("an account");
    assert!(!cloud.login(&id, "app", "Secret-of-1"), "nobody is admitted yet");
    let list = |ips: &str| json!({"DBInstanceId": id, "DBInstanceIPArrayName": "ours", "SecurityIps": ips});
    cloud
        .act("Rds", "ModifySecurityIps", list("10.8.0.0/16"))
        .expect("a whitelist");
    assert!(cloud.login(&id, "app", "Secret-of-1") && !cloud.login(&id, "app", "another"));
    assert!(cloud.login_from(&id, "app", "Secret-of-1", [10, 8, 3, 4].into()));
    assert!(!cloud.login_from(&id, "app", "Secret-of-1", [10, 9, 3, 4].into()));
    cloud.change(Kind::Db, &id, |db| db.attrs["LockMode"] = "LockByExpiration".into());
    assert!(!cloud.login(&id, "app", "Secret-of-1"), "it is locked");
    assert!(cloud.write(Kind::Db, &id, "a row") && cloud.rows(Kind::Db, &id) == ["a row"]);
}

#[tokio::test]
async fn a_project_may_be_somebody_elses() {
    let cloud = start(|_| {}).await;
    let create = json!({"projectName": "shop", "description": ""});
    cloud
        .act_as(OTHER_ACCOUNT, "Sls", "CreateProject", create.clone())
        .expect("a project");
    let refused = |action, params| cloud.act("Sls", action, params).expect_err("it is somebody else's");
    assert!(refused("CreateProject", create).starts_with("ProjectAlreadyExist"));
    assert!(refused("GetProject", json!({"project": "shop"})).starts_with("Unauthorized"));
}

#[tokio::test]
async fn the_state_is_kept_in_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        state: Some(folder.path().join("cloud.json")),
        ..Options::default()
    };
    let cloud = Simulator::start(options.clone()).await.expect("a free port");
    let first = make(&cloud, "one").await.expect("an answer");
    cloud.advance(Duration::from_secs(86_400));
    let then = cloud.now();
    cloud.stop().await;
    let cloud = Simulator::start(options.clone()).await.expect("a free port");
    assert!(cloud.now() >= then, "its clock goes on");
    assert_eq!(
        make(&cloud, "one").await.expect("an answer").body["VpcId"],
        first.body["VpcId"]
    );
    let second = make(&cloud, "two").await.expect("an answer");
    assert_ne!(second.body["VpcId"], first.body["VpcId"]);
    assert_eq!(shown(&cloud).await, 2);
    cloud.stop().await;
    let mode = std::fs::metadata(folder.path().join("cloud.json"))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it holds passwords");
    std::fs::write(folder.path().join("cloud.json"), "{").expect("it can be written");
    let error = Simulator::start(options).await.expect_err("the file is broken");
    assert!(error.to_string().contains("cloud.json"), "{error}");
}

#[tokio::test]
async fn an_apsara_stack_shows_nothing_out_of_scope() {
    let scope = Scope {
        organization: "11".into(),
        resource_group: "22".into(),
    };
    let cloud = start(|options| options.scope = Some(scope)).await;
    let within = [
        REGION,
        ("Department", "11"),
        ("OrganizationId", "11"),
        ("ResourceGroup", "22"),
        ("Product", "Vpc"),
    ];
    let reply = call(&cloud, "Vpc", "DescribeVpcs", &within).await;
    assert_eq!(reply.body["TotalCount"], 1);
    let reply = call(
        &cloud,
        "Vpc",
        "DescribeVpcs",
        &[REGION, ("Department", "11"), ("ResourceGroup", "99")],
    )
    .await;
    assert_eq!(
        (reply.status, &reply.body["TotalCount"]),
        (200, &json!(0)),
        "out of scope looks like absence"
    );
    assert_eq!(call(&cloud, "Vpc", "CreateVpc", &[REGION]).await.code(), "NoPermission");
    let groups = call(
        &cloud,
        "Ascm",
        "ListResourceGroup",
        &[("pageNumber", "1"), ("pageSize", "10")],
    )
    .await;
    assert_eq!(groups.body["data"][0]["organizationID"], 11);
}

#[tokio::test]
async fn the_control_endpoint_serves_tests_elsewhere() {
    let cloud = start(|_| {}).await;
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Json| {
        let request = client.post(format!("{}/-/{path}", cloud.url())).body(body.to_string());
        let reply = request.send().await.expect("an answer");
        let status = reply.status().as_u16();
        (
            status,
            serde_json::from_slice::<Json>(&reply.bytes().await.expect("a body")).expect("JSON"),
        )
    };
    let planned = json!({"product": "Vpc", "action": "CreateVpc", "fault": "lost"});
    assert_eq!(post("faults", planned).await.0, 200);
    assert!(make(&cloud, "one").await.is_none(), "the fault was planned");
    let (status, why) = post("faults", json!({"fault": "nonsense"})).await;
    assert_eq!(status, 400, "{why}");

    let id = database(&cloud);
    let params = [
        ("DBInstanceId", id.as_str()),
        ("AccountName", "app"),
        ("AccountPassword", "Secret-of-1"),
    ];
    assert_eq!(call(&cloud, "Rds", "CreateAccount", &params).await.status, 200);
    let calls = client
        .get(format!("{}/-/calls", cloud.url()))
        .send()
        .await
        .expect("an answer");
    let calls = calls.text().await.expect("a body");
    assert!(
        calls.contains("CreateAccount") && !calls.contains("Secret-of-1"),
        "{calls}"
    );
    let resources = client
        .get(format!("{}/-/resources", cloud.url()))
        .send()
        .await
        .expect("an answer");
    let resources = resources.text().await.expect("a body");
    assert!(resources.contains(&id) && !resources.contains("Secret-of-1"));
    assert_eq!(
        post("rows", json!({"kind": "Db", "id": id, "row": "one"})).await,
        (200, json!(["one"]))
    );
    assert_eq!(post("deny", json!({"denial": "forbidden"})).await.0, 200);
    assert_eq!(
        call(&cloud, "Vpc", "DescribeVpcs", &[REGION]).await.code(),
        "Forbidden.RAM"
    );
    assert_eq!(post("deny", json!({"denial": null})).await.0, 200);
    assert_eq!(post("destroy", json!({"kind": "Db", "id": id})).await.0, 200);
    assert!(cloud.get(Kind::Db, &id).is_none());
}

#[tokio::test]
async fn quotas_are_reported() {
    let cloud = start(|options| {
        options.quotas.vpcs = 2;
        options.quotas.projects = 1;
        options.quotas.logstores = 1;
    })
    .await;
    let act = |product, action, params| cloud.act(product, action, params);
    let vpc = || act("Vpc", "CreateVpc", json!({"RegionId": "cn-hangzhou"}));
    vpc().expect("a second");
    assert!(vpc().expect_err("a third").starts_with("QuotaExceeded.Vpc"));
    let project = |name| act("Sls", "CreateProject", json!({"projectName": name, "description": ""}));
    project("first").expect("a project");
    assert!(
        project("second")
            .expect_err("a second")
            .starts_with("ProjectQuotaExceed")
    );
    let store = |name| {
        let params = json!({"project": "first", "logstoreName": name, "ttl": 30, "shardCount": 1});
        act("Sls", "CreateLogStore", params)
    };
    store("web").expect("a store");
    assert!(store("api").expect_err("a second").starts_with("ProjectQuotaExceed"));
}
