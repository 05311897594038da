//! A documented error as an answer.

use std::borrow::Cow;

/// Why a call is refused, in the words of the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    /// Milliseconds, in the header `x-acs-retry-after`.
    pub(crate) retry_after: Option<u64>,
}

/// What an Action answers.
pub(crate) type Answer<T = serde_json::Value> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            retry_after: None,
        }
    }

    /// A bad value of a parameter.
    pub(crate) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(
            400,
            "InvalidParameter",
            format!("The specified parameter {name} is not valid: {why}"),
        )
    }

    pub(crate) fn missing(name: &str) -> Self {
        let message =
            format!("The input parameter \"{name}\" that is mandatory for processing this request is not supplied.");
        Self::new(400, "MissingParameter", message)
    }
}

/// Refuses with status 400.
pub(crate) fn bad<T>(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(400, code, message))
}

/// Refuses with status 403.
pub(crate) fn forbidden<T>(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(403, code, message))
}

/// Refuses with status 404.
pub(crate) fn absent<T>(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(404, code, message))
}
