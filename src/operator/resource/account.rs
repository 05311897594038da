//! Names of accounts. No I/O.

use mooring_provider::{ClusterId, Key};

use crate::engine::keyed_hash;

/// The longest name that every known engine takes.
const LONGEST: usize = 16;

/// The account of a database's own component: named like the database. Of a database that clusters share each has its
/// own, whichever is the home.
pub(super) fn main(database: &str, sharing: Option<&ClusterId>) -> String {
    match sharing {
        None => plain(database, LONGEST),
        Some(cluster) => told_apart(database, &[cluster.as_str()]),
    }
}

/// The account of one bind: a person recognises the component in it.
pub(super) fn of_bind(key: &Key, sharing: Option<&ClusterId>) -> String {
    let text = key.to_string();
    match sharing {
        None => told_apart(&key.component, &[&text]),
        Some(cluster) => told_apart(&key.component, &[&text, cluster.as_str()]),
    }
}

fn told_apart(readable: &str, by: &[&str]) -> String {
    let hash = keyed_hash("account", by);
    format!("{}_{}", plain(readable, LONGEST - 6), &hash[..5])
}

fn plain(text: &str, longest: usize) -> String {
    let mut name: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert(0, 'm');
    }
    name.truncate(longest);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_name_that_every_engine_takes() {
        assert_eq!(main("shop", None), "shop");
        assert_eq!(main("9-Shop.of-horrors-and-more", None), "m9_shop_of_horro");
        let bind = |name: &str| of_bind(&Key::new("team-a", "shop", "a-very-long-component", name), None);
        assert!(
            bind("db").starts_with("a_very_lon_") && bind("db").len() == 16,
            "{}",
            bind("db")
        );
        assert_ne!(bind("db"), bind("other"));
        let (blue, green) = (ClusterId::new("blue"), ClusterId::new("green"));
        let key = Key::new("team-a", "shop", "web", "db");
        assert_ne!(main("shop", Some(&blue)), main("shop", Some(&green)));
        assert_ne!(of_bind(&key, Some(&blue)), of_bind(&key, Some(&green)));
        assert!(main("a-very-long-database", Some(&blue)).len() <= LONGEST);
    }
}
