//! Cloud resources that live and die with the application that declares them.

pub mod api;
pub mod cli;
pub mod engine;
pub mod ledger;
pub mod local;

/// The providers of this build.
pub fn registrations() -> Vec<mooring_provider::Registration> {
    vec![mooring_provider_mock::register()]
}
