//! The object-safe face of [`Adapter`], which the engine holds and decorates.

use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::{
    Access, Account, Adapter, Bindings, Capability, Claim, ClusterId, Created, Drift, Error, ErrorKind, ExternalId,
    Identity, Kind, Owned, Owner, Phase, Receipt, Result, Sighting,
};

/// A state whose type only its own adapter knows.
#[derive(Clone)]
pub struct AnyState {
    value: Arc<dyn Any + Send + Sync>,
    shown: String,
}

impl AnyState {
    fn new<S: fmt::Debug + Send + Sync + 'static>(state: S) -> Self {
        Self {
            shown: std::any::type_name::<S>().to_owned(),
            value: Arc::new(state),
        }
    }

    fn get<S: 'static>(&self) -> &S {
        self.value
            .downcast_ref()
            .expect("a state is only ever given back to the adapter that made it")
    }
}

impl fmt::Debug for AnyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// [`Adapter`] with its spec as JSON and its state erased. Implemented for every adapter; each method means what the
/// method of the same name means there.
#[async_trait]
#[allow(missing_docs, reason = "each method is documented where it is defined, in Adapter")]
pub trait DynAdapter: fmt::Debug + Send + Sync + 'static {
    fn kind(&self) -> Kind;
    fn capability(&self) -> Capability;
    fn schema(&self) -> schemars::Schema;
    fn validate(&self, spec: &Json) -> Result<()>;
    fn notes(&self, spec: &Json) -> Result<Vec<String>>;
    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>>;
    fn id(&self, state: &AnyState) -> ExternalId;
    fn owner(&self, state: &AnyState) -> Option<Owner>;
    fn phase(&self, state: &AnyState) -> Phase;
    fn drift(&self, spec: &Json, state: &AnyState) -> Result<Drift>;
    fn bindings(&self, claim: &Claim, state: &AnyState) -> Bindings;
    fn login(&self, identity: &Identity, account: &str) -> String;
    fn grants(&self, access: Access) -> Result<Access>;
    async fn create(&self, claim: &Claim, spec: &Json) -> Result<Created>;
    async fn update(&self, claim: &Claim, state: &AnyState, spec: &Json, drift: &Drift) -> Result<Receipt>;
    async fn delete(&self, claim: &Claim, state: &AnyState) -> Result<Receipt>;
    async fn park(&self, claim: &Claim, state: &AnyState, until: &str, backup: bool) -> Result<Receipt>;
    async fn unpark(&self, claim: &Claim, state: &AnyState) -> Result<Receipt>;
    async fn adopt(&self, claim: &Claim, state: &AnyState) -> Result<Receipt>;
    async fn ensure_account(&self, claim: &Claim, state: &AnyState, account: &Account) -> Result<Receipt>;
    async fn drop_account(&self, claim: &Claim, state: &AnyState, name: &str) -> Result<Receipt>;
    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>>;
}

fn spec<A: Adapter>(spec: &Json) -> Result<A::Spec> {
    serde_json::from_value(spec.clone()).map_err(|error| {
        Error::new(
            ErrorKind::InvalidSpec,
            "validate",
            format!("the resolved spec: {error}"),
        )
    })
}

#[async_trait]
impl<A: Adapter> DynAdapter for A {
    fn kind(&self) -> Kind {
        Adapter::kind(self)
    }

    fn capability(&self) -> Capability {
        Adapter::capability(self)
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(A::Spec)
    }

    fn validate(&self, value: &Json) -> Result<()> {
        Adapter::validate(self, &spec::<A>(value)?)
    }

    fn notes(&self, value: &Json) -> Result<Vec<String>> {
        Ok(Adapter::notes(self, &spec::<A>(value)?))
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
        Adapter::observe(self, claims)
            .await
            .into_iter()
            .map(|sighting| {
                Ok(match sighting? {
                    Sighting::Absent => Sighting::Absent,
                    Sighting::One(state) => Sighting::One(AnyState::new(state)),
                    Sighting::Several(ids) => Sighting::Several(ids),
                })
            })
            .collect()
    }

    fn id(&self, state: &AnyState) -> ExternalId {
        Adapter::id(self, state.get())
    }

    fn owner(&self, state: &AnyState) -> Option<Owner> {
        Adapter::owner(self, state.get())
    }

    fn phase(&self, state: &AnyState) -> Phase {
        Adapter::phase(self, state.get())
    }

    fn drift(&self, value: &Json, state: &AnyState) -> Result<Drift> {
        Ok(Adapter::drift(self, &spec::<A>(value)?, state.get()))
    }

    fn bindings(&self, claim: &Claim, state: &AnyState) -> Bindings {
        Adapter::bindings(self, claim, state.get())
    }

    fn login(&self, identity: &Identity, account: &str) -> String {
        Adapter::login(self, identity, account)
    }

    fn grants(&self, access: Access) -> Result<Access> {
        Adapter::grants(self, access)
    }

    async fn create(&self, claim: &Claim, value: &Json) -> Result<Created> {
        Adapter::create(self, claim, &spec::<A>(value)?).await
    }

    async fn update(&self, claim: &Claim, state: &AnyState, value: &Json, drift: &Drift) -> Result<Receipt> {
        Adapter::update(self, claim, state.get(), &spec::<A>(value)?, drift).await
    }

    async fn delete(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        Adapter::delete(self, claim, state.get()).await
    }

    async fn park(&self, claim: &Claim, state: &AnyState, until: &str, backup: bool) -> Result<Receipt> {
        Adapter::park(self, claim, state.get(), until, backup).await
    }

    async fn unpark(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        Adapter::unpark(self, claim, state.get()).await
    }

    async fn adopt(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        Adapter::adopt(self, claim, state.get()).await
    }

    async fn ensure_account(&self, claim: &Claim, state: &AnyState, account: &Account) -> Result<Receipt> {
        Adapter::ensure_account(self, claim, state.get(), account).await
    }

    async fn drop_account(&self, claim: &Claim, state: &AnyState, name: &str) -> Result<Receipt> {
        Adapter::drop_account(self, claim, state.get(), name).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        Adapter::inventory(self, cluster).await
    }
}
