//! One step of one resource.

mod judge;
mod remembered;
mod report;
mod write_ahead;

use std::time::Duration;

use jiff::Timestamp;
use mooring_provider::{
    Account, AccountGoal, Capability, Circumstances, DynAdapter, Error, ErrorKind, ExternalId, Goal, Kind, Outcome,
    Owner, Phase, Result, converge,
};
use serde_json::Value as Json;

use super::{Connection, Engine, Priority, secret, unwritten};
use crate::ledger::{Memory, Record, Standing};

use remembered::{claim, merge, record};

pub use report::{Done, Next, Report, State};
pub use write_ahead::WriteAhead;

/// A resource as a front has it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Whose it is.
    pub owner: Owner,
    /// Its kind.
    pub kind: Kind,
    /// The Environment it is declared in.
    pub environment: String,
    /// The id of something that is there already and is to be used as it is.
    pub existing: Option<ExternalId>,
    /// What is wanted of it.
    pub want: Want,
    /// An SRE approved that it moves here from another owner.
    pub may_adopt: bool,
}

/// What is wanted of a resource.
#[derive(Debug, Clone)]
pub enum Want {
    /// It exists as the resolved spec says.
    Present {
        /// The resolved spec, one of [`mooring_provider::spec`].
        spec: Json,
        /// Its accounts; any other that the provider was told of is dropped.
        accounts: Vec<Account>,
        /// If its data is lost, a new, empty one is wanted.
        recreate: bool,
    },
    /// Another cluster of its owner makes it and changes it; here it is used, by accounts of our own.
    Joined {
        /// The resolved spec, for what differs from it.
        spec: Json,
        /// Our accounts; any other that we told the provider of is dropped.
        accounts: Vec<Account>,
    },
    /// It is used here no more: our accounts go, and it is let go.
    Left,
    /// It does not exist.
    Absent {
        /// How many of its kind may be deleted in this environment within an hour without an approval.
        per_hour: Option<u32>,
        /// An SRE approved this deletion.
        approved: bool,
    },
    /// It is out of use, and its data is kept until then.
    Parked {
        /// Until when.
        until: Timestamp,
        /// A backup is made first.
        backup: bool,
    },
    /// It is let go as it is, and kept on record.
    Retained {
        /// Why, for those who find it.
        reason: String,
    },
}

impl Want {
    /// Whether somebody else makes it and changes it.
    const fn is_joined(&self) -> bool {
        matches!(self, Self::Joined { .. } | Self::Left)
    }

    fn accounts(&self) -> &[Account] {
        match self {
            Self::Present { accounts, .. } | Self::Joined { accounts, .. } => accounts,
            _ => &[],
        }
    }

    fn priority(&self, memory: &Memory) -> Priority {
        match self {
            // It is as declared, as far as anybody knows.
            Self::Present { spec, .. } if memory.was_ready && memory.applied.as_ref() == Some(spec) => Priority::Drift,
            Self::Joined { .. } if memory.was_ready => Priority::Drift,
            Self::Present { .. } | Self::Joined { .. } => Priority::Create,
            Self::Left | Self::Absent { .. } | Self::Parked { .. } | Self::Retained { .. } => Priority::Delete,
        }
    }
}

impl Engine {
    /// Takes at most one step. `memory` is what the front remembers of it; the ledger's own memory is taken into
    /// account. Never fails: what went wrong is in the report, with when to come back.
    pub async fn step(
        &self,
        connection: &Connection,
        job: &Job,
        memory: &Memory,
        write_ahead: &dyn WriteAhead,
    ) -> Report {
        let mut memory = memory.clone();
        match self.try_step(connection, job, &mut memory, write_ahead).await {
            Ok(report) => {
                if report.progressed() {
                    self.backoff.succeeded(&job.owner.identity);
                }
                report
            }
            Err(error) => {
                let next = self.backoff.failed(&job.owner.identity, error.retry());
                tracing::warn!(
                    identity = %job.owner.identity, key = %job.owner.key, reason = error.reason(),
                    error = &error as &dyn std::error::Error, "step failed"
                );
                report::failed(memory, &error, next)
            }
        }
    }

