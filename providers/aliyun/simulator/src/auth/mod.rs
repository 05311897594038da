//! Who calls, and whether it is really them.
//!
//! Signatures are computed anew from the decoded request, by code of this crate alone: clients encode differently,
//! and a mistake that the adapter's signer and this verifier shared would prove nothing.

mod acs3;
mod rpc;
mod sls;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{
    options::AccessKey,
    refusal::{Answer, Refusal, absent, bad, forbidden},
    request::Request,
    world::{World, wall},
};

/// How far a client's clock may be off.
const SKEW: i64 = 15 * 60 * 1000;
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) scheme: Scheme,
    pub(crate) key: String,
    /// The role that was assumed.
    pub(crate) role: Option<String>,
}

/// How a call was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Scheme {
    /// ACS3-HMAC-SHA256.
    Acs3,
    /// RPC V1, HMAC-SHA1.
    RpcV1,
    /// SLS V1 with HMAC-SHA1.
    SlsV1Sha1,
    /// SLS V1 with HMAC-SHA256.
    SlsV1Sha256,
    /// SLS V4.
    SlsV4,
    /// Not at all, where that is allowed.
    Anonymous,
}

/// How credentials are refused, though they are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Denial {
    /// The key is not known; HTTP 404, which is no absence of anything else.
    Unknown,
    /// The key is disabled.
    Inactive,
    /// The account may not do this.
    Forbidden,
}

impl Denial {
    pub(crate) fn refusal(self, sls: bool) -> Refusal {
        let (status, code, message) = match (self, sls) {
            (Self::Forbidden, false) => (
                403,
                "Forbidden.RAM",
                "User not authorized to operate on the specified resource.",
            ),
            (Self::Unknown, false) => (404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
            (Self::Inactive, false) => (400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."),
            (Self::Forbidden, true) => (403, "Unauthorized", "denied by sts or ram."),
            (_, true) => (401, "Unauthorized", "The AccessKeyId is not found or is disabled."),
        };
        Refusal::new(status, code, message)
    }
}

/// Finds who calls.
pub(crate) fn verify(request: &Request, keys: &[AccessKey], world: &mut World) -> Answer<Caller> {
    let authorization = request.header("authorization").unwrap_or_default();
    if request.is_sls() {
        sls::verify(request, authorization, keys, world)
    } else if authorization.starts_with("ACS3-") {
        acs3::verify(request, authorization, keys, world)
    } else if request.pair("Signature").is_some() {
        rpc::verify(request, keys, world)
    } else if request.pair("Action").or_else(|| request.header("x-acs-action")) == Some("AssumeRoleWithOIDC") {
        Ok(Caller {
            account: String::new(),
            scheme: Scheme::Anonymous,
            key: String::new(),
            role: None,
        })
    } else {
        bad("IncompleteSignature", "The request carries no signature.")
    }
}

/// The secret of a key and whose it is; of a temporary one only with its token.
struct Known {
    secret: String,
    account: String,
    role: Option<String>,
}

fn known(keys: &[AccessKey], world: &World, id: &str, token: Option<&str>) -> Answer<Known> {
    if let Some(session) = world.sessions.get(id) {
        return match token {
            None => bad("MissingSecurityToken", "SecurityToken is mandatory for this action."),
            Some(token) if token != session.token => bad(
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatches with AccessKey.",
            ),
            Some(_) if session.expires <= wall() => {
                bad("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
            }
            Some(_) => Ok(Known {
                secret: session.secret.clone(),
                account: session.account.clone(),
                role: Some(session.role.clone()),
            }),
        };
    }
    let Some(key) = keys.iter().find(|key| key.id == id) else {
        return absent("InvalidAccessKeyId.NotFound", "Specified access key is not found.");
    };
    if token.is_some_and(|token| !token.is_empty()) {
        return bad(
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken mismatches with AccessKey.",
        );
    }
    Ok(Known {
        secret: key.secret.clone(),
        account: key.account.clone(),
        role: None,
    })
}

fn mismatch<T>(string_to_sign: &str) -> Answer<T> {
    let message =
        format!("Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}");
    bad("SignatureDoesNotMatch", message)
}

/// Checks a nonce, which may be used once.
fn once(world: &mut World, key: &str, nonce: &str) -> Answer<()> {
    if nonce.is_empty() {
        return bad("MissingParameter", "The input parameter SignatureNonce is mandatory.");
    }
    if !world.first_use(key, nonce, 2 * SKEW) {
        return bad("SignatureNonceUsed", "Specified signature nonce was used already.");
    }
    Ok(())
}

/// Checks a time like `2024-05-06T07:08:09Z`.
fn recent(date: &str) -> Answer<()> {
    let form = || {
        Refusal::new(
            400,
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
        )
    };
    let at: jiff::Timestamp = date.parse().map_err(|_| form())?;
    if !date.ends_with('Z') || date.contains('.') {
        return Err(form());
    }
    if (at.as_millisecond() - wall()).abs() > SKEW {
        return bad(
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        );
    }
    Ok(())
}

fn pct(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// `k=pct(v)` of sorted pairs.
fn canonical(pairs: impl IntoIterator<Item = (String, String)>) -> String {
    let mut pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (pct(&key), pct(&value))).collect();
    pairs.sort();
    let joined: Vec<_> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    joined.join("&")
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hmac_sha1_base64(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// What a caller without the right scope may do: nothing.
pub(crate) fn out_of_scope<T>() -> Answer<T> {
    forbidden(
        "NoPermission",
        "The organization and resource group of the call are not the caller's.",
    )
}
