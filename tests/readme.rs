//! The README's commands do what it says, as a newcomer would run them.

use std::{
    fs,
    os::unix::{fs::symlink, process::CommandExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The blocks of shell in the README, one after the other.
fn blocks() -> impl Iterator<Item = &'static str> {
    let after_the_first = include_str!("../README.md").split("```sh\n").skip(1);
    after_the_first.map(|rest| rest.split_once("```").expect("the block ends").0)
}

/// The commands of the README's first block of shell.
fn first_commands() -> Vec<String> {
    let block = blocks().next().expect("the README has a block of shell");
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

/// A shell, and everything that it started; ended with the test, however that ends.
struct Shell {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Shell {
    /// Waits for its end, but not for ever.
    fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while self.ended.is_none() && begun.elapsed() < patience {
            self.ended = self.child.try_wait().expect("it can be asked");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.ended
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).output();
        let _ = self.child.wait();
    }
}

#[test]
fn the_commands_for_a_real_api_server_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let block = blocks().nth(1).expect("the README has a second block of shell");
    assert!(
        block.contains("tests/controlplane/up"),
        "it is the one that is meant: {block}"
    );
    // A checkout of which only the program was built elsewhere, and in which nothing is written that stays.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    for name in ["crds", "tests"] {
        symlink(root.join(name), place(name)).expect("a link");
    }
    fs::create_dir_all(place("target/release")).expect("made");
    symlink(env!("CARGO_BIN_EXE_mooring"), place("target/release/mooring")).expect("a link");
    // Any kubectl of a current release will do; this one is there.
    let path = std::env::var("PATH").unwrap_or_default();

    let output = fs::File::create(place("output")).expect("made");
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", block])
        .current_dir(directory.path())
        .env("PATH", format!("{}:{path}", root.join("tests/controlplane").display()))
        .env("MOORING_CONTROLPLANE_DIR", place("cluster"))
        .env("MOORING_LISTEN", "127.0.0.1:0")
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a second handle"))
        .stderr(output)
        .process_group(0);
    let child = command.spawn().expect("bash");
    let mut shell = Shell { child, ended: None };
    let ended = shell.end(Duration::from_secs(300));
    let said = fs::read_to_string(place("output")).expect("text");
    let is_well = ended.is_some_and(|status| status.success());
    if !is_well {
        let mut down = Command::new(root.join("tests/controlplane/down"));
        let _ = down.arg("--dir").arg(place("cluster")).output();
    }
    drop(shell);
    assert!(is_well, "{ended:?}: {said}");
    for word in [
        "shop-web-vpc",
        "shop-web-rds",
        "shop-web-slb",
        "shop-web-log",
        "shop-web-monitor",
        "shop-report-bind",
    ] {
        let row = said.lines().find(|line| line.starts_with(word));
        assert!(
            row.is_some_and(|row| row.contains("True")),
            "{word} is ready in the table: {said}"
        );
    }
    assert!(said.contains("\"shop\" deleted"), "{said}");
    assert!(
        place(".mooring/operator.db").exists(),
        "the ledger is where it was to be"
    );
    let left = Command::new(root.join("tests/controlplane/kubectl"))
        .args(["get", "namespaces", "--request-timeout=2s", "--kubeconfig"])
        .arg(place("cluster/kubeconfig"))
        .output()
        .expect("it runs");
    assert!(!left.status.success(), "the control plane is down");
}
