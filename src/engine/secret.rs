//! Passwords, and remembering what was told without knowing it.

use hmac::{Hmac, KeyInit, Mac};
use mooring_provider::{Access, Account, Identity};
use rand::{Rng, seq::SliceRandom};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

const CLASSES: [&[u8]; 4] = [
    b"ABCDEFGHJKLMNPQRSTUVWXYZ",
    b"abcdefghijkmnopqrstuvwxyz",
    b"23456789",
    b"_-",
];

/// The letters and digits of an identity; no vowels and no look-alikes, so that it spells nothing and is read well.
const IDENTITY: &[u8] = b"23456789bcdfghjkmnpqrstvwxz";

/// A new password: 24 characters with each of four classes (what the strictest known provider asks), none of which
/// has a meaning in a URI's user part, in a shell or in SQL.
pub fn new_password() -> SecretString {
    let mut random = rand::rng();
    let mut bytes: Vec<u8> = (0..24)
        .map(|at| {
            let class = CLASSES[at % CLASSES.len()];
            class[random.random_range(0..class.len())]
        })
        .collect();
    bytes.shuffle(&mut random);
    String::from_utf8(bytes).expect("the classes are ASCII").into()
}

/// A new identity: ten characters, 47 bits, of random.
pub fn new_identity() -> Identity {
    let mut random = rand::rng();
    Identity::new(
        (0..10)
            .map(|_| IDENTITY[random.random_range(0..IDENTITY.len())] as char)
            .collect::<String>(),
    )
}

/// The identity that comes from these parts, whoever asks.
pub(super) fn identity_of(parts: &[&str]) -> Identity {
    let hash = keyed_hash("identity", parts);
    let mut number = u128::from_str_radix(&hash, 16).expect("it is hexadecimal");
    let letters = IDENTITY.len() as u128;
    let digits = (0..10).map(|_| {
        let letter = IDENTITY[(number % letters) as usize];
        number /= letters;
        letter as char
    });
    Identity::new(digits.collect::<String>())
}

/// A keyed hash of what a provider was told of an account. Without the key it says nothing about the password.
pub(super) fn told_hash(key: &str, identity: &Identity, incarnation: u32, account: &Account) -> String {
    let access = match account.access {
        Access::Owner => "owner",
        Access::ReadWrite => "readwrite",
        Access::ReadOnly => "readonly",
    };
    keyed_hash(
        key,
        &[
            identity.as_str(),
            &incarnation.to_string(),
            &account.name,
            access,
            account.password.expose_secret(),
        ],
    )
}

/// A keyed hash of the parts, in hexadecimal.
pub fn keyed_hash(key: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key of any length will do");
    for part in parts {
        mac.update(&part.len().to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize()
        .into_bytes()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_every_class_and_is_new_each_time() {
        let (one, two) = (new_password(), new_password());
        assert_ne!(one.expose_secret(), two.expose_secret());
        for class in CLASSES {
            assert!(one.expose_secret().bytes().any(|byte| class.contains(&byte)));
        }
        assert_eq!(one.expose_secret().len(), 24);
        assert_ne!(new_identity(), new_identity());
    }

    #[test]
    fn the_hash_is_of_the_key_and_of_each_part() {
        let hash = |key: &str, parts: &[&str]| keyed_hash(key, parts);
        assert_eq!(hash("k", &["a", "b"]), hash("k", &["a", "b"]));
        assert_ne!(hash("k", &["a", "b"]), hash("k", &["ab", ""]));
        assert_ne!(hash("k", &["a", "b"]), hash("l", &["a", "b"]));
    }
}
