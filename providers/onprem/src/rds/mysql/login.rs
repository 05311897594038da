//! The users of a database. Each has a row that names its database, written before the user is made.

use mooring_provider::{ErrorKind, Result};
use mooring_provider_http::Redactor;
use secrecy::ExposeSecret;
use sqlx::{MySqlConnection, Row};

use super::{
    Dialect, Ident, Mysql, NO_RECORDS, Record, Wanted,
    error::{self, failed},
    statements::{self, sql},
};

/// What is known of a login.
struct Known {
    /// What it may do, if it is one of this database.
    access: Option<String>,
    /// There is such a user.
    present: bool,
}

impl Mysql {
    /// The logins of a database.
    pub(super) async fn logins(
        &self,
        operation: &'static str,
        on: &mut MySqlConnection,
        name: &Ident,
    ) -> Result<Vec<Ident>> {
        let logins = sql("SELECT login FROM mooring.logins WHERE database_name = ").literal(name.as_str());
        let rows = match self.rows(operation, on, logins).await {
            Err(error) if error::is(&error, NO_RECORDS) => return Ok(Vec::new()),
            rows => rows?,
        };
        let read = |row: &sqlx::mysql::MySqlRow| -> Result<Ident> {
            Ident::new(
                row.try_get::<String, _>("login")
                    .map_err(|error| self.fail(operation, &error))?,
            )
        };
        rows.iter().map(read).collect()
    }

    /// What is known of a login. One that is there, and not marked for this database, is somebody else's.
    async fn known(
        &self,
        operation: &'static str,
        on: &mut MySqlConnection,
        name: &Ident,
        login: &Ident,
    ) -> Result<Known> {
        let rows = self.rows(operation, on, statements::login(login)).await?;
        let fail = |error| self.fail(operation, &error);
        let (mut owner, mut access, mut present) = (None::<String>, None, false);
        if let Some(row) = rows.first() {
            owner = row.try_get("owner").map_err(fail)?;
            access = row.try_get("access").map_err(fail)?;
            present = row.try_get::<i64, _>("present").map_err(fail)? != 0;
        }
        match owner {
            Some(owner) if owner != name.as_str() => Err(error::taken(operation, &self.name, "user", login.as_str())),
            None if present => Err(error::taken(operation, &self.name, "user", login.as_str())),
            _ => Ok(Known { access, present }),
        }
    }

    pub(super) async fn put(&self, name: &Ident, record: &Record, login: &Ident, wanted: &Wanted<'_>) -> Result<()> {
        let operation = "rds.account";
        let mut on = self.acquire(operation).await?;
        let known = self.known(operation, &mut on, name, login).await?;
        let changed = known.present && known.access.as_deref() != Some(statements::word(wanted.access));
        if changed {
            self.run(operation, &mut on, statements::revoke_all(login)).await?;
            // A session keeps what it may do.
            self.end_sessions(operation, &mut on, std::slice::from_ref(login))
                .await?;
        }
        let claim = statements::claim_login(name, login, wanted.access);
        self.run(operation, &mut on, claim).await?;
        let password = wanted.password.expose_secret();
        let user = statements::user(name, login, wanted.access, password, record.connections);
        // A syntax error would quote the statement.
        let redactor = Redactor::new([wanted.password]);
        let made = tokio::time::timeout(self.patience.answer(), sqlx::Executor::execute(&mut *on, user.query())).await;
        match made {
            Ok(made) => made.map_err(|error| failed(Dialect::Mysql, operation, &self.name, &redactor, &error))?,
            Err(_) => return Err(self.late(operation)),
        };
        Ok(())
    }

    pub(super) async fn drop_one(&self, name: &Ident, login: &Ident) -> Result<()> {
        let operation = "rds.account";
        let mut on = self.acquire(operation).await?;
        let known = match self.known(operation, &mut on, name, login).await {
            // What is somebody else's is not the one that is to go.
            Err(error) if error::is(&error, NO_RECORDS) || error.kind() == ErrorKind::NotOwned => return Ok(()),
            known => known?,
        };
        if known.access.is_none() {
            return Ok(());
        }
        let login = std::slice::from_ref(login);
        self.shut_out(operation, &mut on, login).await?;
        self.run(operation, &mut on, statements::drop_users(login)).await
    }

    /// Locks logins, so that no session follows those that are ended.
    pub(super) async fn shut_out(
        &self,
        operation: &'static str,
        on: &mut MySqlConnection,
        logins: &[Ident],
    ) -> Result<()> {
        if logins.is_empty() {
            return Ok(());
        }
        self.run(operation, on, statements::lock(logins)).await?;
        self.end_sessions(operation, on, logins).await
    }

    async fn end_sessions(&self, operation: &'static str, on: &mut MySqlConnection, logins: &[Ident]) -> Result<()> {
        let rows = self.rows(operation, on, statements::sessions(logins)).await?;
        for row in rows {
            let id: i64 = row.try_get("id").map_err(|error| self.fail(operation, &error))?;
            match self.run(operation, on, statements::kill(id.unsigned_abs())).await {
                // It ended by itself.
                Err(error) if error::is(&error, &["1094"]) => {}
                killed => killed?,
            }
        }
        Ok(())
    }
}
