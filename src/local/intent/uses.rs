//! Who uses what, and with which login.

use std::collections::BTreeMap;

use mooring_provider::{Access, Account, DynAdapter, Identity, Key, spec::Rds};

use super::Intent;
use crate::{
    api::Declares as Trait,
    engine::{
        Priority,
        declare::{Consumption, Declaration, Target, bind_target},
        new_password,
        problem::{Problem, reason},
    },
    local::{
        login::{account_name, accounts, own_account},
        state::{Consumer, Login},
    },
};

impl Intent {
    /// The accounts of a resource: one for each of its users.
    pub(super) fn accounts(&self, key: &Key, logins: &BTreeMap<String, Login>) -> Vec<Account> {
        accounts(&self.consumers, key, logins)
    }

    pub(super) fn consumer(&self, declaration: &Declaration, all: &[Declaration]) -> Result<Option<Consumer>, Problem> {
        let key = &declaration.key;
        let (target, kind) = match declaration.declares {
            Trait::Resource(kind) => (key.clone(), kind),
            Trait::Bind => match bind_target(declaration, all) {
                Some(Target::Own(target)) => {
                    let found = all
                        .iter()
                        .find(|other| other.key == target)
                        .and_then(|other| other.declares.kind());
                    let Some(kind) = found else { return Ok(None) };
                    (target, kind)
                }
                _ => {
                    let message = "is of another application; without a cluster a bind reaches this application only";
                    let to = declaration
                        .properties
                        .get("to")
                        .and_then(|to| to.as_str())
                        .unwrap_or_default();
                    let problem = Problem::new(reason::TARGET_NOT_FOUND, message).field("to").value(to);
                    return Err(problem.within(&key.component, &key.name));
                }
            },
        };
        let entry = self.entries.iter().find(|entry| entry.declaration.key == *key);
        let consumption = match entry {
            Some(entry) => entry.effective.consumption.clone(),
            None => Consumption::of(declaration.declares, Some(kind), &key.name, &declaration.properties),
        };
        if !self.entries.iter().any(|entry| entry.declaration.key == target) {
            return Ok(None);
        }
        Ok(Some(Consumer {
            key: key.clone(),
            target,
            kind,
            access: consumption.access,
            prefix: consumption.prefix,
            templates: consumption.templates,
            inject: consumption.inject,
        }))
    }

    /// A use whose account can be had as it is asked for.
    pub(super) fn granted(&self, consumer: Option<Consumer>) -> Result<Option<Consumer>, Problem> {
        let Some(consumer) = consumer else { return Ok(None) };
        match self.grants(&consumer) {
            Some(Err(error)) => {
                let problem = Problem::new(error.reason(), error.message()).field("access");
                let problem = problem.value(consumer.access.as_str());
                Err(problem.within(&consumer.key.component, &consumer.key.name))
            }
            _ => Ok(Some(consumer)),
        }
    }

    /// What the account of a use gets, where it has one.
    pub(in crate::local) fn grants(&self, consumer: &Consumer) -> Option<mooring_provider::Result<Access>> {
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.declaration.key == consumer.target && entry.existing().is_none())?;
        let adapter = entry.connection.adapter(entry.kind, Priority::Create).ok()?;
        adapter.capability().accounts.then(|| adapter.grants(consumer.access))
    }

    /// Makes a login for each use that has none; `identities` are those of the entries. True if any was made.
    pub(in crate::local) fn make_logins(&self, logins: &mut BTreeMap<String, Login>, identities: &[Identity]) -> bool {
        let mut made = false;
        for consumer in &self.consumers {
            let mut entries = self.entries.iter().zip(identities);
            let Some((entry, identity)) = entries.find(|(entry, _)| entry.declaration.key == consumer.target) else {
                continue;
            };
            let adapter = entry.connection.adapter(entry.kind, Priority::Create);
            let Some(adapter) = adapter.ok().filter(|adapter| adapter.capability().accounts) else {
                continue;
            };
            if entry.existing().is_some() {
                continue;
            }
            logins.entry(consumer.key.to_string()).or_insert_with(|| {
                made = true;
                let own = consumer.key == consumer.target;
                let database = serde_json::from_value::<Rds>(entry.effective.spec.clone()).map(|rds| rds.database);
                let wish = match database {
                    Ok(database) if own => account_name(&database),
                    _ => own_account(&consumer.key),
                };
                Login {
                    username: adapter.login(identity, &wish),
                    password: new_password(),
                }
            });
        }
        made
    }
}
