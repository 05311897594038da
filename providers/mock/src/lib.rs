//! An in-memory cloud with all five kinds of resources, for laptops, for tests, and to show what a cloud does.
//!
//! It behaves as real clouds do where that has ever hurt anybody: creation takes its time, what is new may not be
//! seen yet, answers are lost, client tokens are honoured by some kinds and answer for the dead, names are unique
//! here and not there, networks refuse to go while something lives in them. [`register`] makes it a provider;
//! [`Cloud`] is the other side of it, where a test looks at what there really is, and makes things go wrong.
//!
//! Each call passes [`Cloud`]'s one gate: it takes its time, may go wrong, and has its effect at one moment. Nothing
//! here decides by the clock of the wall or by chance that is not seeded.
//!
//! What it deliberately lacks: a network (nothing listens on the addresses it gives out), prices, and permissions.

mod adapter;
mod call;
mod clock;
mod cloud;
mod config;
mod control;
mod kinds;
mod provider;
mod resource;
mod shape;
mod store;
mod validate;
mod world;

pub use call::{Call, Counters, Fault, FaultPlan, Op};
pub use cloud::Cloud;
pub use config::MockConfig;
pub use provider::{MockProvider, register};
pub use resource::{Login, Resource, Settings};
pub use world::{SHARED_NETWORK, SHARED_SUBNET};
