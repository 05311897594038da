//! What is to become of one workload: the union of its ServiceBindings. No I/O.
//!
//! What is put in has the shape and the names that the reference implementation gives it, so that a cluster can go from
//! one to the other without a rollout. What is ours is known by that and by the [`Record`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::{
    record::{Put, Record},
    want::Want,
};
use crate::{
    api::service_binding::EnvMapping,
    operator::workload::mapping::{Container, Shape, named},
};

/// The variable that says where the directories are.
pub(super) const ROOT: &str = "SERVICE_BINDING_ROOT";
/// Where they are if nothing says so.
const DEFAULT_ROOT: &str = "/bindings";
const ANNOTATIONS: &str = "projector.servicebinding.io/";

/// What a workload gives one ServiceBinding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Whether anything of it is in the workload.
    pub(super) is_there: bool,
    /// What it does not get, and why.
    pub(super) refused: Vec<String>,
}

/// What is to become of a workload.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its parts as they shall be.
    pub(super) changed: Shape,
    /// What each ServiceBinding gets, by its uid.
    pub(super) shares: BTreeMap<String, Share>,
}

fn volume_name(uid: &str) -> String {
    format!("servicebinding-{uid}")
}

fn annotation(what: &str, uid: &str) -> String {
    format!("{ANNOTATIONS}{what}-{uid}")
}

/// Plans. `wants` are all ServiceBindings that mean the workload; of any other that the record names, all is taken out.
pub(super) fn plan(shape: &Shape, record: &Record, wants: &[Want]) -> Plan {
    let mut wants: Vec<_> = wants.iter().collect();
    wants.sort_by_key(|want| (&want.created, &want.binding));
    let mut planner = Planner {
        changed: shape.clone(),
        before: record,
        after: Record {
            mapping: record.mapping.clone(),
            root: record.root.clone(),
            bindings: BTreeMap::new(),
        },
        shares: BTreeMap::new(),
    };
    let uids: BTreeSet<_> = wants.iter().map(|want| want.uid.as_str()).collect();
    for uid in record.bindings.keys().filter(|uid| !uids.contains(uid.as_str())) {
        planner.take_out(uid);
    }
    // First everything goes that is not wanted any more, so that nobody is refused for it.
    for want in wants.iter().filter(|want| want.secret.is_some()) {
        planner.prune(want);
    }
    for want in &wants {
        let share = match &want.secret {
            Some(secret) => planner.put_in(want, secret),
            None => planner.keep(&want.uid),
        };
        planner.shares.insert(want.uid.clone(), share);
    }
    planner.settle_roots();
    planner.after.write(&mut planner.changed.object_annotations);
    Plan {
        changed: planner.changed,
        shares: planner.shares,
    }
}

struct Planner<'a> {
    changed: Shape,
    before: &'a Record,
    after: Record,
    shares: BTreeMap<String, Share>,
}

