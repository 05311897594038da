//! What the checks of several kinds have in common.

use std::{fmt::Display, net::IpAddr};

use mooring_provider::{Claim, Error, ErrorKind, ExternalId, Result, Retry, Sighting, spec::Common};

/// A declaration that cannot be carried out here, with the field, its value and the fix.
pub(crate) fn invalid(operation: &'static str, field: &str, value: impl Display, fix: &str) -> Error {
    Error::new(ErrorKind::InvalidSpec, operation, format!("{field}: `{value}` {fix}"))
}

/// What these servers cannot do at all, and what can.
pub(crate) fn unsupported(operation: &'static str, field: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, operation, format!("{field}: {why}"))
}

/// There are no options here.
pub(crate) fn no_options(operation: &'static str, common: &Common) -> Result<()> {
    match common.options.keys().next() {
        None => Ok(()),
        Some(name) => Err(invalid(
            operation,
            "options.onprem",
            name,
            "is no option here; remove it",
        )),
    }
}

/// Whether it is a range of addresses, as CIDR.
pub(crate) fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    match (address.parse::<IpAddr>(), length.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(length)) => length <= 32,
        (Ok(IpAddr::V6(_)), Ok(length)) => length <= 128,
        _ => false,
    }
}

/// What no resource had before: the name that a person recognises, and the token of this incarnation.
pub(crate) fn unique_name(claim: &Claim) -> String {
    format!("{}-{}", claim.name, &claim.token()[..8])
}

/// None, one or several.
pub(crate) fn sighting<'a, S: Clone + 'a>(
    found: impl Iterator<Item = &'a S>,
    id: impl Fn(&S) -> ExternalId,
) -> Sighting<S> {
    let mut found: Vec<_> = found.collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Sighting::Absent,
        (Some(one), true) => Sighting::One(one.clone()),
        (Some(last), false) => Sighting::Several(found.into_iter().chain([last]).map(id).collect()),
    }
}

/// The same error for each claim.
pub(crate) fn for_each<S>(claims: &[Claim], error: &Error) -> Vec<Result<Sighting<S>>> {
    let again = |_: &Claim| {
        let mut again = Error::new(error.kind(), error.operation(), error.message());
        if let Some(code) = error.code() {
            again = again.with_code(code);
        }
        if let Retry::After(after) = error.retry() {
            again = again.with_retry_after(after);
        }
        again
    };
    claims.iter().map(again).map(Err).collect()
}
