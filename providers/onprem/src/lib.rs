//! What a data centre already runs: PostgreSQL, MariaDB, VictoriaLogs, Prometheus and Caddy.
//!
//! A kind is served when its servers are named in [`OnpremConfig`]; every other kind belongs to another provider of
//! the Environment. Nothing is installed, started or configured here beyond what one application needs: its database
//! and accounts, its log tenant, its rule file, its listener.

mod api;
mod check;
mod config;
mod files;
mod log;
mod monitor;
mod provider;
mod rds;
mod slb;

pub use config::{
    Backup, Caddy, Capacity, ClientAddress, Flavour, LogServer, OnpremConfig, Prometheus, Removal, SqlServer,
};
pub use provider::{OnpremProvider, register};
