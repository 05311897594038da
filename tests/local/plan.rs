//! `plan`: what would be done, what an environment does differently, and what it cannot do.

use mooring_provider::Kind;
use serde_json::{Value as Json, json};

use crate::{
    SHOP, production,
    workplace::{Workplace, shop},
};

/// The resource of that name in a plan.
fn planned<'a>(plan: &'a Json, name: &str) -> &'a Json {
    let resources = plan["resources"].as_array().expect("a list");
    let found = resources.iter().find(|resource| resource["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {plan}"))
}

/// An Environment at the mock cloud.
fn environment(name: &str, spec: &str) -> String {
    let head = "---\napiVersion: mooring.dev/v1alpha1\nkind: Environment\nmetadata:";
    format!("{head} {{name: {name}}}\nspec: {{allowedNamespaces: {{}}, {spec}}}\n")
}

#[test]
fn plan_says_what_would_be_done_and_does_nothing() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    let action = |plan: &Json, name: &str| planned(plan, name)["action"].clone();
    let plan = workplace.json(&["plan", "-f", &file, "-o", "json"]);
    assert_eq!(action(&plan, "shop-web-rds"), "create");
    assert!(!workplace.path(".mooring").exists(), "a plan leaves nothing behind");
    workplace.run(&["up", "-f", &file]).ok();
    let plan = workplace.json(&["plan", "-f", &file, "-o", "json"]);
    for name in [
        "shop-web-vpc",
        "shop-web-rds",
        "shop-web-slb",
        "shop-web-log",
        "shop-web-monitor",
    ] {
        assert_eq!(action(&plan, name), "keep", "{plan}");
    }
    let changed = shop()
        .replace(
            "{engine: mysql, as: DB}",
            "{engine: mysql, as: DB, size: large, options: {aliyun: {x: 1}}}",
        )
        .replace("network: dedicated", "network: dedicated, cidr: 10.64.0.0/20")
        .replace(
            "        - type: log\n          properties: {sources: [stdout], retention: 7d}\n",
            "",
        );
    let changed = workplace.write("changed.yaml", &changed);
    let plan = workplace.json(&["plan", "-f", &changed, "-o", "json"]);
    assert_eq!(action(&plan, "shop-web-rds"), "change");
    assert_eq!(action(&plan, "shop-web-vpc"), "replace");
    assert_eq!(action(&plan, "shop-web-log"), "delete");
    let text = workplace.run(&["plan", "-f", &changed]).ok().stdout;
    for part in [
        "mock.small → mock.large",
        "(trait)",
        "(built-in)",
        "not applied here: options.aliyun",
        "no longer declared",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    workplace.cloud().destroy(&workplace.only(Kind::Rds));
    let text = workplace.run(&["plan", "-f", &file]).ok().stdout;
    assert!(
        text.contains("Lost") && text.contains(&format!("mooring approve recreate {SHOP}")),
        "{text}"
    );
}

