//! The arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mooring_provider::{Key, Span};

use crate::local::Word;

/// Cloud resources that live and die with the application that declares them.
#[derive(Debug, Parser)]
#[command(name = "mooring", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What is told on stderr: error, warn, info, debug, trace, or a filter such as `mooring=debug`.
    #[arg(long, global = true, value_name = "LEVEL", env = "MOORING_LOG")]
    pub(crate) log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the operator, in a cluster or from outside.
    Run(super::run::Run),
    /// Make an application's resources, or bring them up to date, without a cluster.
    Up {
        #[command(flatten)]
        files: RequiredFiles,
        #[command(flatten)]
        environment: EnvironmentName,
        #[command(flatten)]
        place: Place,
    },
    /// Take an application's resources down, in order.
    Down {
        /// The application, as NAME or NAMESPACE/NAME; by default the one in the files.
        application: Option<String>,
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        place: Place,
    },
    /// Show what `up` would do, and why. Changes nothing.
    Plan {
        #[command(flatten)]
        files: RequiredFiles,
        #[command(flatten)]
        environment: EnvironmentName,
        #[command(flatten)]
        place: Place,
    },
    /// List the resources that are on record.
    Ls {
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Show what stands at the providers, and whose it is: owned, retained, parked or orphan.
    Inventory {
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Prove the credentials of the providers.
    Check {
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        place: Place,
    },
    /// Give an SRE's word on one resource.
    Approve {
        /// What is approved.
        #[arg(value_enum)]
        word: WordArg,
        /// The resource, as NAMESPACE/APPLICATION/COMPONENT/NAME.
        key: Key,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Give a binding new credentials.
    Rotate {
        /// The resource or the bind, as NAMESPACE/APPLICATION/COMPONENT/NAME.
        key: Key,
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Remove Mooring from a cluster. Refuses while anything lives there.
    Uninstall {
        /// The namespace of the operator.
        #[arg(long, default_value = "mooring-system")]
        namespace: String,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Play a cloud, for tests without an account.
    Simulate {
        #[command(subcommand)]
        cloud: super::simulate::Cloud,
    },
    /// Print the CustomResourceDefinitions.
    Crds {
        /// Write them, and what belongs to them, into this directory instead.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
    /// Print the completions of a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Files that are read.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// A YAML file with documents of our kinds; `-` is the standard input. May be given several times.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Files that are needed.
#[derive(Debug, Args)]
pub(crate) struct RequiredFiles {
    /// A YAML file with documents of our kinds; `-` is the standard input. May be given several times.
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// The Environment.
#[derive(Debug, Args)]
pub(crate) struct EnvironmentName {
    /// The Environment; by default the one the application is labelled with, else the default one.
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
}

/// Where the state is, and how answers are shown.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The state directory.
    #[arg(long, value_name = "DIR", default_value = ".mooring", env = "MOORING_STATE")]
    pub(crate) state: PathBuf,
    /// How long what only waits is waited for.
    #[arg(long, value_name = "SPAN", default_value = "30m", env = "MOORING_TIMEOUT")]
    pub(crate) timeout: Span,
    /// How the answer is shown.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// A cluster instead of a state directory.
#[derive(Debug, Clone, Args)]
pub(crate) struct Cluster {
    /// The kubeconfig of a cluster that is meant instead of the state directory.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; a cluster is meant instead of the state directory.
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

impl Cluster {
    /// Whether a cluster is meant.
    pub(crate) fn is_meant(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }
}

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For scripts.
    Json,
    /// For both.
    Yaml,
}

/// What is approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WordArg {
    /// A deletion beyond the limit, or before its time.
    Delete,
    /// The resource moves to this key from another owner.
    Move,
    /// A lost resource is made anew, empty.
    Recreate,
    /// It is given up on; it may still exist.
    Abandon,
}

impl From<WordArg> for Word {
    fn from(word: WordArg) -> Self {
        match word {
            WordArg::Delete => Self::Delete,
            WordArg::Move => Self::Move,
            WordArg::Recreate => Self::Recreate,
            WordArg::Abandon => Self::Abandon,
        }
    }
}
