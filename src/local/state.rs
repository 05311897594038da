//! The state directory: the ledger, what is remembered beside it, and the credentials.
//!
//! The ledger never holds a secret; `credentials.json` holds nothing else. Both are needed for a teardown, and nothing
//! but them: `state.json` remembers the accounts and the environments that are in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use mooring_provider::{Access, Credentials, Identity, Key, Kind, Span};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    error::{Error, Result},
    files,
};
use crate::api::{EnvironmentSpec, ProviderConfigSpec, properties::DeletionPolicy};

/// How often a state directory in use is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// A state directory.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    lock: Option<File>,
}

/// What is remembered beside the ledger. No secret.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Remembered {
    /// Who holds what is made from here. The ledger has it too; with this one a lost ledger costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The ProviderConfigs that hold something of ours.
    pub providers: BTreeMap<String, ProviderConfigSpec>,
    /// Those of them that could not be looked at since the ledger was lost: what they hold is not known.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unseen: BTreeSet<String>,
    /// The Environments that applications are in.
    pub environments: BTreeMap<String, EnvironmentSpec>,
    /// The applications, by `namespace/name`.
    pub applications: BTreeMap<String, App>,
    /// What becomes of each resource when its declaration goes.
    pub fates: BTreeMap<Identity, Fate>,
}

/// What is remembered of an application.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct App {
    /// Who uses what.
    pub consumers: Vec<Consumer>,
}

/// A use of a resource by a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// Where the use is declared: the resource's own key, or the bind's.
    pub key: Key,
    /// The resource that is used.
    pub target: Key,
    /// Its kind.
    pub kind: Kind,
    /// The account's rights, where the resource has accounts.
    pub access: Access,
    /// The prefix of the variables.
    pub prefix: Option<String>,
    /// Variables made of templates.
    pub templates: BTreeMap<String, String>,
    /// Whether the variables are written to the component's env file.
    pub inject: bool,
}

/// What becomes of a resource when its declaration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fate {
    /// The policy.
    pub policy: DeletionPolicy,
    /// How long it is kept, if it is recycled.
    pub after: Span,
    /// Whether a last backup is made, if it is recycled.
    pub final_backup: bool,
    /// How many of its kind may be deleted within an hour.
    pub per_hour: Option<u32>,
}

/// The secrets, by whom they are for.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Secrets {
    /// The login of each use of a resource, by its key.
    pub accounts: BTreeMap<String, Login>,
    /// The credentials of each ProviderConfig in use.
    pub providers: BTreeMap<String, Credentials>,
}

/// A login.
#[derive(Debug, Clone, Deserialize)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

impl State {
    /// A state directory, which need not be there yet.
    pub fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            lock: None,
        }
    }

    /// Whether it holds anything.
    pub fn exists(&self) -> bool {
        ["ledger.db", "state.json"].iter().any(|name| self.path(name).exists())
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The URL of its ledger.
    pub fn ledger(&self) -> String {
        format!("sqlite:{}", self.path("ledger.db").display())
    }

    /// Makes the directory and takes it for this process alone; waits while another has it, and tells so once.
    pub async fn lock(&mut self, patience: Duration, told: &(dyn Fn(String) + Sync)) -> Result<()> {
        files::make_dir(&self.directory).map_err(Error::file("make the state directory", &self.directory))?;
        let path = self.path("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::file("open the lock", &path))?;
        let begun = tokio::time::Instant::now();
        let mut silent = true;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(Error::file("lock the state directory", &path)(error)),
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let read = file
                        .seek(SeekFrom::Start(0))
                        .and_then(|_| file.read_to_string(&mut holder));
                    let holder = read.map_or_else(|_| String::new(), |_| holder.trim().to_owned());
                    if begun.elapsed() >= patience {
                        let waited = Span::new(patience);
                        return Err(Error::InUse {
                            state: self.directory.clone(),
                            holder,
                            waited,
                        });
                    }
                    if std::mem::take(&mut silent) {
                        let state = self.directory.display();
                        told(format!(
                            "waiting for another mooring (process {holder}) to be done with {state}"
                        ));
                    }
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::file("write the lock", &path))?;
        self.lock = Some(file);
        Ok(())
    }

    /// What is remembered.
    pub fn remembered(&self) -> Result<Remembered> {
        read(&self.path("state.json"))
    }

    /// Remembers, if it is anything new.
    pub fn remember(&self, remembered: &Remembered) -> Result<()> {
        if self.remembered()? == *remembered {
            return Ok(());
        }
        self.write("state.json", remembered)
    }

    /// The secrets.
    pub fn secrets(&self) -> Result<Secrets> {
        read(&self.path("credentials.json"))
    }

    /// Stores the secrets. When this returns they outlive a crash.
    pub fn store(&self, secrets: &Secrets) -> Result<()> {
        self.write("credentials.json", &Exposed(secrets))
    }

    /// The file with the environment variables of a component.
    pub fn env_file(&self, namespace: &str, application: &str, component: &str) -> PathBuf {
        self.env_directory(namespace, application)
            .join(format!("{component}.env"))
    }

    /// The directory of an application's env files.
    pub fn env_directory(&self, namespace: &str, application: &str) -> PathBuf {
        self.directory.join("env").join(namespace).join(application)
    }

    fn write(&self, name: &str, content: &impl Serialize) -> Result<()> {
        let path = self.path(name);
        let text = serde_json::to_vec_pretty(content).expect("it is JSON");
        files::write(&path, &text).map_err(Error::file("write", &path))
    }
}

