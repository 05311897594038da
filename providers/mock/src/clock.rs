//! The cloud's clock: the runtime's, so that a test can pause it, counted from a time of the wall, so that it can be
//! written to a file.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    base: Timestamp,
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            base: Timestamp::now(),
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        after(self.base, self.start.elapsed())
    }

    /// Never lets the cloud be earlier than what it has written.
    pub(crate) fn not_before(&mut self, time: Timestamp) {
        if time > self.now() {
            *self = Self {
                base: time,
                start: Instant::now(),
            };
        }
    }
}

/// The time that much later.
pub(crate) fn after(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
