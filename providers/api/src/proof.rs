//! When an absence proves at once that something is gone.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Capability, ExternalId, Goal, Outcome, Phase, Result, Step};

/// What one process knows of the calls for a resource, by which it judges an absence after a deletion.
///
/// That something cannot be seen proves nothing, for a list may lag. Something that was seen by its id, and whose
/// deletion by that id the provider then took, is another matter: when it is not to be seen it is gone, and no create
/// is left that could bring it back, since the journal has the outcome of each. What is left to fear are parts that
/// are resources of their own: one that was asked for without an answer may come late, one that was made may not be
/// seen yet. They are waited for, unless there can be none.
///
/// It is no memory: what was not seen in this process is not known, and the grace period decides as ever.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The provider took the deletion of this id, or shows that it is being deleted.
    ended: Option<ExternalId>,
    /// What was asked for without an answer has come by then, or never will.
    late_until: Instant,
    /// What was changed may not be seen before then; `None` when all of it was seen.
    unseen_until: Option<Instant>,
    /// It was looked for and not seen since then; `None` when it was seen last.
    missed_since: Option<Instant>,
}

/// What a step was like, beside its outcome.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// It made a call that was more than a look.
    pub sent: bool,
    /// If it created, it was the first create there ever was for this identity: nobody called before.
    pub first: bool,
}

impl Proof {
    /// Of something that this process has not dealt with yet: somebody else's call may be under way.
    pub fn none(capability: &Capability) -> Self {
        Self {
            ended: None,
            late_until: Instant::now() + capability.grace(),
            unseen_until: None,
            missed_since: None,
        }
    }

    /// Whether every look of this process missed it, for as long. What another process remembers to have missed may
    /// have been seen since.
    pub fn missed_for(&self, time: Duration) -> bool {
        self.missed_since.is_some_and(|since| since.elapsed() >= time)
    }

    /// Whether the absence of this id proves that it is gone, with all its parts.
    pub fn holds(&self, id: &ExternalId, capability: &Capability) -> bool {
        let now = Instant::now();
        let parts = now < self.late_until || self.unseen_until.is_some_and(|until| now < until);
        self.ended.as_ref() == Some(id) && (capability.self_contained || !parts)
    }

