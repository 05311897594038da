//! The simulator by itself, and under the official SDKs.

mod common;
mod faults;
mod life;
mod sdk;
mod wire;
