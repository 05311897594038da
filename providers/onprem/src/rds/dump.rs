//! Dumps, made by the servers' own programs before a database is parked.
//!
//! A dump has the name of its database, which ends in its identity, and of the time until which it is parked. It is
//! written beside, and takes its name when it is whole and on the disk. How one is restored stands in this
//! provider's README.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use mooring_provider::{Error, ErrorKind, Result, spec::Engine};
use mooring_provider_http::Redactor;
use secrecy::ExposeSecret;
use tokio::process::Command;

use super::{host::Server, sql::Ident};
use crate::config::Backup;

const OPERATION: &str = "rds.backup";

/// Where and how databases are dumped.
#[derive(Debug)]
pub(crate) struct Dumps(pub(crate) Backup);

impl Dumps {
    /// The dumps, where there is a place for them.
    pub(crate) fn of(dumps: Option<&Self>) -> Result<&Self> {
        dumps.ok_or_else(|| {
            let message = "a backup is asked for, and there is no place for one; set `spec.onprem.backup.directory`, \
                           or `finalBackup: false` in the Environment";
            Error::new(ErrorKind::Unsupported, OPERATION, message)
        })
    }

    /// Dumps a database.
    ///
    /// How it is restored stands in this provider's README.
    pub(crate) async fn dump(&self, server: &Server, name: &Ident, until: &str) -> Result<PathBuf> {
        let directory = &self.0.directory;
        let time: String = until.chars().filter(char::is_ascii_alphanumeric).collect();
        let kind = if server.engine == Engine::Postgresql {
            "dump"
        } else {
            "sql"
        };
        let path = directory.join([name.as_str(), &time, kind].join("."));
        let part = directory.join([name.as_str(), &time, kind, "part"].join("."));
        let failed = |error: std::io::Error| io(directory, &error);
        // The file is there before the program is, so that nobody else can read it at any time.
        let file = private(&part).map_err(failed)?;
        // What a program must be told in secret, gone when this returns.
        let secrets = tempfile::Builder::new().prefix("mooring-").tempdir().map_err(failed)?;
        let mut command = if server.engine == Engine::Postgresql {
            self.pg_dump(server, name, secrets.path()).map_err(failed)?
        } else {
            self.mariadb_dump(server, name, secrets.path()).map_err(failed)?
        };
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        // Not `output`, which would take the dump into memory.
        let running = command.spawn().map_err(|error| {
            let message = format!("`{program}` does not run; name it in `spec.onprem.backup`");
            Error::new(ErrorKind::Unsupported, OPERATION, message).with_source(error)
        })?;
        let output = running.wait_with_output().await.map_err(failed)?;
        if !output.status.success() {
            let said = Redactor::new([&server.login.password]).message(&String::from_utf8_lossy(&output.stderr));
            let full = said.contains("No space left on device") || said.contains("write error");
            let kind = if full {
                ErrorKind::QuotaExceeded
            } else {
                ErrorKind::Unavailable
            };
            let message = format!("{}: `{program}` failed, {}: {said}", server.config.name, output.status);
            return Err(Error::new(kind, OPERATION, message));
        }
        let (wanted, directory) = (path.clone(), directory.clone());
        let kept = tokio::task::spawn_blocking(move || {
            file.sync_all()?;
            std::fs::rename(&part, &wanted)?;
            File::open(&directory)?.sync_all()
        });
        kept.await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(failed)?;
        Ok(path)
    }

    fn pg_dump(&self, server: &Server, name: &Ident, secrets: &Path) -> std::io::Result<Command> {
        let authority = secrets.join("ca.crt");
        private(&authority)?.write_all(server.config.ca_bundle.as_bytes())?;
        let mut command = program(&self.0.pg_dump);
        command
            .args([
                "--format=custom",
                "--no-password",
                "--host",
                &server.config.host,
                "--port",
            ])
            .arg(server.config.port.unwrap_or(5432).to_string())
            .args(["--username", &server.login.username, "--dbname", name.as_str()])
            .env("PGPASSWORD", server.login.password.expose_secret())
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", authority);
        Ok(command)
    }

    fn mariadb_dump(&self, server: &Server, name: &Ident, secrets: &Path) -> std::io::Result<Command> {
        let (authority, options) = (secrets.join("ca.crt"), secrets.join("login.cnf"));
        private(&authority)?.write_all(server.config.ca_bundle.as_bytes())?;
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let text = format!(
            "[client]\nuser=\"{}\"\npassword=\"{}\"\nssl-ca=\"{}\"\nssl-verify-server-cert\n",
            quoted(&server.login.username),
            quoted(server.login.password.expose_secret()),
            quoted(&authority.to_string_lossy()),
        );
        private(&options)?.write_all(text.as_bytes())?;
        let mut defaults = std::ffi::OsString::from("--defaults-file=");
        defaults.push(options);
        let mut command = program(&self.0.mariadb_dump);
        command
            .arg(defaults)
            .args(["--protocol=tcp", "--host", &server.config.host, "--port"])
            .arg(server.config.port.unwrap_or(3306).to_string())
            .args([
                "--single-transaction",
                "--routines",
                "--events",
                "--triggers",
                "--hex-blob",
                "--",
            ])
            .arg(name.as_str());
        Ok(command)
    }
}

/// A program with nothing of our environment but where programs are: much of it would change what it does.
fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("LC_ALL", "C.UTF-8");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// A new file that only we can read.
fn private(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn io(directory: &Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::QuotaExceeded,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, OPERATION, format!("{}: {error}", directory.display()))
}
