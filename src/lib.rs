//! Cloud resources that live and die with the application that declares them.

pub mod api;
pub mod engine;
pub mod ledger;
pub mod local;
