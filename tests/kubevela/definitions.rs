//! What KubeVela renders of our TraitDefinitions is what our own Application controller would make.

use std::{collections::BTreeMap, path::Path};

use mooring::{
    api::{Application, CloudResourceSpec, Declares},
    engine::declare::declare,
    kubevela,
    operator::binding::env_of,
};
use serde_json::{Value as Json, json};

use crate::vela::{ask, render};

/// With `MOORING_WRITE_KUBEVELA=1` it writes them instead, for those who cannot build the command line.
#[test]
fn the_files_are_what_the_code_generates() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubevela");
    if std::env::var_os("MOORING_WRITE_KUBEVELA").is_some() {
        kubevela::write(&directory).expect("deploy/kubevela/ can be written");
    }
    let stale: Vec<_> = kubevela::files()
        .into_iter()
        .filter(|(name, content)| std::fs::read_to_string(directory.join(name)).ok().as_ref() != Some(content))
        .map(|(name, _)| name)
        .collect();
    assert!(
        stale.is_empty(),
        "{stale:?} in deploy/kubevela/ is stale; run `mooring kubevela --write deploy/kubevela`"
    );
}

fn of(name: &str) -> Declares {
    Declares::of(name).expect("a trait of ours")
}

fn definition(declares: Declares) -> Json {
    serde_saphyr::from_str(&kubevela::definition(declares)).expect("YAML")
}

fn template(declares: Declares) -> Json {
    definition(declares)["spec"]["schematic"]["cue"]["template"].clone()
}

/// A trait of component `web` of application `shop` on a workload of that kind.
fn case(declares: Declares, kind: &str, properties: &Json) -> Json {
    let pod =
        json!({"spec": {"containers": [{"name": "web", "image": "shop:1", "env": [{"name": "MINE", "value": "1"}]}]}});
    let spec = match kind {
        "CronJob" => json!({"jobTemplate": {"spec": {"template": pod}}}),
        _ => json!({"template": pod}),
    };
    let definition = definition(declares);
    json!({
        "trait": declares.as_str(), "template": template(declares), "application": "shop", "component": "web",
        "namespace": "team", "workload": {"apiVersion": "apps/v1", "kind": kind, "spec": spec},
        "parameter": properties,
        "health": definition["spec"]["status"]["healthPolicy"], "custom": definition["spec"]["status"]["customStatus"],
        "outputs": {},
    })
}

/// The variables that the rendered workload has of Secrets: each with the Secret and the key.
fn patched(workload: &Json) -> BTreeMap<String, (String, String)> {
    let spec = &workload["spec"];
    let template = spec["template"]
        .as_object()
        .map_or_else(|| &spec["jobTemplate"]["spec"]["template"], |_| &spec["template"]);
    let containers = template["spec"]["containers"].as_array().expect("containers");
    assert_eq!(containers.len(), 1, "{containers:?}");
    let variables = containers[0]["env"].as_array().expect("variables");
    assert!(
        variables.contains(&json!({"name": "MINE", "value": "1"})),
        "the component keeps its own"
    );
    let of_secrets = variables.iter().filter(|variable| variable["valueFrom"].is_object());
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    of_secrets
        .map(|variable| {
            let source = &variable["valueFrom"]["secretKeyRef"];
            (text(&variable["name"]), (text(&source["name"]), text(&source["key"])))
        })
        .collect()
}

/// What our own controller would make of the same trait: the name of the CloudResource, its spec, and the variables.
fn ours(declares: Declares, properties: &Json) -> (String, CloudResourceSpec) {
    let item = |kind: &str, properties: &Json| json!({"type": kind, "properties": properties});
    let application: Application = serde_json::from_value(json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": "shop"},
        "spec": {"components": [
            {"name": "web", "type": "webservice", "traits": [item(declares.as_str(), properties)]},
            {"name": "data", "type": "worker", "traits": [
                item("rds", &json!({"engine": "mysql"})),
                item("slb", &json!({"listeners": [{"port": 80}]})),
                item("rds", &json!({"name": "orders", "engine": "mysql"})),
            ]},
        ]},
    }))
    .expect("an Application");
    let declared = declare("team", "shop", &application.spec);
    assert_eq!(declared.problems, [], "{properties}");
    let mut of_web = declared
        .resources
        .iter()
        .filter(|resource| resource.key.component == "web");
    let one = of_web.next().expect("it is declared");
    (one.key.object_name(), one.to_spec().expect("a spec"))
}

