mod bad;

use mooring_provider::Kind;
use serde_json::{Value as Json, json};

use super::*;

fn application(spec: Json) -> Declared {
    let spec: ApplicationSpec = serde_json::from_value(spec).expect("an application");
    declare("team-a", "shop", &spec)
}

fn with_traits(web: Json, report: Json) -> Declared {
    application(json!({"components": [
        {"name": "web", "type": "webservice", "properties": {"image": "shop:1.0"}, "traits": web},
        {"name": "report", "type": "worker", "properties": {"image": "report:1.0"}, "traits": report},
    ]}))
}

fn names(declared: &Declared) -> Vec<String> {
    declared
        .resources
        .iter()
        .map(|resource| format!("{}/{}", resource.key.component, resource.key.name))
        .collect()
}

#[test]
fn an_application_declares_in_order_what_its_traits_say() {
    let declared = with_traits(
        json!([
            {"type": "monitor", "properties": {"alarms": [{"of": "rds", "metric": "connections", "above": "80%"}]}},
            {"type": "rds", "properties": {"engine": "mysql", "as": "DB"}},
            {"type": "slb", "properties": {"listeners": [{"port": 80, "targetPort": 8080, "protocol": "http"}]}},
            {"type": "log"},
            {"type": "vpc", "properties": {"network": "dedicated", "name": "net"}},
        ]),
        json!([{"type": "bind", "properties": {"to": "web/rds", "access": "readonly", "as": "DB"}}]),
    );
    assert_eq!(declared.problems, []);
    assert_eq!(declared.unhandled, []);
    assert_eq!(
        names(&declared),
        ["web/net", "web/rds", "web/slb", "web/log", "web/monitor", "report/bind"]
    );
    let after = |index: usize| -> Vec<String> {
        declared
            .after(&declared.resources[index])
            .iter()
            .map(|key| key.name.clone())
            .collect()
    };
    assert_eq!(after(0), [""; 0]);
    assert_eq!(
        [after(1), after(2), after(4), after(5)],
        [["net"], ["net"], ["rds"], ["rds"]]
    );
    for resource in &declared.resources {
        let spec = resource.to_spec().expect("it was judged");
        assert_eq!(Declaration::from_spec("team-a", &spec).as_ref(), Some(resource));
    }
}

#[test]
fn traits_of_one_name_are_both_left_alone() {
    let declared = with_traits(
        json!([
            {"type": "rds", "properties": {"engine": "mysql"}},
            {"type": "rds", "properties": {"engine": "postgresql", "as": "PG"}},
        ]),
        json!([{"type": "bind", "properties": {"to": "web/rds"}}]),
    );
    assert_eq!(declared.problems.len(), 1, "{:?}", declared.problems);
    assert!(
        declared.problems[0]
            .to_string()
            .contains("give one of them another `name`")
    );
    assert!(
        declared.keeps(&Key::new("team-a", "shop", "web", "rds")),
        "what it provisioned before is left running"
    );
    assert!(!declared.keeps(&Key::new("team-a", "shop", "web", "slb")));
    assert_eq!(names(&declared), ["report/bind"]);
}

#[test]
fn two_traits_cannot_be_one_cloud_resource_nor_one_variable_nor_two_networks() {
    let cloud_resource = application(json!({"components": [
        {"name": "web", "type": "worker", "traits": [{"type": "log", "properties": {"name": "a-log"}}]},
        {"name": "web-a", "type": "worker", "traits": [{"type": "log"}]},
    ]}));
    assert!(
        cloud_resource.problems[0].to_string().contains("`shop-web-a-log`"),
        "{:?}",
        cloud_resource.problems
    );

    let variable = with_traits(
        json!([
            {"type": "rds", "properties": {"engine": "mysql", "as": "DB"}},
            {"type": "rds", "properties": {"engine": "mysql", "as": "DB", "name": "second"}},
            {"type": "rds", "properties": {"engine": "mysql", "as": "DB", "name": "third", "inject": false}},
        ]),
        json!([{"type": "bind", "properties": {"to": "web/rds", "as": "DB"}}]),
    );
    assert_eq!(variable.problems.len(), 1, "{:?}", variable.problems);
    assert_eq!(variable.problems[0].trait_name.as_deref(), Some("second"));

    let networks = with_traits(
        json!([{"type": "vpc", "properties": {"network": "dedicated"}}]),
        json!([{"type": "vpc", "properties": {"network": "dedicated"}}, {"type": "vpc", "properties": {"name": "other"}}]),
    );
    assert_eq!(networks.problems.len(), 1, "{:?}", networks.problems);
    assert!(networks.problems[0].to_string().contains("`web/vpc`"));
}