impl Planner<'_> {
    /// What a ServiceBinding has stays as it is.
    fn keep(&mut self, uid: &str) -> Share {
        let known = self.before.bindings.get(uid);
        if let Some(known) = known {
            self.after.bindings.insert(uid.to_owned(), known.clone());
        }
        Share {
            is_there: known.is_some(),
            refused: Vec::new(),
        }
    }

    fn take_out(&mut self, uid: &str) {
        let volume = volume_name(uid);
        self.changed.volumes.retain(|there| there["name"] != volume);
        for what in ["secret", "type", "provider"] {
            self.changed.annotations.remove(&annotation(what, uid));
        }
        for container in &mut self.changed.containers {
            container.volume_mounts.retain(|there| there["name"] != volume);
            let ours = self.before.variables(uid, &container.label());
            container.env.retain(|there| !is_one_of(there, ours));
        }
    }

    /// Takes out what a ServiceBinding has and does not want any more.
    fn prune(&mut self, want: &Want) {
        let volume = volume_name(&want.uid);
        for container in &mut self.changed.containers {
            let ours = self.before.variables(&want.uid, &container.label());
            let is_meant = is_meant(want, container);
            let is_wanted = |there: &Json| is_meant && want.env.iter().any(|env| there["name"] == env.name.as_str());
            container
                .env
                .retain(|there| is_wanted(there) || !is_one_of(there, ours));
            let path = path(want, container).ok().filter(|_| is_meant);
            let stays = |there: &Json| there["name"] != volume || there["mountPath"].as_str() == path.as_deref();
            container.volume_mounts.retain(stays);
        }
    }

    fn put_in(&mut self, want: &Want, secret: &str) -> Share {
        let (uid, volume) = (&want.uid, volume_name(&want.uid));
        let mut refused = Vec::new();
        let mut variables = BTreeMap::new();
        let mut is_mounted = false;
        // Another implementation put it in, and it is taken over as it stands.
        let is_taken_over = !self.before.bindings.contains_key(uid)
            && self.changed.annotations.contains_key(&annotation("secret", uid));
        for container in &mut self.changed.containers {
            if !is_meant(want, container) {
                continue;
            }
            let label = container.label();
            let ours = self.before.variables(uid, &label);
            let mounted = path(want, container).and_then(|path| mount(container, &volume, &path));
            match mounted {
                Ok(()) => {
                    is_mounted = true;
                    if named(&container.env, ROOT).is_none() {
                        container.env.push(json!({"name": ROOT, "value": DEFAULT_ROOT}));
                        self.after.root.insert(label.clone());
                    }
                }
                Err(problem) => refused.push(problem),
            }
            let mut set = BTreeSet::new();
            for EnvMapping { name, key } in &want.env {
                let wanted = variable(want, secret, name, key);
                let there = named(&container.env, name);
                let says_so = there.is_some_and(|there| is_within(&wanted, there));
                let is_ours = there.is_none_or(|there| is_one_of(there, ours) || is_taken_over && says_so);
                let is_anothers = self.after.bindings.values().any(|other| other.has(&label, name));
                if !is_ours || is_anothers {
                    if !says_so {
                        refused.push(format!(
                            "the variable {name} of container {label} is set by somebody else; remove it there, or give \
                             it another name in spec.env"
                        ));
                    }
                    continue;
                }
                put(&mut container.env, wanted);
                set.insert(name.clone());
            }
            if !set.is_empty() {
                variables.insert(label, set);
            }
        }
        let is_there = is_mounted || !variables.is_empty();
        if is_mounted {
            put(&mut self.changed.volumes, projected(want, secret, &volume));
        } else {
            self.changed.volumes.retain(|there| there["name"] != volume);
        }
        for (what, value) in [
            ("secret", Some(secret)),
            ("type", want.type_.as_deref()),
            ("provider", want.provider.as_deref()),
        ] {
            let name = annotation(what, uid);
            match value.filter(|_| is_there) {
                Some(value) => self.changed.annotations.insert(name, json!(value)),
                None => self.changed.annotations.remove(&name),
            };
        }
        if is_there {
            self.after.bindings.insert(uid.clone(), Put::new(variables, secret));
        }
        Share { is_there, refused }
    }

    /// Where we said where the directories are and none is left, we say it no more.
    fn settle_roots(&mut self) {
        let mut kept = BTreeSet::new();
        for container in &mut self.changed.containers {
            let label = container.label();
            if !self.after.root.contains(&label) {
                continue;
            }
            let volumes: BTreeSet<_> = self.after.bindings.keys().map(|uid| volume_name(uid)).collect();
            let is_used = |mount: &Json| mount["name"].as_str().is_some_and(|name| volumes.contains(name));
            let is_ours = |there: &Json| *there == json!({"name": ROOT, "value": DEFAULT_ROOT});
            if container.volume_mounts.iter().any(is_used) {
                kept.insert(label);
            } else {
                container.env.retain(|there| !is_ours(there));
            }
        }
        self.after.root = kept;
    }
}

fn is_meant(want: &Want, container: &Container) -> bool {
    let name = container.name.as_ref();
    want.containers.is_empty() || name.is_none_or(|name| want.containers.contains(name))
}

