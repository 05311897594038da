//! A log store.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Common;
use crate::Span;

/// A store for the log lines of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// How long lines are kept.
    pub retention: Span,
    /// Where lines come from.
    pub sources: Vec<Source>,
    /// How lines are to be read.
    pub format: Format,
    /// The application pushes lines itself and gets credentials.
    pub push: bool,
    /// The pods whose lines are collected.
    pub selector: Selector,
    /// What every kind has.
    pub common: Common,
}

/// Where log lines come from: `stdout` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Source {
    /// The container's output.
    Stdout,
    /// A file in the container.
    File(String),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("file:") {
            Some(path) if path.starts_with('/') => Ok(Self::File(path.to_owned())),
            None if text == "stdout" => Ok(Self::Stdout),
            _ => Err(format!(
                "`{text}` is no source of log lines; use `stdout` or `file:/absolute/path`"
            )),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

/// How log lines are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Lines of text.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// Which pods are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    pub labels: BTreeMap<String, String>,
}
