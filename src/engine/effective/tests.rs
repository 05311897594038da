use mooring_provider::spec::{Engine, Log, Monitor, Rds, Scheme, Slb, Target, Tls, Vpc};

use super::*;
use crate::{api::properties::DeletionPolicy, engine::builtin};

struct Place {
    environment: EnvironmentSpec,
    provider: &'static str,
    region: Option<&'static str>,
    after: Vec<Key>,
    outputs: BTreeMap<Key, Output>,
    endpoints: Option<Endpoints>,
}

impl Place {
    fn new(environment: Json, provider: &'static str) -> Self {
        let environment = serde_json::from_value(environment).expect("an environment");
        Self {
            environment,
            provider,
            region: Some("cn-hangzhou"),
            after: Vec::new(),
            outputs: BTreeMap::new(),
            endpoints: Some(Endpoints::default()),
        }
    }

    fn mock() -> Self {
        let environment = serde_json::to_value(builtin::environment().spec).expect("JSON");
        Self::new(environment, "mock")
    }

    fn resolve(&self, kind: Kind, properties: Json) -> Result<Effective, Unresolved> {
        let context = Context {
            environment: "production",
            spec: &self.environment,
            provider: self.provider,
            region: self.region,
            cluster: "blue",
            after: &self.after,
            outputs: &self.outputs,
            selector: Selector {
                namespace: "team-a".into(),
                labels: BTreeMap::new(),
            },
            endpoints: self.endpoints.as_ref(),
        };
        let declaration = Declaration {
            key: key(kind.as_str()),
            declares: Declares::Resource(kind),
            properties: properties.as_object().cloned().expect("an object"),
            environment: None,
            workload: None,
        };
        resolve(&declaration, &context)
    }

    fn spec<T: DeserializeOwned>(&self, kind: Kind, properties: Json) -> T {
        let effective = self.resolve(kind, properties).expect("it resolves");
        serde_json::from_value(effective.spec).expect("a spec of the contract")
    }

