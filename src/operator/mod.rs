//! The Kubernetes front: controllers around the [engine](crate::engine).
//!
//! Only the leader runs controllers; a lease does not fence, so what must happen once is decided by a compare-and-swap
//! on the object concerned. Each kind is watched once ([`Watched`]); a reconcile reads from there, looks at what there
//! is and takes a step, whatever it was called for.

pub mod context;
pub mod control;
mod events;
pub mod metrics;
pub mod watched;

pub use context::{Applications, Context, Options, Stores};
pub use control::Failure;
pub use metrics::Metrics;
pub use watched::Watched;