fn target(to: Option<&Json>) -> Option<CloudResourceSpec> {
    let (name, kind) = match to?.as_str()? {
        "data/rds" => ("rds", json!({"rds": {"engine": "mysql"}})),
        "data/slb" => ("slb", json!({"slb": {"listeners": [{"port": 80}]}})),
        _ => return None,
    };
    let mut spec = json!({"application": "shop", "component": "data", "name": name});
    spec.as_object_mut()?.extend(kind.as_object()?.clone());
    serde_json::from_value(spec).ok()
}

#[test]
fn what_is_rendered_is_what_our_own_controller_makes() {
    let cases = [
        ("rds", json!({"engine": "mysql"})),
        (
            "rds",
            json!({"engine": "postgresql", "as": "DB", "storage": "30Gi", "backup": {"retention": "7d"}}),
        ),
        (
            "rds",
            json!({"engine": "mysql", "name": "order-db", "env": {"JDBC": "jdbc:{host}"}, "highAvailability": true}),
        ),
        ("rds", json!({"engine": "mysql", "inject": false})),
        (
            "rds",
            json!({"engine": "mysql", "secretName": "mine", "containers": ["web"]}),
        ),
        (
            "rds",
            json!({"engine": "mysql", "overrides": [{"when": {"region": "r"}, "properties": {"size": "large"}}]}),
        ),
        (
            "slb",
            json!({"listeners": [{"port": 80, "targetPort": 8080, "protocol": "http"}]}),
        ),
        ("slb", json!({"listeners": [{"port": 80}], "as": "LB"})),
        (
            "slb",
            json!({"listeners": [{"port": 80}], "env": {"URL": "http://{host}"}}),
        ),
        ("vpc", json!({"network": "dedicated", "cidr": "10.1.0.0/16"})),
        ("log", json!({"sources": ["stdout"]})),
        ("log", json!({"push": true, "format": "json"})),
        ("log", json!({"as": "LOG"})),
        (
            "monitor",
            json!({"alarms": [{"of": "self", "metric": "restarts", "above": 3, "for": "5m"}]}),
        ),
        ("bind", json!({"to": "data/rds", "access": "readwrite", "as": "DB"})),
        ("bind", json!({"to": "data/slb"})),
    ];
    for kind in ["Deployment", "CronJob"] {
        let asked: Vec<_> = cases
            .iter()
            .map(|(declares, properties)| case(of(declares), kind, properties))
            .collect();
        for ((declares, properties), rendered) in cases.iter().zip(render(&json!(asked))) {
            let about = format!("{declares} {properties} on a {kind}: {rendered}");
            assert!(rendered["error"].is_null(), "{about}");
            let (name, spec) = ours(of(declares), properties);
            let emitted = &rendered["outputs"][&spec.name];
            assert_eq!(emitted["metadata"]["name"], name, "{about}");
            let secret = properties["secretName"].as_str().unwrap_or(&name);
            let variables = env_of(&spec, target(properties.get("to")).as_ref()).expect("it can be told");
            let variables = variables
                .into_iter()
                .map(|(variable, key)| (variable, (secret.to_owned(), key)));
            assert_eq!(
                patched(&rendered["workload"]),
                variables.collect::<BTreeMap<_, _>>(),
                "{about}"
            );

            let mut said = emitted["spec"].clone();
            assert_eq!(said[*declares]["inject"], false, "{about}");
            said[*declares]["inject"] = properties["inject"].clone();
            let said: CloudResourceSpec = serde_json::from_value(said).expect("it fits the type");
            assert_eq!(said, spec, "{about}");
        }
    }
}

