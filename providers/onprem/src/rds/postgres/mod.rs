//! PostgreSQL.
//!
//! A database belongs to a role of its own that cannot log in, and the record is the comment on that role: a role and
//! its comment are made in one transaction, while a database and a comment on it cannot be. Whose a database is can so
//! be told from the moment it exists, and its accounts, which may comment on a database they own, cannot forge it: a
//! comment on a role takes the right to make roles.
//!
//! Accounts are members of that role (`owner`), of `NAME_w` (`readwrite`) or of `NAME_r` (`readonly`). An owner works
//! as the database's role, so that what one makes belongs to all, and default privileges give the others their part.
//!
//! Brokers that claim a place at once wait for each other by an advisory lock. It is of the database they connect to, so
//! all of one server have the same `adminDatabase`.

mod login;
mod scram;
mod statements;

use std::sync::OnceLock;

use async_trait::async_trait;
use mooring_provider::{Error, Result};
use mooring_provider_http::Redactor;
use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, PgPool, Row,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow, PgSslMode},
};

use self::statements::{Roles, sql};
use super::{
    error::{self, failed},
    host::{Found, Host, Login, Look, Patience, Wanted},
    placement::room,
    record::{IS_RECORD, Record, Stage},
    sql::{Dialect, Ident, Sql},
};
use crate::config::{Capacity, SqlServer};

/// A PostgreSQL server.
pub(crate) struct Postgres {
    name: String,
    options: PgConnectOptions,
    capacity: Capacity,
    patience: Patience,
    redactor: Redactor,
    pool: OnceLock<PgPool>,
}

// The options of a connection show the password.
impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({})", self.name)
    }
}

impl Postgres {
    pub(crate) fn new(config: &SqlServer, login: &Login, patience: Patience) -> Self {
        let statement = patience.statement.as_millis().to_string();
        let options = PgConnectOptions::new_without_pgpass()
            .host(&config.host)
            .port(config.port.unwrap_or(5432))
            .username(&login.username)
            .password(login.password.expose_secret())
            .database(config.admin_database.as_deref().unwrap_or("postgres"))
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(config.ca_bundle.clone().into_bytes())
            .application_name("mooring")
            .options(
                [
                    "statement_timeout",
                    "lock_timeout",
                    "idle_in_transaction_session_timeout",
                ]
                .map(|timeout| (timeout, &statement)),
            )
            // Statements carry the hashes of passwords.
            .disable_statement_logging();
        Self {
            name: config.name.clone(),
            options,
            capacity: config.capacity.clone(),
            patience,
            redactor: Redactor::new([&login.password]),
            pool: OnceLock::new(),
        }
    }

    fn fail(&self, operation: &'static str, error: &sqlx::Error) -> Error {
        failed(Dialect::Postgres, operation, &self.name, &self.redactor, error)
    }

    fn late(&self, operation: &'static str) -> Error {
        let kind = mooring_provider::ErrorKind::Unavailable;
        Error::new(kind, operation, format!("{}: no answer in time", self.name))
    }

    async fn acquire(&self, operation: &'static str) -> Result<PoolConnection<sqlx::Postgres>> {
        // Made at the first use: a pool needs a runtime.
        let pool = self.pool.get_or_init(|| {
            PgPoolOptions::new()
                .max_connections(4)
                .acquire_timeout(self.patience.connect)
                .idle_timeout(std::time::Duration::from_secs(60))
                .connect_lazy_with(self.options.clone())
        });
        match pool.acquire().await {
            // The pool tries until the time is over, and does not say why it did not succeed.
            Err(sqlx::Error::PoolTimedOut) => match self.connect(&self.options, operation).await {
                Ok(_) => Err(self.fail(operation, &sqlx::Error::PoolTimedOut)),
                Err(error) => Err(error),
            },
            connection => connection.map_err(|error| self.fail(operation, &error)),
        }
    }

    /// A connection of its own.
    async fn connect(&self, options: &PgConnectOptions, operation: &'static str) -> Result<PgConnection> {
        match tokio::time::timeout(self.patience.connect, PgConnection::connect_with(options)).await {
            Ok(connection) => connection.map_err(|error| self.fail(operation, &error)),
            Err(_) => Err(self.late(operation)),
        }
    }

    /// What a statement answers. Several statements of one text are one transaction.
    async fn rows(&self, operation: &'static str, on: &mut PgConnection, sql: Sql) -> Result<Vec<PgRow>> {
        self.timely(operation, on.fetch_all(sql.query())).await
    }

    async fn run(&self, operation: &'static str, on: &mut PgConnection, sql: Sql) -> Result<()> {
        self.rows(operation, on, sql).await.map(drop)
    }

    /// Does something in time.
    async fn timely<T>(&self, operation: &'static str, doing: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.patience.answer(), doing).await {
            Ok(done) => done.map_err(|error| self.fail(operation, &error)),
            Err(_) => Err(self.late(operation)),
        }
    }

    /// Within the database itself: what belongs to whom in it, and what is still to be made.
    async fn within(&self, operation: &'static str, name: &Ident, sql: Sql) -> Result<()> {
        let options = self.options.clone().database(name.as_str());
        let mut inside = self.connect(&options, operation).await?;
        let done = self.run(operation, &mut inside, sql).await;
        // Whether it says good-bye in time does not matter.
        let _ = tokio::time::timeout(self.patience.connect, inside.close()).await;
        done
    }

    /// What has this name, as far as it has a record or is a database.
    async fn one(&self, operation: &'static str, on: &mut PgConnection, name: &Ident) -> Result<Option<Found>> {
        let rows = self.rows(operation, on, statements::look(&[name.as_str()])).await?;
        let found = self.read(operation, &rows)?;
        Ok(found.into_iter().find(|found| found.name == name.as_str()))
    }

    fn read(&self, operation: &'static str, rows: &[PgRow]) -> Result<Vec<Found>> {
        let read = |row: &PgRow| -> sqlx::Result<(Found, Option<String>)> {
            let limit: Option<i32> = row.try_get("connections")?;
            let found = Found {
                name: row.try_get("name")?,
                record: None,
                present: row.try_get("present")?,
                held: row.try_get("held")?,
                admits: row.try_get("admits")?,
                closed: row.try_get("closed")?,
                // -1 is no limit.
                limit: limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            };
            Ok((found, row.try_get("record")?))
        };
        rows.iter()
            .map(|row| {
                let (found, record) = read(row).map_err(|error| self.fail(operation, &error))?;
                let record = record.as_deref().map(Record::read).transpose()?;
                Ok(Found { record, ..found })
            })
            .collect()
    }
}

