//! How often what somebody undid is done again. No I/O.

use std::time::Duration;

use tokio::time::Instant;

/// As often at once; it is enough for an evening of trying things out.
const BURST: u32 = 5;
/// Then once per this time: each time is a rollout, and somebody else's rollout undoes it.
const REFILL: Duration = Duration::from_secs(600);

/// A bucket of re-applies: [`BURST`] at once, one more per [`REFILL`].
#[derive(Debug, Clone, Default)]
pub(super) struct Contest {
    empty_until: Option<Instant>,
}

impl Contest {
    /// How long there is none.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let ahead = self.empty_until?.saturating_duration_since(now);
        let most = REFILL * (BURST - 1);
        (ahead > most).then(|| ahead - most)
    }

    /// Takes one.
    pub(super) fn take(&mut self, now: Instant) {
        self.empty_until = Some(self.empty_until.map_or(now, |until| until.max(now)) + REFILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one if there is one.
    fn again(contest: &mut Contest, now: Instant) -> Option<Duration> {
        let wait = contest.wait(now);
        if wait.is_none() {
            contest.take(now);
        }
        wait
    }

    #[test]
    fn five_at_once_then_one_in_ten_minutes() {
        let (mut contest, start) = (Contest::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(again(&mut contest, start), None);
        }
        assert_eq!(again(&mut contest, start), Some(REFILL));
        assert_eq!(again(&mut contest, start + REFILL / 2), Some(REFILL / 2));
        assert_eq!(again(&mut contest, start + REFILL), None);
        assert_eq!(again(&mut contest, start + REFILL), Some(REFILL));
    }

    #[test]
    fn a_fight_every_three_minutes_is_ended() {
        let (mut contest, start) = (Contest::default(), Instant::now());
        let refused = (0..20).filter(|round| again(&mut contest, start + Duration::from_secs(180) * *round).is_some());
        assert!(refused.count() >= 10);
    }
}
