//! The ledger in a database. Every statement is written once and means the same in SQLite and PostgreSQL; what
//! differs between them is in the migrations and in [`super::open`].

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use jiff::Timestamp;
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Kind, Permission};
use sqlx::{PgPool, Row, SqlitePool};

use super::{
    Audit, Error, Filter, Intent, Ledger, Record, Result,
    rows::{self, text},
    statements::{CREATING, FAILED, MADE, PUT, bind_record},
};

/// A ledger in a database.
pub(super) enum Sql {
    /// In a file.
    Sqlite(SqlitePool),
    /// On a server.
    Postgres(PgPool),
}

/// The pool itself would print the options of its connections.
impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "Ledger(sqlite)",
            Self::Postgres(_) => "Ledger(postgres)",
        })
    }
}

/// Runs one expression against whichever database it is; the types differ, the text does not.
macro_rules! on {
    ($self:ident, $operation:literal, |$pool:ident| $query:expr) => {
        match $self {
            Sql::Sqlite($pool) => $query.map_err(failed($operation)),
            Sql::Postgres($pool) => $query.map_err(failed($operation)),
        }
    };
}

/// Fetches all rows and reads each.
macro_rules! fetch_all {
    ($self:ident, $operation:literal, $read:path, $query:expr) => {
        match $self {
            Sql::Sqlite(pool) => $query
                .fetch_all(pool)
                .await
                .map_err(failed($operation))?
                .iter()
                .map($read)
                .collect(),
            Sql::Postgres(pool) => $query
                .fetch_all(pool)
                .await
                .map_err(failed($operation))?
                .iter()
                .map($read)
                .collect(),
        }
    };
}

fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database {
        operation,
        source: Box::new(source),
    }
}

#[async_trait]
impl Ledger for Sql {
    async fn constant(&self, name: &str, proposal: &str) -> Result<String> {
        // The update changes nothing; it makes the statement answer what stands.
        let statement = "INSERT INTO constants (name, value) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET value = constants.value RETURNING value";
        on!(self, "cannot write down a constant", |pool| sqlx::query_scalar(
            statement
        )
        .bind(name)
        .bind(proposal)
        .fetch_one(pool)
        .await)
    }

    async fn get(&self, identity: &Identity) -> Result<Option<Record>> {
        let statement = "SELECT * FROM resources WHERE identity = $1";
        let records: Result<Vec<Record>> = fetch_all!(
            self,
            "cannot read a record",
            rows::record,
            sqlx::query(statement).bind(identity.as_str())
        );
        Ok(records?.pop())
    }

    async fn of_key(&self, cluster: &ClusterId, key: &Key) -> Result<Vec<Record>> {
        let statement = "SELECT * FROM resources
            WHERE cluster = $1 AND namespace = $2 AND application = $3 AND component = $4 AND name = $5
                AND standing <> 'gone'
            ORDER BY seq DESC";
        fetch_all!(
            self,
            "cannot read the records of a key",
            rows::record,
            sqlx::query(statement)
                .bind(cluster.as_str())
                .bind(&key.namespace)
                .bind(&key.application)
                .bind(&key.component)
                .bind(&key.name)
        )
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Record>> {
        let statement = "SELECT * FROM resources
            WHERE ($1 IS NULL OR cluster = $1) AND ($2 IS NULL OR provider = $2)
                AND ($3 IS NULL OR namespace = $3) AND ($4 IS NULL OR application = $4)
                AND ($5 OR standing <> 'gone')
            ORDER BY namespace, application, component, name, seq";
        fetch_all!(
            self,
            "cannot list the records",
            rows::record,
            sqlx::query(statement)
                .bind(filter.cluster.as_ref().map(ClusterId::as_str))
                .bind(filter.provider.as_deref())
                .bind(filter.namespace.as_deref())
                .bind(filter.application.as_deref())
                .bind(filter.gone)
        )
    }

    async fn put(&self, record: &Record) -> Result<()> {
        let written = on!(self, "cannot write a record", |pool| bind_record!(PUT, record)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()))?;
        if written == 0 {
            tracing::warn!(
                identity = %record.owner.identity,
                incarnation = record.memory.incarnation,
                "a record of an earlier incarnation than is known was not written"
            );
        }
        Ok(())
    }

    async fn creating(&self, record: &Record, intent: &Intent, stale: Timestamp) -> Result<Permission> {
        if record.memory.is_spent(intent.incarnation) {
            return Ok(Permission::Settling);
        }
        let record = &Record {
            memory: record.memory.begun(intent),
            ..record.clone()
        };
        let granted = on!(
            self,
            "cannot write down that something is about to be created",
            |pool| bind_record!(CREATING, record)
                .bind(i64::from(intent.incarnation))
                .bind(&intent.spec_hash)
                .bind(text(intent.since))
                .bind(text(stale))
                .fetch_optional(pool)
                .await
                .map(|row| row.is_some())
        )?;
        Ok(if granted {
            Permission::Granted
        } else {
            Permission::Settling
        })
    }

