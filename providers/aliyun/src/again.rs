//! Errors that are told more than once.

use mooring_provider::{Error, Retry};

/// The same error once more: a call for several claims that failed, failed for each of them.
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
    if let Retry::After(after) = error.retry() {
        again = again.with_retry_after(after);
    }
    again
}
