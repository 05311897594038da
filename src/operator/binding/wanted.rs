//! What a CloudResource wants of its workloads. No I/O.

use std::collections::BTreeMap;

use kube::{ResourceExt, core::DeserializeGuard};

use crate::{
    api::{CloudResource, CloudResourceSpec, Declares, WorkloadReference, names},
    engine::declare::{Consumption, Declaration, Target, bind_target},
};

/// What one CloudResource wants of its workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, by which people know it.
    pub resource: String,
    /// Its namespace, which is the workloads' too.
    pub namespace: String,
    /// The Application it is for, as the workload's label has it.
    pub application: String,
    /// The component it is for, as the workload's label has it.
    pub component: String,
    /// The workload, if it is named.
    pub workload: Option<WorkloadReference>,
    /// The containers by name; empty for the one named like the component.
    pub containers: Vec<String>,
    /// The Secret's name.
    pub secret: String,
    /// Whether the Secret is there.
    pub bound: bool,
    /// Counts the changes of the Secret's data.
    pub revision: i64,
    /// When it was made: of two that want one name, the older has it.
    pub created: String,
    /// Whether it is to be taken out of its workloads.
    pub is_going: bool,
    /// The workloads that had it when that was last written down.
    pub consumers: Vec<WorkloadReference>,
    /// The environment variables.
    pub env: Env,
}

/// The environment variables that a CloudResource asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Env {
    /// None: the Secret alone.
    SecretOnly,
    /// These, with the key of the Secret that each shows.
    Names(BTreeMap<String, String>),
    /// It cannot be told now: what is there stays.
    Unknown,
}

/// The environment variables of a declaration: their name, and the key of the Secret that each shows. `target` is what
/// a `bind` is to. `None` when it cannot be told.
///
/// The Application controller renders the same, so both must ask here.
pub fn env_of(spec: &CloudResourceSpec, target: Option<&CloudResourceSpec>) -> Option<BTreeMap<String, String>> {
    let (consumption, declares) = consumption(spec)?;
    let provided = if declares == Declares::Bind { target } else { Some(spec) };
    if !consumption.inject {
        return Some(BTreeMap::new());
    }
    let kind = provided?.declares()?.0.kind()?;
    let mut names = consumption.env_names(kind);
    if provided
        .and_then(|spec| spec.log.as_ref())
        .is_some_and(|log| log.push != Some(true))
    {
        // Credentials are only there for who pushes, and a pod does not start without a key that it refers to.
        names.retain(|_, key| !matches!(key.as_str(), "username" | "password"));
    }
    Some(names)
}

fn consumption(spec: &CloudResourceSpec) -> Option<(Consumption, Declares)> {
    let (declares, properties) = spec.declares()?;
    let consumption = Consumption::of(declares, declares.kind(), &spec.name, &properties);
    Some((consumption, declares))
}

impl Wanted {
    /// What this one wants. `target` is what a `bind` is to.
    pub fn of(resource: &CloudResource, target: Option<&CloudResourceSpec>) -> Self {
        let (spec, status) = (&resource.spec, resource.status.clone().unwrap_or_default());
        let name = resource.name_any();
        let is_going = resource.metadata.deletion_timestamp.is_some();
        let env = match env_of(spec, target) {
            Some(names) if names.is_empty() => Env::SecretOnly,
            Some(names) => Env::Names(names),
            None => Env::Unknown,
        };
        let consumption = consumption(spec)
            .map(|(consumption, _)| consumption)
            .unwrap_or_default();
        Self {
            namespace: resource.namespace().unwrap_or_default(),
            application: spec.application.clone(),
            component: spec.component.clone(),
            workload: spec.workload.clone(),
            containers: consumption.containers,
            bound: status.binding.is_some(),
            secret: status
                .binding
                .map(|binding| binding.name)
                .or(consumption.secret_name)
                .unwrap_or_else(|| name.clone()),
            revision: status.binding_revision.unwrap_or(1),
            created: resource
                .creation_timestamp()
                .map(|time| time.0.to_string())
                .unwrap_or_default(),
            is_going,
            consumers: status.consumers,
            env,
            resource: name,
        }
    }

    /// What is known of one that cannot be decoded: its labels. What it has in workloads stays until it goes.
    pub fn of_guard(guard: &DeserializeGuard<CloudResource>, target: Option<&CloudResourceSpec>) -> Self {
        let invalid = match &guard.0 {
            Ok(resource) => return Self::of(resource, target),
            Err(invalid) => invalid,
        };
        let label = |name| invalid.metadata.labels.as_ref().and_then(|labels| labels.get(name));
        let name = invalid.metadata.name.clone().unwrap_or_default();
        Self {
            namespace: invalid.metadata.namespace.clone().unwrap_or_default(),
            application: label(names::APPLICATION).cloned().unwrap_or_default(),
            component: label(names::COMPONENT).cloned().unwrap_or_default(),
            workload: None,
            containers: Vec::new(),
            secret: name.clone(),
            bound: false,
            revision: 1,
            created: String::new(),
            is_going: invalid.metadata.deletion_timestamp.is_some(),
            consumers: Vec::new(),
            env: Env::Unknown,
            resource: name,
        }
    }

    /// The containers it is for.
    pub fn containers(&self) -> Vec<&str> {
        if self.containers.is_empty() {
            vec![&self.component]
        } else {
            self.containers.iter().map(String::as_str).collect()
        }
    }
}

/// What a `bind` is to, among `resources`: as [`bind_target`] has it.
pub(super) fn target<'a>(
    namespace: &str,
    spec: &CloudResourceSpec,
    resources: impl Iterator<Item = &'a CloudResource> + Clone,
) -> Option<&'a CloudResource> {
    let bind = Declaration::from_spec(namespace, spec)?;
    let is_sibling = |other: &&CloudResource| {
        other.metadata.namespace.as_deref() == Some(namespace) && other.spec.application == spec.application
    };
    let siblings: Vec<_> = resources
        .clone()
        .filter(is_sibling)
        .filter_map(|other| Declaration::from_spec(namespace, &other.spec))
        .collect();
    let is_it = |other: &&CloudResource| match bind_target(&bind, &siblings) {
        Some(Target::Own(key)) => is_sibling(other) && other.spec.key(namespace) == key,
        Some(Target::Foreign { namespace, name }) => {
            other.metadata.namespace == Some(namespace) && other.metadata.name == Some(name)
        }
        Some(Target::Pods) | None => false,
    };
    resources.into_iter().find(is_it)
}