#[test]
fn a_slip_of_the_pen_tears_nothing_down() {
    let key = Key::new("team-a", "shop", "web", "rds");
    for (slip, spec) in [
        (
            "the type of a trait",
            json!({"components": [
                {"name": "web", "type": "webservice", "traits": [{"type": "rdss", "properties": {"engine": "mysql"}}]},
            ]}),
        ),
        (
            "the type of a component",
            json!({"components": [{"name": "web", "type": "webservce"}]}),
        ),
        (
            "a field of a component",
            json!({"components": [
                {"name": "web", "type": "webservice", "trait": [{"type": "rds", "properties": {"engine": "mysql"}}]},
            ]}),
        ),
        (
            "the components themselves",
            json!({"component": [{"name": "web", "type": "webservice"}]}),
        ),
    ] {
        let declared = application(spec);
        assert!(declared.keeps(&key) && !declared.is_legible(), "{slip}");
    }
    let removed = application(json!({"components": [
        {"name": "web", "type": "webservice", "traits": [{"type": "scaler"}]},
    ]}));
    assert!(
        !removed.keeps(&key) && removed.is_legible(),
        "what is not declared goes"
    );
}

#[test]
fn what_is_not_ours_is_named() {
    let declared = application(json!({
        "components": [
            {"name": "web", "type": "webservce", "dependsOn": ["db"], "traits": [{"type": "scaler"}, {"type": "rdss"}]},
        ],
        "policies": [{"name": "p", "type": "topology"}],
        "workflow": {"steps": []},
    }));
    let shown: Vec<_> = declared.unhandled.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "trait `scaler` of component `web`",
            "trait `rdss` of component `web` (did you mean `rds`?)",
            "type `webservce` of component `web` (did you mean `webservice`?)",
            "`dependsOn` of component `web`",
            "policy `topology`",
            "`workflow`",
        ]
    );
    assert_eq!(declared.problems, []);
}

#[test]
fn an_unknown_component_may_be_a_namespace() {
    let declared = with_traits(
        json!([{"type": "bind", "properties": {"to": "team-b/shop-web-rds"}}]),
        json!([]),
    );
    assert_eq!(declared.problems, []);
    assert_eq!(
        bind_target(&declared.resources[0], &declared.resources),
        Some(Target::Foreign {
            namespace: "team-b".into(),
            name: "shop-web-rds".into()
        })
    );
}

#[test]
fn components_have_names_of_their_own() {
    let declared = application(json!({"components": [
        {"name": "Web", "type": "worker"}, {"name": "a", "type": "worker"}, {"name": "a", "type": "worker"},
    ]}));
    let shown: Vec<_> = declared.problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(
        shown[0].contains("component `Web`: name: `Web`: must be a DNS label"),
        "{shown:?}"
    );
}

#[test]
fn a_use_has_the_variables_it_asks_for() {
    let of = |kind: Kind, properties: Json| {
        let properties = properties.as_object().cloned().expect("an object");
        Consumption::of(Declares::Resource(kind), Some(kind), "my-rds", &properties)
    };
    assert_eq!(of(Kind::Rds, json!({})).prefix.as_deref(), Some("MY_RDS"));
    assert_eq!(
        of(Kind::Rds, json!({"as": "DB"})).env_names(Kind::Rds)["DB_HOST"],
        "host"
    );
    assert!(!of(Kind::Slb, json!({})).inject);
    assert!(of(Kind::Slb, json!({"as": "LB"})).inject);
    assert!(of(Kind::Log, json!({"push": true})).inject);
    let templates = of(Kind::Slb, json!({"env": {"URL": "http://{host}"}}));
    assert_eq!(templates.env_names(Kind::Slb).into_keys().collect::<Vec<_>>(), ["URL"]);
}

#[test]
fn documents_of_our_kinds_are_checked_without_an_api_server() {
    let rds = json!({"application": "a", "component": "b", "name": "c", "rds": {"engine": "mysql"}});
    let cases = [
        ("CloudResource", rds.clone(), None),
        (
            "CloudResource",
            json!({"application": "a", "component": "b", "name": "c"}),
            Some(("spec", "exactly one of vpc, slb")),
        ),
        (
            "CloudResource",
            json!({"application": "A", "component": "b", "name": "c", "log": {}}),
            Some(("spec.application", "does not have the form")),
        ),
        ("ProviderConfig", json!({"mock": {"anything": 1}}), None),
        (
            "ProviderConfig",
            json!({"mock": {}, "onprem": {}}),
            Some(("spec", "exactly one of aliyun")),
        ),
        (
            "Environment",
            json!({"providers": {"default": "mock"}, "allowedNamespaces": {}}),
            None,
        ),
        (
            "Environment",
            json!({"providers": {"default": "mock"}, "limits": {"rsd": {"count": 1}}}),
            Some(("spec.limits.rsd", "did you mean `rds`")),
        ),
        (
            "Environment",
            json!({"class": "prod", "providers": {}}),
            Some(("spec.class", "development, production")),
        ),
        ("Environment", json!({}), Some(("spec.providers", "is missing"))),
    ];
    for (kind, spec, expected) in cases {
        let problems = check_document(kind, &spec).expect("one of ours");
        match (problems.as_slice(), expected) {
            ([], None) => {}
            ([problem], Some((field, words))) => {
                assert_eq!(problem.field, field, "{problem}");
                assert!(problem.to_string().contains(words), "{problem}");
            }
            (problems, expected) => panic!("{problems:?}, expected {expected:?} of {spec}"),
        }
    }
    assert_eq!(check_document("Deployment", &rds), None);
}
