//! The simulated cloud as a subject of the conformance kit, for networks and alarms.

#![allow(dead_code, reason = "each test uses a part of it")]

mod time;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    ClusterId, Credentials, DynAdapter, ExternalId, Identity, Key, Kind, Owner, Registration,
    conformance::{Faults, Subject, When},
    tag,
};
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, Denial, Fault, Handle, Kind as Thing, Options, Resource, Scope,
    Simulator,
};
use serde_json::{Value as Json, json};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A kind of a simulated cloud.
pub(crate) struct Simulated {
    pub(crate) cloud: Arc<Handle>,
    pub(crate) kind: Kind,
    pub(crate) adapter: Arc<dyn DynAdapter>,
    time: time::Time,
    /// What says which resource groups an Apsara Stack has.
    _groups: Option<MockServer>,
}

/// The list of the resource groups of an Apsara Stack.
pub(crate) async fn resource_groups(scope: &Scope) -> MockServer {
    let group = json!({"id": scope.resource_group, "organizationID": scope.organization, "resourceGroupName": "shops"});
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::query_param("Action", "ListResourceGroup"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"code": "200", "data": [group]})))
        .mount(&server)
        .await;
    server
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

impl Simulated {
    /// A cloud of its own, and a connection to it. The clock of the test has to be paused.
    pub(crate) async fn new(kind: Kind, change: impl FnOnce(&mut Options), registration: Registration) -> Self {
        let mut options = Options::default();
        change(&mut options);
        let mut config = json!({"region": options.region});
        let mut groups = None;
        if let Some(scope) = &options.scope {
            let server = resource_groups(scope).await;
            config["resourceGroup"] = json!(scope.resource_group);
            config["endpoints"] = json!({"ascm": server.uri()});
            groups = Some(server);
        }
        let cloud = Simulator::start(options).await.expect("a free port");
        let act = |action, params| cloud.act("Cms", action, params).expect("the account may do it");
        act(
            "PutContact",
            json!({"ContactName": "me", "Describe": "me", "Channels": {"Mail": "me@shop.example"}}),
        );
        act(
            "PutContactGroup",
            json!({"ContactGroupName": "shop", "ContactNames": ["me"]}),
        );
        config["endpoints"]["default"] = json!(cloud.url());
        let provider = (registration.connect)(&config, secret()).expect("the configuration is good");
        Self {
            adapter: provider.adapter(kind).expect("the kind is served"),
            cloud: Arc::new(cloud),
            kind,
            time: time::Time::begin(),
            _groups: groups,
        }
    }

    /// The rules of a set.
    fn rules(&self, set: &str) -> Vec<Resource> {
        let of = |rule: &Resource| {
            rule.attrs["RuleId"]
                .as_str()
                .and_then(|id| id.rsplit_once('-'))
                .is_some_and(|id| id.0 == set)
        };
        self.cloud.list(Thing::Rule).into_iter().filter(of).collect()
    }
}

/// A spec that can be carried out.
pub(crate) fn spec(kind: Kind) -> Json {
    let common = json!({"tags": {"cost-center": "c42"}, "resourceGroup": null, "options": {}});
    match kind {
        Kind::Vpc => json!({"cidr": "10.64.0.0/20", "egress": "none", "zones": [], "shared": null, "common": common}),
        _ => json!({
            "alarms": [
                {"name": "connections", "target": {"resource": {"kind": "rds", "id": "rm-1"}}, "metric": "connections",
                 "for": "5m", "notify": ["shop"], "threshold": {"above": true, "value": 80.0, "percent": true},
                 "severity": "warning"},
                {"name": "backends", "target": {"resource": {"kind": "slb", "id": "nlb-1"}}, "metric": "unhealthyBackends",
                 "for": "2h", "notify": ["shop"], "threshold": {"above": true, "value": 0.0, "percent": false},
                 "severity": "critical"}],
            "scrape": null, "selector": {"namespace": "team-a", "labels": {}}, "common": common,
        }),
    }
}

/// The same, changed in what can be changed in place.
pub(crate) fn changed(kind: Kind) -> Json {
    let mut spec = spec(kind);
    // One tag goes, and another comes.
    spec["common"]["tags"] = json!({"tier": "gold"});
    if kind == Kind::Monitor {
        spec["alarms"][0]["threshold"]["value"] = json!(90.5);
        spec["alarms"].as_array_mut().expect("a list").truncate(1);
    }
    spec
}

