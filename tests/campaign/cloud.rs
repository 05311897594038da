//! What a story asks of a cloud behind everybody's back: the mock, and Alibaba Cloud's simulator.

use std::{fmt, sync::Arc, time::Duration};

use mooring_provider::{Access, ExternalId, Identity, Kind, Provider};
use serde_json::Value as Json;

/// A cloud that stories are told of.
pub(crate) trait Cloud: fmt::Debug + Send + Sync {
    /// An account of it. It is asked for by each life of the process.
    fn provider(&self) -> Arc<dyn Provider>;

    /// Makes of a portable spec one of this cloud: classes, contacts.
    fn localize(&self, _kind: Kind, _spec: &mut Json) {}

    /// Everything that carries an identity of ours, with its parts.
    fn owned(&self) -> Vec<Thing>;

    /// What else is there on our account: a project that nothing is in any more.
    fn leftovers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Somebody else makes a thing of this kind and name; `None` where names mean nothing.
    fn add_foreign(&self, kind: Kind, name: &str) -> Option<ExternalId>;

    /// The thing of this kind and name, whoever's it is.
    fn named(&self, name: &str) -> Option<ExternalId>;

    /// Everything there is to know of a thing; `None` when it is gone.
    fn look(&self, id: &ExternalId) -> Option<String>;

    /// Destroys a thing with its data, at once.
    fn destroy(&self, kind: Kind, id: &ExternalId);

    /// Writes a row into a database.
    fn write(&self, id: &ExternalId, row: &str);

    /// The rows of a database; `None` when it is gone.
    fn rows(&self, id: &ExternalId) -> Option<Vec<String>>;

    /// What a user may do who logs in; `None` when he cannot.
    fn login(&self, id: &ExternalId, user: &str, password: &str) -> Option<Access>;

    /// From now on calls go wrong at this rate.
    fn storm(&self, rate: f64, seed: u64);

    /// Nothing goes wrong any more.
    fn calm(&self);

    /// How often something went wrong.
    fn faults(&self) -> u64;

    /// How many resources were created.
    fn created(&self) -> u64;

    /// How long until nothing is under way or hidden any more.
    fn unrest(&self) -> Duration;

    /// What was created and deleted, in the order of its effect.
    fn deeds(&self) -> Vec<Deed>;

    /// The calls that changed something, for a reader.
    fn story(&self) -> Vec<String>;

    /// How many polls a life of the process has at most before it is killed.
    fn longest_life(&self) -> u64;

    /// How long it may take, when all goes well, until everything is as wanted.
    fn patience(&self) -> Duration;
}

/// A thing of ours.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) id: ExternalId,
    pub(crate) identity: Identity,
    /// It is a resource itself, not a part of one.
    pub(crate) whole: bool,
    pub(crate) parked: bool,
    /// It is gone but for its name, and takes a while.
    pub(crate) going: bool,
}

/// Something that was done to a resource.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) kind: Kind,
    /// Created; else deleted.
    pub(crate) created: bool,
    pub(crate) shown: String,
}
