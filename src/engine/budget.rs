//! One API budget per account: what is most urgent goes first, and throttling is answered with fewer calls.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

/// How urgent a call is. Deletes go before creates, creates before looking whether anything drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Looking at what is at rest.
    Drift,
    /// Creating and changing.
    Create,
    /// Tearing down.
    Delete,
}

/// The calls of one account that may be under way at once. Grows by one for each round of calls that went well and
/// is halved by throttling (additive increase, multiplicative decrease), with a pause as long as the provider asked.
#[derive(Debug, Clone)]
pub struct Budget {
    state: Arc<Mutex<State>>,
    most: f64,
}

#[derive(Debug)]
struct State {
    limit: f64,
    in_flight: usize,
    arrivals: u64,
    waiting: BTreeMap<(Reverse<Priority>, u64), oneshot::Sender<Permit>>,
    paused_until: Option<Instant>,
    throttled: u64,
}

/// The right to make one call; ends when dropped.
#[derive(Debug)]
pub struct Permit {
    budget: Option<Budget>,
}

const PAUSE: Duration = Duration::from_secs(1);

impl Budget {
    /// At most that many calls at once.
    pub fn new(most: usize) -> Self {
        let state = State {
            limit: most as f64,
            in_flight: 0,
            arrivals: 0,
            waiting: BTreeMap::new(),
            paused_until: None,
            throttled: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            most: most as f64,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to make one call.
    pub async fn acquire(&self, priority: Priority) -> Permit {
        loop {
            self.pause().await;
            let turn = {
                let mut state = self.lock();
                let (sender, turn) = oneshot::channel();
                state.arrivals += 1;
                let place = (Reverse(priority), state.arrivals);
                state.waiting.insert(place, sender);
                turn
            };
            self.admit();
            // The sender is only dropped with the budget itself, and we hold that.
            let permit = turn.await.unwrap_or(Permit { budget: None });
            // Who waited while the account was throttled waits with the others.
            if !self.is_paused() {
                return permit;
            }
        }
    }

    fn is_paused(&self) -> bool {
        self.lock().paused_until.is_some_and(|until| until > Instant::now())
    }

    async fn pause(&self) {
        loop {
            let paused_until = self.lock().paused_until.filter(|until| *until > Instant::now());
            let Some(until) = paused_until else { return };
            tokio::time::sleep_until(until).await;
        }
    }

    fn admit(&self) {
        loop {
            let mut state = self.lock();
            if state.in_flight as f64 >= state.limit.floor() {
                return;
            }
            let Some((_, sender)) = state.waiting.pop_first() else {
                return;
            };
            state.in_flight += 1;
            drop(state);
            // One that no longer waits gives its permit back by dropping it, outside the lock.
            drop(sender.send(Permit {
                budget: Some(self.clone()),
            }));
        }
    }

    /// A call went well.
    pub fn succeeded(&self) {
        let mut state = self.lock();
        state.limit = (state.limit + 1.0 / state.limit).min(self.most);
    }

    /// A call was throttled; the provider may have said for how long.
    pub fn throttled(&self, after: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        state.throttled += 1;
        // A burst of refusals that were under way together is one signal.
        if state.paused_until.is_none_or(|until| until <= now) {
            state.limit = (state.limit / 2.0).max(1.0);
        }
        let until = now + after.unwrap_or(PAUSE);
        state.paused_until = Some(state.paused_until.map_or(until, |known| known.max(until)));
    }

    /// How many calls may be under way at once now, and how many were throttled so far.
    pub fn figures(&self) -> (usize, u64) {
        let state = self.lock();
        (state.limit as usize, state.throttled)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.lock().in_flight -= 1;
            budget.admit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_most_urgent_goes_first() {
        let budget = Budget::new(1);
        let held = budget.acquire(Priority::Create).await;
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for priority in [Priority::Drift, Priority::Create, Priority::Delete] {
            let (budget, sender) = (budget.clone(), sender.clone());
            tokio::spawn(async move {
                let _permit = budget.acquire(priority).await;
                sender.send(priority).expect("the test listens");
            });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(held);
        let seen = [order.recv().await, order.recv().await, order.recv().await];
        assert_eq!(
            seen.map(Option::unwrap),
            [Priority::Delete, Priority::Create, Priority::Drift]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_and_pauses_and_success_grows_back() {
        let budget = Budget::new(8);
        budget.throttled(Some(Duration::from_secs(3)));
        budget.throttled(Some(Duration::from_secs(3)));
        assert_eq!(budget.figures(), (4, 2), "one burst is one signal");
        let before = Instant::now();
        drop(budget.acquire(Priority::Drift).await);
        assert_eq!(before.elapsed().as_secs(), 3);
        for _ in 0..100 {
            budget.succeeded();
        }
        assert_eq!(budget.figures().0, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_already_waits_out_the_pause() {
        let budget = Budget::new(1);
        let held = budget.acquire(Priority::Create).await;
        let before = Instant::now();
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { drop(budget.acquire(Priority::Create).await) }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        budget.throttled(Some(Duration::from_secs(5)));
        drop(held);
        waiting.await.expect("it gets its turn");
        assert!(before.elapsed() >= Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gives_up_waiting_leaves_no_hole() {
        let budget = Budget::new(1);
        let held = budget.acquire(Priority::Create).await;
        let waiting = budget.acquire(Priority::Delete);
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err());
        drop(held);
        drop(budget.acquire(Priority::Drift).await);
    }
}
