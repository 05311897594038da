//! A CloudResource that is to be there.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{controller::Action, events::EventType},
};
use mooring_provider::{DynAdapter, Identity, Kind, Retry};
use serde_json::json;

use super::{
    Failure, approval,
    dereference::{self, Inputs},
    provide::{self, Provided},
    publish::publish,
    recent::Recent,
    relations::SKIPPED,
    status::{self, Told, Written},
    validate::{self, Plan, Verdict},
};
use crate::{
    api::{BindingReference, CloudResource, CloudResourceStatus, condition, names},
    engine::{Connection, Next, Priority, declare::Declaration, shared_identity},
    ledger::Standing,
    operator::Context,
};

/// When what waits for somebody else is looked at again, if nothing wakes it before.
const LATER: Duration = Duration::from_secs(60);
/// When something that was overtaken is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// Dereference, validate, provide, apply, status.
pub(super) async fn reconcile(
    context: &Context,
    recent: &Recent,
    object: Arc<CloudResource>,
    declaration: Declaration,
    kind: Kind,
) -> Result<Action, Failure> {
    let inputs = dereference::dereference(context, object, declaration, kind).await?;
    let cluster = context.options.cluster.as_deref().unwrap_or_default();
    match validate::validate(&inputs, cluster) {
        Verdict::Provide(plan) => provided(context, recent, inputs, &plan).await,
        Verdict::Skip(environment) => {
            let mut status = inputs.status.clone();
            status.kind = Some(kind.to_string());
            status.environment = Some(environment.clone());
            status.observed_generation = inputs.object.metadata.generation;
            let message = format!("Environment `{environment}` does without {kind}; the application runs on");
            tell(
                &mut status,
                &inputs.object,
                Told::yes(SKIPPED, message.clone()),
                Told::yes(SKIPPED, message),
            );
            finish(context, recent, &inputs.object, &status, None).await
        }
        Verdict::Refuse(told) => refused(context, recent, &inputs, told, LATER).await,
    }
}

fn tell(status: &mut CloudResourceStatus, object: &CloudResource, ready: Told, synced: Told) {
    let generation = object.metadata.generation;
    status::set(status, condition::READY, &ready, generation);
    status::set(status, condition::SYNCED, &synced, generation);
}

/// Nothing can be done. What was ready is not called unready for that.
async fn refused(
    context: &Context,
    recent: &Recent,
    inputs: &Inputs,
    told: Told,
    again: Duration,
) -> Result<Action, Failure> {
    let mut status = inputs.status.clone();
    status.kind = Some(inputs.kind.to_string());
    status.observed_generation = inputs.object.metadata.generation;
    status::set(&mut status, condition::SYNCED, &told, inputs.object.metadata.generation);
    if !status.memory.was_ready || status::get(&status, condition::READY).is_none() {
        status::set(&mut status, condition::READY, &told, inputs.object.metadata.generation);
    }
    finish(context, recent, &inputs.object, &status, Some(again)).await
}

