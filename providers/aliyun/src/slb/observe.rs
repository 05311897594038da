//! Looking for balancers of both products, many at a time.

use std::collections::{BTreeMap, BTreeSet};

use mooring_provider::{Claim, ClusterId, ExternalId, Owned, Result, Sighting, tag};

use super::{
    clb,
    nlb::{self, Found},
    state::{AccessList, Group, Kind, Listener, State},
};
use crate::{
    api::Api,
    marks::{self, Tags},
    sight::{again, one_of},
    wire::Flavour,
};

/// Looks each claim up, in their order.
pub(super) async fn observe(api: &Api, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
    match look(api, claims).await {
        Ok(sightings) => sightings.into_iter().map(Ok).collect(),
        Err(error) => claims.iter().map(|_| Err(again(&error))).collect(),
    }
}

fn kind(id: &str) -> Option<Kind> {
    match id {
        _ if id.starts_with("nlb-") => Some(Kind::Nlb),
        _ if id.starts_with("lb-") => Some(Kind::Clb),
        _ => None,
    }
}

async fn look(api: &Api, claims: &[Claim]) -> Result<Vec<Sighting<State>>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let found = balancers(api, claims).await?;
    let of = |kind: Kind| -> Vec<String> {
        let ids: BTreeSet<_> = found
            .iter()
            .flatten()
            .filter(|found| found.kind == kind)
            .map(|found| found.id.clone())
            .collect();
        ids.into_iter().collect()
    };
    let (network, classic) = (of(Kind::Nlb), of(Kind::Clb));
    let mut listeners = nlb::listeners(api, &network).await?;
    listeners.append(&mut clb::listeners(api, &classic).await?);
    // What lives beside a balancer is looked for where there may be any of it: also where the balancer is missing.
    let missing = found.iter().any(Vec::is_empty);
    let (name, value) = together(claims);
    let mut parts = Parts::default();
    if api.flavour() == Flavour::Public && (missing || !network.is_empty()) {
        parts.groups = nlb::groups(api, name, value).await?;
    }
    if missing || !classic.is_empty() {
        parts.lists = clb::lists(api, name, value).await?;
    }
    let mut classic_groups = BTreeMap::new();
    for id in &classic {
        classic_groups.insert(id.clone(), clb::groups(api, id).await?);
    }
    parts.fill(api).await?;
    Ok(claims
        .iter()
        .zip(found)
        .map(|(claim, found)| {
            let states: Vec<_> = found
                .into_iter()
                .map(|found| {
                    let groups = match found.kind {
                        Kind::Nlb => parts.groups_of(&found.tags),
                        Kind::Clb => classic_groups.get(&found.id).cloned().unwrap_or_default(),
                    };
                    state(found, &listeners, groups, &parts)
                })
                .collect();
            match one_of(&states.iter().collect::<Vec<_>>(), is_going, |state| state.id.clone()) {
                Sighting::Absent => parts.left_of(claim),
                seen => seen,
            }
        })
        .collect())
}

fn is_going(state: &State) -> bool {
    state.phase() == mooring_provider::Phase::Deleting
}

fn state(found: Found, listeners: &BTreeMap<String, Vec<Listener>>, groups: Vec<Group>, parts: &Parts) -> State {
    State {
        listeners: listeners.get(&found.id).cloned().unwrap_or_default(),
        groups,
        lists: match found.kind {
            Kind::Clb => parts.lists_of(&found.tags),
            Kind::Nlb => Vec::new(),
        },
        id: ExternalId::new(found.id),
        kind: found.kind,
        tags: found.tags,
        balancer: Some(found.balancer),
    }
}

/// For each claim what it may mean: by id, else by its identity.
async fn balancers(api: &Api, claims: &[Claim]) -> Result<Vec<Vec<Found>>> {
    let ids = |of: Kind| -> Vec<String> {
        let ids: BTreeSet<_> = claims
            .iter()
            .filter_map(|claim| claim.id.as_ref())
            .map(ToString::to_string)
            .collect();
        ids.into_iter().filter(|id| kind(id) == Some(of)).collect()
    };
    let mut known: BTreeMap<String, Found> = BTreeMap::new();
    for found in nlb::by_id(api, &ids(Kind::Nlb)).await? {
        known.insert(found.id.clone(), found);
    }
    for found in clb::by_id(api, &ids(Kind::Clb)).await? {
        known.insert(found.id.clone(), found);
    }
    let mut all = Vec::with_capacity(claims.len());
    for claim in claims {
        let id = claim
            .id
            .as_ref()
            .map(ExternalId::as_str)
            .filter(|id| kind(id).is_some());
        all.push(match id {
            Some(id) => known.get(id).map(copy).into_iter().collect(),
            None => tagged(api, tag::IDENTITY, claim.owner.identity.as_str()).await?,
        });
    }
    Ok(all)
}

