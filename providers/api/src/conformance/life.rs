//! One resource's life as the engine would lead it, with a memory of its own.

use std::sync::Arc;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::{Intents, Subject};
use crate::{
    Account, AccountGoal, Circumstances, Claim, DynAdapter, ErrorKind, Goal, Outcome, Owner, Proof, Result, Retry,
    Step, converge,
};

/// After so many rounds a resource that is not where it should be never will be.
const ROUNDS: usize = 1_000;

/// What is wanted of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It exists as the spec says.
    Present,
    /// It is gone.
    Absent,
    /// It is parked.
    Parked,
}

/// One resource's life.
pub struct Life<'a> {
    subject: &'a dyn Subject,
    adapter: Arc<dyn DynAdapter>,
    journal: Arc<Intents>,
    /// What the adapter is told.
    pub claim: Claim,
    /// What is declared.
    pub spec: Json,
    /// Somebody asked for a new one where data was lost.
    pub recreate: bool,
    /// Its accounts, each with whether the provider was told.
    pub accounts: Vec<(Account, bool)>,
    /// Accounts that are to go.
    pub revoked: Vec<String>,
    applied: Option<Json>,
    was_ready: bool,
    missed: Option<Instant>,
    proof: Proof,
}

impl<'a> Life<'a> {
    /// A life that has not begun, lived through this adapter.
    pub fn new(subject: &'a dyn Subject, adapter: Arc<dyn DynAdapter>, owner: Owner) -> Self {
        Self {
            journal: Intents::new(adapter.capability().grace()),
            proof: Proof::none(&adapter.capability()),
            subject,
            adapter,
            claim: Claim::new(owner),
            spec: subject.spec(),
            recreate: false,
            accounts: Vec::new(),
            revoked: Vec::new(),
            applied: None,
            was_ready: false,
            missed: None,
        }
    }

    /// Shares the journal of another life: another broker of the same resource.
    #[must_use]
    pub fn sharing(mut self, other: &Life<'_>) -> Self {
        self.journal = other.journal.clone();
        self
    }

    fn goal(&self, wish: Wish) -> Goal {
        match wish {
            Wish::Absent => Goal::Absent,
            Wish::Parked => Goal::Parked {
                until: "2100-01-01T00:00:00Z".into(),
                backup: true,
            },
            Wish::Present => Goal::Present {
                spec: self.spec.clone(),
                applied: self.applied.clone(),
                was_ready: self.was_ready,
                recreate: self.recreate,
                accounts: self
                    .accounts
                    .iter()
                    .map(|(account, told)| AccountGoal {
                        account: account.clone(),
                        told: *told,
                    })
                    .collect(),
                revoked: self.revoked.clone(),
            },
        }
    }

    /// One step, and what is remembered of it.
    pub async fn step(&mut self, wish: Wish) -> Result<Outcome> {
        let identity = self.claim.owner.identity.clone();
        let (before, intended) = (self.journal.get(&identity), self.journal.live(&identity));
        let capability = self.adapter.capability();
        let grace = capability.grace();
        let missing = self.claim.id.is_some() && self.missed.is_none_or(|since| since.elapsed() < grace);
        let id = self.claim.id.as_ref().filter(|_| wish == Wish::Absent);
        let proven = id.is_some_and(|id| self.proof.holds(id, &capability));
        self.claim.settling = !proven && (intended || missing);
        self.claim.resend = intended && self.claim.id.is_none();
        let goal = self.goal(wish);
        let outcome = converge(&*self.adapter, &*self.journal, &self.claim, &goal).await;
        let written = self.journal.get(&identity).filter(|written| Some(*written) != before);
        let circumstances = Circumstances {
            // Whether it was only a look that failed is not known here.
            sent: true,
            first: before.is_none() && written.is_some(),
        };
        self.proof.learn(&goal, &outcome, circumstances, &capability);
        if let Some((incarnation, _)) = written
            && incarnation > self.claim.incarnation
        {
            (self.claim.incarnation, self.claim.id, self.was_ready) = (incarnation, None, false);
        }
        match &outcome {
            Err(error) if written.is_some() && !error.kind().may_have_had_effect() => self.journal.forget(&identity),
            Err(_) => {}
            Ok(outcome) => self.remember(outcome),
        }
        outcome
    }

    fn remember(&mut self, Outcome { seen, step }: &Outcome) {
        match seen {
            Some(seen) => (self.claim.id, self.missed) = (Some(seen.id.clone()), None),
            None => self.missed = self.missed.or_else(|| Some(Instant::now())),
        }
        match step {
            Step::Created { id, .. } => (self.claim.id, self.missed) = (Some(id.clone()), None),
            Step::Ready => (self.was_ready, self.applied) = (true, Some(self.spec.clone())),
            Step::Parking { .. } => self.accounts.iter_mut().for_each(|(_, told)| *told = false),
            Step::AccountEnsured { name, .. } => {
                self.accounts
                    .iter_mut()
                    .filter(|(account, _)| account.name == *name)
                    .for_each(|(_, told)| *told = true);
            }
            Step::AccountDropped { name, .. } => self.revoked.retain(|revoked| revoked != name),
            _ => {}
        }
    }

    /// Steps until it is as wished. Whatever happens on the way, there is never more than one.
    pub async fn until(&mut self, wish: Wish) -> Result<Outcome, String> {
        let mut last = String::new();
        let capability = self.adapter.capability();
        // Short enough to come by while a new resource cannot be seen yet.
        let pause = capability.poll_busy.min(capability.appears_within / 10);
        // What may be settling is looked at a few times until that is over; every look is a call that may fail.
        let settling = pause.max(capability.grace() / 6);
        for _ in 0..ROUNDS {
            let outcome = self.step(wish).await;
            let there = self.subject.existing(&self.claim.owner).await;
            if there.len() > 1 {
                return Err(format!(
                    "there are {} of one identity: {there:?}, after {outcome:?}",
                    there.len()
                ));
            }
            let wait = match outcome {
                Ok(outcome) => match (&outcome.step, wish) {
                    (Step::Ready, Wish::Present) | (Step::Gone, Wish::Absent) | (Step::Parked, Wish::Parked) => {
                        return Ok(outcome);
                    }
                    (step @ Step::Wait { reason, .. }, _) if *reason == crate::reason::SETTLING => {
                        last = format!("{step:?}");
                        settling
                    }
                    (Step::Blocked { reason, message }, _) => return Err(format!("blocked, {reason}: {message}")),
                    (step, _) => {
                        last = format!("{step:?}");
                        pause
                    }
                },
                Err(error) => {
                    last = error.to_string();
                    match error.retry() {
                        _ if error.kind() == ErrorKind::Throttled || error.kind().may_have_had_effect() => pause,
                        Retry::After(after) => after,
                        Retry::Backoff => pause,
                        Retry::OnChange | Retry::Slowly => return Err(format!("{}: {error}", error.reason())),
                    }
                }
            };
            self.subject.settle(wait).await;
        }
        Err(format!("it is never {wish:?}; the last step was {last}"))
    }
}