async fn provided(context: &Context, recent: &Recent, mut inputs: Inputs, plan: &Plan) -> Result<Action, Failure> {
    let Some(connection) = context.engine.connections().get(&plan.provider) else {
        let config = inputs.providers.get(&plan.provider);
        let why = config.and_then(|config| {
            let ready = config
                .status
                .as_ref()?
                .conditions
                .iter()
                .find(|known| known.type_ == condition::READY)?;
            (ready.status == "False").then(|| format!("{}: {}", ready.reason, ready.message))
        });
        return match (why, config) {
            // It is being connected just now: after a start of the operator, or of the ProviderConfig.
            (None, Some(_)) => Ok(Action::requeue(Duration::from_secs(1))),
            (why, _) => {
                let why = why.unwrap_or_else(|| "there is no such ProviderConfig".to_owned());
                let told = Told::no(
                    "ProviderNotReady",
                    format!("ProviderConfig `{}` is not ready: {why}", plan.provider),
                );
                refused(context, recent, &inputs, told, LATER).await
            }
        };
    };
    let identity = match identity(context, &inputs, plan, &connection).await? {
        Ok(identity) => identity,
        Err(error) => {
            let again = match error.retry() {
                Retry::Backoff => Duration::from_secs(5),
                Retry::After(after) => after.max(Duration::from_secs(1)),
                Retry::OnChange | Retry::Slowly => LATER,
            };
            return refused(
                context,
                recent,
                &inputs,
                Told::no(error.reason(), error.to_string()),
                again,
            )
            .await;
        }
    };
    let Some(object) = claim(context, recent, &inputs.object, &identity).await? else {
        return Ok(Action::requeue(AGAIN));
    };
    inputs.status = object.status.clone().unwrap_or_default();
    inputs.object = object;
    inputs.record = context.engine.ledger().get(&identity).await?;
    let base = CloudResourceStatus {
        notes: notes(&connection, inputs.kind, plan),
        ..base(context, &inputs, plan, &identity)
    };
    let provided = match provide::provide(context, recent, &inputs, plan, &connection, &identity, &base).await? {
        Ok(provided) => provided,
        Err(told) => {
            inputs.status = base;
            return refused(context, recent, &inputs, told, LATER).await;
        }
    };
    if provided.moved && provided.report.is_ready() {
        // The word for a move is for one move.
        let (environment, provider) = (Some(plan.environment.as_str()), Some(plan.provider.as_str()));
        approval::used(context, &identity, environment, provider, "move").await;
    }
    conclude(context, recent, &inputs, plan, base, provided).await
}

/// What there is to know of it, here and at this provider.
fn notes(connection: &Connection, kind: Kind, plan: &Plan) -> Vec<String> {
    let adapter = connection.adapter(kind, Priority::Drift).ok();
    let adapter = adapter.filter(|_| plan.existing.is_none());
    // A spec that it cannot read is refused by the step.
    let of_provider = adapter.and_then(|adapter| adapter.notes(&plan.spec).ok());
    plan.notes
        .iter()
        .cloned()
        .chain(of_provider.unwrap_or_default())
        .collect()
}

/// The status as it is known before the step.
fn base(context: &Context, inputs: &Inputs, plan: &Plan, identity: &Identity) -> CloudResourceStatus {
    let owner = plan.owner(context, identity, inputs.key());
    let name = inputs.record.as_ref().map(|record| record.name.clone());
    CloudResourceStatus {
        observed_generation: inputs.object.metadata.generation,
        kind: Some(inputs.kind.to_string()),
        provider: Some(plan.provider.clone()),
        environment: Some(plan.environment.clone()),
        shared: plan.shared.clone(),
        name: plan
            .existing
            .is_none()
            .then(|| name.unwrap_or_else(|| mooring_provider::external_name(&owner))),
        effective: plan.values.clone(),
        not_applied: plan.not_applied.clone(),
        deletion: plan.deletion.clone(),
        deletes_per_hour: plan.deletes_per_hour,
        ..inputs.status.clone()
    }
}

/// The identity it has, or is to have. One that the ledger holds for its key is believed over an annotation that
/// somebody changed to one that nobody knows.
async fn identity(
    context: &Context,
    inputs: &Inputs,
    plan: &Plan,
    connection: &Connection,
) -> Result<mooring_provider::Result<Identity>, Failure> {
    if let Err(error) = context.engine.prove(connection, inputs.kind).await {
        return Ok(Err(error));
    }
    if let Some(shared) = &plan.shared {
        return Ok(Ok(shared_identity(&shared.owner, inputs.key())));
    }
    let Some(annotated) = &inputs.identity else {
        return Ok(context.engine.identity(inputs.key(), inputs.kind, connection).await);
    };
    let known = match &inputs.record {
        Some(record) => Some(record.clone()),
        // The inventory may just have been taken in.
        None => context.engine.ledger().get(annotated).await?,
    };
    if known.is_some_and(|known| known.standing != Standing::Gone && known.owner.key == *inputs.key()) {
        return Ok(Ok(annotated.clone()));
    }
    let of_key = context
        .engine
        .ledger()
        .of_key(context.engine.cluster(), inputs.key())
        .await?;
    let held = of_key
        .into_iter()
        .find(|record| !matches!(record.standing, Standing::Gone | Standing::Abandoned));
    Ok(Ok(
        held.map_or_else(|| annotated.clone(), |record| record.owner.identity)
    ))
}

