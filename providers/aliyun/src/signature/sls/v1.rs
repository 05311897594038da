//! Version 1: `Authorization: LOG <id>:<signature>`.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    super::{
        Parts,
        primitive::{hmac_sha1, hmac_sha256},
        sorted,
    },
    Variant,
};

/// The scheme, with which its `Authorization` begins.
pub const SCHEME: &str = "LOG";

/// What is signed. `x-log-date` does not take part: a client of the vendor's adds it to what is signed already,
/// and the date that counts is `Date`. Values of the query are not encoded.
pub fn string_to_sign(parts: &Parts<'_>) -> String {
    let header = |name| parts.header(name).unwrap_or_default();
    let names = parts.names(|name| (name.starts_with("x-log-") || name.starts_with("x-acs-")) && name != "x-log-date");
    let query: Vec<_> = sorted(parts.query)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let resource = if query.is_empty() {
        parts.path.to_owned()
    } else {
        format!("{}?{}", parts.path, query.join("&"))
    };
    format!(
        "{}\n{}\n{}\n{}\n{}{resource}",
        parts.method,
        header("content-md5"),
        header("content-type"),
        header("date"),
        parts.lines(&names),
    )
}

/// The signature.
pub fn signature(parts: &Parts<'_>, variant: Variant, secret: &str) -> String {
    let text = string_to_sign(parts);
    BASE64_STANDARD.encode(match variant {
        Variant::Sha1 => hmac_sha1(secret.as_bytes(), &text),
        Variant::Sha256 => hmac_sha256(secret.as_bytes(), &text),
    })
}

/// The header `Authorization`.
pub fn authorization(parts: &Parts<'_>, variant: Variant, key_id: &str, secret: &str) -> String {
    format!("{SCHEME} {key_id}:{}", signature(parts, variant, secret))
}
