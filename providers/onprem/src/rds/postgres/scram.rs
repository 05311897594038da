//! What PostgreSQL keeps of a password (RFC 5803), made here: a password in a statement may end in a server's log.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// PostgreSQL's own number.
const ITERATIONS: u32 = 4096;

/// What stands for the password in `PASSWORD '…'`. `None` for what would have to be normalised first: anything but
/// visible ASCII.
pub(super) fn verifier(password: &str) -> Option<String> {
    let visible = password.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (visible && !password.is_empty()).then(|| with_salt(password, &rand::random::<[u8; 16]>()))
}

fn with_salt(password: &str, salt: &[u8]) -> String {
    let mut block = keyed(password.as_bytes(), &[salt, &1u32.to_be_bytes()]);
    let mut salted = block;
    for _ in 1..ITERATIONS {
        block = keyed(password.as_bytes(), &[&block]);
        salted
            .iter_mut()
            .zip(block)
            .for_each(|(salted, block)| *salted ^= block);
    }
    let stored = Sha256::digest(keyed(&salted, &[b"Client Key"]));
    let server = keyed(&salted, &[b"Server Key"]);
    let [salt, stored, server] = [salt, stored.as_slice(), &server].map(|bytes| BASE64_STANDARD.encode(bytes));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

fn keyed(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3, whose server signature and client proof follow from these keys.
    #[test]
    fn it_is_what_the_rfc_makes_of_a_password() {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let verifier = with_salt("pencil", &salt);
        let (_, keys) = verifier.rsplit_once('$').expect("two parts");
        let (stored, server) = keys.split_once(':').expect("two keys");
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let [stored, server] = [stored, server].map(|key| BASE64_STANDARD.decode(key).expect("base64"));
        let signature = BASE64_STANDARD.encode(keyed(&server, &[message.as_bytes()]));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proof = BASE64_STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .expect("base64");
        let key: Vec<u8> = proof
            .iter()
            .zip(keyed(&stored, &[message.as_bytes()]))
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(Sha256::digest(&key).as_slice(), stored);
    }

    #[test]
    fn what_would_have_to_be_normalised_is_refused() {
        assert!(verifier("é").is_none() && verifier("").is_none() && verifier("a\n").is_none());
        assert_ne!(verifier("a"), verifier("a"));
    }
}
