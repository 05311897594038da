//! Who logs in where: the accounts of resources, and the names and passwords of their users.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use mooring_provider::{Access, Account, DynAdapter, Identity, Key, Revoking, Span};
use secrecy::{ExposeSecret, SecretString};

use super::{
    documents::Documents,
    error::Result,
    state::{Consumer, Login, Other},
};
use crate::engine::{
    Retiring,
    effective::Effective,
    new_password,
    problem::{Problem, reason},
    rotation::{Generations, of_generation},
};

/// How long an old login is kept for those who read the env file before, where nobody ends that sooner.
pub(super) const WITHIN: Duration = Duration::from_secs(24 * 3600);

/// How many generations are looked for among what the ledger knows, when the credentials are lost.
const BEYOND: u32 = 256;

/// The accounts of a resource: one for each of its users that has a login.
pub(super) fn accounts(consumers: &[Consumer], key: &Key, logins: &BTreeMap<String, Login>) -> Vec<Account> {
    let users = consumers.iter().filter(|consumer| consumer.target == *key);
    users
        .filter_map(|consumer| Some(logins.get(&consumer.key.to_string())?.accounts(consumer.access)))
        .flatten()
        .collect()
}

/// The accounts of a resource that retire.
pub(super) fn retiring(
    consumers: &[Consumer],
    key: &Key,
    logins: &BTreeMap<String, Login>,
    now: Timestamp,
) -> Vec<Retiring> {
    let users = consumers.iter().filter(|consumer| consumer.target == *key);
    users
        .filter_map(|consumer| Some(logins.get(&consumer.key.to_string())?.retiring(now)))
        .flatten()
        .collect()
}

/// The names of the generations of a consumer's login at its target.
pub(super) fn names<'a>(
    adapter: &'a dyn DynAdapter,
    identity: &'a Identity,
    consumer: &Consumer,
    spec: &serde_json::Value,
) -> impl Fn(u32) -> String + 'a {
    let own = consumer.key == consumer.target;
    let wish = match spec["database"].as_str() {
        Some(database) if own => account_name(database),
        _ => own_account(&consumer.key),
    };
    move |generation| adapter.login(identity, &of_generation(&wish, generation))
}

impl Login {
    /// One that was never changed.
    pub(super) fn first(username: impl Into<String>, password: SecretString) -> Self {
        Self {
            username: username.into(),
            password,
            generations: None,
            others: BTreeMap::new(),
        }
    }

    /// A new one, beside those that the provider was told of before and of which nobody has the passwords any more.
    pub(super) fn anew(names: impl Fn(u32) -> String, told: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let before: Vec<_> = (1..=BEYOND)
            .filter(|generation| told.contains_key(&names(*generation)))
            .collect();
        let Some(last) = before.last() else {
            return Self::first(names(1), new_password());
        };
        let mut generations = Generations::first(now);
        generations.current = *last;
        for generation in &before {
            generations.found(*generation, now, WITHIN);
        }
        generations.highest = *last;
        generations.replace(now, WITHIN);
        let other = |generation: u32| {
            (
                generation,
                Other {
                    username: names(generation),
                    password: None,
                },
            )
        };
        Self {
            username: names(generations.current),
            password: new_password(),
            others: before.into_iter().map(other).collect(),
            generations: Some(generations),
        }
    }

    /// Its generations.
    pub(super) fn generations(&self) -> Generations {
        self.generations
            .clone()
            .unwrap_or_else(|| Generations::first(Timestamp::UNIX_EPOCH))
    }

    /// Begins a rotation.
    pub(super) fn begin(&mut self, names: impl Fn(u32) -> String, now: Timestamp, revoke_after: Option<Span>) {
        let mut generations = self.generations();
        generations.begin(now, WITHIN, revoke_after);
        let other = Other {
            username: names(generations.highest),
            password: Some(new_password()),
        };
        self.others.insert(generations.highest, other);
        self.generations = Some(generations);
    }

    /// Goes back to the generation before, if there is a way. Answers whether there is.
    pub(super) fn undo(&mut self, now: Timestamp) -> bool {
        let mut generations = self.generations();
        let can = generations.undoable().is_some();
        generations.undo(now, WITHIN);
        self.generations = Some(generations);
        can
    }

    /// Shows the next generation, which the provider was told of. Answers whether there was one.
    pub(super) fn promote(&mut self, now: Timestamp) -> bool {
        let mut generations = self.generations();
        let next = generations.next.as_ref().map(|next| next.generation);
        let Some((username, password)) = next
            .and_then(|next| self.others.remove(&next))
            .and_then(|next| Some((next.username, next.password?)))
        else {
            return false;
        };
        let before = Other {
            username: std::mem::replace(&mut self.username, username),
            password: Some(std::mem::replace(&mut self.password, password)),
        };
        self.others.insert(generations.current, before);
        generations.promote(now, WITHIN);
        for (generation, other) in &mut self.others {
            if generations.previous != Some(*generation) {
                other.password = None;
            }
        }
        self.generations = Some(generations);
        true
    }

