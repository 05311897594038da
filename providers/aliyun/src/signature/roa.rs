//! The first version of the signature of REST products: HMAC-SHA1 over some headers and the resource.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Parts, primitive::hmac_sha1, sorted};

/// The scheme, with which its `Authorization` begins.
pub const SCHEME: &str = "acs";

/// What is signed. Values of the query are not encoded, and a name without a value stands alone.
pub fn string_to_sign(parts: &Parts<'_>) -> String {
    let header = |name| parts.header(name).unwrap_or_default();
    let names = parts.names(|name| name.starts_with("x-acs-"));
    let query: Vec<_> = sorted(parts.query)
        .into_iter()
        .map(|(name, value)| match value.as_str() {
            "" => name.clone(),
            value => format!("{name}={value}"),
        })
        .collect();
    let resource = if query.is_empty() {
        parts.path.to_owned()
    } else {
        format!("{}?{}", parts.path, query.join("&"))
    };
    format!(
        "{}\n{}\n{}\n{}\n{}\n{}{resource}",
        parts.method,
        header("accept"),
        header("content-md5"),
        header("content-type"),
        header("date"),
        parts.lines(&names),
    )
}

/// The signature.
pub fn signature(parts: &Parts<'_>, secret: &str) -> String {
    BASE64_STANDARD.encode(hmac_sha1(secret.as_bytes(), &string_to_sign(parts)))
}

/// The header `Authorization`.
pub fn authorization(parts: &Parts<'_>, key_id: &str, secret: &str) -> String {
    format!("{SCHEME} {key_id}:{}", signature(parts, secret))
}
