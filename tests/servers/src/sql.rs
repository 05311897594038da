//! Real servers of the tests' own, on loopback with TLS, gone with their handles.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use mooring_provider::spec::Engine;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{certificates::certificates, session::Session};

/// The administrator that is given to Mooring; what tests do behind its back they do as `root`.
pub const ADMIN: (&str, &str) = ("mooring", "Adm-'in\"\\1");
/// Who may do everything.
pub const ROOT: &str = "root";

/// A PostgreSQL or MariaDB with its directory. It answers on 127.0.0.1 and with TLS only.
#[derive(Debug)]
pub struct Server {
    /// Which one it is.
    pub engine: Engine,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The certificate of its authority.
    pub ca: String,
    dir: TempDir,
    user: Option<(u32, u32)>,
    child: Option<Child>,
    /// The session of `root`, who looks often.
    pub(crate) session: Mutex<Option<Session>>,
}

impl Server {
    /// A new server.
    pub async fn start(engine: Engine) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("mooring-sql-")
            .tempdir()
            .expect("a directory");
        let ca = certificates(dir.path());
        let account = if engine == Engine::Postgresql {
            "postgres"
        } else {
            "mysql"
        };
        // Database servers refuse to run as root; Debian's packages make them users.
        let user = (id("-u", None) == 0).then(|| (id("-u", Some(account)), id("-g", Some(account))));
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|free| free.local_addr())
            .expect("a free port")
            .port();
        let mut server = Self {
            engine,
            port,
            ca,
            dir,
            user,
            child: None,
            session: Mutex::default(),
        };
        server.give("");
        for file in ["server.crt", "server.key", "ca.crt"] {
            server.give(file);
        }
        match engine {
            Engine::Postgresql => server.initdb(),
            _ => server.install_db(),
        }
        server.run().await;
        match engine {
            Engine::Postgresql => {
                let admin = format!("CREATE ROLE {} SUPERUSER LOGIN PASSWORD 'x'", ADMIN.0);
                server.execute(&admin).await;
            }
            _ => {
                let admin = format!(
                    "CREATE USER {0}@'%' IDENTIFIED BY 'x' REQUIRE SSL; GRANT ALL PRIVILEGES ON *.* TO {0}@'%' WITH \
                     GRANT OPTION",
                    ADMIN.0
                );
                server.execute(&admin).await;
            }
        }
        server.set_admin_password(ADMIN.1).await;
        server
    }

    /// Starts the server's process, and waits until it answers.
    pub async fn run(&mut self) {
        let data = self.path("data");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("a log");
        let mut command = match self.engine {
            Engine::Postgresql => {
                let mut command = self.command(&programs().join("postgres"));
                command.arg("-D").arg(data).args(["-p", &self.port.to_string()]);
                for setting in [
                    "listen_addresses=127.0.0.1",
                    "unix_socket_directories=",
                    "fsync=off",
                    "ssl=on",
                ] {
                    command.args(["-c", setting]);
                }
                for (setting, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")] {
                    command
                        .arg("-c")
                        .arg(format!("{setting}={}", self.path(file).display()));
                }
                command
            }
            _ => {
                let mut command = self.command(Path::new("/usr/sbin/mariadbd"));
                command
                    .arg("--no-defaults")
                    .arg(format!("--datadir={}", data.display()));
                for (option, file) in [("socket", "sock"), ("pid-file", "pid"), ("ssl-ca", "ca.crt")] {
                    command.arg(format!("--{option}={}", self.path(file).display()));
                }
                for (option, file) in [("ssl-cert", "server.crt"), ("ssl-key", "server.key")] {
                    command.arg(format!("--{option}={}", self.path(file).display()));
                }
                command.arg(format!("--tmpdir={}", self.dir.path().display()));
                command.arg(format!("--port={}", self.port)).args([
                    "--bind-address=127.0.0.1",
                    "--require-secure-transport=ON",
                    "--skip-name-resolve",
                    "--innodb-buffer-pool-size=16M",
                    "--innodb-flush-log-at-trx-commit=0",
                    "--performance-schema=0",
                ]);
                command
            }
        };
        let started = command.stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(started.expect("the server runs: install postgresql and mariadb-server"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.try_query("SELECT 'up'").await {
            let ended = self
                .child
                .as_mut()
                .is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(
                !ended && Instant::now() < deadline,
                "{} did not start: {error}\n{}",
                self.engine,
                log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the server's process at once, by its id.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // PostgreSQL ends its children on SIGQUIT; MariaDB is one process.
            let signal = if self.engine == Engine::Postgresql {
                "-QUIT"
            } else {
                "-KILL"
            };
            let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
        }
        let _ = child.wait();
    }

    /// The password of `root`; MariaDB's has none at first, and none is needed here.
    pub fn root(&self) -> &'static str {
        if self.engine == Engine::Postgresql {
            "Root-1"
        } else {
            ""
        }
    }

    fn initdb(&self) {
        let password = self.path("password");
        fs::write(&password, self.root()).expect("a file");
        self.give("password");
        let mut command = self.command(&programs().join("initdb"));
        command.args([
            "--no-sync",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--username",
            ROOT,
        ]);
        succeed(
            command
                .arg("--pwfile")
                .arg(&password)
                .arg("--pgdata")
                .arg(self.path("data")),
        );
        let hba = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.path("data/pg_hba.conf"), hba).expect("a file");
    }

    fn install_db(&self) {
        let mut command = self.command(Path::new("/usr/bin/mariadb-install-db"));
        let data = format!("--datadir={}", self.path("data").display());
        // Two at once would share what is temporary.
        let temporary = format!("--tmpdir={}", self.dir.path().display());
        succeed(command.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            &data,
            &temporary,
        ]));
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn give(&self, file: &str) {
        if let Some((uid, gid)) = self.user {
            chown(self.path(file), Some(uid), Some(gid)).expect("root may give a file away");
        }
    }

    /// A file of its directory: `ca.crt` for one.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// From now on the administrator given to Mooring has this password, and no session.
    pub async fn set_admin_password(&self, password: &str) {
        let quoted = password.replace('\\', "\\\\").replace('\'', "''");
        let name = ADMIN.0;
        if self.engine == Engine::Postgresql {
            self.execute(&format!("ALTER ROLE {name} PASSWORD E'{quoted}'")).await;
            let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'");
            self.execute(&end).await;
        } else {
            self.execute(&format!("ALTER USER {name}@'%' IDENTIFIED BY '{quoted}'"))
                .await;
            self.execute(&format!("KILL CONNECTION USER {name}")).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The directory of the newest PostgreSQL.
pub fn programs() -> PathBuf {
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|path| path.join("initdb").is_file())
        .collect();
    found.sort_by_key(|path| path.iter().nth(4).and_then(|name| name.to_str()?.parse::<u32>().ok()));
    found
        .pop()
        .expect("no PostgreSQL: install the Debian package postgresql")
}

fn id(what: &str, of: Option<&str>) -> u32 {
    let output = Command::new("id").arg(what).args(of).output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .expect("the users postgres and mysql: install postgresql and mariadb-server")
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install the Debian packages postgresql and mariadb-server")
    });
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
