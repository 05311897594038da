//! A real PostgreSQL for tests: one that is named by `MOORING_TEST_POSTGRES`, else a throwaway cluster on a free port
//! of the loopback interface, gone with its handle.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

const USER: &str = "mooring";
const PASSWORD: &str = "pa:ss/w@rd";
const PASSWORD_IN_URL: &str = "pa%3Ass%2Fw%40rd";

/// A server with databases to use up.
pub(crate) struct Postgres {
    /// Up to and without the database: `postgres://user:password@host:port`.
    server: String,
    /// What follows the database, such as `?sslmode=require`.
    parameters: String,
    maintenance: String,
    process: Option<(Child, TempDir)>,
}

impl Postgres {
    /// Starts a server, or takes the one that is named.
    pub(crate) fn start() -> Self {
        if let Ok(url) = env::var("MOORING_TEST_POSTGRES") {
            let (base, parameters) = url.split_at(url.find('?').unwrap_or(url.len()));
            let (server, database) = base.rsplit_once('/').expect("MOORING_TEST_POSTGRES ends in /DATABASE");
            return Self {
                server: server.into(),
                parameters: parameters.into(),
                maintenance: database.into(),
                process: None,
            };
        }
        let programs = programs();
        let dir = tempfile::Builder::new()
            .prefix("mooring-postgres-")
            .tempdir()
            .expect("a temporary directory");
        // PostgreSQL refuses to run as root; Debian's package made it a user.
        let user = is_root().then(|| (id("-u"), id("-g")));
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command
                .current_dir(dir.path())
                .env("LC_ALL", "C.UTF-8")
                .stdin(Stdio::null());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let (data, password) = (dir.path().join("data"), dir.path().join("password"));
        fs::write(&password, PASSWORD).expect("a file for the password");
        if let Some((uid, gid)) = user {
            for path in [dir.path(), &password] {
                chown(path, Some(uid), Some(gid)).expect("root may give a directory away");
            }
        }
        let made = command("initdb")
            .args([
                "--no-sync",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--username",
                USER,
                "--pwfile",
            ])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // Somebody else may take the port between the look and the start; then the start fails, and another is tried.
        for _ in 0..5 {
            let port = free_port();
            let log = fs::File::create(dir.path().join("log")).expect("a log file");
            let mut child = command("postgres")
                .arg("-D")
                .arg(&data)
                .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
                .args([
                    "-c",
                    "unix_socket_directories=",
                    "-c",
                    "max_connections=100",
                    "-c",
                    "fsync=off",
                ])
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("postgres runs");
            let ready = || {
                let mut command = command("pg_isready");
                command.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
                command.status().is_ok_and(|status| status.success())
            };
            if wait_until_ready(&mut child, ready) {
                return Self {
                    server: format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}"),
                    parameters: String::new(),
                    maintenance: "postgres".into(),
                    process: Some((child, dir)),
                };
            }
            stop(&mut child);
        }
        let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL did not start:\n{log}");
    }

    /// The URL of a new, empty database.
    pub(crate) async fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mooring_test_{}_{number}", std::process::id());
        self.execute(format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    /// Removes a database that [`database`](Self::database) made, whoever is still connected to it.
    pub(crate) async fn discard(&self, url: &str) {
        let name = url
            .trim_end_matches(self.parameters.as_str())
            .rsplit('/')
            .next()
            .expect("a database in the URL");
        self.execute(format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }

    /// The URL of a database of this server.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.server, self.parameters)
    }

    async fn execute(&self, statement: String) {
        let mut connection = PgConnection::connect(&self.url(&self.maintenance))
            .await
            .expect("PostgreSQL answers");
        connection
            .execute(AssertSqlSafe(statement))
            .await
            .expect("a user who may create databases");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.process {
            stop(child);
        }
    }
}

/// The directory of the newest PostgreSQL.
fn programs() -> PathBuf {
    let on_path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut debian: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    debian.sort_by_key(|path| {
        let version = path
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str()?.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    debian
        .into_iter()
        .chain(on_path)
        .find(|path| path.join("initdb").is_file() && path.join("postgres").is_file())
        .expect("no PostgreSQL: install the Debian package postgresql, or set MOORING_TEST_POSTGRES=postgres://…")
}

fn is_root() -> bool {
    number_of(Command::new("id").arg("-u")) == 0
}

fn id(what: &str) -> u32 {
    number_of(Command::new("id").args([what, "postgres"]))
}

fn number_of(command: &mut Command) -> u32 {
    let output = command.output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .expect("the user postgres, which the Debian package postgresql makes")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Whether it became ready before it ended or a minute passed.
fn wait_until_ready(child: &mut Child, ready: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if ready() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

/// Asks it to end at once, by its id: SIGQUIT, on which it ends its own children too.
fn stop(child: &mut Child) {
    if child.try_wait().is_ok_and(|ended| ended.is_none()) {
        let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
    }
    let _ = child.wait();
}
