//! The parts of a pod template as they were found, and the patch from what they were to what they shall be. No I/O.

use std::collections::BTreeSet;

use kube::api::Patch;
use serde_json::{Map, Value as Json, json};

use super::{Annotations, Place};

/// The parts of a pod template, and where in the object they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The annotations of the object itself, which roll nothing.
    pub object_annotations: Annotations,
    /// The annotations of its pods.
    pub annotations: Annotations,
    /// The volumes.
    pub volumes: Vec<Json>,
    /// The containers.
    pub containers: Vec<Container>,
    pub(super) annotations_at: Place,
    pub(super) volumes_at: Place,
}

/// A container, as far as it is of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name, where the mapping says where that is.
    pub name: Option<String>,
    /// Its environment variables.
    pub env: Vec<Json>,
    /// What it mounts.
    pub volume_mounts: Vec<Json>,
    pub(super) at: Place,
    pub(super) name_at: Option<Place>,
    pub(super) env_at: Place,
    pub(super) volume_mounts_at: Place,
}

/// An object that is not as the mapping says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// No container is where they should be.
    #[error("no container is at {0}")]
    NoContainer(String),
    /// Something else is there.
    #[error("{place} should be {wanted} and is {found}")]
    Other {
        /// Where.
        place: String,
        /// What should be there.
        wanted: &'static str,
        /// What is.
        found: &'static str,
    },
}

impl Container {
    /// What it is called in messages and records: its name, else its place.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.at.to_string())
    }
}

impl Shape {
    pub(super) fn own_annotations() -> Place {
        Place::of(["metadata", "annotations"])
    }

    /// What makes `self`, which was read from `object`, into `changed`; `None` if that is the same. Only the contents of
    /// its parts may differ.
    pub fn patch_to(&self, changed: &Self, object: &Json) -> Option<Patch<Json>> {
        let mut writer = Writer {
            object,
            tests: Vec::new(),
            writes: Vec::new(),
            made: BTreeSet::new(),
        };
        writer.map(
            &Self::own_annotations(),
            &self.object_annotations,
            &changed.object_annotations,
        );
        writer.map(&self.annotations_at, &self.annotations, &changed.annotations);
        writer.list(&self.volumes_at, &self.volumes, &changed.volumes);
        for (before, after) in self.containers.iter().zip(&changed.containers) {
            if before == after {
                continue;
            }
            if let (Some(at), Some(name)) = (&before.name_at, &before.name) {
                writer
                    .tests
                    .push(json!({"op": "test", "path": at.pointer(), "value": name}));
            }
            writer.list(&before.env_at, &before.env, &after.env);
            writer.list(&before.volume_mounts_at, &before.volume_mounts, &after.volume_mounts);
        }
        writer.finish()
    }
}

struct Writer<'a> {
    object: &'a Json,
    tests: Vec<Json>,
    writes: Vec<Json>,
    /// What leads to a place and was made for it.
    made: BTreeSet<Place>,
}

impl Writer<'_> {
    fn list(&mut self, at: &Place, before: &[Json], after: &[Json]) {
        if before != after {
            self.value(at, (!after.is_empty()).then(|| json!(after)));
        }
    }

    fn map(&mut self, at: &Place, before: &Annotations, after: &Annotations) {
        if after.is_empty() && !before.is_empty() {
            return self.value(at, None);
        }
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for name in names {
            if before.get(name) != after.get(name) {
                self.value(&at.field(name), after.get(name).cloned());
            }
        }
    }

    /// Puts a value into a place, or takes out what is there.
    fn value(&mut self, at: &Place, value: Option<Json>) {
        let path = at.pointer();
        let there = at.get(self.object).ok().flatten();
        if let Some(there) = there {
            self.tests.push(json!({"op": "test", "path": path, "value": there}));
        }
        match (there, value) {
            (_, Some(value)) => {
                self.lead_to(at);
                self.writes.push(json!({"op": "add", "path": path, "value": value}));
            }
            (Some(_), None) => self.writes.push(json!({"op": "remove", "path": path})),
            (None, None) => {}
        }
    }

    fn lead_to(&mut self, at: &Place) {
        for place in at.ancestors() {
            if place.get(self.object).is_ok_and(|there| there.is_none()) && self.made.insert(place.clone()) {
                self.writes
                    .push(json!({"op": "add", "path": place.pointer(), "value": {}}));
            }
        }
    }

    fn finish(self) -> Option<Patch<Json>> {
        if self.writes.is_empty() {
            return None;
        }
        let meta = |field: &str| {
            let value = Place::of(["metadata", field]).get(self.object).ok().flatten();
            json!({"op": "test", "path": format!("/metadata/{field}"), "value": value})
        };
        let all = [meta("uid"), meta("resourceVersion")]
            .into_iter()
            .chain(self.tests)
            .chain(self.writes);
        let operations = serde_json::from_value(all.collect()).expect("a JSON patch");
        Some(Patch::Json(operations))
    }
}

const MAP: &str = "a map";
const LIST: &str = "a list";
const TEXT: &str = "text";

pub(super) fn map(object: &Json, at: &Place) -> Result<Map<String, Json>, Mismatch> {
    match there(object, at, MAP)? {
        None => Ok(Map::new()),
        Some(Json::Object(map)) => Ok(map.clone()),
        Some(other) => Err(mismatch(at, MAP, other)),
    }
}

pub(super) fn list(object: &Json, at: &Place) -> Result<Vec<Json>, Mismatch> {
    match there(object, at, LIST)? {
        None => Ok(Vec::new()),
        Some(Json::Array(list)) => Ok(list.clone()),
        Some(other) => Err(mismatch(at, LIST, other)),
    }
}

pub(super) fn text(object: &Json, at: &Place) -> Result<Option<String>, Mismatch> {
    match there(object, at, TEXT)? {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(mismatch(at, TEXT, other)),
    }
}

fn there<'a>(object: &'a Json, at: &Place, wanted: &'static str) -> Result<Option<&'a Json>, Mismatch> {
    at.get(object).map_err(|stop| {
        let value = stop.get(object).ok().flatten().unwrap_or(&Json::Null);
        let inner = mismatch(&stop, MAP, value);
        match inner {
            Mismatch::Other { place, found, .. } => Mismatch::Other {
                place: format!("{at} (through {place})"),
                wanted,
                found,
            },
            other => other,
        }
    })
}

fn mismatch(at: &Place, wanted: &'static str, found: &Json) -> Mismatch {
    let found = match found {
        Json::Null => "nothing",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => TEXT,
        Json::Array(_) => LIST,
        Json::Object(_) => MAP,
    };
    Mismatch::Other {
        place: at.to_string(),
        wanted,
        found,
    }
}
