//! KubeVela's own code on our traits: what it makes of a TraitDefinition, and its controller beside our operator on a
//! real API server.

#[path = "../support/mod.rs"]
mod support;

mod arrival;
mod definitions;
mod stories;
mod trouble;
mod vela;
