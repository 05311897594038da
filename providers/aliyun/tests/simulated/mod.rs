//! The simulated cloud as a subject of the conformance kit.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    Credentials, DynAdapter, ExternalId, Kind, Owner, Provider,
    conformance::{Faults, Subject, When},
    tag,
};
use mooring_provider_aliyun::register;
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Denial, Fault, Handle, Kind as Thing, Options, SHARED_VPC, SHARED_VSWITCHES,
    Simulator,
};
use serde_json::{Value as Json, json};

/// A cloud of its own.
pub(crate) async fn cloud(change: impl FnOnce(&mut Options)) -> Arc<Handle> {
    let mut options = Options::default();
    change(&mut options);
    Arc::new(Simulator::start(options).await.expect("a free port"))
}

/// An account of the cloud. `more` is added to its configuration.
pub(crate) fn provider(cloud: &Handle, more: &Json) -> Arc<dyn Provider> {
    let mut config = json!({"region": "cn-hangzhou", "endpoints": {"default": cloud.url()}});
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    let credentials: Credentials = [("accessKeyId", ACCESS_KEY_ID), ("accessKeySecret", ACCESS_KEY_SECRET)]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into();
    (register().connect)(&config, credentials).expect("the configuration is good")
}

/// A spec that can be carried out.
pub(crate) fn spec(kind: Kind) -> Json {
    let network = json!({"id": SHARED_VPC, "subnets": SHARED_VSWITCHES.map(|id| json!({"id": id}))});
    let common = json!({"tags": {"cost-center": "c42"}, "resourceGroup": null, "options": {}});
    match kind {
        Kind::Rds => json!({
            "engine": "mysql", "version": null, "class": "mysql.n2.medium.2c", "storage": "20Gi",
            "highAvailability": true, "database": "shop", "tls": "preferred", "backupRetention": "7d",
            "deletionProtection": true, "clients": ["10.8.0.0/16"], "network": network, "common": common,
        }),
        kind => panic!("no spec for {kind}"),
    }
}

/// The same, changed in what can be changed in place.
pub(crate) fn changed(kind: Kind) -> Json {
    let mut spec = spec(kind);
    spec["common"]["tags"] = json!({"cost-center": "c43", "tier": "gold"});
    match kind {
        Kind::Rds => {
            spec["class"] = json!("mysql.n4.medium.2c");
            spec["storage"] = json!("40Gi");
            spec["clients"] = json!(["10.8.0.0/16", "10.9.0.0/16"]);
            spec["backupRetention"] = json!("14d");
        }
        kind => panic!("no spec for {kind}"),
    }
    spec
}

/// A kind of the cloud under test.
pub(crate) struct Simulated {
    pub(crate) cloud: Arc<Handle>,
    pub(crate) kind: Kind,
    pub(crate) adapter: Arc<dyn DynAdapter>,
    pub(crate) spec: Json,
    pub(crate) changed: Json,
    clock: tokio::sync::Mutex<()>,
}

impl Simulated {
    pub(crate) fn new(cloud: Arc<Handle>, kind: Kind, config: Json) -> Self {
        let adapter = provider(&cloud, &config).adapter(kind).expect("the kind is served");
        Self {
            cloud,
            kind,
            adapter,
            spec: spec(kind),
            changed: changed(kind),
            clock: tokio::sync::Mutex::default(),
        }
    }

    /// What a thing of this id is.
    fn thing(&self, id: &str) -> Thing {
        match self.kind {
            Kind::Rds => Thing::Db,
            kind => panic!("nothing is known of {kind}, {id}"),
        }
    }
}

#[async_trait]
impl Subject for Simulated {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.adapter.clone()
    }

    fn spec(&self) -> Json {
        self.spec.clone()
    }

    fn changed(&self) -> Json {
        self.changed.clone()
    }

    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        let things = match self.kind {
            Kind::Rds => [Thing::Db].as_slice(),
            _ => &[],
        };
        let mine = |tags: &std::collections::BTreeMap<String, String>| {
            tags.get(tag::IDENTITY).map(String::as_str) == Some(owner.identity.as_str())
        };
        things
            .iter()
            .flat_map(|thing| self.cloud.list(*thing))
            .filter(|resource| mine(&resource.tags))
            .map(|resource| ExternalId::new(resource.id))
            .collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let act = |product, action, params| {
            self.cloud
                .act(product, action, params)
                .expect("somebody else may do it")
        };
        match self.kind {
            Kind::Rds => {
                let params = json!({
                    "RegionId": "cn-hangzhou", "Engine": "MySQL", "EngineVersion": "8.0", "PayType": "Postpaid",
                    "DBInstanceClass": "mysql.n2.medium.1", "DBInstanceStorage": 20, "DBInstanceNetType": "Intranet",
                    "InstanceNetworkType": "VPC", "VPCId": SHARED_VPC, "VSwitchId": SHARED_VSWITCHES[0],
                    "ZoneId": "cn-hangzhou-h", "SecurityIPList": "127.0.0.1", "DBInstanceDescription": name,
                });
                let made = act("Rds", "CreateDBInstance", params);
                ExternalId::new(made["DBInstanceId"].as_str().expect("it has an id"))
            }
            kind => panic!("nothing is known of {kind}"),
        }
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        self.cloud.look(self.thing(id.as_str()), id.as_str())
    }

    async fn destroy(&self, id: &ExternalId) {
        self.cloud.destroy(self.thing(id.as_str()), id.as_str());
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.cloud.deny(refused.then_some(Denial::Unknown));
    }

    /// Both clocks are set forward: the cloud's, and that of tokio, by which the kit's grace periods go. Nothing is
    /// under way meanwhile.
    async fn settle(&self, time: Duration) {
        // Two lives of one scenario may wait at once.
        let _alone = self.clock.lock().await;
        self.cloud.advance(time);
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    async fn hide_new(&self, time: Duration) -> bool {
        self.cloud.hide_new(time);
        true
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        self.cloud.change(self.thing(id.as_str()), id.as_str(), |resource| {
            resource.tags.insert("cost-center".into(), "somebody else's".into());
        })
    }

    async fn write(&self, id: &ExternalId, row: &str) -> bool {
        self.kind.bears_data() && self.cloud.write(self.thing(id.as_str()), id.as_str(), row)
    }

    async fn rows(&self, id: &ExternalId) -> Vec<String> {
        self.cloud.rows(self.thing(id.as_str()), id.as_str())
    }

    async fn login(&self, id: &ExternalId, user: &str, password: &str) -> bool {
        self.cloud.login(id.as_str(), user, password)
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(Requests {
            cloud: self.cloud.clone(),
            hit: Arc::default(),
        }))
    }
}

/// The cloud's own faults, request by request.
struct Requests {
    cloud: Arc<Handle>,
    hit: Arc<AtomicBool>,
}

impl Faults for Requests {
    fn arm(&self, position: usize, when: When) {
        let (count, hit) = (AtomicUsize::new(0), self.hit.clone());
        hit.store(false, Ordering::SeqCst);
        self.cloud.fail_by(move |_| {
            let now = count.fetch_add(1, Ordering::SeqCst) == position;
            hit.fetch_or(now, Ordering::SeqCst);
            now.then_some(if when == When::Before {
                Fault::Before
            } else {
                Fault::After
            })
        });
    }

    fn disarm(&self) -> bool {
        self.cloud.clear_faults();
        self.hit.load(Ordering::SeqCst)
    }
}
