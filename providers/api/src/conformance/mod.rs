//! The suite that every adapter is held to.
//!
//! A provider's tests describe what is under test as a [`Subject`] and call [`assert_conforms`], or [`run`] to see
//! the failures. The suite drives the adapter through [`converge`](crate::converge) only, as the engine does, with a
//! small memory of its own ([`Life`]); what there really is it asks the subject, never the adapter. Faults come from
//! [`Faulty`], which fails any adapter's calls before and after their effect, and, where a provider has finer ones
//! (each of several requests of one call), from the subject's own [`Faults`].
//!
//! Every wait is the subject's: tests that pause tokio's clock run in no time.

mod decorate;
mod faults;
mod intents;
mod life;
mod scenarios;
mod twice;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value as Json;

pub use faults::{Faults, Faulty, When};
pub use intents::Intents;
pub use life::{Life, Wish};
pub use scenarios::SCENARIOS;
pub use twice::Twice;

use crate::{Access, DynAdapter, ExternalId, Owner};

/// What is under test, and the provider seen from behind the adapter's back.
///
/// What a provider has no means for keeps its default, and the scenarios that need it do not apply.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The adapter under test.
    fn adapter(&self) -> Arc<dyn DynAdapter>;

    /// A spec that can be carried out.
    fn spec(&self) -> Json;

    /// The same with some fields changed that can be changed in place.
    fn changed(&self) -> Json;

    /// What carries this identity, whatever the adapter says; what is invisible yet or still going is part of it.
    async fn existing(&self, owner: &Owner) -> Vec<ExternalId>;

    /// Somebody else makes a resource of this name, without any tag of ours.
    async fn foreign(&self, name: &str) -> ExternalId;

    /// Everything that is known of a resource, so that a change of it shows; `None` when it is gone.
    async fn look(&self, id: &ExternalId) -> Option<String>;

    /// Removes somebody else's resource, or one of ours with all its data, at once.
    async fn destroy(&self, id: &ExternalId);

    /// From now on the provider refuses the adapter's credentials, or takes them again.
    async fn refuse_credentials(&self, refused: bool);

    /// Lets time pass.
    async fn settle(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// From now on what is created cannot be seen for a while. `false` when the provider cannot be made to.
    async fn hide_new(&self, _time: Duration) -> bool {
        false
    }

    /// Changes something behind our back that is enforced. `false` when there is no such thing.
    async fn tamper(&self, _id: &ExternalId) -> bool {
        false
    }

    /// Writes a row into it. `false` when it holds no data.
    async fn write(&self, _id: &ExternalId, _row: &str) -> bool {
        false
    }

    /// The rows in it.
    async fn rows(&self, _id: &ExternalId) -> Vec<String> {
        Vec::new()
    }

    /// Whether one can log in so. Asked only of adapters with accounts.
    async fn login(&self, _id: &ExternalId, _user: &str, _password: &str) -> bool {
        false
    }

    /// The access of an account that is not the first. What a provider cannot give is refused by its adapter.
    fn second_access(&self) -> Access {
        Access::ReadOnly
    }

    /// Whether calls that only look are failed too. They have no effect that could be lost, and a life of a real
    /// server for each of them takes long.
    fn fails_reads(&self) -> bool {
        true
    }

    /// Faults finer than whole calls of the adapter.
    fn faults(&self) -> Option<Arc<dyn Faults>> {
        None
    }
}

/// What an adapter does not hold to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The scenario, one of [`SCENARIOS`].
    pub scenario: &'static str,
    /// What was done.
    pub step: String,
    /// What was wrong.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.scenario, self.step, self.message)
    }
}

/// Runs every scenario, each with identities of its own, and says what failed.
pub async fn run(subject: &dyn Subject) -> Vec<Failure> {
    scenarios::some(subject, |_| true).await
}

/// Runs one of the [`SCENARIOS`] and says what failed; `None` also when there is no such scenario.
pub async fn run_one(subject: &dyn Subject, scenario: &str) -> Option<Failure> {
    scenarios::some(subject, |name| name == scenario).await.pop()
}

/// Runs every scenario.
///
/// # Panics
/// When the adapter fails any, naming each with its step.
pub async fn assert_conforms(subject: &dyn Subject) {
    let failures: Vec<_> = run(subject).await.iter().map(Failure::to_string).collect();
    let kind = subject.adapter().kind();
    assert!(
        failures.is_empty(),
        "the {kind} adapter does not conform:\n  {}",
        failures.join("\n  ")
    );
}
