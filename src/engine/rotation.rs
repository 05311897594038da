//! The generations of a login: a new account takes an old one's place while both are good. No I/O.
//!
//! What is remembered of it stands in one place with the passwords, and is written in one write with them: the Secret, or
//! the file of credentials. A rotation goes through these, and a process that ends at any of them goes on from there:
//!
//! 1. **next**: the password of the next generation is stored. Nobody is shown it yet.
//! 2. The provider is told, and the ledger remembers that it was.
//! 3. **current**: the next generation is shown, the one before it is **retiring** and goes on to be good.
//! 4. Consumers are given the new one, the workload's own way.
//! 5. The retiring account is dropped, once nobody uses it or at a hard deadline, and then forgotten.
//!
//! A generation has a name of its own, and none is given out twice, so a call that takes effect late hits no other but
//! one that was taken back into use meanwhile.

use std::time::Duration;

use jiff::Timestamp;
use mooring_provider::{DynAdapter, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::secret::keyed_hash;
use crate::api::EffectiveValue;

/// The longest name of an account that every known engine takes.
const LONGEST: usize = 16;

/// How many accounts retire at once at most.
const MOST: usize = 64;
/// The highest generation that there can be: one an hour for more than ten years.
const HIGHEST: u32 = 100_000;

/// How long an old account is kept for those who have not got the new one yet, where nobody said.
const WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What is remembered of a login beside its passwords.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Generations {
    /// The generation that consumers are shown.
    pub current: u32,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// The highest there ever was.
    pub highest: u32,
    /// The generation that is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextGeneration>,
    /// The generation whose password is kept for the way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u32>,
    /// Generations that go once nobody uses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MOST))]
    pub retiring: Vec<RetiringGeneration>,
}

/// A generation that nobody is shown yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextGeneration {
    /// Which.
    pub generation: u32,
    /// When the one before it goes though somebody may use it, counted from when this one is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_after: Option<Span>,
    /// It was shown before, and is shown again.
    #[serde(default)]
    pub again: bool,
}

/// A generation that is good and not shown any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetiringGeneration {
    /// Which.
    pub generation: u32,
    /// Until when those who have it should have got another.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// It goes then though somebody may use it; any other is kept, and that is told.
    #[serde(default)]
    pub hard: bool,
}

impl Generations {
    /// Of a login that was never changed.
    pub const fn first(now: Timestamp) -> Self {
        Self {
            current: 1,
            since: now,
            highest: 1,
            next: None,
            previous: None,
            retiring: Vec::new(),
        }
    }

    /// Whether an account other than the current one is there, or on its way.
    pub const fn is_rotating(&self) -> bool {
        self.next.is_some() || !self.retiring.is_empty()
    }

    /// Begins a rotation: from now on there is a next one. One that was being made and was shown to nobody goes.
    pub fn begin(&mut self, now: Timestamp, within: Duration, revoke_after: Option<Span>) {
        self.withdraw(now, within);
        self.highest += 1;
        self.next = Some(NextGeneration {
            generation: self.highest,
            revoke_after,
            again: false,
        });
    }

    /// Shows the next one; the current one retires.
    pub fn promote(&mut self, now: Timestamp, within: Duration) {
        if let Some(next) = self.next.take() {
            let after = next.revoke_after.map(Span::get);
            self.show(next.generation, now, after.unwrap_or(within), after.is_some());
            self.previous = self.retiring.last().map(|retiring| retiring.generation);
        }
    }

    /// Shows one whose like was never shown before, as the current one's password is lost; that goes on to be good for
    /// those who have it.
    pub fn replace(&mut self, now: Timestamp, within: Duration) {
        self.withdraw(now, within);
        self.highest += 1;
        self.show(self.highest, now, within, false);
        self.previous = None;
    }

    /// The generation that can be taken back: the next one, or the current one where the one before it still stands.
    pub fn undoable(&self) -> Option<u32> {
        let next = self.next.as_ref().map(|next| next.generation);
        next.or_else(|| self.previous.map(|_| self.current))
    }

