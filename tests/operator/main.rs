//! The operator on a real API server. One binary, so that one control plane serves all tests.

#[path = "../support/mod.rs"]
mod support;

mod binding;
mod resource;
mod resource_support;
mod start;
