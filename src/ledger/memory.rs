//! The ledger in memory: for tests that need ten thousand of them, and for seeing what a failing ledger does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Kind, Permission};

use super::{Audit, Error, Filter, Intent, Ledger, Memory, Record, Result, Standing};

/// A ledger in memory. Clones share what is written. Reads no clock, except to note since when something is gone.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    broken: bool,
    fail: u32,
    lose: u32,
    constants: BTreeMap<String, String>,
    rows: BTreeMap<Identity, Entry>,
    next: u64,
    audit: Vec<Audit>,
    told: BTreeMap<Identity, BTreeMap<String, String>>,
    approvals: BTreeMap<Identity, BTreeSet<String>>,
}

#[derive(Debug)]
struct Entry {
    /// The order of the first writes.
    seq: u64,
    record: Record,
    gone_since: Option<Timestamp>,
}

impl InMemory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next calls fail without effect.
    pub fn fail_next(&self, calls: u32) {
        self.state().fail = calls;
    }

    /// Lets the next calls take effect and fail all the same, as when a server dies after its commit.
    pub fn lose_next(&self, calls: u32) {
        self.state().lose = calls;
    }

    /// Lets every call fail without effect, until told otherwise.
    pub fn break_it(&self, broken: bool) {
        self.state().broken = broken;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, operation: &'static str, call: impl FnOnce(&mut State) -> T) -> Result<T> {
        let failed = |source: &str| {
            Err(Error::Database {
                operation,
                source: source.into(),
            })
        };
        let mut state = self.state();
        if state.broken || state.fail > 0 {
            state.fail = state.fail.saturating_sub(1);
            return failed("the ledger was told to fail");
        }
        let answer = call(&mut state);
        if state.lose > 0 {
            state.lose -= 1;
            return failed("the ledger was told to lose its answer");
        }
        Ok(answer)
    }
}

impl State {
    fn insert(&mut self, record: Record) {
        self.next += 1;
        let gone_since = gone_since(&record);
        self.rows.insert(
            record.owner.identity.clone(),
            Entry {
                seq: self.next,
                record,
                gone_since,
            },
        );
    }

    /// The records that match, with the order of their first writes.
    fn select(&self, matches: impl Fn(&Record) -> bool) -> Vec<(u64, Record)> {
        let matching = self.rows.values().filter(|entry| matches(&entry.record));
        matching.map(|entry| (entry.seq, entry.record.clone())).collect()
    }
}

fn gone_since(record: &Record) -> Option<Timestamp> {
    (record.standing == Standing::Gone).then(Timestamp::now)
}

#[async_trait]
impl Ledger for InMemory {
    async fn constant(&self, name: &str, proposal: &str) -> Result<String> {
        self.call("cannot write down a constant", |state| {
            state
                .constants
                .entry(name.to_owned())
                .or_insert_with(|| proposal.to_owned())
                .clone()
        })
    }

    async fn get(&self, identity: &Identity) -> Result<Option<Record>> {
        self.call("cannot read a record", |state| {
            state.rows.get(identity).map(|entry| entry.record.clone())
        })
    }

    async fn of_key(&self, cluster: &ClusterId, key: &Key) -> Result<Vec<Record>> {
        self.call("cannot read the records of a key", |state| {
            let mut found = state.select(|record| {
                record.owner.cluster == *cluster && record.owner.key == *key && record.standing != Standing::Gone
            });
            found.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
            found.into_iter().map(|(_, record)| record).collect()
        })
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Record>> {
        fn fits<T: PartialEq>(wanted: Option<&T>, value: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == value)
        }
        self.call("cannot list the records", |state| {
            let mut found = state.select(|record| {
                fits(filter.cluster.as_ref(), &record.owner.cluster)
                    && fits(filter.provider.as_ref(), &record.provider)
                    && fits(filter.namespace.as_ref(), &record.owner.key.namespace)
                    && fits(filter.application.as_ref(), &record.owner.key.application)
                    && (filter.gone || record.standing != Standing::Gone)
            });
            found.sort_by(|(a_seq, a), (b_seq, b)| (&a.owner.key, a_seq).cmp(&(&b.owner.key, b_seq)));
            found.into_iter().map(|(_, record)| record).collect()
        })
    }

    async fn put(&self, record: &Record) -> Result<()> {
        self.call("cannot write a record", |state| {
            let Some(entry) = state.rows.get_mut(&record.owner.identity) else {
                let memory = Memory {
                    intent: None,
                    ..record.memory.clone()
                };
                return state.insert(Record {
                    memory,
                    ..record.clone()
                });
            };
            let old = entry.record.memory.clone();
            let was_deleting = entry.record.standing == Standing::Deleting;
            if old.incarnation > record.memory.incarnation {
                return;
            }
            let sightings = entry.record.sightings;
            entry.gone_since = gone_since(record).map(|now| entry.gone_since.unwrap_or(now));
            entry.record = record.clone();
            entry.record.sightings = sightings;
            let memory = &mut entry.record.memory;
            memory.intent = old.intent;
            if memory.missing_since.is_none() && old.missing_since.is_some() {
                entry.record.sightings += 1;
            } else if record.sightings != sightings {
                memory.missing_since = old.missing_since;
            }
            if old.incarnation == memory.incarnation {
                memory.external_id = memory.external_id.take().or(old.external_id);
                memory.was_ready |= old.was_ready && !was_deleting;
            }
        })
    }

