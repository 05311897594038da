//! Runs the steps of many resources, each in its turn, until every one is settled.
//!
//! The ledger is the only memory: dropping the future at any await loses nothing, and starting again goes on from
//! where it was. Nothing here knows a terminal, a file or a manifest.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use mooring_provider::{Bindings, Difference, ErrorKind, ExternalId, Key, Kind, Owner, reason};

use crate::{
    engine::{Connection, Done, Engine, Job, Next, Report, State, Want},
    ledger::Memory,
};

/// A pause at which somebody has to act first, so that whoever sits at a terminal is told instead.
const TOO_LONG_TO_WATCH: Duration = Duration::from_secs(60);

/// One resource, and what is wanted of it.
pub struct Unit {
    /// Whose it is.
    pub owner: Owner,
    /// Its kind.
    pub kind: Kind,
    /// The Environment it is declared in.
    pub environment: String,
    /// The id of something that is there already and is to be used as it is.
    pub existing: Option<ExternalId>,
    /// An SRE approved that it moves here from another owner.
    pub may_adopt: bool,
    /// Where it is.
    pub connection: Arc<Connection>,
    /// The units that are settled before this one starts. A key that no unit has is not waited for.
    pub after: Vec<Key>,
    /// What is wanted, made when all of `after` are settled: a spec may need what the others came to.
    pub want: Wanted,
}

/// Makes what is wanted of a unit from what others came to, or says what stands in the way.
pub type Wanted = Box<dyn Fn(&Made) -> Result<Want, String> + Send + Sync>;

/// What the settled units came to, by their key.
pub type Made = BTreeMap<Key, Thing>;

/// What one unit came to.
#[derive(Debug, Clone, Default)]
pub struct Thing {
    /// What the provider calls it.
    pub external_id: Option<ExternalId>,
    /// What consumers need.
    pub bindings: Bindings,
}

/// Something a person who waits is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The resource.
    pub key: Key,
    /// Its kind.
    pub kind: Kind,
    /// How far it is.
    pub stage: Stage,
    /// Why, one word.
    pub reason: &'static str,
    /// What happens or is awaited, for a person.
    pub message: String,
}

/// How far a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for another unit.
    Waiting,
    /// It is on its way.
    Working,
    /// It is as wanted.
    Settled,
    /// It does not go on by itself.
    Stuck,
}

/// How a unit ended.
#[derive(Debug)]
pub struct Ended {
    /// The resource.
    pub owner: Owner,
    /// Its kind.
    pub kind: Kind,
    /// The ProviderConfig it is at.
    pub provider: String,
    /// How it ended.
    pub how: How,
    /// Why it ended so.
    pub reason: &'static str,
    /// What a person is told.
    pub message: String,
    /// What the provider calls it.
    pub external_id: Option<ExternalId>,
    /// Its address.
    pub endpoint: Option<String>,
    /// What consumers need.
    pub bindings: Bindings,
    /// What differs from the declaration and is left so.
    pub drift: Vec<Difference>,
}

/// How a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is there, and as declared.
    Ready,
    /// It is there and can be used, but a declared change was refused or somebody changed it; the reason says which.
    ReadyButNotAsDeclared,
    /// It is no longer here.
    Done(Done),
    /// Somebody has to act.
    Stuck,
    /// A unit it waits for did not settle.
    NotStarted,
    /// Time was up.
    TimedOut,
}

impl How {
    /// Whether those that wait for it may go on.
    pub const fn settled(self) -> bool {
        matches!(self, Self::Ready | Self::ReadyButNotAsDeclared | Self::Done(_))
    }
}

/// Runs the units until each is settled, cannot go on, or time is up, and tells how each ended, in their order.
///
/// `tell` is called often and must not block.
pub async fn drive(
    engine: &Engine,
    units: Vec<Unit>,
    timeout: Duration,
    tell: &(dyn Fn(Progress) + Sync),
) -> Vec<Ended> {
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    let teller = Teller {
        tell,
        last: Mutex::default(),
    };
    let index = units
        .iter()
        .enumerate()
        .map(|(n, unit)| (unit.owner.key.clone(), n))
        .collect();
    let mut ended: Vec<Option<Ended>> = units.iter().map(|_| None).collect();
    let mut started = vec![false; units.len()];
    let mut made = Made::new();
    let mut running: FuturesUnordered<BoxFuture<'_, (usize, Ended)>> = FuturesUnordered::new();
    loop {
        // What cannot start takes with it what waits for it, so this is done until nothing changes.
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for (n, unit) in units.iter().enumerate() {
                if started[n] {
                    continue;
                }
                let stuck = match readiness(unit, &index, &ended) {
                    Readiness::Waits(message) => {
                        teller.tell(unit.progress(Stage::Waiting, WAITING_FOR, message));
                        continue;
                    }
                    Readiness::Never(message) => unit.ended(How::NotStarted, WAITING_FOR, message),
                    Readiness::Now => match (unit.want)(&made) {
                        Ok(want) => {
                            let teller = &teller;
                            running.push(Box::pin(async move { (n, run(engine, unit, want, teller).await) }));
                            started[n] = true;
                            continue;
                        }
                        Err(message) => unit.ended(How::Stuck, ErrorKind::InvalidSpec.reason(), message),
                    },
                };
                teller.tell(unit.progress(Stage::Stuck, stuck.reason, stuck.message.clone()));
                (started[n], ended[n], changed) = (true, Some(stuck), true);
            }
        }
        let finished = tokio::select! {
            biased;
            finished = running.next() => finished,
            () = &mut deadline => None,
        };
        let Some((n, end)) = finished else { break };
        let thing = Thing {
            external_id: end.external_id.clone(),
            bindings: end.bindings.clone(),
        };
        made.insert(end.owner.key.clone(), thing);
        ended[n] = Some(end);
    }
    let all = units
        .iter()
        .zip(ended)
        .map(|(unit, ended)| ended.unwrap_or_else(|| teller.timed_out(unit)));
    all.collect()
}

