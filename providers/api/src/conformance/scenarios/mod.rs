//! The scenarios, each with identities of its own.

mod data;
mod ownership;
mod stages;
mod trouble;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::future::BoxFuture;

use super::{Failure, Life, Subject, Wish};
use crate::{ClusterId, DynAdapter, Identity, Key, Owner};

/// What a scenario does: an error names the step and what was wrong.
type Scenario = for<'a> fn(&'a Stage<'a>) -> BoxFuture<'a, Result<(), (String, String)>>;

macro_rules! scenarios {
    ($($name:literal => $scenario:path,)*) => {
        /// The name of every scenario.
        pub const SCENARIOS: &[&str] = &[$($name),*];

        const ALL: &[(&str, Scenario)] = &[$(($name, |stage| Box::pin($scenario(stage)))),*];
    };
}

scenarios! {
    "converges" => stages::converges,
    "creates once" => stages::creates_once,
    "leaves nothing" => stages::leaves_nothing,
    "changes in place" => stages::changes_in_place,
    "undoes tampering" => stages::undoes_tampering,
    "recreates what is gone" => stages::recreates,
    "refuses an unknown option" => stages::refuses_unknown_option,
    "each call fails before its effect" => trouble::fails_before,
    "each call fails after its effect" => trouble::fails_after,
    "every step runs twice" => trouble::every_step_twice,
    "new resources are invisible for a while" => trouble::invisible,
    "two brokers create one" => trouble::two_brokers,
    "refused credentials are not absence" => trouble::refused_credentials,
    "owner tags are complete" => ownership::owner_tags,
    "a foreign resource of the same name is untouched" => ownership::foreign_untouched,
    "moves to an approved owner" => ownership::moves,
    "observes a batch in order" => ownership::batch_in_order,
    "inventory lists exactly ours" => ownership::inventory,
    "accounts" => data::accounts,
    "parks and reclaims" => data::parks,
    "secrets stay secret" => data::secrets,
}

/// Where a scenario plays.
pub(super) struct Stage<'a> {
    subject: &'a dyn Subject,
    run: u64,
    next: AtomicU64,
}

type Played = Result<(), (String, String)>;

/// Names the step that something went wrong in.
trait In<T> {
    fn during(self, step: &str) -> Result<T, (String, String)>;
}

impl<T, E: std::fmt::Display> In<T> for Result<T, E> {
    fn during(self, step: &str) -> Result<T, (String, String)> {
        self.map_err(|error| (step.to_owned(), error.to_string()))
    }
}

fn ensure(holds: bool, step: &str, message: impl FnOnce() -> String) -> Played {
    if holds {
        Ok(())
    } else {
        Err((step.to_owned(), message()))
    }
}

impl<'a> Stage<'a> {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.subject.adapter()
    }

    fn cluster(&self) -> ClusterId {
        ClusterId::new(format!("conformance-{}", self.run))
    }

    /// An owner that nothing belongs to yet.
    fn owner(&self) -> Owner {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        Owner {
            cluster: self.cluster(),
            identity: Identity::new(format!("kit{}x{n}", self.run)),
            key: Key::new("conformance", "kit", self.adapter().kind().as_str(), format!("n{n}")),
        }
    }

    fn life(&self) -> Life<'a> {
        Life::new(self.subject, self.adapter(), self.owner())
    }

    /// A life that has come to be ready.
    async fn ready(&self) -> Result<Life<'a>, (String, String)> {
        let mut life = self.life();
        life.until(Wish::Present).await.during("bringing it up")?;
        Ok(life)
    }

    async fn gone(&self, mut life: Life<'_>) -> Played {
        life.until(Wish::Absent).await.during("taking it down")?;
        self.nothing(&life.claim.owner, "taking it down").await
    }

    async fn nothing(&self, owner: &Owner, step: &str) -> Played {
        let left = self.subject.existing(owner).await;
        ensure(left.is_empty(), step, || {
            format!("it is said to be gone, and there is {left:?}")
        })
    }

    async fn exactly_one(&self, owner: &Owner, step: &str) -> Played {
        let there = self.subject.existing(owner).await;
        ensure(there.len() == 1, step, || {
            format!("there should be one, and there is {there:?}")
        })
    }
}

/// Runs the scenarios that are chosen. What a failed scenario leaves cannot disturb the next: each has its own identities.
pub(super) async fn some(subject: &dyn Subject, chosen: impl Fn(&str) -> bool) -> Vec<Failure> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let mut failures = Vec::new();
    for (scenario, play) in ALL.iter().filter(|(name, _)| chosen(name)) {
        let stage = Stage {
            subject,
            run: RUNS.fetch_add(1, Ordering::SeqCst),
            next: AtomicU64::new(0),
        };
        if let Err((step, message)) = play(&stage).await {
            failures.push(Failure {
                scenario,
                step,
                message,
            });
        }
    }
    failures
}
