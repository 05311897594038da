//! What outlives its declaration.
//!
//! A RetainedResource is the record of it that survives a lost ledger. A parked one is deleted at the provider when its
//! time is over. One whose key is declared again is taken back, and its record goes. Deleting the record by hand means:
//! - of a retained or abandoned one: forget it. The ledger keeps that it was given up.
//!   To delete a retained one at the provider, an SRE says so by `mooring approve delete`.
//! - of a parked one, whose data is still there: nothing yet, until an SRE says what is meant, by `mooring approve
//!   delete` (now) or `mooring approve abandon` (forget it); else its time comes.
//!
//! Reaping is not counted against `deletesPerHour`: it was decided long before, and must not keep others waiting.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions, TypeMeta},
    core::DeserializeGuard,
    runtime::{controller::Action, events::EventType, reflector::ObjectRef},
};
use mooring_provider::{Identity, Owner};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Context, control,
    object::{remove_finalizer, tell},
    resource::{
        Failure,
        approval::{self, Approvals},
    },
};
use crate::{
    api::{RetainedResource, RetainedResourceSpec, RetainedStanding, condition, names},
    engine::{Done, Job, Next, Want},
    ledger::{Memory, Record, Standing},
};

/// When one that waits for its time is looked at, at the latest.
const NOW_AND_THEN: Duration = Duration::from_secs(600);

/// Writes down what outlives its declaration, before the declaration goes.
pub(super) async fn record(context: &Context, record: &Record, standing: RetainedStanding) -> kube::Result<()> {
    let Some(external_id) = record.memory.external_id.clone() else {
        return Ok(());
    };
    let spec = RetainedResourceSpec {
        cluster: record.owner.cluster.clone(),
        identity: record.owner.identity.clone(),
        key: record.owner.key.clone(),
        kind: record.kind,
        provider: record.provider.clone(),
        environment: record.environment.clone(),
        external_id,
        name: record.name.clone(),
        incarnation: record.memory.incarnation,
        standing,
        reason: record
            .reason
            .clone()
            .unwrap_or_else(|| "its declaration is gone".to_owned()),
        keep_until: (standing == RetainedStanding::Parked)
            .then_some(record.keep_until)
            .flatten(),
    };
    let mut object = RetainedResource::new(&record.name, spec);
    let key = &record.owner.key;
    let labels = [
        (names::APPLICATION, key.application.clone()),
        (names::COMPONENT, key.component.clone()),
        (names::TRAIT, key.name.clone()),
        (names::KIND, record.kind.to_string()),
        (names::MANAGED_BY, names::MANAGED_BY_US.to_owned()),
    ];
    object.metadata = ObjectMeta {
        name: Some(record.name.clone()),
        finalizers: Some(vec![names::FINALIZER.to_owned()]),
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value)).into()),
        ..ObjectMeta::default()
    };
    let api = Api::<RetainedResource>::all(context.client.clone());
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(refused)) if refused.is_already_exists() => {
            // Of the same identity, from before: only where it stands may have changed.
            let spec = &object.spec;
            let spec = json!({"standing": spec.standing, "reason": spec.reason, "keepUntil": spec.keep_until});
            let patch = Patch::Merge(json!({"spec": spec}));
            api.patch(&record.name, &PatchParams::default(), &patch).await.map(drop)
        }
        made => made.map(drop),
    }
}

type Reference = ObjectRef<DeserializeGuard<RetainedResource>>;

/// The RetainedResources of which `keep` likes the spec.
fn references(context: &Context, keep: impl Fn(&RetainedResourceSpec) -> bool) -> Vec<Reference> {
    let kept = context
        .stores
        .retained
        .filter(|guard| guard.0.as_ref().is_ok_and(|known| keep(&known.spec)));
    kept.iter().map(|guard| ObjectRef::from_obj(guard.as_ref())).collect()
}

