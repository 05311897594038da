//! The clusterless front by its command line, on the mock cloud in a state directory of each test's own.

mod input;
mod later;
mod workplace;

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use mooring_provider::{ExternalId, Kind};
use serde_json::{Value as Json, json};
use workplace::{Ran, Workplace, shop};

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
fn plan_says_what_would_be_done_and_does_nothing() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    let action = |plan: &Json, name: &str| -> String {
        let resources = plan["resources"].as_array().expect("a list");
        let found = resources.iter().find(|resource| resource["name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {plan}"))["action"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
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
fn killed_at_any_moment_it_goes_on_without_a_duplicate_or_an_orphan() {
    for millis in [60, 150, 300, 450, 650, 900] {
        let workplace = Workplace::new();
        let file = workplace.write("shop.yaml", &shop());
        workplace.killed(&["up", "-f", &file], Duration::from_millis(millis));
        workplace.run(&["up", "-f", &file]).ok();
        assert_eq!(workplace.cloud().created(), 5, "killed after {millis} ms");
        let inventory = workplace.json(&["inventory", "-o", "json"]);
        let states: Vec<_> = inventory
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| &entry["state"])
            .collect();
        assert_eq!(states, vec!["owned"; 5], "killed after {millis} ms");
        workplace.killed(&["down", "-f", &file], Duration::from_millis(millis / 2));
        workplace.run(&["down", "-f", &file]).ok();
        assert!(workplace.cloud().list().is_empty(), "killed after {} ms", millis / 2);
    }
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
fn what_is_kept_stays_and_comes_back_with_its_rows() {
    let workplace = Workplace::new();
    let all = workplace.write("all.yaml", &format!("{}{}", shop(), production(&workplace, "7d")));
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &all]).ok();
    let cloud = workplace.cloud_at("cloud.json");
    let database = cloud
        .list()
        .into_iter()
        .find(|r| r.kind == Kind::Rds)
        .expect("a database")
        .id;
    cloud.write(&database, "a row");
    // Neither the Environment nor the credentials are in this file.
    let down = workplace.run(&["down", "-f", &file]).ok();
    let line = |key: &str| {
        down.stdout
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        line(SHOP).contains("parked") && line(SHOP).contains("until 20"),
        "{down:?}"
    );
    assert!(line("default/shop/web/log").contains("retained"), "{down:?}");
    assert!(line("default/shop/web/slb").contains("deleted"), "{down:?}");
    let inventory = workplace.json(&["inventory", "-f", &all, "-o", "json"]);
    let state = |kind: &str| {
        inventory
            .as_array()
            .expect("a list")
            .iter()
            .find(|entry| entry["kind"] == kind)
            .map(|entry| entry["state"].clone())
    };
    assert_eq!(
        (state("rds"), state("log"), state("slb")),
        (Some("parked".into()), Some("retained".into()), None)
    );
    let plan = workplace.run(&["plan", "-f", &all]).ok().stdout;
    assert!(plan.contains("reclaim  shop-web-rds"), "{plan}");
    workplace.run(&["up", "-f", &all]).ok();
    assert_eq!(
        cloud.rows(&database),
        Some(vec!["a row".to_owned()]),
        "the same database, with its rows"
    );
    let web = workplace.env("web");
    assert!(
        cloud
            .login(&database, &web["DB_USERNAME"], &web["DB_PASSWORD"])
            .is_some()
    );
    workplace.shows_no("t0ken-of-the-cloud");
}

#[test]
fn what_is_parked_is_deleted_by_any_command_after_its_time() {
    let workplace = Workplace::new();
    let all = workplace.write("all.yaml", &format!("{}{}", shop(), production(&workplace, "1s")));
    workplace.run(&["up", "-f", &all]).ok();
    workplace.run(&["down", "-f", &all]).ok();
    let cloud = workplace.cloud_at("cloud.json");
    assert!(cloud.list().iter().any(|resource| resource.kind == Kind::Rds));
    std::thread::sleep(Duration::from_millis(1100));
    let listed = workplace.run(&["ls"]).ok();
    assert!(listed.stderr.contains("its time was over"), "{listed:?}");
    assert!(
        cloud.list().iter().all(|resource| resource.kind == Kind::Log),
        "only the log was to be retained"
    );
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
fn a_lost_database_is_never_replaced_without_a_word() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    workplace.cloud().destroy(&workplace.only(Kind::Rds));
    workplace.cloud().destroy(&workplace.only(Kind::Slb));
    let up = workplace.run(&["up", "-f", &file]).code(1);
    assert!(up.stdout.contains("shop-web-rds: Lost"), "{up:?}");
    assert!(
        workplace.cloud().list().iter().any(|r| r.kind == Kind::Slb),
        "a balancer is made anew"
    );
    assert!(workplace.cloud().list().iter().all(|r| r.kind != Kind::Rds));
    workplace.run(&["approve", "recreate", SHOP]).ok();
    workplace.run(&["up", "-f", &file]).ok();
    workplace.cloud().destroy(&workplace.only(Kind::Rds));
    workplace.run(&["up", "-f", &file]).code(1);
    workplace.run(&["approve", "abandon", SHOP]).ok();
    let unknown = workplace
        .run(&["approve", "delete", "default/shop/web/nothing"])
        .code(1);
    assert!(unknown.stderr.contains("nothing is on record"), "{unknown:?}");
}

