//! The conformance kit on an Apsara Stack, which checks the older signatures and the scope.

use mooring_provider::{
    ErrorKind, Kind,
    conformance::{Life, Wish},
};
use mooring_simulator_aliyun::{Handle, Kind as Thing};
use serde_json::{Value as Json, json};

use crate::kit::{self, Simulated, conforms, listener, owner};

/// Each product at a host of its own.
fn hosts(_: &Handle) -> Json {
    json!({})
}

/// Everything through the gateway, but for the data of logs. It answers 200 to whatever fails.
fn gateway(cloud: &Handle) -> Json {
    json!({"gateway": format!("{}/asapi/v3", cloud.url()), "endpoints": {"sls": cloud.url()}})
}

#[tokio::test(start_paused = true)]
async fn networks_of_a_stack_conform() {
    conforms(&Simulated::stack(Kind::Vpc, hosts)).await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_stack_conform() {
    conforms(&Simulated::stack(Kind::Monitor, hosts)).await;
}

#[tokio::test(start_paused = true)]
async fn databases_of_a_stack_conform() {
    conforms(&Simulated::stack(Kind::Rds, hosts)).await;
}

#[tokio::test(start_paused = true)]
async fn logs_of_a_stack_conform() {
    conforms(&Simulated::stack(Kind::Log, hosts)).await;
}

/// There is one product for everything.
#[tokio::test(start_paused = true)]
async fn balancers_of_a_stack_conform() {
    let mut subject = Simulated::stack(Kind::Slb, hosts);
    for spec in [&mut subject.spec, &mut subject.changed] {
        spec["listeners"] = json!([listener(5432, "tcp", 8080), listener(80, "http", 8080)]);
    }
    conforms(&subject).await;
    assert_eq!(subject.cloud.count("Nlb", "CreateLoadBalancer"), 0);
    assert!(subject.cloud.list(Thing::Clb).is_empty());
}

#[tokio::test(start_paused = true)]
async fn networks_and_alarms_through_the_gateway_conform() {
    for kind in [Kind::Vpc, Kind::Monitor] {
        conforms(&Simulated::stack(kind, gateway)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn databases_through_the_gateway_conform() {
    conforms(&Simulated::stack(Kind::Rds, gateway)).await;
}

#[tokio::test(start_paused = true)]
async fn balancers_and_logs_through_the_gateway_conform() {
    for kind in [Kind::Slb, Kind::Log] {
        conforms(&Simulated::stack(kind, gateway)).await;
    }
}

/// Whoever names a resource group that he does not see is shown empty lists by a stack, and takes nothing for gone.
#[tokio::test(start_paused = true)]
async fn a_wrong_scope_is_no_absence() {
    let subject = Simulated::stack(Kind::Vpc, hosts);
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("scoped"));
    life.until(Wish::Present).await.expect("it comes up");
    let provider = kit::organization(&subject.cloud, &json!({"resourceGroup": "elsewhere"}));
    let asked = || {
        let calls = subject.cloud.calls(0).into_iter();
        calls.filter(|call| call.action != "ListResourceGroup").count()
    };
    let before = asked();
    let adapter = provider.adapter(Kind::Vpc).expect("it is served");
    let mut unknown = life.claim.clone();
    unknown.id = None;
    for sighting in adapter.observe(&[life.claim.clone(), unknown]).await {
        let error = sighting.expect_err("the scope is not proven");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
    provider.check().await.expect_err("the scope is not proven");
    assert_eq!(asked(), before, "nothing is asked under it");
    life.until(Wish::Absent).await.expect("it goes");
}