/// Runs the controller until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let own = context
        .stores
        .retained
        .touched()
        .map(|guard| vec![ObjectRef::from_obj(guard.as_ref())]);
    // An approval, on its Environment or its ProviderConfig.
    let approved = {
        let context = Arc::clone(&context);
        let touched = context.stores.environments.touched();
        touched.map(move |environment| {
            let name = environment.name_any();
            references(&context, |spec| spec.environment == name)
        })
    };
    let approved_there = {
        let context = Arc::clone(&context);
        let touched = context.stores.provider_configs.touched();
        touched.map(move |provider| {
            let name = provider.name_any();
            references(&context, |spec| spec.provider == name)
        })
    };
    // A key that is declared again, and whose resource is live again.
    let declared = {
        let context = Arc::clone(&context);
        let touched = context.stores.resources.touched();
        touched.map(move |guard| {
            let identity = guard
                .meta()
                .annotations
                .as_ref()
                .and_then(|all| all.get(names::IDENTITY))
                .cloned();
            references(&context, |spec| Some(spec.identity.as_str()) == identity.as_deref())
        })
    };
    let queue = stream::select_all([own.boxed(), approved.boxed(), approved_there.boxed(), declared.boxed()])
        .flat_map(stream::iter);
    let store = context.stores.retained.store().clone();
    let reconcile = |guard: Arc<DeserializeGuard<RetainedResource>>, context: Arc<Context>| async move {
        reconcile(&context, &guard).await
    };
    control::run("retained", context, store, queue, reconcile, shutdown).await;
}

async fn reconcile(context: &Context, guard: &DeserializeGuard<RetainedResource>) -> Result<Action, Failure> {
    let retained = match &guard.0 {
        Ok(retained) => retained,
        Err(invalid) => {
            tracing::warn!(name = %guard.name_any(), error = %invalid, "a RetainedResource cannot be read");
            return Ok(Action::requeue(NOW_AND_THEN));
        }
    };
    let spec = &retained.spec;
    let ledger = context.engine.ledger();
    let known = ledger.get(&spec.identity).await?;
    if is_claimed(context, &spec.identity) {
        // It is being taken back; once it is live it needs no record here.
        if known.is_some_and(|record| record.standing == Standing::Live && !record.environment.is_empty()) {
            return gone(
                context,
                retained,
                "Reclaimed",
                "its key is declared again; it is taken back",
            )
            .await;
        }
        return Ok(Action::requeue(Duration::from_secs(5)));
    }
    let record = match known {
        Some(record) if record.standing == Standing::Gone => {
            return gone(context, retained, "Gone", "the provider has it no more").await;
        }
        Some(record) if standing(&record) == Some(spec.standing) || record.standing == Standing::Deleting => record,
        // The ledger was lost: what is on record here is put back, whatever the inventory took it for.
        known => {
            let mut record = restored(spec);
            // What the inventory took in counts as a later incarnation, and nothing earlier is written over it.
            let taken = known.map_or(0, |known| known.memory.incarnation);
            record.memory.incarnation = record.memory.incarnation.max(taken);
            ledger.put(&record).await?;
            record
        }
    };
    let going = retained.meta().deletion_timestamp.is_some();
    let (environment, provider) = (Some(spec.environment.as_str()), Some(spec.provider.as_str()));
    let approvals = Approvals::of(context, &spec.identity, environment, provider);
    let parked = spec.standing == RetainedStanding::Parked;
    if approvals.abandon() && (going || parked) {
        approval::used(context, &spec.identity, environment, provider, "abandon").await;
        return forget(context, retained, record).await;
    }
    let approved = approvals.delete() && spec.standing == RetainedStanding::Retained;
    if !parked && !approved {
        return match going {
            true => forget(context, retained, record).await,
            false => Ok(Action::await_change()),
        };
    }
    let until = spec.keep_until.unwrap_or(Timestamp::MAX);
    let left = until.duration_since(context.engine.clock().now());
    if parked && left.is_positive() && !approvals.delete() {
        if going {
            let message = format!(
                "its data is kept until {until}; to delete it now: `mooring approve delete {key}`, to forget it: \
                 `mooring approve abandon {key}`",
                key = spec.key
            );
            say(context, retained, "WaitingForApproval", &message).await?;
        }
        return Ok(Action::requeue(left.unsigned_abs().min(NOW_AND_THEN)));
    }
    reap(context, retained, &record, approvals.delete()).await
}

/// Whether a CloudResource that stays carries the identity.
fn is_claimed(context: &Context, identity: &Identity) -> bool {
    let claims = context.stores.resources.filter(|guard| {
        let meta = guard.meta();
        let carried = meta.annotations.as_ref().and_then(|all| all.get(names::IDENTITY));
        meta.deletion_timestamp.is_none() && carried.map(String::as_str) == Some(identity.as_str())
    });
    !claims.is_empty()
}

fn standing(record: &Record) -> Option<RetainedStanding> {
    match record.standing {
        Standing::Parked | Standing::Deleting => Some(RetainedStanding::Parked),
        Standing::Retained => Some(RetainedStanding::Retained),
        Standing::Abandoned => Some(RetainedStanding::Abandoned),
        Standing::Live | Standing::Gone => None,
    }
}

