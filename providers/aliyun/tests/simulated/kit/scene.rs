//! One resource that is led by hand, step by step.

use std::{sync::Arc, time::Duration};

use mooring_provider::{
    Account, AccountGoal, AnyState, Claim, ClusterId, DynAdapter, Goal, Identity, Key, Kind, Outcome, Owner, Result,
    Sighting, Step, conformance::Intents, converge,
};
use mooring_simulator_aliyun::{Handle, Kind as Thing, Resource};
use serde_json::{Value as Json, json};

use super::{cloud, provider, spec};

/// A resource and its cloud.
pub(crate) struct Scene {
    pub(crate) cloud: Arc<Handle>,
    pub(crate) adapter: Arc<dyn DynAdapter>,
    pub(crate) claim: Claim,
    pub(crate) spec: Json,
}

impl Scene {
    /// Before it is made.
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, &json!({"log": {"machineGroup": "k8s-group-c1"}}))
    }

    /// The same, by a provider that is configured so.
    pub(crate) fn with(kind: Kind, config: &Json) -> Self {
        let cloud = cloud(|_| {});
        Self {
            adapter: provider(&cloud, config).adapter(kind).expect("the kind is served"),
            cloud,
            claim: Self::claim(kind, "k3x9q2"),
            spec: spec(kind),
        }
    }

    /// The claim of an identity.
    pub(crate) fn claim(kind: Kind, identity: &str) -> Claim {
        Claim::new(Owner {
            cluster: ClusterId::new("c1"),
            identity: Identity::new(identity),
            key: Key::new("team-a", "shop", "web", kind.as_str()),
        })
    }

    /// Another resource of the same kind in the same cloud.
    pub(crate) fn beside(&self, claim: Claim) -> Self {
        Self {
            cloud: self.cloud.clone(),
            adapter: self.adapter.clone(),
            claim,
            spec: self.spec.clone(),
        }
    }

    pub(crate) async fn step(&mut self, goal: &Goal) -> Result<Outcome> {
        let journal = Intents::new(Duration::ZERO);
        let outcome = converge(&*self.adapter, &*journal, &self.claim, goal).await?;
        if let Step::Created { id, .. } = &outcome.step {
            self.claim.id = Some(id.clone());
        }
        Ok(outcome)
    }

    pub(crate) fn present(&self, accounts: Vec<Account>) -> Goal {
        let wanted = accounts.into_iter().map(|account| AccountGoal { account, told: false });
        Goal::Present {
            spec: self.spec.clone(),
            applied: None,
            was_ready: false,
            recreate: false,
            accounts: wanted.collect(),
            revoked: Vec::new(),
        }
    }

    /// Up and ready.
    pub(crate) async fn up(&mut self) -> Outcome {
        let goal = self.present(Vec::new());
        self.until(&goal, &Step::Ready).await
    }

    /// Gone.
    pub(crate) async fn down(&mut self) {
        self.until(&Goal::Absent, &Step::Gone).await;
    }

    async fn until(&mut self, goal: &Goal, end: &Step) -> Outcome {
        for _ in 0..30 {
            let outcome = self
                .step(goal)
                .await
                .unwrap_or_else(|error| panic!("until {end:?}: {error}"));
            if outcome.step == *end {
                return outcome;
            }
        }
        panic!("it is never {end:?}")
    }

    /// What is seen of it.
    pub(crate) async fn sight(&self) -> AnyState {
        match self.adapter.observe(std::slice::from_ref(&self.claim)).await.pop() {
            Some(Ok(Sighting::One(state))) => state,
            other => panic!("it should be seen, not {other:?}"),
        }
    }

    /// Everything of a kind that there is.
    pub(crate) fn of(&self, thing: Thing) -> Vec<Resource> {
        self.cloud.list(thing)
    }

    /// The parameters of the last call of an Action.
    pub(crate) fn last(&self, action: &str) -> Json {
        let call = self.cloud.calls(0).into_iter().rfind(|call| call.action == action);
        Json::Object(call.unwrap_or_else(|| panic!("{action} was not called")).params)
    }
}
