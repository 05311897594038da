//! What goes wrong on purpose does so exactly.

use std::time::Duration;

use crate::common::{call, make, shown, start};
use mooring_simulator_aliyun::{Chances, Denial, Fault, Kind, Planned};
use serde_json::json;

fn next(action: &str, fault: Fault) -> Planned {
    Planned::action("Vpc", action, fault)
}

#[tokio::test]
async fn before_its_effect_and_after_it() {
    let cloud = start(|_| {}).await;
    for fault in [
        Fault::Before,
        Fault::Cut,
        Fault::Throttled(70),
        Fault::Refused {
            status: 403,
            code: "Forbidden.RAM".into(),
        },
    ] {
        cloud.fail(next("CreateVpc", fault.clone()));
        let reply = make(&cloud, "one").await;
        assert_eq!(cloud.list(Kind::Vpc).len(), 1, "{fault:?} has no effect");
        match fault {
            Fault::Before => assert_eq!(reply.expect("an answer").status, 503),
            Fault::Cut => assert!(reply.is_none(), "{reply:?}"),
            Fault::Throttled(_) => {
                let reply = reply.expect("an answer");
                assert_eq!(
                    (reply.code(), reply.retry_after.as_deref()),
                    ("Throttling.User", Some("70"))
                );
            }
            _ => assert_eq!(reply.expect("an answer").code(), "Forbidden.RAM"),
        }
    }
    for (n, fault) in [Fault::After, Fault::Lost, Fault::Garbled].into_iter().enumerate() {
        let token = format!("token-{n}");
        cloud.fail(next("CreateVpc", fault.clone()));
        let reply = make(&cloud, &token).await;
        assert_eq!(cloud.list(Kind::Vpc).len(), n + 2, "{fault:?} has its effect");
        assert!(reply.is_none_or(|reply| reply.status == 503), "{fault:?}");
        let again = make(&cloud, &token).await.expect("an answer");
        assert_eq!(
            (again.status, cloud.list(Kind::Vpc).len()),
            (200, n + 2),
            "its token makes no second"
        );
    }
    let faults: Vec<_> = cloud.calls(0).into_iter().filter_map(|call| call.fault).collect();
    assert_eq!(faults.len(), 7, "each is in the log: {faults:?}");
}

#[tokio::test]
async fn the_third_call_and_the_fourth() {
    let cloud = start(|_| {}).await;
    cloud.fail(Planned {
        skip: 2,
        times: 2,
        ..Planned::next(Fault::Before)
    });
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(
            call(&cloud, "Vpc", "DescribeVpcs", &[("RegionId", "cn-hangzhou")])
                .await
                .status,
        );
    }
    assert_eq!(statuses, [200, 200, 503, 503, 200]);
    cloud.fail_by(|call| (call.action == "DescribeVpcs").then_some(Fault::Before));
    assert_eq!(
        call(&cloud, "Vpc", "DescribeVpcs", &[("RegionId", "cn-hangzhou")])
            .await
            .status,
        503
    );
    cloud.clear_faults();
    assert_eq!(shown(&cloud).await, 0);
}

#[tokio::test]
async fn by_chance_and_the_same_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let cloud = start(|options| {
            options.seed = 7;
            options.chances = Chances {
                before: 0.3,
                after: 0.2,
                ..Chances::default()
            };
        })
        .await;
        for n in 0..20 {
            make(&cloud, &n.to_string()).await;
        }
        runs.push(cloud.calls(0).into_iter().map(|call| call.fault).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert!(
        runs[0].contains(&Some(Fault::Before)) && runs[0].contains(&None),
        "{:?}",
        runs[0]
    );
}

#[tokio::test]
async fn refused_credentials_are_no_absence() {
    let cloud = start(|_| {}).await;
    for (denial, status, code) in [
        (Denial::Unknown, 404, "InvalidAccessKeyId.NotFound"),
        (Denial::Inactive, 400, "InvalidAccessKeyId.Inactive"),
        (Denial::Forbidden, 403, "Forbidden.RAM"),
    ] {
        cloud.deny(Some(denial));
        let reply = call(&cloud, "Vpc", "DescribeVpcs", &[("RegionId", "cn-hangzhou")]).await;
        assert_eq!((reply.status, reply.code()), (status, code));
    }
    cloud.deny(None);
    assert_eq!(shown(&cloud).await, 0);
}

#[tokio::test]
async fn each_action_is_throttled_by_itself() {
    let cloud = start(|options| {
        options.throttle = Some(2);
        options.frozen = true;
    })
    .await;
    let describe = || call(&cloud, "Vpc", "DescribeVpcs", &[("RegionId", "cn-hangzhou")]);
    for _ in 0..2 {
        assert_eq!(describe().await.status, 200);
    }
    let throttled = describe().await;
    assert_eq!(throttled.code(), "Throttling.User");
    assert_eq!(throttled.retry_after.as_deref(), Some("1000"));
    assert_eq!(
        make(&cloud, "one").await.expect("an answer").status,
        200,
        "another Action is not throttled"
    );
    cloud.advance(Duration::from_secs(1));
    assert_eq!(describe().await.status, 200);
}

#[tokio::test]
async fn a_database_may_be_made_without_its_tags() {
    let cloud = start(|_| {}).await;
    cloud.fail(Planned::action("Rds", "CreateDBInstance", Fault::Untagged));
    let params = [
        ("RegionId", "cn-hangzhou"),
        ("Engine", "PostgreSQL"),
        ("EngineVersion", "16.0"),
        ("DBInstanceClass", "pg.n2.2c.1m"),
        ("DBInstanceStorage", "20"),
        ("DBInstanceNetType", "Intranet"),
        ("InstanceNetworkType", "VPC"),
        ("PayType", "Postpaid"),
        ("SecurityIPList", "127.0.0.1"),
        ("VPCId", "vpc-shared"),
        ("VSwitchId", "vsw-shared-1"),
        ("ZoneId", "cn-hangzhou-h"),
        ("Tag.1.Key", "owner"),
        ("Tag.1.Value", "me"),
    ];
    let reply = call(&cloud, "Rds", "CreateDBInstance", &params).await;
    assert_eq!((reply.status, &reply.body["TagResult"]), (200, &json!(false)));
    assert!(cloud.list(Kind::Db)[0].tags.is_empty());
}
