//! What consumers get: the entries of the Secret, and its revision.

use super::{
    Failure,
    dereference::Inputs,
    secret::{self, Content, Found},
    status::Told,
    validate::Plan,
};
use crate::{api::CloudResourceStatus, engine::binding, operator::Context};

/// Writes what consumers need into the Secret. Answers its name and revision, or nothing if there is nothing to give.
#[allow(clippy::too_many_arguments, reason = "each is one thing the Secret is made of")]
pub(super) async fn publish(
    context: &Context,
    inputs: &Inputs,
    plan: &Plan,
    bindings: &mooring_provider::Bindings,
    account: Option<&mooring_provider::Account>,
    place: secret::Place,
    found: Found,
    rotated: Option<String>,
    status: &CloudResourceStatus,
) -> Result<Result<Option<(String, i64)>, Told>, Failure> {
    let composed = binding::compose(inputs.kind, bindings, account, None, &plan.consumption.templates);
    let binding = match composed {
        Ok(binding) => binding,
        Err(error) => return Ok(Err(Told::no("InvalidSpec", error.to_string()))),
    };
    if binding.entries.is_empty() {
        return Ok(Ok(None));
    }
    write_entries(
        context,
        inputs.kind.as_str(),
        binding.entries,
        place,
        found,
        rotated,
        status,
    )
    .await
}

/// Writes the entries, counting a revision if they changed.
pub(super) async fn write_entries(
    context: &Context,
    kind: &str,
    entries: mooring_provider::Bindings,
    place: secret::Place,
    found: Found,
    rotated: Option<String>,
    status: &CloudResourceStatus,
) -> Result<Result<Option<(String, i64)>, Told>, Failure> {
    let type_ = entries.get("type").map_or(kind, |value| value.expose()).to_owned();
    let known = status.binding_revision.unwrap_or_default();
    let mut content = Content {
        type_,
        entries,
        revision: known.max(1),
        rotated,
        pending: false,
    };
    content.revision = match &found {
        Found::Ours(ours) if ours.is_pending() || content.changes(ours) => known.max(ours.revision()) + 1,
        Found::Ours(ours) => known.max(ours.revision()).max(1),
        _ => known + 1,
    };
    let name = place.name.clone();
    let (holder, revision) = match secret::put(context, &place, found, &content).await {
        Ok(Found::Foreign(holder)) => (holder, content.revision),
        Ok(_) => return Ok(Ok(Some((name, content.revision)))),
        // In a namespace that is going nothing can be made; there is nobody left to need it.
        Err(kube::Error::Api(refused)) if refused.is_forbidden() => {
            return Ok(Err(super::forbidden(&refused.message)));
        }
        Err(error) => return Err(error.into()),
    };
    let message = format!(
        "the Secret `{name}` (revision {revision}) belongs to {holder}; remove it, or choose another `secretName`"
    );
    Ok(Err(Told::no("SecretTaken", message)))
}
