//! A server under the conformance kit, seen from behind the adapter's back.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    Access, Account, ClusterId, Credentials, DynAdapter, ExternalId, Identity, Key, Kind, Owner, Provider,
    conformance::{Faults, Life, Subject, Wish},
    spec::Engine,
};
use mooring_provider_onprem::{OnpremConfig, OnpremProvider};
use mooring_test_servers::{ADMIN, Server, programs};
use serde_json::{Value as Json, json};

use crate::proxy::Proxy;

/// A provider of these servers, each named and reached at a port.
pub(crate) fn provider(servers: &[(&str, &Server, u16)], change: impl FnOnce(&mut Json)) -> OnpremProvider {
    provider_with(ADMIN.1, servers, change)
}

/// One whose administrators have this password.
pub(crate) fn provider_with(
    password: &str,
    servers: &[(&str, &Server, u16)],
    change: impl FnOnce(&mut Json),
) -> OnpremProvider {
    let mut config = json!({"statementTimeout": "4s", "connectTimeout": "2s"});
    let mut credentials = Credentials::new();
    for (name, server, port) in servers {
        let list = server.engine.as_str();
        let entry = json!({"name": name, "host": "127.0.0.1", "port": port, "caBundle": server.ca});
        match config[list].as_array_mut() {
            Some(there) => there.push(entry),
            None => config[list] = json!([entry]),
        }
        credentials.insert(format!("{name}.username"), ADMIN.0.into());
        credentials.insert(format!("{name}.password"), password.into());
    }
    change(&mut config);
    let config = OnpremConfig::read(&config).expect("a good configuration");
    OnpremProvider::new(&config, &credentials).expect("complete credentials")
}

/// Where dumps go in a test. The programs that make them are told another port, if any, and so go past a proxy.
pub(crate) fn backup(config: &mut Json, directory: &Path, port: Option<u16>) {
    let program = |name: &str, path: PathBuf| {
        let Some(port) = port else { return path };
        // What MariaDB's takes after `--` are databases.
        let past = directory.join(name);
        let text = if name == "pg_dump" {
            format!("#!/bin/sh\nexec {} \"$@\" --port {port}\n", path.display())
        } else {
            format!(
                "#!/bin/sh\nfirst=$1; shift; exec {} \"$first\" --port {port} \"$@\"\n",
                path.display()
            )
        };
        fs::write(&past, text).expect("a file");
        fs::set_permissions(&past, fs::Permissions::from_mode(0o700)).expect("a mode");
        past
    };
    config["backup"] = json!({
        "directory": directory, "pgDump": program("pg_dump", programs().join("pg_dump")),
        "mariadbDump": program("mariadb-dump", "mariadb-dump".into()),
    });
}

/// A spec that can be carried out.
pub(crate) fn spec(engine: Engine) -> Json {
    json!({
        "engine": engine, "version": null, "class": "", "storage": "20Gi", "highAvailability": false,
        "database": "shop", "tls": "preferred", "backupRetention": null, "deletionProtection": false, "clients": [],
        "network": {}, "common": {"tags": {"cost-center": "c42"}},
    })
}

/// Makes a paused clock go as fast as the wall's. Left to itself it would leap to the next timeout whenever all wait
/// for a server; it does not while something blocks.
pub(crate) fn clock() {
    tokio::spawn(async {
        let tick = Duration::from_millis(5);
        while tokio::task::spawn_blocking(move || std::thread::sleep(tick))
            .await
            .is_ok()
        {
            tokio::time::advance(tick).await;
        }
    });
}

/// The password of every account here.
pub(crate) const PASSWORD: &str = "Acc-'\"\\$1";

/// A server behind a proxy.
pub(crate) struct OneServer {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) dumps: tempfile::TempDir,
    adapter: Option<Arc<dyn DynAdapter>>,
}

impl OneServer {
    pub(crate) async fn start(engine: Engine) -> Self {
        clock();
        let server = Server::start(engine).await;
        let proxy = Proxy::to(server.port, if engine == Engine::Postgresql { 5 } else { 4 }).await;
        let dumps = tempfile::tempdir().expect("a directory");
        let mut one = Self {
            server,
            proxy,
            dumps,
            adapter: None,
        };
        one.adapter = Some(one.fresh());
        one
    }

    /// An adapter without any connection.
    pub(crate) fn fresh(&self) -> Arc<dyn DynAdapter> {
        let provider = provider(&[("s1", &self.server, self.proxy.port)], |config| {
            backup(config, self.dumps.path(), Some(self.server.port));
        });
        provider.adapter(Kind::Rds).expect("databases are served")
    }

    /// A resource that lives through the server's adapter.
    pub(crate) fn life(&self, identity: &str) -> Life<'_> {
        Life::new(self, self.adapter(), owner(identity))
    }

    /// One that is ready.
    pub(crate) async fn ready(&self, identity: &str, accounts: &[(&str, Access)]) -> Life<'_> {
        let mut life = self.life(identity);
        let account = |(name, access): &(&str, Access)| Account {
            name: self.adapter().login(&Identity::new(identity), name),
            access: *access,
            password: PASSWORD.into(),
        };
        life.accounts = accounts.iter().map(|each| (account(each), false)).collect();
        life.until(Wish::Present).await.expect("it comes up");
        life
    }

    /// Whether one can log in with what this account of a ready database has.
    pub(crate) async fn enters(&self, id: &ExternalId, account: &str) -> bool {
        self.login(id, &login_of(database(id), account), PASSWORD).await
    }

    fn is_postgres(&self) -> bool {
        self.server.engine == Engine::Postgresql
    }
}

