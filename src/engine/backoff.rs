//! How long a resource waits before it is tried again. Each has its own count.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mooring_provider::{Identity, Retry};

/// The first pause.
pub(super) const FIRST: Duration = Duration::from_millis(500);
/// The longest pause of what may come right by itself.
pub(super) const LONGEST: Duration = Duration::from_secs(120);
/// The pause of what needs somebody to act elsewhere.
pub(super) const SLOWLY: Duration = Duration::from_secs(300);
/// The longest a provider's own "come back after" is believed.
const BELIEVED: Duration = Duration::from_secs(900);

/// The failures in a row of each resource.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: Mutex<HashMap<Identity, u32>>,
}

impl Backoff {
    /// Counts a failure and says when to try again; `None` is when something changed.
    pub fn failed(&self, identity: &Identity, retry: Retry) -> Option<Duration> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(identity.clone()).or_default();
        *count = count.saturating_add(1);
        let growing = FIRST.saturating_mul(1 << (*count - 1).min(10)).min(LONGEST);
        match retry {
            Retry::OnChange => None,
            // The first retries come soon: a permission that was just granted takes effect within seconds.
            Retry::Slowly => Some(if *count < 4 { growing * 4 } else { SLOWLY }),
            Retry::Backoff => Some(spread(identity, growing)),
            Retry::After(named) => Some(spread(identity, named.min(BELIEVED).max(FIRST))),
        }
    }

    /// It went well; the next failure is the first again.
    pub fn succeeded(&self, identity: &Identity) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(identity);
    }
}

/// Adds up to a quarter, the same for one identity, so that those who failed together do not return together.
pub(super) fn spread(identity: &Identity, pause: Duration) -> Duration {
    let sum: u32 = identity
        .as_str()
        .bytes()
        .fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    pause + pause.mul_f64(f64::from(sum % 256) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over() {
        let (backoff, identity) = (Backoff::default(), Identity::new("a"));
        let pauses: Vec<_> = (0..20)
            .filter_map(|_| backoff.failed(&identity, Retry::Backoff))
            .collect();
        assert!(pauses.is_sorted() && pauses[1] > pauses[0]);
        assert!(pauses[19] <= LONGEST.mul_f64(1.25));
        backoff.succeeded(&identity);
        assert_eq!(backoff.failed(&identity, Retry::Backoff), Some(pauses[0]));
        assert_eq!(backoff.failed(&identity, Retry::OnChange), None);
    }
}
