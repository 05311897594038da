//! `mooring run`: the operator's flags.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use mooring_provider::Span;

use crate::operator::{self, Applications, Options};

/// The operator's flags. Each can be given as an environment variable, as a Deployment does.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The kubeconfig; by default `$KUBECONFIG`, `~/.kube/config` or the pod's own account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The operator's own namespace: its Lease, and its copies of the providers' credentials.
    #[arg(long, env = "MOORING_NAMESPACE", default_value = "mooring-system")]
    namespace: String,
    /// The URL of the ledger: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE.
    #[arg(
        long,
        env = "MOORING_LEDGER",
        default_value = "sqlite:.mooring/operator.db",
        hide_env_values = true
    )]
    ledger: String,
    /// Whether Applications are carried out here. `auto`: unless KubeVela is there when it is first asked.
    #[arg(long, env = "MOORING_APPLICATIONS", value_enum, default_value_t)]
    applications: Applications,
    /// The name of the cluster, as `when.cluster` has it.
    #[arg(long, env = "MOORING_CLUSTER", value_name = "NAME")]
    cluster: Option<String>,
    /// Who holds what is made here; by default the uid of the namespace kube-system. For a cluster that is restored
    /// under another uid.
    #[arg(long, env = "MOORING_CLUSTER_ID", value_name = "ID")]
    cluster_id: Option<String>,
    /// Who this replica is; the pod's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, env = "MOORING_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// How long a deleted resource waits for its consumers at most, before deletion wins.
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    patience: Span,
    /// How long a Lease that is not renewed stands.
    #[arg(long, value_name = "SPAN", default_value = "15s")]
    lease: Span,
    /// How many objects of a kind are worked on at once.
    #[arg(long, value_name = "N", default_value_t = Options::default().concurrency)]
    concurrency: u16,
    /// Logs as JSON, an object a line.
    #[arg(long, env = "MOORING_LOG_JSON")]
    pub(super) json: bool,
}

impl Run {
    /// Runs the operator until it is told to end.
    pub(super) async fn run(self) -> Result<(), operator::Error> {
        let Self {
            kubeconfig,
            namespace,
            ledger,
            applications,
            cluster,
            cluster_id,
            identity,
            listen,
            patience,
            lease,
            concurrency,
            json: _,
        } = self;
        let defaults = Options::default();
        let options = Options {
            kubeconfig,
            namespace,
            cluster,
            cluster_id,
            identity: identity.unwrap_or(defaults.identity),
            ledger,
            applications,
            listen: Some(listen),
            patience: patience.get(),
            poll: defaults.poll,
            inventory: defaults.inventory,
            lease: lease.get(),
            concurrency,
        };
        operator::run(options, crate::registrations()).await
    }
}
