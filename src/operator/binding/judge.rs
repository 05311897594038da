//! What is to become of one workload's environment: the union of its bindings, judged name by name. No I/O.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, PodTemplateSpec, SecretKeySelector};
use kube::ResourceExt;
use serde_json::{Value as Json, json};

use super::{
    owners::{Owners, Place, owns_revision},
    wanted::{Env, Wanted},
};
use crate::{
    api::names,
    operator::workload::{ContainerList, Workload, WorkloadKind, holds},
};

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The Secret.
    pub(super) secret: String,
    /// The key.
    pub(super) key: String,
}

/// Everything that is to be Mooring's in a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Desired {
    /// The variables.
    pub(super) env: BTreeMap<Place, Source>,
    /// The annotation that rolls the pods.
    pub(super) revision: Option<String>,
}

/// Why a variable is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    /// Which.
    pub(super) place: Place,
    /// Whose it is.
    pub(super) owner: Holder,
}

/// Whose a name is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    /// A field manager's.
    Manager(String),
    /// The component's own `properties.env`.
    Component,
    /// Another CloudResource's.
    Resource(String),
    /// Nobody's who is on record.
    Unknown,
}

/// What a workload gives one CloudResource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// The containers that have it.
    pub(super) containers: BTreeSet<String>,
    /// The variables it does not get.
    pub(super) taken: Vec<Taken>,
    /// The containers that there are not.
    pub(super) missing: Vec<String>,
    /// The containers that there are, if one is missing.
    pub(super) present: Vec<String>,
}

/// What is to become of a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// All that is to be ours.
    pub(super) desired: Desired,
    /// What must change hands first, from our Application controller to us.
    pub(super) hand_over: BTreeSet<Place>,
    /// What must change hands first, from us to who wrote something else in its place.
    pub(super) give_up: BTreeSet<Place>,
    /// Whether anything is to be written.
    pub(super) is_due: bool,
    /// What each CloudResource gets, by its name.
    pub(super) shares: BTreeMap<String, Share>,
}

/// Judges. `wanted` are all CloudResources that mean this workload or were in it.
pub(super) fn judge(workload: &Workload, wanted: &[Wanted]) -> Plan {
    let template = workload.template();
    let managed = workload.object.managed_fields();
    let case = Case {
        owners: Owners::of(workload.kind, managed),
        template: &template,
    };
    let mut plan = Plan::default();
    let mut in_order: Vec<_> = wanted.iter().filter(|wanted| !wanted.is_going).collect();
    // Of two that want one name, who has it keeps it; else the older gets it.
    in_order.sort_by_key(|wanted| {
        (
            Reverse(holds(&template, &wanted.secret)),
            &wanted.created,
            &wanted.resource,
        )
    });
    for wanted in in_order {
        let share = case.share(wanted, &mut plan.desired.env);
        plan.shares.insert(wanted.resource.clone(), share);
    }
    case.keep_what_is_unknown(wanted, &mut plan.desired.env);
    let before = template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref());
    let before = before.and_then(|annotations| annotations.get(names::BINDING_REVISION));
    plan.desired.revision = revision(wanted, &plan, before.map(String::as_str));
    plan.give_up = case.to_give_up(&plan.desired.env);
    plan.hand_over = case.to_hand_over(wanted, &plan.desired.env);
    let is_rolled_by_us = owns_revision(workload.kind, managed);
    let is_revised = match &plan.desired.revision {
        Some(revision) => before == Some(revision),
        None => !is_rolled_by_us,
    };
    plan.is_due = !is_revised || !case.is_as_desired(&plan.desired.env);
    plan
}

struct Case<'a> {
    owners: Owners,
    template: &'a PodTemplateSpec,
}

