//! Workloads whose lists are atomic: a CloneSet, an Advanced StatefulSet, a Rollout, a Knative Service. No I/O.
//!
//! An apply of one container wipes out all others there, and nobody owns a single variable. So what is ours is written down
//! in an annotation of the object itself, which rolls nothing, and what is written is a JSON patch that tests first
//! whether everything is still as it was read: see [`mapping`](crate::operator::workload::mapping).
//!
//! A variable that stands there as we would write it and is not on record is somebody else's. It serves, and stays.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{EnvVar, PodTemplateSpec};
use kube::{ResourceExt, api::Patch};
use serde_json::{Value as Json, json};

use super::{
    judge::{Desired, Source, of_secret, rendered},
    owners::{Owner, Owners, Place, list_writers},
};
use crate::{
    api::names,
    operator::workload::{ContainerList, Workload, mapping::Mapping},
};

/// The variables that are ours, by container, each with the Secret that it shows. One that shows something else by now is
/// somebody else's.
type Record = BTreeMap<String, BTreeMap<String, String>>;

fn is_ours(ours: Option<&BTreeMap<String, String>>, variable: &EnvVar) -> bool {
    let secret = ours.and_then(|ours| ours.get(&variable.name));
    secret.is_some() && secret == of_secret(variable).map(|source| source.secret).as_ref()
}

fn record(workload: &Workload) -> Record {
    let text = workload.object.annotations().get(names::BOUND_VARIABLES);
    // What somebody wrote there that is no record says of nothing that it is ours.
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Who owns the variables.
pub(super) fn owners(workload: &Workload, template: &PodTemplateSpec) -> Owners {
    let record = record(workload);
    let writers = list_writers(workload.kind, workload.object.managed_fields());
    let mut variables = BTreeMap::new();
    for list in ContainerList::ALL {
        for container in list.of(template) {
            let ours = record.get(&container.name);
            let place = |name: &str| Place {
                list,
                container: container.name.clone(),
                name: name.to_owned(),
            };
            for variable in container.env.iter().flatten() {
                let owned = owners_of(variable, is_ours(ours, variable), writers.get(&list));
                variables.insert(place(&variable.name), owned);
            }
            // What somebody took away is ours to put back.
            for name in ours.into_iter().flat_map(BTreeMap::keys) {
                variables.entry(place(name)).or_insert_with(|| vec![us()]);
            }
        }
    }
    Owners::recorded(variables)
}

fn us() -> Owner {
    Owner {
        manager: names::MANAGER_BINDING.into(),
        is_us: true,
        fields: BTreeSet::new(),
    }
}

fn owners_of(variable: &EnvVar, is_ours: bool, writer: Option<&String>) -> Vec<Owner> {
    if is_ours {
        return vec![us()];
    }
    let shown = [
        ("value", variable.value.is_some()),
        ("valueFrom", variable.value_from.is_some()),
    ];
    let fields = shown
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(field, _)| field.to_owned());
    let them = writer.map(|writer| Owner {
        manager: writer.clone(),
        is_us: false,
        fields: fields.collect(),
    });
    them.into_iter().collect()
}

/// What brings the workload to what is desired; `None` if it is so already, or has no containers to put it in.
pub(super) fn patch(workload: &Workload, desired: &Desired) -> Option<Patch<Json>> {
    let object = serde_json::to_value(&workload.object).ok()?;
    let resource = workload.kind.resource();
    let shape = Mapping::of_kind(&resource.group, &resource.kind).read(&object).ok()?;
    let (before, mut after, mut changed) = (record(workload), Record::new(), shape.clone());
    for container in &mut changed.containers {
        let name = container.name.clone().unwrap_or_default();
        let asked: BTreeMap<&str, &Source> = desired
            .env
            .iter()
            .filter(|(place, _)| place.container == name)
            .map(|(place, source)| (place.name.as_str(), source))
            .collect();
        let ours = before.get(&name);
        container.env.retain(|entry| {
            let variable = variable(entry);
            asked.contains_key(variable.name.as_str()) || !is_ours(ours, &variable)
        });
        for (variable_name, source) in asked {
            let wanted = rendered(variable_name, source);
            let there = container.env.iter_mut().find(|entry| entry["name"] == variable_name);
            let is_ours = there.as_ref().is_none_or(|there| is_ours(ours, &variable(there)));
            match there {
                Some(there) if variable(there) == wanted => {}
                Some(there) => *there = json!(wanted),
                None => container.env.push(json!(wanted)),
            }
            if is_ours {
                let ours = after.entry(name.clone()).or_default();
                ours.insert(variable_name.to_owned(), source.secret.clone());
            }
        }
    }
    let revision = desired.revision.as_ref().map(|revision| json!(revision));
    set(&mut changed.annotations, names::BINDING_REVISION, revision);
    let on_record = (!after.is_empty()).then(|| json!(json!(after).to_string()));
    set(&mut changed.object_annotations, names::BOUND_VARIABLES, on_record);
    shape.patch_to(&changed, &object)
}

fn variable(entry: &Json) -> EnvVar {
    serde_json::from_value(entry.clone()).unwrap_or_default()
}

fn set(annotations: &mut serde_json::Map<String, Json>, name: &str, value: Option<Json>) {
    match value {
        Some(value) => annotations.insert(name.to_owned(), value),
        None => annotations.remove(name),
    };
}
