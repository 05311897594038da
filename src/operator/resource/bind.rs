//! A bind: the use of a resource that somebody else declares. It has a Secret and, where the target has accounts, an
//! account of its own, which the target's reconcile makes and drops.

use std::{sync::Arc, time::Duration};

use kube::{ResourceExt, runtime::controller::Action};
use mooring_provider::{Access, Bindings, DynAdapter, Identity, Key};

use super::{
    Failure, account,
    login::{self, Asked},
    place_of,
    present::{claim_with, finish},
    provide::type_of,
    publish::{Publication, promote, publish},
    recent::Recent,
    relations::{self, Relative, SKIPPED},
    retiring::{self, Leavers},
    secret::{self, Found},
    status::{self, Told},
};
use crate::{
    api::{BindingReference, CloudResource, CloudResourceStatus, condition, names},
    engine::{
        Priority,
        declare::{Consumption, Declaration},
        problem::reason,
        rotation::{self, of_generation},
    },
    operator::Context,
};

/// When a bind that waits is looked at again, if its target does not wake it before.
const LATER: Duration = Duration::from_secs(30);

/// When it is looked again whether the provider of its target is connected.
const CONNECTING: Duration = Duration::from_secs(1);

/// Reconciles a bind that is to be there.
pub(super) async fn reconcile(
    context: &Context,
    recent: &Recent,
    mut object: Arc<CloudResource>,
    declaration: Declaration,
) -> Result<Action, Failure> {
    if !object.finalizers().iter().any(|name| name == names::FINALIZER) {
        let Some(claimed) = claim_with(context, &object, None).await? else {
            return Ok(Action::requeue(Duration::from_millis(200)));
        };
        recent.wrote(&claimed);
        object = claimed;
    }
    let before = object.status.clone().unwrap_or_default();
    if before.binding.is_some() && is_connecting(context, &declaration) {
        // After a start of the operator, or of the ProviderConfig: what it has still works.
        return Ok(Action::requeue(CONNECTING));
    }
    let mut status = CloudResourceStatus {
        kind: Some(declaration.declares.to_string()),
        observed_generation: object.metadata.generation,
        ..before
    };
    let mut next = None;
    let told = match bound(context, &object, &declaration, &mut status, &mut next).await? {
        Ok(told) => told,
        Err(told) => {
            // What it has still works: the target is there, or it is said elsewhere that it is not.
            let generation = object.metadata.generation;
            status::set(&mut status, condition::SYNCED, &told, generation);
            status::set(&mut status, condition::READY, &told, generation);
            return finish(
                context,
                recent,
                &object,
                &status,
                Some(next.map_or(LATER, |next| next.min(LATER))),
            )
            .await;
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
    let poll = context.options.poll;
    finish(
        context,
        recent,
        &object,
        &status,
        Some(next.map_or(poll, |next| next.min(poll))),
    )
    .await
}

/// Makes its Secret as far as that can be made.
async fn bound(
    context: &Context,
    object: &CloudResource,
    declaration: &Declaration,
    status: &mut CloudResourceStatus,
    next: &mut Option<Duration>,
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
    let own = has_accounts(context, &target, kind);
    let rotation = rotation::in_effect(&known.effective);
    let (mut login, mut leavers) = (None, Leavers::default());
    if own {
        // What it is called, and whether it can be kept, is its provider's to say: without that nothing is written anew.
        let Some(served) = adapter(context, &target, kind) else {
            *next = Some(CONNECTING);
            return Ok(Err(Told::no(
                "WaitingFor",
                format!("the provider of `{to}` is being connected"),
            )));
        };
        match served.grants(access) {
            Err(error) => return Ok(Err(Told::no(error.reason(), format!("access: {}", error.message())))),
            Ok(granted) if granted != access => {
                let (asked, granted) = (access.as_str(), granted.as_str());
                status.notes = vec![format!(
                    "access: `{asked}` is asked for and `{granted}` given, as the provider allows no less"
                )];
            }
            Ok(_) => status.notes = Vec::new(),
        }
        let (Some(identity), Some(names)) = (identity_of(&target), logins(context, &target, kind, &declaration.key))
        else {
            return Ok(Err(Told::no("WaitingFor", format!("`{to}` must be ready first"))));
        };
        let told = context.engine.ledger().told(&identity).await?;
        let applied = known.memory.applied.clone().unwrap_or_default();
        let asked = Asked {
            object,
            place: &place,
            type_: type_of(
                target
                    .declaration
                    .properties
                    .get("engine")
                    .unwrap_or(&serde_json::Value::Null),
            ),
            access,
            names: &names,
            told: &told,
            rotation,
            side_by_side: served.second_account(&applied).is_ok(),
        };
        let (settled, now) = login::settle(context, found, &asked).await?;
        found = now;
        if let (Some(mut settled), Found::Ours(ours)) = (settled, &found) {
            leavers = retiring::judge(context, object, &place, ours, &settled, &names).await?;
            *next = retiring::tell(
                status,
                object,
                &settled,
                &leavers,
                &[],
                rotation,
                context.engine.clock().now(),
            );
            let is_good = promote(context, &identity, known.memory.incarnation, &mut settled, rotation.1).await?;
            login = Some(settled).filter(|_| is_good);
        }
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
    if own && login.is_none() {
        return Ok(Err(Told::no(
            "WaitingFor",
            format!("its account is being made at `{to}`"),
        )));
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
    let publication = Publication {
        kind,
        entries: &entries,
        templates: &consumption.templates,
        given: None,
        place,
        found,
    };
    Ok(match publish(context, publication, login.as_ref(), status).await? {
        Ok(Some((name, revision))) => {
            if let Some(login) = &login {
                let now = context.engine.clock().now();
                *next = retiring::tell(status, object, login, &leavers, &[], rotation, now);
            }
            status.binding = Some(BindingReference { name });
            status.binding_revision = Some(revision);
            Ok(Told::yes("Ready", ""))
        }
        Ok(None) => Ok(Told::yes("Ready", "")),
        Err(told) => Err(told),
    })
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

fn identity_of(target: &Relative) -> Option<Identity> {
    let annotated = target.object.annotations().get(names::IDENTITY)?;
    Some(Identity::new(annotated.as_str()))
}

/// The names of the generations of a bind's account at its target; `None` until that has an identity, and while its
/// provider is not connected.
pub(super) fn logins(
    context: &Context,
    target: &Relative,
    kind: mooring_provider::Kind,
    bind: &Key,
) -> Option<impl Fn(u32) -> String + Send + Sync> {
    let identity = identity_of(target)?;
    let sharing = relations::sharing(context, target.status().shared.as_ref());
    let wish = account::of_bind(bind, sharing);
    let adapter = adapter(context, target, kind)?;
    Some(move |generation| adapter.login(&identity, &of_generation(&wish, generation)))
}

/// Whether what serves the target is known and not connected yet.
fn is_connecting(context: &Context, declaration: &Declaration) -> bool {
    let target = relations::target(context, declaration).and_then(|(_, target)| target);
    let provider = target.and_then(|target| target.status().provider);
    provider.is_some_and(|provider| context.engine.connections().get(&provider).is_none())
}

/// What serves a target, once it is known where that is.
fn adapter(context: &Context, target: &Relative, kind: mooring_provider::Kind) -> Option<impl DynAdapter> {
    let connection = context.engine.connections().get(&target.status().provider?)?;
    connection.adapter(kind, Priority::Create).ok()
}

/// The target's entries without what is its own: its templates, and its account where the bind has another.
fn shared(mut entries: Bindings, target: &Relative, own_account: bool) -> Bindings {
    entries.retain(|entry, _| secret::is_shown(entry));
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
