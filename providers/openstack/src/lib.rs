//! OpenStack: networks (Neutron), load balancers (Octavia) and databases (Trove), with Keystone v3 in front.
//!
//! **Whose a thing is.** Neutron and Octavia have tags; each part of a resource carries the owner tags, and its
//! description says the same, because Neutron takes tags only in a second call: what was made before a crash is found
//! by its description and tagged then. Trove has no tags, so an instance's *name* carries its owner, its database and,
//! while it is parked, until when. Nothing is ever found by a readable name alone.
//!
//! **One call, one change.** A resource of several parts is looked at anew before each change, so that a change that
//! is sent twice, or with an old state, finds out what is left to do.
//!
//! **What it deliberately does not do.** It follows no link that a service answers, reads no proxy variables, never
//! takes a 404 without the service's own error in it for absence, and serves neither `log` nor `monitor`: OpenStack
//! has no service for them that is in common use; the Environment names another provider.

mod clouds;
mod config;
mod credentials;
mod fault;
mod keystone;
mod label;
mod neutron;
mod provider;
mod rds;
mod session;
mod slb;
mod validate;
mod vpc;

pub use config::{Datastore, Interface, LimitedAccess, LoadBalancers, OpenstackConfig, Service, Timing};
pub use provider::{OpenstackProvider, register};