/// Writes the finalizer and the identity onto the object, where they are missing.
async fn claim(
    context: &Context,
    recent: &Recent,
    object: &Arc<CloudResource>,
    identity: &Identity,
) -> Result<Option<Arc<CloudResource>>, Failure> {
    let carries = object.annotations().get(names::IDENTITY).map(String::as_str) == Some(identity.as_str());
    let finalizers = object.finalizers();
    if carries && finalizers.iter().any(|name| name == names::FINALIZER) {
        return Ok(Some(Arc::clone(object)));
    }
    let claimed = claim_with(context, object, Some(identity)).await?;
    if let Some(claimed) = &claimed {
        recent.wrote(claimed);
    }
    Ok(claimed)
}

/// One patch with the resourceVersion that was read; `None` when somebody was quicker.
pub(super) async fn claim_with(
    context: &Context,
    object: &CloudResource,
    identity: Option<&Identity>,
) -> kube::Result<Option<Arc<CloudResource>>> {
    let mut finalizers = object.finalizers().to_vec();
    if !finalizers.iter().any(|name| name == names::FINALIZER) {
        finalizers.push(names::FINALIZER.to_owned());
    }
    let mut patch = json!({
        "metadata": { "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": finalizers },
    });
    if let Some(identity) = identity {
        patch["metadata"]["annotations"] = json!({ names::IDENTITY: identity.as_str() });
    }
    let api = Api::<CloudResource>::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    match api
        .patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Ok(claimed) => Ok(Some(Arc::new(claimed))),
        Err(kube::Error::Api(refused)) if refused.is_conflict() || refused.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The Secret, then the status.
async fn conclude(
    context: &Context,
    recent: &Recent,
    inputs: &Inputs,
    plan: &Plan,
    base: CloudResourceStatus,
    provided: Provided,
) -> Result<Action, Failure> {
    let Provided {
        object,
        report,
        place,
        found,
        account,
        rotated,
        moved: _,
    } = provided;
    let ready_before = status::holds(&inputs.status, condition::READY);
    // What is known of somebody else's resource is not this one's to remember.
    let foreign = matches!(&report.ready, Some(ready) if ready.reason == mooring_provider::reason::OWNED_ELSEWHERE);
    let memory = if foreign {
        base.memory.clone()
    } else {
        report.memory.clone()
    };
    let mut status = CloudResourceStatus { memory, ..base };
    if let Some(written) = &object.status {
        status.conditions.clone_from(&written.conditions);
    }
    status.endpoint = report.endpoint.clone().or(status.endpoint);
    if let (true, ["backends"], Next::After(again)) = (ready_before, report.changing.as_slice(), report.next) {
        // Who serves its requests just now is not its state: pods come and go, and nobody is told each time.
        return finish(context, recent, &object, &status, Some(again)).await;
    }
    let mut ready = report.ready.clone().map(Told::from);
    let mut synced = Told::from(report.synced.clone());
    // A change in place, of one that is in use: it goes on being usable. One that comes back into use is not yet.
    if let Some(told) = ready
        .as_mut()
        .filter(|told| told.reason == mooring_provider::reason::UPDATING)
    {
        told.is = ready_before;
    }
    // One that is being changed may not say what it needs to be used; what consumers have goes on to be good.
    let says_nothing = report.bindings.is_empty() && status.binding.is_some();
    if !says_nothing && report.is_ready() && ready.as_ref().is_some_and(|ready| ready.is) {
        match publish(
            context,
            inputs,
            plan,
            &report.bindings,
            account.as_ref(),
            place,
            found,
            rotated,
            &status,
        )
        .await?
        {
            Ok(Some((name, revision))) => {
                status.binding = Some(BindingReference { name });
                status.binding_revision = Some(revision);
            }
            Ok(None) => {}
            Err(told) => {
                ready = Some(told.clone());
                synced = told;
            }
        }
    }
    if let Some(but) = &plan.but {
        synced = but.clone();
    }
    let ready = ready.or_else(|| status::get(&status, condition::READY).is_none().then(|| synced.clone()));
    let generation = object.metadata.generation;
    if let Some(ready) = &ready {
        status::set(&mut status, condition::READY, ready, generation);
    }
    status::set(&mut status, condition::SYNCED, &synced, generation);
    let next = match report.next {
        Next::After(after) if report.is_ready() => Some(aligned(context, after)),
        Next::After(after) => Some(after),
        Next::OnChange => None,
    };
    finish(context, recent, &object, &status, next).await
}

/// Looks come at the same moments for all, so that they make full batches.
fn aligned(context: &Context, after: Duration) -> Duration {
    let poll = context.options.poll.max(Duration::from_millis(10));
    if after <= poll {
        return after;
    }
    let period = poll.as_millis();
    let now = context.engine.clock().now().as_millisecond().unsigned_abs();
    Duration::from_millis((period - u128::from(now) % period) as u64)
}

/// The one write, and what people are told beside it.
pub(super) async fn finish(
    context: &Context,
    recent: &Recent,
    object: &Arc<CloudResource>,
    status: &CloudResourceStatus,
    next: Option<Duration>,
) -> Result<Action, Failure> {
    let mut told = status.clone();
    status::tell_secret_only(object, &mut told);
    match status::write(context, recent, object, &told, next).await? {
        Written::Overtaken => return Ok(Action::requeue(AGAIN)),
        Written::Done(_) => announce(context, object, status).await,
    }
    // Nothing hot-loops, and what only a change helps is looked at now and then all the same.
    let next = next.unwrap_or(Duration::from_secs(600)).max(Duration::from_millis(20));
    Ok(Action::requeue(next))
}

/// An Event for each condition whose reason changed.
async fn announce(context: &Context, object: &CloudResource, new: &CloudResourceStatus) {
    let old = object.status.clone().unwrap_or_default();
    for type_ in [condition::READY, condition::SYNCED, condition::DELETING] {
        let Some(now) = status::get(new, type_) else { continue };
        let before = status::get(&old, type_).map(|known| known.reason.as_str());
        let same_as_ready = type_ == condition::SYNCED
            && status::get(new, condition::READY).is_some_and(|ready| ready.reason == now.reason);
        if before == Some(now.reason.as_str()) || same_as_ready || type_ == condition::SYNCED && now.status == "True" {
            continue;
        }
        let calm = now.status == "True"
            || matches!(
                now.reason.as_str(),
                "Provisioning" | "Updating" | "Settling" | "WaitingFor"
            );
        let kind = if calm { EventType::Normal } else { EventType::Warning };
        let note = if now.message.is_empty() {
            now.reason.clone()
        } else {
            now.message.clone()
        };
        if kind == EventType::Warning {
            // Who deploys looks at the Application.
            let namespace = object.namespace();
            let application = context
                .stores
                .applications
                .get(namespace.as_deref(), &object.spec.application);
            if let Some(application) = application {
                let note = format!("CloudResource `{}`: {note}", object.name_any());
                context.warn(application.as_ref(), &now.reason, type_, note).await;
            }
        }
        context.event(object, kind, &now.reason, type_, note).await;
    }
}
