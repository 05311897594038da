//! What a CloudResource wants of its workloads. No I/O.

use std::collections::BTreeMap;

use kube::{ResourceExt, core::DeserializeGuard};
use mooring_provider::Kind;

use crate::{
    api::{CloudResource, CloudResourceSpec, Declares, WorkloadReference, names, properties::Consume},
    engine::binding::env_names,
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

/// The environment variables of a declaration: their name, and the key of the Secret that each shows. `target` is the
/// kind of what a `bind` is to. `None` when the workload gets none.
///
/// The Application controller renders the same, so both must ask here.
pub fn env_of(spec: &CloudResourceSpec, target: Option<Kind>) -> Option<BTreeMap<String, String>> {
    let (consume, kind, by_default) = consumed(spec, target)?;
    let asks = by_default || consume.prefix.is_some() || !consume.env.is_empty();
    if !consume.inject.unwrap_or(asks) {
        return None;
    }
    let prefix = consume
        .prefix
        .clone()
        .or_else(|| by_default.then(|| shouted(&spec.name)));
    let mut names = env_names(kind, prefix.as_deref(), &consume.env);
    if kind == Kind::Log && spec.log.as_ref().is_some_and(|log| log.push != Some(true)) {
        // Credentials are only there for who pushes, and a pod does not start without a key that it refers to.
        names.retain(|_, key| !key.starts_with("access-key-"));
    }
    (!names.is_empty()).then_some(names)
}

/// The trait's name in capitals, as a variable's name may be.
fn shouted(name: &str) -> String {
    let upper = name.replace('-', "_").to_ascii_uppercase();
    if upper.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{upper}")
    } else {
        upper
    }
}

/// How it is used, what kind it is, and whether that kind is put into the environment without being asked.
fn consumed(spec: &CloudResourceSpec, target: Option<Kind>) -> Option<(&Consume, Kind, bool)> {
    if let Some(rds) = &spec.rds {
        Some((&rds.consume, Kind::Rds, true))
    } else if let Some(log) = &spec.log {
        Some((&log.consume, Kind::Log, log.push == Some(true)))
    } else if let Some(slb) = &spec.slb {
        Some((&slb.consume, Kind::Slb, false))
    } else if let Some(vpc) = &spec.vpc {
        Some((&vpc.consume, Kind::Vpc, false))
    } else if let Some(bind) = &spec.bind {
        Some((&bind.consume, target?, true))
    } else {
        None
    }
}

fn consume(spec: &CloudResourceSpec) -> Option<&Consume> {
    consumed(spec, Some(Kind::Rds)).map(|(consume, ..)| consume)
}

impl Wanted {
    /// What this one wants. `target` looks up what a `bind` is to.
    pub fn of(resource: &CloudResource, target: impl FnOnce(&str) -> Option<Kind>) -> Self {
        let (spec, status) = (&resource.spec, resource.status.clone().unwrap_or_default());
        let name = resource.name_any();
        let is_going = resource.metadata.deletion_timestamp.is_some();
        let target = spec.bind.as_ref().and_then(|bind| target(&bind.to));
        let env = match env_of(spec, target) {
            Some(names) => Env::Names(names),
            None if spec.bind.is_some() && target.is_none() && !is_off(spec) => Env::Unknown,
            None => Env::SecretOnly,
        };
        let consume = consume(spec);
        Self {
            namespace: resource.namespace().unwrap_or_default(),
            application: spec.application.clone(),
            component: spec.component.clone(),
            workload: spec.workload.clone(),
            containers: consume.map(|consume| consume.containers.clone()).unwrap_or_default(),
            bound: status.binding.is_some(),
            secret: status
                .binding
                .map(|binding| binding.name)
                .or_else(|| consume.and_then(|consume| consume.secret_name.clone()))
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
    pub fn of_guard(guard: &DeserializeGuard<CloudResource>, target: impl FnOnce(&str) -> Option<Kind>) -> Self {
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

fn is_off(spec: &CloudResourceSpec) -> bool {
    consume(spec).is_some_and(|consume| consume.inject == Some(false))
}

/// The kind of what a `bind` is to, among `resources`: `component/name` of the same application, else
/// `namespace/resource`.
pub fn target<'a>(
    spec: &CloudResourceSpec,
    namespace: &str,
    to: &str,
    resources: impl Iterator<Item = &'a CloudResource> + Clone,
) -> Option<&'a CloudResource> {
    let (first, second) = to.split_once('/')?;
    let sibling = resources.clone().find(|other| {
        other.metadata.namespace.as_deref() == Some(namespace)
            && other.spec.application == spec.application
            && other.spec.component == first
            && other.spec.name == second
    });
    sibling.or_else(|| {
        resources.into_iter().find(|other| {
            other.metadata.namespace.as_deref() == Some(first) && other.metadata.name.as_deref() == Some(second)
        })
    })
}

/// The kind of a resource that is not a bind.
pub fn kind_of(spec: &CloudResourceSpec) -> Option<Kind> {
    spec.declares().and_then(|(declares, _)| Declares::kind(declares))
}
