//! What is kept, lost, or was there before.

use std::{path::Path, time::Duration};

use mooring_provider::{ExternalId, Kind};

use crate::{
    SHOP, production,
    workplace::{Workplace, shop},
};

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
