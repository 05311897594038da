//! What a data centre already runs: PostgreSQL, MariaDB, VictoriaLogs, Prometheus and Caddy.
//!
//! A kind is served when its servers are named in [`OnpremConfig`]; every other kind belongs to another provider of
//! the Environment. Nothing is installed, started or configured here beyond what one application needs: its database
//! and accounts, its log tenant, its rule file, its listener.

mod config;
mod provider;
mod rds;

pub use config::{Backup, Caddy, Capacity, ClientAddress, LogServer, OnpremConfig, Prometheus, SqlServer};
pub use provider::{OnpremProvider, register};
