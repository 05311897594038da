//! Looking for stores.

use mooring_provider::{Claim, ClusterId, ExternalId, Owned, Result, Sighting, tag};

use super::{
    calls::{Of, Sls, project_of},
    life::mark,
    state::{Is, State},
};
use crate::{marks, sight::one_of};

/// Looks one claim up: by id, else by its tag, else whether it was begun. The log service describes one store at a
/// time, so there is no batch.
pub(super) async fn observe(sls: Sls<'_>, machines: Option<&str>, claim: &Claim) -> Result<Sighting<State>> {
    let candidates = match &claim.id {
        Some(id) => vec![id.to_string()],
        None => sls.stores_with(tag::IDENTITY, claim.owner.identity.as_str()).await?,
    };
    let mut found = Vec::new();
    for (project, store) in candidates.iter().filter_map(|id| id.split_once(['/', '#'])) {
        found.extend(look(sls, machines, project, store).await?);
    }
    if claim.id.is_none() {
        let identity = claim.owner.identity.as_str();
        found.retain(|state| state.tags.get(tag::IDENTITY).map(String::as_str) == Some(identity));
    }
    match one_of(&found.iter().collect::<Vec<_>>(), |_| false, State::id) {
        Sighting::Absent => begun(sls, claim).await,
        seen => Ok(seen),
    }
}

async fn look(sls: Sls<'_>, machines: Option<&str>, project: &str, store: &str) -> Result<Option<State>> {
    let Some(is) = sls.store(project, store).await? else {
        return Ok(None);
    };
    Ok(Some(State {
        tags: sls.tags(Of::Store(project, store)).await?,
        is: Some(Is {
            days: is.ttl,
            indexed: sls.is_indexed(project, store).await?,
            configs: sls.configs(project, store).await?,
            applied: match machines {
                Some(group) => sls.applied(project, group).await?,
                None => None,
            },
        }),
        project: project.to_owned(),
        store: store.to_owned(),
    }))
}

/// A store that its project says was about to be made. With it, a project that was made for it is not forgotten.
async fn begun(sls: Sls<'_>, claim: &Claim) -> Result<Sighting<State>> {
    let project = project_of(claim);
    let tags = sls.tags(Of::Project(&project)).await?;
    Ok(match tags.get(&mark(claim)) {
        Some(store) if claim.id.is_none() => Sighting::One(State {
            store: store.clone(),
            tags: marks::of_owner(&claim.owner),
            project,
            is: None,
        }),
        _ => Sighting::Absent,
    })
}

/// Every store of this cluster.
pub(super) async fn inventory(sls: Sls<'_>, cluster: &ClusterId) -> Result<Vec<Owned>> {
    let mut owned = Vec::new();
    for id in sls.stores_with(tag::CLUSTER, cluster.as_str()).await? {
        let Some((project, store)) = id.split_once('#') else {
            continue;
        };
        let state = State {
            tags: sls.tags(Of::Store(project, store)).await?,
            project: project.to_owned(),
            store: store.to_owned(),
            is: Some(Is::default()),
        };
        if let Some(owner) = marks::owner(&state.tags).filter(|owner| owner.cluster == *cluster) {
            owned.push(Owned {
                id: ExternalId::new(format!("{project}/{store}")),
                phase: state.phase(),
                owner,
            });
        }
    }
    Ok(owned)
}