fn read<T: Default + DeserializeOwned>(path: &Path) -> Result<T> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(T::default()),
        read => read.map_err(Error::file("read", path))?,
    };
    // The parser's own message could quote a password.
    serde_json::from_slice(&text).map_err(|error| Error::Unreadable {
        path: path.to_owned(),
        line: error.line(),
    })
}

/// The one place where secrets are written in the clear.
struct Exposed<'a>(&'a Secrets);

impl Serialize for Exposed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let accounts: BTreeMap<_, _> = self
            .0
            .accounts
            .iter()
            .map(|(key, login)| {
                (
                    key,
                    BTreeMap::from([
                        ("username", login.username.as_str()),
                        ("password", login.password.expose_secret()),
                    ]),
                )
            })
            .collect();
        let exposed = |credentials: &Credentials| -> BTreeMap<String, String> {
            credentials
                .iter()
                .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
                .collect()
        };
        let providers: BTreeMap<_, _> = self
            .0
            .providers
            .iter()
            .map(|(name, all)| (name, exposed(all)))
            .collect();
        serde_json::json!({ "accounts": accounts, "providers": providers }).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn what_is_stored_is_read_back_and_is_for_the_owner_alone() {
        let home = tempfile::tempdir().expect("a directory");
        let mut state = State::at(&home.path().join("state"));
        state.lock(Duration::ZERO, &|_| {}).await.expect("it is free");
        let mut secrets = state.secrets().expect("none yet");
        let login = Login {
            username: "shop".into(),
            password: "Pw-1".to_owned().into(),
        };
        secrets.accounts.insert("ns/shop/web/rds".into(), login);
        state.store(&secrets).expect("stored");
        let read = state.secrets().expect("read");
        assert_eq!(read.accounts["ns/shop/web/rds"].password.expose_secret(), "Pw-1");
        assert!(!format!("{read:?}").contains("Pw-1"));
        assert_eq!(
            (mode(state.directory()), mode(&state.path("credentials.json"))),
            (0o700, 0o600)
        );
        std::fs::write(
            state.path("credentials.json"),
            "{\"accounts\": {\"a\": {\"username\": \"Pw-1\" oops",
        )
        .expect("written");
        let error = state.secrets().expect_err("torn").to_string();
        assert!(error.contains("line 1") && !error.contains("Pw-1"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn two_wait_for_each_other_and_say_for_whom() {
        let home = tempfile::tempdir().expect("a directory");
        let (mut one, mut two) = (State::at(home.path()), State::at(home.path()));
        one.lock(Duration::ZERO, &|_| {}).await.expect("it is free");
        let told = std::sync::Mutex::new(Vec::new());
        let tell = |message| told.lock().expect("one thread").push(message);
        let error = two
            .lock(Duration::from_secs(3), &tell)
            .await
            .expect_err("it is taken")
            .to_string();
        assert!(
            error.contains(&std::process::id().to_string()) && error.contains("3s"),
            "{error}"
        );
        assert_eq!(told.lock().expect("one thread").len(), 1);
        drop(one);
        two.lock(Duration::ZERO, &|_| {}).await.expect("it is free again");
    }
}
