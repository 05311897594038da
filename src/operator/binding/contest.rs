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
    /// Takes one, or says how long there is none.
    pub(super) fn again(&mut self, now: Instant) -> Result<(), Duration> {
        let until = self.empty_until.map_or(now, |until| until.max(now));
        let ahead = until - now;
        let most = REFILL * (BURST - 1);
        if ahead > most {
            return Err(ahead - most);
        }
        self.empty_until = Some(until + REFILL);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_at_once_then_one_in_ten_minutes() {
        let (mut contest, start) = (Contest::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(contest.again(start), Ok(()));
        }
        assert_eq!(contest.again(start), Err(REFILL));
        assert_eq!(contest.again(start + REFILL / 2), Err(REFILL / 2));
        assert_eq!(contest.again(start + REFILL), Ok(()));
        assert_eq!(contest.again(start + REFILL), Err(REFILL));
    }

    #[test]
    fn a_fight_every_three_minutes_is_ended() {
        let (mut contest, start) = (Contest::default(), Instant::now());
        let refused = (0..20).filter(|round| contest.again(start + Duration::from_secs(180) * *round).is_err());
        assert!(refused.count() >= 10);
    }
}
