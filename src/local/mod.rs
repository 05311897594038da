//! The clusterless front: the same engine on the same manifest, with the ledger as its only memory.

pub mod drive;
