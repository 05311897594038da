//! ACS3-HMAC-SHA256, the third version of the signature.

use super::{
    Parts, encode,
    primitive::{hmac_sha256, sha256_hex},
    sorted,
};

/// The name of the scheme, with which its `Authorization` begins.
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The headers a client of ours signs: `host`, `content-type` and all `x-acs-*`. Proxies change the others.
pub fn signed_headers(parts: &Parts<'_>) -> Vec<String> {
    parts.names(|name| name == "host" || name == "content-type" || name.starts_with("x-acs-"))
}

/// The canonical request. `signed` is in lower case and in the order of the `SignedHeaders`; the hash of the body is
/// taken from the header `x-acs-content-sha256`, so one who verifies compares that with the body himself.
pub fn canonical_request(parts: &Parts<'_>, signed: &[String]) -> String {
    let query: Vec<_> = sorted(parts.query)
        .into_iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    format!(
        "{}\n{}\n{}\n{}\n{}\n{}",
        parts.method,
        if parts.path.is_empty() { "/" } else { parts.path },
        query.join("&"),
        parts.lines(signed),
        signed.join(";"),
        parts.header("x-acs-content-sha256").unwrap_or_default(),
    )
}

/// What is signed.
pub fn string_to_sign(parts: &Parts<'_>, signed: &[String]) -> String {
    let canonical = canonical_request(parts, signed);
    format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()))
}

/// The signature over the headers that `signed` names.
pub fn signature(parts: &Parts<'_>, signed: &[String], secret: &str) -> String {
    hex::encode(hmac_sha256(secret.as_bytes(), &string_to_sign(parts, signed)))
}

/// The header `Authorization` of a request of ours.
pub fn authorization(parts: &Parts<'_>, key_id: &str, secret: &str) -> String {
    let signed_headers = signed_headers(parts);
    let signature = signature(parts, &signed_headers, secret);
    Authorization {
        key_id: key_id.to_owned(),
        signed_headers,
        signature,
    }
    .to_string()
}

/// A header `Authorization`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The id of the AccessKey.
    pub key_id: String,
    /// The headers that take part, in lower case, in the order given.
    pub signed_headers: Vec<String>,
    /// The signature.
    pub signature: String,
}

impl std::fmt::Display for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, headers, signature) = (&self.key_id, self.signed_headers.join(";"), &self.signature);
        write!(
            f,
            "{ALGORITHM} Credential={id},SignedHeaders={headers},Signature={signature}"
        )
    }
}

impl std::str::FromStr for Authorization {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields = text
            .strip_prefix(ALGORITHM)
            .ok_or_else(|| format!("no {ALGORITHM}"))?
            .trim();
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| format!("no {name}"))
        };
        Ok(Self {
            key_id: field("Credential")?.to_owned(),
            signed_headers: field("SignedHeaders")?
                .split(';')
                .map(str::to_ascii_lowercase)
                .collect(),
            signature: field("Signature")?.to_owned(),
        })
    }
}