fn labels(rule: &Resource) -> impl Iterator<Item = (&str, &str)> {
    let labels = rule.attrs.get("Labels").and_then(Json::as_array).into_iter().flatten();
    labels.filter_map(|label| Some((label["Key"].as_str()?, label["Value"].as_str()?)))
}

#[async_trait]
impl Subject for Simulated {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.adapter.clone()
    }

    fn spec(&self) -> Json {
        spec(self.kind)
    }

    fn changed(&self) -> Json {
        changed(self.kind)
    }

    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        if self.kind == Kind::Monitor {
            let ours = |rule: &Resource| {
                labels(rule).any(|(key, value)| key == "mooring_dev_identity" && value == owner.identity.as_str())
            };
            let rules = self.cloud.list(Thing::Rule).into_iter().filter(ours);
            let sets: BTreeSet<_> = rules
                .filter_map(|rule| Some(rule.attrs["RuleId"].as_str()?.rsplit_once('-')?.0.to_owned()))
                .collect();
            return sets.into_iter().map(ExternalId::new).collect();
        }
        let of = |thing| {
            let ours = |found: &Resource| {
                found
                    .tags
                    .get(tag::IDENTITY)
                    .is_some_and(|id| id == owner.identity.as_str())
            };
            self.cloud.list(thing).into_iter().filter(ours).collect::<Vec<_>>()
        };
        // Its parts are single, too.
        assert!(
            of(Thing::SecurityGroup).len() <= 1,
            "a network has one group: {:?}",
            of(Thing::SecurityGroup)
        );
        assert!(
            of(Thing::VSwitch).len() <= 2,
            "a network has two vSwitches: {:?}",
            of(Thing::VSwitch)
        );
        of(Thing::Vpc).into_iter().map(|vpc| ExternalId::new(vpc.id)).collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let act = |product, action, params| {
            self.cloud
                .act(product, action, params)
                .expect("somebody else may do it")
        };
        match self.kind {
            Kind::Vpc => {
                let params = json!({"RegionId": "cn-hangzhou", "CidrBlock": "10.0.0.0/8", "VpcName": name});
                ExternalId::new(act("Vpc", "CreateVpc", params)["VpcId"].as_str().expect("it has an id"))
            }
            _ => {
                // Under the very id that a rule of this name would have.
                let escalations = json!({"Info": {"Statistics": "Average", "Threshold": "1", "Times": 1,
                                                  "ComparisonOperator": "GreaterThanThreshold"}});
                act(
                    "Cms",
                    "PutResourceMetricRule",
                    json!({
                        "RuleId": format!("{name}-0-0"), "RuleName": name, "Namespace": "acs_rds_dashboard",
                        "MetricName": "CpuUsage", "ContactGroups": "shop", "Escalations": escalations,
                        "Resources": "[{\"instanceId\":\"rm-others\"}]",
                    }),
                );
                ExternalId::new(format!("{name}-0"))
            }
        }
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        match self.kind {
            Kind::Vpc => self.cloud.look(Thing::Vpc, id.as_str()),
            _ => Some(format!("{:?}", self.rules(id.as_str()))).filter(|_| !self.rules(id.as_str()).is_empty()),
        }
    }

    async fn destroy(&self, id: &ExternalId) {
        match self.kind {
            Kind::Vpc => assert!(self.cloud.destroy(Thing::Vpc, id.as_str())),
            _ => self
                .rules(id.as_str())
                .iter()
                .for_each(|rule| assert!(self.cloud.destroy(Thing::Rule, &rule.id))),
        }
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.cloud.deny(refused.then_some(Denial::Unknown));
    }

    async fn settle(&self, time: Duration) {
        self.cloud.advance(time);
        self.time.pass(time).await;
    }

    async fn hide_new(&self, time: Duration) -> bool {
        self.cloud.hide_new(time);
        true
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        match self.kind {
            Kind::Vpc => self.cloud.change(Thing::Vpc, id.as_str(), |vpc| {
                vpc.tags.insert("cost-center".into(), "somebody else's".into());
            }),
            _ => self.cloud.change(Thing::Rule, &format!("{ACCOUNT}/{id}-0"), |rule| {
                rule.attrs["Escalations"]["Warn"]["Threshold"] = "1".into();
            }),
        }
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(Requests {
            cloud: self.cloud.clone(),
            hit: Arc::default(),
        }))
    }
}

/// The cloud's own faults, request by request. The answer is lost: the client cannot know whether it was done.
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
                Fault::Lost
            })
        });
    }

    fn disarm(&self) -> bool {
        self.cloud.clear_faults();
        self.hit.load(Ordering::SeqCst)
    }
}
