//! What a consumer gets to use a resource.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// The entries of a binding, by their key in the Secret (`host`, `port`, `password`, `ca.crt`).
pub type Bindings = BTreeMap<String, Value>;

/// One entry of a binding.
#[derive(Clone)]
pub enum Value {
    /// May be shown: an address, a name.
    Plain(String),
    /// Must not be shown.
    Secret(SecretString),
}

impl Value {
    /// The text, for the Secret and for the env file, and for nothing else.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose_secret(),
        }
    }

    /// The text if it may be shown.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Secret(_) => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "{text:?}"),
            Self::Secret(_) => f.write_str("\"***\""),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl From<SecretString> for Value {
    fn from(secret: SecretString) -> Self {
        Self::Secret(secret)
    }
}

/// What an account may do in its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everything, its schema included.
    #[default]
    Owner,
    /// Reads and writes rows.
    ReadWrite,
    /// Reads rows.
    ReadOnly,
}

impl Access {
    /// As written in a trait.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::ReadWrite => "readwrite",
            Self::ReadOnly => "readonly",
        }
    }

    /// The lesser of the two.
    #[must_use]
    pub fn at_most(self, most: Self) -> Self {
        match (self, most) {
            (Self::ReadOnly, _) | (_, Self::ReadOnly) => Self::ReadOnly,
            (Self::ReadWrite, _) | (_, Self::ReadWrite) => Self::ReadWrite,
            (Self::Owner, Self::Owner) => Self::Owner,
        }
    }
}

/// An account of a resource.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its login name.
    pub name: String,
    /// What it may do.
    pub access: Access,
    /// Its password.
    pub password: SecretString,
}
