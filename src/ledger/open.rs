//! Opening a ledger by its URL.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{Error as IoError, ErrorKind},
    ops::Deref,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use sqlx::{
    Acquire, Connection, PgConnection, SqlSafeStr, SqliteConnection,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Error, Ledger, Result, sql::Sql};

/// How long another process may hold the file before a call fails.
const BUSY: Duration = Duration::from_secs(5);
/// How long a call waits for a connection of its own.
const ACQUIRE: Duration = Duration::from_secs(30);
/// Connections to a server: a replica writes for a few resources at once.
const CONNECTIONS: u32 = 10;

const SQLITE: &[(&str, &str)] = &[
    ("ledger", include_str!("migrations/sqlite/0001_ledger.sql")),
    ("sightings", include_str!("migrations/sqlite/0002_sightings.sql")),
];
const POSTGRES: &[(&str, &str)] = &[
    ("ledger", include_str!("migrations/postgres/0001_ledger.sql")),
    ("sightings", include_str!("migrations/postgres/0002_sightings.sql")),
];

/// Opens the ledger at `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=…` and brings its schema up to
/// date. A SQLite file that is not there is made, with the directory it is in. No error shows the password.
pub async fn open(url: &str) -> Result<Arc<dyn Ledger>> {
    let ledger = match url.split_once(':') {
        Some(("sqlite", path)) => sqlite(url, path.strip_prefix("//").unwrap_or(path)).await?,
        Some(("postgres" | "postgresql", rest)) => postgres(url, rest).await?,
        Some((scheme, _)) => return Err(Error::Url(format!("{scheme}:…"))),
        None => return Err(Error::Url(if url.contains('@') { "…".into() } else { url.into() })),
    };
    Ok(Arc::new(ledger))
}

pub(super) async fn sqlite(url: &str, path: &str) -> Result<Sql> {
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return Err(Error::Url(url.into()));
    }
    prepare(Path::new(path))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would lose the last intents with the power, and with them the knowledge that a create was sent.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY);
    let unopened = |source| failed("cannot open the SQLite file", named(path, source));
    let migrator = migrator(SQLITE);
    // Nothing but SQLite's own lock keeps two processes from migrating a new file at once: the one that comes second
    // fails on what is there already, and finds it done when it looks again.
    for again in (0..=SQLITE.len()).rev() {
        // Each time on a connection of its own, for the reason that `usable` has.
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(unopened)?;
        match run(&migrator, &mut connection).await {
            Ok(()) => {
                connection.close().await.map_err(unopened)?;
                break;
            }
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if again > 0 => {}
            Err(error) => return Err(unmigrated(error)),
        }
    }
    let pool = SqlitePoolOptions::new()
        // SQLite has one writer; within the process the pool queues fairly, where SQLite itself would poll.
        .max_connections(1)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(usable(connection)))
        .connect_with(options)
        .await
        .map_err(unopened)?;
    Ok(Sql::Sqlite(pool))
}

/// Whether nothing is left open on a connection that comes back. Where a commit fails, on a full disk for one, SQLite
/// itself may have rolled back; sqlx cannot do so again and takes the connection to be inside a transaction still. From
/// there a second failure opens one that is never committed, and all that is written after it succeeds and is lost.
async fn usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // A rollback that was begun when the transaction was dropped has ended when this is answered.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Boxed: the compiler cannot see through sqlx's generic future that what waits for it may move between threads.
fn run<'a, A>(migrator: &'a Migrator, database: A) -> BoxFuture<'a, Result<(), MigrateError>>
where
    A: Acquire<'a> + Send + 'a,
    <A::Connection as Deref>::Target: Migrate,
{
    Box::pin(migrator.run(database))
}

/// Makes the file, for us alone, and the directory it is in. A directory further up that is missing is more likely a
/// volume that was not mounted.
fn prepare(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        match DirBuilder::new().mode(0o700).create(parent) {
            Err(error) if !parent.is_dir() => {
                return Err(failed(
                    "cannot make the directory of the SQLite file",
                    at(parent, &error),
                ));
            }
            _ => {}
        }
    }
    // Only ever made, never opened: closing a file drops the locks that SQLite holds on it in this process.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(failed("cannot make the SQLite file", at(path, &error)))
        }
        _ => Ok(()),
    }
}

async fn postgres(url: &str, rest: &str) -> Result<Sql> {
    const READING: &str = "cannot read the URL of PostgreSQL";
    if let Some(problem) = problem(rest) {
        return Err(failed(READING, problem));
    }
    let options: PgConnectOptions = url.parse().map_err(|source: sqlx::Error| failed(READING, source))?;
    let options = options.application_name("mooring");
    // One connection by itself first: a pool would try a refused one again until it can only say that time is up.
    let mut connection = PgConnection::connect_with(&options)
        .await
        .map_err(|source| failed("cannot connect to PostgreSQL", source))?;
    run(&migrator(POSTGRES), &mut connection).await.map_err(unmigrated)?;
    connection
        .close()
        .await
        .map_err(|source| failed("cannot connect to PostgreSQL", source))?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .connect_lazy_with(options);
    Ok(Sql::Postgres(pool))
}

/// What sqlx would misread or ignore, and log: the rest of a password after a bare `?`, or a misspelt parameter.
fn problem(url: &str) -> Option<String> {
    const KNOWN: [&str; 12] = [
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "options",
        "statement-cache-capacity",
    ];
    let authority = url.trim_start_matches('/');
    let (_, rest) = authority.split_at(authority.find(['/', '?', '#']).unwrap_or(authority.len()));
    if rest.contains('@') {
        return Some("an @ after the host; write / ? # and @ in a password as %2F %3F %23 and %40".into());
    }
    let mut names = rest
        .split_once('?')?
        .1
        .split('&')
        .filter_map(|pair| pair.split('=').next());
    let unknown = names.find(|name| !KNOWN.contains(name))?;
    Some(format!(
        "`{unknown}` is no parameter; the parameters are {}",
        KNOWN.join(", ")
    ))
}

fn migrator(migrations: &[(&'static str, &'static str)]) -> Migrator {
    let migrations = (1..).zip(migrations).map(|(version, (description, sql))| {
        Migration::new(
            version,
            (*description).into(),
            MigrationType::Simple,
            (*sql).into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

fn unmigrated(source: MigrateError) -> Error {
    let operation = match source {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => {
            "the database was written by another, newer version of Mooring; run that version"
        }
        _ => "cannot bring the schema up to date",
    };
    failed(operation, source)
}

fn failed(operation: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Database {
        operation,
        source: source.into(),
    }
}

fn at(path: &Path, error: &IoError) -> String {
    format!("{}: {error}", path.display())
}

fn named(path: &str, error: sqlx::Error) -> String {
    format!("{path}: {error}")
}
