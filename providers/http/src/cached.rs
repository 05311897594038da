//! A token that is fetched once for all who need it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mooring_provider::Result;
use tokio::sync::Mutex;

/// Something with an end that is fetched anew before it. Of many who ask at once, one fetches and the others wait.
#[derive(Debug)]
pub struct Cached<T> {
    early: Duration,
    held: Mutex<Option<(T, Timestamp)>>,
}

impl<T: Clone> Cached<T> {
    /// Fetched anew this long before its end.
    pub const fn new(early: Duration) -> Self {
        Self {
            early,
            held: Mutex::const_new(None),
        }
    }

    /// What is held, or else what `fetch` brings with the time of its end. When it cannot be fetched and what is held
    /// has not ended, that is answered.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub async fn get<F>(&self, now: Timestamp, fetch: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<(T, Timestamp)>>,
    {
        let mut held = self.held.lock().await;
        let early = SignedDuration::try_from(self.early).unwrap_or(SignedDuration::MAX);
        if let Some((value, end)) = held.as_ref()
            && end.duration_since(now) > early
        {
            return Ok(value.clone());
        }
        match fetch().await {
            Ok((value, end)) => {
                *held = Some((value.clone(), end));
                Ok(value)
            }
            Err(error) => match held.as_ref() {
                Some((value, end)) if *end > now => {
                    tracing::warn!(error = %error, "the token could not be renewed; the old one serves until {end}");
                    Ok(value.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// Forgets what is held: it was refused.
    pub async fn forget(&self) {
        *self.held.lock().await = None;
    }
}