    async fn try_step(
        &self,
        connection: &Connection,
        job: &Job,
        memory: &mut Memory,
        write_ahead: &dyn WriteAhead,
    ) -> Result<Report> {
        let known = self.ledger.get(&job.owner.identity).await.map_err(unwritten)?;
        if let Some(known) = &known {
            *memory = merge(memory, &known.memory);
            if known.standing == Standing::Deleting && matches!(job.want, Want::Present { .. }) {
                // It was being deleted on purpose; if it is gone by now, its data is not lost but given up.
                memory.was_ready = false;
            }
            if let Some(report) = judge::held_by_another(job, known, memory) {
                return Ok(report);
            }
        }
        let record = record(connection, job, memory, known.as_ref());
        if let Want::Retained { reason } = &job.want {
            let record = Record {
                standing: Standing::Retained,
                reason: Some(reason.clone()),
                ..record
            };
            self.ledger.put(&record).await.map_err(unwritten)?;
            self.audit(&record, "retain", None, "ok", reason).await?;
            return Ok(report::done(memory.clone(), Done::Released, reason));
        }
        self.prove(connection, job.kind).await?;
        let adapter = connection.adapter(job.kind, job.want.priority(memory))?;
        let capability = adapter.capability();
        if let Want::Parked { until, .. } = &job.want
            && !capability.parks
        {
            return self.keep_as_it_is(record, *until).await;
        }
        if let Some(report) = self.deletion_gate(job, &record, known.as_ref(), memory).await? {
            return Ok(report);
        }

        let now = self.clock.now();
        let (goal, hash) = self.goal(job, memory).await?;
        let mut proof = self.proofs.take(&job.owner.identity, &capability);
        let mut claim = claim(job, &record.name, memory, &capability, &hash, now);
        if memory.external_id.is_some() && claim.id.is_some() && !claim.existing {
            claim.settling |= !proof.missed_for(capability.appears_within);
        }
        if let (Goal::Absent, None, Some(id)) = (&goal, &memory.intent, &claim.id)
            && proof.holds(id, &capability)
        {
            claim.settling = false;
        }
        let untouched = !memory.is_spent(0) && memory.intent.is_none();
        let spec = match &job.want {
            Want::Present { spec, .. } | Want::Joined { spec, .. } => spec,
            _ => &Json::Null,
        };
        let journal = write_ahead::Intents::new(self, &adapter, &record, spec, &hash, write_ahead);
        let outcome = converge(&adapter, &journal, &claim, &goal).await;
        let circumstances = Circumstances {
            sent: adapter.sent(),
            first: untouched && journal.granted(),
        };
        proof.learn(&goal, &outcome, circumstances, &capability);
        if !matches!(&outcome, Ok(outcome) if outcome.step.is_the_last()) {
            self.proofs.put(&job.owner.identity, proof);
        }
        if let Some(written) = journal.written() {
            *memory = written;
        }
        match outcome {
            Ok(outcome) => self.conclude(job, record, memory, &goal, outcome, &capability).await,
            Err(error) => {
                self.conclude_failure(&record, memory, journal.granted(), &error)
                    .await?;
                Err(error)
            }
        }
    }

    /// Recycle, at a provider that cannot take this kind out of use: it is kept as it is, and reaped in its time.
    async fn keep_as_it_is(&self, record: Record, until: Timestamp) -> Result<Report> {
        let reason = format!(
            "kept as it is until {until}: this provider cannot park a {}",
            record.kind
        );
        let record = Record {
            standing: Standing::Parked,
            reason: Some(reason.clone()),
            keep_until: Some(until),
            ..record
        };
        self.ledger.put(&record).await.map_err(unwritten)?;
        self.audit(&record, "park", None, "ok", &reason).await?;
        Ok(report::done(record.memory, Done::Parked, &reason))
    }

