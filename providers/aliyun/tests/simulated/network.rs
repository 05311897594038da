//! Networks with strangers in them, and the environment's.

use mooring_provider::{
    Claim, ErrorKind, ExternalId, Kind, Phase, Sighting, Step,
    conformance::{Life, Subject, Wish},
};
use mooring_simulator_aliyun::{Kind as Thing, SHARED_SECURITY_GROUP, SHARED_VPC, SHARED_VSWITCHES};
use serde_json::{Value as Json, json};

use crate::kit::{self, Simulated, owner};

async fn ready(subject: &Simulated) -> Life<'_> {
    let mut life = Life::new(subject, subject.adapter.clone(), owner("home"));
    life.until(Wish::Present).await.expect("it comes up");
    life
}

fn act(subject: &Simulated, product: &str, action: &str, params: Json) -> Json {
    subject
        .cloud
        .act(product, action, params)
        .expect("somebody else may do it")
}

/// It waits, says what is inside, touches nothing of it, and goes when it is gone.
#[tokio::test(start_paused = true)]
async fn a_strangers_vswitch_keeps_the_network() {
    let subject = Simulated::new(Kind::Vpc, |_| ());
    let mut life = ready(&subject).await;
    let vpc = life.claim.id.clone().expect("it has an id");
    let params =
        json!({"RegionId": "cn-hangzhou", "VpcId": vpc, "ZoneId": "cn-hangzhou-h", "CidrBlock": "10.64.12.0/24"});
    let made = act(&subject, "Vpc", "CreateVSwitch", params);
    let stranger = made["VSwitchId"].as_str().expect("it has an id");
    let looks = subject.look(&vpc).await;
    let error = life.step(Wish::Absent).await.expect_err("somebody lives in it");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(
        error.message().contains(stranger) && error.message().contains("not ours"),
        "{error}"
    );
    assert_eq!(subject.look(&vpc).await, looks, "nothing was touched");
    act(&subject, "Vpc", "DeleteVSwitch", json!({"VSwitchId": stranger}));
    life.until(Wish::Absent).await.expect("it goes now");
}

/// An instance in a vSwitch of ours is named by its interface.
#[tokio::test(start_paused = true)]
async fn a_strangers_instance_keeps_the_network() {
    let subject = Simulated::new(Kind::Vpc, |_| ());
    let mut life = ready(&subject).await;
    let vpc = life.claim.id.clone().expect("it has an id");
    let vswitches = subject.cloud.list(Thing::VSwitch);
    let home = vswitches
        .iter()
        .find(|vswitch| vswitch.parent.as_deref() == Some(vpc.as_str()))
        .expect("it has some");
    let mut interface = home.clone();
    (interface.kind, interface.id, interface.parent) = (Thing::NetworkInterface, "eni-1".into(), Some(home.id.clone()));
    interface.tags.clear();
    interface.attrs = json!({"InstanceId": "i-stranger", "VpcId": vpc, "VSwitchId": home.id, "Description": ""})
        .as_object()
        .cloned()
        .expect("an object");
    subject.cloud.insert(interface);
    let mut said = None;
    for _ in 0..10 {
        match life.step(Wish::Absent).await {
            Err(error) if error.kind() == ErrorKind::Busy => {
                said = Some(error.to_string());
                break;
            }
            other => drop(other.expect("it is on its way")),
        }
    }
    let said = said.expect("it waits");
    assert!(
        said.contains("eni-1 of i-stranger") && said.contains("DependencyViolation"),
        "{said}"
    );
    assert!(subject.cloud.get(Thing::NetworkInterface, "eni-1").is_some());
    assert!(subject.cloud.get(Thing::Vpc, vpc.as_str()).is_some());
    assert!(subject.cloud.destroy(Thing::NetworkInterface, "eni-1"));
    life.until(Wish::Absent).await.expect("it goes now");
}

