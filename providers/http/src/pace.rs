//! How fast each API of an account is called, where the provider throttles them one by one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mooring_provider::{Error, ErrorKind, Result, Retry};
use tokio::time::Instant;

/// A product and one of its Actions.
pub type Api = (&'static str, &'static str);

/// How long a call waits here for its turn. Who would wait longer is told when to come back, and holds up nobody.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many calls of one API wait here at once.
const WAITING: usize = 8;
/// How long an API rests that was refused without a time, and the longest that it rests for any.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two calls of an API after it was refused once, and after it was refused over and over.
const FIRST_GAP: Duration = Duration::from_millis(50);
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// What is closer together than this needs no pace.
const NO_GAP: Duration = Duration::from_millis(5);
/// When so many APIs are refused and none is answered in between, it is the account that is throttled.
const ACCOUNT: usize = 3;

/// The paces of an account's APIs. One that was never refused has none. A refusal doubles the time between two calls
/// of that API, and each answer takes a twelfth off; what the provider said of when to come back is kept to.
#[derive(Debug, Default)]
pub struct Paces(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    apis: HashMap<Api, Pace>,
    /// Those that were refused since anything was answered.
    refused: BTreeSet<Api>,
}

#[derive(Debug)]
struct Pace {
    gap: Duration,
    next: Instant,
    paused_until: Instant,
    waiting: usize,
}

impl Default for Pace {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            gap: Duration::ZERO,
            next: now,
            paused_until: now,
            waiting: 0,
        }
    }
}

