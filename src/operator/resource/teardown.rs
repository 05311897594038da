//! A CloudResource that is to go.
//!
//! Works on the metadata and the status alone: a spec that cannot be read, an Environment, an Application or a
//! namespace that is gone must not strand what was made. What is known of it is looked for in the status, then in the
//! ledger, then in the tags at the provider. What becomes of its data is what its Environment says or said last; if
//! nobody knows any more, data is retained and everything else is deleted.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::{Api, ResourceExt, core::PartialObjectMeta, runtime::controller::Action};
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Kind, Owner, reason};

use super::{
    Failure, Remains,
    approval::{self, Approvals},
    dereference, place_named,
    present::finish,
    recent::Recent,
    relations, scope, secret,
    status::{self, Told},
    validate,
};
use crate::{
    api::{CloudResource, CloudResourceStatus, RetainedStanding, Shared, condition, names, properties::DeletionPolicy},
    engine::{Done, Job, Next, Priority, Want, declare::Declaration},
    ledger::{Memory, Record, Standing},
    operator::{Context, object::remove_finalizer, retained},
};

/// How often it is looked whether what is waited for is over, if nothing wakes it before.
const WAITING: Duration = Duration::from_secs(10);

/// Everything that is known of what is to go.
pub(super) struct Going<'a> {
    pub(super) context: &'a Context,
    recent: &'a Recent,
    pub(super) remains: &'a Remains,
    pub(super) identity: Option<Identity>,
    pub(super) record: Option<Record>,
    pub(super) key: Key,
    pub(super) kind: Option<Kind>,
    /// Whose it is, where several clusters share it.
    shared: Option<Shared>,
}

/// Takes the next step of a teardown.
pub(super) async fn reconcile(context: &Context, recent: &Recent, remains: &Remains) -> Result<Action, Failure> {
    if !remains
        .meta
        .finalizers
        .iter()
        .flatten()
        .any(|name| name == names::FINALIZER)
    {
        return Ok(Action::await_change());
    }
    let mut identity = remains.annotation(names::IDENTITY).map(Identity::new);
    let mut record = match &identity {
        Some(identity) => context.engine.ledger().get(identity).await?,
        None => None,
    };
    if record.as_ref().is_some_and(|record| !remains.is_of(&record.owner.key)) {
        // An identity that was copied: what it names is another declaration's.
        (identity, record) = (None, None);
    }
    if record.is_none() {
        // Whoever takes the annotation off, or writes another, does not make us forget what we made.
        record = made(context, remains).await?;
        if let Some(record) = &record {
            identity = Some(record.owner.identity.clone());
        }
    }
    let key = remains.key(record.as_ref());
    let kind = remains.kind().or_else(|| record.as_ref().map(|record| record.kind));
    let shared = shared(context, remains, record.as_ref());
    Going {
        context,
        recent,
        remains,
        identity,
        record,
        key,
        kind,
        shared,
    }
    .step()
    .await
}

/// Whose it is, by what is remembered; which cluster is its home its Environment says, as long as that is there.
fn shared(context: &Context, remains: &Remains, record: Option<&Record>) -> Option<Shared> {
    let known = scope::remembered(context, &remains.status, record)?;
    let environment = remains.status.environment.as_deref();
    let guard = environment.and_then(|name| context.stores.environments.get(None, name));
    let home = guard.and_then(|guard| {
        let spec = &guard.0.as_ref().ok()?.spec;
        spec.is_home(context.options.cluster.as_deref())
    });
    Some(Shared {
        home: home.unwrap_or(known.home),
        ..known
    })
}

/// What the ledger has of this very object, by its key: what it made, not what an earlier one of its key left behind.
async fn made(context: &Context, remains: &Remains) -> Result<Option<Record>, Failure> {
    let key = remains.key(None);
    let id = remains.status.memory.external_id.as_ref();
    let holder = remains.status.shared.as_ref().map(|shared| &shared.owner);
    let holder = holder.unwrap_or(context.engine.cluster());
    let known = context.engine.ledger().of_key(holder, &key).await?;
    let same = known
        .iter()
        .find(|record| id.is_some() && record.memory.external_id.as_ref() == id);
    let current = || {
        known
            .iter()
            .find(|record| matches!(record.standing, Standing::Live | Standing::Deleting))
    };
    Ok(same
        .or_else(current)
        .filter(|record| remains.is_of(&record.owner.key))
        .cloned())
}

