//! Alarms: a set of rules of Cloud Monitor.
//!
//! A rule is made by telling all of it under an id of our choice, so telling it again is no second one. A set is
//! known by `<name>-<incarnation>`, and its rules by that and their place in the set: what there may be is known
//! without a spec, and asked for by id. Rules have no tags but labels, whose names are those of Prometheus; the owner
//! stands in `mooring_dev_identity`, `mooring_dev_cluster` and `mooring_dev_key`. Groups of contacts are the account's
//! and are only named.

mod declared;
mod rule;
mod set;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Drift, Error, ErrorKind, ExternalId, Kind, Owned,
    Owner, Phase, Receipt, Result, Sighting, spec, tag,
};

use crate::{
    actions::{Need, Used},
    api::Api,
    marks,
    product::Product,
    sight::{again, one_of},
};
use declared::labels_of;
use rule::labels;
use set::{State, rule_id, set_name};
use wire::Found;

/// What it takes.
pub(crate) const ACTIONS: &[Used] = &[
    (Product::Cms, "DescribeMetricRuleList", Need::Read),
    (Product::Cms, "PutResourceMetricRule", Need::Create),
    (Product::Cms, "DeleteMetricRules", Need::Both),
];

/// How many alarms a set may have.
const MOST: usize = 20;
/// How many sets are asked for in one call.
const BATCH: usize = 5;

/// The adapter.
#[derive(Debug)]
pub(crate) struct Monitor {
    api: Api,
}

impl Monitor {
    pub(crate) fn new(api: Api) -> Self {
        Self { api }
    }

    async fn look(&self, sets: &[&str]) -> Result<BTreeMap<String, State>> {
        let ids: Vec<_> = sets
            .iter()
            .flat_map(|set| (0..MOST).map(|place| rule_id(set, place)))
            .collect();
        Ok(State::of(wire::by_ids(&self.api, &ids).await?))
    }

    /// Tells every rule that is not as it should be, and removes those that are too many.
    async fn put_all(
        &self,
        operation: &'static str,
        claim: &Claim,
        spec: &spec::Monitor,
        state: &State,
    ) -> Result<Receipt> {
        let rules = declared::rules(spec, &set_name(&state.id))?;
        let labels = labels_of(claim, &spec.common);
        let mut receipt = Receipt::default();
        for (place, rule) in rules.iter().enumerate() {
            let there = state.rules.get(&place);
            if there.is_none_or(|there| there.rule.as_ref() != Some(rule) || there.labels != labels) {
                receipt = wire::put(&self.api, operation, &rule_id(&state.id, place), rule, &labels).await?;
            }
        }
        let surplus: Vec<_> = state
            .rules
            .range(rules.len()..)
            .map(|(_, found)| found.id.as_str())
            .collect();
        if !surplus.is_empty() {
            receipt = wire::delete(&self.api, operation, &surplus).await?;
        }
        Ok(receipt)
    }
}

