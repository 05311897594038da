//! The two schemes of SLS, V1 in two variants.

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

use super::{Caller, SKEW, Scheme, hmac_sha1_base64, hmac_sha256, known, pct, sha256};
use crate::{
    options::AccessKey,
    refusal::{Answer, Refusal, bad},
    request::Request,
    world::{World, wall},
};

fn unauthorized<T>(code: &'static str, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(401, code, message))
}

pub(super) fn verify(request: &Request, authorization: &str, keys: &[AccessKey], world: &World) -> Answer<Caller> {
    if request.header("x-log-apiversion") != Some("0.6.0") {
        return bad("InvalidAPIVersion", "x-log-apiversion should be 0.6.0.");
    }
    // One official client leaves it out or is wrong about it except where lines are written; there it is needed.
    if request.path.ends_with("/shards/lb") {
        match request.header("x-log-bodyrawsize").map(str::parse::<usize>) {
            Some(Ok(size)) if request.header("x-log-compresstype").is_some() || size == request.body.len() => {}
            None => return bad("MissingBodyRawSize", "x-log-bodyrawsize is missing."),
            Some(_) => return bad("InvalidBodyRawSize", "x-log-bodyrawsize is not the size of the body."),
        }
    }
    match authorization.split_once(' ') {
        Some(("LOG", rest)) => v1(request, rest, keys, world),
        Some(("SLS4-HMAC-SHA256", rest)) => v4(request, rest, keys, world),
        _ => unauthorized(
            "Unauthorized",
            "Authorization is neither of `LOG` nor of `SLS4-HMAC-SHA256`.",
        ),
    }
}

fn caller(request: &Request, keys: &[AccessKey], world: &World, id: &str) -> Answer<super::Known> {
    let token = request.header("x-acs-security-token");
    known(keys, world, id, token).map_err(|refusal| Refusal::new(401, "Unauthorized", refusal.message))
}

fn recent(at: Option<i64>) -> Answer<()> {
    match at {
        None => bad("InvalidDateFormat", "The date of the request is missing or malformed."),
        Some(at) if (at * 1000 - wall()).abs() > SKEW => {
            bad("RequestTimeExpired", "The request time is too far off the server's.")
        }
        Some(_) => Ok(()),
    }
}

