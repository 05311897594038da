//! The ProviderConfig controller.
//!
//! A ProviderConfig is connected here and nowhere else. Its credentials are read from the operator's own namespace, and
//! a copy is kept there for as long as something lives at the provider: whoever deletes or breaks the original does
//! not strand a teardown. No finalizer is put on a user's Secret. There is no watch on Secrets: one that is in use is
//! read every few seconds.

mod credentials;
mod proof;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, TypeMeta},
    core::DeserializeGuard,
    runtime::{controller::Action, events::EventType, reflector::ObjectRef},
};
use mooring_provider::{Credentials, Identity, Kind};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Context, control,
    object::{remove_finalizer, tell},
    resource::Failure,
};
use crate::api::{ProviderConfig, ProviderConfigStatus, RetainedStanding, condition, names};
use proof::{Account, Proofs, Told, chain, prove};

/// How often the credentials of a provider in use are read: a rotated Secret takes effect within five seconds.
const ROTATION: Duration = Duration::from_secs(4);
/// How often those of one that nobody uses are.
const IDLE: Duration = Duration::from_secs(30);
/// Forgets the connections of ProviderConfigs that are gone without our knowing, once nobody needs them.
pub(super) async fn close_what_is_gone(context: &Context) {
    for connection in context.engine.connections().all() {
        let name = &connection.name;
        let is_there = context.stores.provider_configs.get(None, name).is_some();
        if !is_there && users(context, name).await.is_ok_and(|users| users.is_empty()) {
            tracing::info!(%name, "its ProviderConfig is gone; no longer connected");
            context.engine.connections().close(name);
        }
    }
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
    // What an Environment has it serve is what its credentials have to be good for.
    let routes = {
        let context = Arc::clone(&context);
        context.clone().stores.environments.touched().map(move |_| {
            let configs = context.stores.provider_configs.filter(|_| true);
            configs
                .iter()
                .map(|guard| ObjectRef::from_obj(guard.as_ref()))
                .collect::<Vec<_>>()
        })
    };
    let going = Arc::clone(&context);
    let queue = stream::select_all([
        own.boxed(),
        routes.boxed(),
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
async fn users(context: &Context, name: &str) -> Result<Vec<String>, Failure> {
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
    let mut users = unreadable_users(context, name).await?;
    users.extend(
        resources
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
            ),
    );
    users.sort();
    Ok(users)
}

/// Of a CloudResource that cannot be read the ledger says where it is; if it does not, it may be anywhere.
async fn unreadable_users(context: &Context, name: &str) -> Result<Vec<String>, Failure> {
    let unreadable = context.stores.resources.filter(|guard| {
        let held = guard.finalizers().iter().any(|finalizer| finalizer == names::FINALIZER);
        guard.0.is_err() && held
    });
    let mut users = Vec::new();
    for guard in unreadable {
        let record = match guard.annotations().get(names::IDENTITY) {
            Some(identity) => context.engine.ledger().get(&Identity::new(identity.as_str())).await?,
            None => None,
        };
        if record.is_none_or(|record| record.provider == name) {
            let namespace = guard.namespace().unwrap_or_default();
            users.push(format!("CloudResource {namespace}/{} (unreadable)", guard.name_any()));
        }
    }
    Ok(users)
}

async fn reconcile(
    context: &Context,
    proofs: &Proofs,
    guard: &DeserializeGuard<ProviderConfig>,
) -> Result<Action, Failure> {
    let name = guard.name_any();
    let users = users(context, &name).await?;
    let going = guard.meta().deletion_timestamp.is_some();
    if going && users.is_empty() {
        credentials::remove_copy(context, &name).await?;
        remove_finalizer::<ProviderConfig>(&Api::all(context.client.clone()), guard.meta()).await?;
        proofs.forget(&name);
        context.engine.connections().close(&name);
        return Ok(Action::await_change());
    }
    let config = match &guard.0 {
        Ok(config) => config,
        Err(invalid) => {
            tracing::warn!(%name, error = %invalid, "a ProviderConfig cannot be read");
            return Ok(Action::requeue(proof::CHECK));
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
    let ready = match connect(context, proofs, config).await? {
        Ok(Connected { proof, held }) => match (proof, held) {
            (Ok(proven), held) => {
                let refused = proven.refused();
                tell_kinds(&mut status, &proven.refused, config.meta().generation);
                status.account = Some(proven.account);
                status.region = proven.region.or_else(|| config.spec.region().map(str::to_owned));
                match held.or(refused) {
                    None => (true, "Ready", String::new()),
                    Some((reason, message)) => (false, reason, message),
                }
            }
            (Err((reason, message)), _) => (false, reason, message),
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

/// A condition for each kind that is refused; the others are served.
fn tell_kinds(status: &mut ProviderConfigStatus, refused: &[(Kind, Told)], generation: Option<i64>) {
    let type_ = |kind: Kind| {
        let name = kind.as_str();
        format!("{}{}{}", name[..1].to_ascii_uppercase(), &name[1..], condition::READY)
    };
    for kind in Kind::ALL {
        let type_ = type_(kind);
        match refused.iter().find(|(of, _)| *of == kind) {
            Some((_, (reason, message))) => tell(&mut status.conditions, &type_, false, reason, message, generation),
            None => status.conditions.retain(|known| known.type_ != type_),
        }
    }
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

/// A connection that is in use.
#[derive(Debug)]
struct Connected {
    proof: Account,
    /// Why it is with the credentials from before.
    held: Option<Told>,
}

/// Connects with the credentials there are: the original's once they are proven, until then and without it our copy's.
async fn connect(context: &Context, proofs: &Proofs, config: &ProviderConfig) -> kube::Result<Result<Connected, Told>> {
    let name = config.name_any();
    let Some((provider, settings)) = config.spec.provider() else {
        return Ok(Err((
            "InvalidSpec",
            "exactly one type of provider must be set".to_owned(),
        )));
    };
    let settings = serde_json::Value::Object(settings.0.clone());
    let connections = context.engine.connections();
    let candidate = |credentials: Credentials| {
        connections
            .candidate(&name, provider, &settings, credentials)
            .map_err(|error| (error.reason(), chain(&error)))
    };
    let open = async |credentials: Credentials, held: Option<Told>| {
        let connection = candidate(credentials)?;
        connections.open(&connection);
        let proof = prove(context, proofs, &connection).await;
        Ok(Connected { proof, held })
    };
    let Some(reference) = &config.spec.credentials else {
        return Ok(open(Credentials::new(), None).await);
    };
    let reference = &reference.secret_ref.name;
    let (original, copy) = credentials::secrets(context, &name, reference).await?;
    let (original, copy) = match (original, copy) {
        (None, None) => {
            let message = format!(
                "there is no Secret `{reference}` in namespace `{}`, and no copy of it",
                context.options.namespace
            );
            return Ok(Err(("CredentialsNotFound", message)));
        }
        (None, Some(copy)) => return Ok(open(credentials::read(&copy), None).await),
        (Some(original), copy) => (original, copy),
    };
    let Some(copy) = copy.filter(|copy| copy.data != original.data) else {
        let connected = open(credentials::read(&original), None).await;
        if connected.as_ref().is_ok_and(|connected| connected.proof.is_ok()) {
            credentials::keep(context, &name, &original).await?;
        }
        // Credentials that were tried in their place, and were put back.
        connections.forget_candidate(&name);
        return Ok(connected);
    };
    // What works is not given up for what does not.
    let current = connections.get(&name).and_then(|open| proofs.said(&open)?.ok());
    let refused = match candidate(credentials::read(&original)) {
        Ok(connection) => match prove(context, proofs, &connection).await {
            Ok(proof) if !proof.is_as_good_as(current.as_ref()) => {
                proof.refused().unwrap_or(("PermissionDenied", String::new()))
            }
            Ok(proof) => {
                credentials::keep(context, &name, &original).await?;
                connections.open(&connection);
                return Ok(Ok(Connected {
                    proof: Ok(proof),
                    held: None,
                }));
            }
            Err(refused) => refused,
        },
        Err(refused) => refused,
    };
    let message = format!(
        "the credentials in the Secret `{reference}` do not work, those from before stay in use until they do: {}",
        refused.1
    );
    Ok(open(credentials::read(&copy), Some((refused.0, message))).await)
}
