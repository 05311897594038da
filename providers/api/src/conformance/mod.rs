//! The suite that every adapter is held to.
