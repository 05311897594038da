//! Who logs in where: the accounts of resources, and the names and passwords of their users.

use std::collections::BTreeMap;

use mooring_provider::{Account, Key};
use secrecy::{ExposeSecret, SecretString};

use super::{
    documents::Documents,
    error::Result,
    state::{Consumer, Login},
};
use crate::engine::{
    effective::Effective,
    problem::{Problem, reason},
};

/// The accounts of a resource: one for each of its users that has a login.
pub(super) fn accounts(consumers: &[Consumer], key: &Key, logins: &BTreeMap<String, Login>) -> Vec<Account> {
    let users = consumers.iter().filter(|consumer| consumer.target == *key);
    users
        .filter_map(|consumer| {
            let login = logins.get(&consumer.key.to_string())?;
            Some(Account {
                name: login.username.clone(),
                access: consumer.access,
                password: login.password.clone(),
            })
        })
        .collect()
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
            Ok(Some(Login { username, password }))
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
