//! Databases on shared servers.
//!
//! An application's database is a database of its own on one of the servers, the one with the most room at the time;
//! its id is `SERVER/DATABASE`. Its accounts are logins of the server, so their names must be unlike any other's: what
//! [`names::login`] makes of a wish ends in the identity of the database. A login that is somebody else's is refused. Whose a database is stands in a record on the server itself, see [`record`], out of reach
//! of those accounts.
//!
//! What is deliberately absent: replication and backups of the server (its operator has them), limits of storage and
//! processor (no shared server has any per database), and moving a database from one server to another.

mod adapter;
mod check;
mod dump;
mod error;
mod host;
mod mysql;
mod names;
mod placement;
mod postgres;
mod record;
mod sight;
mod sql;
mod state;

pub(crate) use adapter::RdsAdapter;
pub(crate) use dump::Dumps;
pub(crate) use host::{Host, Login, Patience, Server};
pub(crate) use mysql::Mysql;
pub(crate) use postgres::Postgres;