#[test]
fn a_ledger_that_was_lost_costs_nothing() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(workplace.path(".mooring").join(name));
    }
    workplace.run(&["up", "-f", &file]).ok();
    assert_eq!(workplace.cloud().created(), 5, "nothing was made twice");
    std::fs::remove_file(workplace.path(".mooring/ledger.db")).expect("removed");
    workplace.run(&["down", "-f", &file]).ok();
    assert!(workplace.cloud().list().is_empty());
}

#[test]
fn a_ledger_that_cannot_be_used_is_told_and_nothing_is_made() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    std::fs::create_dir(workplace.path(".mooring")).expect("made");
    std::fs::write(
        workplace.path(".mooring/ledger.db"),
        "this is no database, and long enough to be read as one",
    )
    .expect("written");
    let up = workplace.run(&["up", "-f", &file]).code(1);
    assert!(
        up.stderr.contains("ledger") && up.stderr.contains("not a database"),
        "{up:?}"
    );
    assert!(!workplace.path(".mooring/mock-cloud.json").exists());
}

#[test]
fn a_full_disk_is_told_and_when_there_is_room_it_goes_on() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    // The file size that the kernel allows is as good as a disk: 24 KiB, too little for the ledger.
    let script = format!(
        "trap '' XFSZ; ulimit -f 48; exec {} up -f {file} --timeout 3s",
        workplace::MOORING
    );
    let up = workplace.shell(&script).code(1);
    assert!(
        up.stderr.contains("ledger") || up.stderr.contains("cannot write"),
        "{up:?}"
    );
    workplace.run(&["up", "-f", &file]).ok();
    assert_eq!(workplace.cloud().list().len(), 5);
    let inventory = workplace.json(&["inventory", "-o", "json"]);
    assert!(
        inventory
            .as_array()
            .expect("a list")
            .iter()
            .all(|entry| entry["state"] == "owned"),
        "{inventory}"
    );
}

#[test]
fn two_at_once_take_turns() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    let runs: Vec<Ran> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| workplace.run(&["up", "-f", &file]).ok()))
            .collect();
        runs.into_iter().map(|run| run.join().expect("it ran")).collect()
    });
    assert!(
        runs.iter()
            .any(|run| run.stderr.contains("waiting for another mooring (process ")),
        "{runs:?}"
    );
    assert_eq!(workplace.cloud().created(), 5);
    let lock = std::fs::File::open(workplace.path(".mooring/lock")).expect("a lock");
    lock.lock().expect("locked");
    let busy = workplace.run(&["up", "-f", &file, "--timeout", "300ms"]).code(1);
    assert!(busy.stderr.contains("is in use by another mooring"), "{busy:?}");
}

#[test]
fn a_provider_that_refuses_or_is_slow_is_told() {
    let workplace = Workplace::new();
    let revoked = production(&workplace, "7d").replace("t0ken-of-the-cloud", "revoked");
    let file = workplace.write("all.yaml", &format!("{}{revoked}", shop()));
    let check = workplace.run(&["check", "-f", &file]).code(1);
    assert!(check.stdout.contains("Unauthenticated"), "{check:?}");
    let up = workplace.run(&["up", "-f", &file]).code(1);
    assert!(up.stderr.contains("the credentials were refused"), "{up:?}");
    assert!(workplace.cloud_at("cloud.json").list().is_empty());
    let good = workplace.write("good.yaml", &production(&workplace, "7d"));
    let check = workplace.json(&["check", "-f", &good, "-o", "json"]);
    assert_eq!(
        (&check[0]["provider"], &check[0]["account"]),
        (&json!("cloud"), &json!("mock"))
    );
    let slow = production(&workplace, "7d").replace("requiresCredentials", "provisioning: 1h, requiresCredentials");
    let slow = workplace.write("slow.yaml", &format!("{}{slow}", shop()));
    let up = workplace.run(&["up", "-f", &slow, "--timeout", "1s"]).code(1);
    assert!(up.stdout.contains("shop-web-vpc: Provisioning: "), "{up:?}");
    assert!(
        up.stdout
            .contains("shop-web-rds: WaitingFor: waits for default/shop/web/vpc"),
        "{up:?}"
    );
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

#[test]
fn something_that_exists_is_used_and_left() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop().replace("network: dedicated", "network: shared"));
    let up = workplace.json(&["up", "-f", &file, "-o", "json"]);
    assert_eq!(up["resources"][0]["externalId"], "vpc-shared");
    let down = workplace.run(&["down", "-f", &file]).ok();
    assert!(down.stdout.contains("left"), "{down:?}");
    assert!(workplace.cloud().get(&ExternalId::new("vpc-shared")).is_some());
    assert!(Path::new(&workplace.path(".mooring")).exists());
}
