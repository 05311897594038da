//! ACS3-HMAC-SHA256.

use super::{Caller, Scheme, canonical, hmac_sha256, known, mismatch, once, recent, sha256};
use crate::{
    options::AccessKey,
    refusal::{Answer, bad},
    request::Request,
    world::World,
};

/// What must be signed, or anybody on the way could change it.
const SIGNED: [&str; 6] = [
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
];

pub(super) fn verify(request: &Request, authorization: &str, keys: &[AccessKey], world: &mut World) -> Answer<Caller> {
    let fields = authorization.strip_prefix("ACS3-HMAC-SHA256 ").unwrap_or_default();
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let (Some(key), Some(names), Some(signature)) = (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return bad(
            "IncompleteSignature",
            "Authorization needs Credential, SignedHeaders and Signature.",
        );
    };
    let names: Vec<_> = names.split(';').collect();
    if !names.is_sorted() {
        return bad("IncompleteSignature", "SignedHeaders are not sorted.");
    }
    let carried = |name: &&str| request.header(name).is_some();
    for name in SIGNED.iter().chain(
        ["x-acs-security-token", "content-type"]
            .iter()
            .filter(|name| carried(name)),
    ) {
        if !names.contains(name) {
            return bad("IncompleteSignature", format!("The header {name} is not signed."));
        }
    }
    let hash = request.header("x-acs-content-sha256").unwrap_or_default();
    if hash != sha256(&request.body) {
        return bad(
            "InvalidContentSha256",
            "x-acs-content-sha256 is not the hash of the body.",
        );
    }
    let known = known(keys, world, key, request.header("x-acs-security-token"))?;
    let header = |name: &&str| match *name {
        "host" => format!("host:{}\n", request.host),
        name => format!("{name}:{}\n", request.header(name).unwrap_or_default().trim()),
    };
    let headers: String = names.iter().map(header).collect();
    let query = canonical(request.query.iter().cloned());
    let signed = names.join(";");
    let whole = format!(
        "{}\n{}\n{query}\n{headers}\n{signed}\n{hash}",
        request.method, request.path
    );
    let string_to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256(whole.as_bytes()));
    if hex::encode(hmac_sha256(known.secret.as_bytes(), &string_to_sign)) != signature {
        return mismatch(&format!("{string_to_sign} of {whole}"));
    }
    recent(request.header("x-acs-date").unwrap_or_default())?;
    once(world, key, request.header("x-acs-signature-nonce").unwrap_or_default())?;
    Ok(Caller {
        account: known.account,
        scheme: Scheme::Acs3,
        key: key.into(),
        role: known.role,
    })
}
