//! Runs the real binary in a directory of its own, and keeps what it said.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use mooring_provider::{ExternalId, Kind};
use mooring_provider_mock::{Cloud, MockConfig};
use serde_json::Value as Json;

/// The binary.
pub(crate) const MOORING: &str = env!("CARGO_BIN_EXE_mooring");

/// The example that the documentation begins with.
pub(crate) fn shop() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/examples/shop.yaml");
    std::fs::read_to_string(path).expect("the example is there")
}

/// A directory in which the binary runs.
pub(crate) struct Workplace {
    directory: tempfile::TempDir,
    said: Mutex<String>,
}

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// It succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            said: Mutex::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("written");
        name.to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env_remove("MOORING_LOG")
            .env_remove("MOORING_STATE");
        command
            .env("MOORING_TIMEOUT", "30s")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    fn ran(&self, mut command: Command) -> Ran {
        let output = command.output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        self.said
            .lock()
            .expect("not poisoned")
            .extend([ran.stdout.as_str(), ran.stderr.as_str()]);
        ran
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(MOORING);
        command.args(arguments);
        self.ran(command)
    }

    pub(crate) fn shell(&self, script: &str) -> Ran {
        let mut command = self.command("bash");
        command.args(["-c", script]);
        self.ran(command)
    }

    /// Succeeds, with nothing but JSON on stdout.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Json {
        let ran = self.run(arguments).ok();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }

    /// Runs it and kills it after a while, as `kill -9` does, unless it has ended by then.
    pub(crate) fn killed(&self, arguments: &[&str], after: Duration) {
        let mut command = self.command(MOORING);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it runs");
        std::thread::sleep(after);
        child.kill().expect("it is ours");
        child.wait().expect("it ended");
    }

    /// The built-in mock cloud as it is now.
    pub(crate) fn cloud(&self) -> Cloud {
        self.cloud_at(".mooring/mock-cloud.json")
    }

    /// The mock cloud of a state file as it is now.
    pub(crate) fn cloud_at(&self, name: &str) -> Cloud {
        let config = MockConfig {
            state: Some(self.path(name)),
            ..MockConfig::default()
        };
        Cloud::detached(config).expect("a cloud")
    }

    /// The only resource of a kind in the built-in mock cloud.
    #[track_caller]
    pub(crate) fn only(&self, kind: Kind) -> ExternalId {
        let mut ids: Vec<_> = self
            .cloud()
            .list()
            .into_iter()
            .filter(|r| r.kind == kind)
            .map(|r| r.id)
            .collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids.remove(0)
    }

    /// What a shell reads in the env file of a component of the shop.
    pub(crate) fn env(&self, component: &str) -> BTreeMap<String, String> {
        self.env_of("shop", component)
    }

    /// What a shell reads in the env file of a component of an application.
    pub(crate) fn env_of(&self, application: &str, component: &str) -> BTreeMap<String, String> {
        let path = self.path(&format!(".mooring/env/default/{application}/{component}.env"));
        let mut command = self.command("bash");
        command
            .env_clear()
            .args(["-c", &format!("set -a; . {}; env", path.display())]);
        let output = command.output().expect("a shell");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    /// A secret is in nothing that was said and in no file but those that are for it.
    pub(crate) fn shows_no(&self, secret: &str) {
        assert!(secret.len() > 8);
        assert!(!self.said.lock().expect("not poisoned").contains(secret), "it was said");
        let mut found = 0;
        let mut directories = vec![self.path(".mooring")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let bytes = std::fs::read(&path).expect("a file");
                if !bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                    continue;
                }
                let name = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default()
                    .to_owned();
                assert!(
                    name == "credentials.json" || name.ends_with(".env"),
                    "it is in {}",
                    path.display()
                );
                found += 1;
            }
        }
        assert!(found > 0, "it is not even where it belongs");
    }
}