/// A place that can do less says so before anything is made, for all resources at once.
#[test]
fn plan_says_what_an_environment_does_differently_and_what_it_cannot_do() {
    let workplace = Workplace::new();
    let poor = environment(
        "poor",
        "providers: {default: mock, log: none, monitor: nowhere}, engines: {mysql: {mock: mariadb}}, \
         enforce: {rds: {highAvailability: true}}, network: {id: vpc-shared}",
    );
    let file = workplace.write("shop.yaml", &format!("{}{poor}", shop()));
    let ran = workplace
        .run(&["plan", "-f", &file, "--environment", "poor", "-o", "json"])
        .code(2);
    let plan: Json = serde_json::from_str(&ran.stdout).expect("JSON");
    let of = |name: &str| planned(&plan, name);
    assert_eq!(of("shop-web-log")["action"], "skip");
    for (name, words) in [
        ("shop-web-vpc", "allows no dedicated networks"),
        ("shop-web-monitor", "ProviderConfig `nowhere`"),
    ] {
        let refused = of(name);
        let why = refused["why"][0].as_str().expect("a reason");
        assert!(refused["action"] == "refused" && why.contains(words), "{refused}");
        assert!(why.starts_with("shop.yaml, document 1"), "{why}");
    }
    // What is wrong with the network is not told of the database in it again.
    let database = of("shop-web-rds");
    assert_eq!(database["action"], "create");
    let values = database["values"].as_array().expect("values");
    let engine = values.iter().find(|value| value["field"] == "engine served as");
    assert_eq!(engine.expect("a substitute is shown")["value"], "mariadb");
    assert!(database["notes"].to_string().contains("no standby"), "{database}");
    assert!(of("shop-web-slb")["notes"].to_string().contains("`targets`"), "{plan}");
    assert!(
        ran.stderr.contains("2 of 5 cannot be had in Environment `poor`"),
        "{ran:?}"
    );
    let text = workplace
        .run(&["plan", "-f", &file, "--environment", "poor"])
        .code(2)
        .stdout;
    assert!(
        text.contains("note: highAvailability") && text.contains("refused  shop-web-vpc"),
        "{text}"
    );
    let up = workplace.run(&["up", "-f", &file, "--environment", "poor"]).code(2);
    assert!(
        up.stderr.contains("no dedicated networks") && up.stderr.contains("`nowhere`"),
        "{up:?}"
    );
    assert!(!workplace.path(".mooring").exists(), "nothing is made");
}

#[test]
fn plan_looks_at_another_environment_than_the_one_it_is_in() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    let all = workplace.write("all.yaml", &format!("{}{}", shop(), production(&workplace, "7d")));
    let before = workplace.read(".mooring/mock-cloud.json");
    let plan = workplace.json(&["plan", "-f", &all, "--environment", "production", "-o", "json"]);
    assert_eq!(plan["environment"], "production");
    for resource in plan["resources"].as_array().expect("a list") {
        assert_eq!(resource["action"], "create", "{plan}");
    }
    assert!(
        plan["notes"]
            .to_string()
            .contains("is in Environment `mock` and stays there"),
        "{plan}"
    );
    let own = workplace.json(&["plan", "-f", &all, "-o", "json"]);
    assert_eq!(
        (&own["environment"], &planned(&own, "shop-web-rds")["action"]),
        (&json!("mock"), &json!("keep"))
    );
    assert_eq!(workplace.read(".mooring/mock-cloud.json"), before);
    assert!(!workplace.path("cloud.json").exists(), "nothing is made there");
}

#[test]
fn without_a_cluster_requests_go_to_the_targets() {
    let workplace = Workplace::new();
    let listeners = "listeners: [{port: 80, targetPort: 8080, protocol: http, healthCheck: {path: /}}]";
    assert!(shop().contains(listeners));
    let with = |targets: &str| shop().replace(listeners, &format!("{listeners}\n            targets: {targets}"));
    let file = workplace.write("shop.yaml", &with("['127.0.0.1:8081', '127.0.0.1:8082']"));
    workplace.run(&["up", "-f", &file]).ok();
    let behind = || {
        let balancer = workplace.cloud().get(&workplace.only(Kind::Slb)).expect("it is there");
        serde_json::to_value(balancer.settings).expect("JSON")["slb"]["backends"].clone()
    };
    let backend = |port: u16| json!({"targetPort": 8080, "address": "127.0.0.1", "port": port});
    assert_eq!(behind(), json!([backend(8081), backend(8082)]));
    let file = workplace.write("shop.yaml", &with("['127.0.0.1:8082']"));
    let plan = workplace.json(&["plan", "-f", &file, "-o", "json"]);
    assert_eq!(planned(&plan, "shop-web-slb")["action"], "change");
    workplace.run(&["up", "-f", &file]).ok();
    assert_eq!(behind(), json!([backend(8082)]));
    let file = workplace.write("shop.yaml", &with("['127.0.0.1:none']"));
    let ran = workplace.run(&["up", "-f", &file]).code(2);
    assert!(
        ran.stderr.contains("targets[0]: `127.0.0.1:none`: is no address"),
        "{ran:?}"
    );
}
