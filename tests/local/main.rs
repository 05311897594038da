//! The clusterless front by its command line, on the mock cloud in a state directory of each test's own.

mod alibaba;
mod input;
mod keeping;
mod later;
mod locked;
mod plan;
mod snapshot;
mod trouble;
mod workplace;

use std::os::unix::fs::PermissionsExt;

use mooring_provider::Kind;
use serde_json::{Value as Json, json};
use workplace::{Workplace, shop};

const SHOP: &str = "default/shop/web/rds";

fn production(workplace: &Workplace, after: &str) -> String {
    format!(
        r#"
---
apiVersion: mooring.dev/v1alpha1
kind: ProviderConfig
metadata: {{name: cloud}}
spec:
  mock: {{state: {}, requiresCredentials: true}}
  credentials: {{secretRef: {{name: cloud}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: cloud}}
stringData: {{token: t0ken-of-the-cloud}}
---
apiVersion: mooring.dev/v1alpha1
kind: Environment
metadata: {{name: production}}
spec:
  class: production
  providers: {{default: cloud}}
  network:
    id: vpc-shared
    subnets: [{{id: vsw-shared-a}}]
    clients: {{cidrs: [10.0.0.0/8]}}
    dedicated: {{allow: true, cidrPool: 10.64.0.0/10}}
  deletion: {{rds: {{policy: Recycle, after: {after}}}, log: {{policy: Retain}}}}
  allowedNamespaces: {{}}
"#,
        workplace.path("cloud.json").display()
    )
}

#[test]
fn up_inventory_and_down_in_one_command_each() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    let up = workplace.run(&["up", "-f", &file]).ok();
    for part in [
        "shop-web-vpc",
        "shop-web-rds",
        "shop-web-slb",
        "shop-web-log",
        "shop-web-monitor",
        "web.env",
        "ENDPOINT",
    ] {
        assert!(up.stdout.contains(part), "{part} in {up:?}");
    }
    assert!(
        up.stderr
            .contains("web/rds (rds): WaitingFor: waits for default/shop/web/vpc"),
        "{up:?}"
    );
    assert_eq!(workplace.cloud().list().len(), 5);
    let listed = workplace.json(&["ls", "-o", "json"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(5));
    let down = workplace.run(&["down", "-f", &file]).ok();
    let order: Vec<_> = down
        .stdout
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!((order[0], order[4]), ("monitor", "vpc"), "{down:?}");
    assert!(down.stdout.matches("deleted").count() == 5, "{down:?}");
    assert!(workplace.cloud().list().is_empty());
    assert!(!workplace.path(".mooring/env/default/shop").exists());
    let secrets: Json = serde_json::from_str(&workplace.read(".mooring/credentials.json")).expect("JSON");
    assert_eq!(secrets, json!({"accounts": {}, "providers": {}}));
}

#[test]
fn what_scripts_read_has_just_this_shape() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    let up = workplace.json(&["up", "-f", &file, "-o", "json"]);
    let names = |json: &Json| -> Vec<String> { json.as_object().expect("an object").keys().cloned().collect() };
    let mut members = names(&up);
    members.sort();
    assert_eq!(members, ["application", "env", "environment", "resources"]);
    assert_eq!(
        (&up["application"], &up["environment"]),
        (&json!("shop"), &json!("mock"))
    );
    let kinds: Vec<_> = up["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| r["kind"].as_str())
        .collect();
    assert_eq!(kinds.len(), 5, "{up}");
    for resource in up["resources"].as_array().expect("a list") {
        let mut members = names(resource);
        members.sort();
        assert_eq!(members, ["endpoint", "externalId", "kind", "name", "provider", "ready"]);
        assert_eq!(
            (&resource["ready"], &resource["provider"]),
            (&json!(true), &json!("mock"))
        );
        assert!(resource["externalId"].is_string());
    }
    for component in ["web", "report"] {
        let path = up["env"][component].as_str().expect("a path");
        let mode = std::fs::metadata(workplace.path(path))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let inventory = workplace.json(&["inventory", "-o", "json"]);
    let entries = inventory.as_array().expect("a list");
    assert_eq!(entries.len(), 5);
    for entry in entries {
        let mut members = names(entry);
        members.sort();
        assert_eq!(members, ["externalId", "kind", "owner", "provider", "state"]);
        assert_eq!(entry["state"], "owned");
    }
    let yaml = workplace.run(&["inventory", "-o", "yaml"]).ok();
    assert!(yaml.stdout.contains("state: owned"), "{yaml:?}");
}

#[test]
fn what_is_written_works_and_a_second_up_changes_nothing() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    let (web, report) = (workplace.env("web"), workplace.env("report"));
    let database = workplace.only(Kind::Rds);
    let cloud = workplace.cloud();
    assert!(
        cloud
            .login(&database, &web["DB_USERNAME"], &web["DB_PASSWORD"])
            .is_some()
    );
    let access = cloud.login(&database, &report["DB_USERNAME"], &report["DB_PASSWORD"]);
    assert_eq!(access, Some(mooring_provider::Access::ReadOnly));
    assert_ne!(web["DB_USERNAME"], report["DB_USERNAME"]);
    assert!(web["DB_URI"].contains(&web["DB_PASSWORD"]));
    let before = workplace.read(".mooring/mock-cloud.json");
    workplace.run(&["up", "-f", &file]).ok();
    assert_eq!(
        workplace.read(".mooring/mock-cloud.json"),
        before,
        "no call of the second run changed anything"
    );
    assert_eq!(workplace.env("web"), web);
}

#[test]
fn a_change_is_made_in_place_and_what_is_no_longer_declared_goes() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    let database = workplace.only(Kind::Rds);
    workplace.cloud().write(&database, "a row");
    let (head, _) = shop()
        .split_once("    - name: report")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("two");
    let changed = head.replace("as: DB}", "as: DB, size: large}").replace(
        "        - type: log\n          properties: {sources: [stdout], retention: 7d}\n",
        "",
    );
    std::fs::write(workplace.path("shop.yaml"), changed).expect("written");
    let up = workplace.run(&["up", "-f", &file]).ok();
    assert!(
        up.stdout.contains("default/shop/web/log: no longer declared: deleted"),
        "{up:?}"
    );
    assert_eq!(workplace.only(Kind::Rds), database, "the same database");
    assert_eq!(workplace.cloud().rows(&database), Some(vec!["a row".to_owned()]));
    assert!(
        workplace
            .cloud()
            .list()
            .iter()
            .all(|resource| resource.kind != Kind::Log)
    );
    assert!(!workplace.path(".mooring/env/default/shop/report.env").exists());
    let accounts = workplace.cloud().get(&database).expect("there").accounts;
    assert_eq!(
        accounts.keys().collect::<Vec<_>>(),
        ["shop"],
        "the account of the bind is dropped"
    );
    assert!(!workplace.read(".mooring/credentials.json").contains("report"));
    let plan = workplace.run(&["plan", "-f", &file]).ok().stdout;
    assert!(plan.contains("mock.large"), "{plan}");
}

