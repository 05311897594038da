//! One error for every provider: what kind it is decides when to try again and what a person is told.

use std::{fmt, time::Duration};

/// The result of a provider call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as the caller has to care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The declaration is wrong; only a changed declaration helps.
    InvalidSpec,
    /// The provider cannot do what is declared.
    Unsupported,
    /// It exists and is not ours; it is left alone.
    NotOwned,
    /// The credentials were refused. Says nothing about whether a resource exists.
    Unauthenticated,
    /// The credentials are good but may not do this, or look at another account. Says nothing about existence.
    PermissionDenied,
    /// The account's quota, balance or limit forbids it.
    QuotaExceeded,
    /// The resource, or one that depends on it, is in a state that does not allow the call now.
    Busy,
    /// Too many calls; the call had no effect.
    Throttled,
    /// No answer, or an answer that says nothing: the call may or may not have had its effect.
    Unavailable,
    /// An answer nobody expected; the call may or may not have had its effect.
    Unexpected,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Only when the declaration, the environment or the provider's configuration changes.
    OnChange,
    /// Now and then: somebody has to act elsewhere.
    Slowly,
    /// With growing pauses.
    Backoff,
    /// After the time the provider named.
    After(Duration),
}

impl ErrorKind {
    /// Every kind of error.
    pub const ALL: [Self; 10] = [
        Self::InvalidSpec,
        Self::Unsupported,
        Self::NotOwned,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::QuotaExceeded,
        Self::Busy,
        Self::Throttled,
        Self::Unavailable,
        Self::Unexpected,
    ];

    /// When a call that failed so is tried again, unless the provider named a time.
    pub const fn retry(self) -> Retry {
        match self {
            Self::InvalidSpec | Self::Unsupported => Retry::OnChange,
            Self::NotOwned | Self::Unauthenticated | Self::PermissionDenied | Self::QuotaExceeded => Retry::Slowly,
            Self::Busy | Self::Throttled | Self::Unavailable | Self::Unexpected => Retry::Backoff,
        }
    }

    /// The condition reason, event reason and metric label of this kind of error.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::InvalidSpec => "InvalidSpec",
            Self::Unsupported => "Unsupported",
            Self::NotOwned => "NotOwned",
            Self::Unauthenticated => "Unauthenticated",
            Self::PermissionDenied => "PermissionDenied",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::Busy => "Busy",
            Self::Throttled => "Throttled",
            Self::Unavailable => "Unavailable",
            Self::Unexpected => "Unexpected",
        }
    }

    /// Whether a call that failed so may have had its effect all the same.
    pub const fn may_have_had_effect(self) -> bool {
        matches!(self, Self::Unavailable | Self::Unexpected)
    }
}

/// A failed provider call. `Display` names the operation and what happened, never the source: print the chain.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    detail: Box<Detail>,
}

/// What is large about an error, apart, so that a result stays small.
#[derive(Debug, Default)]
struct Detail {
    message: String,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `operation` (`rds.create`); `message` says what happened and, where known, the fix.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        let detail = Detail {
            message: message.into(),
            ..Detail::default()
        };
        Self {
            kind,
            operation,
            detail: Box::new(detail),
        }
    }

    /// The provider's own error code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.detail.code = Some(code.into());
        self
    }

    /// The provider's id of the request, for its support.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.detail.request_id = Some(id.into());
        self
    }

    /// The provider named a time to come back.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.detail.retry_after = Some(after);
        self
    }

    /// What caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.detail.source = Some(source.into());
        self
    }

    /// What kind of error this is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The operation that failed.
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// What happened, without the operation.
    pub fn message(&self) -> &str {
        &self.detail.message
    }

    /// The provider's own error code.
    pub fn code(&self) -> Option<&str> {
        self.detail.code.as_deref()
    }

    /// The provider's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.detail.request_id.as_deref()
    }

    /// When to try again.
    pub fn retry(&self) -> Retry {
        self.detail.retry_after.map_or(self.kind.retry(), Retry::After)
    }

    /// The condition reason, event reason and metric label.
    pub const fn reason(&self) -> &'static str {
        self.kind.reason()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.detail.message)?;
        if let Some(code) = &self.detail.code {
            write!(f, " (code {code})")?;
        }
        if let Some(id) = &self.detail.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.detail.source.as_deref().map(|source| source as _)
    }
}