/// The headers of the request whose names begin so, sorted.
fn named(request: &Request, prefixes: &[&str]) -> Vec<(String, String)> {
    let names = request.headers.keys().map(hyper::header::HeaderName::as_str);
    let names = names.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    let mut pairs: Vec<_> = names
        .map(|name| {
            (
                name.to_owned(),
                request.header(name).unwrap_or_default().trim().to_owned(),
            )
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    pairs
}

fn v1(request: &Request, rest: &str, keys: &[AccessKey], world: &World) -> Answer<Caller> {
    let Some((key, signature)) = rest.split_once(':') else {
        return unauthorized("Unauthorized", "Authorization should be `LOG id:signature`.");
    };
    let known = caller(request, keys, world, key)?;
    let md5 = request.header("content-md5").unwrap_or_default();
    if !request.body.is_empty() && md5 != hex::encode_upper(Md5::digest(&request.body)) {
        return bad(
            "InvalidContentMD5",
            "Content-MD5 is not the upper-case hexadecimal hash of the body.",
        );
    }
    let mut query: Vec<_> = request.query.clone();
    query.sort();
    let query: Vec<_> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let path = percent_encoding::percent_decode_str(&request.path).decode_utf8_lossy();
    let resource = if query.is_empty() {
        path.into_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    };
    let date = request.header("date").unwrap_or_default();
    let content_type = request.header("content-type").unwrap_or_default();
    // One official client adds `x-log-date` after it has signed.
    let string_to_sign = |with_date: bool| {
        let headers = named(request, &["x-log-", "x-acs-"]).into_iter();
        let headers = headers.filter(|(name, _)| with_date || name != "x-log-date");
        let headers: String = headers.map(|(name, value)| format!("{name}:{value}\n")).collect();
        format!("{}\n{md5}\n{content_type}\n{date}\n{headers}{resource}", request.method)
    };
    let sha256 = match request.header("x-log-signaturemethod") {
        Some("hmac-sha1") => false,
        Some("hmac-sha256") => true,
        other => return bad("InvalidSignatureMethod", format!("x-log-signaturemethod is {other:?}.")),
    };
    let sign = |text: &str| match sha256 {
        true => STANDARD.encode(hmac_sha256(known.secret.as_bytes(), text)),
        false => hmac_sha1_base64(&known.secret, text),
    };
    if ![false, true]
        .into_iter()
        .any(|with_date| sign(&string_to_sign(with_date)) == signature)
    {
        return unauthorized(
            "SignatureNotMatch",
            format!("The string to sign is: {}", string_to_sign(false)),
        );
    }
    recent(
        jiff::fmt::rfc2822::parse(date)
            .ok()
            .map(|at| at.timestamp().as_second()),
    )?;
    Ok(Caller {
        account: known.account,
        scheme: if sha256 { Scheme::SlsV1Sha256 } else { Scheme::SlsV1Sha1 },
        key: key.into(),
        role: known.role,
    })
}

fn v4(request: &Request, rest: &str, keys: &[AccessKey], world: &World) -> Answer<Caller> {
    let field = |name: &str| {
        rest.split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let (credential, signature) = (
        field("Credential").unwrap_or_default(),
        field("Signature").unwrap_or_default(),
    );
    let parts: Vec<_> = credential.split('/').collect();
    let [key, day, region, "sls", "aliyun_v4_request"] = parts[..] else {
        return unauthorized(
            "Unauthorized",
            format!("The credential scope `{credential}` is malformed."),
        );
    };
    let known = caller(request, keys, world, key)?;
    let hash = request.header("x-log-content-sha256").unwrap_or_default();
    if hash != sha256(&request.body) {
        return bad(
            "InvalidContentSha256",
            "x-log-content-sha256 is not the hash of the body.",
        );
    }
    let mut query: Vec<_> = request
        .query
        .iter()
        .map(|(key, value)| (pct(key), pct(value)))
        .collect();
    query.sort();
    let bare = |(key, value): (String, String)| {
        if value.is_empty() {
            key
        } else {
            format!("{key}={value}")
        }
    };
    let query: Vec<_> = query.into_iter().map(bare).collect();
    let date = request.header("x-log-date").unwrap_or_default();
    // One official client leaves `x-log-meta-*` out.
    let string_to_sign = |with_meta: bool| {
        let mut pairs = named(request, &["x-log-", "x-acs-", "content-type"]);
        pairs.retain(|(name, _)| with_meta || !name.starts_with("x-log-meta-"));
        pairs.push(("host".into(), request.host.clone()));
        pairs.sort();
        let headers: String = pairs.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let (query, names) = (query.join("&"), names.join(";"));
        let whole = format!(
            "{}\n{}\n{query}\n{headers}\n{names}\n{hash}",
            request.method, request.path
        );
        let scope = format!("{day}/{region}/sls/aliyun_v4_request");
        (
            format!("SLS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(whole.as_bytes())),
            whole,
        )
    };
    let start = format!("aliyun_v4{}", known.secret).into_bytes();
    let derived = [day, region, "sls", "aliyun_v4_request"]
        .iter()
        .fold(start, |key, part| hmac_sha256(&key, part));
    let good = |with_meta| hex::encode(hmac_sha256(&derived, &string_to_sign(with_meta).0)) == signature;
    if !good(false) && !good(true) {
        return unauthorized(
            "SignatureNotMatch",
            format!("The canonical request is: {}", string_to_sign(false).1),
        );
    }
    if !date.starts_with(day) {
        return unauthorized("SignatureNotMatch", "The day of the scope is not that of x-log-date.");
    }
    let at = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", date)
        .ok()
        .and_then(|at| at.to_datetime().ok());
    recent(
        at.and_then(|at| at.in_tz("UTC").ok())
            .map(|at| at.timestamp().as_second()),
    )?;
    Ok(Caller {
        account: known.account,
        scheme: Scheme::SlsV4,
        key: key.into(),
        role: known.role,
    })
}
