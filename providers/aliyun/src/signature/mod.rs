//! The signatures of Alibaba Cloud, as pure functions of what is sent.
//!
//! They take a request apart from how it travels: names and values are decoded, header names may be of any case, and
//! what takes part in a signature is either told (the list of signed headers) or derived from the headers. So they
//! serve both him who signs and him who verifies: recompute, and compare with [`equal`].
//!
//! | scheme | spoken by |
//! |---|---|
//! | [`acs3`] | every product of the public cloud but the log service |
//! | [`rpc`] | Apsara Stack, and older clients |
//! | [`roa`] | Apsara Stack's REST products |
//! | [`sls`] | the log service, with two variants of its first and with its fourth version |
//!
//! What is deliberately not here: the clock, nonces, credentials and their refresh.

pub mod acs3;
mod primitive;
pub mod roa;
pub mod rpc;
pub mod sls;

pub use primitive::{content_md5, decode_form, encode, equal, sha256_hex};

/// What of a request takes part in a signature.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path as sent, percent-encoded where it must be; `/` when there is none.
    pub path: &'a str,
    /// The names and values of the query, decoded, in any order.
    pub query: &'a [(String, String)],
    /// The headers, `host` among them, in any case and order.
    pub headers: &'a [(String, String)],
}

impl Parts<'_> {
    /// The value of a header, trimmed.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        Some(found.1.trim())
    }

    /// The names of the headers that `takes_part`, in lower case and sorted.
    fn names(&self, takes_part: impl Fn(&str) -> bool) -> Vec<String> {
        let mut names: Vec<_> = self
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .filter(|name| takes_part(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// `name:value` of each of these headers, a line each; one that is not there counts as empty.
    fn lines(&self, names: &[String]) -> String {
        names
            .iter()
            .map(|name| format!("{name}:{}\n", self.header(name).unwrap_or_default()))
            .collect()
    }
}

/// Sorted by the bytes of the name, then of the value.
fn sorted(pairs: &[(String, String)]) -> Vec<&(String, String)> {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort_unstable();
    sorted
}
