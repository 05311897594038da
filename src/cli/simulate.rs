//! `mooring simulate`: a cloud for a CI job that has no account.

use std::{io::Write as _, net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};
use mooring_provider::Span;
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Chances, Options, SHARED_CONTACTS, SHARED_VPC, SHARED_VSWITCHES, serve,
};

/// The clouds there are.
#[derive(Debug, Subcommand)]
pub(crate) enum Cloud {
    /// Alibaba Cloud without an account, for tests. What it prints is what makes applications run there: write it into
    /// a file, and give that file to `mooring up -f` or `kubectl apply -f`.
    ///
    /// It serves VPC, ECS security groups, CLB, NLB, RDS, SLS, CloudMonitor, STS and Tag, on one port, and under `/-/`
    /// what a test does behind the back of those who use it: `curl -X POST ADDRESS/-/faults -d '{"fault": "lost"}'`,
    /// `curl ADDRESS/-/resources`.
    Aliyun(Aliyun),
}

/// How it behaves.
#[derive(Debug, Args)]
pub(crate) struct Aliyun {
    /// Where it listens. Port 0 is any free one; the address is the first line that is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The file that keeps it when its process ends.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where its ids and its faults by chance come from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The only region there is.
    #[arg(long, value_name = "REGION", default_value = "cn-hangzhou")]
    region: String,
    /// How long a creation, a change or a deletion goes on after it was accepted.
    #[arg(long, value_name = "SPAN", default_value = "3s")]
    provisioning: Span,
    /// How long what was created cannot be seen.
    #[arg(long, value_name = "SPAN", default_value = "0s")]
    invisible_for: Span,
    /// How many calls per second each Action admits; any number by default.
    #[arg(long, value_name = "N")]
    throttle: Option<u32>,
    /// The probability that a call fails before it has an effect.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = probability)]
    errors: f64,
    /// The probability that a call has its effect and answers with a server error.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = probability)]
    late_errors: f64,
    /// The probability that a call has its effect and its answer is lost.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = probability)]
    lost_replies: f64,
    /// The probability that a call is throttled.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = probability)]
    throttled: f64,
    /// The probability that a call is answered late.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = probability)]
    slow: f64,
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("`{text}` is no probability; use a number from 0 to 1")),
    }
}

/// Serves until the process is ended.
pub(super) async fn run(cloud: Cloud) -> std::io::Result<()> {
    let Cloud::Aliyun(wanted) = cloud;
    let region = wanted.region.clone();
    let zones = ["h", "i", "j"].map(|zone| format!("{region}-{zone}")).into();
    let options = Options {
        listen: wanted.listen,
        state: wanted.state,
        seed: wanted.seed,
        zones,
        region: wanted.region,
        provisioning: wanted.provisioning.get(),
        invisible_for: wanted.invisible_for.get(),
        throttle: wanted.throttle,
        chances: Chances {
            before: wanted.errors,
            after: wanted.late_errors,
            lost: wanted.lost_replies,
            throttled: wanted.throttled,
            slow: wanted.slow,
        },
        ..Options::default()
    };
    serve(options, |address| {
        // A reader that went away does not end it.
        let _ = write!(std::io::stdout(), "{}", documents(address, &region));
    })
    .await
}

/// What makes an application run there, to be given to `mooring up -f` or `kubectl apply -f` as it is.
fn documents(address: SocketAddr, region: &str) -> String {
    let [first, second] = SHARED_VSWITCHES;
    format!(
        r#"# http://{address}
# is a simulated Alibaba Cloud. These documents run applications there:
#   mooring up -f APPLICATION -f THIS
apiVersion: v1
kind: Secret
metadata: {{name: simulated, namespace: mooring-system}}
stringData: {{accessKeyId: {ACCESS_KEY_ID}, accessKeySecret: {ACCESS_KEY_SECRET}}}
---
apiVersion: mooring.dev/v1alpha1
kind: ProviderConfig
metadata: {{name: simulated}}
spec:
  aliyun:
    region: {region}
    endpoints: {{default: "http://{address}"}}
    log: {{machineGroup: simulated}}
  credentials: {{secretRef: {{name: simulated}}}}
---
apiVersion: mooring.dev/v1alpha1
kind: Environment
metadata:
  name: simulated
  annotations: {{mooring.dev/default: "true"}}
spec:
  providers: {{default: simulated}}
  network:
    id: {SHARED_VPC}
    subnets: [{{zone: {region}-h, id: {first}}}, {{zone: {region}-i, id: {second}}}]
    clients: {{cidrs: [10.0.0.0/8]}}
    dedicated: {{allow: true, cidrPool: 10.64.0.0/10}}
  sizes:
    rds:
      small: {{aliyun: mysql.n2.medium.1}}
      medium: {{aliyun: mysql.n4.medium.1}}
      large: {{aliyun: mysql.n4.large.1}}
  notify: {{default: {{contactGroup: {SHARED_CONTACTS}}}}}
  allowedNamespaces: {{}}
"#
    )
}