    /// Takes back the generation that can be: from now on the one before it is the next one to be shown.
    pub fn undo(&mut self, now: Timestamp, within: Duration) {
        if self.next.is_some() {
            self.withdraw(now, within);
        } else if let Some(previous) = self.previous.take() {
            self.retiring.retain(|retiring| retiring.generation != previous);
            self.next = Some(NextGeneration {
                generation: previous,
                revoke_after: None,
                again: true,
            });
        }
    }

    /// Shows the next one to nobody. It goes at once, unless it was shown before.
    fn withdraw(&mut self, now: Timestamp, within: Duration) {
        if let Some(next) = self.next.take() {
            let until = if next.again { after(now, within) } else { now };
            self.retire(next.generation, until, !next.again);
        }
    }

    /// Takes in a generation that stands at the provider and that nobody here knows of: what is remembered was lost.
    /// `false` if it is known.
    pub fn found(&mut self, generation: u32, now: Timestamp, within: Duration) -> bool {
        let is_next = self.next.as_ref().is_some_and(|next| next.generation == generation);
        if generation == self.current || is_next || self.retires(generation) {
            return false;
        }
        self.highest = self.highest.max(generation);
        self.retire(generation, after(now, within), false);
        true
    }

    /// Says that what retires goes now, whoever uses it.
    pub fn finish(&mut self, now: Timestamp) {
        for retiring in self.retiring.iter_mut().filter(|one| !one.hard || one.until > now) {
            (retiring.until, retiring.hard) = (now, true);
        }
    }

    /// Names this state of things, for a word about it that is to mean no other.
    pub fn word(&self) -> String {
        format!("{}/{}", self.current, self.highest)
    }

    /// Whether there can be another beside those that there are. Where nobody says that they are out of use, old ones
    /// would only ever become more.
    pub const fn has_room(&self) -> bool {
        self.retiring.len() < MOST - 2
    }

    /// Whether it is as it can be: whoever may write where it stands can write anything.
    pub fn is_sound(&self) -> bool {
        let is_one = |generation: u32| (1..=self.highest).contains(&generation);
        self.highest <= HIGHEST
            && self.retiring.len() <= MOST
            && is_one(self.current)
            && self.next.as_ref().is_none_or(|next| is_one(next.generation))
            && self.retiring.iter().all(|retiring| is_one(retiring.generation))
    }

    /// A retired one was dropped.
    pub fn dropped(&mut self, generation: u32) {
        self.retiring.retain(|retiring| retiring.generation != generation);
        self.previous = self.previous.filter(|previous| *previous != generation);
    }

    /// Whether it retires.
    pub fn retires(&self, generation: u32) -> bool {
        self.retiring.iter().any(|retiring| retiring.generation == generation)
    }

    /// When the current one is due to be replaced. Up to a tenth earlier than said, each login at a moment of its own, so
    /// that a thousand that were made at once are not rolled at once.
    pub fn due(&self, every: Duration, login: &str) -> Timestamp {
        let hash = keyed_hash("rotation", &[login, &self.current.to_string()]);
        let part = u32::from_str_radix(&hash[..6], 16).unwrap_or_default();
        let earlier = every / 10 * part / 0x100_0000;
        after(self.since, every - earlier)
    }

    fn show(&mut self, generation: u32, now: Timestamp, within: Duration, hard: bool) {
        self.retire(self.current, after(now, within), hard);
        (self.current, self.since) = (generation, now);
    }

    fn retire(&mut self, generation: u32, until: Timestamp, hard: bool) {
        self.retiring.push(RetiringGeneration {
            generation,
            until,
            hard,
        });
    }
}

