//! Networks and alarms of an Apsara Stack against the simulated cloud, which checks the older signature and the scope.

mod kit;

use kit::{Simulated, owner};
use mooring_provider::{
    ErrorKind, Kind,
    conformance::{self, Life, Wish},
};
use mooring_provider_aliyun::register_apsara;
use mooring_simulator_aliyun::{Options, Scope};
use serde_json::json;

fn stack(options: &mut Options) {
    options.quotas.vpcs = 100;
    options.scope = Some(Scope {
        organization: "7".into(),
        resource_group: "11".into(),
    });
}

#[tokio::test(start_paused = true)]
async fn networks_of_a_stack_conform() {
    let subject = Simulated::new(Kind::Vpc, stack, register_apsara()).await;
    conformance::assert_conforms(&subject).await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_stack_conform() {
    let subject = Simulated::new(Kind::Monitor, stack, register_apsara()).await;
    conformance::assert_conforms(&subject).await;
}

/// Whoever names a resource group that he does not see is shown empty lists by a stack, and takes nothing for gone.
#[tokio::test(start_paused = true)]
async fn a_wrong_scope_is_no_absence() {
    let subject = Simulated::new(Kind::Vpc, stack, register_apsara()).await;
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("scoped"));
    life.until(Wish::Present).await.expect("it comes up");
    let mut options = Options::default();
    stack(&mut options);
    let groups = kit::resource_groups(&options.scope.expect("it has one")).await;
    let endpoints = json!({"default": subject.cloud.url(), "ascm": groups.uri()});
    let config = json!({"region": "cn-hangzhou", "resourceGroup": "elsewhere", "endpoints": endpoints});
    let provider = (register_apsara().connect)(&config, kit::secret()).expect("the configuration is good");
    let before = subject.cloud.calls(0).len();
    let adapter = provider.adapter(Kind::Vpc).expect("it is served");
    let mut unknown = life.claim.clone();
    unknown.id = None;
    for sighting in adapter.observe(&[life.claim.clone(), unknown]).await {
        let error = sighting.expect_err("the scope is not proven");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
    provider.check().await.expect_err("the scope is not proven");
    assert_eq!(subject.cloud.calls(0).len(), before, "nothing is asked under it");
    life.until(Wish::Absent).await.expect("it goes");
}
