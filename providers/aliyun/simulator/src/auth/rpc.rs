//! RPC V1, HMAC-SHA1.

use super::{Caller, Scheme, canonical, hmac_sha1_base64, known, mismatch, once, pct, recent};
use crate::{
    options::AccessKey,
    refusal::{Answer, Refusal, bad},
    request::Request,
    world::World,
};

pub(super) fn verify(request: &Request, keys: &[AccessKey], world: &mut World) -> Answer<Caller> {
    let pair = |name: &str| request.pair(name).ok_or_else(|| Refusal::missing(name));
    if pair("SignatureMethod")? != "HMAC-SHA1" || pair("SignatureVersion")? != "1.0" {
        return bad(
            "InvalidParameter",
            "SignatureMethod should be HMAC-SHA1 and SignatureVersion 1.0.",
        );
    }
    let key = pair("AccessKeyId")?;
    let known = known(keys, world, key, request.pair("SecurityToken"))?;
    let pairs = request
        .query
        .iter()
        .chain(&request.form)
        .filter(|(name, _)| name != "Signature");
    let string_to_sign = format!("{}&%2F&{}", request.method, pct(&canonical(pairs.cloned())));
    if hmac_sha1_base64(&format!("{}&", known.secret), &string_to_sign) != pair("Signature")? {
        return mismatch(&string_to_sign);
    }
    recent(pair("Timestamp")?)?;
    once(world, key, pair("SignatureNonce")?)?;
    Ok(Caller {
        account: known.account,
        scheme: Scheme::RpcV1,
        key: key.into(),
        role: known.role,
    })
}
