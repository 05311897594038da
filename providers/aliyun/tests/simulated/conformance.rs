//! The conformance kit on the public cloud.

use std::{collections::BTreeSet, time::Duration};

use mooring_provider::{
    Kind,
    conformance::{self, Life, Subject, Wish},
};
use mooring_provider_aliyun::register;
use mooring_simulator_aliyun::{Kind as Thing, Options, Simulator};
use serde_json::{Value as Json, json};

use crate::kit::{self, POD, Simulated, conforms, listener, owner, roomy};

#[tokio::test(start_paused = true)]
async fn networks_conform() {
    conforms(&Simulated::new(Kind::Vpc, roomy)).await;
}

#[tokio::test(start_paused = true)]
async fn databases_conform() {
    conforms(&Simulated::new(Kind::Rds, roomy)).await;
}

#[tokio::test(start_paused = true)]
async fn alarms_conform() {
    conforms(&Simulated::new(Kind::Monitor, roomy)).await;
}

#[tokio::test(start_paused = true)]
async fn logs_conform() {
    let subject = Simulated::new(Kind::Log, roomy);
    conforms(&subject).await;
    let left = subject.cloud.list(Thing::Project);
    assert!(
        left.iter().all(|project| project.id == "somebody-elses"),
        "projects are left: {left:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn classic_balancers_conform() {
    conforms(&Simulated::new(Kind::Slb, roomy)).await;
}

fn tcp(spec: &Json, listeners: &[(u16, u16)]) -> Json {
    let mut spec = spec.clone();
    spec["allowFrom"] = json!([]);
    spec["listeners"] = listeners
        .iter()
        .map(|(port, target)| listener(*port, "tcp", *target))
        .collect();
    spec
}

#[tokio::test(start_paused = true)]
async fn network_balancers_conform() {
    let mut subject = Simulated::new(Kind::Slb, roomy);
    subject.spec = tcp(&subject.spec, &[(80, 8080)]);
    subject.spec["backends"] = json!([{"address": POD, "targetPort": 8080, "port": 8080}]);
    subject.changed = tcp(&subject.changed, &[(81, 8081)]);
    conforms(&subject).await;
}

/// The cluster's cloud controller makes the listeners: ours is bare, and nothing that it makes is touched.
#[tokio::test(start_paused = true)]
async fn bare_balancers_conform() {
    let mut subject = Simulated::new(Kind::Slb, roomy);
    for spec in [&mut subject.spec, &mut subject.changed] {
        spec["backends"] = Json::Null;
        spec["allowFrom"] = json!([]);
    }
    conforms(&subject).await;
}

/// States take their time, tokens are being processed, and interfaces outlive what they were of.
#[tokio::test(start_paused = true)]
async fn all_kinds_conform_on_a_slow_cloud() {
    let slow = |options: &mut Options| {
        options.provisioning = Duration::from_secs(40);
        options.token_processing = Duration::from_secs(4);
        options.lingering = Duration::from_secs(30);
        roomy(options);
    };
    for kind in Kind::ALL {
        let subject = Simulated::new(kind, slow);
        for scenario in [
            "converges",
            "creates once",
            "changes in place",
            "parks and reclaims",
            "leaves nothing",
        ] {
            assert_eq!(conformance::run_one(&subject, scenario).await, None, "{kind}");
        }
        if kind == Kind::Vpc {
            let walk = "each call fails after its effect";
            assert_eq!(conformance::run_one(&subject, walk).await, None, "{kind}");
        }
    }
}

/// What the kit does not ask: every Action of the table is sent, so each of them passed the contract and the signature.
#[tokio::test(start_paused = true)]
async fn a_life_takes_these_calls_and_no_others() {
    for (kind, products, calls) in [
        (
            Kind::Vpc,
            ["Vpc", "Ecs"].as_slice(),
            [
                "CreateSecurityGroup",
                "CreateVSwitch",
                "CreateVpc",
                "DeleteSecurityGroup",
                "DeleteVSwitch",
                "DeleteVpc",
                "DescribeSecurityGroups",
                "DescribeVSwitches",
                "DescribeVpcs",
                "DescribeZones",
                "TagResources",
                "UnTagResources",
                "UntagResources",
            ]
            .as_slice(),
        ),
        (
            Kind::Monitor,
            &["Cms"],
            &["DeleteMetricRules", "DescribeMetricRuleList", "PutResourceMetricRule"],
        ),
    ] {
        let subject = Simulated::new(kind, |_| ());
        let owner = kit::owner("life");
        let mut life = Life::new(&subject, subject.adapter.clone(), owner);
        life.until(Wish::Present).await.expect("it comes up");
        life.spec = kit::changed(kind);
        life.until(Wish::Present).await.expect("it is changed");
        life.until(Wish::Absent).await.expect("it goes");
        let counts = subject.cloud.counts();
        let sent: BTreeSet<_> = counts
            .keys()
            .filter(|(product, _)| products.contains(&product.as_str()))
            .map(|(_, action)| action.as_str())
            .collect();
        assert_eq!(sent, calls.iter().copied().collect(), "{counts:?}");
    }
}

/// The same over sockets, by the registration that the product uses.
#[tokio::test]
async fn a_life_over_the_network() {
    for kind in Kind::ALL {
        let cloud = Simulator::start(Options::default()).await.expect("a free port");
        kit::furnish(&cloud);
        let endpoints = json!({"default": cloud.url()});
        let config = json!({"region": "cn-hangzhou", "endpoints": endpoints, "log": {"machineGroup": "k8s-group-c1"}});
        let provider = (register().connect)(&config, kit::secret()).expect("the configuration is good");
        let mut subject = Simulated::of(cloud.into(), kind, &*provider);
        subject.is_apart = true;
        let mut life = Life::new(&subject, subject.adapter.clone(), owner("life"));
        life.until(Wish::Present).await.expect("it comes up");
        life.spec = kit::changed(kind);
        life.until(Wish::Present).await.expect("it is changed");
        // That its absence is proven would take the grace period of a real clock.
        while !subject.existing(&life.claim.owner).await.is_empty() {
            life.step(Wish::Absent).await.expect("it goes");
            subject.settle(Duration::from_secs(5)).await;
        }
    }
}
