//! What there is.

use mooring_provider::{Error, ErrorKind, Result, spec::Engine};
use sqlx::{MySqlConnection, Row, mysql::MySqlRow};

use super::{Found, Ident, Look, Mysql, NO_RECORDS, Record, error, statements};

impl Mysql {
    /// Every record with its database; the version even when there is none.
    pub(super) async fn records(&self, operation: &'static str, on: &mut MySqlConnection) -> Result<Look> {
        let rows = match self.rows(operation, on, statements::look()).await {
            Err(error) if error::is(&error, NO_RECORDS) => self.rows(operation, on, statements::version()).await?,
            rows => rows?,
        };
        let fail = |error| self.fail(operation, &error);
        let mut version = String::new();
        let mut found = Vec::new();
        for row in &rows {
            version = row.try_get("version").map_err(fail)?;
            if let Some(name) = row.try_get("name").map_err(fail)? {
                let record: String = row.try_get("record").map_err(fail)?;
                let (low, high): (Option<i64>, Option<i64>) =
                    (row.try_get("low").map_err(fail)?, row.try_get("high").map_err(fail)?);
                let present = row.try_get::<i64, _>("present").map_err(fail)? != 0;
                found.push(found_of(name, Record::read(&record)?, present, [low, high]));
            }
        }
        let is_mariadb = version.contains("MariaDB");
        if is_mariadb != (self.engine == Engine::Mariadb) {
            let message = format!(
                "{}: this server says its version is {version}; it is named under the wrong one of `mariadb` and `mysql`",
                self.name
            );
            return Err(Error::new(ErrorKind::InvalidSpec, operation, message));
        }
        let version = version.split('-').next().unwrap_or_default().to_owned();
        Ok(Look { version, found })
    }

    /// Which of these databases there are.
    pub(super) async fn present(
        &self,
        operation: &'static str,
        on: &mut MySqlConnection,
        names: &[&str],
    ) -> Result<Vec<String>> {
        let rows = self.rows(operation, on, statements::present(names)).await?;
        let read = |row: &MySqlRow| row.try_get("name").map_err(|error| self.fail(operation, &error));
        rows.iter().map(read).collect()
    }

    /// The record of a database, if it has one.
    pub(super) async fn one(
        &self,
        operation: &'static str,
        on: &mut MySqlConnection,
        name: &Ident,
    ) -> Result<Option<Found>> {
        let look = self.records(operation, on).await?;
        Ok(look.found.into_iter().find(|found| found.name == name.as_str()))
    }
}

/// What a record and its database come to. Of the limits of its logins one that is not as recorded is told.
fn found_of(name: String, record: Record, present: bool, limits: [Option<i64>; 2]) -> Found {
    let limits = limits
        .into_iter()
        .flatten()
        .filter_map(|limit| u32::try_from(limit).ok());
    let (mut other, mut same) = (None, None);
    for limit in limits {
        *(if limit == record.connections {
            &mut same
        } else {
            &mut other
        }) = Some(limit);
    }
    Found {
        name,
        record: Some(record),
        present,
        held: present,
        admits: present,
        closed: present,
        limit: other.or(same),
    }
}