impl Case<'_> {
    /// What `wanted` gets; it is added to `env`.
    fn share(&self, wanted: &Wanted, env: &mut BTreeMap<Place, Source>) -> Share {
        let mut share = Share::default();
        for name in wanted.containers() {
            let Some((list, container)) = self.container(name) else {
                share.missing.push(name.to_owned());
                continue;
            };
            for (place, source) in self.asked(wanted, list, container) {
                let there = variable(container, &place.name);
                if !wanted.bound && there != Some(&rendered(&place.name, &source)) {
                    // Until its Secret is there only what a workload was born with is kept.
                    continue;
                }
                let holder = match env.get(&place) {
                    Some(other) if *other != source => Some(Holder::Resource(other.secret.clone())),
                    _ => there.and_then(|there| self.holder(&place, there, &source)),
                };
                match holder {
                    Some(owner) => share.taken.push(Taken { place, owner }),
                    None => {
                        share.containers.insert(name.to_owned());
                        env.insert(place, source);
                    }
                }
            }
        }
        if !share.missing.is_empty() {
            let names = |list: ContainerList| list.of(self.template).iter().map(|container| container.name.clone());
            share.present = names(ContainerList::Main).chain(names(ContainerList::Init)).collect();
        }
        share
    }

    /// The variables that are asked for in a container; of one that cannot tell, those it has.
    fn asked(&self, wanted: &Wanted, list: ContainerList, container: &Container) -> Vec<(Place, Source)> {
        let place = |name: &str| Place {
            list,
            container: container.name.clone(),
            name: name.to_owned(),
        };
        let source = |key: &str| Source {
            secret: wanted.secret.clone(),
            key: key.to_owned(),
        };
        match &wanted.env {
            Env::SecretOnly => Vec::new(),
            Env::Names(names) => names.iter().map(|(name, key)| (place(name), source(key))).collect(),
            Env::Unknown => variables(container)
                .filter_map(|variable| Some((place(&variable.name), of_secret(variable)?)))
                .filter(|(place, source)| source.secret == wanted.secret && self.owners.is_ours(place))
                .collect(),
        }
    }

    /// Who keeps us from setting a variable that is there.
    fn holder(&self, place: &Place, there: &EnvVar, source: &Source) -> Option<Holder> {
        if *there == rendered(&place.name, source) {
            return None;
        }
        let owners = self.owners.at(place);
        let other = owners.iter().find(|owner| !owner.is_us);
        if self.owners.is_ours(place) {
            // Somebody changed what is ours. Another Secret's key can be put right; next to a value or another source
            // ours would be refused, so there it is theirs now.
            let is_ours_to_mend = of_secret(there).is_some() || is_bare(there);
            let changed = owners
                .iter()
                .find(|owner| !owner.is_us && !owner.fields.is_empty())
                .or(other);
            return (!is_ours_to_mend).then(|| changed.map_or(Holder::Unknown, holder));
        }
        Some(other.map_or(Holder::Unknown, holder))
    }

    /// While a CloudResource cannot be decoded, what is ours and nobody else's in particular may be its.
    fn keep_what_is_unknown(&self, wanted: &[Wanted], env: &mut BTreeMap<Place, Source>) {
        let is_unclear = wanted
            .iter()
            .any(|wanted| !wanted.is_going && !wanted.bound && wanted.env == Env::Unknown);
        if !is_unclear {
            return;
        }
        for place in self.owners.ours() {
            let there = self.there(place).and_then(of_secret);
            if let Some(source) = there.filter(|source| wanted.iter().all(|wanted| wanted.secret != source.secret)) {
                env.entry(place.clone()).or_insert(source);
            }
        }
    }

    /// What our Application controller wrote when it made the workload, and we do not have yet or shall take out.
    fn to_hand_over(&self, wanted: &[Wanted], env: &BTreeMap<Place, Source>) -> BTreeSet<Place> {
        let rendered = self.owners.places().filter(|place| self.owners.is_rendered(place));
        let is_due = |place: &&Place| match env.get(*place) {
            Some(_) => !self.owners.is_ours(place),
            None => {
                let secret = self.there(place).and_then(of_secret).map(|source| source.secret);
                let is_going = |wanted: &Wanted| wanted.is_going && Some(&wanted.secret) == secret.as_ref();
                // What somebody else says as well stays theirs; had we it alone, it would be changed or taken away.
                self.owners.is_ours(place) || wanted.iter().any(is_going) && !self.owners.is_changed(place)
            }
        };
        rendered.filter(is_due).cloned().collect()
    }

    /// What is ours by name, and shows what somebody else put there: it is not to be taken away.
    fn to_give_up(&self, env: &BTreeMap<Place, Source>) -> BTreeSet<Place> {
        let ours = self.owners.ours().filter(|place| !env.contains_key(place));
        ours.filter(|place| self.owners.is_changed(place)).cloned().collect()
    }

    fn is_as_desired(&self, env: &BTreeMap<Place, Source>) -> bool {
        let stands = |(place, source): (&Place, &Source)| {
            self.owners.is_ours(place) && self.there(place) == Some(&rendered(&place.name, source))
        };
        let containers: BTreeSet<_> = env.keys().map(|place| (place.list, place.container.clone())).collect();
        containers == *self.owners.our_containers()
            && env.iter().all(stands)
            && self.owners.ours().all(|place| env.contains_key(place))
    }

    fn container(&self, name: &str) -> Option<(ContainerList, &Container)> {
        [ContainerList::Main, ContainerList::Init].into_iter().find_map(|list| {
            let container = list.of(self.template).iter().find(|container| container.name == name)?;
            Some((list, container))
        })
    }

    fn there(&self, place: &Place) -> Option<&EnvVar> {
        let mut containers = place.list.of(self.template).iter();
        let container = containers.find(|container| container.name == place.container)?;
        variable(container, &place.name)
    }
}

