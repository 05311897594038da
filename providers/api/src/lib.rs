//! The contract between Mooring and a provider of cloud resources.
//!
//! A provider implements [`Adapter`] once per [`Kind`] it serves and bundles the adapters in a [`Provider`].
//! [`converge`] is the only thing that drives an adapter: it observes, then takes **at most one step** towards a
//! [`Goal`], whatever the cause of the call was. The engine decorates adapters (batching, budget, audit) without
//! changing what they mean.
//!
//! What this crate deliberately does not know: Kubernetes, HTTP, SQL, the clock of the wall, and how a developer
//! writes a trait. It also keeps no state: what must be remembered is the caller's, see [`Journal`] and [`Claim`].
//!
//! With the feature `conformance` the crate carries the suite that every adapter is held to.

mod adapter;
mod binding;
mod claim;
mod converge;
mod dynamic;
mod error;
mod kind;
mod proof;
mod provider;
mod quantity;

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod spec;

pub use adapter::{
    Adapter, Capability, Change, Created, Difference, Drift, Journal, Owned, Permission, Phase, Receipt, Sighting,
};
pub use binding::{Access, Account, Bindings, Value};
pub use claim::{Claim, ClusterId, ExternalId, Identity, Key, Owner, external_name, tag};
pub use converge::{AccountGoal, Goal, Outcome, Seen, Step, converge};
pub use dynamic::{AnyState, DynAdapter};
pub use error::{Error, ErrorKind, Result, Retry};
pub use kind::Kind;
pub use proof::{Circumstances, Proof};
pub use provider::{Credentials, Provider, ProviderInfo, Registration};
pub use quantity::{Bytes, QuantityError, Span};

/// The parts of [`converge`] that a caller can judge by name; condition reasons that are no errors.
pub mod reason {
    /// All is as declared.
    pub const READY: &str = "Ready";
    /// The create was journaled and its effect may not be visible yet; absence proves nothing.
    pub const SETTLING: &str = "Settling";
    /// Something else must be there first.
    pub const WAITING_FOR: &str = "WaitingFor";
    /// The provider is working on it.
    pub const PROVISIONING: &str = "Provisioning";
    /// A change was sent and is taking effect.
    pub const UPDATING: &str = "Updating";
    /// The delete was sent and the resource is going.
    pub const DELETING: &str = "Deleting";
    /// It stands with the provider, but in a failed state.
    pub const FAILED: &str = "ProvisioningFailed";
    /// It runs, but its consumers cannot reach it.
    pub const UNREACHABLE: &str = "Unreachable";
    /// More than one external resource carries this identity.
    pub const AMBIGUOUS: &str = "Ambiguous";
    /// It carries another owner's tag.
    pub const OWNED_ELSEWHERE: &str = "OwnedElsewhere";
    /// A data-bearing resource that was ready is absent.
    pub const LOST: &str = "Lost";
    /// It is parked: no access, its data kept.
    pub const PARKED: &str = "Parked";
    /// It differs from its declaration in a field that only a changed declaration acts upon.
    pub const DRIFTED: &str = "Drifted";
    /// A declared change cannot be made in place.
    pub const IMMUTABLE: &str = "ImmutableField";
    /// Nothing differs.
    pub const IN_SYNC: &str = "InSync";
}
