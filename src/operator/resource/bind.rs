//! A bind: the use of a resource that somebody else declares. It has a Secret and, where the target has accounts, an
//! account of its own, which the target's reconcile makes and drops.

use std::sync::Arc;

use kube::{ResourceExt, runtime::controller::Action};
use mooring_provider::{Access, Account, Bindings, DynAdapter, Identity, Key};
use serde_json::json;

use super::{
    Failure, account, place_of,
    present::{claim_with, finish},
    provide::credentials,
    publish::write_entries,
    recent::Recent,
    relations::{self, Relative, SKIPPED},
    secret::{self, Found},
    status::{self, Told},
};
use crate::{
    api::{BindingReference, CloudResource, CloudResourceStatus, condition, names},
    engine::{
        Priority, binding,
        declare::{Consumption, Declaration},
        problem::reason,
    },
    operator::Context,
};

/// When a bind that waits is looked at again, if its target does not wake it before.
const LATER: std::time::Duration = std::time::Duration::from_secs(30);

/// Reconciles a bind that is to be there.
pub(super) async fn reconcile(
    context: &Context,
    recent: &Recent,
    mut object: Arc<CloudResource>,
    declaration: Declaration,
) -> Result<Action, Failure> {
    if !object.finalizers().iter().any(|name| name == names::FINALIZER) {
        let Some(claimed) = claim_with(context, &object, None).await? else {
            return Ok(Action::requeue(std::time::Duration::from_millis(200)));
        };
        recent.wrote(&claimed);
        object = claimed;
    }
    let before = object.status.clone().unwrap_or_default();
    let mut status = CloudResourceStatus {
        kind: Some(declaration.declares.to_string()),
        observed_generation: object.metadata.generation,
        ..before
    };
    let told = match bound(context, &object, &declaration, &mut status).await? {
        Ok(told) => told,
        Err(told) => {
            // What it has still works: the target is there, or it is said elsewhere that it is not.
            let generation = object.metadata.generation;
            status::set(&mut status, condition::SYNCED, &told, generation);
            status::set(&mut status, condition::READY, &told, generation);
            return finish(context, recent, &object, &status, Some(LATER)).await;
        }
    };
    let generation = object.metadata.generation;
    status::set(&mut status, condition::READY, &told, generation);
    status::set(
        &mut status,
        condition::SYNCED,
        &Told {
            reason: "InSync".into(),
            ..told
        },
        generation,
    );
    finish(context, recent, &object, &status, Some(context.options.poll)).await
}