/// The environment's network is read, checked, bound, and let go of; no call changes it.
#[tokio::test(start_paused = true)]
async fn the_environments_network_is_never_changed() {
    let subject = Simulated::new(Kind::Vpc, |_| ());
    let looks = subject.look(&ExternalId::new(SHARED_VPC)).await;
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("guest"));
    (life.claim.id, life.claim.existing) = (Some(ExternalId::new(SHARED_VPC)), true);
    let shared = |subnet: &str| {
        json!({"cidr": null, "egress": "none", "zones": [], "common": {"tags": {"a": "b"}},
               "shared": {"id": SHARED_VPC, "subnets": [{"id": subnet}], "securityGroup": SHARED_SECURITY_GROUP}})
    };
    life.spec = shared(SHARED_VSWITCHES[0]);
    let outcome = life.until(Wish::Present).await.expect("it is there");
    let seen = outcome.seen.expect("it is seen");
    assert!(seen.drift.is_empty(), "{:?}", seen.drift);
    let entry = |name: &str| seen.bindings[name].plain().map(str::to_owned);
    assert_eq!(entry("network-id").as_deref(), Some(SHARED_VPC));
    assert_eq!(entry("subnet-ids"), Some(SHARED_VSWITCHES.join(",")));
    life.spec = shared("vsw-elsewhere");
    let outcome = life.step(Wish::Present).await.expect("it is there");
    let fields: Vec<_> = outcome
        .seen
        .expect("it is seen")
        .drift
        .0
        .iter()
        .map(|d| d.field)
        .collect();
    assert_eq!(fields, ["subnets"], "a subnet that is not in it is reported");
    let outcome = life.step(Wish::Absent).await.expect("it is let go");
    assert_eq!(outcome.step, Step::Released);
    assert_eq!(subject.look(&ExternalId::new(SHARED_VPC)).await, looks);
    let wrote = subject
        .cloud
        .calls(0)
        .into_iter()
        .filter(|call| !call.action.starts_with("Describe"))
        .count();
    assert_eq!(wrote, 0);
}

/// A thousand applications in one network are one question.
#[tokio::test(start_paused = true)]
async fn one_network_is_asked_for_once() {
    let subject = Simulated::new(Kind::Vpc, |_| ());
    let claims: Vec<_> = (0..20)
        .map(|n| {
            let mut claim = Claim::new(owner(&format!("guest{n}")));
            (claim.id, claim.existing) = (Some(ExternalId::new(SHARED_VPC)), true);
            claim
        })
        .collect();
    let seen = subject.adapter.observe(&claims).await;
    assert!(seen.iter().all(|sighting| matches!(sighting, Ok(Sighting::One(_)))));
    assert_eq!(subject.cloud.calls(0).len(), 3);
}

/// The quota is told with its fix, and nothing is half made.
#[tokio::test(start_paused = true)]
async fn a_full_account_says_so() {
    let subject = Simulated::new(Kind::Vpc, |options| options.quotas.vpcs = 1);
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("eleventh"));
    let error = life.step(Wish::Present).await.expect_err("there is no room");
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::QuotaExceeded, Some("QuotaExceeded.Vpc"))
    );
    assert!(error.message().contains("use the environment's network"), "{error}");
    assert!(subject.existing(&life.claim.owner).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_made_is_refused_by_its_field() {
    let subject = Simulated::new(Kind::Vpc, |_| ());
    let change = |field: &str, value: Json| {
        let mut spec = kit::spec(Kind::Vpc);
        spec[field] = value;
        spec
    };
    for (spec, kind, word) in [
        (
            change("egress", json!("internet")),
            ErrorKind::Unsupported,
            "vpc egress: `internet`",
        ),
        (
            change("cidr", json!("10.64.0.1/20")),
            ErrorKind::InvalidSpec,
            "vpc cidr: `10.64.0.1/20`",
        ),
        (change("cidr", json!(null)), ErrorKind::InvalidSpec, "vpc cidr: ``"),
        (
            change("shared", json!({"id": SHARED_VPC})),
            ErrorKind::InvalidSpec,
            "remove it",
        ),
    ] {
        let error = subject.adapter.validate(&spec).expect_err("it cannot be made");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(word), "{error}");
    }
    assert_eq!(
        subject
            .adapter
            .notes(&kit::spec(Kind::Vpc))
            .map(|notes| notes.len())
            .unwrap_or_default(),
        1
    );
}

/// Its phase is what the API says; a state that nobody knows is no failure.
#[tokio::test(start_paused = true)]
async fn an_unknown_state_is_being_worked_on() {
    let subject = Simulated::new(Kind::Vpc, |_| ());
    let mut life = ready(&subject).await;
    let id = life.claim.id.clone().expect("it has an id");
    let until = subject.cloud.now() + 10_000;
    subject.cloud.change(Thing::Vpc, id.as_str(), |vpc| {
        vpc.busy = Some(mooring_simulator_aliyun::Busy {
            status: "Repainting".into(),
            until,
        });
    });
    let seen = subject.adapter.observe(std::slice::from_ref(&life.claim)).await.pop();
    let Some(Ok(Sighting::One(state))) = seen else {
        panic!("{seen:?}")
    };
    assert!(matches!(subject.adapter.phase(&state), Phase::Busy(what) if what.contains("Repainting")));
    life.until(Wish::Absent).await.expect("it goes");
}
