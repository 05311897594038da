//! MariaDB and MySQL.
//!
//! The records stand in two tables of a schema of our own, `mooring`. MariaDB has comments on databases, but who may
//! alter a database, as the owner of one may, could forge them; MySQL has none; and neither has comments on users. A
//! record is written before what it is about is made, once it is sure that nobody has the name.
//!
//! Brokers that claim a place at once wait for each other by the one row of a third table.
//!
//! The number of connections is a limit of each user here: there is none of a database.

mod login;
mod read;
mod statements;

use std::sync::OnceLock;

use async_trait::async_trait;
use mooring_provider::{Error, ErrorKind, Result, spec::Engine};
use mooring_provider_http::Redactor;
use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, Connection, Executor, MySqlConnection, MySqlPool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow, MySqlSslMode},
    pool::PoolConnection,
};

use super::{
    error::{self, failed},
    host::{Found, Host, Login, Look, Patience, Wanted},
    placement::room,
    record::{Record, Stage},
    sql::{Dialect, Ident, Sql},
};
use crate::config::{Capacity, SqlServer};

/// A MariaDB or MySQL server.
pub(crate) struct Mysql {
    name: String,
    engine: Engine,
    options: MySqlConnectOptions,
    capacity: Capacity,
    patience: Patience,
    redactor: Redactor,
    pool: OnceLock<MySqlPool>,
}

/// There is no such table, no such database: we have never written a record here.
const NO_RECORDS: &[&str] = &["1146", "1049"];

// The options of a connection show the password.
impl std::fmt::Debug for Mysql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mysql({})", self.name)
    }
}

impl Mysql {
    pub(crate) fn new(config: &SqlServer, engine: Engine, login: &Login, patience: Patience) -> Self {
        let options = MySqlConnectOptions::new()
            .host(&config.host)
            .port(config.port.unwrap_or(3306))
            .username(&login.username)
            .password(login.password.expose_secret())
            .ssl_mode(MySqlSslMode::VerifyIdentity)
            .ssl_ca_from_pem(config.ca_bundle.clone().into_bytes())
            // Statements carry passwords.
            .disable_statement_logging();
        Self {
            name: config.name.clone(),
            engine,
            options,
            capacity: config.capacity.clone(),
            patience,
            redactor: Redactor::new([&login.password]),
            pool: OnceLock::new(),
        }
    }

    fn fail(&self, operation: &'static str, error: &sqlx::Error) -> Error {
        failed(Dialect::Mysql, operation, &self.name, &self.redactor, error)
    }

    fn late(&self, operation: &'static str) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            operation,
            format!("{}: no answer in time", self.name),
        )
    }

    async fn acquire(&self, operation: &'static str) -> Result<PoolConnection<sqlx::MySql>> {
        // Made at the first use: a pool needs a runtime.
        let pool = self.pool.get_or_init(|| {
            let patience = self.patience;
            MySqlPoolOptions::new()
                .max_connections(4)
                .acquire_timeout(patience.connect)
                .idle_timeout(std::time::Duration::from_secs(60))
                .after_connect(move |on, _| {
                    let settings = statements::settings(patience);
                    Box::pin(async move { on.execute(settings.query()).await.map(drop) })
                })
                .connect_lazy_with(self.options.clone())
        });
        match pool.acquire().await {
            // The pool tries until the time is over, and does not say why it did not succeed.
            Err(sqlx::Error::PoolTimedOut) => Err(self.why(operation).await),
            connection => connection.map_err(|error| self.fail(operation, &error)),
        }
    }

    /// Why there is no connection.
    async fn why(&self, operation: &'static str) -> Error {
        let settings = statements::settings(self.patience);
        let connect = async {
            let mut on = MySqlConnection::connect_with(&self.options).await?;
            on.execute(settings.query()).await?;
            Err::<(), _>(sqlx::Error::PoolTimedOut)
        };
        match tokio::time::timeout(self.patience.connect, connect).await {
            Ok(Err(error)) => self.fail(operation, &error),
            _ => self.late(operation),
        }
    }

    async fn rows(&self, operation: &'static str, on: &mut MySqlConnection, sql: Sql) -> Result<Vec<MySqlRow>> {
        self.timely(operation, on.fetch_all(sql.query())).await
    }

    /// Does something in time.
    async fn timely<T>(&self, operation: &'static str, doing: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.patience.answer(), doing).await {
            Ok(done) => done.map_err(|error| self.fail(operation, &error)),
            Err(_) => Err(self.late(operation)),
        }
    }

    async fn run(&self, operation: &'static str, on: &mut MySqlConnection, sql: Sql) -> Result<()> {
        self.rows(operation, on, sql).await.map(drop)
    }
}

