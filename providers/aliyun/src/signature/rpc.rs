//! The first version of the signature of RPC products: HMAC-SHA1 over all parameters.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{encode, primitive::hmac_sha1, sorted};

/// The parameter that carries the signature and does not take part in it.
pub const PARAMETER: &str = "Signature";

/// What is signed: all parameters of the query and of the form body but [`PARAMETER`]. The method takes part.
pub fn string_to_sign(method: &str, params: &[(String, String)]) -> String {
    let pairs: Vec<_> = sorted(params)
        .into_iter()
        .filter(|(name, _)| name != PARAMETER)
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    format!("{method}&%2F&{}", encode(&pairs.join("&")))
}

/// The value of [`PARAMETER`].
pub fn signature(method: &str, params: &[(String, String)], secret: &str) -> String {
    let key = format!("{secret}&");
    BASE64_STANDARD.encode(hmac_sha1(key.as_bytes(), &string_to_sign(method, params)))
}
