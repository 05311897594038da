//! Killed, full, refused, two at once: what was begun goes on, and what cannot be done is told.

use std::time::Duration;

use serde_json::json;

use crate::{
    production,
    workplace::{MOORING, Ran, Workplace, shop},
};

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
    // The file size that the kernel allows is as good as a disk. In blocks of 512 bytes: too little for the ledger, its
    // schema, a part of it, and for what is written into it.
    std::thread::scope(|scope| {
        for blocks in [24, 48, 64, 80, 96, 112, 160] {
            scope.spawn(move || full_disk(blocks));
        }
    });
}

fn full_disk(blocks: u32) {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {MOORING} up -f {file} --timeout 3s");
    let up = workplace.shell(&script).code(1);
    assert!(
        up.stderr.contains("ledger") || up.stderr.contains("cannot write"),
        "{blocks}: {up:?}"
    );
    workplace.run(&["up", "-f", &file]).ok();
    assert_eq!(workplace.cloud().list().len(), 5, "{blocks}");
    let inventory = workplace.json(&["inventory", "-o", "json"]);
    assert!(
        inventory
            .as_array()
            .expect("a list")
            .iter()
            .all(|entry| entry["state"] == "owned"),
        "{blocks}: {inventory}"
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
