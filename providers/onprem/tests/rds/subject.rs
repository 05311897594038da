//! A server under the conformance kit, seen from behind the adapter's back.

use std::sync::Arc;

use async_trait::async_trait;
use mooring_provider::{
    Credentials, DynAdapter, ExternalId, Kind, Owner, Provider,
    conformance::{Faults, Subject},
    spec::Engine,
};
use mooring_provider_onprem::{OnpremConfig, OnpremProvider};
use serde_json::{Value as Json, json};

use crate::{
    proxy::Proxy,
    server::{ADMIN, Server, programs},
};

/// A provider of these servers, each named and reached at a port.
pub(crate) fn provider(servers: &[(&str, &Server, u16)], change: impl FnOnce(&mut Json)) -> OnpremProvider {
    let mut config = json!({"statementTimeout": "1s", "connectTimeout": "1s"});
    let mut credentials = Credentials::new();
    for (name, server, port) in servers {
        let list = server.engine.as_str();
        let entry = json!({"name": name, "host": "127.0.0.1", "port": port, "caBundle": server.ca});
        match config[list].as_array_mut() {
            Some(there) => there.push(entry),
            None => config[list] = json!([entry]),
        }
        credentials.insert(format!("{name}.username"), ADMIN.0.into());
        credentials.insert(format!("{name}.password"), ADMIN.1.into());
    }
    change(&mut config);
    let config = OnpremConfig::read(&config).expect("a good configuration");
    OnpremProvider::new(&config, &credentials).expect("complete credentials")
}

/// Where dumps go in a test.
pub(crate) fn backup(config: &mut Json, directory: &std::path::Path) {
    config["backup"] = json!({"directory": directory, "pgDump": programs().join("pg_dump")});
}

/// A spec that can be carried out.
pub(crate) fn spec(engine: Engine) -> Json {
    json!({
        "engine": engine, "version": null, "class": "", "storage": "20Gi", "highAvailability": false,
        "database": "shop", "tls": "preferred", "backupRetention": null, "deletionProtection": false, "clients": [],
        "network": {}, "common": {"tags": {"cost-center": "c42"}},
    })
}

/// A server behind a proxy.
pub(crate) struct OneServer {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) dumps: tempfile::TempDir,
    adapter: Arc<dyn DynAdapter>,
}

impl OneServer {
    pub(crate) async fn start(engine: Engine) -> Self {
        let server = Server::start(engine).await;
        let proxy = Proxy::to(server.port).await;
        let dumps = tempfile::tempdir().expect("a directory");
        let provider = provider(&[("s1", &server, proxy.port)], |config| backup(config, dumps.path()));
        let adapter = provider.adapter(Kind::Rds).expect("databases are served");
        Self {
            server,
            proxy,
            dumps,
            adapter,
        }
    }

    fn is_postgres(&self) -> bool {
        self.server.engine == Engine::Postgresql
    }
}

/// The database in an id.
pub(crate) fn database(id: &ExternalId) -> &str {
    id.as_str().split_once('/').expect("SERVER/DATABASE").1
}

/// The login of an account of the kit's.
pub(crate) fn login_of(database: &str, account: &str) -> String {
    let identity = database
        .split('_')
        .find(|part| part.starts_with("kit") && part.contains('x'));
    format!("{account}_{}", identity.expect("an identity of the kit's"))
}

#[async_trait]
impl Subject for OneServer {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        Arc::clone(&self.adapter)
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
                    "SELECT rolname::text FROM pg_roles WHERE rolname LIKE '%\\_{identity}%' UNION \
                     SELECT datname::text FROM pg_database WHERE datname LIKE '%\\_{identity}%' \
                     AND datdba <> (SELECT oid FROM pg_roles WHERE rolname = 'root')"
                )
            } else {
                format!("SELECT User FROM mysql.user WHERE User LIKE '%\\_{identity}'")
            };
            names = self.server.query(&left).await;
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
        let login = self
            .server
            .login(&login_of(name, user), password, Some(name), "SELECT 1")
            .await;
        login.is_ok()
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(self.proxy.cuts.clone())
    }
}
