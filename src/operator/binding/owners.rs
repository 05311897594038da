//! Who owns an environment variable: a walk through `metadata.managedFields`. No I/O.
//!
//! Server-side apply does not report it: `value: ""` or a name alone is silently taken over by a forced apply, `value`
//! and `configMapKeyRef` give an error that names nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, Time};
use serde_json::{Map, Value as Json, json};

use crate::{
    api::names,
    operator::workload::{ContainerList, WorkloadKind},
};

/// Where an environment variable is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// The list its container is in.
    pub(super) list: ContainerList,
    /// Its container.
    pub(super) container: String,
    /// Its name.
    pub(super) name: String,
}

/// What somebody owns of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// Who: `kubectl-client-side-apply`.
    pub(super) manager: String,
    /// Whether it is Mooring's binding controller, by server-side apply.
    pub(super) is_us: bool,
    /// The fields below the variable, `value` or `valueFrom`.
    pub(super) fields: BTreeSet<String>,
}

impl Owner {
    /// Whether it is somebody else who says what the variable shows.
    fn has_content(&self) -> bool {
        !self.is_us && self.manager != names::MANAGER_APPLICATION && !self.fields.is_disjoint(&content())
    }
}

fn content() -> BTreeSet<String> {
    ["value", "valueFrom"].map(str::to_owned).into()
}

/// Who owns the variables of a workload.
#[derive(Debug, Default)]
pub(super) struct Owners {
    variables: BTreeMap<Place, Vec<Owner>>,
    containers: BTreeSet<(ContainerList, String)>,
}

impl Owners {
    /// Reads them.
    pub(super) fn of(kind: WorkloadKind, managed: &[ManagedFieldsEntry]) -> Self {
        let mut owners = Self::default();
        for entry in managed.iter().filter(|entry| entry.subresource.is_none()) {
            let Some(FieldsV1(fields)) = &entry.fields_v1 else {
                continue;
            };
            if is_ours(entry) {
                let ours = containers(kind, fields).into_iter();
                owners
                    .containers
                    .extend(ours.map(|(list, container, _)| (list, container)));
            }
            for (place, below) in variables(kind, fields) {
                let fields = below
                    .as_object()
                    .into_iter()
                    .flat_map(Map::keys)
                    .filter_map(|key| key.strip_prefix("f:"))
                    .map(str::to_owned)
                    .collect();
                owners.variables.entry(place).or_default().push(Owner {
                    manager: entry.manager.clone().unwrap_or_else(|| "somebody unnamed".into()),
                    is_us: is_ours(entry),
                    fields,
                });
            }
        }
        owners
    }

    /// Who owns that variable.
    pub(super) fn at(&self, place: &Place) -> &[Owner] {
        self.variables.get(place).map(Vec::as_slice).unwrap_or_default()
    }

    /// All variables that have an owner.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.variables.keys()
    }

    /// The variables that are ours.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Place> {
        self.variables
            .iter()
            .filter(|(_, owners)| owners.iter().any(|owner| owner.is_us))
            .map(|(place, _)| place)
    }

    /// Whether that variable is ours, be it somebody else's as well.
    pub(super) fn is_ours(&self, place: &Place) -> bool {
        self.at(place).iter().any(|owner| owner.is_us)
    }

    /// The containers in which something is ours.
    pub(super) fn our_containers(&self) -> &BTreeSet<(ContainerList, String)> {
        &self.containers
    }

    /// Whether what a variable of ours shows is somebody else's by now.
    pub(super) fn is_changed(&self, place: &Place) -> bool {
        self.at(place).iter().any(Owner::has_content)
    }

    /// Whether our Application controller owns that variable.
    pub(super) fn is_rendered(&self, place: &Place) -> bool {
        self.at(place)
            .iter()
            .any(|owner| owner.manager == names::MANAGER_APPLICATION)
    }
}

