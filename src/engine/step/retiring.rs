//! Accounts that another one took the place of. No I/O.

use std::collections::BTreeMap;

use mooring_provider::{AccountGoal, Revoked, Revoking};

use super::Job;

/// An account that another one took the place of. It is on record, and good until it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retiring {
    /// Its name.
    pub name: String,
    /// When it is dropped; `None` while it stays.
    pub when: Option<Revoking>,
}

/// What stands in the ledger for an account that retires, and that it did not know: no hash is so.
pub(super) const RETIRES: &str = "retires";

/// What is to go: of what the provider was told of, all but what is wanted, what retires and stays, and what nobody here
/// knows of.
pub(super) fn revoked(told: &BTreeMap<String, String>, wanted: &[AccountGoal], job: &Job) -> Vec<Revoked> {
    told.keys()
        .filter(|name| wanted.iter().all(|goal| goal.account.name != **name))
        .filter_map(|name| {
            let when = match job.retiring.iter().find(|one| one.name == *name) {
                Some(retiring) => retiring.when?,
                None if job.known.as_ref().is_none_or(|known| known.contains(name)) => Revoking::Now,
                None => return None,
            };
            let name = name.clone();
            Some(Revoked { name, when })
        })
        .collect()
}
