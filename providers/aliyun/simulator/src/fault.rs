//! What goes wrong on purpose.

use std::{collections::VecDeque, fmt, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::{Call, Chances};

/// How a call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// `ServiceUnavailable`, without effect.
    Before,
    /// It has its effect, and answers `ServiceUnavailable`.
    After,
    /// It has its effect, and the connection breaks without an answer.
    Lost,
    /// The connection breaks, without effect.
    Cut,
    /// It has its effect, and the answer breaks off in the middle.
    Garbled,
    /// `Throttling.User` without effect; to be tried again after so many milliseconds.
    Throttled(u64),
    /// Any documented error, without effect.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The code.
        code: String,
    },
    /// An RDS instance is made without its tags, and its answer says `TagResult: false`.
    Untagged,
    /// Its answer comes so many milliseconds of the real clock late.
    Slow(u64),
}

/// A fault that is waiting for its call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Planned {
    /// Only a call to this product.
    #[serde(default)]
    pub product: Option<String>,
    /// Only this Action.
    #[serde(default)]
    pub action: Option<String>,
    /// So many calls go well before.
    #[serde(default)]
    pub skip: usize,
    /// So many go wrong.
    #[serde(default = "one")]
    pub times: usize,
    /// How they go wrong.
    pub fault: Fault,
}

const fn one() -> usize {
    1
}

impl Planned {
    /// The next call goes wrong.
    pub const fn next(fault: Fault) -> Self {
        Self {
            product: None,
            action: None,
            skip: 0,
            times: 1,
            fault,
        }
    }

    /// The next call of an Action goes wrong.
    pub fn action(product: &str, action: &str, fault: Fault) -> Self {
        Self {
            product: Some(product.into()),
            action: Some(action.into()),
            ..Self::next(fault)
        }
    }
}

/// Decides for each call whether it goes wrong.
pub type Rule = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

/// All that is to go wrong.
pub(crate) struct Plan {
    pub(crate) queue: VecDeque<Planned>,
    pub(crate) rule: Option<Rule>,
    rng: StdRng,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({:?}, a rule: {})", self.queue, self.rule.is_some())
    }
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            queue: VecDeque::new(),
            rule: None,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// What happens to this call: by the queue, else by the rule, else by chance.
    pub(crate) fn decide(&mut self, call: &Call, chances: Chances) -> Option<Fault> {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let mut hit = None;
        for planned in &mut self.queue {
            if planned.times == 0 || !fits(&planned.product, &call.product) || !fits(&planned.action, &call.action) {
                continue;
            }
            if planned.skip > 0 {
                planned.skip -= 1;
            } else if hit.is_none() {
                planned.times -= 1;
                hit = Some(planned.fault.clone());
            }
        }
        self.queue.retain(|planned| planned.times > 0);
        hit.or_else(|| self.rule.as_mut().and_then(|rule| rule(call)))
            .or_else(|| self.by_chance(chances))
    }

    fn by_chance(&mut self, chances: Chances) -> Option<Fault> {
        if chances == Chances::default() {
            return None;
        }
        let mut left: f64 = self.rng.random();
        for (chance, fault) in [
            (chances.before, Fault::Before),
            (chances.after, Fault::After),
            (chances.lost, Fault::Lost),
            (chances.throttled, Fault::Throttled(100)),
            (chances.slow, Fault::Slow(300)),
        ] {
            if left < chance {
                return Some(fault);
            }
            left -= chance;
        }
        None
    }
}

impl Fault {
    pub(crate) fn delay(&self) -> Duration {
        match self {
            Self::Slow(millis) => Duration::from_millis(*millis),
            _ => Duration::ZERO,
        }
    }
}
