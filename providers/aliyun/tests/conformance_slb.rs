//! The balancer adapter against the simulated cloud, under the conformance kit.

mod simulated;

use mooring_provider::Kind;
use serde_json::{Value as Json, json};
use simulated::{NODE, POD, Simulated, listener};

async fn http() -> Simulated {
    let cloud = simulated::cloud(|options| options.quotas.balancers = 1000).await;
    Simulated::new(cloud, Kind::Slb, json!({}))
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
async fn classic_balancers_conform() {
    simulated::conforms(&http().await).await;
}

#[tokio::test(start_paused = true)]
async fn network_balancers_conform() {
    let mut subject = http().await;
    subject.spec = tcp(&subject.spec, &[(80, 8080)]);
    subject.spec["backends"] = json!([{"address": POD, "targetPort": 8080, "port": 8080}]);
    subject.changed = tcp(&subject.changed, &[(81, 8080), (82, 8081)]);
    subject.changed["backends"] = json!([
        {"address": NODE, "targetPort": 8080, "port": 30080}, {"address": POD, "targetPort": 8081, "port": 8081},
    ]);
    simulated::conforms(&subject).await;
}

/// The cluster's cloud controller makes the listeners: ours is bare, and nothing that it makes is touched.
#[tokio::test(start_paused = true)]
async fn bare_balancers_conform() {
    let mut subject = http().await;
    for spec in [&mut subject.spec, &mut subject.changed] {
        spec["backends"] = Json::Null;
        spec["allowFrom"] = json!([]);
    }
    simulated::conforms(&subject).await;
}
