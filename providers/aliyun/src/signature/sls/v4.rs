//! Version 4: `Authorization: SLS4-HMAC-SHA256 Credential=<id>/<scope>,Signature=<signature>`.

use super::super::{
    Parts, encode,
    primitive::{hmac_sha256, sha256_hex},
    sorted,
};

/// The name of the scheme, with which its `Authorization` begins.
pub const ALGORITHM: &str = "SLS4-HMAC-SHA256";

/// The headers that take part. They are not listed in the `Authorization`.
pub fn signed_headers(parts: &Parts<'_>) -> Vec<String> {
    parts.names(|name| {
        let ours = name.starts_with("x-log-") || name.starts_with("x-acs-");
        name == "host" || name == "content-type" || (ours && !name.starts_with("x-log-meta-"))
    })
}

/// The canonical request; the hash of the body is taken from the header `x-log-content-sha256`.
pub fn canonical_request(parts: &Parts<'_>) -> String {
    let names = signed_headers(parts);
    let query: Vec<_> = sorted(parts.query)
        .into_iter()
        .map(|(name, value)| match value.as_str() {
            "" => encode(name),
            value => format!("{}={}", encode(name), encode(value)),
        })
        .collect();
    format!(
        "{}\n{}\n{}\n{}\n{}\n{}",
        parts.method,
        parts.path,
        query.join("&"),
        parts.lines(&names),
        names.join(";"),
        parts.header("x-log-content-sha256").unwrap_or_default(),
    )
}

/// What the key is good for: the day of `x-log-date` and the region.
pub fn scope(day: &str, region: &str) -> String {
    format!("{day}/{region}/sls/aliyun_v4_request")
}

/// The signature. The date is that of the header `x-log-date`.
pub fn signature(parts: &Parts<'_>, region: &str, secret: &str) -> String {
    let date = parts.header("x-log-date").unwrap_or_default();
    let day = date.split('T').next().unwrap_or_default();
    let start = format!("aliyun_v4{secret}").into_bytes();
    let key = [day, region, "sls", "aliyun_v4_request"]
        .into_iter()
        .fold(start, |key, part| hmac_sha256(&key, part));
    let canonical = sha256_hex(canonical_request(parts).as_bytes());
    let text = format!("{ALGORITHM}\n{date}\n{}\n{canonical}", scope(day, region));
    hex::encode(hmac_sha256(&key, &text))
}

/// The header `Authorization`.
pub fn authorization(parts: &Parts<'_>, region: &str, key_id: &str, secret: &str) -> String {
    let date = parts.header("x-log-date").unwrap_or_default();
    let scope = scope(date.split('T').next().unwrap_or_default(), region);
    let signature = signature(parts, region, secret);
    format!("{ALGORITHM} Credential={key_id}/{scope},Signature={signature}")
}