#[async_trait]
impl Host for Mysql {
    async fn look(&self, names: &[&str]) -> Result<Look> {
        let operation = "rds.observe";
        let mut on = self.acquire(operation).await?;
        let mut look = self.records(operation, &mut on).await?;
        let known = |name: &&str| look.found.iter().any(|found| found.name == *name);
        let others: Vec<_> = names.iter().copied().filter(|name| !known(name)).collect();
        if !others.is_empty() {
            let present = self.present(operation, &mut on, &others).await?;
            look.found.extend(present.into_iter().map(|name| Found {
                name,
                record: None,
                present: true,
                held: false,
                admits: true,
                closed: false,
                limit: None,
            }));
        }
        Ok(look)
    }

    async fn begin(&self, name: &Ident, record: &Record) -> Result<bool> {
        let operation = "rds.create";
        let mut on = self.acquire(operation).await?;
        // Tables cannot be made within a transaction.
        match self.run(operation, &mut on, statements::turn()).await {
            Err(error) if error::is(&error, NO_RECORDS) => self.run(operation, &mut on, statements::schema()).await?,
            there => there?,
        }
        let mut placing = self.timely(operation, on.begin()).await?;
        self.run(operation, &mut placing, statements::turn()).await?;
        let all = self.records(operation, &mut placing).await?.found;
        if let Some(found) = all.iter().find(|found| found.name == name.as_str()) {
            let there = found.record.as_ref();
            return if there.is_some_and(|there| there.owner() == record.owner()) {
                Ok(true)
            } else {
                Err(error::taken(operation, &self.name, "database", name.as_str()))
            };
        }
        let present = self.present(operation, &mut placing, &[name.as_str()]).await?;
        if !present.is_empty() {
            return Err(error::taken(operation, &self.name, "database", name.as_str()));
        }
        if room(&self.capacity, &all, record.storage).is_none() {
            return Ok(false);
        }
        self.run(operation, &mut placing, statements::claim(name, record)?)
            .await?;
        self.timely(operation, placing.commit()).await?;
        Ok(true)
    }

    async fn finish(&self, name: &Ident, record: &Record) -> Result<()> {
        let operation = "rds.create";
        let mut on = self.acquire(operation).await?;
        match self.run(operation, &mut on, statements::create(name)).await {
            Err(error) if error::is(&error, &["1007"]) => {
                // Made before and not recorded as such, or somebody else's of this very moment; ours is empty.
                let tables = self.rows(operation, &mut on, statements::one_table(name)).await?;
                if record.stage == Stage::Making && !tables.is_empty() {
                    return Err(error::taken(operation, &self.name, "database", name.as_str()).with_source(error));
                }
            }
            made => made?,
        }
        let made = statements::note(name, &record.at(Stage::Made))?;
        self.run(operation, &mut on, made).await
    }

    async fn write(&self, name: &Ident, record: &Record) -> Result<()> {
        let operation = "rds.update";
        let mut on = self.acquire(operation).await?;
        let logins = self.logins(operation, &mut on, name).await?;
        self.run(operation, &mut on, statements::note(name, record)?).await?;
        if logins.is_empty() {
            return Ok(());
        }
        self.run(operation, &mut on, statements::limit(&logins, record.connections))
            .await
    }

    async fn revoke(&self, name: &Ident) -> Result<()> {
        let operation = "rds.park";
        let mut on = self.acquire(operation).await?;
        let logins = self.logins(operation, &mut on, name).await?;
        self.shut_out(operation, &mut on, &logins).await
    }

    async fn remove(&self, name: &Ident, record: &Record) -> Result<()> {
        let operation = "rds.delete";
        let mut on = self.acquire(operation).await?;
        let Some(found) = self.one(operation, &mut on, name).await? else {
            return Ok(());
        };
        // Between the look of the caller and this one it may have become somebody else's.
        let ours = |there: &Record| there.owner() == record.owner();
        let Some(there) = found.record.filter(ours) else {
            return Err(error::taken(operation, &self.name, "database", name.as_str()));
        };
        if found.present && there.stage == Stage::Making {
            let tables = self.rows(operation, &mut on, statements::one_table(name)).await?;
            if !tables.is_empty() {
                return Err(error::taken(operation, &self.name, "database", name.as_str()));
            }
        }
        let logins = self.logins(operation, &mut on, name).await?;
        let mark = statements::note(name, &record.at(Stage::Deleting))?;
        self.run(operation, &mut on, mark).await?;
        self.shut_out(operation, &mut on, &logins).await?;
        self.run(operation, &mut on, statements::drop_database(name)).await?;
        if !logins.is_empty() {
            self.run(operation, &mut on, statements::drop_users(&logins)).await?;
        }
        self.run(operation, &mut on, statements::forget(name)).await
    }

    async fn put_login(&self, name: &Ident, record: &Record, login: &Ident, wanted: &Wanted<'_>) -> Result<()> {
        self.put(name, record, login, wanted).await
    }

    async fn drop_login(&self, name: &Ident, login: &Ident) -> Result<()> {
        self.drop_one(name, login).await
    }
}