    /// What retires goes now.
    pub(super) fn finish(&mut self, now: Timestamp) {
        if let Some(generations) = &mut self.generations {
            generations.finish(now);
        }
    }

    /// Forgets those that retired and that the provider has no more. Answers whether there were any.
    pub(super) fn forget(&mut self, told: &BTreeMap<String, String>, now: Timestamp) -> bool {
        let gone: Vec<_> = self
            .retiring(now)
            .into_iter()
            .filter(|retiring| retiring.when.is_some() && !told.contains_key(&retiring.name))
            .collect();
        let Some(generations) = &mut self.generations else {
            return false;
        };
        let is_gone = |username: &str| gone.iter().any(|retiring| retiring.name == username);
        self.others.retain(|generation, other| {
            let keep = !is_gone(&other.username);
            if !keep {
                generations.dropped(*generation);
            }
            keep
        });
        !gone.is_empty()
    }

    fn accounts(&self, access: Access) -> Vec<Account> {
        let account = |username: &String, password: &SecretString| Account {
            name: username.clone(),
            access,
            password: password.clone(),
        };
        let next = self.generations.as_ref().and_then(|generations| {
            let other = self.others.get(&generations.next.as_ref()?.generation)?;
            Some(account(&other.username, other.password.as_ref()?))
        });
        std::iter::once(account(&self.username, &self.password))
            .chain(next)
            .collect()
    }

    fn retiring(&self, now: Timestamp) -> Vec<Retiring> {
        let retiring = self.generations.iter().flat_map(|generations| &generations.retiring);
        retiring
            .filter_map(|retiring| {
                let when = match (now >= retiring.until, retiring.hard) {
                    (false, _) => None,
                    (true, true) => Some(Revoking::Now),
                    (true, false) => Some(Revoking::UnlessUsed),
                };
                let name = self.others.get(&retiring.generation)?.username.clone();
                Some(Retiring { name, when })
            })
            .collect()
    }
}

/// The name of a database as the name of its first account: what the strictest known provider takes.
pub(super) fn account_name(database: &str) -> String {
    let name: String = database
        .to_ascii_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(16)
        .collect();
    let name = name.trim_end_matches('_').to_owned();
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name
    } else {
        format!("db_{name}").chars().take(16).collect()
    }
}

/// The name of the account of a bind: its component, and what tells it from any other.
pub(super) fn own_account(key: &Key) -> String {
    let hash = crate::engine::keyed_hash("account", &[&key.to_string()]);
    let component: String = account_name(&key.component).chars().take(10).collect();
    format!("{}_{}", component.trim_end_matches('_'), &hash[..5])
}

pub(super) fn existing_login(
    effective: &Effective,
    documents: &Documents,
    namespace: &str,
) -> Result<Option<Login>, Problem> {
    let secret = effective
        .existing
        .as_ref()
        .and_then(|existing| existing.credentials_secret.as_ref());
    let Some(name) = secret else { return Ok(None) };
    let problem = |message: &str| {
        Problem::new(reason::TARGET_NOT_FOUND, message)
            .field("existing.credentialsSecret")
            .value(name)
    };
    let entries = documents
        .secrets
        .get(&(namespace.to_owned(), name.clone()))
        .ok_or_else(|| {
            problem("there is no such Secret of this namespace in the documents; add one, or another `-f` with it")
        })?;
    let get = |entry: &str| entries.get(entry).cloned();
    match (get("username"), get("password")) {
        (Some(username), Some(password)) => {
            let username = plain(&username);
            Ok(Some(Login::first(username, password)))
        }
        _ => Err(problem("needs the entries `username` and `password`")),
    }
}

fn plain(text: &SecretString) -> String {
    text.expose_secret().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_are_what_the_strictest_provider_takes() {
        for (database, expected) in [
            ("shop", "shop"),
            ("Shop_Of_The_Whole_Town", "shop_of_the_whol"),
            ("9lives", "db_9lives"),
            ("a-b", "ab"),
        ] {
            assert_eq!(account_name(database), expected);
        }
        let bind = own_account(&Key::new("ns", "shop", "report-for-the-board", "bind"));
        assert!(bind.len() <= 16 && bind.starts_with("reportfort_"), "{bind}");
        assert_ne!(
            bind,
            own_account(&Key::new("ns", "shop", "report-for-the-board", "other"))
        );
    }
}