    async fn creating(&self, record: &Record, intent: &Intent, stale: Timestamp) -> Result<Permission> {
        self.call("cannot write down that something is about to be created", |state| {
            if record.memory.is_spent(intent.incarnation) {
                return Permission::Settling;
            }
            let Some(entry) = state.rows.get_mut(&record.owner.identity) else {
                state.insert(Record {
                    memory: record.memory.begun(intent),
                    ..record.clone()
                });
                return Permission::Granted;
            };
            let known = &mut entry.record;
            let held = known.memory.intent.as_ref().is_some_and(|held| held.since >= stale);
            let seen_since = known.memory.external_id.is_some()
                && (known.memory.missing_since.is_none() || known.sightings != record.sightings);
            if held || seen_since || known.memory.is_spent(intent.incarnation) {
                return Permission::Settling;
            }
            known.memory = known.memory.begun(intent);
            if known.standing == Standing::Gone {
                known.standing = record.standing;
            }
            entry.gone_since = None;
            Permission::Granted
        })
    }

    async fn concluded(&self, identity: &Identity, intent: &Intent, made: Option<&ExternalId>) -> Result<()> {
        let incarnation = intent.incarnation;
        self.call("cannot write down what became of a create", |state| {
            let Some(entry) = state.rows.get_mut(identity) else {
                return;
            };
            let Record { memory, sightings, .. } = &mut entry.record;
            match made {
                None if memory
                    .intent
                    .as_ref()
                    .is_some_and(|known| known.incarnation == incarnation && known.since == intent.since) =>
                {
                    memory.intent = None;
                }
                None => {}
                Some(_) if memory.incarnation > incarnation => {}
                Some(id) => {
                    if memory.incarnation < incarnation {
                        *memory = Memory {
                            incarnation,
                            ..Memory::default()
                        };
                    }
                    memory.external_id = Some(id.clone());
                    memory.intent = None;
                    *sightings += u32::from(memory.missing_since.take().is_some());
                }
            }
        })
    }

    async fn audit(&self, entry: &Audit) -> Result<()> {
        self.call("cannot write down what was done", |state| {
            state.audit.push(entry.clone());
        })
    }

    async fn audits(&self, identity: Option<&Identity>, since: Timestamp, limit: u32) -> Result<Vec<Audit>> {
        self.call("cannot read what was done", |state| {
            let matches = |entry: &&Audit| entry.at >= since && identity.is_none_or(|wanted| *wanted == entry.identity);
            let mut found: Vec<Audit> = state.audit.iter().rev().filter(matches).cloned().collect();
            found.sort_by_key(|entry| std::cmp::Reverse(entry.at));
            found.truncate(limit as usize);
            found
        })
    }

    async fn trim_audit(&self, before: Timestamp, keep: u32) -> Result<()> {
        self.call("cannot remove what was done long ago", |state| {
            let mut later: BTreeMap<Identity, u32> = BTreeMap::new();
            let mut order: Vec<usize> = (0..state.audit.len()).collect();
            order.sort_by_key(|index| std::cmp::Reverse((state.audit[*index].at, *index)));
            let doomed: BTreeSet<usize> = order
                .into_iter()
                .filter(|index| {
                    let entry = &state.audit[*index];
                    let count = later.entry(entry.identity.clone()).or_default();
                    *count += 1;
                    *count > keep && entry.at < before
                })
                .collect();
            let mut index = 0;
            state.audit.retain(|_| {
                index += 1;
                !doomed.contains(&(index - 1))
            });
        })
    }

    async fn deletions(&self, environment: &str, kind: Kind, since: Timestamp) -> Result<u32> {
        self.call("cannot count the deletions", |state| {
            let deletions = state.audit.iter().filter(|entry| {
                (entry.action.as_str(), entry.outcome.as_str()) == ("delete", "ok")
                    && (entry.environment.as_str(), entry.kind) == (environment, kind)
                    && entry.at >= since
            });
            deletions.map(|entry| &entry.identity).collect::<BTreeSet<_>>().len() as u32
        })
    }

    async fn told(&self, identity: &Identity) -> Result<BTreeMap<String, String>> {
        self.call("cannot read what was told of accounts", |state| {
            state.told.get(identity).cloned().unwrap_or_default()
        })
    }

    async fn tell(&self, identity: &Identity, account: &str, hash: Option<&str>) -> Result<()> {
        self.call("cannot write down what was told of an account", |state| {
            let told = state.told.entry(identity.clone()).or_default();
            match hash {
                Some(hash) => told.insert(account.to_owned(), hash.to_owned()),
                None => told.remove(account),
            };
        })
    }

    async fn approve(&self, identity: &Identity, action: &str, _: &str, _: Timestamp) -> Result<()> {
        self.call("cannot write down an approval", |state| {
            state
                .approvals
                .entry(identity.clone())
                .or_default()
                .insert(action.to_owned());
        })
    }

    async fn approvals(&self, identity: &Identity) -> Result<Vec<String>> {
        self.call("cannot read the approvals", |state| {
            state.approvals.get(identity).into_iter().flatten().cloned().collect()
        })
    }

    async fn used(&self, identity: &Identity, action: &str) -> Result<()> {
        self.call("cannot write down that an approval was used", |state| {
            if let Some(approvals) = state.approvals.get_mut(identity) {
                approvals.remove(action);
            }
        })
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.call("cannot remove what is gone", |state| {
            let doomed: BTreeSet<Identity> = state
                .rows
                .iter()
                .filter(|(_, entry)| {
                    entry.gone_since.is_some_and(|since| since < before)
                        && entry
                            .record
                            .memory
                            .intent
                            .as_ref()
                            .is_none_or(|intent| intent.since < before)
                })
                .map(|(identity, _)| identity.clone())
                .collect();
            state.rows.retain(|identity, _| !doomed.contains(identity));
            state.audit.retain(|entry| !doomed.contains(&entry.identity));
            state.told.retain(|identity, _| !doomed.contains(identity));
            state.approvals.retain(|identity, _| !doomed.contains(identity));
            doomed.len() as u64
        })
    }
}
