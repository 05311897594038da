//! The statements, each free of I/O.

use mooring_provider::Result;

use super::{Dialect, IS_RECORD, Ident, Record, Sql};

pub(super) fn sql(text: &'static str) -> Sql {
    Sql::new(Dialect::Postgres, text)
}

/// The roles of a database that cannot log in.
pub(super) struct Roles {
    /// The database's own, of the same name.
    pub(super) owner: Ident,
    pub(super) writer: Ident,
    pub(super) reader: Ident,
}

impl Roles {
    pub(super) fn of(name: &Ident) -> Result<Self> {
        Ok(Self {
            owner: name.clone(),
            writer: name.with("_w")?,
            reader: name.with("_r")?,
        })
    }
}

/// Every record with its database, and the databases of these names.
pub(super) fn look(names: &[&str]) -> Sql {
    let look = sql(
        "SELECT COALESCE(o.rolname, d.datname)::text AS name, o.description AS record, \
                    d.oid IS NOT NULL AS present, COALESCE(d.datdba = o.oid, false) AS held, \
                    COALESCE(d.datallowconn, false) AS admits, d.datconnlimit AS connections, \
                    COALESCE(NOT EXISTS (SELECT FROM aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) acl \
                    WHERE acl.grantee = 0), false) AS closed \
                    FROM (SELECT r.oid, r.rolname, c.description FROM pg_catalog.pg_roles r \
                    JOIN pg_catalog.pg_shdescription c ON c.objoid = r.oid \
                    AND c.classoid = 'pg_catalog.pg_authid'::regclass WHERE starts_with(c.description, ",
    )
    .literal(IS_RECORD)
    .text(")) o FULL JOIN pg_catalog.pg_database d ON d.datname = o.rolname WHERE o.oid IS NOT NULL");
    if names.is_empty() {
        return look;
    }
    look.text(" OR d.datname IN (")
        .literals(names.iter().copied())
        .text(")")
}

/// Waits until no other broker claims a place here; until the end of the transaction none can.
pub(super) fn turn() -> Sql {
    sql("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('mooring.dev'))")
}

/// The roles with the record.
pub(super) fn claim(roles: &Roles, record: &Record) -> Result<Sql> {
    let Roles { owner, writer, reader } = roles;
    let claim = sql("CREATE ROLE ")
        .ident(owner)
        .text("; CREATE ROLE ")
        .ident(writer)
        .text("; CREATE ROLE ")
        .ident(reader);
    Ok(claim.text("; ").then(note(owner, record)?))
}

/// The record.
pub(super) fn note(owner: &Ident, record: &Record) -> Result<Sql> {
    Ok(sql("COMMENT ON ROLE ")
        .ident(owner)
        .text(" IS ")
        .literal(&record.write()?))
}

/// The database. It cannot be made within a transaction.
pub(super) fn create(roles: &Roles, record: &Record) -> Sql {
    sql("CREATE DATABASE ")
        .ident(&roles.owner)
        .text(" OWNER ")
        .ident(&roles.owner)
        .text(" TEMPLATE template0 ENCODING 'UTF8' CONNECTION LIMIT ")
        .number(record.connections.into())
}

/// Who may connect, and how often.
pub(super) fn close(roles: &Roles, record: &Record) -> Sql {
    let Roles { owner, writer, reader } = roles;
    sql("REVOKE ALL ON DATABASE ")
        .ident(owner)
        .text(" FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE ")
        .ident(owner)
        .text(" TO ")
        .idents([writer, reader])
        .text("; ALTER DATABASE ")
        .ident(owner)
        .text(" WITH ALLOW_CONNECTIONS true CONNECTION LIMIT ")
        .number(record.connections.into())
}

/// Within the database: what is there and what will be there is the owner's; the others read, or read and write.
pub(super) fn set_up(roles: &Roles) -> Sql {
    let Roles { owner, writer, reader } = roles;
    let both = [writer, reader];
    let defaults = || sql("; ALTER DEFAULT PRIVILEGES FOR ROLE ").ident(owner).text(" GRANT ");
    sql("REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO ")
        .ident(owner)
        .text("; GRANT USAGE ON SCHEMA public TO ")
        .idents(both)
        .then(defaults().text("USAGE ON SCHEMAS TO ").idents(both))
        .then(defaults().text("SELECT ON TABLES TO ").idents(both))
        .then(defaults().text("INSERT, UPDATE, DELETE ON TABLES TO ").ident(writer))
        .then(defaults().text("SELECT ON SEQUENCES TO ").idents(both))
        .then(defaults().text("USAGE, UPDATE ON SEQUENCES TO ").ident(writer))
}

/// Every session in the database, but those of administrators.
pub(super) fn end_sessions(name: &Ident) -> Sql {
    sql(
        "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
         JOIN pg_catalog.pg_roles r ON r.rolname = a.usename WHERE NOT r.rolsuper AND a.datname = ",
    )
    .literal(name.as_str())
    .text(" AND a.pid <> pg_catalog.pg_backend_pid()")
}

/// The database, and every session in it.
pub(super) fn drop_database(name: &Ident) -> Sql {
    sql("DROP DATABASE IF EXISTS ").ident(name).text(" WITH (FORCE)")
}

/// All roles; one transaction, so that the record goes with the last of them.
pub(super) fn drop_roles(roles: &Roles, logins: &[Ident]) -> Sql {
    let Roles { owner, writer, reader } = roles;
    sql("DROP ROLE IF EXISTS ").idents(logins.iter().chain([writer, reader, owner]))
}