    async fn concluded(&self, identity: &Identity, intent: &Intent, made: Option<&ExternalId>) -> Result<()> {
        let statement = if made.is_some() { MADE } else { FAILED };
        on!(self, "cannot write down what became of a create", |pool| {
            let mut query = sqlx::query(statement)
                .bind(identity.as_str())
                .bind(i64::from(intent.incarnation));
            query = match made {
                Some(id) => query.bind(id.as_str()),
                None => query.bind(text(intent.since)),
            };
            query.execute(pool).await.map(|_| ())
        })
    }

    async fn audit(&self, entry: &Audit) -> Result<()> {
        let statement = "INSERT INTO audit
            (at, actor, action, identity, kind, environment, external_id, request_id, outcome, detail)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        on!(self, "cannot write down what was done", |pool| sqlx::query(statement)
            .bind(text(entry.at))
            .bind(&entry.actor)
            .bind(&entry.action)
            .bind(entry.identity.as_str())
            .bind(entry.kind.as_str())
            .bind(&entry.environment)
            .bind(entry.external_id.as_ref().map(ExternalId::as_str))
            .bind(entry.request_id.as_deref())
            .bind(&entry.outcome)
            .bind(&entry.detail)
            .execute(pool)
            .await
            .map(|_| ()))
    }

    async fn audits(&self, identity: Option<&Identity>, since: Timestamp, limit: u32) -> Result<Vec<Audit>> {
        // Two statements, because a condition on an optional parameter would not use the index.
        match identity {
            Some(identity) => fetch_all!(
                self,
                "cannot read what was done to an identity",
                rows::audit,
                sqlx::query("SELECT * FROM audit WHERE identity = $1 AND at >= $2 ORDER BY at DESC, seq DESC LIMIT $3")
                    .bind(identity.as_str())
                    .bind(text(since))
                    .bind(i64::from(limit))
            ),
            None => fetch_all!(
                self,
                "cannot read what was done",
                rows::audit,
                sqlx::query("SELECT * FROM audit WHERE at >= $1 ORDER BY at DESC, seq DESC LIMIT $2")
                    .bind(text(since))
                    .bind(i64::from(limit))
            ),
        }
    }

    async fn trim_audit(&self, before: Timestamp, keep: u32) -> Result<()> {
        let statement = "DELETE FROM audit WHERE at < $1 AND seq IN (SELECT seq FROM (
            SELECT seq, ROW_NUMBER() OVER (PARTITION BY identity ORDER BY at DESC, seq DESC) AS place FROM audit
        ) AS placed WHERE place > $2)";
        on!(self, "cannot remove what was done long ago", |pool| {
            sqlx::query(statement)
                .bind(text(before))
                .bind(i64::from(keep))
                .execute(pool)
                .await
                .map(|_| ())
        })
    }

    async fn deletions(&self, environment: &str, kind: Kind, since: Timestamp) -> Result<u32> {
        let statement = "SELECT COUNT(DISTINCT identity) FROM audit
            WHERE environment = $1 AND kind = $2 AND at >= $3 AND action = 'delete' AND outcome = 'ok'";
        let count: i64 = on!(self, "cannot count the deletions", |pool| sqlx::query_scalar(statement)
            .bind(environment)
            .bind(kind.as_str())
            .bind(text(since))
            .fetch_one(pool)
            .await)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn told(&self, identity: &Identity) -> Result<BTreeMap<String, String>> {
        let statement = "SELECT account, hash FROM told WHERE identity = $1";
        let told: Vec<(String, String)> = on!(self, "cannot read what was told of accounts", |pool| {
            sqlx::query_as(statement).bind(identity.as_str()).fetch_all(pool).await
        })?;
        Ok(told.into_iter().collect())
    }

    async fn tell(&self, identity: &Identity, account: &str, hash: Option<&str>) -> Result<()> {
        let statement = match hash {
            Some(_) => {
                "INSERT INTO told (identity, account, hash) VALUES ($1, $2, $3)
                ON CONFLICT (identity, account) DO UPDATE SET hash = excluded.hash"
            }
            None => "DELETE FROM told WHERE identity = $1 AND account = $2",
        };
        on!(self, "cannot write down what was told of an account", |pool| {
            let mut query = sqlx::query(statement).bind(identity.as_str()).bind(account);
            if let Some(hash) = hash {
                query = query.bind(hash);
            }
            query.execute(pool).await.map(|_| ())
        })
    }

    async fn approve(&self, identity: &Identity, action: &str, actor: &str, at: Timestamp) -> Result<()> {
        let statement = "INSERT INTO approvals (identity, action, actor, at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (identity, action) DO UPDATE SET actor = excluded.actor, at = excluded.at";
        on!(self, "cannot write down an approval", |pool| sqlx::query(statement)
            .bind(identity.as_str())
            .bind(action)
            .bind(actor)
            .bind(text(at))
            .execute(pool)
            .await
            .map(|_| ()))
    }

    async fn approvals(&self, identity: &Identity) -> Result<Vec<String>> {
        let statement = "SELECT action FROM approvals WHERE identity = $1 ORDER BY action";
        on!(self, "cannot read the approvals", |pool| {
            sqlx::query_scalar(statement)
                .bind(identity.as_str())
                .fetch_all(pool)
                .await
        })
    }

    async fn used(&self, identity: &Identity, action: &str) -> Result<()> {
        let statement = "DELETE FROM approvals WHERE identity = $1 AND action = $2";
        on!(self, "cannot write down that an approval was used", |pool| {
            sqlx::query(statement)
                .bind(identity.as_str())
                .bind(action)
                .execute(pool)
                .await
                .map(|_| ())
        })
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let before = text(before);
        on!(self, "cannot remove what is gone", |pool| async {
            let mut transaction = pool.begin().await?;
            // The records first: what they take with them is then exactly theirs, whoever writes meanwhile.
            let pruned = sqlx::query(
                "DELETE FROM resources
                WHERE standing = 'gone' AND gone_since < $1 AND (intent_since IS NULL OR intent_since < $1)
                RETURNING identity",
            )
            .bind(&before)
            .fetch_all(&mut *transaction)
            .await?;
            for row in &pruned {
                let identity: &str = row.try_get("identity")?;
                for statement in [
                    "DELETE FROM audit WHERE identity = $1",
                    "DELETE FROM told WHERE identity = $1",
                    "DELETE FROM approvals WHERE identity = $1",
                ] {
                    sqlx::query(statement).bind(identity).execute(&mut *transaction).await?;
                }
            }
            transaction.commit().await?;
            Ok(pruned.len() as u64)
        }
        .await)
    }
}