/// The reason of what waits for another unit.
const WAITING_FOR: &str = "WaitingFor";

/// Tells what is new.
struct Teller<'a> {
    tell: &'a (dyn Fn(Progress) + Sync),
    last: Mutex<HashMap<Key, Progress>>,
}

impl Teller<'_> {
    fn tell(&self, progress: Progress) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.insert(progress.key.clone(), progress.clone()).as_ref() != Some(&progress) {
            (self.tell)(progress);
        }
    }

    fn timed_out(&self, unit: &Unit) -> Ended {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.get(&unit.owner.key) {
            Some(last) => unit.ended(How::TimedOut, last.reason, last.message.clone()),
            None => unit.ended(
                How::TimedOut,
                reason::PROVISIONING,
                "the first call was not answered in time",
            ),
        }
    }
}

enum Readiness {
    Now,
    Waits(String),
    Never(String),
}

fn readiness(unit: &Unit, index: &HashMap<Key, usize>, ended: &[Option<Ended>]) -> Readiness {
    let mut waits = Vec::new();
    for key in &unit.after {
        let Some(n) = index.get(key) else { continue };
        match &ended[*n] {
            Some(end) if end.how.settled() => {}
            Some(end) => return Readiness::Never(format!("needs {key}, which did not get there ({})", end.reason)),
            None => waits.push(key.to_string()),
        }
    }
    if waits.is_empty() {
        Readiness::Now
    } else {
        Readiness::Waits(format!("waits for {}", waits.join(", ")))
    }
}

impl Unit {
    fn progress(&self, stage: Stage, reason: &'static str, message: impl Into<String>) -> Progress {
        Progress {
            key: self.owner.key.clone(),
            kind: self.kind,
            stage,
            reason,
            message: message.into(),
        }
    }

    fn ended(&self, how: How, reason: &'static str, message: impl Into<String>) -> Ended {
        Ended {
            owner: self.owner.clone(),
            kind: self.kind,
            provider: self.connection.name.clone(),
            how,
            reason,
            message: message.into(),
            external_id: None,
            endpoint: None,
            bindings: Bindings::new(),
            drift: Vec::new(),
        }
    }
}

/// Steps one unit until it is settled or stuck.
async fn run(engine: &Engine, unit: &Unit, want: Want, teller: &Teller<'_>) -> Ended {
    let job = Job {
        owner: unit.owner.clone(),
        kind: unit.kind,
        environment: unit.environment.clone(),
        existing: unit.existing.clone(),
        want,
        may_adopt: unit.may_adopt,
    };
    let mut memory = Memory::default();
    loop {
        let report = engine.step(&unit.connection, &job, &memory, &()).await;
        let State { reason, message, .. } = report.ready.clone().unwrap_or_else(|| report.synced.clone());
        let next = match verdict(&report) {
            Verdict::Ended(how) => {
                let State { reason, message, .. } = match how {
                    How::ReadyButNotAsDeclared => report.synced.clone(),
                    _ => State {
                        is: false,
                        reason,
                        message,
                    },
                };
                let stage = if how.settled() { Stage::Settled } else { Stage::Stuck };
                teller.tell(unit.progress(stage, reason, message.clone()));
                return Ended {
                    external_id: report.memory.external_id,
                    endpoint: report.endpoint,
                    bindings: report.bindings,
                    drift: report.drift,
                    ..unit.ended(how, reason, message)
                };
            }
            Verdict::GoesOn(next) => next,
        };
        let message = match report.error {
            Some(_) => format!("{message}; tried again in {}", mooring_provider::Span::new(next)),
            None => message,
        };
        teller.tell(unit.progress(Stage::Working, reason, message));
        memory = report.memory;
        tokio::time::sleep(next).await;
    }
}

enum Verdict {
    Ended(How),
    GoesOn(Duration),
}

fn verdict(report: &Report) -> Verdict {
    if let Some(done) = report.done {
        return Verdict::Ended(How::Done(done));
    }
    let Next::After(next) = report.next else {
        return Verdict::Ended(How::Stuck);
    };
    if let Some(kind) = report.error {
        // A refused key is not granted anything within seconds; a missing permission may just have been.
        let hopeless = matches!(kind, ErrorKind::Unauthenticated | ErrorKind::NotOwned);
        let slow = matches!(kind, ErrorKind::PermissionDenied | ErrorKind::QuotaExceeded) && next >= TOO_LONG_TO_WATCH;
        return if hopeless || slow {
            Verdict::Ended(How::Stuck)
        } else {
            Verdict::GoesOn(next)
        };
    }
    let told = report.ready.as_ref().unwrap_or(&report.synced);
    match told.reason {
        reason::READY if told.is && report.synced.is => Verdict::Ended(How::Ready),
        reason::READY if told.is => Verdict::Ended(How::ReadyButNotAsDeclared),
        reason::SETTLING | reason::PROVISIONING | reason::UPDATING | reason::DELETING => Verdict::GoesOn(next),
        _ => Verdict::Ended(How::Stuck),
    }
}

#[cfg(test)]
mod tests;
