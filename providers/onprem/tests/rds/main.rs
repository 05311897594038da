//! Databases on real servers: PostgreSQL and MariaDB, started by the tests on loopback.

mod conformance;
mod proxy;
mod server;
mod subject;
