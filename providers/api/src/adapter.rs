//! What a provider implements: one [`Adapter`] per kind of resource.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Access, Account, Bindings, Claim, ClusterId, ExternalId, Identity, Kind, Owner, Result};

/// One kind of resource at one provider.
///
/// # Behaviour
/// - No call blocks until a resource is ready: a call starts something, [`observe`](Self::observe) sees it happen.
/// - Every call may be repeated. Deleting what is gone, dropping an account that is not there and parking what is
///   parked succeed.
/// - An adapter keeps no memory of its own between calls.
/// - A resource of several parts (a database instance with its account and whitelist; a load balancer with its
///   listeners) is one adapter: `observe` sees all parts, [`drift`](Self::drift) names each gap, and
///   [`update`](Self::update) closes the first.
#[async_trait]
pub trait Adapter: Debug + Send + Sync + 'static {
    /// What is wanted, with every value resolved; one of the types in [`crate::spec`].
    type Spec: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// What the provider says there is.
    type State: Debug + Send + Sync + 'static;

    /// The kind of resource.
    fn kind(&self) -> Kind;

    /// What this adapter can do and how patient one has to be with it.
    fn capability(&self) -> Capability;

    /// Checks what the schema of [`Self::Spec`] cannot say: ranges of this provider, options, combinations. No I/O.
    fn validate(&self, spec: &Self::Spec) -> Result<()>;

    /// What of this spec means something else here, or less than elsewhere, a sentence each: an engine that stands in
    /// for another, a metric that is measured otherwise, no standby. `plan` shows them before anything is created.
    fn notes(&self, spec: &Self::Spec) -> Vec<String> {
        let _ = spec;
        Vec::new()
    }

    /// Looks each claim up: by its id where it has one, else by its owner tag. Needs no spec.
    ///
    /// Answers in the order of the claims. What cannot be looked at is an error, never [`Sighting::Absent`]: a
    /// refused credential or a wrong scope says nothing about existence. A resource found by id is answered even if
    /// it carries somebody else's tag; [`owner`](Self::owner) tells, and the caller judges.
    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<Self::State>>>;

    /// What the provider calls it.
    fn id(&self, state: &Self::State) -> ExternalId;

    /// The owner that its tags name; `None` when it is not tagged as ours.
    fn owner(&self, state: &Self::State) -> Option<Owner>;

    /// How far it is.
    fn phase(&self, state: &Self::State) -> Phase;

    /// What differs between the spec and the state.
    fn drift(&self, spec: &Self::Spec, state: &Self::State) -> Drift;

    /// What a consumer needs in order to use it. Empty until it can be used.
    fn bindings(&self, claim: &Claim, state: &Self::State) -> Bindings;

    /// The name for an account of a resource that would like to be called so: that name, but on a server that many
    /// share, where two that are called alike would be one. An [`Account`] carries the name that this answers.
    fn login(&self, identity: &Identity, account: &str) -> String {
        let _ = identity;
        account.to_owned()
    }

    /// What an account that asks for this access gets here: just that, but where the provider knows no lesser accounts.
    /// An error where such an account cannot be had. Known before anything is made. No I/O.
    fn grants(&self, access: Access) -> Result<Access> {
        Ok(access)
    }

    /// Starts to create it under the claim's name, token and owner tags. Where the provider has no client token, a
    /// resource of this identity that exists already is found first and answered. A foreign resource that holds the
    /// name is [`ErrorKind::NotOwned`](crate::ErrorKind::NotOwned).
    async fn create(&self, claim: &Claim, spec: &Self::Spec) -> Result<Created>;

    /// Closes the first of the differences it is given.
    async fn update(&self, claim: &Claim, state: &Self::State, spec: &Self::Spec, drift: &Drift) -> Result<Receipt>;

    /// Takes the next step towards its absence: lifts a protection, removes a part, or deletes it; the last is
    /// [`Receipt::ending`].
    async fn delete(&self, claim: &Claim, state: &Self::State) -> Result<Receipt>;

    /// Takes it out of use and keeps its data: access revoked, whitelist closed, backed up where asked, tagged
    /// `parked-until`. `until` is an RFC 3339 time.
    async fn park(&self, claim: &Claim, state: &Self::State, until: &str, backup: bool) -> Result<Receipt> {
        let _ = (claim, state, until, backup);
        Err(unsupported(
            self.kind(),
            "be parked; use deletionPolicy Delete or Retain",
        ))
    }

    /// Takes a parked resource back into use; accounts are ensured afterwards by the caller.
    async fn unpark(&self, claim: &Claim, state: &Self::State) -> Result<Receipt> {
        let _ = (claim, state);
        Err(unsupported(self.kind(), "be parked"))
    }

    /// Replaces the owner tags by this claim's: an SRE approved that it moves here from another owner.
    async fn adopt(&self, claim: &Claim, state: &Self::State) -> Result<Receipt> {
        let _ = (claim, state);
        Err(unsupported(self.kind(), "change its owner"))
    }

    /// Makes the account exist with this access and this password.
    async fn ensure_account(&self, claim: &Claim, state: &Self::State, account: &Account) -> Result<Receipt> {
        let _ = (claim, state, account);
        Err(unsupported(self.kind(), "have accounts"))
    }

    /// Removes the account.
    async fn drop_account(&self, claim: &Claim, state: &Self::State, name: &str) -> Result<Receipt> {
        let _ = (claim, state, name);
        Err(unsupported(self.kind(), "have accounts"))
    }

    /// Everything of this kind that carries the tag of this cluster.
    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>>;
}