#[async_trait]
impl Host for Postgres {
    async fn look(&self, names: &[&str]) -> Result<Look> {
        let operation = "rds.observe";
        let mut on = self.acquire(operation).await?;
        let version = on.server_version_num();
        let rows = self.rows(operation, &mut on, statements::look(names)).await?;
        let version = version.map_or_else(String::new, |number| format!("{}.{}", number / 10_000, number % 10_000));
        Ok(Look {
            version,
            found: self.read(operation, &rows)?,
        })
    }

    async fn begin(&self, name: &Ident, record: &Record) -> Result<bool> {
        let operation = "rds.create";
        let mut on = self.acquire(operation).await?;
        let mut placing = self.timely(operation, on.begin()).await?;
        self.run(operation, &mut placing, statements::turn()).await?;
        let rows = self
            .rows(operation, &mut placing, statements::look(&[name.as_str()]))
            .await?;
        let all = self.read(operation, &rows)?;
        if let Some(found) = all.iter().find(|found| found.name == name.as_str()) {
            let there = found.record.as_ref();
            let ours = there.is_some_and(|there| there.owner() == record.owner());
            return if ours && (found.held || !found.present) {
                Ok(true)
            } else {
                Err(error::taken(operation, &self.name, "database", name.as_str()))
            };
        }
        if room(&self.capacity, &all, record.storage).is_none() {
            return Ok(false);
        }
        let claim = statements::claim(&Roles::of(name)?, record)?;
        match self.run(operation, &mut placing, claim).await {
            // What has no record is not ours, as it was made with its record or not at all.
            Err(error) if error::is(&error, &["42710"]) => {
                return Err(error::taken(operation, &self.name, "role", name.as_str()).with_source(error));
            }
            made => made?,
        }
        self.timely(operation, placing.commit()).await?;
        Ok(true)
    }

    async fn finish(&self, name: &Ident, record: &Record) -> Result<()> {
        let operation = "rds.create";
        let roles = Roles::of(name)?;
        let mut on = self.acquire(operation).await?;
        match self.run(operation, &mut on, statements::create(&roles, record)).await {
            // Made before, or somebody else's.
            Err(error) if error::is(&error, &["42P04"]) => {
                let found = self.one(operation, &mut on, name).await?;
                if !found.is_some_and(|found| found.held) {
                    return Err(error::taken(operation, &self.name, "database", name.as_str()).with_source(error));
                }
            }
            made => made?,
        }
        self.run(operation, &mut on, statements::close(&roles, record)).await?;
        self.within(operation, name, statements::set_up(&roles)).await?;
        self.run(operation, &mut on, statements::note(name, &record.at(Stage::Made))?)
            .await
    }

    async fn write(&self, name: &Ident, record: &Record) -> Result<()> {
        let operation = "rds.update";
        let mut on = self.acquire(operation).await?;
        let note = statements::note(name, record)?.text("; ");
        let close = statements::close(&Roles::of(name)?, record);
        self.run(operation, &mut on, note.then(close)).await
    }

    async fn revoke(&self, name: &Ident) -> Result<()> {
        let operation = "rds.park";
        let mut on = self.acquire(operation).await?;
        let logins = self.logins(operation, &mut on, name).await?;
        let mut revoked = sql("SELECT 1");
        for login in &logins {
            revoked = revoked.text("; ALTER ROLE ").ident(login).text(" NOLOGIN");
        }
        self.run(operation, &mut on, revoked).await?;
        self.run(operation, &mut on, statements::end_sessions(name)).await
    }

    async fn remove(&self, name: &Ident, record: &Record) -> Result<()> {
        let operation = "rds.delete";
        let mut on = self.acquire(operation).await?;
        let Some(found) = self.one(operation, &mut on, name).await? else {
            return Ok(());
        };
        // Between the look of the caller and this one it may have become somebody else's.
        let ours = found
            .record
            .as_ref()
            .is_some_and(|there| there.owner() == record.owner());
        if !ours || (found.present && !found.held && record.stage == Stage::Made) {
            return Err(error::taken(operation, &self.name, "database", name.as_str()));
        }
        if found.present && found.held {
            let mark = statements::note(name, &record.at(Stage::Deleting))?;
            self.run(operation, &mut on, mark).await?;
            self.run(operation, &mut on, statements::drop_database(name)).await?;
        }
        let logins = self.logins(operation, &mut on, name).await?;
        let roles = Roles::of(name)?;
        self.run(operation, &mut on, statements::drop_roles(&roles, &logins))
            .await
    }

    async fn put_login(&self, name: &Ident, _: &Record, login: &Ident, wanted: &Wanted<'_>) -> Result<()> {
        self.put(name, login, wanted).await
    }

    async fn drop_login(&self, name: &Ident, login: &Ident) -> Result<()> {
        self.drop_one(name, login).await
    }
}
