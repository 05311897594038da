//! What was intended and what exists, written down.
//!
//! The ledger is one of three memories: the CloudResource says what is wanted, the ledger what was tried and what was
//! let go on purpose, the owner tags at the provider what exists. Each is believed for its own question, and any one
//! of them may be lost without an orphan or a duplicate. A ledger never holds a secret.
//!
//! [`Ledger`] is the whole interface; SQLite and PostgreSQL serve it through sqlx, see [`open`], and [`InMemory`]
//! serves tests that need ten thousand of them. One suite of tests holds all three to the same behaviour.

mod memory;
mod open;
mod rows;
mod sql;
mod statements;

use std::{collections::BTreeMap, fmt::Debug, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Kind, Owner, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use memory::InMemory;
pub use open::open;

/// A ledger that cannot be read or written. Nothing is created while it lasts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed: it cannot be reached, is locked, or its disk is full.
    #[error("ledger: {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is written there makes no sense to this version.
    #[error("ledger: the {column} of {identity} cannot be read; was it written by a newer version?")]
    Unreadable {
        /// The column.
        column: &'static str,
        /// The row.
        identity: String,
    },
    /// The URL names no kind of ledger.
    #[error("ledger: `{0}` is no ledger; use sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Url(String),
}

/// The result of a ledger call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is remembered of one resource between steps: the ledger's row, and in a cluster the CloudResource's status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// How many external resources this identity had before.
    pub incarnation: u32,
    /// What the provider calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// A create that was sent, or was about to be, and whose outcome is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// It was ready once (in this incarnation).
    pub was_ready: bool,
    /// Since when it has been missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub missing_since: Option<Timestamp>,
    /// The resolved spec that was last carried out in full. Holds no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "object", "x-kubernetes-preserve-unknown-fields" = true))]
    pub applied: Option<Json>,
}

/// A create that was written down before it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The incarnation it is to make.
    pub incarnation: u32,
    /// A digest of the resolved spec: a token is sent again with the same spec only.
    pub spec_hash: String,
    /// When it was written down.
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// Where a resource stands with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Declared, and being kept.
    Live,
    /// On its way out.
    Deleting,
    /// Out of use, its data kept until a time; taken back when its key is declared again.
    Parked,
    /// Left at the provider on purpose, for good.
    Retained,
    /// Given up on by an SRE's word, with the reason; it may still exist.
    Abandoned,
    /// Proven absent.
    Gone,
}

impl Memory {
    /// Whether this incarnation was made already, so that nothing may be created as it again.
    pub fn is_spent(&self, incarnation: u32) -> bool {
        self.incarnation > incarnation
            || self.incarnation == incarnation && (self.external_id.is_some() || self.was_ready)
    }

    /// What is remembered from the moment an intent is written down: a later incarnation has nothing of the earlier
    /// one, least of all its external id, under which the new one would never be found.
    #[must_use]
    pub fn begun(&self, intent: &Intent) -> Self {
        let kept = if self.incarnation < intent.incarnation {
            Self {
                incarnation: intent.incarnation,
                ..Self::default()
            }
        } else {
            self.clone()
        };
        Self {
            intent: Some(intent.clone()),
            missing_since: None,
            ..kept
        }
    }
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 6] = [
        Self::Live,
        Self::Deleting,
        Self::Parked,
        Self::Retained,
        Self::Abandoned,
        Self::Gone,
    ];

    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Deleting => "deleting",
            Self::Parked => "parked",
            Self::Retained => "retained",
            Self::Abandoned => "abandoned",
            Self::Gone => "gone",
        }
    }
}

impl FromStr for Standing {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.as_str() == s)
            .ok_or_else(|| format!("`{s}` is no standing"))
    }
}

/// One resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whose it is.
    pub owner: Owner,
    /// Its kind.
    pub kind: Kind,
    /// The ProviderConfig it is at.
    pub provider: String,
    /// The Environment it was declared in.
    pub environment: String,
    /// Its external name.
    pub name: String,
    /// It was named for use by its id and is not ours.
    pub existing: bool,
    /// Where it stands.
    pub standing: Standing,
    /// Why it stands there, for a person.
    pub reason: Option<String>,
    /// Until when a parked one is kept.
    pub keep_until: Option<Timestamp>,
    /// Its address, which is no secret.
    pub endpoint: Option<String>,
    /// How often it was seen again after it had been missed. Who writes that it is missing says by this which sightings
    /// he knows of.
    pub sightings: u32,
    /// What is remembered between steps.
    pub memory: Memory,
}

/// Something that was done, for those who ask later.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Who: the host or pod, or the user of the command line.
    pub actor: String,
    /// What: `create`, `update`, `delete`, `park`, `account`, `approve`, `abandon`.
    pub action: String,
    /// The resource.
    pub identity: Identity,
    /// Its kind.
    pub kind: Kind,
    /// The environment.
    pub environment: String,
    /// What the provider calls it.
    pub external_id: Option<ExternalId>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// How it ended: `ok`, or the reason of the error.
    pub outcome: String,
    /// More, for a person. Never a secret.
    pub detail: String,
}

