//! Making a store and its project, and deleting them.
//!
//! The project is shared by the stores of a namespace. It says that it is ours in its description, which is made with
//! it, and in its tags. A store has nothing of the kind that could be made with it, so the project is marked first
//! with the identity of the store that is about to be made: a store of that name that has no tags yet is then ours,
//! and any other is not.

use mooring_provider::{Claim, Created, Error, ErrorKind, Receipt, Result, spec::Log, tag};

use super::{
    LogConfig,
    calls::{Of, Sls, description, not_ours, project_of},
    config::days,
    state::State,
};
use crate::{
    errors::is_duplicate,
    marks::{self, Tags},
};

/// The namespace that shares a project.
const SHARED: &str = "mooring.dev/shared-by";
/// What the marks of stores that are about to be made begin with.
const NEW: &str = "mooring.dev/new-";

/// The mark of the store that is about to be made for a claim.
pub(super) fn mark(claim: &Claim) -> String {
    format!("{NEW}{}", claim.owner.identity)
}

/// The name of the store. Each incarnation has its own, so that a store that is gone is never taken for the new one.
fn name(claim: &Claim) -> String {
    match claim.incarnation {
        0 => claim.name.clone(),
        n => format!("{}-{n}", claim.name.chars().take(58).collect::<String>()),
    }
}

/// Takes up wherever the last attempt ended.
pub(super) async fn create(sls: Sls<'_>, config: &LogConfig, claim: &Claim, spec: &Log) -> Result<Created> {
    let project = project_of(claim);
    let marks = own_project(sls, claim, spec, &project).await?;
    let marked = marks.get(&mark(claim)).cloned();
    let store = marked.clone().unwrap_or_else(|| name(claim));
    let of = Of::Store(&project, &store);
    let tags = marks::all(&claim.owner, &spec.common, []);
    if sls.store(&project, &store).await?.is_some() {
        let has = sls.tags(of).await?;
        match marks::owner(&has) {
            Some(owner) if owner == claim.owner => {}
            None if marked.is_some() => drop(sls.tag(of, &tags).await?),
            _ => return Err(not_ours(sls.operation, &format!("the log store {store} of {project}"))),
        }
    } else {
        if marked.is_none() {
            let note = Tags::from([(mark(claim), store.clone())]);
            sls.tag(Of::Project(&project), &note).await?;
        }
        let shards = config.shards.unwrap_or(2);
        match sls.make_store(&project, &store, days(spec.retention), shards).await {
            Ok(_) => drop(sls.tag(of, &tags).await?),
            // Made by the last attempt and not to be seen yet.
            Err(error) if is_duplicate(&error) => {
                let message = format!("the log store {store} of {project} has just come to be");
                return Err(Error::new(ErrorKind::Busy, sls.operation, message));
            }
            Err(error) => return Err(error),
        }
    }
    let done = sls.untag(Of::Project(&project), &[mark(claim)]).await?;
    let state = State {
        project: project.clone(),
        store: store.clone(),
        tags,
        is: None,
    };
    Ok(Created {
        id: state.id(),
        request_id: done.request_id,
    })
}

/// Makes the project ours, and tells its tags. One of that name that is somebody else's is left alone.
async fn own_project(sls: Sls<'_>, claim: &Claim, spec: &Log, project: &str) -> Result<Tags> {
    let strange = || not_ours(sls.operation, &format!("the log project {project}"));
    let found = match sls.project(project).await {
        Ok(Some(found)) => found,
        Err(error) => return Err(error),
        Ok(None) => match sls.make_project(project, spec.common.resource_group.as_deref()).await {
            Ok(_) => {
                sls.tag(Of::Project(project), &of_project(claim)).await?;
                return Ok(of_project(claim));
            }
            Err(error) if is_duplicate(&error) => match sls.project(project).await {
                Ok(Some(found)) => found,
                Ok(None) => {
                    let message = format!("the log project {project} has just come to be");
                    return Err(Error::new(ErrorKind::Busy, sls.operation, message));
                }
                // Names are global: the project is there, and in an account that is not asked.
                Err(_) => return Err(strange()),
            },
            Err(error) => return Err(error),
        },
    };
    if found.status.eq_ignore_ascii_case("disable") {
        let message = format!("AccountOverdue: the log project {project} is disabled; settle the account");
        return Err(Error::new(ErrorKind::QuotaExceeded, sls.operation, message));
    }
    let tags = sls.tags(Of::Project(project)).await?;
    let wanted = of_project(claim);
    if wanted.iter().all(|(name, value)| tags.get(name) == Some(value)) {
        return Ok(tags);
    }
    let untagged = wanted.keys().all(|name| !tags.contains_key(name));
    if untagged && found.description == description(project) {
        sls.tag(Of::Project(project), &wanted).await?;
        return Ok(tags);
    }
    Err(strange())
}

fn of_project(claim: &Claim) -> Tags {
    Tags::from([
        (tag::CLUSTER.to_owned(), claim.owner.cluster.to_string()),
        (SHARED.to_owned(), claim.owner.key.namespace.clone()),
    ])
}

/// Removes the store, and with the last store the project, if it is ours. A project is deleted whole rather than its
/// last store, so that no empty one is left when nobody comes back.
pub(super) async fn delete(sls: Sls<'_>, claim: &Claim, state: &State) -> Result<Receipt> {
    let (project, store) = (state.project.as_str(), state.store.as_str());
    let own = mark(claim);
    let is_last = async || -> Result<bool> {
        let Some(stores) = sls.stores(project).await? else {
            return Ok(false);
        };
        // The service keeps stores of its own in some projects.
        let others = stores
            .iter()
            .any(|other| other != store && !other.starts_with("internal-"));
        let tags = sls.tags(Of::Project(project)).await?;
        let coming = tags.keys().any(|name| name.starts_with(NEW) && *name != own);
        let ours = tags.contains_key(SHARED)
            && tags.get(tag::CLUSTER).map(String::as_str) == Some(claim.owner.cluster.as_str());
        Ok(!others && !coming && ours)
    };
    if is_last().await? {
        return sls.delete_project(project).await.map(Receipt::ending);
    }
    if let Some(is) = &state.is {
        for config in &is.configs {
            sls.delete_config(project, config).await?;
        }
    } else {
        sls.untag(Of::Project(project), std::slice::from_ref(&own)).await?;
    }
    let done = sls.delete_store(project, store).await?;
    if is_last().await? {
        return sls.delete_project(project).await.map(Receipt::ending);
    }
    Ok(done.ending())
}

/// Nothing is collected any more; what there is stays.
pub(super) async fn park(sls: Sls<'_>, state: &State, until: &str) -> Result<Receipt> {
    for config in state.is.iter().flat_map(|is| &is.configs) {
        sls.delete_config(&state.project, config).await?;
    }
    let note = Tags::from([(tag::PARKED_UNTIL.to_owned(), until.to_owned())]);
    sls.tag(Of::Store(&state.project, &state.store), &note).await
}
