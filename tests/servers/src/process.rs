//! A server of a test's own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::http;

/// A running server. It ends with its value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it and waits until it answers at this address.
    pub async fn start(program: &Path, arguments: &[String], directory: &Path, ready: &str, hint: &str) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = directory.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("a log");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .env("HOME", directory)
            .env("XDG_CONFIG_HOME", directory)
            .env("XDG_DATA_HOME", directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a log"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; {hint}", program.display()));
        let mut process = Self { child, log };
        process.wait(ready).await;
        process
    }

    async fn wait(&mut self, ready: &str) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the server ended with {status}: {}", self.log());
            }
            if http::try_ask("GET", ready, &[], "").is_some_and(|answer| answer.status == 200) {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "the server is never ready: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(3_000);
        log.get(from..).unwrap_or(&log).to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a script of the repository that prints the path of a program.
pub fn script(path: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let output = Command::new(&script).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(
        output.status.success(),
        "{} failed; it says why above",
        script.display()
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
