//! The parameters of a call, in the types of the contract.

use serde_json::{Map, Value as Json};

use crate::refusal::{Answer, Refusal};

/// Parameters by their wire names, lists and objects unflattened.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Params(pub(crate) Map<String, Json>);

impl Params {
    /// The value if there is one; an empty text is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Json::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn need(&self, name: &str) -> Answer<&str> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Json::as_i64)
    }

    pub(crate) fn truth(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Json::as_bool)
    }

    pub(crate) fn list(&self, name: &str) -> &[Json] {
        self.0.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        self.list(name).iter().filter_map(Json::as_str).collect()
    }

    /// The parts of a comma-joined text.
    pub(crate) fn commas(&self, name: &str) -> Vec<&str> {
        self.text(name)
            .map(|text| text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
            .unwrap_or_default()
    }

    /// A text that holds JSON.
    pub(crate) fn json(&self, name: &str) -> Answer<Option<Json>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        serde_json::from_str(text)
            .map(Some)
            .map_err(|error| Refusal::parameter(name, error))
    }

    /// What the parameters say but for these, to compare two calls.
    pub(crate) fn without(&self, names: &[&str]) -> Json {
        let rest = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Json::Object(rest.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Copies those that are there.
    pub(crate) fn pick(&self, names: &[&str]) -> Map<String, Json> {
        let some = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.0.get(*name)?.clone())));
        some.collect()
    }
}