fn copy(found: &Found) -> Found {
    Found {
        id: found.id.clone(),
        kind: found.kind,
        tags: found.tags.clone(),
        balancer: found.balancer.clone(),
    }
}

async fn tagged(api: &Api, name: &str, value: &str) -> Result<Vec<Found>> {
    let mut found = clb::by_tag(api, name, value).await?;
    if api.flavour() == Flavour::Public {
        found.extend(nlb::by_tag(api, name, value).await?);
    }
    Ok(found)
}

/// The tag under which the parts of these claims are found with one call: the identity of a single one, else the
/// cluster, which is the same for all who ask together.
fn together(claims: &[Claim]) -> (&'static str, &str) {
    match claims {
        [claim] => (tag::IDENTITY, claim.owner.identity.as_str()),
        [claim, ..] => (tag::CLUSTER, claim.owner.cluster.as_str()),
        [] => (tag::CLUSTER, ""),
    }
}

/// What lives beside the balancers.
#[derive(Default)]
struct Parts {
    groups: Vec<(Tags, Group)>,
    lists: Vec<(Tags, AccessList)>,
}

fn same(tags: &Tags, other: &Tags) -> bool {
    let identity = tags.get(tag::IDENTITY);
    identity.is_some() && identity == other.get(tag::IDENTITY)
}

impl Parts {
    async fn fill(&mut self, api: &Api) -> Result<()> {
        for (_, group) in &mut self.groups {
            if !group.servers.is_empty() {
                group.servers = nlb::servers(api, &group.id).await?;
            }
        }
        for (_, list) in &mut self.lists {
            list.entries = clb::entries(api, &list.id).await?;
        }
        Ok(())
    }

    fn groups_of(&self, tags: &Tags) -> Vec<Group> {
        self.groups
            .iter()
            .filter(|(own, _)| same(own, tags))
            .map(|(_, group)| group.clone())
            .collect()
    }

    fn lists_of(&self, tags: &Tags) -> Vec<AccessList> {
        self.lists
            .iter()
            .filter(|(own, _)| same(own, tags))
            .map(|(_, list)| list.clone())
            .collect()
    }

    /// What is left of a balancer that is gone. While it may only be out of sight, nothing is said to be left.
    fn left_of(&self, claim: &Claim) -> Sighting<State> {
        let tags = marks::of_owner(&claim.owner);
        let (groups, lists) = (self.groups_of(&tags), self.lists_of(&tags));
        let first = groups
            .first()
            .map(|group| &group.id)
            .or(lists.first().map(|list| &list.id));
        let Some(first) = first.filter(|_| !claim.settling) else {
            return Sighting::Absent;
        };
        Sighting::One(State {
            id: claim.id.clone().unwrap_or_else(|| ExternalId::new(first)),
            kind: if groups.is_empty() { Kind::Clb } else { Kind::Nlb },
            tags,
            balancer: None,
            listeners: Vec::new(),
            groups,
            lists,
        })
    }
}

/// Every balancer of this cluster, and what is left of those that are gone.
pub(super) async fn inventory(api: &Api, cluster: &ClusterId) -> Result<Vec<Owned>> {
    let found = tagged(api, tag::CLUSTER, cluster.as_str()).await?;
    let mut parts = Parts::default();
    if api.flavour() == Flavour::Public {
        parts.groups = nlb::groups(api, tag::CLUSTER, cluster.as_str()).await?;
    }
    parts.lists = clb::lists(api, tag::CLUSTER, cluster.as_str()).await?;
    let none = BTreeMap::new();
    let mut owned = Vec::new();
    let mut seen = Vec::new();
    for found in found {
        if let Some(owner) = marks::owner(&found.tags).filter(|owner| owner.cluster == *cluster) {
            let state = state(found, &none, Vec::new(), &Parts::default());
            seen.push(state.tags.clone());
            owned.push(Owned {
                phase: state.phase(),
                id: state.id,
                owner,
            });
        }
    }
    let groups = parts.groups.iter().map(|(tags, group)| (tags, &group.id));
    for (tags, id) in groups.chain(parts.lists.iter().map(|(tags, list)| (tags, &list.id))) {
        if let Some(owner) = marks::owner(tags)
            && !seen.iter().any(|other| same(other, tags))
        {
            seen.push(tags.clone());
            owned.push(Owned {
                id: ExternalId::new(id),
                owner,
                phase: mooring_provider::Phase::Unreachable("its balancer is gone".into()),
            });
        }
    }
    Ok(owned)
}