fn holder(owner: &super::owners::Owner) -> Holder {
    if owner.manager == names::MANAGER_APPLICATION {
        Holder::Component
    } else {
        Holder::Manager(owner.manager.clone())
    }
}

fn variables(container: &Container) -> impl Iterator<Item = &EnvVar> {
    container.env.iter().flatten()
}

fn variable<'a>(container: &'a Container, name: &str) -> Option<&'a EnvVar> {
    variables(container).find(|variable| variable.name == name)
}

fn of_secret(variable: &EnvVar) -> Option<Source> {
    let reference = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
    Some(Source {
        secret: reference.name.clone(),
        key: reference.key.clone(),
    })
}

fn is_bare(variable: &EnvVar) -> bool {
    variable.value_from.is_none() && variable.value.as_deref().unwrap_or_default().is_empty()
}

/// The variable as we write it.
fn rendered(name: &str, source: &Source) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                key: source.key.clone(),
                name: source.secret.clone(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

/// The annotation that rolls the pods: only changes after the first binding count, so that the first one, and a
/// workload that was born with its variables, is not rolled for it.
fn revision(wanted: &[Wanted], plan: &Plan, before: Option<&str>) -> Option<String> {
    let counted = |wanted: &&Wanted| {
        let share = plan.shares.get(&wanted.resource);
        wanted.bound && wanted.revision > 1 && share.is_some_and(|share| !share.containers.is_empty())
    };
    let mut parts: BTreeMap<&str, String> = wanted
        .iter()
        .filter(counted)
        .map(|wanted| (wanted.resource.as_str(), wanted.revision.to_string()))
        .collect();
    // Of one that cannot be decoded the revision is not known, and must not change for that.
    for part in before.unwrap_or_default().split(',') {
        let Some((name, revision)) = part.split_once('=') else {
            continue;
        };
        let is_unknown = |wanted: &Wanted| {
            wanted.resource == name && !wanted.is_going && !wanted.bound && wanted.env == Env::Unknown
        };
        if wanted.iter().any(is_unknown) {
            parts.entry(name).or_insert_with(|| revision.to_owned());
        }
    }
    let parts: Vec<_> = parts
        .into_iter()
        .map(|(name, revision)| format!("{name}={revision}"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// The smallest object that says all that is ours: applied by server-side apply, what it no longer says is given up.
/// The uid keeps it from making a workload, the resourceVersion from overwriting what was not judged.
pub(super) fn body(workload: &Workload, desired: &Desired) -> Json {
    let meta = &workload.object.metadata;
    let resource = workload.kind.resource();
    let mut template = json!({});
    if let Some(revision) = &desired.revision {
        template["metadata"] = json!({ "annotations": { names::BINDING_REVISION: revision } });
    }
    let live = workload.template();
    for list in ContainerList::ALL {
        // In the order that they stand in: an apply in another order would reorder them, and that is a rollout.
        let containers: Vec<_> = list
            .of(&live)
            .iter()
            .filter_map(|container| {
                let env = in_order(container, list, &desired.env);
                (!env.is_empty()).then(|| json!({ "name": container.name, "env": env }))
            })
            .collect();
        if !containers.is_empty() {
            template["spec"][list.field()] = json!(containers);
        }
    }
    let mut body = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        },
    });
    if template.as_object().is_some_and(|template| !template.is_empty()) {
        let mut spec = json!({ "template": template });
        if workload.kind == WorkloadKind::CronJob {
            spec = json!({ "jobTemplate": { "spec": spec } });
        }
        body["spec"] = spec;
    }
    body
}

/// The variables of a container that are to be ours: those that are there in their order, then the new ones.
fn in_order(container: &Container, list: ContainerList, env: &BTreeMap<Place, Source>) -> Vec<EnvVar> {
    let mut asked: BTreeMap<&str, &Source> = env
        .iter()
        .filter(|(place, _)| place.list == list && place.container == container.name)
        .map(|(place, source)| (place.name.as_str(), source))
        .collect();
    let mut ordered: Vec<_> = variables(container)
        .filter_map(|variable| {
            let (name, source) = asked.remove_entry(variable.name.as_str())?;
            Some(rendered(name, source))
        })
        .collect();
    ordered.extend(asked.into_iter().map(|(name, source)| rendered(name, source)));
    ordered
}