#[async_trait]
impl Adapter for Monitor {
    type Spec = spec::Monitor;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Monitor
    }

    fn capability(&self) -> Capability {
        Capability {
            poll_busy: Duration::from_secs(5),
            batch: BATCH,
            idempotent_create: true,
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &spec::Monitor) -> Result<()> {
        declared::check(spec)
    }

    fn notes(&self, spec: &spec::Monitor) -> Vec<String> {
        let scrape = "scrape: Cloud Monitor does not read a component's own metrics; leave that to Prometheus";
        spec.scrape.iter().map(|_| scrape.to_owned()).collect()
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        let ids: BTreeSet<_> = claims
            .iter()
            .filter_map(|claim| claim.id.as_ref())
            .map(ExternalId::as_str)
            .collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let mut by_id = Ok(BTreeMap::new());
        for some in ids.chunks(BATCH) {
            match (self.look(some).await, &mut by_id) {
                (Ok(found), Ok(all)) => all.extend(found),
                (Err(error), by_id) => *by_id = Err(error),
                (Ok(_), Err(_)) => {}
            }
        }
        let every = match claims.iter().any(|claim| claim.id.is_none()) {
            true => wire::all(&self.api).await.map(State::of),
            false => Ok(BTreeMap::new()),
        };
        let sight = |claim: &Claim| match &claim.id {
            Some(id) => match by_id.as_ref().map(|all| all.get(id.as_str())) {
                Ok(Some(state)) => Ok(Sighting::One(state.clone())),
                Ok(None) => Ok(Sighting::Absent),
                Err(error) => Err(again(error)),
            },
            None => {
                let every = every.as_ref().map_err(again)?;
                let ours = |state: &&State| state.carries(tag::IDENTITY, claim.owner.identity.as_str());
                let found: Vec<_> = every.values().filter(ours).collect();
                Ok(one_of(&found, |_| false, |state| ExternalId::new(&state.id)))
            }
        };
        claims.iter().map(sight).collect()
    }

    fn id(&self, state: &State) -> ExternalId {
        ExternalId::new(&state.id)
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.owner()
    }

    fn phase(&self, _: &State) -> Phase {
        Phase::Ready
    }

    fn drift(&self, spec: &spec::Monitor, state: &State) -> Drift {
        let mut drift = Drift::none();
        let Ok(wanted) = declared::rules(spec, &set_name(&state.id)) else {
            return drift;
        };
        let wanted: BTreeMap<_, _> = wanted.into_iter().map(Some).enumerate().collect();
        let found: BTreeMap<_, _> = state
            .rules
            .iter()
            .map(|(place, found)| (*place, found.rule.clone()))
            .collect();
        drift.compare("alarms", Change::Enforced, &wanted, &found);
        let wanted = labels(&spec.common.tags);
        let whole = |found: &Found| wanted.iter().all(|(name, value)| found.labels.get(name) == Some(value));
        drift.compare("tags", Change::Enforced, &true, &state.rules.values().all(whole));
        drift
    }

    fn bindings(&self, _: &Claim, _: &State) -> Bindings {
        Bindings::new()
    }

    async fn create(&self, claim: &Claim, spec: &spec::Monitor) -> Result<Created> {
        self.validate(spec)?;
        let id = format!("{}-{}", claim.name, claim.incarnation);
        let there = self.look(&[&id]).await?.remove(&id);
        if let Some(there) = &there
            && there.owner().as_ref() != Some(&claim.owner)
        {
            let message = format!("a rule with the id `{id}-…` is there and is not ours; rename or remove it");
            return Err(Error::new(ErrorKind::NotOwned, "monitor.create", message));
        }
        let state = there.unwrap_or_else(|| State {
            id: id.clone(),
            rules: BTreeMap::new(),
        });
        let receipt = self.put_all("monitor.create", claim, spec, &state).await?;
        Ok(Created {
            id: ExternalId::new(id),
            request_id: receipt.request_id,
        })
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &spec::Monitor, _: &Drift) -> Result<Receipt> {
        self.validate(spec)?;
        self.put_all("monitor.update", claim, spec, state).await
    }

    async fn delete(&self, _: &Claim, state: &State) -> Result<Receipt> {
        let ids: Vec<_> = state.rules.values().map(|found| found.id.as_str()).collect();
        let done = wire::delete(&self.api, "monitor.delete", &ids).await?;
        Ok(done.ending())
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let mut receipt = Receipt::default();
        for found in state.rules.values() {
            let Some(rule) = &found.rule else {
                let message = format!("{} was changed to what no rule of ours is; remove it there", found.id);
                return Err(Error::new(ErrorKind::NotOwned, "monitor.adopt", message));
            };
            let mut with = found.labels.clone();
            with.retain(|name, _| !name.starts_with(rule::OURS));
            with.extend(labels(&marks::of_owner(&claim.owner)));
            receipt = wire::put(&self.api, "monitor.adopt", &found.id, rule, &with).await?;
        }
        Ok(receipt)
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let every = State::of(wire::all(&self.api).await?);
        let ours = every.into_values().filter_map(|state| {
            let owner = state.owner().filter(|owner| owner.cluster == *cluster)?;
            Some(Owned {
                id: ExternalId::new(state.id),
                owner,
                phase: Phase::Ready,
            })
        });
        Ok(ours.collect())
    }
}
