//! Databases on real servers: PostgreSQL and MariaDB, started by the tests on loopback.

mod certificates;
mod conformance;
mod dump;
mod logins;
mod placement;
mod proxy;
mod server;
mod session;
mod subject;
mod trouble;
