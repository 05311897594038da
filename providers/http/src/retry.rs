//! Repeating a call that may be repeated.

use std::time::Duration;

use mooring_provider::{Error, ErrorKind, Result};
use rand::Rng as _;

/// How often a call is sent in all.
const ATTEMPTS: u32 = 3;

/// Makes a call, and again after a short pause if it was not answered and is idempotent: a read, or a write with a
/// client token. `call` is given the number of the attempt, from 0, and builds the request anew, so that each has its
/// own date and nonce.
///
/// Nothing else is repeated here: the engine waits out what is busy or throttled, with the whole account in view.
///
/// # Errors
/// What the last attempt came to.
pub async fn retry<T, F>(idempotent: bool, mut call: impl FnMut(u32) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut attempt = 0;
    loop {
        let error = match call(attempt).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        attempt += 1;
        if !idempotent || attempt == ATTEMPTS || !is_passing(&error) {
            return Err(error);
        }
        let pause = Duration::from_millis(100 << attempt).mul_f64(rand::rng().random_range(0.5..1.0));
        tracing::debug!(operation = error.operation(), attempt, ?pause, "sending again");
        tokio::time::sleep(pause).await;
    }
}

fn is_passing(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
}