/// Makes its Secret as far as that can be made.
async fn bound(
    context: &Context,
    object: &CloudResource,
    declaration: &Declaration,
    status: &mut CloudResourceStatus,
) -> Result<Result<Told, Told>, Failure> {
    let problems = declaration.check();
    if let Some(problem) = problems.first() {
        return Ok(Err(Told::no(problem.reason, problem.to_string())));
    }
    if object.name_any() != declaration.key.object_name() {
        let name = declaration.key.object_name();
        return Ok(Err(Told::no(
            super::INVALID_NAME,
            format!("this CloudResource is to be named `{name}`"),
        )));
    }
    let to = object
        .spec
        .bind
        .as_ref()
        .map(|bind| bind.to.clone())
        .unwrap_or_default();
    let Some((_, Some(target))) = relations::target(context, declaration) else {
        let message = format!(
            "to: `{to}`: there is no such resource; it is `component/trait` of this application, or \
             `namespace/resource`"
        );
        return Ok(Err(Told::no(reason::TARGET_NOT_FOUND, message)));
    };
    let Some(most) = relations::consents(&target, &declaration.key) else {
        let message = format!(
            "to: `{to}`: its owner does not consent; ask for `shareWith: [{{namespace: {}}}]` there",
            declaration.key.namespace
        );
        return Ok(Err(Told::no(reason::NOT_ALLOWED, message)));
    };
    let access = object
        .spec
        .bind
        .as_ref()
        .and_then(|bind| bind.access)
        .unwrap_or(Access::ReadOnly);
    if access.at_most(most) != access {
        let (asked, most) = (access.as_str(), most.as_str());
        let message = format!(
            "access: `{asked}`: the owner of `{to}` consents to `{most}` only; ask for `access: {asked}` in its \
             `shareWith`, or use `{most}` here"
        );
        return Ok(Err(Told::no(reason::NOT_ALLOWED, message)));
    }
    let Some(kind) = target.declaration.declares.kind() else {
        return Ok(Err(Told::no(
            reason::INVALID_SPEC,
            format!("to: `{to}` is a bind itself; name what that is to"),
        )));
    };
    let known = target.status();
    status.provider.clone_from(&known.provider);
    status.environment.clone_from(&known.environment);
    status.endpoint.clone_from(&known.endpoint);
    if status::get(&known, condition::READY).is_some_and(|ready| ready.reason == SKIPPED) {
        return Ok(Ok(Told::yes(
            SKIPPED,
            format!("`{to}` is done without in this environment"),
        )));
    }

    let place = place_of(object);
    let mut found = secret::find(context, &place).await?;
    let asked = object.annotations().get(names::ROTATE).cloned();
    let own = has_accounts(context, &target, kind);
    let mut account = None;
    if own {
        match adapter(context, &target, kind).map(|adapter| adapter.grants(access)) {
            Some(Err(error)) => return Ok(Err(Told::no(error.reason(), format!("access: {}", error.message())))),
            Some(Ok(granted)) if granted != access => {
                let (asked, granted) = (access.as_str(), granted.as_str());
                status.notes = vec![format!(
                    "access: `{asked}` is asked for and `{granted}` given, as the provider allows no less"
                )];
            }
            _ => status.notes = Vec::new(),
        }
        let Some(name) = login(context, &target, kind, &declaration.key) else {
            return Ok(Err(Told::no("WaitingFor", format!("`{to}` must be ready first"))));
        };
        let spec = json!({ "engine": target.declaration.properties.get("engine") });
        let (password, now) = credentials(context, &place, found, &spec, &name, asked.as_deref()).await?;
        found = now;
        account = Some(Account { name, access, password });
    }
    if let Found::Foreign(holder) = &found {
        let message = format!(
            "the Secret `{}` is there already and belongs to {holder}; remove it, or choose another `secretName`",
            place.name
        );
        return Ok(Err(Told::no("SecretTaken", message)));
    }
    if !target.is_ready() {
        return Ok(Err(Told::no("WaitingFor", format!("`{to}` must be ready first"))));
    }
    if let Some(account) = &account {
        let identity = target
            .object
            .annotations()
            .get(names::IDENTITY)
            .map(|text| Identity::new(text.as_str()));
        let told = match &identity {
            Some(identity) => {
                context
                    .engine
                    .is_told(identity, known.memory.incarnation, account)
                    .await?
            }
            None => false,
        };
        if !told {
            return Ok(Err(Told::no(
                "WaitingFor",
                format!("its account is being made at `{to}`"),
            )));
        }
    }
    let Found::Ours(of_target) = secret::find(context, &place_of(&target.object)).await? else {
        return Ok(Err(Told::no(
            "WaitingFor",
            format!("the Secret of `{to}` is not there yet"),
        )));
    };
    let entries = shared(of_target.entries(), &target, own);
    let consumption = Consumption::of(
        declaration.declares,
        Some(kind),
        &declaration.key.name,
        &declaration.properties,
    );
    let entries = match binding::compose(kind, &entries, account.as_ref(), None, &consumption.templates) {
        Ok(binding) => binding.entries,
        Err(error) => return Ok(Err(Told::no(reason::INVALID_SPEC, error.to_string()))),
    };
    let rotated = asked.filter(|_| own);
    Ok(
        match write_entries(context, kind.as_str(), entries, place, found, rotated, status).await? {
            Ok(Some((name, revision))) => {
                status.binding = Some(BindingReference { name });
                status.binding_revision = Some(revision);
                Ok(Told::yes("Ready", ""))
            }
            Ok(None) => Ok(Told::yes("Ready", "")),
            Err(told) => Err(told),
        },
    )
}

/// Whether those who bind to it get an account of their own.
pub(super) fn has_accounts(context: &Context, target: &Relative, kind: mooring_provider::Kind) -> bool {
    !target.declaration.properties.contains_key("existing")
        && adapter(context, target, kind)
            // A database has accounts wherever it is; whether another kind has, its provider says.
            .map_or(kind == mooring_provider::Kind::Rds, |adapter| {
                adapter.capability().accounts
            })
}

/// The name of a bind's account at its target; `None` until that has an identity.
pub(super) fn login(context: &Context, target: &Relative, kind: mooring_provider::Kind, bind: &Key) -> Option<String> {
    let identity = Identity::new(target.object.annotations().get(names::IDENTITY)?.as_str());
    let sharing = relations::sharing(context, target.status().shared.as_ref());
    let wish = account::of_bind(bind, sharing);
    let adapter = adapter(context, target, kind);
    Some(adapter.map_or_else(|| wish.clone(), |adapter| adapter.login(&identity, &wish)))
}

/// What serves a target, once it is known where that is.
fn adapter(context: &Context, target: &Relative, kind: mooring_provider::Kind) -> Option<impl DynAdapter> {
    let connection = context.engine.connections().get(&target.status().provider?)?;
    connection.adapter(kind, Priority::Create).ok()
}

/// The target's entries without what is its own: its templates, and its account where the bind has another.
fn shared(mut entries: Bindings, target: &Relative, own_account: bool) -> Bindings {
    let templates = target
        .declaration
        .properties
        .get("env")
        .and_then(serde_json::Value::as_object);
    for name in templates.into_iter().flat_map(serde_json::Map::keys) {
        entries.remove(name);
    }
    if own_account {
        for key in ["username", "password", "uri"] {
            entries.remove(key);
        }
    }
    entries
}
