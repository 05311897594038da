//! Looking for instances, many at a time.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use mooring_provider::{
    Claim, ClusterId, Error, ErrorKind, ExternalId, Owned, Phase, Result, Sighting, spec::Engine, tag,
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    state::{CLIENT_GROUPS, Parts, State, addresses},
    wire::{Attribute, Attributes, BackupPolicy, Databases, Groups, Instances, SecurityGroups, TagPage},
};
use crate::{
    api::{Api, Call},
    errors::is_not_found,
    marks::{self, Tags},
    params::Params,
    product::Product,
    sight::{again, one_of},
};

/// How many instances one call describes.
const DESCRIBED: usize = 30;
/// How many instances one call tells the tags of.
const TAGGED: usize = 50;
/// How many calls about single instances are under way at once.
const AT_ONCE: usize = 4;
/// An instance that is deleted, but still listed for its backups.
const RELEASED: &str = "Released";

async fn read<T: DeserializeOwned>(api: &Api, action: &'static str, params: Params) -> Result<T> {
    let call = Call::read(Product::Rds, action, "rds.observe", params);
    Ok(api.rpc(call).await?.value)
}

/// Looks each claim up, in their order.
pub(super) async fn observe(api: &Api, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
    match look(api, claims).await {
        Ok(sightings) => sightings,
        Err(error) => claims.iter().map(|_| Err(again(&error))).collect(),
    }
}

async fn look(api: &Api, claims: &[Claim]) -> Result<Vec<Result<Sighting<State>>>> {
    let mut candidates = Vec::with_capacity(claims.len());
    for claim in claims {
        candidates.push(match &claim.id {
            Some(id) => vec![id.to_string()],
            None => with_tag(api, tag::IDENTITY, claim.owner.identity.as_str()).await?,
        });
    }
    let ids: BTreeSet<String> = candidates.iter().flatten().cloned().collect();
    let mut seen = states(api, ids).await?;
    // Only what is looked at closely costs calls of its own.
    let running: Vec<_> = seen
        .values()
        .filter(|state| state.is.status == "Running")
        .cloned()
        .collect();
    let parts: Vec<_> = stream::iter(running)
        .map(async |state: State| (state.id.to_string(), parts(api, &state).await))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut failed = BTreeMap::new();
    for (id, parts) in parts {
        match (parts, seen.get_mut(&id)) {
            (Ok(parts), Some(state)) => state.parts = parts,
            (Err(error), _) => drop(failed.insert(id, error)),
            (Ok(_), None) => {}
        }
    }
    let sight = |claim: &Claim, candidates: &[String]| -> Result<Sighting<State>> {
        let found = candidates.iter().filter_map(|id| seen.get(id)).filter(|state| {
            let named = state.tags.get(tag::IDENTITY).map(String::as_str);
            claim.id.is_some() || named == Some(claim.owner.identity.as_str())
        });
        let found: Vec<_> = found.collect();
        let sighting = one_of(&found, |state| state.is.status == "Deleting", |state| state.id.clone());
        match &sighting {
            Sighting::One(state) => match failed.get(state.id.as_str()) {
                Some(error) => Err(again(error)),
                None => Ok(sighting),
            },
            _ => Ok(sighting),
        }
    };
    Ok(claims
        .iter()
        .zip(&candidates)
        .map(|(claim, candidates)| sight(claim, candidates))
        .collect())
}

/// The ids of what may carry this tag. The filter proves nothing, so the tags are read afterwards.
async fn with_tag(api: &Api, name: &str, value: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for page in 1.. {
        let params = Params::new()
            .json("Tags", &json!({ name: value }))
            .set("PageSize", 100)
            .set("PageNumber", page);
        let answer: Instances = read(api, "DescribeDBInstances", params).await?;
        let last = answer.items.list.len() < 100;
        found.extend(answer.items.list.into_iter().map(|instance| instance.id));
        if last {
            break;
        }
    }
    Ok(found)
}

/// The instances that there are, with their tags.
async fn states(api: &Api, ids: BTreeSet<String>) -> Result<BTreeMap<String, State>> {
    let ids: Vec<_> = ids.into_iter().collect();
    let mut there = Vec::new();
    for ids in ids.chunks(DESCRIBED) {
        there.extend(described(api, ids).await?);
    }
    there.retain(|instance| instance.status != RELEASED);
    let ids: Vec<_> = there.iter().map(|instance| instance.id.clone()).collect();
    let mut tags = tags(api, &ids).await?;
    Ok(there
        .into_iter()
        .map(|is| {
            let state = State {
                id: ExternalId::new(&is.id),
                tags: tags.remove(&is.id).unwrap_or_default(),
                is,
                parts: None,
            };
            (state.id.to_string(), state)
        })
        .collect())
}

