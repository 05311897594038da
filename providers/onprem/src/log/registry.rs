//! Which tenant is whose: a file for each, in a directory.
//!
//! Neither server knows tenants. A line in a tenant of our own would be the other place to write that down, but lines
//! age out, cannot be taken back at once, and are appended by two brokers where a file is made by one. A tenant that is
//! let go keeps its file under another ending, so that nobody gets it again while lines of it may be left.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mooring_provider::{ExternalId, Owner, Result, Span};
use serde::{Deserialize, Serialize};

use crate::files::Directory;

/// How the names of the files of tenants end.
const TENANT: &str = ".tenant.json";
/// How they end once the tenant is let go.
const RETIRED: &str = ".retired.json";

/// What is written down of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// Whose it is.
    pub(super) owner: Owner,
    /// What was declared.
    #[serde(flatten)]
    pub(super) declared: Declared,
    /// Until when it is parked, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parked_until: Option<String>,
    /// When the deletion of its lines was last asked for, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) going: Option<Timestamp>,
}

/// What was declared of a tenant. The server has no place for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Declared {
    /// How long lines were to be kept.
    pub(super) retention: Span,
    /// Whether the application pushes lines itself.
    pub(super) push: bool,
    /// Its tags.
    pub(super) tags: BTreeMap<String, String>,
}

/// The directory.
#[derive(Debug)]
pub(super) struct Registry(pub(super) Directory);

impl Registry {
    /// Every tenant that is somebody's.
    pub(super) async fn tenants(&self) -> Result<BTreeMap<ExternalId, Record>> {
        let files = self.0.list(TENANT).await?;
        let mut tenants = BTreeMap::new();
        for (name, text) in files {
            match serde_json::from_str(&text) {
                Ok(record) => drop(tenants.insert(id(&name), record)),
                // Whose it is cannot be told; saying that there is none would be a guess.
                Err(error) => {
                    let message = format!(
                        "`{name}{TENANT}` in {} is no record of a tenant (line {}, column {}); restore it from a backup",
                        self.0.path().display(),
                        error.line(),
                        error.column()
                    );
                    return Err(mooring_provider::Error::new(
                        mooring_provider::ErrorKind::Unexpected,
                        "log.registry",
                        message,
                    ));
                }
            }
        }
        Ok(tenants)
    }

    /// Whether this tenant was let go.
    pub(super) async fn is_retired(&self, id: &ExternalId) -> Result<bool> {
        Ok(self.0.list(RETIRED).await?.contains_key(&name(id)))
    }

    /// Writes down a new tenant. `false` when it is somebody's.
    pub(super) async fn add(&self, id: &ExternalId, record: &Record) -> Result<bool> {
        self.0.create(&format!("{}{TENANT}", name(id)), &text(record)).await
    }

    /// Writes down what changed.
    pub(super) async fn set(&self, id: &ExternalId, record: &Record) -> Result<()> {
        self.0.replace(&format!("{}{TENANT}", name(id)), &text(record)).await
    }

    /// Lets a tenant go.
    pub(super) async fn retire(&self, id: &ExternalId) -> Result<()> {
        let name = name(id);
        self.0
            .rename(&format!("{name}{TENANT}"), &format!("{name}{RETIRED}"))
            .await
    }
}

fn text(record: &Record) -> String {
    serde_json::to_string_pretty(record).unwrap_or_default() + "\n"
}

/// The name of the file of a tenant: the pair of numbers of VictoriaLogs is written with a colon elsewhere.
fn name(id: &ExternalId) -> String {
    id.as_str().replace(':', "_")
}

fn id(name: &str) -> ExternalId {
    ExternalId::new(name.replace('_', ":"))
}