/// Where the directory of a ServiceBinding is in a container. What somebody said of the root is not changed.
fn path(want: &Want, container: &Container) -> Result<String, String> {
    let said = named(&container.env, ROOT).map(|there| there["value"].as_str().unwrap_or_default());
    let root = said.unwrap_or(DEFAULT_ROOT);
    if !root.starts_with('/') || root.contains("$(") {
        return Err(format!(
            "{ROOT} of container {} is no absolute path that is written there; give it one as `value`, or remove it",
            container.label()
        ));
    }
    Ok(format!("{}/{}", root.trim_end_matches('/'), want.directory))
}

fn mount(container: &mut Container, volume: &str, path: &str) -> Result<(), String> {
    let other = container.volume_mounts.iter().find(|there| {
        there["name"] != volume && there["mountPath"].as_str().map(|path| path.trim_end_matches('/')) == Some(path)
    });
    if let Some(other) = other {
        return Err(format!(
            "{path} in container {} is where volume {} is mounted; give the directory another name in spec.name",
            container.label(),
            other["name"].as_str().unwrap_or_default()
        ));
    }
    put(
        &mut container.volume_mounts,
        json!({"name": volume, "mountPath": path, "readOnly": true}),
    );
    Ok(())
}

fn projected(want: &Want, secret: &str, volume: &str) -> Json {
    let mut sources = vec![json!({"secret": {"name": secret}})];
    for (what, value) in [("type", &want.type_), ("provider", &want.provider)] {
        if value.is_some() {
            sources
                .push(json!({"downwardAPI": {"items": [{"path": what, "fieldRef": of_annotation(what, &want.uid)}]}}));
        }
    }
    json!({"name": volume, "projected": {"defaultMode": 0o644, "sources": sources}})
}

fn of_annotation(what: &str, uid: &str) -> Json {
    json!({"apiVersion": "v1", "fieldPath": format!("metadata.annotations['{}']", annotation(what, uid))})
}

fn variable(want: &Want, secret: &str, name: &str, key: &str) -> Json {
    let is_said = match key {
        "type" => want.type_.is_some(),
        "provider" => want.provider.is_some(),
        _ => false,
    };
    let from = if is_said {
        json!({"fieldRef": of_annotation(key, &want.uid)})
    } else {
        json!({"secretKeyRef": {"name": secret, "key": key}})
    };
    json!({"name": name, "valueFrom": from})
}

/// Puts an entry where one of its name is, else at the end. One that says the same, and more that the API server added,
/// stays as it is.
fn put(list: &mut Vec<Json>, wanted: Json) {
    match list.iter_mut().find(|there| there["name"] == wanted["name"]) {
        Some(there) if is_within(&wanted, there) => {}
        Some(there) => *there = wanted,
        None => list.push(wanted),
    }
}

/// Whether everything that `inner` says `outer` says as well.
fn is_within(inner: &Json, outer: &Json) -> bool {
    match (inner, outer) {
        (Json::Object(inner), Json::Object(outer)) => inner
            .iter()
            .all(|(name, value)| outer.get(name).is_some_and(|other| is_within(value, other))),
        (Json::Array(inner), Json::Array(outer)) => {
            inner.len() == outer.len() && inner.iter().zip(outer).all(|(value, other)| is_within(value, other))
        }
        _ => inner == outer,
    }
}

/// Whether a variable is one of those that were put in and refers to what it was made to refer to: where somebody put
/// something else in its place, it is theirs.
fn is_one_of(there: &Json, ours: Option<(&BTreeSet<String>, &str)>) -> bool {
    let Some((names, secret)) = ours else { return false };
    let from = &there["valueFrom"];
    let is_ours = |path: &str| path.starts_with(&format!("metadata.annotations['{ANNOTATIONS}"));
    there["name"].as_str().is_some_and(|name| names.contains(name))
        && (from["secretKeyRef"]["name"] == secret || from["fieldRef"]["fieldPath"].as_str().is_some_and(is_ours))
}
