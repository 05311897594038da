//! What the tests of several files need.

#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

pub(crate) mod cluster;
pub(crate) mod gate;
pub(crate) mod postgres;
