//! An adapter with one flaw.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use mooring_provider::{
    Access, Account, AnyState, Bindings, Capability, Change, Claim, ClusterId, Created, Difference, Drift, DynAdapter,
    Error, ErrorKind, ExternalId, Identity, Kind, Owned, Owner, Phase, Receipt, Result, Sighting, tag,
};
use mooring_provider_mock::Cloud;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};

/// What is wrong with an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    NeverSatisfied,
    TouchesWhatItSees,
    OnlySaysItDeletes,
    OnlySaysItUpdates,
    OnlySaysItAdopts,
    BlindToTags,
    OneTokenForAllIncarnations,
    IgnoresOptions,
    BlamesTheSpec,
    NewTokenForEachAttempt,
    FindsOnlyById,
    ClaimsToHonourTokens,
    RefusalIsAbsence,
    ForgetsATag,
    DeletesByName,
    AnswersBackwards,
    ListsEverybody,
    KeepsAccounts,
    ParksWithoutData,
    PrintsPasswords,
}

pub(crate) struct Flawed {
    flaw: Flaw,
    inner: Arc<dyn DynAdapter>,
    cloud: Cloud,
    attempts: AtomicU32,
    heard: Mutex<String>,
}

impl Flawed {
    pub(crate) fn new(flaw: Flaw, inner: Arc<dyn DynAdapter>, cloud: Cloud) -> Self {
        Self {
            flaw,
            inner,
            cloud,
            attempts: AtomicU32::new(0),
            heard: Mutex::default(),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn blame<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if self.has(Flaw::BlamesTheSpec) && error.kind() == ErrorKind::Unavailable => {
                Err(Error::new(ErrorKind::InvalidSpec, error.operation(), error.message()))
            }
            result => result,
        }
    }
}

impl fmt::Debug for Flawed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flawed({:?}, {:?})", self.flaw, self.heard.lock())
    }
}

#[async_trait]
impl DynAdapter for Flawed {
    fn kind(&self) -> Kind {
        self.inner.kind()
    }

    fn capability(&self) -> Capability {
        let mut capability = self.inner.capability();
        capability.idempotent_create |= self.has(Flaw::ClaimsToHonourTokens);
        capability
    }

    fn schema(&self) -> schemars::Schema {
        self.inner.schema()
    }

    fn validate(&self, spec: &Json) -> Result<()> {
        let mut spec = spec.clone();
        if self.has(Flaw::IgnoresOptions) {
            spec["common"]["options"] = json!({});
        }
        self.inner.validate(&spec)
    }
    fn notes(&self, spec: &Json) -> Result<Vec<String>> {
        let mut spec = spec.clone();
        if self.has(Flaw::IgnoresOptions) {
            spec["common"]["options"] = json!({});
        }
        self.inner.notes(&spec)
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
        let mut seen = self.inner.observe(claims).await;
        if self.has(Flaw::AnswersBackwards) {
            seen.reverse();
        }
        for (sighting, claim) in seen.iter_mut().zip(claims) {
            match sighting {
                Ok(_) if self.has(Flaw::FindsOnlyById) && claim.id.is_none() => *sighting = Ok(Sighting::Absent),
                Err(_) if self.has(Flaw::RefusalIsAbsence) => *sighting = Ok(Sighting::Absent),
                Ok(Sighting::One(state)) if self.has(Flaw::TouchesWhatItSees) => {
                    self.cloud.write(&self.inner.id(state), "seen");
                }
                _ => {}
            }
        }
        seen
    }

    fn id(&self, state: &AnyState) -> ExternalId {
        self.inner.id(state)
    }

    fn owner(&self, state: &AnyState) -> Option<Owner> {
        self.inner.owner(state)
    }

    fn phase(&self, state: &AnyState) -> Phase {
        self.inner.phase(state)
    }

    fn drift(&self, spec: &Json, state: &AnyState) -> Result<Drift> {
        let mut drift = self.inner.drift(spec, state)?;
        if self.has(Flaw::BlindToTags) {
            drift.0.retain(|difference| difference.field != "tags");
        }
        if self.has(Flaw::NeverSatisfied) {
            let (desired, observed) = ("1".into(), "01".into());
            drift.0.push(Difference {
                field: "cidr",
                desired,
                observed,
                change: Change::Immutable,
            });
        }
        Ok(drift)
    }

    fn bindings(&self, claim: &Claim, state: &AnyState) -> Bindings {
        self.inner.bindings(claim, state)
    }
    fn login(&self, identity: &Identity, account: &str) -> String {
        self.inner.login(identity, account)
    }
    fn grants(&self, access: Access) -> Result<Access> {
        self.inner.grants(access)
    }

    async fn create(&self, claim: &Claim, spec: &Json) -> Result<Created> {
        let mut claim = claim.clone();
        match self.flaw {
            Flaw::NewTokenForEachAttempt | Flaw::FindsOnlyById => {
                claim.incarnation = 1_000 + self.attempts.fetch_add(1, Ordering::SeqCst);
            }
            Flaw::OneTokenForAllIncarnations => claim.incarnation = 0,
            _ => {}
        }
        let created = self.blame(self.inner.create(&claim, spec).await)?;
        if self.has(Flaw::ForgetsATag) {
            self.cloud
                .change(&created.id, |resource| drop(resource.tags.remove(tag::KEY)));
        }
        Ok(created)
    }

    async fn update(&self, claim: &Claim, state: &AnyState, spec: &Json, drift: &Drift) -> Result<Receipt> {
        if self.has(Flaw::OnlySaysItUpdates) {
            return Ok(Receipt::default());
        }
        self.inner.update(claim, state, spec, drift).await
    }

    async fn delete(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        if self.has(Flaw::OnlySaysItDeletes) {
            return Ok(Receipt::default());
        }
        if self.has(Flaw::DeletesByName) {
            for namesake in self.cloud.list().iter().filter(|resource| resource.name == claim.name) {
                self.cloud.destroy(&namesake.id);
            }
        }
        self.inner.delete(claim, state).await
    }

    async fn park(&self, claim: &Claim, state: &AnyState, until: &str, backup: bool) -> Result<Receipt> {
        if self.has(Flaw::ParksWithoutData) {
            self.cloud
                .change(&self.inner.id(state), |resource| resource.rows.clear());
        }
        self.inner.park(claim, state, until, backup).await
    }

    async fn unpark(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        self.inner.unpark(claim, state).await
    }

    async fn adopt(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        if self.has(Flaw::OnlySaysItAdopts) {
            return Ok(Receipt::default());
        }
        self.inner.adopt(claim, state).await
    }

    async fn ensure_account(&self, claim: &Claim, state: &AnyState, account: &Account) -> Result<Receipt> {
        if self.has(Flaw::PrintsPasswords) {
            account
                .password
                .expose_secret()
                .clone_into(&mut self.heard.lock().expect("nobody panicked"));
        }
        self.inner.ensure_account(claim, state, account).await
    }

    async fn drop_account(&self, claim: &Claim, state: &AnyState, name: &str) -> Result<Receipt> {
        if self.has(Flaw::KeepsAccounts) {
            return Ok(Receipt::default());
        }
        self.inner.drop_account(claim, state, name).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let mut owned = self.inner.inventory(cluster).await?;
        if self.has(Flaw::ListsEverybody) {
            let others = self.cloud.list().into_iter().filter_map(|resource| {
                let owner = resource.owner().filter(|owner| owner.cluster != *cluster)?;
                Some(Owned {
                    id: resource.id,
                    owner,
                    phase: Phase::Ready,
                })
            });
            owned.extend(others);
        }
        Ok(owned)
    }
}
