//! What comes back, late or interrupted, with other words or other credentials.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use mooring_provider::{ExternalId, Kind};
use mooring_provider_mock::Cloud;

use crate::{
    production,
    workplace::{MOORING, Workplace, shop},
};

/// A shop in production, with its database and a row in it.
fn in_production(workplace: &Workplace, after: &str) -> (String, Cloud, ExternalId) {
    let text = format!("{}{}", shop(), production(workplace, after));
    let all = workplace.write("all.yaml", &text);
    workplace.run(&["up", "-f", &all]).ok();
    let cloud = workplace.cloud_at("cloud.json");
    let database = cloud.list().into_iter().find(|r| r.kind == Kind::Rds);
    let database = database.expect("a database").id;
    cloud.write(&database, "a row");
    (all, cloud, database)
}

#[test]
fn a_provider_in_use_reaches_where_it_did() {
    let workplace = Workplace::new();
    let (all, cloud, _) = in_production(&workplace, "7d");
    let there = cloud.list().len();
    let elsewhere = workplace
        .read(&all)
        .replace("mock: {state: ", "mock: {account: other, state: ");
    let elsewhere = workplace.write("elsewhere.yaml", &elsewhere);
    let up = workplace.run(&["up", "-f", &elsewhere]).code(2);
    assert!(up.stderr.contains("spec.mock.account: \"other\""), "{up:?}");
    assert_eq!(cloud.list().len(), there);
    let down = workplace.run(&["down", "-f", &elsewhere]).ok();
    assert!(down.stdout.contains("parked"), "{down:?}");
}

#[test]
fn bad_credentials_do_not_replace_good_ones() {
    let workplace = Workplace::new();
    let (all, ..) = in_production(&workplace, "7d");
    let revoked = workplace.read(&all).replace("t0ken-of-the-cloud", "revoked");
    let revoked = workplace.write("revoked.yaml", &revoked);
    workplace.run(&["up", "-f", &revoked]).code(1);
    let down = workplace.run(&["down", "default/shop"]).ok();
    assert!(down.stdout.contains("parked"), "{down:?}");
}

#[test]
fn a_provider_that_refuses_when_the_ledger_is_lost_is_asked_again() {
    let workplace = Workplace::new();
    let (all, cloud, database) = in_production(&workplace, "7d");
    let revoked = workplace.read(&all).replace("t0ken-of-the-cloud", "revoked");
    let revoked = workplace.write("revoked.yaml", &revoked);
    std::fs::remove_file(workplace.path(".mooring/ledger.db")).expect("removed");
    for _ in 0..2 {
        let down = workplace.run(&["down", "-f", &revoked]).code(1);
        assert!(down.stderr.contains("the ledger was lost"), "{down:?}");
    }
    let down = workplace.run(&["down", "default/shop"]).ok();
    assert!(down.stdout.contains("parked"), "{down:?}");
    assert_eq!(cloud.rows(&database), Some(vec!["a row".to_owned()]));
}

#[test]
fn a_park_that_was_cut_short_is_a_park_still() {
    let workplace = Workplace::new();
    let (all, cloud, database) = in_production(&workplace, "7d");
    for millis in [80, 160, 240] {
        workplace.killed(&["down", "-f", &all], Duration::from_millis(millis));
        workplace.run(&["down", "-f", &all]).ok();
        assert_eq!(
            cloud.rows(&database),
            Some(vec!["a row".to_owned()]),
            "after {millis} ms"
        );
        workplace.run(&["up", "-f", &all]).ok();
    }
}

#[test]
fn what_is_declared_again_after_its_time_comes_back() {
    let workplace = Workplace::new();
    let (all, cloud, database) = in_production(&workplace, "1s");
    workplace.run(&["down", "-f", &all]).ok();
    std::thread::sleep(Duration::from_millis(1100));
    let plan = workplace.run(&["plan", "-f", &all]).ok().stdout;
    assert!(plan.contains("reclaim  shop-web-rds"), "{plan}");
    workplace.run(&["up", "-f", &all]).ok();
    assert_eq!(cloud.rows(&database), Some(vec!["a row".to_owned()]));
}

#[test]
fn a_network_stays_with_what_was_parked_in_it_before() {
    let workplace = Workplace::new();
    let (all, cloud, database) = in_production(&workplace, "7d");
    let text = workplace.read(&all);
    let (head, tail) = text.split_once("        - type: rds").expect("a database");
    let (_, tail) = tail.split_once("\n---").expect("more documents");
    let less = workplace.write("less.yaml", &format!("{head}\n---{tail}"));
    let up = workplace.run(&["up", "-f", &less]).ok();
    assert!(
        up.stdout.contains("default/shop/web/rds: no longer declared: parked"),
        "{up:?}"
    );
    let down = workplace.run(&["down", "-f", &less]).ok();
    let network = down
        .stdout
        .lines()
        .find(|line| line.starts_with("default/shop/web/vpc"));
    assert!(network.is_some_and(|line| line.contains("parked")), "{down:?}");
    assert!(cloud.get(&database).is_some());
}

#[test]
fn an_env_file_that_cannot_be_written_fails_and_one_that_is_there_is_private() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    let path = workplace.path(".mooring/env/default/shop/web.env");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
    workplace.run(&["up", "-f", &file]).ok();
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = shop().replace("as: DB}", "as: DB, env: {URL: \"x://{hots}\"}}");
    let file = workplace.write("shop.yaml", &text);
    let up = workplace.run(&["up", "-f", &file]);
    assert_ne!(up.code, Some(0), "{up:?}");
    for part in ["web", "URL", "hots"] {
        assert!(up.stderr.contains(part), "{part} in {up:?}");
    }
}

#[test]
fn a_reader_that_goes_away_hides_no_failure() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    workplace.write("shop.yaml", &shop().replace("engine: mysql", "engine: postgresql"));
    workplace
        .shell(&format!("{MOORING} up -f {file} | true; exit ${{PIPESTATUS[0]}}"))
        .code(1);
}