/// Which records are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this holder only.
    pub cluster: Option<ClusterId>,
    /// At this ProviderConfig only.
    pub provider: Option<String>,
    /// In this namespace only.
    pub namespace: Option<String>,
    /// Of this application only.
    pub application: Option<String>,
    /// Those that are gone too.
    pub gone: bool,
}

/// What was intended and what exists.
#[async_trait]
pub trait Ledger: Debug + Send + Sync + 'static {
    /// A value that is made once and then kept: the id of this state directory, the key of the keyed hashes. Of two
    /// that propose at once, both get the same one back.
    async fn constant(&self, name: &str, proposal: &str) -> Result<String>;

    /// The record of an identity.
    async fn get(&self, identity: &Identity) -> Result<Option<Record>>;

    /// The records of a key that are not gone, the latest first (by when they were first written).
    async fn of_key(&self, cluster: &ClusterId, key: &Key) -> Result<Vec<Record>>;

    /// All records that match, by key.
    async fn list(&self, filter: &Filter) -> Result<Vec<Record>>;

    /// Writes a record, whole, but undoes nothing that a writer with an older view cannot know of:
    /// - [`Memory::intent`] is left alone; only [`creating`](Self::creating) sets it and
    ///   [`concluded`](Self::concluded) clears it.
    /// - A record of a lower incarnation than is written is not written at all, and that is no error.
    /// - Within one incarnation a known external id may be replaced but not forgotten, and what was ready stays so
    ///   unless it was being deleted. A higher incarnation starts with what the record says.
    /// - That it is missing is not written by who does not know of all its [sightings](Record::sightings), which are
    ///   counted here: what is written without it was seen.
    async fn put(&self, record: &Record) -> Result<()>;

    /// Writes an intent down, if the identity has none, or has one from before `stale`, was not further than the
    /// intent's incarnation, and has not [spent](Memory::is_spent) it; what has an external id has to be missed by then,
    /// with no sighting that the record does not know of, for somebody may have seen it meanwhile. One statement: of many
    /// callers one is granted.
    ///
    /// From then on the intent's incarnation is the current one, and of an earlier one nothing is remembered, see
    /// [`Memory::begun`]. Makes the record if there is none; of one that was gone, its standing is written too, so
    /// that it is found again.
    async fn creating(&self, record: &Record, intent: &Intent, stale: Timestamp) -> Result<Permission>;

    /// The outcome of the intent of this incarnation is known: clears it, and where it made something, which was seen,
    /// keeps what and as which incarnation. What was remembered of an earlier incarnation (that it was ready, what was
    /// applied) is forgotten with it. Does nothing where a later incarnation is written down, nor, where nothing was
    /// made, to an intent that was written down later.
    async fn concluded(&self, identity: &Identity, intent: &Intent, made: Option<&ExternalId>) -> Result<()>;

    /// Writes down what was done.
    async fn audit(&self, entry: &Audit) -> Result<()>;

    /// What was done to an identity, or to all, since then, the latest first; at most `limit` entries.
    async fn audits(&self, identity: Option<&Identity>, since: Timestamp, limit: u32) -> Result<Vec<Audit>>;

    /// Removes what was done before then, but for the last `keep` entries of each identity.
    async fn trim_audit(&self, before: Timestamp, keep: u32) -> Result<()>;

    /// How many resources of the kind were deleted in the environment since then (entries with action `delete` and
    /// outcome `ok`, each identity once).
    async fn deletions(&self, environment: &str, kind: Kind, since: Timestamp) -> Result<u32>;

    /// What the provider was last told of each account of a resource: its name and a keyed hash of the rest.
    async fn told(&self, identity: &Identity) -> Result<BTreeMap<String, String>>;

    /// Remembers what the provider was told of an account; `None` when it was dropped.
    async fn tell(&self, identity: &Identity, account: &str, hash: Option<&str>) -> Result<()>;

    /// An SRE's word on an identity: `delete`, `move`, `recreate`.
    async fn approve(&self, identity: &Identity, action: &str, actor: &str, at: Timestamp) -> Result<()>;

    /// The approvals of an identity that were not used yet.
    async fn approvals(&self, identity: &Identity) -> Result<Vec<String>>;

    /// An approval was acted upon and holds no longer: the word to make one lost database anew must not make the next
    /// one too.
    async fn used(&self, identity: &Identity, action: &str) -> Result<()>;

    /// Removes what is gone since before then (by the clock of whoever wrote so), with its audit, accounts and
    /// approvals. What is retained or abandoned stays, and so does what has a later intent.
    async fn prune(&self, before: Timestamp) -> Result<u64>;
}