async fn describe(api: &Api, ids: &str) -> Result<Vec<Attribute>> {
    let params = Params::new().set("DBInstanceId", ids);
    match read::<Attributes>(api, "DescribeDBInstanceAttribute", params).await {
        Ok(answer) => Ok(answer.items.list),
        Err(error) if is_not_found(Product::Rds, &error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Describes instances. What a batch does not answer is asked for alone: only an answer about the one instance tells
/// that it does not exist.
async fn described(api: &Api, ids: &[String]) -> Result<Vec<Attribute>> {
    let mut found = if ids.is_empty() {
        Vec::new()
    } else {
        describe(api, &ids.join(",")).await?
    };
    found.retain(|instance| ids.contains(&instance.id));
    if ids.len() > 1 {
        let known: BTreeSet<_> = found.iter().map(|instance| instance.id.clone()).collect();
        let missing: Vec<_> = ids.iter().filter(|id| !known.contains(*id)).collect();
        for id in missing {
            found.extend(
                describe(api, id)
                    .await?
                    .into_iter()
                    .filter(|instance| instance.id == *id),
            );
        }
    }
    Ok(found)
}

/// All tags of each instance.
pub(super) async fn tags(api: &Api, ids: &[String]) -> Result<BTreeMap<String, Tags>> {
    let mut tags: BTreeMap<String, Tags> = BTreeMap::new();
    for ids in ids.chunks(TAGGED) {
        let mut next: Option<String> = None;
        loop {
            let params = Params::new()
                .set("ResourceType", "INSTANCE")
                .list("ResourceId", ids)
                .maybe("NextToken", next.as_ref());
            let page: TagPage = read(api, "ListTagResources", params).await?;
            for tag in page.tags.list {
                tags.entry(tag.id).or_default().insert(tag.key, tag.value);
            }
            next = page.next.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
    }
    Ok(tags)
}

/// What an instance that runs tells of itself; `None` if it stopped running meanwhile.
async fn parts(api: &Api, state: &State) -> Result<Option<Parts>> {
    match ask_parts(api, state).await {
        Ok(parts) => Ok(Some(parts)),
        Err(error) if error.kind() == ErrorKind::Busy => Ok(None),
        Err(error) => Err(error),
    }
}

async fn ask_parts(api: &Api, state: &State) -> Result<Parts> {
    let is = &state.is;
    let of = || Params::new().set("DBInstanceId", &is.id);
    let groups: Groups = read(api, "DescribeDBInstanceIPArrayList", of()).await?;
    let databases: Databases = read(api, "DescribeDatabases", of()).await?;
    // One that never let a security group in costs no call.
    let security_groups: SecurityGroups = match state.tags.contains_key(CLIENT_GROUPS) {
        true => read(api, "DescribeSecurityGroupConfiguration", of()).await?,
        false => SecurityGroups::default(),
    };
    let backup: BackupPolicy = read(api, "DescribeBackupPolicy", of()).await?;
    let ssl = match super::engine::portable(&is.engine) {
        None | Some(Engine::Mariadb) => Default::default(),
        Some(_) => read(api, "DescribeDBInstanceSSL", of()).await.or_else(|error: Error| {
            // Some editions have none and say so.
            match error.kind() {
                ErrorKind::Unsupported => Ok(Default::default()),
                _ => Err(error),
            }
        })?,
    };
    Ok(Parts {
        groups: groups
            .items
            .list
            .into_iter()
            .map(|group| (group.name, addresses(group.addresses.split(','))))
            .collect(),
        security_groups: security_groups.items.list.into_iter().map(|group| group.id).collect(),
        databases: databases.databases.list,
        ssl,
        backup,
    })
}

/// Every instance of this cluster.
pub(super) async fn inventory(api: &Api, cluster: &ClusterId) -> Result<Vec<Owned>> {
    let ids = with_tag(api, tag::CLUSTER, cluster.as_str()).await?;
    let seen = states(api, ids.into_iter().collect()).await?;
    Ok(seen
        .into_values()
        .filter_map(|state| {
            let owner = marks::owner(&state.tags).filter(|owner| owner.cluster == *cluster)?;
            // It is not looked at closely here; that it runs is enough.
            let phase = match state.tags.get(tag::PARKED_UNTIL) {
                Some(until) => Phase::Parked(until.clone()),
                None if state.is.status == "Running" => Phase::Ready,
                None => state.phase(),
            };
            Some(Owned {
                id: state.id,
                owner,
                phase,
            })
        })
        .collect())
}
