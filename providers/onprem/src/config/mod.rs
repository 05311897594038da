//! What `ProviderConfig.spec.onprem` says.

mod log;
mod monitor;
mod slb;
mod sql;

use std::time::Duration;

use mooring_provider::{Error, ErrorKind, Result, Span};
use mooring_provider_http::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use log::{Flavour, LogServer, Removal};
pub use monitor::Prometheus;
pub use slb::Caddy;
pub use sql::{Backup, Capacity, ClientAddress, SqlServer};

/// Servers that are there already. A kind is served when servers for it are named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OnpremConfig {
    /// PostgreSQL servers; each database goes to the one with the most room.
    pub postgresql: Vec<SqlServer>,
    /// MariaDB servers. They serve `mysql` only where the Environment's `engines` says `mysql: {onprem: mariadb}`.
    pub mariadb: Vec<SqlServer>,
    /// MySQL servers.
    pub mysql: Vec<SqlServer>,
    /// How many connections a database admits when its size does not say (`sizes.rds.SIZE.onprem` is that number).
    pub connections: u32,
    /// How long one statement may take. The server is told, and is not waited for much longer.
    pub statement_timeout: Span,
    /// How long a connection may take to be made.
    pub connect_timeout: Span,
    /// Where databases are dumped to before they are parked with a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// The log store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogServer>,
    /// The Prometheus that evaluates alarms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Prometheus>,
    /// The Caddy that balances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slb: Option<Caddy>,
    /// How the HTTP APIs of the log store, Prometheus and Caddy are reached.
    pub http: HttpConfig,
}

impl Default for OnpremConfig {
    fn default() -> Self {
        Self {
            postgresql: Vec::new(),
            mariadb: Vec::new(),
            mysql: Vec::new(),
            connections: 20,
            statement_timeout: Span::new(Duration::from_secs(15)),
            connect_timeout: Span::new(Duration::from_secs(5)),
            backup: None,
            log: None,
            monitor: None,
            slb: None,
            http: HttpConfig::default(),
        }
    }
}

impl OnpremConfig {
    /// Reads and checks `ProviderConfig.spec.onprem`. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSpec`], naming the field as `spec.onprem.FIELD`.
    pub fn read(config: &serde_json::Value) -> Result<Self> {
        let config = Self::deserialize(config).map_err(|error| Error::invalid("", &error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        sql::check(self)?;
        self.log.as_ref().map_or(Ok(()), LogServer::check)?;
        self.monitor.as_ref().map_or(Ok(()), Prometheus::check)?;
        self.slb.as_ref().map_or(Ok(()), Caddy::check)?;
        let reserved = |name: &str| ["log", "push", "monitor", "slb"].contains(&name);
        let servers = self.postgresql.iter().chain(&self.mariadb).chain(&self.mysql);
        if let Some(server) = servers.into_iter().find(|server| reserved(&server.name)) {
            let message = format!(
                "`{}` names another login in the credentials; rename the server",
                server.name
            );
            return Err(Error::invalid("name", &message));
        }
        let sql = [&self.postgresql, &self.mariadb, &self.mysql]
            .iter()
            .any(|servers| !servers.is_empty());
        if !sql && self.log.is_none() && self.monitor.is_none() && self.slb.is_none() {
            let message = "no server is named; name some in postgresql, mariadb, mysql, log, monitor or slb";
            return Err(Error::invalid("", message));
        }
        Ok(())
    }
}

/// Errors of the configuration.
pub(crate) trait Invalid {
    /// The error of `spec.onprem.FIELD`; of the whole when the field is empty.
    fn invalid(field: &str, message: &str) -> Self;
}

impl Invalid for Error {
    fn invalid(field: &str, message: &str) -> Self {
        let dot = if field.is_empty() { "" } else { "." };
        Self::new(
            ErrorKind::InvalidSpec,
            "onprem.connect",
            format!("spec.onprem{dot}{field}: {message}"),
        )
    }
}

#[cfg(test)]
mod tests;
