//! A clock that goes faster than the wall's, and can be set forward.
//!
//! A paused clock of tokio leaps to the next timer whenever nobody works, also while an answer is on its way over a
//! socket: every request would time out at once. While a blocking task runs it does not leap; then it stands still,
//! and is moved here.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

/// How much faster: pauses before a call is sent again are short, and a call still has four seconds of the wall's.
const FASTER: u32 = 5;

/// The clock of one test.
pub(crate) struct Time {
    _until: mpsc::Sender<()>,
}

impl Time {
    /// From now on. The clock has to be paused.
    pub(crate) fn begin() -> Self {
        let (until, ended) = mpsc::channel::<()>();
        let (tick, mut ticks) = tokio::sync::mpsc::unbounded_channel();
        tokio::task::spawn_blocking(move || {
            let mut last = Instant::now();
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_millis(1)) {
                let now = Instant::now();
                if tick.send((now - last) * FASTER).is_err() {
                    return;
                }
                last = now;
            }
        });
        tokio::spawn(async move {
            while let Some(passed) = ticks.recv().await {
                tokio::time::advance(passed).await;
            }
        });
        Self { _until: until }
    }

    /// Lets time pass, at once.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
    }
}
