//! The statements, each free of I/O.

use mooring_provider::{Access, Result};

use super::{Dialect, Ident, Patience, Record, Sql};

pub(super) fn sql(text: &'static str) -> Sql {
    Sql::new(Dialect::Mysql, text)
}

/// The settings of a session. The mode is set in full: how texts are quoted depends on it. How long a statement may
/// take has another name at each; each reads what is marked for it. MySQL limits no other statement than SELECT.
pub(super) fn settings(patience: Patience) -> Sql {
    let seconds = patience.statement.as_secs().max(1);
    sql("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', lock_wait_timeout = ")
        .number(seconds)
        .text(", innodb_lock_wait_timeout = ")
        .number(seconds)
        .text(" /*M! , max_statement_time = ")
        .number(seconds)
        .text(", idle_transaction_timeout = ")
        .number(seconds)
        .text(" */ /*!80000 , max_execution_time = ")
        .number(seconds * 1000)
        .text(" */")
}

pub(super) fn schema() -> Sql {
    sql(
        "CREATE DATABASE IF NOT EXISTS mooring CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; \
         CREATE TABLE IF NOT EXISTS mooring.logins (login VARCHAR(80) NOT NULL PRIMARY KEY, \
         database_name VARCHAR(64) NOT NULL, access VARCHAR(16) NOT NULL) \
         ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; \
         CREATE TABLE IF NOT EXISTS mooring.placing (id TINYINT NOT NULL PRIMARY KEY) ENGINE = InnoDB; \
         CREATE TABLE IF NOT EXISTS mooring.`databases` (name VARCHAR(64) NOT NULL PRIMARY KEY, record TEXT NOT NULL) \
         ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    )
}

/// Waits until no other broker claims a place here; until the end of the transaction none can.
pub(super) fn turn() -> Sql {
    sql("INSERT INTO mooring.placing (id) VALUES (1) ON DUPLICATE KEY UPDATE id = id")
}

pub(super) fn version() -> Sql {
    sql("SELECT VERSION() AS version, CAST(NULL AS CHAR) AS name")
}

/// A row for each record; one row without a name when there is none.
pub(super) fn look() -> Sql {
    sql(
        "SELECT VERSION() AS version, o.name AS name, o.record AS record, s.SCHEMA_NAME IS NOT NULL AS present, \
         l.low AS low, l.high AS high FROM (SELECT 1) AS always LEFT JOIN mooring.`databases` o ON TRUE \
         LEFT JOIN information_schema.SCHEMATA s ON s.SCHEMA_NAME = o.name \
         LEFT JOIN (SELECT n.database_name, CAST(MIN(u.max_user_connections) AS SIGNED) AS low, \
         CAST(MAX(u.max_user_connections) AS SIGNED) AS high FROM mooring.logins n \
         JOIN mysql.user u ON CONVERT(u.User USING utf8mb4) = n.login GROUP BY n.database_name) l \
         ON l.database_name = o.name",
    )
}

pub(super) fn present(names: &[&str]) -> Sql {
    sql("SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN (")
        .literals(names.iter().copied())
        .text(")")
}

pub(super) fn claim(name: &Ident, record: &Record) -> Result<Sql> {
    let claim = sql("INSERT INTO mooring.`databases` (name, record) VALUES (").literal(name.as_str());
    Ok(claim.text(", ").literal(&record.write()?).text(")"))
}

pub(super) fn note(name: &Ident, record: &Record) -> Result<Sql> {
    let note = sql("UPDATE mooring.`databases` SET record = ").literal(&record.write()?);
    Ok(note.text(" WHERE name = ").literal(name.as_str()))
}

pub(super) fn forget(name: &Ident) -> Sql {
    sql("DELETE FROM mooring.`databases` WHERE name = ").literal(name.as_str())
}

pub(super) fn create(name: &Ident) -> Sql {
    sql("CREATE DATABASE ").ident(name).text(" CHARACTER SET utf8mb4")
}

pub(super) fn one_table(name: &Ident) -> Sql {
    sql("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ")
        .literal(name.as_str())
        .text(" LIMIT 1")
}

pub(super) fn drop_database(name: &Ident) -> Sql {
    sql("DROP DATABASE IF EXISTS ").ident(name)
}

/// Names of users, from wherever they connect.
fn users(statement: &'static str, logins: &[Ident], rest: &'static str) -> Sql {
    let mut users = sql(statement);
    for (at, login) in logins.iter().enumerate() {
        users = if at == 0 { users } else { users.text(", ") }
            .ident(login)
            .text("@'%'")
            .text(rest);
    }
    users
}

pub(super) fn lock(logins: &[Ident]) -> Sql {
    users("ALTER USER IF EXISTS ", logins, "").text(" ACCOUNT LOCK")
}

pub(super) fn limit(logins: &[Ident], connections: u32) -> Sql {
    users("ALTER USER IF EXISTS ", logins, "")
        .text(" WITH MAX_USER_CONNECTIONS ")
        .number(connections.into())
}

pub(super) fn drop_users(logins: &[Ident]) -> Sql {
    users("DROP USER IF EXISTS ", logins, "")
        .text("; DELETE FROM mooring.logins WHERE login IN (")
        .literals(logins.iter().map(Ident::as_str))
        .text(")")
}

pub(super) fn sessions(logins: &[Ident]) -> Sql {
    sql("SELECT CAST(ID AS SIGNED) AS id FROM information_schema.PROCESSLIST WHERE USER IN (")
        .literals(logins.iter().map(Ident::as_str))
        .text(")")
}

pub(super) fn kill(session: u64) -> Sql {
    sql("KILL CONNECTION ").number(session)
}

/// The login with its record, if it has any, and whether there is such a user.
pub(super) fn login(login: &Ident) -> Sql {
    sql("SELECT n.database_name AS owner, n.access AS access, EXISTS (SELECT 1 FROM mysql.user u WHERE u.User = ")
        .literal(login.as_str())
        .text(") AS present FROM (SELECT 1) AS always LEFT JOIN mooring.logins n ON n.login = ")
        .literal(login.as_str())
}

pub(super) fn claim_login(name: &Ident, login: &Ident, access: Access) -> Sql {
    sql("INSERT INTO mooring.logins (login, database_name, access) VALUES (")
        .literal(login.as_str())
        .text(", ")
        .literal(name.as_str())
        .text(", ")
        .literal(word(access))
        .text(") ON DUPLICATE KEY UPDATE access = VALUES(access)")
}

/// A user that needs TLS, with what it may do in its database, now and later.
pub(super) fn user(name: &Ident, login: &Ident, access: Access, password: &str, connections: u32) -> Sql {
    let options = |sql: Sql| {
        sql.ident(login)
            .text("@'%' IDENTIFIED BY ")
            .literal(password)
            .text(" REQUIRE SSL WITH MAX_USER_CONNECTIONS ")
            .number(connections.into())
    };
    let grant = match access {
        Access::Owner => "; GRANT ALL PRIVILEGES ON ",
        Access::ReadWrite => {
            "; GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, LOCK TABLES, SHOW VIEW, \
                              CREATE TEMPORARY TABLES ON "
        }
        Access::ReadOnly => "; GRANT SELECT, SHOW VIEW ON ",
    };
    options(sql("CREATE USER IF NOT EXISTS "))
        .then(options(sql("; ALTER USER ")).text(" ACCOUNT UNLOCK"))
        .text(grant)
        .pattern(name)
        .text(".* TO ")
        .ident(login)
        .text("@'%'")
}

pub(super) fn revoke_all(login: &Ident) -> Sql {
    sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM ")
        .ident(login)
        .text("@'%'")
}

pub(super) fn word(access: Access) -> &'static str {
    match access {
        Access::Owner => "owner",
        Access::ReadWrite => "readwrite",
        Access::ReadOnly => "readonly",
    }
}
