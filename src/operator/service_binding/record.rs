//! What we put into a workload, written down in an annotation of the workload itself, which rolls no pods. No I/O.
//!
//! A variable in a list of a custom workload has no owner on record, and our other controller writes variables that look
//! like these. So the names are written down; and the mapping by which they were put in, by which they are taken out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{
    api::{names, service_binding::MappingTemplate},
    operator::workload::mapping::{Annotations, Mapping},
};

/// What of a workload is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// The mapping by which it was put in; absent for the default one of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mapping: Option<MappingTemplate>,
    /// The containers that we told where the directories are.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) root: BTreeSet<String>,
    /// What belongs to each ServiceBinding, by its uid.
    pub(super) bindings: BTreeMap<String, Put>,
}

/// What belongs to one ServiceBinding; the names of its volume and its annotations follow from its uid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Put {
    /// Its variables, by their container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, BTreeSet<String>>,
    /// The Secret that they refer to.
    secret: String,
}

impl Put {
    /// Variables by their container, which refer to this Secret.
    pub(super) fn new(env: BTreeMap<String, BTreeSet<String>>, secret: &str) -> Self {
        let secret = secret.to_owned();
        Self { env, secret }
    }

    /// Whether a variable of a container is its.
    pub(super) fn has(&self, container: &str, name: &str) -> bool {
        self.env.get(container).is_some_and(|names| names.contains(name))
    }
}

impl Record {
    /// As an object has it. What cannot be read is as if it were not there: somebody edited it.
    pub(super) fn of(annotations: Option<&BTreeMap<String, String>>) -> Self {
        let text = annotations.and_then(|annotations| annotations.get(names::SERVICE_BINDINGS));
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// Writes it, or takes it off when nothing is ours.
    pub(super) fn write(&self, annotations: &mut Annotations) {
        if self.bindings.is_empty() && self.root.is_empty() {
            annotations.remove(names::SERVICE_BINDINGS);
            return;
        }
        let text = serde_json::to_string(self).expect("a record is JSON");
        annotations.insert(names::SERVICE_BINDINGS.to_owned(), json!(text));
    }

    /// The variables of a ServiceBinding in a container, and the Secret that they refer to.
    pub(super) fn variables(&self, uid: &str, container: &str) -> Option<(&BTreeSet<String>, &str)> {
        let put = self.bindings.get(uid)?;
        Some((put.env.get(container)?, &put.secret))
    }

    /// The mapping by which all this was put in; `kinds` is the default one.
    pub(super) fn mapping(&self, kinds: Mapping) -> Mapping {
        let written = self.mapping.as_ref();
        written
            .and_then(|template| Mapping::of_template("its mapping", template).ok())
            .unwrap_or(kinds)
    }
}

/// The annotations of an object, as strings.
pub(super) fn annotations(object: &Json) -> BTreeMap<String, String> {
    serde_json::from_value(object["metadata"]["annotations"].clone()).unwrap_or_default()
}