/// The environment variables of a Deployment's container that our Application controller rendered, and that are nobody
/// else's, be it the binding controller's.
pub(in crate::operator) fn rendered_variables(managed: &[ManagedFieldsEntry], container: &str) -> BTreeSet<String> {
    let owners = Owners::of(WorkloadKind::Deployment, managed);
    let is_rendered = |owner: &Owner| !owner.is_us && owner.manager == names::MANAGER_APPLICATION;
    let here = |place: &Place| place.list == ContainerList::Main && place.container == container;
    let variables = owners.variables.iter();
    variables
        .filter(|(place, owners)| here(place) && owners.iter().all(is_rendered))
        .map(|(place, _)| place.name.clone())
        .collect()
}

/// Whether our apply owns the annotation that rolls the pods.
pub(super) fn owns_revision(kind: WorkloadKind, managed: &[ManagedFieldsEntry]) -> bool {
    managed.iter().filter(|entry| is_ours(entry)).any(|entry| {
        let Some(FieldsV1(fields)) = &entry.fields_v1 else {
            return false;
        };
        template(kind)
            .chain(["f:metadata", "f:annotations"])
            .try_fold(fields, |fields, step| fields.get(step))
            .is_some_and(|annotations| annotations.get(format!("f:{}", names::BINDING_REVISION)).is_some())
    })
}

/// What each manager but us has written, as a fingerprint: to see later who wrote since.
pub(super) fn writers(managed: &[ManagedFieldsEntry]) -> BTreeMap<String, u64> {
    let mut writers = BTreeMap::new();
    let theirs = managed
        .iter()
        .filter(|entry| entry.subresource.is_none() && entry.manager.as_deref() != Some(names::MANAGER_BINDING));
    for entry in theirs {
        let mut hasher = DefaultHasher::new();
        let fields = entry.fields_v1.as_ref().map(|FieldsV1(fields)| fields.to_string());
        let time = entry.time.as_ref().map(|time| time.0.as_second());
        (&entry.operation, fields, time).hash(&mut hasher);
        *writers.entry(entry.manager.clone().unwrap_or_default()).or_default() ^= hasher.finish();
    }
    writers
}

/// Who wrote since. Nobody, if something was only taken away: that leaves no trace.
pub(super) fn wrote_since(before: &BTreeMap<String, u64>, managed: &[ManagedFieldsEntry]) -> Option<String> {
    let mut since = writers(managed)
        .into_iter()
        .filter(|(manager, written)| before.get(manager) != Some(written));
    since.next().map(|(manager, _)| manager)
}

/// The managedFields with these variables handed over from our Application controller's share to ours, as if we had
/// applied them.
pub(super) fn handed_over(
    kind: WorkloadKind,
    managed: &[ManagedFieldsEntry],
    places: &BTreeSet<Place>,
    now: Time,
) -> Vec<ManagedFieldsEntry> {
    let mut managed = managed.to_vec();
    let mut taken = Vec::new();
    let rendered = |entry: &&mut ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(names::MANAGER_APPLICATION) && entry.subresource.is_none()
    };
    for entry in managed.iter_mut().filter(rendered) {
        let Some(FieldsV1(fields)) = &mut entry.fields_v1 else {
            continue;
        };
        taken.extend(
            places
                .iter()
                .filter_map(|place| Some((place, cut(kind, fields, place)?))),
        );
    }
    if taken.is_empty() {
        return managed;
    }
    let position = managed.iter().position(is_ours).unwrap_or_else(|| {
        managed.push(ManagedFieldsEntry {
            manager: Some(names::MANAGER_BINDING.into()),
            operation: Some("Apply".into()),
            api_version: Some(kind.resource().api_version),
            fields_type: Some("FieldsV1".into()),
            ..ManagedFieldsEntry::default()
        });
        managed.len() - 1
    });
    let ours = &mut managed[position];
    ours.time = Some(now);
    let FieldsV1(fields) = ours.fields_v1.get_or_insert_with(|| FieldsV1(json!({})));
    for (place, owned) in taken {
        let container = paste(kind, fields, place, owned);
        entry(container, ".");
        entry(container, "f:name");
    }
    managed
}

