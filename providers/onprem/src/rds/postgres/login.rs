//! The logins of a database. Each is marked by a comment that names its database and account.

use mooring_provider::{Access, Error, ErrorKind, Result};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};

use super::{
    Ident, Postgres, Sql, Wanted,
    error::{self, unexpected},
    scram,
    statements::{Roles, sql},
};

/// The comment on a login.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    // The first field: `IS_MARK` looks for it.
    #[serde(rename = "mooring.dev/database")]
    database: String,
    #[serde(rename = "mooring.dev/account")]
    account: String,
    access: Access,
}

const IS_MARK: &str = "{\"mooring.dev/database\":";

impl Postgres {
    /// The logins of a database.
    pub(super) async fn logins(
        &self,
        operation: &'static str,
        on: &mut PgConnection,
        name: &Ident,
    ) -> Result<Vec<Ident>> {
        let marked = self.marked(operation, on, None).await?;
        let of_this = marked
            .into_iter()
            .filter(|(_, mark)| mark.as_ref().is_some_and(|m| m.database == name.as_str()));
        of_this.map(|(login, _)| Ident::new(login)).collect()
    }

    /// Every login with a mark, or the one of this name whether it has one or not.
    async fn marked(
        &self,
        operation: &'static str,
        on: &mut PgConnection,
        login: Option<&Ident>,
    ) -> Result<Vec<(String, Option<Mark>)>> {
        let marked = sql(
            "SELECT r.rolname::text AS login, c.description AS mark FROM pg_catalog.pg_roles r \
                          LEFT JOIN pg_catalog.pg_shdescription c ON c.objoid = r.oid \
                          AND c.classoid = 'pg_catalog.pg_authid'::regclass AND starts_with(c.description, ",
        )
        .literal(IS_MARK);
        let marked = match login {
            Some(login) => marked.text(") WHERE r.rolname = ").literal(login.as_str()),
            None => marked.text(") WHERE c.description IS NOT NULL"),
        };
        let rows = self.rows(operation, on, marked).await?;
        rows.iter()
            .map(|row| {
                let fail = |error| self.fail(operation, &error);
                let (login, mark): (String, Option<String>) =
                    (row.try_get("login").map_err(fail)?, row.try_get("mark").map_err(fail)?);
                let mark = mark.as_deref().map(serde_json::from_str).transpose();
                let mark = mark.map_err(|error| unexpected(operation, format!("the mark of `{login}`: {error}")))?;
                Ok((login, mark))
            })
            .collect()
    }

    /// The mark of a login, if it is there. One that is not marked for this database is somebody else's.
    async fn mark(
        &self,
        operation: &'static str,
        on: &mut PgConnection,
        name: &Ident,
        login: &Ident,
    ) -> Result<Option<Mark>> {
        match self.marked(operation, on, Some(login)).await?.pop() {
            None => Ok(None),
            Some((_, Some(mark))) if mark.database == name.as_str() => Ok(Some(mark)),
            Some(_) => Err(error::taken(operation, &self.name, "role", login.as_str())),
        }
    }

    pub(super) async fn put(&self, name: &Ident, login: &Ident, wanted: &Wanted<'_>) -> Result<()> {
        let operation = "rds.account";
        let password = wanted.password.expose_secret();
        let Some(verifier) = scram::verifier(password) else {
            let message = format!(
                "the password of `{}` must be of visible ASCII characters",
                wanted.account
            );
            return Err(Error::new(ErrorKind::InvalidSpec, operation, message));
        };
        let Roles { owner, writer, reader } = Roles::of(name)?;
        let mut on = self.acquire(operation).await?;
        let there = self.mark(operation, &mut on, name, login).await?;
        let mark = serde_json::to_string(&Mark {
            database: name.as_str().to_owned(),
            account: wanted.account.to_owned(),
            access: wanted.access,
        });
        let mark = mark.map_err(|error| unexpected(operation, error.to_string()))?;
        let role = match wanted.access {
            Access::Owner => &owner,
            Access::ReadWrite => &writer,
            Access::ReadOnly => &reader,
        };
        // One transaction. The server is given what it would make of the password, so that no log of it has more.
        let mut put = match &there {
            None => sql("CREATE ROLE ").ident(login).text("; "),
            Some(_) => sql("REVOKE ")
                .idents([&owner, &writer, &reader])
                .text(" FROM ")
                .ident(login)
                .text("; "),
        };
        put = put.text("COMMENT ON ROLE ").ident(login).text(" IS ").literal(&mark);
        put = put
            .text("; ALTER ROLE ")
            .ident(login)
            .text(" LOGIN PASSWORD ")
            .literal(&verifier);
        put = put.text("; GRANT ").ident(role).text(" TO ").ident(login);
        put = put.text("; ALTER ROLE ").ident(login).text(" IN DATABASE ").ident(name);
        put = match wanted.access {
            Access::Owner => put.text(" SET role TO ").ident(role),
            Access::ReadWrite | Access::ReadOnly => put.text(" RESET role"),
        };
        if there.is_some_and(|mark| mark.access != wanted.access) {
            // A session keeps the role it has.
            put = put.text("; ").then(end_sessions(login));
        }
        self.run(operation, &mut on, put).await
    }

    pub(super) async fn drop_one(&self, name: &Ident, login: &Ident) -> Result<()> {
        let operation = "rds.account";
        let mut on = self.acquire(operation).await?;
        match self.mark(operation, &mut on, name, login).await {
            Ok(Some(_)) => {}
            // What is somebody else's is not the one that is to go.
            Err(error) if error.kind() == ErrorKind::NotOwned => return Ok(()),
            none => return none.map(drop),
        }
        self.run(operation, &mut on, sql("ALTER ROLE ").ident(login).text(" NOLOGIN"))
            .await?;
        self.run(operation, &mut on, end_sessions(login)).await?;
        let dropped = || sql("DROP ROLE IF EXISTS ").ident(login);
        match self.run(operation, &mut on, dropped()).await {
            // It made something as itself, or was granted something.
            Err(error) if error::is(&error, &["2BP01"]) => {
                let left = sql("REASSIGN OWNED BY ").ident(login).text(" TO ").ident(name);
                let left = left.text("; DROP OWNED BY ").ident(login);
                self.within(operation, name, left).await?;
                self.run(operation, &mut on, dropped()).await
            }
            done => done,
        }
    }
}

fn end_sessions(login: &Ident) -> Sql {
    sql("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = ")
        .literal(login.as_str())
}
