//! Databases, balancers and logs of an Apsara Stack against the simulated cloud, which checks the older signatures and
//! the scope.

mod simulated;

use std::sync::Arc;

use mooring_provider::{Kind, conformance};
use mooring_simulator_aliyun::{Handle, Kind as Thing, Scope};
use simulated::{Simulated, listener};

async fn stack() -> Arc<Handle> {
    simulated::cloud(|options| {
        options.scope = Some(Scope {
            organization: "7".into(),
            resource_group: "11".into(),
        });
    })
    .await
}

/// All but the walks through each request, which the public flavour of the same adapters takes.
async fn lives(subject: &Simulated) {
    let short = conformance::SCENARIOS
        .iter()
        .filter(|scenario| !scenario.starts_with("each call"));
    for scenario in short {
        assert_eq!(conformance::run_one(subject, scenario).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn databases_of_a_stack_conform() {
    lives(&Simulated::stack(stack().await, Kind::Rds)).await;
}

#[tokio::test(start_paused = true)]
async fn logs_of_a_stack_conform() {
    lives(&Simulated::stack(stack().await, Kind::Log)).await;
}

#[tokio::test(start_paused = true)]
async fn balancers_of_a_stack_conform() {
    lives(&Simulated::stack(stack().await, Kind::Slb)).await;
}

/// There is one product for everything.
#[tokio::test(start_paused = true)]
async fn tcp_on_a_stack_is_served_by_the_classic_balancer() {
    let mut subject = Simulated::stack(stack().await, Kind::Slb);
    for spec in [&mut subject.spec, &mut subject.changed] {
        spec["listeners"] = serde_json::json!([listener(5432, "tcp", 8080), listener(80, "http", 8080)]);
    }
    lives(&subject).await;
    assert_eq!(subject.cloud.count("Nlb", "CreateLoadBalancer"), 0);
    assert!(subject.cloud.list(Thing::Clb).is_empty());
}
