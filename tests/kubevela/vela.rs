//! KubeVela, as its Go module has it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value as Json;

/// The program, built once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubevela/build");
        let output = Command::new(script).stderr(Stdio::inherit()).output();
        let output = output.expect("tests/kubevela/build runs");
        assert!(
            output.status.success(),
            "tests/kubevela/build failed; it says why above"
        );
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

/// What KubeVela, without a cluster, makes of traits; each case as `tests/kubevela/main.go` has it.
pub(crate) fn render(cases: &Json) -> Vec<Json> {
    let answer = ask(&["render"], &cases.to_string());
    serde_json::from_str(&answer).expect("JSON")
}

/// Runs the program with this input.
pub(crate) fn ask(arguments: &[&str], input: &str) -> String {
    let mut process = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = process.stdin.take().expect("its stdin");
    let input = input.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = process.wait_with_output().expect("it ends");
    writing.join().expect("no panic").expect("it reads");
    assert!(output.status.success(), "{arguments:?} failed; it says why above");
    String::from_utf8(output.stdout).expect("text")
}
