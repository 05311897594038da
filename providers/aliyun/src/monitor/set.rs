//! A set of rules, as it is found.

use std::collections::BTreeMap;

use mooring_provider::Owner;

use super::{MOST, rule::label, wire::Found};

/// A set of rules that is there, in whole or in part.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(super) id: String,
    /// By their place in the set.
    pub(super) rules: BTreeMap<usize, Found>,
}

/// The name of a set is that of its claim when it was made; its id ends in the incarnation.
pub(super) fn set_name(id: &str) -> String {
    id.rsplit_once('-').map_or(id, |(name, _)| name).to_owned()
}

/// The id of a rule by its place in a set.
pub(super) fn rule_id(set: &str, place: usize) -> String {
    format!("{set}-{place}")
}

impl State {
    /// Sets out of rules, each by its id.
    pub(super) fn of(found: impl IntoIterator<Item = Found>) -> BTreeMap<String, Self> {
        let mut sets = BTreeMap::<String, Self>::new();
        for found in found {
            let Some((set, place)) = found.id.rsplit_once('-').and_then(|(set, place)| {
                let place = place.parse().ok().filter(|place| *place < MOST)?;
                Some((set.to_owned(), place))
            }) else {
                continue;
            };
            let state = sets.entry(set.clone()).or_insert_with(|| Self {
                id: set,
                rules: BTreeMap::new(),
            });
            state.rules.insert(place, found);
        }
        sets
    }

    /// The owner that all of its rules name.
    pub(super) fn owner(&self) -> Option<Owner> {
        let mut owners = self.rules.values().map(Found::owner);
        let first = owners.next()??;
        owners.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    /// Whether one of its rules carries a tag of ours with this value.
    pub(super) fn carries(&self, tag: &str, value: &str) -> bool {
        let carries = |found: &Found| found.labels.get(&label(tag)).is_some_and(|given| given == value);
        self.rules.values().any(carries)
    }
}
