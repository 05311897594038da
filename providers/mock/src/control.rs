//! What a test may do behind the back of those who use the cloud.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use mooring_provider::{Access, ExternalId, Kind, Owner, Phase, Provider, tag};

use crate::{
    Call, Cloud, Counters, Fault, FaultPlan, MockConfig, MockProvider, Op, Resource, resource::Settings, world::World,
};

impl Cloud {
    /// A provider of this cloud with credentials that are good.
    pub fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(MockProvider::new(self.clone(), true))
    }

    /// How the cloud is configured.
    pub fn config(&self) -> MockConfig {
        self.lock().config.clone()
    }

    /// Configures the cloud anew, at once.
    pub fn configure(&self, change: impl FnOnce(&mut MockConfig)) {
        change(&mut self.lock().config);
    }

    fn with<T>(&self, run: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        self.lock()
            .with("mock.control", |world, now, _| run(world, now))
            .expect("the state file can be used")
    }

    /// Everything there is, visible or not, in the order of its creation; the shared network is no part of it.
    pub fn list(&self) -> Vec<Resource> {
        self.with(|world, _| {
            let mut all: Vec<_> = Kind::ALL.into_iter().flat_map(|kind| world.of(kind).cloned()).collect();
            all.sort_by_key(|resource| resource.serial);
            all
        })
    }

    /// One resource.
    pub fn get(&self, id: &ExternalId) -> Option<Resource> {
        self.with(|world, _| world.get(id).cloned())
    }

    /// How far a resource is.
    pub fn phase(&self, id: &ExternalId) -> Option<Phase> {
        self.with(|world, now| world.get(id).map(|resource| resource.phase(now)))
    }

    /// Everything that carries the owner's identity, whoever's it is.
    pub fn owned(&self, owner: &Owner) -> Vec<Resource> {
        let identity = owner.identity.as_str();
        self.with(|world, _| {
            let carries = |resource: &&Resource| resource.tags.get(tag::IDENTITY).is_some_and(|is| is == identity);
            world.all().filter(carries).cloned().collect()
        })
    }

    /// The rows of a database or the lines of a log store; `None` when it is not there.
    pub fn rows(&self, id: &ExternalId) -> Option<Vec<String>> {
        self.get(id).map(|resource| resource.rows)
    }

    /// Writes a row; `false` when there is nothing to write it to.
    pub fn write(&self, id: &ExternalId, row: impl Into<String>) -> bool {
        self.change(id, |resource| resource.rows.push(row.into()))
    }

    /// What a user may do who logs in, if it may log in at all.
    pub fn login(&self, id: &ExternalId, user: &str, password: &str) -> Option<Access> {
        let resource = self.get(id)?;
        resource
            .accounts
            .get(user)
            .filter(|login| login.admits(id, password))
            .map(|login| login.access)
    }

    /// Changes a resource behind our back; `false` when it is not there.
    pub fn change(&self, id: &ExternalId, change: impl FnOnce(&mut Resource)) -> bool {
        self.with(|world, _| world.edit(id).map(change).is_some())
    }

    /// Destroys a resource with its data behind our back, at once; `false` when it is not there.
    pub fn destroy(&self, id: &ExternalId) -> bool {
        self.with(|world, _| world.remove(id).is_some())
    }

    /// Somebody else makes a resource of this name, with no tags of ours.
    pub fn add_foreign(&self, name: &str, settings: Settings) -> ExternalId {
        self.with(|world, now| {
            let serial = world.next_serial();
            let id = ExternalId::new(format!("{}-foreign{serial:05}", settings.kind()));
            world.put(Resource::foreign(id.clone(), name, settings, serial, now));
            id
        })
    }

    /// The next call of this operation (and kind) goes wrong. Several calls of this method queue up.
    pub fn fail_next(&self, op: Op, kind: Option<Kind>, fault: Fault) {
        self.lock().next.push_back((op, kind, fault));
    }

    /// Asks the plan at each call whether it goes wrong.
    pub fn plan_faults(&self, plan: impl FaultPlan + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// Nothing goes wrong any more, except by the configuration's probabilities.
    pub fn clear_faults(&self) {
        let mut inner = self.lock();
        inner.next.clear();
        inner.plan = None;
    }

    /// Takes the cloud down or brings it up.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Revokes the credentials or makes them good again. A cloud that asked for none asks for them from now on.
    pub fn set_revoked(&self, revoked: bool) {
        let mut inner = self.lock();
        inner.revoked = revoked;
        inner.config.requires_credentials |= revoked;
    }

    /// The latest calls, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().log.iter().cloned().collect()
    }

    /// How many calls of an operation there were, of a kind.
    pub fn count(&self, op: Op, kind: Kind) -> u64 {
        self.lock().counts.get(&(op, Some(kind))).copied().unwrap_or_default()
    }

    /// How many resources were ever made here, foreign ones included.
    pub fn created(&self) -> u64 {
        self.with(|world, _| world.serial())
    }

    /// How many calls there were.
    pub fn counters(&self) -> Counters {
        self.lock().counters
    }

    /// The identities of which there ever were two at a time in this process, whoever made them.
    pub fn doubled(&self) -> Vec<String> {
        self.with(|world, _| world.doubled().cloned().collect())
    }

    /// How long until nothing is under way any more: no creation, no change, no deletion, no late call, nothing
    /// invisible.
    pub fn unrest(&self) -> Duration {
        let mut inner = self.lock();
        let late = inner.last_late();
        let until = inner.with("mock.control", |world, now, _| {
            let until = world
                .all()
                .flat_map(Resource::appointments)
                .chain(late)
                .max()
                .unwrap_or(now);
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        });
        until.expect("the state file can be used")
    }
}