/// Time has an end, which somebody's wish may be beyond.
fn after(at: Timestamp, span: Duration) -> Timestamp {
    at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// The name that a generation of an account would like: the first is called as the account is, and any other so that
/// every known engine takes it.
pub fn of_generation(account: &str, generation: u32) -> String {
    if generation == 1 {
        return account.to_owned();
    }
    let suffix = format!("_g{generation}");
    if account.len() + suffix.len() <= LONGEST {
        return format!("{account}{suffix}");
    }
    let hash = &keyed_hash("account", &[account])[..5];
    let head: String = account.chars().take(LONGEST - suffix.len() - 6).collect();
    format!("{}_{hash}{suffix}", head.trim_end_matches('_'))
}

/// When the login is rotated by itself, and how long an old one is waited for, by the values in effect.
pub fn in_effect(values: &[EffectiveValue]) -> (Option<Duration>, Duration) {
    let read = |field: &str| {
        let value = values.iter().find(|value| value.field == field)?;
        value.value.parse::<Span>().ok().map(Span::get)
    };
    (read("rotation.every"), read("rotation.within").unwrap_or(WITHIN))
}

/// What there is to know of a rotation that cannot be as it is elsewhere.
pub fn notes(adapter: &dyn DynAdapter, spec: &Json, values: &[EffectiveValue], is_existing: bool) -> Option<String> {
    in_effect(values).0?;
    if is_existing {
        let message =
            "rotation.every: the login of something that exists already is whose who gave it; it is not rotated";
        return Some(message.to_owned());
    }
    let why = adapter.second_account(spec).err()?;
    Some(format!(
        "rotation.every: it is not rotated by itself here: {}; `mooring rotate` changes the password in place, and who \
         connects with the old one is refused until its pods are rolled",
        why.message()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hours: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + HOUR * u32::try_from(hours).expect("few")
    }

    #[test]
    fn a_rotation_ends_with_one_account_and_can_be_undone_until_then() {
        let mut of = Generations::first(at(0));
        of.begin(at(1), HOUR, None);
        assert!(of.is_rotating() && of.current == 1);
        of.promote(at(2), HOUR);
        assert_eq!((of.current, of.previous, of.since), (2, Some(1), at(2)));
        assert_eq!((of.retiring[0].until, of.retiring[0].hard), (at(3), false));
        assert_eq!(of.undoable(), Some(2));
        of.undo(at(3), HOUR);
        assert!(!of.retires(1), "it is on its way back, and not out");
        of.promote(at(3), HOUR);
        assert_eq!((of.current, of.previous), (1, Some(2)));
        assert!(of.retires(2) && !of.retires(1));
        of.dropped(2);
        assert!(!of.is_rotating() && of.undoable().is_none());
        of.begin(at(4), HOUR, Some(Span::new(Duration::ZERO)));
        of.promote(at(4), HOUR);
        assert_eq!(of.current, 3, "a name is never used twice");
        assert_eq!((of.retiring[0].until, of.retiring[0].hard), (at(4), true));
    }

    #[test]
    fn what_was_shown_to_nobody_goes_at_once_and_what_was_forgotten_is_kept() {
        let mut of = Generations::first(at(0));
        of.begin(at(1), HOUR, None);
        of.begin(at(2), HOUR, None);
        assert_eq!(of.next.as_ref().map(|next| next.generation), Some(3));
        assert!(
            of.retiring
                == [RetiringGeneration {
                    generation: 2,
                    until: at(2),
                    hard: true
                }]
        );
        let mut restored = Generations::first(at(0));
        assert!(restored.found(7, at(5), HOUR) && !restored.found(7, at(6), HOUR) && !restored.found(1, at(6), HOUR));
        restored.begin(at(6), HOUR, None);
        assert_eq!((restored.highest, restored.retiring[0].hard), (8, false));
    }

    #[test]
    fn names_fit_every_engine_and_differ() {
        assert_eq!(of_generation("shop", 1), "shop");
        assert_eq!(of_generation("shop", 2), "shop_g2");
        let long = of_generation("a_very_lon_1a2b3", 12);
        assert!(long.len() <= LONGEST && long.ends_with("_g12"), "{long}");
        assert_ne!(long, of_generation("a_very_lon_1a2b4", 12));
    }

    #[test]
    fn a_thousand_that_are_made_at_once_are_not_rotated_at_once() {
        let of = Generations::first(at(0));
        let due: Vec<_> = (0..1000)
            .map(|n| of.due(HOUR * 100, &format!("team/shop/web/{n}")))
            .collect();
        assert!(due.iter().all(|due| (at(90)..=at(100)).contains(due)));
        for hour in 90..100 {
            let within = due.iter().filter(|due| (at(hour)..at(hour + 1)).contains(due)).count();
            assert!((50..200).contains(&within), "{within} in hour {hour}");
        }
    }
}