#[cfg(test)]
mod tests {
    use mooring_provider::Owner;
    use sqlx::{AssertSqlSafe, Executor};

    use super::*;
    use crate::ledger::{Memory, Standing, open::sqlite};

    /// No test can take the power away; this one sees that SQLite was told to expect it.
    #[tokio::test]
    async fn a_commit_is_on_the_disk_before_it_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = sqlite("", dir.path().join("ledger.db").to_str().unwrap())
            .await
            .unwrap();
        let Sql::Sqlite(pool) = &ledger else {
            panic!("{ledger:?}")
        };
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
        assert_eq!(
            (synchronous, journal.as_str()),
            (2, "wal"),
            "FULL, with a write-ahead log"
        );
    }

    /// A limit on the pages gives the same error as a full disk does, and needs no disk of its own.
    #[tokio::test]
    async fn a_full_disk_fails_the_call_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let ledger = sqlite("", path.to_str().unwrap()).await.unwrap();
        let Sql::Sqlite(pool) = &ledger else {
            panic!("{ledger:?}")
        };
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(pool).await.unwrap();
        pool.execute(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
            .await
            .unwrap();
        let record = |number: u32| Record {
            owner: Owner {
                cluster: ClusterId::new("cluster"),
                identity: Identity::new(number.to_string()),
                key: Key::new("team-a", "shop", "web", "rds"),
            },
            kind: Kind::Rds,
            provider: "mock".into(),
            environment: "default".into(),
            name: "x".repeat(500),
            existing: false,
            standing: Standing::Live,
            reason: None,
            keep_until: None,
            endpoint: None,
            sightings: 0,
            memory: Memory::default(),
        };
        let (now, mut written) = (Timestamp::now(), 0);
        let intent = Intent {
            incarnation: 0,
            spec_hash: "h".into(),
            since: now,
        };
        let error = loop {
            match ledger.creating(&record(written), &intent, now).await {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 10_000, "the limit has no effect");
        };
        let Error::Database { operation, source } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*operation, "cannot write down that something is about to be created");
        assert!(source.to_string().contains("database or disk is full"), "{source}");
        assert_eq!(ledger.get(&Identity::new(written.to_string())).await.unwrap(), None);
        let all = Filter::default();
        assert_eq!(ledger.list(&all).await.unwrap().len(), written as usize);
        pool.execute("PRAGMA max_page_count = 100000").await.unwrap();
        assert_eq!(
            ledger.creating(&record(written), &intent, now).await.unwrap(),
            Permission::Granted
        );
    }

    /// SQLite may roll back by itself when a commit fails, which sqlx is not told of.
    #[tokio::test]
    async fn what_follows_a_commit_that_failed_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let ledger = sqlite("", path.to_str().unwrap()).await.unwrap();
        let Sql::Sqlite(pool) = &ledger else {
            panic!("{ledger:?}")
        };
        // As SQLite does it, and then another failure on what the pool gives out next.
        let mut transaction = pool.begin().await.unwrap();
        transaction.execute("ROLLBACK").await.unwrap();
        drop(transaction);
        drop(pool.begin().await.unwrap());
        let identity = Identity::new("1");
        ledger.tell(&identity, "account", Some("hash")).await.unwrap();
        let other = sqlite("", path.to_str().unwrap()).await.unwrap();
        assert_eq!(
            other.told(&identity).await.unwrap(),
            ledger.told(&identity).await.unwrap(),
            "what was answered is in the file"
        );
    }
}
