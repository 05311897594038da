//! What tests say to a server, past Mooring.

use std::{path::Path, process::Command};

use mooring_provider::spec::Engine;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, MySqlConnection, PgConnection, Row, mysql::MySqlRow, postgres::PgRow,
};

use crate::sql::{ADMIN, ROOT, Server, programs};

/// A session at either.
#[derive(Debug)]
pub enum Session {
    /// At PostgreSQL.
    Postgres(PgConnection),
    /// At MariaDB.
    Mysql(MySqlConnection),
}

impl Server {
    /// Runs a statement as `root`.
    pub async fn execute(&self, sql: &str) {
        self.query(sql).await;
    }

    /// Runs a statement as `root` in a database.
    pub async fn execute_in(&self, database: &str, sql: &str) -> Vec<String> {
        let answer = self.login(ROOT, self.root(), Some(database), sql).await;
        answer.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The first column of what a statement answers to `root`, as text.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        self.try_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// [`query`](Self::query), whatever comes of it.
    ///
    /// # Errors
    /// What the server or the way to it says.
    pub async fn try_query(&self, sql: &str) -> sqlx::Result<Vec<String>> {
        let mut held = self.session.lock().await;
        let session = match held.take() {
            Some(session) => session,
            None => self.session(ROOT, self.root(), None).await?,
        };
        let (answer, session) = session.ask(sql).await;
        // A session that failed may be broken.
        *held = Some(session).filter(|_| answer.is_ok());
        answer
    }

    /// Logs in with nothing but what a container gets, and runs a statement.
    ///
    /// # Errors
    /// What the server or the way to it says.
    pub async fn login(
        &self,
        user: &str,
        password: &str,
        database: Option<&str>,
        sql: &str,
    ) -> sqlx::Result<Vec<String>> {
        self.session(user, password, database).await?.ask(sql).await.0
    }

    /// Restores a dump into a database that is there, by the line that the provider's documentation has for it.
    pub fn restore(&self, dump: &Path, database: &str) {
        let program = match self.engine {
            Engine::Postgresql => "pg_restore ",
            _ => "mariadb ",
        };
        let documented = include_str!("../../../providers/onprem/README.md")
            .lines()
            .find(|line| line.starts_with(program));
        let command = documented
            .expect("the README says how")
            .replace("HOST", "127.0.0.1")
            .replace("ADMIN", ADMIN.0)
            .replace("DATABASE", database)
            .replace("DUMP", &dump.display().to_string());
        let path = format!("{}:{}", programs().display(), std::env::var("PATH").unwrap_or_default());
        let port = self.port.to_string();
        let mut restore = Command::new("sh");
        // What an administrator has in files of their own.
        restore
            .args(["-c", &command])
            .env("PATH", path)
            .envs([
                ("PGPORT", port.as_str()),
                ("PGPASSWORD", ADMIN.1),
                ("PGSSLMODE", "verify-full"),
            ])
            .env("PGSSLROOTCERT", self.path("ca.crt"))
            .envs([("MYSQL_TCP_PORT", port.as_str()), ("MYSQL_PWD", ADMIN.1)]);
        let output = restore.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn session(&self, user: &str, password: &str, database: Option<&str>) -> sqlx::Result<Session> {
        Ok(match self.engine {
            Engine::Postgresql => Session::Postgres(self.postgres(user, password, database).await?),
            _ => Session::Mysql(self.mysql(user, password, database).await?),
        })
    }

    /// A session of PostgreSQL.
    ///
    /// # Errors
    /// What the server or the way to it says.
    pub async fn postgres(&self, user: &str, password: &str, database: Option<&str>) -> sqlx::Result<PgConnection> {
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(user)
            .password(password)
            .database(database.unwrap_or("postgres"))
            .ssl_mode(sqlx::postgres::PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(self.ca.clone().into_bytes());
        options.connect().await
    }

    /// A session of MariaDB.
    ///
    /// # Errors
    /// What the server or the way to it says.
    pub async fn mysql(&self, user: &str, password: &str, database: Option<&str>) -> sqlx::Result<MySqlConnection> {
        let mut options = sqlx::mysql::MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port)
            .username(user)
            .ssl_mode(sqlx::mysql::MySqlSslMode::VerifyIdentity)
            .ssl_ca_from_pem(self.ca.clone().into_bytes());
        if !password.is_empty() {
            options = options.password(password);
        }
        if let Some(database) = database {
            options = options.database(database);
        }
        options.connect().await
    }
}

impl Session {
    async fn ask(self, sql: &str) -> (sqlx::Result<Vec<String>>, Self) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(mut on) => {
                let rows = on.fetch_all(sql).await;
                let first = |row: &PgRow| row.try_get_unchecked(0).unwrap_or_default();
                (rows.map(|rows| rows.iter().map(first).collect()), Self::Postgres(on))
            }
            Self::Mysql(mut on) => {
                let rows = on.fetch_all(sql).await;
                let first = |row: &MySqlRow| row.try_get_unchecked(0).unwrap_or_default();
                (rows.map(|rows| rows.iter().map(first).collect()), Self::Mysql(on))
            }
        }
    }
}
