//! The simulated cloud as a subject of the conformance kit.

#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "../kit/time.rs"]
mod time;

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
    conformance::{self, Faults, Subject, When},
    tag,
};
use mooring_provider_aliyun::register;
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, Denial, Fault, Handle, Kind as Thing, Options, Resource, SHARED_VPC,
    SHARED_VSWITCHES, Simulator,
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
        // An https listener would need a certificate; http is served by the same product.
        Kind::Slb => json!({
            "scheme": "internal", "allowFrom": [], "network": network, "common": common,
            "listeners": [listener(80, "http", 8080)],
            "backends": [{"address": POD, "targetPort": 8080, "port": 8080}],
        }),
        Kind::Log => json!({
            "retention": "30d", "sources": ["stdout"], "format": "text", "push": false, "common": common,
            "selector": {"namespace": "team-a", "labels": {"app.oam.dev/component": "web"}},
        }),
        kind => panic!("no spec for {kind}"),
    }
}

/// The address of a pod with a network interface of its own.
pub(crate) const POD: &str = "10.8.0.7";
/// The address of a node.
pub(crate) const NODE: &str = "10.8.0.8";

/// A listener of a spec.
pub(crate) fn listener(port: u16, protocol: &str, target: u16) -> Json {
    let path = (protocol == "http").then_some("/healthz");
    json!({"port": port, "protocol": protocol, "targetPort": target, "certificate": null, "healthCheckPath": path})
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
        Kind::Slb => {
            spec["listeners"] = json!([listener(81, "http", 8080), listener(82, "http", 8081)]);
            spec["allowFrom"] = json!(["10.9.0.0/16"]);
            spec["backends"] = json!([
                {"address": NODE, "targetPort": 8080, "port": 30080}, {"address": POD, "targetPort": 8081, "port": 8081},
            ]);
        }
        Kind::Log => {
            spec["retention"] = json!("60d");
            spec["sources"] = json!(["stdout", "file:/var/log/shop/app.log"]);
            spec["format"] = json!("json");
        }
        kind => panic!("no spec for {kind}"),
    }
    spec
}

/// A pod and a node that a balancer can reach.
pub(crate) fn found(cloud: &Handle) {
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

/// A kind of the cloud under test.
pub(crate) struct Simulated {
    pub(crate) cloud: Arc<Handle>,
    pub(crate) kind: Kind,
    pub(crate) adapter: Arc<dyn DynAdapter>,
    pub(crate) spec: Json,
    pub(crate) changed: Json,
    time: time::Time,
}

impl Simulated {
    pub(crate) fn new(cloud: Arc<Handle>, kind: Kind, config: Json) -> Self {
        found(&cloud);
        let adapter = provider(&cloud, &config).adapter(kind).expect("the kind is served");
        Self {
            cloud,
            kind,
            adapter,
            spec: spec(kind),
            changed: changed(kind),
            time: time::Time::begin(),
        }
    }

    /// What a thing of this id is.
    fn thing(&self, id: &str) -> Thing {
        match self.kind {
            Kind::Rds => Thing::Db,
            Kind::Slb if id.starts_with("nlb-") => Thing::Nlb,
            Kind::Slb => Thing::Clb,
            Kind::Log => Thing::Logstore,
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
            Kind::Slb => &[Thing::Nlb, Thing::Clb],
            Kind::Log => &[Thing::Logstore],
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
            Kind::Slb if self.spec["listeners"][0]["protocol"] == "tcp" => {
                let zones = [{ json!({"ZoneId": "cn-hangzhou-h", "VSwitchId": SHARED_VSWITCHES[0]}) }];
                let params = json!({
                    "RegionId": "cn-hangzhou", "AddressType": "Intranet", "VpcId": SHARED_VPC, "ZoneMappings": zones,
                    "LoadBalancerName": name,
                });
                let made = act("Nlb", "CreateLoadBalancer", params);
                ExternalId::new(made["LoadbalancerId"].as_str().expect("it has an id"))
            }
            Kind::Slb => {
                let params = json!({
                    "RegionId": "cn-hangzhou", "AddressType": "intranet", "VpcId": SHARED_VPC,
                    "VSwitchId": SHARED_VSWITCHES[0], "InstanceChargeType": "PayByCLCU", "LoadBalancerName": name,
                });
                let made = act("Slb", "CreateLoadBalancer", params);
                ExternalId::new(made["LoadBalancerId"].as_str().expect("it has an id"))
            }
            Kind::Log => {
                // In the very project that ours would be in, if there is one.
                let project = self
                    .cloud
                    .list(Thing::Project)
                    .into_iter()
                    .next()
                    .map(|project| project.id);
                let project = project.unwrap_or_else(|| {
                    let params = json!({"projectName": "somebody-elses", "description": "not ours"});
                    act("Sls", "CreateProject", params);
                    "somebody-elses".to_owned()
                });
                let params = json!({"project": project, "logstoreName": name, "ttl": 30, "shardCount": 2});
                act("Sls", "CreateLogStore", params);
                ExternalId::new(format!("{project}/{name}"))
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

    /// Both clocks are set forward: the cloud's, and that of tokio, by which the kit's grace periods go.
    async fn settle(&self, time: Duration) {
        self.cloud.advance(time);
        self.time.pass(time).await;
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

/// Runs every scenario and names each that fails as soon as it does: all of them take their time.
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
