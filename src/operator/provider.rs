//! The ProviderConfig controller.
//!
//! A ProviderConfig is connected here and nowhere else. Its credentials are read from the operator's own namespace, and
//! a copy is kept there for as long as something lives at the provider: whoever deletes or breaks the original does
//! not strand a teardown. No finalizer is put on a user's Secret. There is no watch on Secrets: one that is in use is
//! read every few seconds.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, TypeMeta},
    core::DeserializeGuard,
    runtime::{controller::Action, events::EventType, reflector::ObjectRef},
};
use mooring_provider::{Credentials, Error};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Context, control,
    object::{remove_finalizer, tell},
    resource::Failure,
};
use crate::{
    api::{ProviderConfig, ProviderConfigStatus, RetainedStanding, condition, names},
    engine::{Connection, Priority},
};

/// How often the credentials of a provider in use are read: a rotated Secret takes effect within five seconds.
const ROTATION: Duration = Duration::from_secs(4);
/// How often those of one that nobody uses are.
const IDLE: Duration = Duration::from_secs(30);
/// How often it is proven anew that credentials work.
const CHECK: Duration = Duration::from_secs(60);
/// The longest pause between proofs that fail.
const SLOWEST: Duration = Duration::from_secs(60);

/// When each connection was proven last, and how.
#[derive(Debug, Default)]
struct Proofs(Mutex<HashMap<String, Proof>>);

#[derive(Debug, Clone)]
struct Proof {
    of: std::sync::Weak<Connection>,
    at: Instant,
    failures: u32,
    said: Result<(String, Option<String>), (&'static str, String)>,
}

/// Runs the ProviderConfig controller until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let proofs = Arc::new(Proofs::default());
    let own = context
        .stores
        .provider_configs
        .touched()
        .map(|guard| vec![ObjectRef::from_obj(guard.as_ref())]);
    // One that is going waits for the last that uses it, and one that is first used is looked at more often.
    let users = {
        let context = Arc::clone(&context);
        context
            .stores
            .resources
            .touched()
            .filter_map(|guard| {
                let status = guard.0.as_ref().ok().and_then(|object| object.status.as_ref());
                std::future::ready(status.and_then(|status| status.provider.clone()))
            })
            .map(|name| vec![ObjectRef::new(&name)])
    };
    let kept = context
        .stores
        .retained
        .touched()
        .filter_map(|guard| std::future::ready(guard.0.as_ref().ok().map(|retained| retained.spec.provider.clone())))
        .map(|name| vec![ObjectRef::new(&name)]);
    let going = Arc::clone(&context);
    let queue = stream::select_all([
        own.boxed(),
        only_going(users, &going).boxed(),
        only_going(kept, &going).boxed(),
    ])
    .flat_map(stream::iter);
    let store = context.stores.provider_configs.store().clone();
    let reconcile = move |guard: Arc<DeserializeGuard<ProviderConfig>>, context: Arc<Context>| {
        let proofs = Arc::clone(&proofs);
        async move { reconcile(&context, &proofs, &guard).await }
    };
    control::run("provider", context, store, queue, reconcile, shutdown).await;
}

type Reference = ObjectRef<DeserializeGuard<ProviderConfig>>;

/// News of users matter only to a ProviderConfig that is going.
fn only_going(
    news: impl futures::Stream<Item = Vec<Reference>> + Send + 'static,
    context: &Arc<Context>,
) -> impl futures::Stream<Item = Vec<Reference>> + Send + 'static {
    let context = Arc::clone(context);
    news.map(move |mut references| {
        references.retain(|reference| {
            let there = context.stores.provider_configs.store().get(reference);
            there.is_some_and(|guard| guard.meta().deletion_timestamp.is_some())
        });
        references
    })
}

/// What holds a ProviderConfig, for a person.
fn users(context: &Context, name: &str) -> Vec<String> {
    let resources = context.stores.resources.filter(|guard| {
        guard.0.as_ref().is_ok_and(|object| {
            object
                .finalizers()
                .iter()
                .any(|finalizer| finalizer == names::FINALIZER)
                && object
                    .status
                    .as_ref()
                    .is_some_and(|status| status.provider.as_deref() == Some(name))
        })
    });
    let retained = context.stores.retained.filter(|guard| {
        guard
            .0
            .as_ref()
            .is_ok_and(|object| object.spec.provider == name && object.spec.standing != RetainedStanding::Abandoned)
    });
    let mut users: Vec<_> = resources
        .iter()
        .map(|guard| {
            format!(
                "CloudResource {}/{}",
                guard.namespace().unwrap_or_default(),
                guard.name_any()
            )
        })
        .chain(
            retained
                .iter()
                .map(|guard| format!("RetainedResource {}", guard.name_any())),
        )
        .collect();
    users.sort();
    users
}