#[test]
fn a_bind_whose_variables_cannot_be_known_leaves_them_to_mooring() {
    let properties = [
        json!({"to": "data/orders"}),
        json!({"to": "data/orders", "inject": false}),
    ];
    let asked: Vec<_> = properties
        .iter()
        .map(|properties| case(Declares::Bind, "Deployment", properties))
        .collect();
    let rendered = render(&json!(asked));
    for rendered in &rendered {
        assert!(patched(&rendered["workload"]).is_empty(), "{rendered}");
    }
    assert!(rendered[0]["outputs"]["bind"]["spec"]["bind"].get("inject").is_none());
    assert_eq!(rendered[1]["outputs"]["bind"]["spec"]["bind"]["inject"], false);
}

#[test]
fn the_environment_of_an_application_goes_along() {
    let mut one = case(of("rds"), "Deployment", &json!({"engine": "mysql"}));
    one["labels"] = json!({"mooring.dev/environment": "prod"});
    let rendered = render(&json!([one]));
    assert_eq!(
        rendered[0]["outputs"]["rds"]["spec"]["environment"], "prod",
        "{rendered:?}"
    );
}

#[test]
fn what_was_bound_once_is_healthy_and_ready_says_the_rest() {
    let declares = of("rds");
    let with = |name: &str, status: Json| {
        let mut one = case(declares, "Deployment", &json!({"engine": "mysql", "name": name}));
        one["outputs"] = json!({name: {"status": status}});
        one
    };
    let ready = |is: &str, reason: &str| json!([{"type": "Synced", "status": "True"}, {"type": "Ready", "status": is, "reason": reason, "message": "why"}]);
    let mut unseen = with("rds", json!({}));
    unseen["outputs"] = json!({"rds": {}});
    let asked = json!([
        unseen,
        with("rds", json!({"conditions": ready("False", "Creating")})),
        with(
            "db",
            json!({"conditions": ready("True", "Available"), "binding": {"name": "s"}})
        ),
        with(
            "rds",
            json!({"conditions": ready("False", "Updating"), "binding": {"name": "s"}})
        ),
        with(
            "rds",
            json!({"conditions": ready("False", "Lost"), "binding": {"name": "s"}})
        ),
    ]);
    let told: Vec<_> = render(&asked)
        .iter()
        .map(|told| (told["healthy"].clone(), told["message"].clone()))
        .collect();
    let expected = [
        (false, "Mooring has not seen it yet; is its operator running?"),
        (false, "Creating: why"),
        (true, "Available: why"),
        (true, "Updating: why"),
        (false, "Lost: why"),
    ];
    assert_eq!(
        told,
        expected.map(|(healthy, message)| (json!(healthy), json!(message)))
    );
}

#[test]
fn what_a_developer_may_not_write_is_refused_by_name() {
    let declares = of("rds");
    let wrong = [
        (json!({"engine": "mysql", "sizee": "small"}), "sizee"),
        (json!({"engine": "oracle"}), "engine"),
        (json!({"engine": "mysql", "backup": {"keep": "7d"}}), "keep"),
        (
            json!({"engine": "mysql", "highAvailability": "yes"}),
            "highAvailability",
        ),
        (json!({}), "engine"),
    ];
    let asked: Vec<_> = wrong
        .iter()
        .map(|(properties, _)| case(declares, "Deployment", properties))
        .collect();
    for ((properties, word), told) in wrong.iter().zip(render(&json!(asked))) {
        let error = told["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{properties} is taken: {told}"));
        assert!(error.contains(word), "{properties}: {error}");
    }
}

#[test]
fn vela_show_reads_well() {
    for declares in Declares::ALL {
        let template = template(declares);
        let shown = ask(&["show", declares.as_str()], template.as_str().expect("a template"));
        for word in [
            "name",
            "Its name within the component",
            "secretName",
            "The name of the Secret.",
        ] {
            assert!(shown.contains(word), "{declares}: {word} is not in\n{shown}");
        }
    }
    let shown = ask(&["show", "rds"], template(of("rds")).as_str().expect("a template"));
    for word in ["\"mysql\"", "high", "Backups.", "By default 20Gi"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
}
