//! The Environment controller: says whether an Environment makes sense.

use std::sync::Arc;

use futures::{StreamExt, stream};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, TypeMeta},
    core::DeserializeGuard,
    runtime::{controller::Action, reflector::ObjectRef},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Context, control, object::tell, resource::Failure};
use crate::{
    api::{Environment, NO_PROVIDER, condition, names},
    engine::effective,
};

/// Runs the Environment controller until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let own = context
        .stores
        .environments
        .touched()
        .map(|guard| vec![ObjectRef::from_obj(guard.as_ref())]);
    let all = {
        let context = Arc::clone(&context);
        context.clone().stores.provider_configs.touched().map(move |_| {
            let environments = context.stores.environments.filter(|_| true);
            environments
                .iter()
                .map(|guard| ObjectRef::from_obj(guard.as_ref()))
                .collect::<Vec<_>>()
        })
    };
    let queue = stream::select_all([own.boxed(), all.boxed()]).flat_map(stream::iter);
    let store = context.stores.environments.store().clone();
    let reconcile = |guard: Arc<DeserializeGuard<Environment>>, context: Arc<Context>| async move {
        environment(&context, &guard).await
    };
    control::run("environment", context, store, queue, reconcile, shutdown).await;
}

/// Says whether an Environment makes sense. It has no finalizer: what lives in it remembers what it needs of it.
async fn environment(context: &Context, guard: &DeserializeGuard<Environment>) -> Result<Action, Failure> {
    let Ok(environment) = &guard.0 else {
        return Ok(Action::await_change());
    };
    if environment.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let (is, reason, message) = judge(context, environment);
    let mut status = environment.status.clone().unwrap_or_default();
    let old = status.clone();
    status.observed_generation = environment.meta().generation;
    status.home = environment.spec.is_home(context.options.cluster.as_deref());
    tell(
        &mut status.conditions,
        condition::READY,
        is,
        reason,
        &message,
        environment.meta().generation,
    );
    if old == status {
        return Ok(Action::await_change());
    }
    let types = TypeMeta::resource::<Environment>();
    let body = json!({
        "apiVersion": types.api_version, "kind": types.kind,
        "metadata": {"name": environment.name_any(), "uid": environment.uid()}, "status": status,
    });
    let parameters = PatchParams::apply(names::MANAGER_RESOURCE).force();
    let api = Api::<Environment>::all(context.client.clone());
    match api
        .patch_status(&environment.name_any(), &parameters, &Patch::Apply(&body))
        .await
    {
        Err(kube::Error::Api(refused)) if refused.is_not_found() || refused.is_conflict() => {}
        written => drop(written?),
    }
    if !is {
        context.warn(environment, reason, "Validate", message).await;
    }
    Ok(Action::await_change())
}

fn judge(context: &Context, environment: &Environment) -> (bool, &'static str, String) {
    let problems = effective::check_environment(&environment.spec);
    if let Some(first) = problems.first() {
        let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
        return (false, first.reason, all.join("; "));
    }
    if let Some(selector) = &environment.spec.allowed_namespaces
        && let Err(error) = kube::core::Selector::try_from(selector.clone())
    {
        return (false, "InvalidEnvironment", format!("allowedNamespaces: {error}"));
    }
    if environment.spec.is_home(None).is_some() && context.options.cluster.is_none() {
        let message = "identityScope: `environment`: this cluster has no name by which it could be the `home` or not; start \
                       the operator with `--cluster NAME`";
        return (false, "InvalidEnvironment", message.to_owned());
    }
    let providers = &environment.spec.providers;
    let named = mooring_provider::Kind::ALL
        .into_iter()
        .filter_map(|kind| providers.kinds.get(kind));
    let mut missing: Vec<_> = named
        .chain(providers.default.as_ref())
        .filter(|name| *name != NO_PROVIDER && context.stores.provider_configs.get(None, name).is_none())
        .map(|name| format!("`{name}`"))
        .collect();
    missing.sort();
    missing.dedup();
    if missing.is_empty() {
        return (true, "Ready", String::new());
    }
    let message = format!(
        "providers: there is no ProviderConfig {}; create it, or name another",
        missing.join(", ")
    );
    (false, "ProviderNotFound", message)
}