async fn reconcile(
    context: &Context,
    proofs: &Proofs,
    guard: &DeserializeGuard<ProviderConfig>,
) -> Result<Action, Failure> {
    let name = guard.name_any();
    let users = users(context, &name);
    let going = guard.meta().deletion_timestamp.is_some();
    if going && users.is_empty() {
        remove_copy(context, &name).await?;
        remove_finalizer::<ProviderConfig>(&Api::all(context.client.clone()), guard.meta()).await?;
        proofs.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        return Ok(Action::await_change());
    }
    let config = match &guard.0 {
        Ok(config) => config,
        Err(invalid) => {
            tracing::warn!(%name, error = %invalid, "a ProviderConfig cannot be read");
            return Ok(Action::requeue(CHECK));
        }
    };
    if !going
        && !config
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == names::FINALIZER)
    {
        let mut finalizers = config.finalizers().to_vec();
        finalizers.push(names::FINALIZER.to_owned());
        let patch = json!({"metadata": {"resourceVersion": config.resource_version(), "finalizers": finalizers}});
        let api = Api::<ProviderConfig>::all(context.client.clone());
        match api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(refused)) if refused.is_conflict() || refused.is_not_found() => {
                return Ok(Action::requeue(Duration::from_millis(200)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut status = config.status.clone().unwrap_or_default();
    status.observed_generation = config.meta().generation;
    let ready = match connect(context, config).await? {
        Ok(connection) => match prove(context, proofs, &connection).await {
            Ok((account, region)) => {
                status.account = Some(account);
                status.region = region.or_else(|| config.spec.region().map(str::to_owned));
                (true, "Ready", String::new())
            }
            Err((reason, message)) => (false, reason, message),
        },
        Err((reason, message)) => (false, reason, message),
    };
    let old = config.status.clone().unwrap_or_default();
    tell(
        &mut status.conditions,
        condition::READY,
        ready.0,
        ready.1,
        &ready.2,
        config.meta().generation,
    );
    if going {
        let message = format!(
            "{} must go first: delete them, or give them up by `mooring approve abandon`; until then the credentials are kept",
            shortened(&users)
        );
        tell(
            &mut status.conditions,
            condition::DELETING,
            true,
            "InUse",
            &message,
            config.meta().generation,
        );
    }
    if old != status {
        write(context, config, &status).await?;
        let was = old
            .conditions
            .iter()
            .find(|known| known.type_ == condition::READY)
            .map(|known| known.reason.clone());
        if was.as_deref() != Some(ready.1) {
            let type_ = if ready.0 { EventType::Normal } else { EventType::Warning };
            let note = if ready.2.is_empty() {
                "the credentials work".to_owned()
            } else {
                ready.2
            };
            context.event(config, type_, ready.1, "Connect", note).await;
        }
    }
    Ok(Action::requeue(if users.is_empty() && ready.0 {
        IDLE
    } else {
        ROTATION
    }))
}

fn shortened(users: &[String]) -> String {
    const SHOWN: usize = 10;
    match users.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", users[..SHOWN].join(", ")),
        _ => users.join(", "),
    }
}

async fn write(context: &Context, config: &ProviderConfig, status: &ProviderConfigStatus) -> kube::Result<()> {
    let types = TypeMeta::resource::<ProviderConfig>();
    let body = json!({
        "apiVersion": types.api_version, "kind": types.kind,
        "metadata": {"name": config.name_any(), "uid": config.uid()}, "status": status,
    });
    let parameters = PatchParams::apply(names::MANAGER_RESOURCE).force();
    let api = Api::<ProviderConfig>::all(context.client.clone());
    match api
        .patch_status(&config.name_any(), &parameters, &Patch::Apply(&body))
        .await
    {
        Err(kube::Error::Api(refused)) if refused.is_not_found() || refused.is_conflict() => Ok(()),
        written => written.map(drop),
    }
}

type Told = (&'static str, String);

/// Connects with the credentials there are: the original, else our copy.
async fn connect(context: &Context, config: &ProviderConfig) -> kube::Result<Result<Arc<Connection>, Told>> {
    let name = config.name_any();
    let Some((provider, settings)) = config.spec.provider() else {
        return Ok(Err((
            "InvalidSpec",
            "exactly one type of provider must be set".to_owned(),
        )));
    };
    let credentials = match &config.spec.credentials {
        None => Credentials::new(),
        Some(reference) => match credentials(context, config, &reference.secret_ref.name).await? {
            Some(credentials) => credentials,
            None => {
                let message = format!(
                    "there is no Secret `{}` in namespace `{}`, and no copy of it",
                    reference.secret_ref.name, context.options.namespace
                );
                return Ok(Err(("CredentialsNotFound", message)));
            }
        },
    };
    let settings = serde_json::Value::Object(settings.0.clone());
    Ok(context
        .engine
        .connections()
        .connect(&name, provider, &settings, credentials)
        .map_err(|error| (error.reason(), chain(&error))))
}

fn chain(error: &Error) -> String {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message
}

fn copy_name(config: &str) -> String {
    format!("mooring-credentials-{config}")
}

/// The entries of the credentials' Secret; of our copy when that is gone. The copy follows the original.
async fn credentials(context: &Context, config: &ProviderConfig, name: &str) -> kube::Result<Option<Credentials>> {
    let api = Api::<Secret>::namespaced(context.client.clone(), &context.options.namespace);
    let copy_name = copy_name(&config.name_any());
    let (original, copy) = (api.get_opt(name).await?, api.get_opt(&copy_name).await?);
    let Some(original) = original.filter(|original| original.metadata.deletion_timestamp.is_none()) else {
        return Ok(copy.map(|copy| read(&copy)));
    };
    let credentials = read(&original);
    let labels = BTreeMap::from([(names::MANAGED_BY.to_owned(), names::MANAGED_BY_US.to_owned())]);
    let fresh = Secret {
        metadata: ObjectMeta {
            name: Some(copy_name.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        data: original.data.clone(),
        ..Secret::default()
    };
    match copy {
        None => match api.create(&PostParams::default(), &fresh).await {
            Err(kube::Error::Api(refused)) if refused.is_already_exists() => {}
            made => drop(made?),
        },
        Some(copy) if copy.data != original.data => {
            let ours = copy
                .labels()
                .get(names::MANAGED_BY)
                .is_some_and(|by| by == names::MANAGED_BY_US);
            if ours {
                let version = copy.metadata.resource_version.clone();
                let metadata = ObjectMeta {
                    resource_version: version,
                    ..fresh.metadata.clone()
                };
                match api
                    .replace(&copy_name, &PostParams::default(), &Secret { metadata, ..fresh })
                    .await
                {
                    Err(kube::Error::Api(refused)) if refused.is_conflict() => {}
                    replaced => drop(replaced?),
                }
            }
        }
        Some(_) => {}
    }
    Ok(Some(credentials))
}

fn read(secret: &Secret) -> Credentials {
    let entries = secret.data.iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.clone(), String::from_utf8(value.0.clone()).ok()?.into())))
        .collect()
}

async fn remove_copy(context: &Context, name: &str) -> kube::Result<()> {
    let api = Api::<Secret>::namespaced(context.client.clone(), &context.options.namespace);
    let Some(copy) = api.get_opt(&copy_name(name)).await? else {
        return Ok(());
    };
    if copy
        .labels()
        .get(names::MANAGED_BY)
        .is_none_or(|by| by != names::MANAGED_BY_US)
    {
        return Ok(());
    }
    match api.delete(&copy_name(name), &DeleteParams::default()).await {
        Err(kube::Error::Api(refused)) if refused.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// Whether the credentials work, and whose they are. Asked anew when they changed, and now and then.
async fn prove(
    context: &Context,
    proofs: &Proofs,
    connection: &Arc<Connection>,
) -> Result<(String, Option<String>), Told> {
    let known = proofs
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&connection.name)
        .cloned();
    let known = known.filter(|proof| proof.of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, connection)));
    if let Some(proof) = &known {
        let pause = if proof.said.is_ok() {
            CHECK
        } else {
            ROTATION.saturating_mul(1 << proof.failures.min(4)).min(SLOWEST)
        };
        if proof.at.elapsed() < pause {
            return proof.said.clone();
        }
    }
    let permit = connection.budget().acquire(Priority::Drift).await;
    let checked = connection.provider().check().await;
    drop(permit);
    let said = match checked {
        // That it is the account it was before, and what it holds of ours.
        Ok(info) => context
            .engine
            .prove(connection)
            .await
            .map(|()| (info.account, info.region)),
        Err(error) => Err(error),
    };
    let said = said.map_err(|error| (error.reason(), chain(&error)));
    let failures = if said.is_ok() {
        0
    } else {
        known.map_or(0, |proof| proof.failures) + 1
    };
    let proof = Proof {
        of: Arc::downgrade(connection),
        at: Instant::now(),
        failures,
        said: said.clone(),
    };
    proofs
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(connection.name.clone(), proof);
    said
}
