//! Networks: a network with one subnet, a security group, and a router where there is a way out.

mod change;
mod look;
mod state;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{
    Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Drift, ExternalId, Kind, Owned, Owner, Phase,
    Receipt, Result, Sighting,
    spec::{Egress, Vpc},
};
use serde::Deserialize;

use crate::{
    neutron::no_external_network,
    session::{Session, again},
    validate::{Check, prefix},
};
pub(crate) use state::State;

/// The networks of a project.
#[derive(Debug)]
pub(crate) struct Networks {
    session: Arc<Session>,
}

/// A network has no options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {}

impl Networks {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session }
    }
}

#[async_trait]
impl Adapter for Networks {
    type Spec = Vpc;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Vpc
    }

    fn capability(&self) -> Capability {
        self.session.capability()
    }

    fn validate(&self, spec: &Vpc) -> Result<()> {
        let check = Check(Kind::Vpc);
        let Options {} = check.options(&spec.common)?;
        check.tags(&spec.common)?;
        let cidr = spec.cidr.as_deref().unwrap_or_default();
        if let Some(shared) = &spec.shared {
            let id = shared.id.as_deref().unwrap_or_default();
            check.require(
                !id.is_empty(),
                "network.id",
                id,
                "names no network; name the one that is shared",
            )?;
            return check.require(
                cidr.is_empty(),
                "cidr",
                cidr,
                "is for a dedicated network; this one is shared",
            );
        }
        check.require(
            prefix(cidr).is_some_and(|(length, v4)| v4 && (8..=28).contains(&length)),
            "cidr",
            cidr,
            "is no range of a network; write one from /8 to /28 such as 10.64.0.0/20",
        )?;
        match (spec.egress, &self.session.config.external_network) {
            (Egress::Internet, None) => Err(no_external_network("validate")),
            _ => Ok(()),
        }
    }

    fn notes(&self, spec: &Vpc) -> Vec<String> {
        let mut notes = Vec::new();
        if !spec.zones.is_empty() {
            notes.push("zones: a subnet of OpenStack spans all zones; the network has one subnet".into());
        }
        if let Some(group) = &spec.common.resource_group {
            notes.push(format!(
                "resourceGroup: OpenStack has none, `{group}` is not applied; the project stands for it"
            ));
        }
        notes
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        if claims.is_empty() {
            return Vec::new();
        }
        match self.view().await {
            Ok(view) => futures::future::join_all(claims.iter().map(|claim| self.sight(&view, claim))).await,
            Err(error) => claims.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.owner()
    }

    fn phase(&self, state: &State) -> Phase {
        state.phase()
    }

    fn drift(&self, spec: &Vpc, state: &State) -> Drift {
        let mut drift = Drift::none();
        if state.network.is_none() {
            drift.compare("network", Change::Enforced, &"a network", &"parts of one that is gone");
            return drift;
        }
        if let Some(shared) = &spec.shared {
            let there: BTreeSet<_> = state.subnets.iter().map(|subnet| subnet.meta.id.as_str()).collect();
            let named: BTreeSet<_> = shared.subnets.iter().map(|subnet| subnet.id.as_str()).collect();
            let found: BTreeSet<_> = named.intersection(&there).copied().collect();
            drift.compare("subnets", Change::Immutable, &named, &found);
            return drift;
        }
        drift.compare(
            "tags",
            Change::Enforced,
            &spec.common.tags,
            &state.tags(&spec.common.tags),
        );
        match state.cidr() {
            None => drift.compare("subnet", Change::Enforced, &spec.cidr, &None),
            Some(cidr) => drift.compare(
                "cidr",
                Change::Immutable,
                &spec.cidr.as_deref().unwrap_or_default(),
                &cidr,
            ),
        }
        let cidr = state.cidr().or(spec.cidr.as_deref()).unwrap_or_default();
        let group = state.groups.len() == 1 && state.admits(cidr);
        drift.compare("securityGroup", Change::Enforced, &true, &group);
        drift.compare("egress", Change::Enforced, &Some(spec.egress), &state.egress());
        drift
    }

    fn bindings(&self, claim: &Claim, state: &State) -> Bindings {
        let (Phase::Ready, Some(cidr)) = (state.phase(), state.cidr()) else {
            return Bindings::new();
        };
        let subnets: Vec<_> = state.subnets.iter().map(|subnet| subnet.meta.id.as_str()).collect();
        let mut bindings = Bindings::from([
            ("network-id".into(), state.id.as_str().into()),
            ("subnet-ids".into(), subnets.join(",").into()),
            ("cidr".into(), cidr.into()),
        ]);
        match state.groups.first() {
            Some(group) => {
                bindings.insert("security-group-id".into(), group.meta.id.as_str().into());
                bindings
            }
            None if claim.existing => bindings,
            None => Bindings::new(),
        }
    }

    async fn create(&self, claim: &Claim, spec: &Vpc) -> Result<Created> {
        self.validate(spec)?;
        let id = self.begin(claim, spec).await?;
        // The network is there; what of its parts fails now is seen as a difference, and its error then.
        if let Err(error) = self.close(claim, &id, spec, None).await {
            tracing::debug!(%error, network = %id, "the parts of a new network are left to the next look");
        }
        Ok(Created { id, request_id: None })
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &Vpc, drift: &Drift) -> Result<Receipt> {
        self.validate(spec)?;
        match drift.0.first() {
            Some(difference) => self.close(claim, &state.id, spec, Some(difference.field)).await,
            None => Ok(Receipt::default()),
        }
    }

    async fn delete(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        self.end(claim, state).await
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        self.give(claim, state).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        self.listed(cluster).await
    }
}
