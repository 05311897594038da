//! Databases on real servers: PostgreSQL and MariaDB, started by the tests on loopback.

mod conformance;
mod dump;
mod logins;
mod namesakes;
mod placement;
mod proxy;
mod race;
mod subject;
mod trouble;