fn unsupported(kind: Kind, what: &str) -> crate::Error {
    crate::Error::new(
        crate::ErrorKind::Unsupported,
        "adapter",
        format!("a {kind} of this provider cannot {what}"),
    )
}

/// What an adapter can do, and how patient one has to be with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// How often a resource at rest is looked at.
    pub poll: Duration,
    /// How often a resource in transition is looked at.
    pub poll_busy: Duration,
    /// How many claims one [`Adapter::observe`] takes.
    pub batch: usize,
    /// A create that is sent twice with one client token has one effect.
    pub idempotent_create: bool,
    /// A create that has not been answered within this time is abandoned and may have had its effect.
    pub send_deadline: Duration,
    /// A created resource can be seen within this time after the provider took the create.
    pub appears_within: Duration,
    /// It has accounts of its own.
    pub accounts: bool,
    /// It can be parked and reclaimed with its data.
    pub parks: bool,
    /// No call that was sent before its deletion leaves anything behind: its parts live in it, and a create that
    /// comes late answers for what is gone.
    pub self_contained: bool,
    /// A last backup can be made of it when it is parked.
    pub backs_up: bool,
}

impl Capability {
    /// How long after a journaled create an absence proves nothing.
    pub fn grace(&self) -> Duration {
        self.send_deadline + self.appears_within
    }
}

impl Default for Capability {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(300),
            poll_busy: Duration::from_secs(5),
            batch: 50,
            idempotent_create: false,
            send_deadline: Duration::from_secs(30),
            appears_within: Duration::from_secs(60),
            accounts: false,
            parks: false,
            self_contained: false,
            backs_up: false,
        }
    }
}

/// What was found for a claim.
#[derive(Debug)]
pub enum Sighting<S> {
    /// The provider answered, and there is none.
    Absent,
    /// There is one.
    One(S),
    /// More than one carries the identity; nothing is guessed.
    Several(Vec<ExternalId>),
}

/// How far a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It can be used.
    Ready,
    /// The provider works on it; any state that is not known counts as this.
    Busy(String),
    /// It is going.
    Deleting,
    /// The provider gave up on it.
    Failed(String),
    /// It runs, but those who must reach it cannot, and no update of ours mends that.
    Unreachable(String),
    /// It is parked until the RFC 3339 time.
    Parked(String),
}

/// What differs between what is declared and what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift(pub Vec<Difference>);

impl Drift {
    /// No difference.
    pub fn none() -> Self {
        Self::default()
    }

    /// Notes a difference if there is one.
    pub fn compare<T: PartialEq + Serialize>(
        &mut self,
        field: &'static str,
        change: Change,
        desired: &T,
        observed: &T,
    ) {
        // As it is written in a spec.
        let shown = |value: &T| match serde_json::to_value(value) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(other) => other.to_string(),
            Err(error) => error.to_string(),
        };
        if desired != observed {
            self.0.push(Difference {
                field,
                desired: shown(desired),
                observed: shown(observed),
                change,
            });
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field, as in the spec: `storage`, `listeners`.
    pub field: &'static str,
    /// What is declared.
    pub desired: String,
    /// What there is.
    pub observed: String,
    /// What may be done about it.
    pub change: Change,
}

/// What may be done about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Changed in place whenever it differs, whoever changed it: listeners, alarms, whitelist, tags, backends.
    Enforced,
    /// Changed in place, but only when the declaration changed: class, storage, high availability.
    OnChange,
    /// Cannot be changed in place; a replacement would be another resource.
    Immutable,
    /// Storage never shrinks.
    CannotShrink,
}

/// A create that the provider took.
#[derive(Debug, Clone)]
pub struct Created {
    /// What the provider calls it.
    pub id: ExternalId,
    /// The provider's id of the request.
    pub request_id: Option<String>,
}

/// A call that the provider took.
#[derive(Debug, Clone, Default)]
pub struct Receipt {
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// It was the deletion of the resource itself, or the answer that there is none of that id any more.
    pub ended: bool,
}

impl Receipt {
    /// Of the deletion of the resource itself, after which nothing but its traces is left to remove.
    #[must_use]
    pub fn ending(self) -> Self {
        Self { ended: true, ..self }
    }
}

/// One entry of an inventory.
#[derive(Debug, Clone)]
pub struct Owned {
    /// What the provider calls it.
    pub id: ExternalId,
    /// Whose it is.
    pub owner: Owner,
    /// How far it is.
    pub phase: Phase,
}

/// Where a create is written down before it is sent.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes down that this claim is about to be created. A compare-and-swap on its identity and incarnation: of
    /// two brokers, or of one before and after a crash, one is [`Permission::Granted`]. A claim that may be resent
    /// renews what is written there.
    ///
    /// An error means that nothing is known to be written, and nothing may be created.
    async fn creating(&self, claim: &Claim) -> Result<Permission>;
}

/// Whether a create may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It is written down; send it.
    Granted,
    /// Somebody else wrote it down; wait until its effect is sure.
    Settling,
}