    /// More deletions within an hour than the environment allows wait for an SRE's word.
    async fn deletion_gate(
        &self,
        job: &Job,
        record: &Record,
        known: Option<&Record>,
        memory: &Memory,
    ) -> Result<Option<Report>> {
        let Want::Absent { per_hour, approved } = &job.want else {
            return Ok(None);
        };
        // What is gone stays so on record unless something of it is found: whoever comes late must not open it again.
        if known.is_some_and(|known| matches!(known.standing, Standing::Deleting | Standing::Gone)) {
            return Ok(None);
        }
        let _one_at_a_time = self.deleting.lock().await;
        if let (Some(limit), false) = (per_hour, *approved) {
            let hour = self.clock.now() - Duration::from_secs(3600);
            let count = self
                .ledger
                .deletions(&job.environment, job.kind, hour)
                .await
                .map_err(unwritten)?;
            if count >= *limit {
                let message = format!(
                    "{count} {}s were deleted in environment `{}` within an hour, its limits.deletesPerHour allows \
                     {limit}; it goes on when the hour has passed, or at once by `mooring approve delete {}`",
                    job.kind, job.environment, job.owner.key
                );
                return Ok(Some(report::blocked(
                    memory.clone(),
                    "DeletionLimit",
                    &message,
                    Duration::from_secs(60),
                )));
            }
        }
        self.audit(record, "delete", None, "ok", "teardown begins").await?;
        self.ledger.put(record).await.map_err(unwritten)?;
        Ok(None)
    }

    /// The goal, and the digest of its spec.
    async fn goal(&self, job: &Job, memory: &Memory) -> Result<(Goal, String)> {
        let identity = &job.owner.identity;
        let told = self.ledger.told(identity).await.map_err(unwritten)?;
        let accounts: Vec<_> = job
            .want
            .accounts()
            .iter()
            .map(|account| {
                let hash = secret::told_hash(&self.hash_key, identity, memory.incarnation, account);
                AccountGoal {
                    told: told.get(&account.name) == Some(&hash),
                    account: account.clone(),
                }
            })
            .collect();
        let is_revoked = |name: &&String| accounts.iter().all(|goal| goal.account.name != **name);
        let revoked = told.keys().filter(is_revoked).cloned().collect();
        Ok(match &job.want {
            Want::Joined { .. } | Want::Left => {
                let spec = match &job.want {
                    Want::Joined { spec, .. } => Some(spec.clone()),
                    _ => None,
                };
                let goal = Goal::Joined {
                    spec,
                    accounts,
                    revoked,
                };
                (goal, String::new())
            }
            Want::Present { spec, recreate, .. } => {
                let goal = Goal::Present {
                    spec: spec.clone(),
                    applied: memory.applied.clone(),
                    was_ready: memory.was_ready,
                    recreate: *recreate,
                    accounts,
                    revoked,
                };
                (goal, secret::keyed_hash("spec", &[&spec.to_string()]))
            }
            want => {
                // Forgotten first: whoever takes it back into use tells its accounts anew.
                for name in told.keys() {
                    self.ledger.tell(identity, name, None).await.map_err(unwritten)?;
                }
                let goal = match want {
                    Want::Parked { until, backup } => Goal::Parked {
                        until: until.to_string(),
                        backup: *backup,
                    },
                    _ => Goal::Absent,
                };
                (goal, String::new())
            }
        })
    }

