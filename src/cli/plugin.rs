//! The name we are called by: `mooring`, or what kubectl looks for in the PATH to have it as a plugin of its own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::Path,
};

use clap::CommandFactory;

use super::args::Cli;

/// The names of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// `mooring`.
    Mooring,
    /// `kubectl mooring`, for which kubectl runs `kubectl-mooring`.
    Plugin,
    /// `kubectl mooring <TAB>`, for which kubectl runs `kubectl_complete-mooring` with the words so far.
    Completer,
}

impl Program {
    /// By the first argument; any other name is our own.
    pub(super) fn of(name: Option<&OsString>) -> Self {
        match name
            .and_then(|name| Path::new(name).file_stem())
            .and_then(OsStr::to_str)
        {
            Some("kubectl-mooring") => Self::Plugin,
            Some("kubectl_complete-mooring") => Self::Completer,
            _ => Self::Mooring,
        }
    }

    /// The name that a shell completes.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mooring => "mooring",
            Self::Plugin | Self::Completer => "kubectl-mooring",
        }
    }

    /// The arguments, as help and errors of this name show them.
    pub(super) fn command(self) -> clap::Command {
        let command = Cli::command();
        match self {
            Self::Mooring => command,
            Self::Plugin | Self::Completer => command.bin_name("kubectl mooring"),
        }
    }
}

/// Prints what the last of the words may become, as kubectl asks for it: a candidate a line, after a tab what it is, and
/// at last a number, here 4: files are not meant. The candidates are commands and flags.
pub(super) fn complete(words: &[OsString]) -> io::Result<()> {
    let mut words: Vec<_> = words.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let begun = words.pop().unwrap_or_default();
    let whole = Program::Completer.command();
    let command = words
        .iter()
        .fold(&whole, |command, word| command.find_subcommand(word).unwrap_or(command));
    let about = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let commands = command
        .get_subcommands()
        .map(|command| (command.get_name().to_owned(), about(command.get_about())));
    let flags = command
        .get_arguments()
        .chain(whole.get_arguments().filter(|flag| flag.is_global_set()));
    let flags = flags.filter_map(|flag| Some((format!("--{}", flag.get_long()?), about(flag.get_help()))));
    let candidates: BTreeMap<_, _> = commands
        .chain(flags)
        .filter(|(name, _)| name.starts_with(begun))
        .collect();
    let mut out = io::stdout().lock();
    // Flags are a nuisance until somebody begins one.
    for (name, help) in candidates
        .iter()
        .filter(|(name, _)| begun.starts_with('-') || !name.starts_with('-'))
    {
        writeln!(out, "{name}\t{}", help.lines().next().unwrap_or_default())?;
    }
    writeln!(out, ":4")
}
