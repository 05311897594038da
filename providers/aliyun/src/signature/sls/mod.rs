//! The signatures of the log service.

pub mod v1;
pub mod v4;

/// The hash of a signature of the first version, as the header `x-log-signaturemethod` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// `hmac-sha1`, of the log service's own client.
    Sha1,
    /// `hmac-sha256`, of the generated client.
    Sha256,
}

impl Variant {
    /// As the header `x-log-signaturemethod` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "hmac-sha1",
            Self::Sha256 => "hmac-sha256",
        }
    }

    /// From the header `x-log-signaturemethod`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256]
            .into_iter()
            .find(|variant| variant.as_str() == text)
    }
}