/// An owner of an identity of its own.
pub(crate) fn owner(identity: &str) -> Owner {
    Owner {
        cluster: ClusterId::new("tests"),
        identity: Identity::new(identity),
        key: Key::new("team-a", "shop", "web", "rds"),
    }
}

/// The database in an id.
pub(crate) fn database(id: &ExternalId) -> &str {
    id.as_str().split_once('/').expect("SERVER/DATABASE").1
}

/// The login of an account of a database.
pub(crate) fn login_of(database: &str, account: &str) -> String {
    // The number of an incarnation follows the identity.
    let parts = database.rsplit('_');
    let identity = parts.into_iter().find(|part| part.chars().any(char::is_alphabetic));
    format!("{account}_{}", identity.unwrap_or_default())
}

#[async_trait]
impl Subject for OneServer {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        Arc::clone(self.adapter.as_ref().expect("it was started"))
    }

    fn spec(&self) -> Json {
        spec(self.server.engine)
    }

    fn changed(&self) -> Json {
        let mut spec = spec(self.server.engine);
        spec["class"] = json!("33");
        spec["storage"] = json!("40Gi");
        spec["common"]["tags"] = json!({"tier": "go'ld"});
        spec
    }

    /// Records; where there is none, whatever has the identity in its name.
    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        let identity = &owner.identity;
        let records = if self.is_postgres() {
            format!(
                "SELECT r.rolname::text FROM pg_roles r JOIN pg_shdescription c ON c.objoid = r.oid \
                 WHERE c.description LIKE '%identity\":\"{identity}\"%'"
            )
        } else {
            format!("SELECT name FROM mooring.`databases` WHERE record LIKE '%identity\":\"{identity}\"%'")
        };
        // MariaDB has no table of records before the first.
        let mut names = self.server.try_query(&records).await.unwrap_or_default();
        if names.is_empty() {
            let left = if self.is_postgres() {
                format!(
                    "SELECT r.rolname::text FROM pg_roles r LEFT JOIN pg_shdescription c ON c.objoid = r.oid \
                     WHERE r.rolname LIKE '%\\_{identity}%' OR c.description LIKE '%\\_{identity}%' UNION \
                     SELECT datname::text FROM pg_database WHERE datname LIKE '%\\_{identity}%' \
                     AND datdba <> (SELECT oid FROM pg_roles WHERE rolname = 'root')"
                )
            } else {
                format!(
                    "SELECT login FROM mooring.logins WHERE database_name LIKE '%\\_{identity}%' UNION \
                     SELECT User FROM mysql.user WHERE User LIKE '%\\_{identity}'"
                )
            };
            names = self.server.try_query(&left).await.unwrap_or_default();
        }
        names
            .into_iter()
            .map(|name| ExternalId::new(format!("s1/{name}")))
            .collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let name = name.replace('-', "_");
        self.server.execute(&format!("CREATE DATABASE {name}")).await;
        ExternalId::new(format!("s1/{name}"))
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        let name = database(id);
        let look = if self.is_postgres() {
            format!(
                "SELECT concat_ws(' ', d, shobj_description(d.datdba, 'pg_authid')) FROM pg_database d \
                 WHERE datname = '{name}'"
            )
        } else {
            format!(
                "SELECT CONCAT_WS(' ', SCHEMA_NAME, SCHEMA_COMMENT) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}'"
            )
        };
        self.server.query(&look).await.pop()
    }

    async fn destroy(&self, id: &ExternalId) {
        let force = if self.is_postgres() { " WITH (FORCE)" } else { "" };
        self.server
            .execute(&format!("DROP DATABASE {}{force}", database(id)))
            .await;
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.server
            .set_admin_password(if refused { "another" } else { ADMIN.1 })
            .await;
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        let name = database(id);
        let tamper = if self.is_postgres() {
            format!("ALTER DATABASE {name} CONNECTION LIMIT 7")
        } else {
            format!("UPDATE mooring.`databases` SET record = REPLACE(record, 'c42', 'c43') WHERE name = '{name}'")
        };
        self.server.execute(&tamper).await;
        true
    }

    async fn write(&self, id: &ExternalId, row: &str) -> bool {
        let write = format!("CREATE TABLE kit (line VARCHAR(100)); INSERT INTO kit VALUES ('{row}')");
        self.server.execute_in(database(id), &write).await;
        true
    }

    async fn rows(&self, id: &ExternalId) -> Vec<String> {
        self.server.execute_in(database(id), "SELECT line FROM kit").await
    }

    async fn login(&self, id: &ExternalId, user: &str, password: &str) -> bool {
        let name = database(id);
        let login = self.server.login(user, password, Some(name), "SELECT 1").await;
        login.is_ok()
    }

    /// The clock is the test's own, see [`clock`]: where nobody waits for an answer, time passes at once, and more of
    /// it than was asked for, as the kit looks again and again meanwhile.
    async fn settle(&self, time: Duration) {
        if self.proxy.cuts.waiting.load(Ordering::SeqCst) == 0 {
            tokio::time::advance(time.max(Duration::from_secs(3))).await;
        } else {
            tokio::time::sleep(time).await;
        }
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(self.proxy.cuts.clone())
    }
}
