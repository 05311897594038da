//! What the adapter asks of a server, whatever it speaks.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use mooring_provider::{Access, Result, spec::Engine};
use secrecy::SecretString;

use super::{
    record::{Record, Stage},
    sql::Ident,
};
use crate::config::SqlServer;

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) config: SqlServer,
    pub(crate) engine: Engine,
    pub(crate) login: Login,
    pub(crate) host: Arc<dyn Host>,
}

/// The administrator of a server.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

/// How patient one is with a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) statement: Duration,
}

impl Patience {
    /// How long an answer is awaited: the server gives up first, and says so.
    pub(crate) fn answer(&self) -> Duration {
        self.statement + self.statement / 4
    }
}

/// What a server says.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// Its version.
    pub(crate) version: String,
    /// Every database with a record, and those that were asked for by name.
    pub(crate) found: Vec<Found>,
}

/// A database, or the record of one.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) record: Option<Record>,
    /// The database is there.
    pub(crate) present: bool,
    /// It is the one that the record is about, not one of somebody else's under that name.
    pub(crate) held: bool,
    /// It admits connections.
    pub(crate) admits: bool,
    /// It admits nobody but its own accounts.
    pub(crate) closed: bool,
    /// How many connections it admits, where there is anything to tell it by.
    pub(crate) limit: Option<u32>,
}

impl Found {
    /// Whether there is anything. A record whose database was made, and is gone, is the record of a lost one.
    pub(crate) fn is_there(&self) -> bool {
        self.present || self.record.as_ref().is_some_and(|record| record.stage != Stage::Made)
    }
}

/// A server as the adapter needs it. Every call may be repeated, and takes up what one before it left half done.
#[async_trait]
pub(crate) trait Host: Debug + Send + Sync {
    /// Every database with a record, and the named ones.
    async fn look(&self, names: &[&str]) -> Result<Look>;

    /// Claims the name by writing the record. A name that anything of somebody else's has is `NotOwned`. `false` when
    /// the server has no room for it: of brokers that claim at once one comes after the other, so that the last place
    /// is taken once.
    async fn begin(&self, name: &Ident, record: &Record) -> Result<bool>;

    /// Makes what is missing of a database whose name is claimed, closes it to everybody else, and records that.
    async fn finish(&self, name: &Ident, record: &Record) -> Result<()>;

    /// Writes the record of a claimed name, and makes limit and grants be as it says.
    async fn write(&self, name: &Ident, record: &Record) -> Result<()>;

    /// Revokes every login of a database and ends their sessions.
    async fn revoke(&self, name: &Ident) -> Result<()>;

    /// Removes what there is of a database, its logins, and last the record.
    async fn remove(&self, name: &Ident, record: &Record) -> Result<()>;

    /// Makes a login be there with this password and this access, and nothing else.
    async fn put_login(&self, name: &Ident, record: &Record, login: &Ident, wanted: &Wanted<'_>) -> Result<()>;

    /// Removes a login of a database and ends its sessions. What it made stays with the database.
    async fn drop_login(&self, name: &Ident, login: &Ident) -> Result<()>;
}

/// What a login is to be.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) account: &'a str,
    pub(crate) access: Access,
    pub(crate) password: &'a SecretString,
}
