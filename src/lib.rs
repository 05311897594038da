//! Cloud resources that live and die with the application that declares them.

#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns repeat their type, and clippy hears this only here"
)]

pub mod api;
pub mod engine;
pub mod ledger;
pub mod operator;
