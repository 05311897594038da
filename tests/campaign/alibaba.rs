//! Alibaba Cloud: the real adapters with their signed requests, on the simulator in this process.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use mooring_provider::{Access, Error, ErrorKind, ExternalId, Identity, Kind, Provider, Result, tag};
use mooring_provider_aliyun::{Flavour, connect_over};
use mooring_provider_http::{Answer, Client, Request, Transport};
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Call, Fault, Handle, Kind as Part, Options, Resource, SHARED_VPC,
    SHARED_VSWITCHES, Simulator,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value as Json, json};

use crate::cloud::{Cloud, Deed, Thing};

/// How long a request may take, as by the client's own configuration.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What is a resource, or a part of one, and carries an identity.
const PARTS: [(Part, bool); 8] = [
    (Part::Vpc, true),
    (Part::VSwitch, false),
    (Part::SecurityGroup, false),
    (Part::Db, true),
    (Part::Clb, true),
    (Part::Nlb, true),
    (Part::NlbGroup, false),
    (Part::Logstore, true),
];

/// The cloud of a seed.
#[derive(Debug)]
pub(crate) struct Alibaba {
    cloud: Arc<Handle>,
    wire: Arc<Weather>,
    /// Somebody else has destroyed a store, so its project may stay: a store that is gone is not ours to delete any
    /// more, and the next one of its namespace takes the project with it.
    store_destroyed: AtomicBool,
    /// What was read of the log of calls, and up to which.
    deeds: Mutex<(u64, Vec<Deed>)>,
}

/// The way to the cloud and back.
struct Weather {
    cloud: Arc<Handle>,
    latency: Duration,
    requests: AtomicU64,
    /// How many of them are late, by which seed.
    late: Mutex<Option<(f64, u64)>>,
    faults: Arc<AtomicU64>,
}

impl fmt::Debug for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weather({:?})", self.latency)
    }
}

