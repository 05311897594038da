//! A kind of the simulated cloud, seen from behind the adapter's back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    DynAdapter, ExternalId, Kind, Owner,
    conformance::{Faults, Subject},
    tag,
};
use mooring_simulator_aliyun::{ACCOUNT, Denial, Kind as Thing, Resource, SHARED_VPC, SHARED_VSWITCHES};
use serde_json::{Value as Json, json};

use super::{Simulated, faults::Requests};

impl Simulated {
    /// What a thing of this id is. An alarm's is a set of rules.
    fn thing(&self, id: &str) -> Thing {
        match self.kind {
            Kind::Vpc => Thing::Vpc,
            Kind::Rds => Thing::Db,
            Kind::Slb if id.starts_with("nlb-") => Thing::Nlb,
            Kind::Slb => Thing::Clb,
            Kind::Log => Thing::Logstore,
            _ => Thing::Rule,
        }
    }

    /// The rules of a set.
    fn rules(&self, set: &str) -> Vec<Resource> {
        let of = |rule: &Resource| set_of(rule).is_some_and(|is| is == set);
        self.cloud.list(Thing::Rule).into_iter().filter(of).collect()
    }

    /// What of a thing carries this identity.
    fn tagged(&self, thing: Thing, owner: &Owner) -> Vec<Resource> {
        let mine = |tags: &BTreeMap<String, String>| {
            tags.get(tag::IDENTITY).map(String::as_str) == Some(owner.identity.as_str())
        };
        let all = self.cloud.list(thing).into_iter();
        all.filter(|resource| mine(&resource.tags)).collect()
    }

    /// What somebody else in the account does.
    fn act(&self, product: &str, action: &str, params: Json) -> Json {
        self.cloud
            .act(product, action, params)
            .expect("somebody else may do it")
    }
}

fn set_of(rule: &Resource) -> Option<&str> {
    Some(rule.attrs["RuleId"].as_str()?.rsplit_once('-')?.0)
}

fn labels(rule: &Resource) -> impl Iterator<Item = (&str, &str)> {
    let labels = rule.attrs.get("Labels").and_then(Json::as_array).into_iter().flatten();
    labels.filter_map(|label| Some((label["Key"].as_str()?, label["Value"].as_str()?)))
}