impl Paces {
    /// Makes a call in its turn, and again if it is throttled and its next turn is soon: a throttled call had no
    /// effect.
    ///
    /// # Errors
    /// What the call came to. That only this API is throttled stands in [`Error::api`].
    pub async fn call<T, F>(&self, api: Api, operation: &'static str, mut call: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Err(wait) = self.turn(api, until).await {
                let message = format!("{} {}: too many calls; it waits for its turn", api.0, api.1);
                let error = Error::new(ErrorKind::Throttled, operation, message);
                return Err(error.with_retry_after(wait).with_api(shown(api)));
            }
            let error = match call().await {
                Err(error) if error.kind() == ErrorKind::Throttled => error,
                answer => {
                    if !matches!(&answer, Err(error) if error.kind() == ErrorKind::Unavailable) {
                        self.answered(api);
                    }
                    return answer;
                }
            };
            let after = match error.retry() {
                Retry::After(after) => after.min(LONGEST_PAUSE),
                _ => PAUSE,
            };
            if self.refused(api, after) {
                return Err(error);
            }
            if Instant::now() + after > until {
                return Err(error.with_api(shown(api)));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of a call, or says how long it would have to.
    async fn turn(&self, api: Api, until: Instant) -> std::result::Result<(), Duration> {
        loop {
            let (at, _waiting) = {
                let mut state = self.lock();
                let (pace, now) = (state.apis.entry(api).or_default(), Instant::now());
                let at = pace.next.max(pace.paused_until);
                if at <= now {
                    pace.next = now + pace.gap;
                    return Ok(());
                }
                if at > until || pace.waiting >= WAITING {
                    return Err(at - now);
                }
                pace.next = at + pace.gap;
                pace.waiting += 1;
                (at, Waiting { paces: self, api })
            };
            tokio::time::sleep_until(at).await;
            // Who waited while the API was refused takes another turn.
            if self.lock().apis.entry(api).or_default().paused_until <= Instant::now() {
                return Ok(());
            }
        }
    }

    fn answered(&self, api: Api) {
        let mut state = self.lock();
        state.refused.clear();
        if let Some(pace) = state.apis.get_mut(&api) {
            pace.gap = pace.gap.mul_f64(11.0 / 12.0);
            if pace.gap < NO_GAP {
                pace.gap = Duration::ZERO;
            }
        }
    }

    /// Takes in a refusal, and says whether it is the account that is throttled.
    fn refused(&self, api: Api, after: Duration) -> bool {
        let mut state = self.lock();
        let now = Instant::now();
        let pace = state.apis.entry(api).or_default();
        // A burst of refusals that were under way together is one signal.
        if pace.paused_until <= now {
            pace.gap = (pace.gap * 2).clamp(FIRST_GAP, LONGEST_GAP);
        }
        pace.paused_until = pace.paused_until.max(now + after);
        pace.next = pace.paused_until;
        state.refused.insert(api);
        state.refused.len() >= ACCOUNT
    }
}

fn shown((product, action): Api) -> String {
    format!("{product}.{action}")
}

/// One that waits; it may stop doing so at any moment.
struct Waiting<'a> {
    paces: &'a Paces,
    api: Api,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(pace) = self.paces.lock().apis.get_mut(&self.api) {
            pace.waiting -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SLOW: Api = ("Rds", "DescribeDBInstances");
    const OTHER: Api = ("Slb", "DescribeLoadBalancers");

    fn throttled(after: u64) -> Error {
        Error::new(ErrorKind::Throttled, "t.call", "flow control").with_retry_after(Duration::from_millis(after))
    }

    #[tokio::test(start_paused = true)]
    async fn one_api_waits_and_the_others_do_not() {
        let (paces, sent, begun) = (Paces::default(), Cell::new(0), Instant::now());
        let answer = paces.call(SLOW, "t.call", async || {
            sent.set(sent.get() + 1);
            if sent.get() == 1 { Err(throttled(2_000)) } else { Ok(()) }
        });
        answer.await.expect("its next turn is soon");
        assert_eq!((sent.get(), begun.elapsed()), (2, Duration::from_secs(2)));
        let begun = Instant::now();
        for _ in 0..100 {
            paces
                .call(OTHER, "t.call", async || Ok(()))
                .await
                .expect("it is not throttled");
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn whose_turn_is_late_is_told_and_nothing_is_sent() {
        let paces = Paces::default();
        let refused = paces
            .call(SLOW, "t.call", async || Err::<(), _>(throttled(20_000)))
            .await;
        assert_eq!(
            refused.expect_err("it is refused").api(),
            Some("Rds.DescribeDBInstances")
        );
        tokio::time::advance(Duration::from_secs(5)).await;
        let error = paces
            .call(SLOW, "t.call", async || -> Result<()> { panic!("it rests") })
            .await
            .expect_err("it is not its turn");
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(15)));
        assert_eq!(error.api(), Some("Rds.DescribeDBInstances"));
        tokio::time::advance(Duration::from_secs(15)).await;
        paces
            .call(SLOW, "t.call", async || Ok(()))
            .await
            .expect("it is its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn it_settles_at_what_the_api_admits_and_recovers() {
        // Ten a second, counted as the API does.
        let (paces, taken, refused) = (Paces::default(), Cell::new(Vec::new()), Cell::new(0));
        let call = async || {
            let (now, mut recent) = (Instant::now(), taken.take());
            recent.retain(|at: &Instant| now - *at < Duration::from_secs(1));
            let admitted = recent.len() < 10;
            if admitted {
                recent.push(now);
            } else {
                refused.set(refused.get() + 1);
            }
            taken.set(recent);
            if admitted { Ok(()) } else { Err(throttled(100)) }
        };
        let begun = Instant::now();
        for _ in 0..200 {
            paces.call(SLOW, "t.call", call).await.expect("it gets its turn");
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
        assert!(refused.get() < 40, "{} of 200 were refused", refused.get());
        for _ in 0..50 {
            paces
                .call(SLOW, "t.call", async || Ok(()))
                .await
                .expect("there is no limit now");
        }
        let begun = Instant::now();
        paces
            .call(SLOW, "t.call", async || Ok(()))
            .await
            .expect("there is no limit now");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn when_nothing_is_answered_it_is_the_account() {
        let paces = Paces::default();
        let refuse = async |api| paces.call(api, "t.call", async || Err::<(), _>(throttled(9_000))).await;
        for (n, api) in [SLOW, OTHER, ("Sls", "GetLogStore")].into_iter().enumerate() {
            let error = refuse(api).await.expect_err("all are refused");
            assert_eq!(error.api().is_none(), n == 2, "{api:?}");
        }
        paces
            .call(("Sts", "GetCallerIdentity"), "t.call", async || Ok(()))
            .await
            .expect("it is answered");
        let error = refuse(("Sls", "GetIndex")).await.expect_err("it is refused");
        assert!(error.api().is_some(), "others are answered");
    }
}
