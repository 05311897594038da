//! What databases and logins are called. Names of one server are shared by all on it, so each of ours ends in the
//! identity of its database.

use mooring_provider::{Claim, Identity, Result};
use sha2::{Digest, Sha256};

use super::sql::Ident;

/// The longest name of a database: PostgreSQL takes 63 bytes, and roles of ours are named after it.
const DATABASE: usize = 58;

/// The longest name of a login: that of MySQL 8.
const LOGIN: usize = 32;

/// The database of a claim. One that is gone and wanted again is another, under another name.
pub(crate) fn database(claim: &Claim) -> Result<Ident> {
    let identity = plain(claim.owner.identity.as_str());
    let name = plain(&claim.name);
    let head = name.strip_suffix(&identity).unwrap_or(&name);
    let mut tail = identity;
    if claim.incarnation > 0 {
        tail.push('_');
        tail.push_str(&claim.incarnation.to_string());
    }
    if tail.len() > DATABASE - 2 {
        tail = hash(&[claim.token().as_str()]);
    }
    Ident::new(join(head, &tail, DATABASE))
}

/// The login of an account of a database that would like to be called so.
pub(crate) fn login(identity: &Identity, account: &str) -> Result<Ident> {
    let (name, suffix) = (plain(account), plain(identity.as_str()));
    if name == account && name.len() + 1 + suffix.len() <= LOGIN {
        return Ident::new(join(&name, &suffix, LOGIN));
    }
    // What is cut, or was changed, is told from others by a hash of the whole.
    Ident::new(join(&name, &hash(&[account, identity.as_str()]), LOGIN))
}

fn join(head: &str, tail: &str, longest: usize) -> String {
    let head: String = head.chars().take(longest - 1 - tail.len()).collect();
    [head.trim_end_matches('_'), tail].join("_")
}

fn plain(text: &str) -> String {
    text.chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use mooring_provider::{ClusterId, Key, Owner};
    use proptest::prelude::*;

    use super::*;

    fn claim(application: &str, identity: &str, incarnation: u32) -> Claim {
        let owner = Owner {
            cluster: ClusterId::new("c"),
            identity: Identity::new(identity),
            key: Key::new("team-a", application, "web", "rds"),
        };
        Claim {
            incarnation,
            ..Claim::new(owner)
        }
    }

    #[test]
    fn a_person_recognises_the_application() {
        let name = |incarnation| database(&claim("shop", "k3x9", incarnation)).expect("a name");
        assert_eq!(name(0).as_str(), "shop_web_rds_k3x9");
        assert_eq!(name(2).as_str(), "shop_web_rds_k3x9_2");
        let login = |account| login(&Identity::new("k3x9q2abcd"), account).expect("a name");
        assert_eq!(login("shop").as_str(), "shop_k3x9q2abcd");
        assert_ne!(login("a-b"), login("a_b"));
    }

    proptest! {
        #[test]
        fn names_fit_every_server(
            application in "[a-z][a-z0-9-]{0,62}", identity in "[a-z0-9]{1,40}", incarnation in 0u32..5_000,
            account in any::<String>(),
        ) {
            let of = |incarnation| database(&claim(&application, &identity, incarnation)).expect("a name");
            let (name, next) = (of(incarnation), of(incarnation + 1));
            prop_assert!(name.as_str().len() <= DATABASE && name != next, "{:?}", name);
            let login = login(&Identity::new(identity.as_str()), &account).expect("a name");
            prop_assert!(login.as_str().len() <= LOGIN, "{:?}", login);
        }
    }
}
