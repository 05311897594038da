//! Networks: the environment's, which is read and never changed, and dedicated ones.
//!
//! A dedicated network is a VPC with a vSwitch in each zone and a security group whose members reach each other. Each
//! part carries the owner tags, is found again by them, and goes before the network: group, vSwitches, VPC. What
//! others put into it stays, and the network with it, until they remove it.
//!
//! Deliberately not here: a way to the internet. A NAT gateway costs money by the hour and is the environment's.

mod cidr;
mod read;
mod state;
mod validate;
mod write;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use mooring_provider::{
    Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Drift, Error, ErrorKind, ExternalId, Kind, Owned,
    Owner, Phase, Receipt, Result, Sighting, spec, tag,
};

use crate::{
    actions::{Need, Used},
    api::Api,
    marks,
    product::Product,
    sight::again,
};
use state::State;

/// In how many zones a network has vSwitches when nothing else is declared.
const ZONES: usize = 2;

/// What it takes.
pub(crate) const ACTIONS: &[Used] = &[
    (Product::Vpc, "DescribeVpcs", Need::Read),
    (Product::Vpc, "DescribeVSwitches", Need::Read),
    (Product::Vpc, "DescribeZones", Need::Read),
    (Product::Ecs, "DescribeSecurityGroups", Need::Read),
    (Product::Vpc, "CreateVpc", Need::Create),
    (Product::Vpc, "CreateVSwitch", Need::Create),
    (Product::Vpc, "TagResources", Need::Create),
    (Product::Vpc, "UnTagResources", Need::Create),
    (Product::Ecs, "CreateSecurityGroup", Need::Create),
    (Product::Ecs, "TagResources", Need::Create),
    (Product::Ecs, "UntagResources", Need::Create),
    (Product::Vpc, "DeleteVpc", Need::Destroy),
    (Product::Vpc, "DeleteVSwitch", Need::Destroy),
    (Product::Ecs, "DeleteSecurityGroup", Need::Destroy),
    (Product::Ecs, "DescribeNetworkInterfaces", Need::Destroy),
];

/// The adapter.
#[derive(Debug)]
pub(crate) struct Vpc {
    api: Api,
}

impl Vpc {
    pub(crate) fn new(api: Api) -> Self {
        Self { api }
    }

    /// The networks of these ids, each with what is in it, or why it cannot be said.
    async fn look(&self, ids: &[&str]) -> BTreeMap<String, Result<State>> {
        let found = match read::by_ids(&self.api, ids).await {
            Ok(found) => found,
            Err(error) => return ids.iter().map(|id| ((*id).to_owned(), Err(again(&error)))).collect(),
        };
        let looked = found.into_iter().map(|vpc| async {
            let id = vpc.vpc_id.clone();
            (id, read::with_parts(&self.api, vpc).await)
        });
        join_all(looked).await.into_iter().collect()
    }

    async fn by_owner(&self, claim: &Claim) -> Result<Sighting<State>> {
        let mut found = read::by_tag(&self.api, tag::IDENTITY, claim.owner.identity.as_str()).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Ok(Sighting::Absent),
            (Some(vpc), true) => Ok(Sighting::One(read::with_parts(&self.api, vpc).await?)),
            (Some(last), false) => {
                let ids = found.into_iter().chain([last]).map(|vpc| ExternalId::new(vpc.vpc_id));
                Ok(Sighting::Several(ids.collect()))
            }
        }
    }
}