fn made(answer: &Json, id: &str) -> ExternalId {
    ExternalId::new(answer[id].as_str().expect("it has an id"))
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
        let things: &[_] = match self.kind {
            Kind::Monitor => {
                let ours = |rule: &Resource| {
                    labels(rule).any(|(key, value)| key == "mooring_dev_identity" && value == owner.identity.as_str())
                };
                let rules: Vec<_> = self.cloud.list(Thing::Rule).into_iter().filter(ours).collect();
                let sets: BTreeSet<_> = rules.iter().filter_map(set_of).collect();
                return sets.into_iter().map(ExternalId::new).collect();
            }
            Kind::Vpc => {
                // Its parts are single, too.
                for (thing, most) in [(Thing::SecurityGroup, 1), (Thing::VSwitch, 2)] {
                    let parts = self.tagged(thing, owner);
                    assert!(parts.len() <= most, "a network has {most} {thing:?}: {parts:?}");
                }
                &[Thing::Vpc]
            }
            Kind::Rds => &[Thing::Db],
            Kind::Slb => &[Thing::Nlb, Thing::Clb],
            _ => &[Thing::Logstore],
        };
        let found = things.iter().flat_map(|thing| self.tagged(*thing, owner));
        found.map(|resource| ExternalId::new(resource.id)).collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let region = "cn-hangzhou";
        match self.kind {
            Kind::Vpc => {
                let params = json!({"RegionId": region, "CidrBlock": "10.0.0.0/8", "VpcName": name});
                made(&self.act("Vpc", "CreateVpc", params), "VpcId")
            }
            Kind::Rds => {
                let params = json!({
                    "RegionId": region, "Engine": "MySQL", "EngineVersion": "8.0", "PayType": "Postpaid",
                    "DBInstanceClass": "mysql.n2.medium.1", "DBInstanceStorage": 20, "DBInstanceNetType": "Intranet",
                    "InstanceNetworkType": "VPC", "VPCId": SHARED_VPC, "VSwitchId": SHARED_VSWITCHES[0],
                    "ZoneId": "cn-hangzhou-h", "SecurityIPList": "127.0.0.1", "DBInstanceDescription": name,
                });
                made(&self.act("Rds", "CreateDBInstance", params), "DBInstanceId")
            }
            Kind::Slb if self.spec["listeners"][0]["protocol"] == "tcp" => {
                let zones = [json!({"ZoneId": "cn-hangzhou-h", "VSwitchId": SHARED_VSWITCHES[0]})];
                let params = json!({
                    "RegionId": region, "AddressType": "Intranet", "VpcId": SHARED_VPC, "ZoneMappings": zones,
                    "LoadBalancerName": name,
                });
                made(&self.act("Nlb", "CreateLoadBalancer", params), "LoadbalancerId")
            }
            Kind::Slb => {
                let params = json!({
                    "RegionId": region, "AddressType": "intranet", "VpcId": SHARED_VPC,
                    "VSwitchId": SHARED_VSWITCHES[0], "InstanceChargeType": "PayByCLCU", "LoadBalancerName": name,
                });
                made(&self.act("Slb", "CreateLoadBalancer", params), "LoadBalancerId")
            }
            Kind::Log => {
                // In the very project that ours would be in, if there is one.
                let project = self.cloud.list(Thing::Project).into_iter().next();
                let project = project.map(|project| project.id).unwrap_or_else(|| {
                    let params = json!({"projectName": "somebody-elses", "description": "not ours"});
                    self.act("Sls", "CreateProject", params);
                    "somebody-elses".to_owned()
                });
                let params = json!({"project": project, "logstoreName": name, "ttl": 30, "shardCount": 2});
                self.act("Sls", "CreateLogStore", params);
                ExternalId::new(format!("{project}/{name}"))
            }
            _ => {
                // Under the very id that a rule of this name would have.
                let escalations = json!({"Info": {"Statistics": "Average", "Threshold": "1", "Times": 1,
                                                  "ComparisonOperator": "GreaterThanThreshold"}});
                let params = json!({
                    "RuleId": format!("{name}-0-0"), "RuleName": name, "Namespace": "acs_rds_dashboard",
                    "MetricName": "CpuUsage", "ContactGroups": "shop", "Escalations": escalations,
                    "Resources": "[{\"instanceId\":\"rm-others\"}]",
                });
                self.act("Cms", "PutResourceMetricRule", params);
                ExternalId::new(format!("{name}-0"))
            }
        }
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        if self.kind == Kind::Monitor {
            let rules = self.rules(id.as_str());
            return (!rules.is_empty()).then(|| format!("{rules:?}"));
        }
        self.cloud.look(self.thing(id.as_str()), id.as_str())
    }

    async fn destroy(&self, id: &ExternalId) {
        if self.kind == Kind::Monitor {
            for rule in self.rules(id.as_str()) {
                assert!(self.cloud.destroy(Thing::Rule, &rule.id));
            }
            return;
        }
        assert!(
            self.cloud.destroy(self.thing(id.as_str()), id.as_str()),
            "{id} is there"
        );
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.cloud.deny(refused.then_some(Denial::Unknown));
    }

    async fn settle(&self, time: Duration) {
        if self.is_apart {
            self.cloud.advance(time);
        } else {
            tokio::time::sleep(time).await;
        }
    }

    async fn hide_new(&self, time: Duration) -> bool {
        self.cloud.hide_new(time);
        true
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        if self.kind == Kind::Monitor {
            return self.cloud.change(Thing::Rule, &format!("{ACCOUNT}/{id}-0"), |rule| {
                rule.attrs["Escalations"]["Warn"]["Threshold"] = "1".into();
            });
        }
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
        Some(Requests::of(&self.cloud))
    }
}
