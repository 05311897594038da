//! What every adapter makes of what it found.

use mooring_provider::{Error, ExternalId, Sighting};

/// What stands for an identity. One that is going makes room for one that stays.
pub(crate) fn one_of<S: Clone>(
    found: &[&S],
    is_going: impl Fn(&S) -> bool,
    id: impl Fn(&S) -> ExternalId,
) -> Sighting<S> {
    let staying: Vec<_> = found.iter().copied().filter(|state| !is_going(state)).collect();
    match (staying.as_slice(), found) {
        ([], []) => Sighting::Absent,
        ([one], _) | ([], [one, ..]) => Sighting::One((*one).clone()),
        (several, _) => Sighting::Several(several.iter().map(|state| id(state)).collect()),
    }
}

/// The same error once more, for each of those who asked together.
pub(crate) fn again(error: &Error) -> Error {
    retold(error, error.message())
}

/// The same error in other words.
pub(crate) fn retold(error: &Error, message: impl Into<String>) -> Error {
    let mut again = Error::new(error.kind(), error.operation(), message);
    if let Some(code) = error.code() {
        again = again.with_code(code);
    }
    if let Some(id) = error.request_id() {
        again = again.with_request_id(id);
    }
    if let mooring_provider::Retry::After(after) = error.retry() {
        again = again.with_retry_after(after);
    }
    again
}
