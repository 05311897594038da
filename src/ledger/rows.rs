//! Between a row and what it stands for.

use std::str::FromStr;

use jiff::Timestamp;
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Owner};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{Audit, Error, Intent, Memory, Record, Result};

/// A time as it is stored: of one width, so that text sorts as time does.
pub(super) fn text(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// Reads the columns of one row; names the row in errors.
struct Cursor<'r, R> {
    row: &'r R,
    identity: String,
}

impl<'r, R: Row> Cursor<'r, R>
where
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn new(row: &'r R) -> Result<Self> {
        Ok(Self {
            row,
            identity: get(row, "identity")?,
        })
    }

    fn get<T: Decode<'r, R::Database> + Type<R::Database>>(&self, column: &'static str) -> Result<T> {
        get(self.row, column)
    }

    fn parse<T: FromStr>(&self, column: &'static str) -> Result<T> {
        self.parse_option(column)?.ok_or_else(|| self.unreadable(column))
    }

    fn parse_option<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        self.get::<Option<String>>(column)?
            .map(|text| text.parse().map_err(|_| self.unreadable(column)))
            .transpose()
    }

    fn unreadable(&self, column: &'static str) -> Error {
        Error::Unreadable {
            column,
            identity: self.identity.clone(),
        }
    }
}

fn get<'r, R: Row, T: Decode<'r, R::Database> + Type<R::Database>>(row: &'r R, column: &'static str) -> Result<T>
where
    &'static str: ColumnIndex<R>,
{
    row.try_get(column).map_err(|source| Error::Database {
        operation: "cannot read a column",
        source: Box::new(source),
    })
}

/// The record of a row of `resources`.
pub(super) fn record<'r, R: Row>(row: &'r R) -> Result<Record>
where
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let cursor = Cursor::new(row)?;
    let number = |column, value: i64| u32::try_from(value).map_err(|_| cursor.unreadable(column));
    let intent = match cursor.get::<Option<i64>>("intent_incarnation")? {
        Some(incarnation) => Some(Intent {
            incarnation: number("intent_incarnation", incarnation)?,
            spec_hash: cursor.get("intent_spec_hash")?,
            since: cursor.parse("intent_since")?,
        }),
        None => None,
    };
    Ok(Record {
        owner: Owner {
            cluster: ClusterId::new(cursor.get::<String>("cluster")?),
            identity: Identity::new(cursor.identity.clone()),
            key: Key {
                namespace: cursor.get("namespace")?,
                application: cursor.get("application")?,
                component: cursor.get("component")?,
                name: cursor.get("name")?,
            },
        },
        kind: cursor.parse("kind")?,
        provider: cursor.get("provider")?,
        environment: cursor.get("environment")?,
        name: cursor.get("external_name")?,
        existing: cursor.get("existing")?,
        standing: cursor.parse("standing")?,
        reason: cursor.get("reason")?,
        keep_until: cursor.parse_option("keep_until")?,
        endpoint: cursor.get("endpoint")?,
        sightings: number("sightings", cursor.get("sightings")?)?,
        memory: Memory {
            incarnation: number("incarnation", cursor.get("incarnation")?)?,
            external_id: cursor.get::<Option<String>>("external_id")?.map(ExternalId::new),
            intent,
            was_ready: cursor.get("was_ready")?,
            missing_since: cursor.parse_option("missing_since")?,
            applied: cursor.parse_option("applied")?,
        },
    })
}

/// The entry of a row of `audit`.
pub(super) fn audit<'r, R: Row>(row: &'r R) -> Result<Audit>
where
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    let cursor = Cursor::new(row)?;
    Ok(Audit {
        at: cursor.parse("at")?,
        actor: cursor.get("actor")?,
        action: cursor.get("action")?,
        identity: Identity::new(cursor.identity.clone()),
        kind: cursor.parse("kind")?,
        environment: cursor.get("environment")?,
        external_id: cursor.get::<Option<String>>("external_id")?.map(ExternalId::new),
        request_id: cursor.get("request_id")?,
        outcome: cursor.get("outcome")?,
        detail: cursor.get("detail")?,
    })
}