#[async_trait]
impl Adapter for Vpc {
    type Spec = spec::Vpc;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Vpc
    }

    fn capability(&self) -> Capability {
        Capability {
            poll_busy: Duration::from_secs(3),
            batch: 20,
            idempotent_create: true,
            self_contained: true,
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &spec::Vpc) -> Result<()> {
        validate::check(spec)
    }

    fn notes(&self, spec: &spec::Vpc) -> Vec<String> {
        match spec.shared {
            Some(_) => Vec::new(),
            None => vec!["a dedicated network takes one of about ten that an account may have in a region".into()],
        }
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        let mut ids: Vec<_> = claims
            .iter()
            .filter_map(|claim| claim.id.as_ref())
            .map(ExternalId::as_str)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut seen = BTreeMap::new();
        for some in ids.chunks(self.capability().batch) {
            seen.extend(self.look(some).await);
        }
        let mut sightings = Vec::with_capacity(claims.len());
        for claim in claims {
            sightings.push(match &claim.id {
                None => self.by_owner(claim).await,
                Some(id) => match seen.get(id.as_str()) {
                    None => Ok(Sighting::Absent),
                    Some(Ok(state)) => Ok(Sighting::One(state.clone())),
                    Some(Err(error)) => Err(again(error)),
                },
            });
        }
        sightings
    }

    fn id(&self, state: &State) -> ExternalId {
        ExternalId::new(&state.vpc.vpc_id)
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.owner()
    }

    fn phase(&self, state: &State) -> Phase {
        if state.vpc.status != "Available" {
            return Phase::Busy(format!("{} is {}", state.vpc.vpc_id, state.vpc.status));
        }
        match state.own_vswitches().find(|vswitch| vswitch.status != "Available") {
            Some(vswitch) => Phase::Busy(format!("{} is {}", vswitch.id, vswitch.status)),
            None => Phase::Ready,
        }
    }

    fn drift(&self, spec: &spec::Vpc, state: &State) -> Drift {
        let mut drift = Drift::none();
        if let Some(shared) = &spec.shared {
            let wanted: Vec<_> = shared.subnets.iter().map(|subnet| subnet.id.as_str()).collect();
            let there = |id: &&str| state.vswitches.iter().any(|vswitch| vswitch.id == *id);
            let found: Vec<_> = wanted.iter().copied().filter(there).collect();
            drift.compare("subnets", Change::Immutable, &wanted, &found);
            let group = shared.security_group.as_deref();
            let found = group.filter(|id| state.groups.iter().any(|group| group.id == *id));
            drift.compare("securityGroup", Change::Immutable, &group, &found);
            return drift;
        }
        drift.compare(
            "cidr",
            Change::Immutable,
            &spec.cidr.as_deref(),
            &Some(state.vpc.cidr_block.as_str()),
        );
        if let Some(group) = &spec.common.resource_group {
            drift.compare("resourceGroup", Change::Immutable, group, &state.vpc.resource_group_id);
        }
        let wanted = wanted_zones(spec, state);
        let there = |zone: &&String| state.own_vswitches().any(|vswitch| vswitch.zone == **zone);
        let found: Vec<_> = wanted.iter().filter(there).cloned().collect();
        drift.compare("zones", Change::Enforced, &wanted, &found);
        drift.compare(
            "securityGroup",
            Change::Enforced,
            &true,
            &(state.own_groups().count() > 0),
        );
        let found = marks::extra(&state.vpc.tags);
        drift.compare("tags", Change::Enforced, &spec.common.tags, &found);
        drift
    }

    fn bindings(&self, claim: &Claim, state: &State) -> Bindings {
        let ids: Vec<_> = if claim.existing {
            state.vswitches.iter().map(|vswitch| vswitch.id.as_str()).collect()
        } else {
            state.own_vswitches().map(|vswitch| vswitch.id.as_str()).collect()
        };
        if self.phase(state) != Phase::Ready || ids.is_empty() {
            return Bindings::new();
        }
        let group = state.own_groups().next().map_or("", |group| group.id.as_str());
        Bindings::from([
            ("network-id".into(), state.vpc.vpc_id.as_str().into()),
            ("subnet-ids".into(), ids.join(",").into()),
            ("cidr".into(), state.vpc.cidr_block.as_str().into()),
            ("security-group-id".into(), group.into()),
        ])
    }

    async fn create(&self, claim: &Claim, spec: &spec::Vpc) -> Result<Created> {
        self.validate(spec)?;
        if let Some(shared) = &spec.shared {
            let id = shared.id.as_deref().unwrap_or_default();
            let message = format!("vpc network.id: `{id}` is to be shared and does not exist; name one that does");
            return Err(Error::new(ErrorKind::InvalidSpec, "vpc.create", message));
        }
        self.create_vpc(claim, spec).await
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &spec::Vpc, drift: &Drift) -> Result<Receipt> {
        match drift.0.first().map(|difference| difference.field) {
            Some("zones") => {
                let wanted = wanted_zones(spec, state);
                let lacking = |(_, zone): &(usize, &String)| !state.own_vswitches().any(|own| own.zone == **zone);
                match wanted.iter().enumerate().find(lacking) {
                    Some((n, zone)) => self.create_vswitch(claim, state, spec, (n, zone)).await,
                    None => Ok(Receipt::default()),
                }
            }
            Some("securityGroup") => self.create_group(claim, state, spec).await,
            Some("tags") => {
                let (set, remove) = marks::difference(&spec.common, &state.vpc.tags);
                self.tag(state, &set, &remove).await
            }
            _ => Ok(Receipt::default()),
        }
    }

    async fn delete(&self, _: &Claim, state: &State) -> Result<Receipt> {
        self.remove(state).await
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let owner = marks::of_owner(&claim.owner);
        self.tag(state, &owner, &marks::stale(&state.vpc.tags, &owner)).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let found = read::by_tag(&self.api, tag::CLUSTER, cluster.as_str()).await?;
        let owned = found.into_iter().filter_map(|vpc| {
            Some(Owned {
                id: ExternalId::new(&vpc.vpc_id),
                owner: marks::owner(&vpc.tags)?,
                phase: match vpc.status.as_str() {
                    "Available" => Phase::Ready,
                    status => Phase::Busy(format!("{} is {status}", vpc.vpc_id)),
                },
            })
        });
        Ok(owned.collect())
    }
}

/// The zones a dedicated network is to have vSwitches in. What was once chosen stays.
fn wanted_zones(spec: &spec::Vpc, state: &State) -> Vec<String> {
    if !spec.zones.is_empty() {
        return spec.zones.clone();
    }
    let mut zones: Vec<_> = state.own_vswitches().map(|vswitch| vswitch.zone.clone()).collect();
    zones.sort_unstable();
    zones.dedup();
    for zone in &state.zones {
        if zones.len() < ZONES && !zones.contains(zone) {
            zones.push(zone.clone());
        }
    }
    zones
}