    /// Takes in what a step came to.
    pub fn learn(&mut self, goal: &Goal, outcome: &Result<Outcome>, step: Circumstances, capability: &Capability) {
        let after = |time: Duration| Instant::now() + time;
        let going = matches!(goal, Goal::Absent);
        let Outcome { seen, step: taken } = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                if step.sent {
                    // But for a create, what was seen was to be changed.
                    self.missed_since = None;
                }
                if step.sent && !going && error.kind().may_have_had_effect() {
                    self.late_until = after(capability.grace());
                }
                if step.sent && !error.kind().may_have_had_effect() {
                    // It was there to be refused.
                    self.ended = None;
                }
                return;
            }
        };
        self.missed_since = match seen {
            Some(_) => None,
            None => self.missed_since.or_else(|| Some(Instant::now())),
        };
        match taken {
            Step::Deleting { ended, .. } => {
                self.ended = seen.as_ref().filter(|_| *ended).map(|seen| seen.id.clone());
            }
            Step::Wait { .. } if going => {
                if let Some(seen) = seen.as_ref().filter(|seen| seen.phase == Phase::Deleting) {
                    self.ended = Some(seen.id.clone());
                }
            }
            Step::Ready => (self.ended, self.unseen_until) = (None, None),
            Step::Created { .. } if step.first => {
                *self = Self {
                    ended: None,
                    late_until: Instant::now(),
                    unseen_until: Some(after(capability.appears_within)),
                    missed_since: None,
                }
            }
            Step::Created { .. }
            | Step::Updated { .. }
            | Step::AccountEnsured { .. }
            | Step::AccountDropped { .. }
            | Step::Parking { .. }
            | Step::Unparked { .. }
            | Step::Adopted { .. } => {
                (self.ended, self.unseen_until) = (None, Some(after(capability.appears_within)));
            }
            Step::Wait { .. } | Step::Blocked { .. } | Step::Parked | Step::Gone | Step::Released => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bindings, Drift, Error, ErrorKind, Seen};

    const SENT: Circumstances = Circumstances {
        sent: true,
        first: false,
    };

    fn capability() -> Capability {
        Capability::default()
    }

    fn outcome(phase: Phase, step: Step) -> Result<Outcome> {
        let seen = Seen {
            id: ExternalId::new("x"),
            phase,
            drift: Drift::none(),
            bindings: Bindings::new(),
        };
        Ok(Outcome { seen: Some(seen), step })
    }

    fn deleting(ended: bool) -> Result<Outcome> {
        let request_id = None;
        outcome(Phase::Ready, Step::Deleting { request_id, ended })
    }

    fn present() -> Goal {
        Goal::Present {
            spec: serde_json::Value::Null,
            applied: None,
            was_ready: false,
            recreate: false,
            accounts: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// Made by this process, and seen to be whole.
    fn whole() -> Proof {
        let (mut proof, capability) = (Proof::none(&capability()), capability());
        let (id, request_id) = (ExternalId::new("x"), None);
        let created = Ok(Outcome {
            seen: None,
            step: Step::Created { id, request_id },
        });
        let first = Circumstances { first: true, ..SENT };
        proof.learn(&present(), &created, first, &capability);
        proof.learn(&present(), &outcome(Phase::Ready, Step::Ready), SENT, &capability);
        proof
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_that_was_taken_is_proof_for_that_id() {
        let (mut proof, capability, id) = (whole(), capability(), ExternalId::new("x"));
        assert!(!proof.holds(&id, &capability), "nothing was deleted");
        proof.learn(&Goal::Absent, &deleting(false), SENT, &capability);
        assert!(!proof.holds(&id, &capability), "only a part of it, or its protection");
        proof.learn(&Goal::Absent, &deleting(true), SENT, &capability);
        assert!(proof.holds(&id, &capability));
        assert!(!proof.holds(&ExternalId::new("y"), &capability));
        let refused = Err(Error::new(ErrorKind::Busy, "delete", "it is in use"));
        proof.learn(&Goal::Absent, &refused, SENT, &capability);
        assert!(
            !proof.holds(&id, &capability),
            "it was there after all, and was not taken"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn that_it_is_seen_going_is_proof() {
        let (mut proof, capability) = (whole(), capability());
        let (reason, message) = (crate::reason::DELETING, String::new());
        let going = outcome(Phase::Deleting, Step::Wait { reason, message });
        proof.learn(&Goal::Absent, &going, SENT, &capability);
        assert!(proof.holds(&ExternalId::new("x"), &capability));
    }

    #[tokio::test(start_paused = true)]
    async fn parts_of_calls_without_an_answer_are_waited_for() {
        let (capability, id) = (capability(), ExternalId::new("x"));
        let lost = Err(Error::new(ErrorKind::Unavailable, "update", "no answer"));
        let looked = Circumstances { sent: false, ..SENT };
        for (mut proof, sent, waits) in [
            (Proof::none(&capability), looked, true),
            (whole(), looked, false),
            (whole(), SENT, true),
        ] {
            proof.learn(&present(), &lost, sent, &capability);
            proof.learn(&Goal::Absent, &deleting(true), SENT, &capability);
            assert_eq!(!proof.holds(&id, &capability), waits);
            let undivided = Capability {
                self_contained: true,
                ..capability.clone()
            };
            assert!(proof.holds(&id, &undivided));
            tokio::time::advance(capability.grace()).await;
            assert!(proof.holds(&id, &capability));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn parts_that_may_not_be_seen_yet_are_waited_for() {
        let (mut proof, capability, id) = (whole(), capability(), ExternalId::new("x"));
        let fields = vec!["rules"];
        let updated = Step::Updated {
            fields,
            request_id: None,
        };
        proof.learn(&present(), &outcome(Phase::Ready, updated), SENT, &capability);
        proof.learn(&Goal::Absent, &deleting(true), SENT, &capability);
        assert!(!proof.holds(&id, &capability));
        tokio::time::advance(capability.appears_within).await;
        assert!(proof.holds(&id, &capability));
    }
}
