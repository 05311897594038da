//! What can go wrong with a database, and what a person is told.

use std::{error::Error as _, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use futures::future::join_all;
use mooring::ledger::{Error, InMemory, Ledger, Memory, open};
use mooring_provider::Permission;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;

use super::{cases::*, support::postgres::Postgres};

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn url_of(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// An error with all its causes, as the log prints it.
fn chain(error: &Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn refused(url: &str) -> String {
    match open(url).await {
        Ok(ledger) => panic!("{url} was opened: {ledger:?}"),
        Err(error) => chain(&error),
    }
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&url_of(path))
        .await
        .expect("the file of the ledger")
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_on_one_file_are_granted_once() {
    let dir = directory();
    let url = url_of(&dir.path().join("ledger.db"));
    let mut ledgers = Vec::new();
    for opened in join_all((0..4).map(|_| open(&url))).await {
        ledgers.push(opened.expect("whoever comes second finds the schema made"));
    }
    for round in 0..5 {
        let (now, stale) = (at(round * 100), at(round * 100 - 50));
        assert_eq!(
            granted_of_sixteen(&ledgers, intent(0, now), stale).await,
            1,
            "round {round}"
        );
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let dir = directory();
    let url = url_of(&dir.path().join("ledger.db"));
    let first = open(&url).await.unwrap();
    first.creating(&record("a"), &intent(0, at(0)), at(-60)).await.unwrap();
    // The first is still open, as it is when a process is killed: nothing was flushed on its way out.
    let second = open(&url).await.unwrap();
    let memory = second.get(&identity("a")).await.unwrap().unwrap().memory;
    assert_eq!(
        memory,
        Memory {
            intent: Some(intent(0, at(0))),
            ..Memory::default()
        }
    );
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    let dir = directory();
    let path = dir.path().join("state/ledger.db");
    let ledger = open(&url_of(&path)).await.unwrap();
    ledger.put(&record("a")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
}

#[tokio::test]
async fn a_missing_directory_is_named_and_not_made() {
    let dir = directory();
    let volume = dir.path().join("volume");
    let message = refused(&url_of(&volume.join("mooring/ledger.db"))).await;
    assert!(
        message.contains("cannot make the directory of the SQLite file"),
        "{message}"
    );
    assert!(
        message.contains("volume/mooring: No such file or directory"),
        "{message}"
    );
    assert!(!volume.exists());
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    // Not even root may make a file there.
    let message = refused("sqlite:/sys/ledger.db").await;
    assert!(
        message.contains("cannot make the SQLite file: /sys/ledger.db: "),
        "{message}"
    );
    let dir = directory();
    let message = refused(&url_of(dir.path())).await;
    assert!(
        message.contains("cannot open the SQLite file") && message.contains("unable to open"),
        "{message}"
    );
    let file = dir.path().join("file");
    fs::write(&file, "no database, but longer than the header of one: ".repeat(20)).unwrap();
    let message = refused(&url_of(&file)).await;
    assert!(message.contains("file is not a database"), "{message}");
    let message = refused(&url_of(&file.join("ledger.db"))).await;
    assert!(
        message.contains("cannot make the directory of the SQLite file"),
        "{message}"
    );
}

#[tokio::test]
async fn a_locked_file_fails_the_call_and_no_more() {
    let dir = directory();
    let path = dir.path().join("ledger.db");
    let ledger = open(&url_of(&path)).await.unwrap();
    ledger.put(&record("known")).await.unwrap();
    let mut other = raw(&path).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = ledger
        .creating(&record("a"), &intent(0, at(0)), at(-60))
        .await
        .unwrap_err();
    let message = chain(&error);
    assert!(
        message.starts_with("ledger: cannot write down that something is about to be created: "),
        "{message}"
    );
    assert!(message.contains("database is locked"), "{message}");
    assert!(
        ledger.get(&identity("known")).await.unwrap().is_some(),
        "reading goes on"
    );
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(ledger.get(&identity("a")).await.unwrap(), None);
    let again = ledger.creating(&record("a"), &intent(0, at(0)), at(-60)).await;
    assert_eq!(again.unwrap(), Permission::Granted);
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let dir = directory();
    let path = dir.path().join("ledger.db");
    let ledger = open(&url_of(&path)).await.unwrap();
    drop(ledger);
    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (99, 'future', TRUE, x'00', 0)";
    raw(&path).await.execute(future).await.unwrap();
    let message = refused(&url_of(&path)).await;
    assert!(
        message.contains("newer version of Mooring") && message.contains("migration 99"),
        "{message}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let dir = directory();
    let path = dir.path().join("ledger.db");
    let ledger = open(&url_of(&path)).await.unwrap();
    for (column, value) in [
        ("standing", "'orbiting'"),
        ("kind", "'quantum'"),
        ("keep_until", "'tomorrow'"),
        ("applied", "'{'"),
        ("incarnation", "-1"),
    ] {
        ledger.put(&record(column)).await.unwrap();
        let update = format!("UPDATE resources SET {column} = {value} WHERE identity = '{column}'");
        raw(&path).await.execute(AssertSqlSafe(update)).await.unwrap();
        match ledger.get(&identity(column)).await {
            Err(Error::Unreadable {
                column: named,
                identity,
            }) => assert_eq!((named, &*identity), (column, column)),
            other => panic!("{column}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_url_that_is_no_ledger_shows_no_secret() {
    for url in [
        "ledger.db",
        "mysql://u:hunter2@h/d",
        "u:hunter2@h/d",
        "hunter2@h",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:l.db?mode=ro",
    ] {
        let message = refused(url).await;
        assert!(
            message.contains("is no ledger; use sqlite:PATH or postgres://"),
            "{message}"
        );
        assert!(!message.contains("hunter2"), "{message}");
    }
    for url in [
        "postgres://u:hunter2@h/d?pasword=hunter2",
        "postgres://u:hunter2@127.0.0.1:port/d",
        "postgres://u:hunter2@127.0.0.1:1/d",
        "postgres://u:hunter2#@127.0.0.1/d",
        "postgres://u:1?hunter2@127.0.0.1/d",
        "postgres://u:1/hunter2@127.0.0.1/d",
        "postgres://u:hunter2@127.0.0.1:1/d?sslmode=never",
        "postgres://u@127.0.0.1:1/d?sslmode=disable&password=hunter2",
    ] {
        let message = refused(url).await;
        assert!(
            message.starts_with("ledger: ") && !message.contains("hunter2"),
            "{message}"
        );
    }
    let message = refused("postgres://u:hunter2@127.0.0.1:1/d?sslmode=disable&pasword=hunter2").await;
    assert!(message.contains("`pasword` is no parameter"), "{message}");
    let message = refused("postgres://u:1?hunter2@127.0.0.1/d").await;
    assert!(message.contains("in a password as %2F"), "{message}");
    let message = refused("postgres://u:hunter2@127.0.0.1:1/d").await;
    assert!(
        message.contains("cannot connect to PostgreSQL") && message.contains("refused"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_in_trouble() {
    let postgres = Postgres::start();
    let url = postgres.database().await;
    let mut ledgers = Vec::new();
    for opened in join_all((0..4).map(|_| open(&url))).await {
        ledgers.push(opened.expect("whoever comes second finds the schema made"));
    }
    assert_eq!(granted_of_sixteen(&ledgers, intent(0, at(0)), at(-50)).await, 1);
    assert_eq!(format!("{:?}", ledgers[0]), "Ledger(postgres)");

    let mut raw = PgConnection::connect(&url).await.unwrap();
    raw.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await
    .unwrap();
    for ledger in &ledgers {
        assert!(
            ledger.get(&identity("a")).await.unwrap().is_some(),
            "a lost connection is replaced"
        );
    }

    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, host) = rest.rsplit_once('@').unwrap();
    let message = refused(&format!("{scheme}://mooring:hunter2@{host}")).await;
    assert!(
        message.contains("cannot connect to PostgreSQL") && message.contains("password"),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
    let message = refused(&postgres.url("nothing_here")).await;
    assert!(message.contains("\"nothing_here\" does not exist"), "{message}");

    raw.execute("INSERT INTO _sqlx_migrations VALUES (99, 'future', now(), TRUE, '\\x00', 0)")
        .await
        .unwrap();
    let message = refused(&url).await;
    assert!(
        message.contains("newer version of Mooring") && message.contains("migration 99"),
        "{message}"
    );

    let columns = raw
        .fetch_all(
            "SELECT table_name || '.' || column_name AS name FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name <> '_sqlx_migrations'",
        )
        .await
        .unwrap();
    assert_only_expected(columns.iter().map(|row| row.get("name")).collect());
    postgres.discard(&url).await;
}

#[tokio::test]
async fn postgres_without_tls_is_refused_where_tls_is_demanded() {
    let postgres = Postgres::start();
    let url = postgres.url("postgres");
    let plain = url.split('?').next().unwrap();
    if std::env::var_os("MOORING_TEST_POSTGRES").is_none() {
        let message = refused(&format!("{plain}?sslmode=require")).await;
        assert!(message.contains("server does not support TLS"), "{message}");
    }
}

#[tokio::test]
async fn there_is_no_column_for_a_secret() {
    let dir = directory();
    let path = dir.path().join("ledger.db");
    open(&url_of(&path)).await.unwrap();
    let columns = raw(&path)
        .await
        .fetch_all(
            "SELECT tables.name || '.' || columns.name AS name
            FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
            WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%' AND tables.name <> '_sqlx_migrations'",
        )
        .await
        .unwrap();
    assert_only_expected(columns.iter().map(|row| row.get("name")).collect());
    assert!(
        !include_str!("../../src/ledger/mod.rs").contains("SecretString"),
        "what is kept holds no secret"
    );
}

/// Whoever adds a column adds it here, and asks himself whether a secret could get into it.
fn assert_only_expected(mut columns: Vec<String>) {
    const EXPECTED: &str = "
        approvals: action actor at identity
        audit: action actor at detail environment external_id identity kind outcome request_id seq
        constants: name value
        resources: applied application cluster component endpoint environment existing external_id external_name
            gone_since identity incarnation intent_incarnation intent_since intent_spec_hash keep_until kind
            missing_since name namespace provider reason seq sightings standing was_ready
        told: account hash identity";
    let mut table = "";
    let mut expected = Vec::new();
    for word in EXPECTED.split_whitespace() {
        match word.strip_suffix(':') {
            Some(name) => table = name,
            None => expected.push(format!("{table}.{word}")),
        }
    }
    columns.sort();
    expected.sort();
    assert_eq!(columns, expected);
}

#[tokio::test]
async fn the_one_in_memory_fails_when_told() {
    let memory = InMemory::new();
    let ledger: Arc<dyn Ledger> = Arc::new(memory.clone());
    memory.fail_next(2);
    for _ in 0..2 {
        let message = chain(&ledger.put(&record("a")).await.unwrap_err());
        assert_eq!(message, "ledger: cannot write a record: the ledger was told to fail");
    }
    assert_eq!(ledger.get(&identity("a")).await.unwrap(), None);
    memory.lose_next(1);
    ledger.put(&record("a")).await.unwrap_err();
    assert!(ledger.get(&identity("a")).await.unwrap().is_some());
    memory.break_it(true);
    for _ in 0..3 {
        ledger
            .creating(&record("b"), &intent(0, at(0)), at(-60))
            .await
            .unwrap_err();
    }
    memory.break_it(false);
    assert_eq!(ledger.get(&identity("b")).await.unwrap(), None);
}
