//! What can go wrong for whoever sits at the command line.

use std::path::{Path, PathBuf};

use crate::ledger;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was written is wrong; nothing was created or changed.
    #[error("{}", listed(.0))]
    Input(Vec<String>),
    /// A file of the state directory cannot be used.
    #[error("{}: cannot {action}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of the state directory makes no sense.
    #[error("{}: line {line}: this is no file of Mooring's; restore it, or move the state directory away", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The line; its content may be a secret and is not shown.
        line: usize,
    },
    /// The ledger failed.
    #[error("nothing was done that could not be written down")]
    Ledger(#[from] ledger::Error),
    /// A provider failed before anything could be begun.
    #[error("ProviderConfig `{provider}`")]
    Provider {
        /// Its name.
        provider: String,
        /// What it said.
        #[source]
        source: mooring_provider::Error,
    },
    /// Somebody else is at work.
    #[error("{} is in use by another mooring (process {holder}) for {waited}; try again when it is done", .state.display())]
    InUse {
        /// The state directory.
        state: PathBuf,
        /// The process.
        holder: String,
        /// How long was waited.
        waited: mooring_provider::Span,
    },
    /// It was not found, or cannot be done.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// What is wrong with the input.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(vec![message.into()])
    }

    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

fn listed(problems: &[String]) -> String {
    problems.join("\n")
}

/// The result of a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its causes, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
