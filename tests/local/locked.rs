//! A ledger whose file somebody else holds: told, and nothing is lost.

use sqlx::{Connection, Executor, SqliteConnection};

use crate::workplace::{Workplace, shop};

/// Holds the ledger as a backup or a forgotten `sqlite3` does, until it is dropped.
async fn held(workplace: &Workplace) -> SqliteConnection {
    let url = format!("sqlite:{}", workplace.path(".mooring/ledger.db").display());
    let mut other = SqliteConnection::connect(&url).await.expect("the ledger is there");
    other.execute("BEGIN IMMEDIATE").await.expect("nobody else has it");
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_ledger_is_told_and_when_it_is_free_everything_is_as_it_was() {
    let workplace = Workplace::new();
    let file = workplace.write("shop.yaml", &shop());
    workplace.run(&["up", "-f", &file]).ok();
    let (cloud, env) = (workplace.read(".mooring/mock-cloud.json"), workplace.env("web"));
    let grown = workplace.write(
        "grown.yaml",
        &shop().replace("engine: mysql, as: DB}", "engine: mysql, as: DB, storage: 40Gi}"),
    );

    let other = held(&workplace).await;
    for verb in [&["up", "-f", &grown][..], &["down", "-f", &file]] {
        let ran = workplace.run(verb).code(1);
        let lines: Vec<_> = ran.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{verb:?}: one line says it: {ran:?}");
        for part in ["error: ", "ledger", "database is locked"] {
            assert!(lines[0].contains(part), "{verb:?}: {part} in {ran:?}");
        }
    }
    assert_eq!(
        workplace.read(".mooring/mock-cloud.json"),
        cloud,
        "nothing was asked of the cloud"
    );
    assert_eq!(workplace.env("web"), env);
    drop(other);

    workplace.run(&["up", "-f", &grown]).ok();
    assert_eq!(workplace.cloud().created(), 5, "nothing is made twice");
    assert_eq!(workplace.env("web"), env);
    workplace.run(&["down", "-f", &file]).ok();
    assert!(workplace.cloud().list().is_empty());
}
