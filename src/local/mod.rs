//! The clusterless front: the same engine on the same manifest, with the ledger as its only memory.
//!
//! A state directory holds the ledger, what is remembered beside it, and the credentials; with them alone everything
//! can be taken down. One process at a time works on it. Nothing here prints: commands answer what the command line
//! shows, and progress is told through callbacks.

pub mod documents;
mod down;
pub mod drive;
mod env;
mod error;
mod files;
mod front;
mod intent;
mod leave;
mod login;
mod plan;
mod shown;
mod state;
mod up;
mod words;

pub use down::down;
pub use error::{Error, Result, chain};
pub use front::{Front, application_name};
pub use leave::{Went, due, reap};
pub use plan::{Action, Plan, Planned, judge, plan};
pub use shown::{Checked, Listed, check, inventory, list};
pub use state::State;
pub use up::{Row, Up, up};
pub use words::{Word, approve, rotate};
