//! The log adapter against the simulated cloud, under the conformance kit.

mod simulated;

use mooring_provider::Kind;
use mooring_simulator_aliyun::Kind as Thing;
use serde_json::json;
use simulated::Simulated;

#[tokio::test(start_paused = true)]
async fn logs_conform() {
    let cloud = simulated::cloud(|_| {}).await;
    let config = json!({"log": {"machineGroup": "k8s-group-c1"}});
    let subject = Simulated::new(cloud, Kind::Log, config);
    simulated::conforms(&subject).await;
    let left = subject.cloud.list(Thing::Project);
    assert!(
        left.iter().all(|project| project.id == "somebody-elses"),
        "projects are left: {left:?}"
    );
}