/// The managedFields with these variables of ours given to who says by now what they show, as if they had written all
/// of them. An apply that leaves out a variable takes it away whole, what others wrote in it as well.
pub(super) fn given_up(
    kind: WorkloadKind,
    managed: &[ManagedFieldsEntry],
    places: &BTreeSet<Place>,
) -> Vec<ManagedFieldsEntry> {
    let mut managed = managed.to_vec();
    for entry in managed.iter_mut().filter(|entry| entry.subresource.is_none()) {
        let is_us = is_ours(entry);
        let Some(FieldsV1(fields)) = &mut entry.fields_v1 else {
            continue;
        };
        for place in places {
            let Some(mut owned) = cut(kind, fields, place) else {
                continue;
            };
            let shown = owned.as_object().into_iter().flat_map(Map::keys);
            let shows = shown
                .filter_map(|key| key.strip_prefix("f:"))
                .any(|key| content().contains(key));
            if !is_us {
                if shows {
                    self::entry(&mut owned, ".");
                    self::entry(&mut owned, "f:name");
                }
                paste(kind, fields, place, owned);
            }
        }
    }
    managed
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(names::MANAGER_BINDING)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.is_none()
}

fn template(kind: WorkloadKind) -> impl Iterator<Item = &'static str> {
    let steps: &[&str] = match kind {
        WorkloadKind::CronJob => &["f:spec", "f:jobTemplate", "f:spec", "f:template"],
        _ => &["f:spec", "f:template"],
    };
    steps.iter().copied()
}

const fn field(list: ContainerList) -> &'static str {
    match list {
        ContainerList::Init => "f:initContainers",
        ContainerList::Main => "f:containers",
    }
}

/// Every container that a tree of fields has, with what is below it.
fn containers(kind: WorkloadKind, fields: &Json) -> Vec<(ContainerList, String, &Json)> {
    let spec = template(kind)
        .chain(["f:spec"])
        .try_fold(fields, |fields, step| fields.get(step));
    let mut found = Vec::new();
    for list in ContainerList::ALL {
        let containers = spec.and_then(|spec| spec.get(field(list))).and_then(Json::as_object);
        for (key, below) in containers.into_iter().flatten() {
            found.extend(named(key).map(|container| (list, container, below)));
        }
    }
    found
}

/// Every variable that a tree of fields has, with what is below it.
fn variables(kind: WorkloadKind, fields: &Json) -> Vec<(Place, &Json)> {
    let mut found = Vec::new();
    for (list, container, below) in containers(kind, fields) {
        for (key, below) in below.get("f:env").and_then(Json::as_object).into_iter().flatten() {
            let Some(name) = named(key) else { continue };
            let container = container.clone();
            found.push((Place { list, container, name }, below));
        }
    }
    found
}

/// The name in `k:{"name":"web"}`.
fn named(key: &str) -> Option<String> {
    let key: Json = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
    Some(key.get("name")?.as_str()?.to_owned())
}

fn key(name: &str) -> String {
    format!("k:{}", json!({ "name": name }))
}

/// Takes a variable out of a tree of fields.
fn cut(kind: WorkloadKind, fields: &mut Json, place: &Place) -> Option<Json> {
    let container = template(kind)
        .chain(["f:spec", field(place.list)])
        .try_fold(fields, |fields, step| fields.get_mut(step))?
        .get_mut(key(&place.container))?;
    let env = container.get_mut("f:env")?.as_object_mut()?;
    let owned = env.remove(&key(&place.name));
    if env.keys().all(|key| key == ".") {
        container.as_object_mut()?.remove("f:env");
    }
    owned
}

/// Puts a variable into a tree of fields; answers its container's part.
fn paste<'a>(kind: WorkloadKind, fields: &'a mut Json, place: &Place, owned: Json) -> &'a mut Json {
    let spec = template(kind).chain(["f:spec", field(place.list)]).fold(fields, entry);
    let container = entry(spec, &key(&place.container));
    *entry(entry(container, "f:env"), &key(&place.name)) = owned;
    container
}

fn entry<'a>(fields: &'a mut Json, step: &str) -> &'a mut Json {
    if !fields.is_object() {
        *fields = json!({});
    }
    let fields = fields.as_object_mut().expect("it was just made one");
    fields.entry(step).or_insert_with(|| json!({}))
}
