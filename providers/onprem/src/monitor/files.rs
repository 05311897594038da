//! What there is of the alarms: the files, and what Prometheus has loaded of them.

use std::collections::BTreeMap;

use mooring_provider::{ExternalId, Owner, Result};

use super::{MonitorAdapter, prometheus::Loaded, rules};

/// How the names of rule files end.
pub(super) const RULES: &str = ".yml";
/// How the names of files of targets end.
pub(super) const TARGETS: &str = ".json";

/// The alarms of one resource.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(super) id: ExternalId,
    pub(super) owner: Option<Owner>,
    /// The rule file.
    pub(super) text: Option<String>,
    /// The file of targets.
    pub(super) targets: Option<String>,
    /// What Prometheus evaluates.
    loaded: Option<Loaded>,
}

impl State {
    /// Nothing is there.
    pub(super) const fn nothing(id: ExternalId) -> Self {
        Self {
            id,
            owner: None,
            text: None,
            targets: None,
            loaded: None,
        }
    }

    /// Whether Prometheus evaluates what the file says.
    pub(super) fn is_in_force(&self) -> bool {
        let loaded = self.loaded.as_ref().and_then(|loaded| loaded.revision.as_deref());
        self.text.as_deref().and_then(rules::revision) == loaded
    }
}

impl MonitorAdapter {
    /// Everything in the directory, and what is ours and still in force without its file.
    pub(super) async fn states(&self, operation: &'static str) -> Result<BTreeMap<ExternalId, State>> {
        let mut loaded = self.prometheus.rules(operation).await?;
        let mut targets = match &self.targets {
            Some(directory) => directory.list(TARGETS).await?,
            None => BTreeMap::new(),
        };
        let mut states = BTreeMap::new();
        for (id, text) in self.rules.list(RULES).await? {
            let state = State {
                owner: rules::owner(&text),
                targets: targets.remove(&id),
                loaded: loaded.remove(&id),
                text: Some(text),
                id: ExternalId::new(id),
            };
            states.insert(state.id.clone(), state);
        }
        for (id, loaded) in loaded.into_iter().filter(|(_, loaded)| loaded.owner.is_some()) {
            let state = State {
                owner: loaded.owner.clone(),
                targets: targets.remove(&id),
                loaded: Some(loaded),
                ..State::nothing(ExternalId::new(id))
            };
            states.insert(state.id.clone(), state);
        }
        Ok(states)
    }
}
