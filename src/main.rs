//! Wiring only.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    mooring::cli::run(std::env::args_os()).await
}