impl Transport for Weather {
    fn carry(&self, operation: &'static str, request: Request) -> BoxFuture<'_, Result<Answer>> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let late = *self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let late = late.and_then(|(rate, seed)| {
            let mut random = chance(seed, number);
            random
                .random_bool(rate)
                .then(|| TIMEOUT.mul_f64(random.random_range(0.0..0.9)))
        });
        if late.is_some() {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        let (cloud, latency) = (self.cloud.clone(), self.latency);
        Box::pin(async move {
            // It is on its way, and gets there even if nobody waits for the answer any more.
            let sent = tokio::spawn(async move {
                tokio::time::sleep(latency / 2 + late.unwrap_or_default()).await;
                let answer = cloud.carry(operation, request).await;
                tokio::time::sleep(latency / 2).await;
                answer
            });
            match tokio::time::timeout(TIMEOUT, sent).await {
                Ok(answer) => answer.expect("the cloud does not panic"),
                Err(_) => Err(Error::new(ErrorKind::Unavailable, operation, "no answer in time")),
            }
        })
    }
}

/// What befalls the one of this number, by a seed.
fn chance(seed: u64, number: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Alibaba {
    pub(crate) fn new(seed: u64, random: &mut StdRng) -> Self {
        let mut millis = |most: u64| Duration::from_millis(random.random_range(0..=most));
        let latency = millis(200);
        let options = Options {
            seed,
            provisioning: millis(20_000),
            invisible_for: millis(5_000),
            token_processing: millis(2_000),
            lingering: millis(20_000),
            ..Options::default()
        };
        let cloud = Arc::new(Simulator::within(options).expect("it needs no file"));
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
        let wire = Weather {
            cloud: cloud.clone(),
            latency,
            requests: AtomicU64::new(0),
            late: Mutex::new(None),
            faults: Arc::default(),
        };
        Self {
            cloud,
            wire: Arc::new(wire),
            store_destroyed: AtomicBool::new(false),
            deeds: Mutex::default(),
        }
    }

    /// What an id is of.
    fn part(id: &ExternalId) -> Part {
        let id = id.as_str();
        match id {
            _ if id.contains('/') => Part::Logstore,
            _ if id.starts_with("vpc-") => Part::Vpc,
            _ if id.starts_with("nlb-") => Part::Nlb,
            _ if id.starts_with("lb-") => Part::Clb,
            _ => Part::Db,
        }
    }

    /// The rules of alarms, each with its set and the identity on its label.
    fn rules(&self) -> Vec<(Resource, String, Option<Identity>)> {
        let rules = self.cloud.list(Part::Rule).into_iter();
        rules
            .filter_map(|rule| {
                let set = rule.attrs["RuleId"].as_str()?.rsplit_once('-')?.0.to_owned();
                let labels = rule.attrs.get("Labels").and_then(Json::as_array).into_iter().flatten();
                let mut ours = labels.filter(|label| label["Key"] == "mooring_dev_identity");
                let identity = ours.find_map(|label| label["Value"].as_str()).map(Identity::new);
                Some((rule, set, identity))
            })
            .collect()
    }
}

impl Cloud for Alibaba {
    fn provider(&self) -> Arc<dyn Provider> {
        let config = json!({
            "region": "cn-hangzhou", "endpoints": {"default": self.cloud.url()},
            "log": {"machineGroup": "k8s-group-c1"},
        });
        let secret = [("accessKeyId", ACCESS_KEY_ID), ("accessKeySecret", ACCESS_KEY_SECRET)];
        let secret = secret.map(|(name, value)| (name.to_owned(), value.into())).into();
        let client = Client::over(self.wire.clone());
        connect_over(client, Flavour::Public, &config, &secret).expect("the configuration is good")
    }

    fn localize(&self, kind: Kind, spec: &mut Json) {
        match kind {
            Kind::Rds => spec["class"] = json!("mysql.n2.medium.1"),
            Kind::Monitor => spec["alarms"][0]["notify"] = json!(["shop"]),
            _ => {}
        }
    }

    fn owned(&self) -> Vec<Thing> {
        let now = self.cloud.now();
        let of = |(part, whole): (Part, bool)| {
            let all = self.cloud.list(part).into_iter();
            all.filter_map(move |resource| {
                Some(Thing {
                    identity: Identity::new(resource.tags.get(tag::IDENTITY)?),
                    whole,
                    parked: resource.tags.contains_key(tag::PARKED_UNTIL),
                    going: resource.gone_at.is_some_and(|at| at > now),
                    id: ExternalId::new(resource.id),
                })
            })
        };
        let mut things: Vec<_> = PARTS.into_iter().flat_map(of).collect();
        for (_, set, identity) in self.rules() {
            let Some(identity) = identity else { continue };
            if things.iter().all(|thing| thing.id.as_str() != set) {
                things.push(Thing {
                    id: ExternalId::new(set),
                    identity,
                    whole: true,
                    parked: false,
                    going: false,
                });
            }
        }
        things
    }

    fn leftovers(&self) -> Vec<String> {
        let all = [Part::Project, Part::ClbAcl, Part::ClbGroup, Part::NlbGroup];
        let excused = self.store_destroyed.load(Ordering::Relaxed);
        let all = all
            .into_iter()
            .filter(|part| !(excused && *part == Part::Project))
            .flat_map(|part| self.cloud.list(part));
        all.map(|resource| format!("{:?} {}", resource.kind, resource.id))
            .collect()
    }

    fn add_foreign(&self, kind: Kind, name: &str) -> Option<ExternalId> {
        let region = "cn-hangzhou";
        let (product, action, id, params) = match kind {
            Kind::Vpc => (
                "Vpc",
                "CreateVpc",
                "VpcId",
                json!({"RegionId": region, "CidrBlock": "10.0.0.0/8", "VpcName": name}),
            ),
            Kind::Rds => (
                "Rds",
                "CreateDBInstance",
                "DBInstanceId",
                json!({
                    "RegionId": region, "Engine": "MySQL", "EngineVersion": "8.0", "PayType": "Postpaid",
                    "DBInstanceClass": "mysql.n2.medium.1", "DBInstanceStorage": 20, "DBInstanceNetType": "Intranet",
                    "InstanceNetworkType": "VPC", "VPCId": SHARED_VPC, "VSwitchId": SHARED_VSWITCHES[0],
                    "ZoneId": "cn-hangzhou-h", "SecurityIPList": "127.0.0.1", "DBInstanceDescription": name,
                }),
            ),
            Kind::Slb => (
                "Slb",
                "CreateLoadBalancer",
                "LoadBalancerId",
                json!({
                    "RegionId": region, "AddressType": "intranet", "VpcId": SHARED_VPC,
                    "VSwitchId": SHARED_VSWITCHES[0], "InstanceChargeType": "PayByCLCU", "LoadBalancerName": name,
                }),
            ),
            _ => return None,
        };
        let made = self
            .cloud
            .act(product, action, params)
            .expect("somebody else may do it");
        Some(ExternalId::new(made[id].as_str().expect("it has an id")))
    }

    fn named(&self, name: &str) -> Option<ExternalId> {
        let all = PARTS.into_iter().filter(|(_, whole)| *whole);
        let mut all = all.flat_map(|(part, _)| self.cloud.list(part));
        Some(ExternalId::new(all.find(|resource| resource.name == name)?.id))
    }

    fn look(&self, id: &ExternalId) -> Option<String> {
        // What it is doing passes by itself.
        let resource = self.cloud.get(Self::part(id), id.as_str())?;
        Some(format!("{:?} {:?} {:?}", resource.name, resource.tags, resource.attrs))
    }

    fn destroy(&self, kind: Kind, id: &ExternalId) {
        self.store_destroyed.fetch_or(kind == Kind::Log, Ordering::Relaxed);
        if kind != Kind::Monitor {
            self.cloud.destroy(Self::part(id), id.as_str());
            return;
        }
        for (rule, ..) in self.rules().into_iter().filter(|(_, set, _)| *set == id.as_str()) {
            self.cloud.destroy(Part::Rule, &rule.id);
        }
    }

    fn write(&self, id: &ExternalId, row: &str) {
        self.cloud.write(Part::Db, id.as_str(), row);
    }

    fn rows(&self, id: &ExternalId) -> Option<Vec<String>> {
        Some(self.cloud.get(Part::Db, id.as_str())?.rows)
    }

    fn login(&self, id: &ExternalId, user: &str, password: &str) -> Option<Access> {
        self.cloud.login(id.as_str(), user, password).then_some(Access::Owner)
    }

    fn storm(&self, rate: f64, seed: u64) {
        // A quarter of what goes wrong is late.
        *self.wire.late.lock().unwrap_or_else(PoisonError::into_inner) = Some((rate / 4.0, !seed));
        let faults = self.wire.faults.clone();
        self.cloud.fail_by(move |call: &Call| {
            let mut random = chance(seed, call.number);
            let fault = random
                .random_bool(rate * 0.75)
                .then(|| match random.random_range(0..6) {
                    0 => Fault::Before,
                    1 => Fault::After,
                    2 => Fault::Lost,
                    3 => Fault::Garbled,
                    4 if call.action == "CreateDBInstance" => Fault::Untagged,
                    _ => Fault::Throttled(random.random_range(100..5_000)),
                });
            faults.fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
            fault
        });
    }

    fn calm(&self) {
        *self.wire.late.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.cloud.clear_faults();
    }

    fn faults(&self) -> u64 {
        self.wire.faults.load(Ordering::Relaxed)
    }

    fn created(&self) -> u64 {
        self.deeds().iter().filter(|deed| deed.created).count() as u64
    }

    fn unrest(&self) -> Duration {
        // What is on its way arrives within the time that a request may take.
        self.cloud.unrest() + TIMEOUT
    }

    fn deeds(&self) -> Vec<Deed> {
        let mut deeds = self.deeds.lock().unwrap_or_else(PoisonError::into_inner);
        for call in self.cloud.calls(deeds.0) {
            deeds.0 = call.number;
            let kind = match call.action.as_str() {
                "CreateVpc" | "DeleteVpc" | "DeleteVSwitch" | "DeleteSecurityGroup" => Kind::Vpc,
                "CreateDBInstance" | "DeleteDBInstance" => Kind::Rds,
                "CreateLoadBalancer" | "DeleteLoadBalancer" => Kind::Slb,
                "CreateLogStore" | "DeleteLogStore" => Kind::Log,
                _ => continue,
            };
            let done = match (&call.fault, &call.code) {
                (Some(Fault::After), Some(code)) => code == "ServiceUnavailable",
                (_, code) => code.is_none(),
            };
            if done {
                deeds.1.push(Deed {
                    kind,
                    created: call.action.starts_with("Create"),
                    shown: shown(&call),
                });
            }
        }
        deeds.1.clone()
    }

    fn story(&self) -> Vec<String> {
        let calls = self.cloud.calls(0).into_iter();
        let reads = ["Describe", "List", "Get"];
        let writes = calls.filter(|call| !reads.iter().any(|read| call.action.starts_with(read)));
        writes.map(|call| shown(&call)).collect()
    }

    fn longest_life(&self) -> u64 {
        1_500
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(7_200)
    }
}

fn shown(call: &Call) -> String {
    let params = Json::Object(call.params.clone());
    let code = call.code.as_deref().unwrap_or("ok");
    let fault = call
        .fault
        .as_ref()
        .map_or_else(String::new, |fault| format!(" ({fault:?})"));
    format!(
        "{} {}.{} {params}: {code}{fault}",
        call.number, call.product, call.action
    )
}
