//! Wiring only.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // Named once, so that kube, sqlx and reqwest agree; nobody else has set one before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    mooring::cli::run(std::env::args_os()).await
}