    async fn conclude(
        &self,
        job: &Job,
        mut record: Record,
        memory: &mut Memory,
        goal: &Goal,
        mut outcome: Outcome,
        capability: &Capability,
    ) -> Result<Report> {
        let identity = &job.owner.identity;
        let spec = match goal {
            Goal::Present { spec, .. } | Goal::Joined { spec: Some(spec), .. } => Some(spec),
            Goal::Joined { spec: None, .. } | Goal::Absent | Goal::Parked { .. } => None,
        };
        if matches!(goal, Goal::Joined { .. }) {
            judge::made_anew(memory, &mut outcome);
        }
        let poll = self.poll(job.kind, capability);
        let report = judge::judge(memory, &outcome, spec, self.clock.now(), capability, poll);
        if let (Some(intent), None) = (&record.memory.intent, &memory.intent) {
            self.ledger
                .concluded(identity, intent, memory.external_id.as_ref())
                .await
                .map_err(unwritten)?;
        }
        if let mooring_provider::Step::AccountEnsured { name, .. } = &outcome.step
            && let Some(account) = job.want.accounts().iter().find(|account| account.name == *name)
        {
            let hash = secret::told_hash(&self.hash_key, identity, memory.incarnation, account);
            self.ledger.tell(identity, name, Some(&hash)).await.map_err(unwritten)?;
        }
        if let mooring_provider::Step::AccountDropped { name, .. } = &outcome.step {
            self.ledger.tell(identity, name, None).await.map_err(unwritten)?;
        }
        if let mooring_provider::Step::Unparked { .. } = &outcome.step {
            // A park that took effect late took accounts with it that were told after it was asked for.
            for name in self.ledger.told(identity).await.map_err(unwritten)?.keys() {
                self.ledger.tell(identity, name, None).await.map_err(unwritten)?;
            }
        }
        let before = std::mem::replace(&mut record.memory, memory.clone());
        record.endpoint = report.endpoint.clone().or(record.endpoint);
        if let Some(done) = &report.done {
            record.standing = match (done, &job.want) {
                (Done::Parked, _) => Standing::Parked,
                _ => Standing::Gone,
            };
            record.reason = Some(report.message().to_owned());
            if let Want::Parked { until, .. } = &job.want {
                record.keep_until = Some(*until);
            }
        }
        let known = self.ledger.get(identity).await.map_err(unwritten)?;
        // Somebody else saw its deletion through; that it is still to be seen on its way out is no news.
        let leaving = matches!(&outcome.seen, Some(seen) if seen.phase == Phase::Deleting);
        let over = matches!(goal, Goal::Absent)
            && leaving
            && known.as_ref().is_some_and(|known| known.standing == Standing::Gone);
        let unchanged = known.is_some_and(|known| {
            known.standing == record.standing && known.endpoint == record.endpoint && known.memory == record.memory
        });
        if !over && (!unchanged || before != record.memory) {
            self.ledger.put(&record).await.map_err(unwritten)?;
        }
        if let Some((action, request_id)) = judge::action(&outcome.step) {
            self.audit(&record, action, request_id, "ok", &judge::detail(&outcome.step))
                .await?;
        }
        Ok(report)
    }

    async fn conclude_failure(&self, record: &Record, memory: &mut Memory, granted: bool, error: &Error) -> Result<()> {
        if granted
            && !error.kind().may_have_had_effect()
            && let Some(intent) = memory.intent.take()
        {
            let identity = &record.owner.identity;
            self.ledger
                .concluded(identity, &intent, None)
                .await
                .map_err(unwritten)?;
        }
        // What failed for lack of the ledger cannot be written down there.
        if error.operation() != "ledger" && (granted || error.kind() != ErrorKind::Throttled) {
            let request = error.request_id().map(str::to_owned);
            self.audit(record, error.operation(), request, error.reason(), error.message())
                .await?;
        }
        Ok(())
    }

    async fn audit(
        &self,
        record: &Record,
        action: &str,
        request_id: Option<String>,
        outcome: &str,
        detail: &str,
    ) -> Result<()> {
        let entry = crate::ledger::Audit {
            at: self.clock.now(),
            actor: self.actor.clone(),
            action: action.to_owned(),
            identity: record.owner.identity.clone(),
            kind: record.kind,
            environment: record.environment.clone(),
            external_id: record.memory.external_id.clone(),
            request_id,
            outcome: outcome.to_owned(),
            detail: detail.to_owned(),
        };
        self.ledger.audit(&entry).await.map_err(unwritten)
    }

    /// The time to the next look at a resource at rest. All of a kind are looked at in the same moment, so that the
    /// looks make full batches.
    fn poll(&self, kind: Kind, capability: &Capability) -> Duration {
        let period = (capability.poll.as_millis() as u64).max(1);
        let offset = period / Kind::ALL.len() as u64 * Kind::ALL.iter().position(|k| *k == kind).unwrap_or(0) as u64;
        let now = self.clock.now().as_millisecond().unsigned_abs();
        Duration::from_millis(period - (now + period - offset) % period)
    }
}
