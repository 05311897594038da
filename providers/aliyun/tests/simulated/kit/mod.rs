//! The simulated cloud as a subject of the conformance kit, and by hand.

mod faults;
mod scene;
mod spec;
mod subject;

use std::sync::Arc;

use mooring_provider::{
    ClusterId, Credentials, DynAdapter, Identity, Key, Kind, Owner, Provider,
    conformance::{self, Subject},
};
use mooring_provider_aliyun::{Flavour, connect_over};
use mooring_provider_http::Client;
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, Handle, Kind as Thing, Options, Resource, SHARED_VPC, SHARED_VSWITCHES,
    Scope, Simulator,
};
use serde_json::{Value as Json, json};

pub(crate) use scene::Scene;
pub(crate) use spec::{NODE, POD, changed, listener, spec};

/// A cloud of its own, with somebody to tell of alarms, a pod and a node.
pub(crate) fn cloud(change: impl FnOnce(&mut Options)) -> Arc<Handle> {
    let mut options = Options::default();
    change(&mut options);
    let cloud = Simulator::within(options).expect("it needs no file");
    furnish(&cloud);
    Arc::new(cloud)
}

/// What somebody else has put into the account before.
pub(crate) fn furnish(cloud: &Handle) {
    let act = |action, params| cloud.act("Cms", action, params).expect("the account may do it");
    let mail = json!({"Mail": "me@shop.example"});
    act(
        "PutContact",
        json!({"ContactName": "me", "Describe": "me", "Channels": mail}),
    );
    act(
        "PutContactGroup",
        json!({"ContactGroupName": "shop", "ContactNames": ["me"]}),
    );
    for (kind, id, address, attrs) in [
        (Thing::NetworkInterface, "eni-pod", POD, json!({"Type": "Secondary"})),
        (
            Thing::NetworkInterface,
            "eni-node",
            NODE,
            json!({"Type": "Primary", "InstanceId": "i-node"}),
        ),
        (Thing::Instance, "i-node", NODE, json!({})),
    ] {
        let Json::Object(mut attrs) = attrs else { continue };
        attrs.insert("VpcId".into(), SHARED_VPC.into());
        attrs.insert("VSwitchId".into(), SHARED_VSWITCHES[0].into());
        attrs.insert("PrivateIpAddress".into(), address.into());
        cloud.insert(Resource {
            kind,
            id: id.into(),
            name: id.into(),
            parent: (kind == Thing::NetworkInterface).then(|| SHARED_VSWITCHES[0].to_owned()),
            account: ACCOUNT.into(),
            created: cloud.now(),
            visible_from: 0,
            busy: None,
            gone_at: None,
            tags: Default::default(),
            attrs,
            rows: Vec::new(),
        });
    }
}

/// A cloud that is an Apsara Stack.
pub(crate) fn stack(options: &mut Options) {
    options.scope = Some(Scope {
        organization: "7".into(),
        resource_group: "11".into(),
    });
}

/// Room for whatever the scenarios leave behind.
pub(crate) fn roomy(options: &mut Options) {
    options.quotas.vpcs = 1000;
    options.quotas.balancers = 1000;
}

/// An owner.
pub(crate) fn owner(name: &str) -> Owner {
    Owner {
        cluster: ClusterId::new("cluster"),
        identity: Identity::new(name),
        key: Key::new("team-a", "shop", "web", "trait"),
    }
}

/// The Secret of the simulated account.
pub(crate) fn secret() -> Credentials {
    [("accessKeyId", ACCESS_KEY_ID), ("accessKeySecret", ACCESS_KEY_SECRET)]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into()
}

/// An account of the public cloud. `more` is added to its configuration.
pub(crate) fn provider(cloud: &Arc<Handle>, more: &Json) -> Arc<dyn Provider> {
    let config = json!({"region": "cn-hangzhou", "endpoints": {"default": cloud.url()}});
    connected(cloud, Flavour::Public, config, more)
}

/// An organisation of an Apsara Stack. `more` is added to its configuration.
pub(crate) fn organization(cloud: &Arc<Handle>, more: &Json) -> Arc<dyn Provider> {
    let config = json!({
        "region": "cn-hangzhou", "resourceGroup": "11", "endpoints": {"default": cloud.url()},
        "log": {"machineGroup": "k8s-group-c1"},
    });
    connected(cloud, Flavour::Apsara, config, more)
}

fn connected(cloud: &Arc<Handle>, flavour: Flavour, mut config: Json, more: &Json) -> Arc<dyn Provider> {
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    connect_over(Client::over(cloud.clone()), flavour, &config, &secret()).expect("the configuration is good")
}

/// A kind of a simulated cloud.
pub(crate) struct Simulated {
    pub(crate) cloud: Arc<Handle>,
    pub(crate) kind: Kind,
    pub(crate) adapter: Arc<dyn DynAdapter>,
    pub(crate) spec: Json,
    pub(crate) changed: Json,
    /// The cloud is reached over the network, and does not live by the test's clock.
    pub(crate) is_apart: bool,
}

impl Simulated {
    /// On a public cloud of its own.
    pub(crate) fn new(kind: Kind, change: impl FnOnce(&mut Options)) -> Self {
        let cloud = cloud(change);
        let provider = provider(&cloud, &json!({"log": {"machineGroup": "k8s-group-c1"}}));
        Self::of(cloud, kind, &*provider)
    }

    /// On an Apsara Stack of its own. `more` is added to its configuration.
    pub(crate) fn stack(kind: Kind, more: impl FnOnce(&Handle) -> Json) -> Self {
        let cloud = cloud(|options| {
            roomy(options);
            stack(options);
        });
        let provider = organization(&cloud, &more(&cloud));
        Self::of(cloud, kind, &*provider)
    }

    /// Of a provider.
    pub(crate) fn of(cloud: Arc<Handle>, kind: Kind, provider: &dyn Provider) -> Self {
        Self {
            adapter: provider.adapter(kind).expect("the kind is served"),
            cloud,
            kind,
            spec: spec(kind),
            changed: changed(kind),
            is_apart: false,
        }
    }
}

/// Runs every scenario, says how long each took, and names each that fails as soon as it does.
pub(crate) async fn conforms(subject: &dyn Subject) {
    let mut failures = Vec::new();
    for scenario in conformance::SCENARIOS {
        let since = std::time::Instant::now();
        let failed = conformance::run_one(subject, scenario).await;
        match &failed {
            Some(failure) => eprintln!("FAILED after {:?}: {failure}", since.elapsed()),
            None => eprintln!("{scenario}: {:?}", since.elapsed()),
        }
        failures.extend(failed);
    }
    assert!(failures.is_empty(), "{} scenarios failed: {failures:?}", failures.len());
}
