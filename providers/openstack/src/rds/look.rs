//! Finding instances. Trove has no tags and no search: what there is is listed, and told by its name.

use std::collections::BTreeMap;

use mooring_provider::{Claim, ClusterId, ExternalId, Owned, Result, Sighting};

use super::{
    Databases,
    state::{Flavor, Instance, State},
};
use crate::{config::Service, session::Call};

const OPERATION: &str = "rds.observe";

/// What there is in the project.
pub(super) struct View {
    instances: Vec<Instance>,
    /// The names of flavors by their id.
    flavors: BTreeMap<String, String>,
}

impl View {
    fn state(&self, instance: Instance) -> State {
        let flavor = self.flavors.get(&instance.flavor.id).cloned();
        State { instance, flavor }
    }
}

impl Databases {
    pub(super) async fn flavors(&self) -> Result<Vec<Flavor>> {
        self.session
            .all(Call::get(OPERATION, Service::Database, "/flavors"), "flavors")
            .await
    }

    pub(super) async fn view(&self) -> Result<View> {
        let instances: Vec<Instance> = self
            .session
            .all(Call::get(OPERATION, Service::Database, "/instances"), "instances")
            .await?;
        let flavors = match instances.is_empty() {
            true => Vec::new(),
            false => self.flavors().await?,
        };
        Ok(View {
            instances,
            flavors: flavors
                .into_iter()
                .map(|flavor| (flavor.id().to_owned(), flavor.name))
                .collect(),
        })
    }

    /// What there is for a claim.
    pub(super) async fn sight(&self, view: &View, claim: &Claim) -> Result<Sighting<State>> {
        let Some(id) = &claim.id else {
            let identity = &claim.owner.identity;
            let states = view.instances.iter().map(|instance| view.state(instance.clone()));
            let mut ours: Vec<_> = states
                .filter(|state| state.owner().is_some_and(|owner| owner.identity == *identity))
                .collect();
            return Ok(match ours.len() {
                0 => Sighting::Absent,
                1 => Sighting::One(ours.remove(0)),
                _ => Sighting::Several(ours.iter().map(State::id).collect()),
            });
        };
        if let Some(instance) = view.instances.iter().find(|instance| instance.id == id.as_str()) {
            return Ok(Sighting::One(view.state(instance.clone())));
        }
        Ok(match self.get(id).await? {
            Some(instance) => Sighting::One(view.state(instance)),
            None => Sighting::Absent,
        })
    }

    pub(super) async fn get(&self, id: &ExternalId) -> Result<Option<Instance>> {
        self.session
            .read(
                Call::get(OPERATION, Service::Database, format!("/instances/{id}")),
                "instance",
            )
            .await
    }

    /// What an instance is like now, before it is changed.
    pub(super) async fn anew(&self, state: &State) -> Result<Option<State>> {
        let instance = self.get(&state.id()).await?;
        Ok(instance.map(|instance| State {
            instance,
            flavor: state.flavor.clone(),
        }))
    }

    pub(super) async fn listed(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let view = self.view().await?;
        let states = view.instances.iter().map(|instance| view.state(instance.clone()));
        Ok(states
            .filter_map(|state| {
                let owner = state.owner().filter(|owner| owner.cluster == *cluster)?;
                Some(Owned {
                    id: state.id(),
                    phase: state.phase(),
                    owner,
                })
            })
            .collect())
    }
}
