//! The operator on a real API server. One binary, so that one control plane serves all tests.

#[path = "../support/mod.rs"]
mod support;

mod alibaba;
mod application;
mod backends;
mod binding;
mod chaos;
mod cli;
mod gates;
mod lifecycle;
mod resource;
mod resource_support;
mod resource_teardown;
mod resource_trouble;
mod sharing;
mod start;