fn restored(spec: &RetainedResourceSpec) -> Record {
    Record {
        owner: Owner {
            cluster: spec.cluster.clone(),
            identity: spec.identity.clone(),
            key: spec.key.clone(),
        },
        kind: spec.kind,
        provider: spec.provider.clone(),
        environment: spec.environment.clone(),
        name: spec.name.clone(),
        existing: false,
        standing: match spec.standing {
            RetainedStanding::Parked => Standing::Parked,
            RetainedStanding::Retained => Standing::Retained,
            RetainedStanding::Abandoned => Standing::Abandoned,
        },
        reason: Some(spec.reason.clone()),
        keep_until: spec.keep_until,
        endpoint: None,
        sightings: 0,
        memory: Memory {
            incarnation: spec.incarnation,
            external_id: Some(spec.external_id.clone()),
            // What was kept was in use; if it is gone, its data is lost.
            was_ready: true,
            ..Memory::default()
        },
    }
}

/// Deletes what is parked at the provider, one step at a time.
async fn reap(
    context: &Context,
    retained: &RetainedResource,
    record: &Record,
    approved: bool,
) -> Result<Action, Failure> {
    let spec = &retained.spec;
    let Some(connection) = context.engine.connections().get(&spec.provider) else {
        let message = format!(
            "ProviderConfig `{}` is not connected, and only with it can this go",
            spec.provider
        );
        say(context, retained, "ProviderNotReady", &message).await?;
        return Ok(Action::requeue(Duration::from_secs(30)));
    };
    let job = Job {
        owner: record.owner.clone(),
        kind: spec.kind,
        environment: spec.environment.clone(),
        existing: None,
        want: Want::Absent {
            per_hour: None,
            approved: true,
        },
        may_adopt: false,
    };
    let report = context.engine.step(&connection, &job, &record.memory, &()).await;
    if report.done == Some(Done::Gone) {
        if approved {
            let (environment, provider) = (Some(spec.environment.as_str()), Some(spec.provider.as_str()));
            approval::used(context, &spec.identity, environment, provider, "delete").await;
        }
        return gone(
            context,
            retained,
            "Reaped",
            "its time is over; the provider has it no more",
        )
        .await;
    }
    say(context, retained, report.synced.reason, report.message()).await?;
    Ok(Action::requeue(match report.next {
        Next::After(after) => after.max(Duration::from_millis(20)),
        Next::OnChange => NOW_AND_THEN,
    }))
}

/// An SRE gave it up: the ledger keeps that, and nothing is called.
async fn forget(context: &Context, retained: &RetainedResource, record: Record) -> Result<Action, Failure> {
    let reason = "its record was deleted by hand; it may still exist at the provider";
    let record = Record {
        standing: Standing::Abandoned,
        reason: Some(reason.to_owned()),
        ..record
    };
    context.engine.ledger().put(&record).await?;
    gone(context, retained, "Forgotten", reason).await
}

async fn say(context: &Context, retained: &RetainedResource, reason: &str, message: &str) -> kube::Result<()> {
    let mut status = retained.status.clone().unwrap_or_default();
    let old = status.clone();
    let generation = retained.meta().generation;
    tell(
        &mut status.conditions,
        condition::DELETING,
        true,
        reason,
        message,
        generation,
    );
    if old == status {
        return Ok(());
    }
    let types = TypeMeta::resource::<RetainedResource>();
    let body = json!({
        "apiVersion": types.api_version, "kind": types.kind,
        "metadata": {"name": retained.name_any(), "uid": retained.uid()}, "status": status,
    });
    let api = Api::<RetainedResource>::all(context.client.clone());
    let parameters = PatchParams::apply(names::MANAGER_RESOURCE).force();
    match api
        .patch_status(&retained.name_any(), &parameters, &Patch::Apply(&body))
        .await
    {
        Err(kube::Error::Api(refused)) if refused.is_not_found() || refused.is_conflict() => Ok(()),
        written => written.map(drop),
    }
}

/// The record goes.
async fn gone(context: &Context, retained: &RetainedResource, reason: &str, note: &str) -> Result<Action, Failure> {
    let api = Api::<RetainedResource>::all(context.client.clone());
    if retained.meta().deletion_timestamp.is_none() {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: retained.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match api.delete(&retained.name_any(), &parameters).await {
            Err(kube::Error::Api(refused)) if refused.is_not_found() || refused.is_conflict() => {}
            deleted => drop(deleted?),
        }
    }
    remove_finalizer(&api, retained.meta()).await?;
    context
        .event(retained, EventType::Normal, reason, "Retained", note)
        .await;
    Ok(Action::await_change())
}
