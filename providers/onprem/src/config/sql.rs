//! `spec.onprem.postgresql`, `mariadb`, `mysql`, and what goes with them.

use std::{collections::BTreeSet, path::PathBuf};

use mooring_provider::{Bytes, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Invalid, OnpremConfig};

/// A database server that is shared by applications. Its administrator's login is in the credentials Secret, under
/// `NAME.username` and `NAME.password`: a superuser of PostgreSQL (13 or newer), of MariaDB (10.4.2 or newer) and
/// MySQL (8.0 or newer) one with all privileges and the grant option. Connections are always encrypted and the certificate is verified, for the
/// host as it is written here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SqlServer {
    /// Its name: part of the id of every database on it and of the keys in the credentials Secret, so it never
    /// changes. Lower-case letters, digits and dashes.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]{0,31}$"))]
    pub name: String,
    /// Where Mooring reaches it.
    pub host: String,
    /// Its port; the engine's usual one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where applications reach it, if that is elsewhere: a proxy, a service address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_address: Option<ClientAddress>,
    /// The certificate authority of its certificate, in PEM. Applications get it as `ca.crt`.
    pub ca_bundle: String,
    /// How much it may hold. Without a limit it may hold any number of databases.
    #[serde(default)]
    pub capacity: Capacity,
    /// It has a standby that takes over under the same address. Without it, an application that asks for
    /// `highAvailability` goes to a server that has.
    #[serde(default)]
    pub high_availability: bool,
    /// The database the administrator connects to (PostgreSQL); `postgres` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_database: Option<String>,
}

/// Where applications reach a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAddress {
    /// The host.
    pub host: String,
    /// The port; that of the server by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How much a server may hold of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Capacity {
    /// How many databases of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub databases: Option<u32>,
    /// How much storage our databases may have been promised in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Bytes>,
}

/// Where and how databases are dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backup {
    /// The directory dumps are written to. It must exist and be writable; what is in it is never removed by Mooring.
    pub directory: PathBuf,
    /// The program that dumps PostgreSQL.
    #[serde(default = "pg_dump")]
    pub pg_dump: PathBuf,
    /// The program that dumps MariaDB and MySQL.
    #[serde(default = "mariadb_dump")]
    pub mariadb_dump: PathBuf,
}

fn pg_dump() -> PathBuf {
    "pg_dump".into()
}

fn mariadb_dump() -> PathBuf {
    "mariadb-dump".into()
}

pub(super) fn check(config: &OnpremConfig) -> Result<()> {
    let mut names = BTreeSet::new();
    for (list, servers) in [
        ("postgresql", &config.postgresql),
        ("mariadb", &config.mariadb),
        ("mysql", &config.mysql),
    ] {
        for (at, server) in servers.iter().enumerate() {
            let invalid = |field: &str, message: String| Error::invalid(&format!("{list}[{at}].{field}"), &message);
            let name = &server.name;
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 32 || !name.chars().all(plain) {
                let fix = "use at most 32 lower-case letters, digits and dashes, a letter first";
                return Err(invalid("name", format!("`{name}` is no name of a server; {fix}")));
            }
            if !names.insert(name) {
                return Err(invalid(
                    "name",
                    format!("`{name}` is the name of another server too; rename one"),
                ));
            }
            if server.host.is_empty() || server.host.contains(|c: char| c.is_whitespace() || c == '/') {
                return Err(invalid(
                    "host",
                    format!("`{}` is no host; write its name or address", server.host),
                ));
            }
            if !server.ca_bundle.contains("-----BEGIN CERTIFICATE-----") {
                let fix = "give the authority of the server's certificate in PEM";
                return Err(invalid("caBundle", format!("there is no certificate in it; {fix}")));
            }
            if server.admin_database.is_some() && list != "postgresql" {
                let message = "only PostgreSQL is connected to through a database; remove it";
                return Err(invalid("adminDatabase", message.into()));
            }
        }
    }
    if !(1..=100_000).contains(&config.connections) {
        let message = format!("`{}` is no number of connections; use 1 to 100000", config.connections);
        return Err(Error::invalid("connections", &message));
    }
    for (field, span) in [
        ("statementTimeout", config.statement_timeout),
        ("connectTimeout", config.connect_timeout),
    ] {
        if span.get().as_millis() < 100 || span.get().as_secs() > 600 {
            return Err(Error::invalid(
                field,
                &format!("`{span}` is out of range; use 100ms to 10m"),
            ));
        }
    }
    match &config.backup {
        Some(backup) if !backup.directory.is_absolute() => {
            let message = format!("`{}` is no absolute path", backup.directory.display());
            Err(Error::invalid("backup.directory", &message))
        }
        _ => Ok(()),
    }
}
