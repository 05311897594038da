//! The operator on a real API server. One binary, so that one control plane serves all tests.

#[path = "../support/mod.rs"]
mod support;

mod alibaba;
mod application;
mod backends;
mod bad_input;
mod bind;
mod binding;
mod chaos;
mod cli;
mod examples;
mod gates;
mod interrupted;
mod lifecycle;
mod outage;
mod provider_trouble;
mod resource;
mod resource_support;
mod resource_teardown;
mod resource_trouble;
mod sharing;
mod start;
