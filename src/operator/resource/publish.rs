//! What consumers get: the entries of the Secret, and its revision.

use std::collections::BTreeMap;

use mooring_provider::{Account, Bindings, Identity};

use super::{
    Failure,
    login::Login,
    secret::{self, Content, Found},
    status::Told,
};
use crate::{api::CloudResourceStatus, engine::binding, operator::Context};

/// What a Secret is made of.
pub(super) struct Publication<'a> {
    /// The kind of what is used.
    pub(super) kind: mooring_provider::Kind,
    /// What the provider says of it.
    pub(super) entries: &'a Bindings,
    pub(super) templates: &'a BTreeMap<String, String>,
    /// The account of something that exists already.
    pub(super) given: Option<&'a Account>,
    pub(super) place: secret::Place,
    pub(super) found: Found,
}

/// Shows the next generation of a login if the provider was told of it. False if it was not even told of the current one,
/// so that there is nothing to show yet.
pub(super) async fn promote(
    context: &Context,
    identity: &Identity,
    incarnation: u32,
    login: &mut Login,
    within: std::time::Duration,
) -> Result<bool, Failure> {
    let engine = &context.engine;
    if let Some(next) = login.next()
        && engine.is_told(identity, incarnation, &next).await?
    {
        login.promote(engine.clock().now(), within);
        return Ok(true);
    }
    Ok(engine.is_told(identity, incarnation, &login.current()).await?)
}

/// Writes what consumers need into the Secret. Answers its name and revision, or nothing if there is nothing to give.
pub(super) async fn publish(
    context: &Context,
    publication: Publication<'_>,
    login: Option<&Login>,
    status: &CloudResourceStatus,
) -> Result<Result<Option<(String, i64)>, Told>, Failure> {
    let Publication {
        kind,
        entries,
        templates,
        given,
        place,
        found,
    } = publication;
    let account = login.map(Login::current).or_else(|| given.cloned());
    let mut entries = match binding::compose(kind, entries, account.as_ref(), None, templates) {
        Ok(binding) => binding.entries,
        Err(error) => return Ok(Err(Told::no("InvalidSpec", error.to_string()))),
    };
    if entries.is_empty() {
        return Ok(Ok(None));
    }
    entries.extend(login.map(Login::hidden).unwrap_or_default());
    let type_ = entries
        .get("type")
        .map_or(kind.as_str(), |value| value.expose())
        .to_owned();
    let known = status.binding_revision.unwrap_or_default();
    let rotated = match (&found, login) {
        (Found::Ours(ours), Some(_)) => ours.rotated().map(str::to_owned),
        _ => None,
    };
    let mut content = Content {
        type_,
        entries,
        revision: known.max(1),
        rotated,
        generations: login.map(|login| login.generations.clone()),
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
