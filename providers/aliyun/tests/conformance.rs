//! Networks and alarms against the simulated cloud, under the conformance kit.

mod kit;

use std::{collections::BTreeSet, time::Duration};

use kit::Simulated;
use mooring_provider::{
    Kind,
    conformance::{self, Life, Wish},
};
use mooring_provider_aliyun::register;

#[tokio::test(start_paused = true)]
async fn networks_conform() {
    let subject = Simulated::new(Kind::Vpc, |options| options.quotas.vpcs = 100, register()).await;
    conformance::assert_conforms(&subject).await;
}

#[tokio::test(start_paused = true)]
async fn alarms_conform() {
    let subject = Simulated::new(Kind::Monitor, |_| (), register()).await;
    conformance::assert_conforms(&subject).await;
}

#[tokio::test(start_paused = true)]
async fn networks_conform_on_a_slow_cloud() {
    let slow = |options: &mut mooring_simulator_aliyun::Options| {
        options.provisioning = Duration::from_secs(10);
        options.token_processing = Duration::from_secs(4);
        options.quotas.vpcs = 100;
    };
    let subject = Simulated::new(Kind::Vpc, slow, register()).await;
    for scenario in [
        "converges",
        "creates once",
        "leaves nothing",
        "each call fails after its effect",
    ] {
        assert_eq!(conformance::run_one(&subject, scenario).await, None);
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
        let subject = Simulated::new(kind, |_| (), register()).await;
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
