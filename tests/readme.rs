//! The README's commands do what it says, as a newcomer would run them.

use std::{path::Path, process::Command};

/// The commands of the README's first block of shell.
fn first_commands() -> Vec<String> {
    let readme = include_str!("../README.md");
    let (_, block) = readme.split_once("```sh\n").expect("the README has a block of shell");
    let (block, _) = block.split_once("```").expect("the block ends");
    block.lines().map(str::to_owned).collect()
}

#[test]
fn the_two_commands_of_a_newcomer_work() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let commands = first_commands();
    assert_eq!(commands.len(), 2, "two commands: {commands:?}");
    let printed = commands.iter().map(|command| {
        let ran = Command::new("sh")
            .args(["-c", command])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .env("MOORING_STATE", state.path().join("state"))
            .output()
            .expect("a shell");
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert!(ran.status.success(), "{command}: {out}{err}");
        format!("{out}{err}")
    });
    let printed: Vec<_> = printed.collect();
    for kind in ["vpc", "rds", "slb", "log", "monitor"] {
        assert!(
            printed[0].contains(kind) && printed[1].contains(kind),
            "{kind}: {}\n{}",
            printed[0],
            printed[1]
        );
    }
    assert!(printed[0].contains("web.env"), "the env file is named: {}", printed[0]);
    let inventory = Command::new(env!("CARGO_BIN_EXE_mooring"))
        .args(["inventory", "-o", "json"])
        .env("MOORING_STATE", state.path().join("state"))
        .output()
        .expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&inventory.stdout).trim(),
        "[]",
        "nothing is left in the cloud"
    );
}
