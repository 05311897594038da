//! A real OpenStack, and projects in it.

mod lab;
mod project;

pub use lab::{Lab, lab, range};
pub use project::{Project, text};