impl Going<'_> {
    /// Who holds it: this cluster, or those that share it.
    pub(super) fn holder(&self) -> ClusterId {
        let shared = self.shared.as_ref().map(|shared| &shared.owner);
        shared.unwrap_or(self.context.engine.cluster()).clone()
    }

    pub(super) fn status(&self) -> &CloudResourceStatus {
        &self.remains.status
    }

    pub(super) fn provider(&self) -> Option<String> {
        let of_record = || self.record.as_ref().map(|record| record.provider.clone());
        self.status().provider.clone().or_else(of_record)
    }

    pub(super) fn environment(&self) -> Option<String> {
        let of_record = || {
            self.record
                .as_ref()
                .map(|record| record.environment.clone())
                .filter(|name| !name.is_empty())
        };
        self.status().environment.clone().or_else(of_record)
    }

    pub(super) fn memory(&self) -> Memory {
        self.status().memory.clone()
    }

    pub(super) fn external_id(&self) -> Option<ExternalId> {
        let of_record = || self.record.as_ref()?.memory.external_id.clone();
        self.status().memory.external_id.clone().or_else(of_record)
    }

    async fn step(&mut self) -> Result<Action, Failure> {
        if let Some(identity) = &self.identity {
            let (environment, provider) = (self.environment(), self.provider());
            let approvals = Approvals::of(self.context, identity, environment.as_deref(), provider.as_deref());
            if approvals.abandon() {
                return self.abandon().await;
            }
        }
        if let Some(told) = self.consumers() {
            return self.wait(told, WAITING).await;
        }
        if let Some(told) = self.dependents() {
            return self.wait(told, WAITING).await;
        }
        if self.remains.is_bind() {
            return self.bind().await;
        }
        let abandoned = self
            .record
            .as_ref()
            .is_some_and(|record| record.standing == Standing::Abandoned);
        let nothing_made = self.record.is_none()
            && self.external_id().is_none()
            && (self.identity.is_none() || self.was_only_refused());
        let is_gone = self
            .record
            .as_ref()
            .is_some_and(|record| record.standing == Standing::Gone)
            && self.status().memory.intent.is_none();
        if nothing_made || abandoned || is_gone && self.status().memory.incarnation <= self.incarnation() {
            return self.let_go().await;
        }
        self.provider_step().await
    }

    /// A status that was written and knows of no provider: it was never good enough to be asked for anywhere.
    fn was_only_refused(&self) -> bool {
        let status = self.status();
        status::get(status, condition::SYNCED).is_some() && status.provider.is_none() && self.was_never_made()
    }

    /// Neither the status nor the ledger knows of anything that was made, or was about to be.
    fn was_never_made(&self) -> bool {
        let memory = &self.status().memory;
        self.record.is_none() && memory.external_id.is_none() && memory.intent.is_none() && memory.incarnation == 0
    }

    fn incarnation(&self) -> u32 {
        self.record.as_ref().map_or(0, |record| record.memory.incarnation)
    }

    /// A bind goes once its account is dropped, which is its target's to do, or its target goes itself.
    async fn bind(&self) -> Result<Action, Failure> {
        let declaration = self
            .remains
            .spec
            .as_ref()
            .and_then(|spec| Declaration::from_spec(&self.key.namespace, spec));
        let target = declaration.and_then(|declaration| relations::target(self.context, &declaration)?.1);
        let target = target.filter(|target| !target.is_deleting() && !self.released());
        let identity = target
            .as_ref()
            .and_then(|target| target.object.annotations().get(names::IDENTITY).cloned());
        if let Some(identity) = identity {
            let told = self.context.engine.ledger().told(&Identity::new(identity)).await?;
            let login = target.as_ref().and_then(|target| {
                super::bind::login(self.context, target, target.declaration.declares.kind()?, &self.key)
            });
            if login.is_some_and(|login| told.contains_key(&login)) {
                let message = format!("its account is being dropped at the target; {}", self.until());
                return self.wait(Told::yes("Revoking", message), Duration::from_secs(1)).await;
            }
        }
        self.let_go().await
    }

    /// Only what was declared knows what to delete; what exists already is let go as it is.
    pub(super) fn existing(&self) -> Option<ExternalId> {
        if let Some(record) = &self.record {
            return record.existing.then(|| record.memory.external_id.clone()).flatten();
        }
        let (_, properties) = self.remains.spec.as_ref()?.declares()?;
        let id = properties.get("existing")?["id"].as_str().map(ExternalId::new)?;
        Some(id)
    }

    async fn provider_step(&mut self) -> Result<Action, Failure> {
        let engine = &self.context.engine;
        let Some(identity) = self
            .identity
            .clone()
            .or_else(|| self.record.as_ref().map(|record| record.owner.identity.clone()))
        else {
            return self
                .give_up("neither its annotation nor the ledger says which it is")
                .await;
        };
        if self.record.is_none() && self.provider().is_none() {
            // Nobody remembers where it was made: every account that is connected is asked for what it has of ours.
            for connection in engine.connections().all() {
                for kind in connection
                    .kinds()
                    .filter(|kind| self.kind.is_none_or(|own| own == *kind))
                {
                    if let Err(error) = engine.prove(&connection, kind).await {
                        let message = format!(
                            "ProviderConfig `{}` cannot tell whether it is there: {error}",
                            connection.name
                        );
                        return self.wait(Told::yes("ProviderNotReady", message), WAITING).await;
                    }
                }
            }
            self.record = engine.ledger().get(&identity).await?;
            if self.record.is_none() {
                return self.give_up("no provider that is connected has it").await;
            }
        }
        let (Some(kind), Some(provider)) = (
            self.kind.or_else(|| self.record.as_ref().map(|r| r.kind)),
            self.provider(),
        ) else {
            return self.give_up("its kind or its provider is not known any more").await;
        };
        let Some(connection) = engine.connections().get(&provider) else {
            let message = format!(
                "ProviderConfig `{provider}` is not connected, and only with it can this be deleted; an SRE may create \
                 it again, or give this resource up by `mooring approve abandon {}`",
                self.key
            );
            return self.wait(Told::yes("ProviderNotReady", message), WAITING).await;
        };
        if self.was_never_made() && connection.adapter(kind, Priority::Delete).is_err() {
            // It has no such kind, so there is nothing there, and nobody who could be asked to delete it.
            return self.let_go().await;
        }
        let environment = self.environment().unwrap_or_default();
        let approvals = Approvals::of(self.context, &identity, Some(&environment), Some(&provider));
        let want = match (self.existing(), &self.shared) {
            (_, Some(shared)) if !shared.home => Want::Left,
            (Some(_), None) => Want::Absent {
                per_hour: None,
                approved: true,
            },
            _ => self.want(kind, &environment, approvals.delete()).await?,
        };
        if matches!(want, Want::Retained { .. }) && self.external_id().is_none() {
            // The inventory that is taken when a connection is proven would have found it.
            match engine.prove(&connection, kind).await {
                Ok(()) => self.record = engine.ledger().get(&identity).await?,
                Err(error) => {
                    let told = Told::yes(error.reason(), error.to_string());
                    return self.wait(told, WAITING).await;
                }
            }
        }
        let in_flight = self.external_id().is_none() && !self.status().memory.was_ready;
        let want = if in_flight && matches!(want, Want::Retained { .. }) {
            // It was never ready, so there is nothing in it to retain.
            Want::Absent {
                per_hour: None,
                approved: true,
            }
        } else {
            want
        };
        let owner = Owner {
            cluster: self.holder(),
            identity: identity.clone(),
            key: self.key.clone(),
        };
        let job = Job {
            owner,
            kind,
            environment: environment.clone(),
            existing: self.existing().filter(|_| self.shared.is_none()),
            want,
            may_adopt: false,
        };
        let report = engine.step(&connection, &job, &self.memory(), &()).await;
        if report
            .ready
            .as_ref()
            .is_some_and(|ready| ready.reason == reason::OWNED_ELSEWHERE)
        {
            self.context
                .event(
                    &self.remains.object(),
                    kube::runtime::events::EventType::Warning,
                    reason::OWNED_ELSEWHERE,
                    "Deleting",
                    format!("let go, nothing was touched: {}", report.message()),
                )
                .await;
            return self.give_up(report.message()).await;
        }
        let Some(done) = report.done else {
            let next = match report.next {
                Next::After(after) => after,
                Next::OnChange => Duration::from_secs(60),
            };
            let told = Told::yes(report.synced.reason, report.message().to_owned());
            return self.wait_with(told, next, Some(report.memory)).await;
        };
        if approvals.delete() {
            approval::used(self.context, &identity, Some(&environment), Some(&provider), "delete").await;
        }
        let standing = match (done, &job.want) {
            (Done::Parked, _) => Some(RetainedStanding::Parked),
            (Done::Released, Want::Retained { .. }) => Some(RetainedStanding::Retained),
            _ => None,
        };
        if let Some(standing) = standing
            && let Some(record) = engine.ledger().get(&identity).await?
            && record.memory.external_id.is_some()
        {
            retained::record(self.context, &record, standing).await?;
        }
        self.let_go().await
    }

    async fn want(&self, kind: Kind, environment: &str, approved: bool) -> Result<Want, Failure> {
        if let Some(shared) = &self.shared {
            // No cluster can know what the others do: whether any uses it still is a person's to say.
            return Ok(Want::Retained {
                reason: format!(
                    "it is shared by {}, and another cluster may use it; once none does: `mooring approve delete {}`",
                    shared.owner, self.key
                ),
            });
        }
        let cluster = self.context.options.cluster.as_deref().unwrap_or_default();
        let object = self.remains.readable();
        let declaration = object
            .as_ref()
            .and_then(|object| Declaration::from_spec(&self.key.namespace, &object.spec));
        let inputs = match (object, declaration) {
            (Some(object), Some(declaration)) => {
                Some(dereference::dereference(self.context, Arc::new(object), declaration, kind).await?)
            }
            _ => None,
        };
        let known = self.status().deletion.as_ref();
        let (plan, why) = validate::deletion_of(inputs.as_ref().ok_or(kind), cluster, known);
        let per_hour = self.deletes_per_hour(kind, environment);
        let since = self
            .remains
            .meta
            .deletion_timestamp
            .as_ref()
            .map_or_else(Timestamp::now, |since| since.0);
        if kind == Kind::Vpc
            && self.external_id().is_some()
            && plan.policy != DeletionPolicy::Retain
            && let Some(want) = self.as_long_as_what_lives_in_it().await?
        {
            return Ok(want);
        }
        Ok(match plan.policy {
            DeletionPolicy::Delete => Want::Absent { per_hour, approved },
            // What is kept for no time is reaped at once.
            DeletionPolicy::Snapshot | DeletionPolicy::Recycle => Want::Parked {
                until: since
                    .saturating_add(SignedDuration::try_from(plan.after.get()).unwrap_or(SignedDuration::MAX))
                    .unwrap_or(Timestamp::MAX),
                backup: plan.final_backup,
            },
            DeletionPolicy::Retain => Want::Retained {
                reason: format!("deletionPolicy Retain, by {why}"),
            },
        })
    }

    /// The Secret, then the finalizer.
    pub(super) async fn let_go(&self) -> Result<Action, Failure> {
        let name = self.remains.secret_name();
        let place = place_named(&self.remains.meta, self.identity.as_ref(), &name);
        match secret::remove(self.context, &place).await {
            Ok(()) => {}
            // Garbage collection takes it: it has an owner that is going.
            Err(kube::Error::Api(refused)) if refused.is_forbidden() => {}
            Err(error) => return Err(error.into()),
        }
        let meta = &self.remains.meta;
        let api = Api::<PartialObjectMeta<CloudResource>>::namespaced(
            self.context.client.clone(),
            meta.namespace.as_deref().unwrap_or_default(),
        );
        match remove_finalizer(&api, meta).await {
            Ok(()) => {}
            // Another finalizer came or went meanwhile.
            Err(kube::Error::Api(refused)) if refused.is_conflict() || refused.is_invalid() => {
                return Ok(Action::requeue(Duration::from_millis(200)));
            }
            Err(error) => return Err(error.into()),
        }
        self.recent.forget(meta.uid.as_deref().unwrap_or_default());
        Ok(Action::await_change())
    }

    async fn wait(&self, told: Told, next: Duration) -> Result<Action, Failure> {
        self.wait_with(told, next, None).await
    }

    /// Says what is waited for.
    async fn wait_with(&self, told: Told, next: Duration, memory: Option<Memory>) -> Result<Action, Failure> {
        let mut status = self.status().clone();
        if let Some(memory) = memory {
            status.memory = memory;
        }
        let generation = self.remains.meta.generation;
        let ready = Told::no("Deleting", "it is going; see the condition Deleting");
        status::set(&mut status, condition::READY, &ready, generation);
        status::set(&mut status, condition::DELETING, &told, generation);
        let object = Arc::new(self.remains.object());
        finish(self.context, self.recent, &object, &status, Some(next)).await
    }
}