#[test]
fn a_refused_change_fails_and_leaves_everything_running() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    std::fs::write(
        workplace.path("shop.yaml"),
        shop().replace("engine: mysql", "engine: postgresql"),
    )
    .expect("written");
    let up = workplace.run(&["up", "-f", &file]).code(1);
    assert!(
        up.stdout.contains("ImmutableField") && up.stdout.contains("declared postgresql"),
        "{up:?}"
    );
    assert_eq!(workplace.cloud().list().len(), 5);
}

#[test]
fn down_succeeds_where_nothing_is_and_needs_no_good_file() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    let down = workplace.run(&["down", "-f", &file]).ok();
    assert!(down.stdout.contains("nothing is there"), "{down:?}");
    assert!(!workplace.path(".mooring").exists());
    workplace.run(&["up", "-f", &file]).ok();
    std::fs::write(
        workplace.path("shop.yaml"),
        shop().replace("engine: mysql", "engin: mysql"),
    )
    .expect("written");
    workplace.run(&["up", "-f", &file]).code(2);
    assert_eq!(workplace.cloud().list().len(), 5, "what runs is left running");
    workplace.run(&["down", "-f", &file]).ok();
    assert!(workplace.cloud().list().is_empty());
    workplace.run(&["down", "-f", &file]).ok();
    workplace.run(&["down", "team-a/unknown"]).ok();
}

#[test]
fn new_credentials_work_and_the_old_ones_do_not() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    let (web, report) = (workplace.env("web"), workplace.env("report"));
    let rotated = workplace.run(&["rotate", "default/shop/report/bind"]).ok();
    assert!(rotated.stdout.contains("report.env"), "{rotated:?}");
    let new = workplace.env("report");
    let (cloud, database) = (workplace.cloud(), workplace.only(Kind::Rds));
    assert_ne!(new["DB_PASSWORD"], report["DB_PASSWORD"]);
    assert!(
        cloud
            .login(&database, &new["DB_USERNAME"], &new["DB_PASSWORD"])
            .is_some()
    );
    assert!(
        cloud
            .login(&database, &report["DB_USERNAME"], &report["DB_PASSWORD"])
            .is_none()
    );
    assert!(
        cloud
            .login(&database, &web["DB_USERNAME"], &web["DB_PASSWORD"])
            .is_some(),
        "the other is untouched"
    );
    let unknown = workplace.run(&["rotate", "default/shop/web/log"]).code(1);
    assert!(unknown.stderr.contains(SHOP), "{unknown:?}");
}

#[test]
fn no_secret_is_anywhere_but_where_it_belongs() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["--log", "trace", "up", "-f", &file]).ok();
    workplace.run(&["--log", "trace", "up", "-f", &file, "-o", "json"]).ok();
    workplace.run(&["--log", "trace", "plan", "-f", &file]).ok();
    workplace.run(&["--log", "trace", "rotate", SHOP]).ok();
    workplace.run(&["ls", "-o", "yaml"]).ok();
    for component in ["web", "report"] {
        workplace.shows_no(&workplace.env(component)["DB_PASSWORD"]);
    }
    workplace.run(&["--log", "trace", "down", "-f", &file]).ok();
}

#[test]
fn an_application_stays_in_its_environment() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    let all = workplace.write("all.yaml", &format!("{}{}", shop(), production(&workplace, "7d")));
    workplace.run(&["up", "-f", &all]).ok();
    assert!(!workplace.path("cloud.json").exists(), "it stays where it is");
    let moved = workplace
        .run(&["up", "-f", &all, "--environment", "production"])
        .code(2);
    assert!(
        moved.stderr.contains("EnvironmentPinned") && moved.stderr.contains("is in Environment `mock`"),
        "{moved:?}"
    );
}
