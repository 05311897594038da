//! A relational database.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Common, Network};
use crate::{Bytes, Span};

/// A database instance with one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rds {
    /// The database engine.
    pub engine: Engine,
    /// The engine's version; the provider's default without one.
    pub version: Option<String>,
    /// The provider's instance class.
    pub class: String,
    /// The storage.
    pub storage: Bytes,
    /// A standby in another zone.
    pub high_availability: bool,
    /// The name of the database.
    pub database: String,
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// How long backups are kept.
    pub backup_retention: Option<Span>,
    /// The provider refuses to delete it until the protection is lifted.
    pub deletion_protection: bool,
    /// The addresses that may connect, as CIDR. An instance that does not admit them is not ready.
    pub clients: Vec<String>,
    /// The security group of those that may connect, beside them or instead. An instance that does not admit it is
    /// not ready; a provider that has no such groups refuses it.
    #[serde(default)]
    pub client_security_group: Option<String>,
    /// Where it lives.
    pub network: Network,
    /// What every kind has.
    pub common: Common,
}

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// MySQL.
    Mysql,
    /// PostgreSQL.
    Postgresql,
    /// MariaDB.
    Mariadb,
    /// Microsoft SQL Server.
    Sqlserver,
    /// PolarDB, speaking MySQL.
    PolardbMysql,
    /// PolarDB, speaking PostgreSQL.
    PolardbPostgresql,
}

impl Engine {
    /// As written in a trait.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Postgresql => "postgresql",
            Self::Mariadb => "mariadb",
            Self::Sqlserver => "sqlserver",
            Self::PolardbMysql => "polardb-mysql",
            Self::PolardbPostgresql => "polardb-postgresql",
        }
    }

    /// The scheme of its connection URI, which is also the binding's `type`.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Mysql | Self::PolardbMysql | Self::Mariadb => "mysql",
            Self::Postgresql | Self::PolardbPostgresql => "postgresql",
            Self::Sqlserver => "sqlserver",
        }
    }

    /// The port its clients expect.
    pub const fn port(self) -> u16 {
        match self {
            Self::Mysql | Self::PolardbMysql | Self::Mariadb => 3306,
            Self::Postgresql | Self::PolardbPostgresql => 5432,
            Self::Sqlserver => 1433,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not offered.
    Disabled,
    /// Offered where the provider can.
    #[default]
    Preferred,
    /// Plain connections are refused.
    Required,
}