    fn problems(&self, kind: Kind, properties: Json) -> Vec<String> {
        match self.resolve(kind, properties) {
            Err(Unresolved::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn key(name: &str) -> Key {
    Key::new("team-a", "my-shop", "web", name)
}

fn shown(effective: &Effective, field: &str) -> (String, Origin) {
    let value = effective.values.iter().find(|value| value.field == field);
    let value = value.unwrap_or_else(|| panic!("{field} is not among {:?}", effective.values));
    (value.value.clone(), value.origin)
}

#[test]
fn little_is_written_and_everything_is_decided() {
    let place = Place::mock();
    let rds: Rds = place.spec(Kind::Rds, json!({"engine": "mysql"}));
    assert_eq!(
        (rds.engine, rds.class.as_str(), rds.storage.to_string()),
        (Engine::Mysql, "mock.small", "20Gi".into())
    );
    assert_eq!(
        (rds.database.as_str(), rds.tls, rds.high_availability),
        ("my_shop", Tls::Preferred, false)
    );
    assert!(!rds.deletion_protection && !rds.clients.is_empty() && rds.network.id.is_some());

    let slb: Slb = place.spec(Kind::Slb, json!({"listeners": [{"port": 80}]}));
    assert_eq!(
        (slb.scheme, slb.listeners[0].target_port, slb.backends),
        (Scheme::Internal, 80, None)
    );
    let log: Log = place.spec(Kind::Log, json!({}));
    assert_eq!((log.retention.to_string(), log.push), ("30d".into(), false));
    let vpc: Vpc = place.spec(Kind::Vpc, json!({}));
    assert_eq!(vpc.shared.map(|network| network.id), Some(rds.network.id));
    let dedicated: Vpc = place.spec(Kind::Vpc, json!({"network": "dedicated"}));
    assert!(dedicated.shared.is_none() && dedicated.cidr.is_some_and(|cidr| cidr.ends_with("/20")));
    let monitor: Monitor = place.spec(Kind::Monitor, json!({}));
    assert_eq!(monitor.alarms, []);
}

#[test]
fn every_value_has_its_origin() {
    let place = Place::new(
        json!({
            "class": "production",
            "providers": {"default": "a"},
            "sizes": {"rds": {"small": {"aliyun": "n2.small"}, "large": {"aliyun": "n2.large"}}},
            "defaults": {"rds": {"highAvailability": true, "storage": "50Gi", "backup": {"retention": "7d"}}},
            "enforce": {"rds": {"tls": "required"}},
            "tags": {"app": "{application}"},
        }),
        "aliyun",
    );
    let effective = place
        .resolve(
            Kind::Rds,
            json!({
                "engine": "mysql", "storage": "80Gi", "tls": "disabled", "as": "DB",
                "overrides": [
                    {"when": {"environment": "production", "region": "cn-hangzhou"}, "properties": {"size": "large"}},
                    {"when": {"cluster": "green"}, "properties": {"storage": "1Ti"}},
                ],
                "options": {"aliyun": {"category": "ha"}, "openstack": {"flavor": "x"}},
            }),
        )
        .expect("it resolves");
    let expected = [
        ("access", "owner", Origin::BuiltIn),
        ("highAvailability", "true", Origin::EnvironmentDefault),
        ("backup.retention", "7d", Origin::EnvironmentDefault),
        ("storage", "80Gi", Origin::Trait),
        ("engine", "mysql", Origin::Trait),
        ("size", "large", Origin::Override),
        ("class", "n2.large", Origin::Override),
        ("tls", "required", Origin::Enforced),
    ];
    for (field, value, origin) in expected {
        assert_eq!(shown(&effective, field), (value.to_owned(), origin), "{field}");
    }
    assert!(
        effective
            .values
            .iter()
            .all(|value| !value.field.starts_with("o") && value.field != "as")
    );
    assert_eq!(
        effective.not_applied,
        ["options.openstack: environment `production` is served by aliyun"]
    );
    assert_eq!(effective.deletion.policy, DeletionPolicy::Recycle);
    assert_eq!(
        effective.storage.map(|storage| storage.to_string()).as_deref(),
        Some("80Gi")
    );
    assert_eq!(effective.consumption.prefix.as_deref(), Some("DB"));
    let rds: Rds = serde_json::from_value(effective.spec).expect("a spec");
    assert!(rds.deletion_protection);
    assert_eq!(rds.common.tags["app"], "my-shop");
    assert_eq!(Json::Object(rds.common.options), json!({"category": "ha"}));
}

#[test]
fn a_class_may_be_named_and_an_engine_substituted() {
    let environment =
        |enforce: Json| json!({"engines": {"mysql": {"onprem": "mariadb"}}, "enforce": enforce, "providers": {}});
    let place = Place::new(environment(json!({})), "onprem");
    let properties = json!({"engine": "mysql", "options": {"onprem": {"class": "big", "x": 1}}});
    let effective = place.resolve(Kind::Rds, properties.clone()).expect("it resolves");
    assert_eq!(shown(&effective, "class"), ("big".into(), Origin::Trait));
    assert_eq!(
        shown(&effective, "engine served as"),
        ("mariadb".into(), Origin::Enforced)
    );
    assert_eq!(effective.spec["engine"], "mariadb");
    assert_eq!(effective.spec["common"]["options"], json!({"x": 1}));

    let existing = place
        .resolve(Kind::Rds, json!({"engine": "mysql", "existing": {"id": "db7"}}))
        .expect("it resolves");
    assert_eq!(
        existing.existing.map(|existing| existing.id).as_deref(),
        Some("db7"),
        "it needs no size"
    );
    assert_eq!(existing.deletion.policy, DeletionPolicy::Retain);

    let place = Place::new(environment(json!({"rds": {"size": "small"}})), "onprem");
    assert!(place.problems(Kind::Rds, properties)[0].contains("enforces `size: small`"));
}

#[test]
fn what_the_environment_does_not_have_is_said() {
    let strict = json!({
        "class": "production", "providers": {"default": "a"}, "notify": {"oncall": {"contactGroup": "g"}},
        "sizes": {"rds": {"small": {"aliyun": "s"}, "medium": {"aliyun": "m", "mock": "x"}, "huge": {"openstack": "h"}}},
        "network": {"dedicated": {"allow": false, "cidrPool": "10.64.0.0/10"}},
    });
    let place = Place::new(strict, "aliyun");
    let alarm = json!({"of": "self", "metric": "restarts", "above": 1, "notify": "oncal"});
    let cases = [
        (
            Kind::Rds,
            json!({"engine": "mysql", "size": "mediun"}),
            "size: `mediun`: Environment `production` has the sizes medium, small; did you mean `medium`?",
        ),
        (
            Kind::Rds,
            json!({"engine": "mysql", "size": "huge"}),
            "has the sizes medium, small",
        ),
        (
            Kind::Rds,
            json!({"engine": "mysql", "deletionPolicy": "Delete"}),
            "deletionPolicy: `Delete`: this environment says Recycle",
        ),
        (
            Kind::Rds,
            json!({"engine": "mysql", "sise": "small"}),
            "did you mean `size`",
        ),
        (
            Kind::Vpc,
            json!({"network": "dedicated"}),
            "network: `dedicated`: Environment `production` allows no dedicated networks",
        ),
        (
            Kind::Monitor,
            json!({"alarms": [alarm]}),
            "alarms[0].notify: `oncal`: Environment `production` knows nobody of this name; it knows: oncall; did you mean",
        ),
        (
            Kind::Monitor,
            json!({"alarms": [{"of": "rds", "metric": "cpu", "above": "80%"}]}),
            "the application has no `web/rds`",
        ),
    ];
    for (kind, properties, words) in cases {
        let problems = place.problems(kind, properties);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains(words) && problems[0].contains("component `web`"),
            "{problems:?}"
        );
    }
    let pool = json!({"providers": {}, "network": {"dedicated": {"allow": true, "cidrPool": "10.64.0.0/10"}}});
    let problems = Place::new(pool, "mock").problems(Kind::Vpc, json!({"network": "dedicated", "cidr": "10.0.0.0/16"}));
    assert!(problems[0].contains("is not within 10.64.0.0/10"), "{problems:?}");
    let none = Place::new(json!({"providers": {}}), "openstack").problems(Kind::Rds, json!({"engine": "mysql"}));
    assert!(none[0].contains("`sizes.rds.small.openstack`"), "{none:?}");
    let shared: Rds = Place::new(json!({"providers": {}}), "onprem").spec(Kind::Rds, json!({"engine": "mysql"}));
    assert_eq!(shared.class, "", "servers that are shared have no classes");
}

#[test]
fn a_mistake_in_the_environment_is_laid_at_its_door() {
    let place = Place::new(json!({"providers": {}, "defaults": {"rds": {"storag": "1Gi"}}}), "mock");
    let Err(Unresolved::Invalid(problems)) = place.resolve(Kind::Rds, json!({"engine": "mysql"})) else {
        panic!("it must not resolve");
    };
    assert_eq!(
        (problems[0].reason, problems[0].component.as_deref()),
        (reason::INVALID_ENVIRONMENT, None)
    );
    assert!(
        problems[0]
            .to_string()
            .starts_with("defaults.rds.storag: `1Gi`: unknown property; did you mean `storage`")
    );
}

#[test]
fn a_dedicated_network_holds_the_applications_database() {
    let mut place = Place::mock();
    place.after = vec![key("vpc")];
    let rds = json!({"engine": "mysql"});
    assert_eq!(
        place.resolve(Kind::Rds, rds.clone()),
        Err(Unresolved::Awaits(vec![key("vpc")]))
    );

    let vpc = place.resolve(Kind::Vpc, json!({"network": "dedicated"}));
    assert_eq!(
        vpc,
        Err(Unresolved::Awaits(vec![key("vpc")])),
        "the caller says what comes before, here wrongly"
    );
    let dedicated = Place::mock()
        .resolve(Kind::Vpc, json!({"network": "dedicated"}))
        .expect("it resolves");
    let entry = |name: &str| (name == "subnet-ids").then(|| "vsw-1,vsw-2".to_owned());
    place
        .outputs
        .insert(key("vpc"), Output::of(&dedicated, ExternalId::new("vpc-1"), entry));
    let placed: Rds = place.spec(Kind::Rds, rds.clone());
    assert_eq!(placed.network.id.as_deref(), Some("vpc-1"));
    assert_eq!(
        placed
            .network
            .subnets
            .iter()
            .map(|subnet| subnet.id.as_str())
            .collect::<Vec<_>>(),
        ["vsw-1", "vsw-2"]
    );

    let shared = Place::mock().resolve(Kind::Vpc, json!({})).expect("it resolves");
    place
        .outputs
        .insert(key("vpc"), Output::of(&shared, ExternalId::new("vpc-1"), entry));
    let placed: Rds = place.spec(Kind::Rds, rds);
    assert_ne!(placed.network.id.as_deref(), Some("vpc-1"));
}

#[test]
fn a_security_group_of_clients_is_passed_on() {
    let clients = json!({"clients": {"cidrs": ["10.8.0.0/16"], "securityGroup": "sg-pods"}});
    let place = Place::new(json!({"providers": {}, "network": clients}), "mock");
    let rds: Rds = place.spec(Kind::Rds, json!({"engine": "mysql"}));
    assert_eq!(
        (rds.clients, rds.client_security_group.as_deref()),
        (vec!["10.8.0.0/16".to_owned()], Some("sg-pods"))
    );
}

#[test]
fn a_balancer_has_what_its_environment_says_behind_it() {
    let mut place = Place::new(json!({"providers": {}, "network": {"backends": "pods"}}), "mock");
    let listeners = json!({"listeners": [{"port": 80, "targetPort": 8080}, {"port": 443, "targetPort": 8080}]});
    let empty = place.resolve(Kind::Slb, listeners.clone()).expect("it resolves");
    assert_eq!(empty.spec["backends"], json!([]));
    assert!(
        empty.notes[0].contains("no pod of component `web`"),
        "{:?}",
        empty.notes
    );
    place.endpoints = Some(Endpoints {
        addresses: ["10.1.0.1".to_owned()].into(),
        node_ports: None,
    });
    let slb: Slb = place.spec(Kind::Slb, listeners.clone());
    assert_eq!(
        slb.backends.map(|backends| backends.len()),
        Some(1),
        "once for each target port"
    );
    place.endpoints = None;
    let mut properties = listeners;
    properties["targets"] = json!(["127.0.0.1:8081"]);
    let slb: Slb = place.spec(Kind::Slb, properties.clone());
    assert_eq!(slb.backends.expect("targets")[0].port, 8081);
    properties["listeners"][1]["targetPort"] = 9090.into();
    let problems = place.problems(Kind::Slb, properties);
    assert!(
        problems[0].contains("targets[0]: `127.0.0.1:8081`") && problems.len() == 1,
        "{problems:?}"
    );
}

#[test]
fn alarms_watch_what_there_is() {
    let mut place = Place::mock();
    let output = |kind, id: Option<&str>| Output {
        kind,
        external_id: id.map(ExternalId::new),
        network: None,
    };
    place.outputs.insert(key("rds"), output(Kind::Rds, Some("rm-1")));
    place.outputs.insert(key("slb"), output(Kind::Slb, None));
    let alarms = json!({"alarms": [
        {"of": "rds", "metric": "connections", "above": "80%"},
        {"of": "slb", "metric": "5xx", "above": 1},
        {"of": "self", "metric": "notReady", "above": 0, "for": "1m", "severity": "critical"},
    ]});
    let effective = place.resolve(Kind::Monitor, alarms).expect("it resolves");
    assert_eq!(
        effective.not_applied,
        ["alarms[1]: what it watches is done without in environment `production`"]
    );
    let monitor: Monitor = serde_json::from_value(effective.spec).expect("a spec");
    assert_eq!(
        monitor
            .alarms
            .iter()
            .map(|alarm| alarm.name.as_str())
            .collect::<Vec<_>>(),
        ["rds-connections", "self-notready"]
    );
    assert_eq!(
        monitor.alarms[0].target,
        Target::Resource {
            kind: Kind::Rds,
            id: ExternalId::new("rm-1")
        }
    );
    assert!(monitor.alarms[0].threshold.percent && monitor.alarms[0].lasting.to_string() == "5m");
    let twice = json!({"alarms": [
        {"of": "rds", "metric": "cpu", "above": "80%"}, {"of": "rds", "metric": "cpu", "above": "90%"},
    ]});
    assert!(place.problems(Kind::Monitor, twice)[0].contains("two alarms have this name"));
}
