//! Real servers of the tests' own: databases, a log store, Prometheus with its Alertmanager, a load balancer and an
//! OpenStack.
//!
//! Each listens on free ports of the loopback interface, and ends with its handle, by its process id. A server that
//! cannot be had fails the test and says how to get it.

mod certificates;
pub mod http;
pub mod openstack;
mod process;
mod session;
mod sql;

mod caddy;
pub mod loki;
mod prometheus;
pub mod victorialogs;

pub use caddy::Caddy;
pub use loki::Loki;
pub use process::{Process, script};
pub use prometheus::{Prometheus, mysqld_exporter};
pub use session::Session;
pub use sql::{ADMIN, ROOT, Server, programs};
pub use victorialogs::VictoriaLogs;
