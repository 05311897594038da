//! Networks and alarms against the simulated cloud, under the conformance kit.

mod kit;

use std::time::Duration;

use kit::Simulated;
use mooring_provider::{Kind, conformance};
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
