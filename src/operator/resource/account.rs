//! Names of accounts. No I/O.

use mooring_provider::Key;

use crate::engine::keyed_hash;

/// The longest name that every known engine takes.
const LONGEST: usize = 16;

/// The account of a database's own component: named like the database.
pub(super) fn main(database: &str) -> String {
    plain(database, LONGEST)
}

/// The account of one bind: a person recognises the component in it.
pub(super) fn of_bind(key: &Key) -> String {
    let hash = keyed_hash("account", &[&key.to_string()]);
    format!("{}_{}", plain(&key.component, LONGEST - 6), &hash[..5])
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
        assert_eq!(main("shop"), "shop");
        assert_eq!(main("9-Shop.of-horrors-and-more"), "m9_shop_of_horro");
        let bind = |name: &str| of_bind(&Key::new("team-a", "shop", "a-very-long-component", name));
        assert!(
            bind("db").starts_with("a_very_lon_") && bind("db").len() == 16,
            "{}",
            bind("db")
        );
        assert_ne!(bind("db"), bind("other"));
    }
}
