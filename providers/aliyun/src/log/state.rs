//! What is seen of a store, and what that means.

use mooring_provider::{Bindings, Change, Difference, Drift, ExternalId, Phase, Span, spec::Log, tag};

use super::{collect::Config, config::days};
use crate::marks::{self, Tags};

/// A store with what collects lines into it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(super) project: String,
    pub(super) store: String,
    pub(super) tags: Tags,
    /// `None`: it was about to be made, and is not there.
    pub(super) is: Option<Is>,
}

/// A store that is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Is {
    pub(super) days: u64,
    pub(super) indexed: bool,
    /// The configurations that collect into it.
    pub(super) configs: Vec<String>,
    /// Those that the machines are told; `None` when the project does not know the machines.
    pub(super) applied: Option<Vec<String>>,
}

/// The next thing to do about collecting.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Collect {
    /// The project has to know the machines.
    Group,
    /// A configuration is missing.
    Make(Config),
    /// The machines have to be told of it.
    Apply(String),
    /// A configuration collects what is not declared.
    Drop(String),
}

impl State {
    pub(super) fn id(&self) -> ExternalId {
        ExternalId::new(format!("{}/{}", self.project, self.store))
    }

    pub(super) fn phase(&self) -> Phase {
        match (&self.is, self.tags.get(tag::PARKED_UNTIL)) {
            (None, _) => Phase::Unreachable(format!("{} was begun and is not there yet", self.id())),
            (Some(_), Some(until)) => Phase::Parked(until.clone()),
            (Some(_), None) => Phase::Ready,
        }
    }

    /// The next thing to do so that exactly these are told to the machines.
    pub(super) fn collecting(&self, wanted: &[Config]) -> Option<Collect> {
        let is = self.is.as_ref()?;
        let unwanted = is
            .configs
            .iter()
            .find(|name| wanted.iter().all(|config| config.name != **name));
        if let Some(name) = unwanted {
            return Some(Collect::Drop(name.clone()));
        }
        if let Some(config) = wanted.iter().find(|config| !is.configs.contains(&config.name)) {
            return Some(Collect::Make(config.clone()));
        }
        if wanted.is_empty() {
            return None;
        }
        let Some(applied) = &is.applied else {
            return Some(Collect::Group);
        };
        let missing = wanted.iter().find(|config| !applied.contains(&config.name));
        missing.map(|config| Collect::Apply(config.name.clone()))
    }

    pub(super) fn drift(&self, spec: &Log, wanted: &[Config]) -> Drift {
        let mut drift = Drift::none();
        let mut gap = |field, desired: String, observed: String| {
            drift.0.push(Difference {
                field,
                desired,
                observed,
                change: Change::Enforced,
            });
        };
        let Some(is) = &self.is else {
            gap("store", self.store.clone(), "none".into());
            return drift;
        };
        if is.days != days(spec.retention) {
            let has = Span::new(std::time::Duration::from_secs(is.days * 86_400));
            gap("retention", spec.retention.to_string(), has.to_string());
        }
        if !is.indexed {
            gap("index", "all lines".into(), "none".into());
        }
        if let Some(step) = self.collecting(wanted) {
            let sources: Vec<_> = spec.sources.iter().map(ToString::to_string).collect();
            let (desired, observed) = match step {
                Collect::Group => ("the cluster's machines".into(), "none".into()),
                Collect::Make(config) => (sources.join(","), format!("without {}", config.name)),
                Collect::Apply(name) => (sources.join(","), format!("{name} is not applied")),
                Collect::Drop(name) => (sources.join(","), format!("also {name}")),
            };
            gap("sources", desired, observed);
        }
        if marks::owner(&self.tags).is_some() {
            drift.compare("tags", Change::Enforced, &spec.common.tags, &marks::extra(&self.tags));
        }
        drift
    }

    pub(super) fn bindings(&self, host: &str) -> Bindings {
        match self.phase() {
            Phase::Ready => Bindings::from([
                ("endpoint".into(), format!("https://{host}").into()),
                ("project".into(), self.project.as_str().into()),
                ("store".into(), self.store.as_str().into()),
            ]),
            _ => Bindings::new(),
        }
    }
}
