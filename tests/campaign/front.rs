//! What a front keeps between processes: the declarations and, as an API server would, a memory with a version.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use mooring::{
    engine::{Done, Report, WriteAhead},
    ledger::Memory,
};
use mooring_provider::{Identity, Key, Kind, Permission, Result};
use secrecy::SecretString;

/// What is wanted of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Present,
    Absent,
    Parked,
}

/// One declaration and what is remembered of it.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) key: Key,
    pub(crate) kind: Kind,
    pub(crate) identity: Identity,
    pub(crate) password: SecretString,
    pub(crate) wish: Wish,
    pub(crate) size: u64,
    pub(crate) status: Memory,
    pub(crate) version: u64,
    pub(crate) ready: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) done: Option<Done>,
    pub(crate) keep_until: Timestamp,
    /// What it gives to others: the ids of a network and its subnets.
    pub(crate) outputs: BTreeMap<String, String>,
    /// Everything anybody was ever told of it.
    pub(crate) told: Vec<String>,
}

/// The declarations of a story, shared by its processes as a cluster's API server would share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Front(Arc<Mutex<BTreeMap<Key, Declared>>>);

impl Front {
    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Declared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self, key: &Key) -> Declared {
        self.all()[key].clone()
    }

    /// Changes a declaration, as a developer or a disaster would.
    pub(crate) fn edit(&self, key: &Key, edit: impl FnOnce(&mut Declared)) {
        let mut all = self.all();
        let declared = all.get_mut(key).expect("the story declares it");
        edit(declared);
        declared.version += 1;
    }

    /// Writes what a step came to, if nobody else wrote since it was read.
    pub(crate) fn conclude(&self, read: &Declared, version: u64, report: &Report) {
        let mut all = self.all();
        let declared = all.get_mut(&read.key).expect("the story declares it");
        if declared.version != version {
            return;
        }
        declared.version += 1;
        declared.status = report.memory.clone();
        if let Some(ready) = &report.ready {
            declared.ready = ready.is;
            declared.reason = ready.reason.to_owned();
        }
        declared.message = report.message().to_owned();
        if let Some(mooring_provider::Value::Plain(id)) = report.bindings.get("network-id") {
            declared.outputs.insert("network-id".into(), id.clone());
        }
        if let Some(mooring_provider::Value::Plain(ids)) = report.bindings.get("subnet-ids") {
            declared.outputs.insert("subnet-ids".into(), ids.clone());
        }
        if report.done.is_some() {
            declared.done = report.done;
        }
        declared
            .told
            .push(format!("{:?} {report:?}", tokio::time::Instant::now()));
        if declared.told.len() > 50 {
            declared.told.remove(0);
        }
    }
}

/// The status write before a create, as a compare-and-swap on the version that was read.
pub(crate) struct Status<'a> {
    pub(crate) front: &'a Front,
    pub(crate) key: &'a Key,
    pub(crate) version: Mutex<u64>,
}

#[async_trait]
impl WriteAhead for Status<'_> {
    async fn write(&self, memory: &Memory) -> Result<Permission> {
        // The write takes its way to the server and back; anything may come between.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let written = {
            let mut all = self.front.all();
            let declared = all.get_mut(self.key).expect("the story declares it");
            let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
            if declared.version == *version {
                declared.version += 1;
                *version = declared.version;
                declared.status = memory.clone();
                true
            } else {
                false
            }
        };
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        Ok(if written {
            Permission::Granted
        } else {
            Permission::Settling
        })
    }
}

/// A front whose status write proves nothing.
pub(crate) struct NoStatus;

#[async_trait]
impl WriteAhead for NoStatus {
    async fn write(&self, _: &Memory) -> Result<Permission> {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        Ok(Permission::Granted)
    }
}
