//! What a ServiceBinding asks for: checked, and with the errors that a schema does not give. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use kube::{
    ResourceExt,
    core::{GroupVersionKind, Selector, SelectorExt},
};

use super::report::Problem;
use crate::api::{
    ServiceBinding,
    service_binding::{EnvMapping, ServiceBindingSpec},
};

/// The longest name of a directory.
const LONGEST: usize = 253;

/// Which workloads are meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meant {
    /// The one of this name.
    Named(String),
    /// Those with these labels.
    Selected(Selector),
}

impl Meant {
    /// Whether a workload is.
    pub(super) fn is(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Named(wanted) => wanted == name,
            Self::Selected(selector) => selector.matches(labels),
        }
    }
}

/// What a ServiceBinding wants in each of its workloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Want {
    /// The uid of the ServiceBinding; everything that is put in carries it.
    pub(super) uid: String,
    /// Its name.
    pub(super) binding: String,
    /// When it was made: of two that want one name, the older gets it.
    pub(super) created: String,
    /// The directory below the root.
    pub(super) directory: String,
    /// The Secret. While that is not known, what is there stays as it is.
    pub(super) secret: Option<String>,
    pub(super) type_: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) env: Vec<EnvMapping>,
    pub(super) containers: Vec<String>,
}

impl Want {
    /// What a valid ServiceBinding wants; the Secret is not known yet.
    pub(super) fn of(binding: &ServiceBinding) -> Self {
        let spec = &binding.spec;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self {
            directory: given(&spec.name).unwrap_or_else(|| binding.name_any()),
            type_: given(&spec.type_),
            provider: given(&spec.provider),
            env: spec.env.clone(),
            containers: spec.workload.containers.clone(),
            ..Self::unknown(binding)
        }
    }

    /// One of which only its name is known: what it has stays.
    pub(super) fn unknown(binding: &ServiceBinding) -> Self {
        Self {
            uid: binding.uid().unwrap_or_default(),
            binding: binding.name_any(),
            created: binding
                .creation_timestamp()
                .map(|time| time.0.to_string())
                .unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// The kind of the workloads.
pub(super) fn kind(spec: &ServiceBindingSpec) -> GroupVersionKind {
    of_api_version(&spec.workload.api_version, &spec.workload.kind)
}

/// A kind by its group and version as a manifest has them.
pub(super) fn of_api_version(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, kind)
}

/// Which workloads are meant, if everything the schema leaves open is in order.
pub(super) fn meant(binding: &ServiceBinding) -> Result<Meant, Problem> {
    let spec = &binding.spec;
    let invalid = |message: String| Problem::new("Invalid", message);
    let directory = Want::of(binding).directory;
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if directory.len() > LONGEST || !directory.chars().all(is_allowed) || matches!(directory.as_str(), "." | "..") {
        return Err(invalid(format!(
            "spec.name `{directory}` cannot be the name of a directory: up to {LONGEST} lower-case letters, digits, `-` and \
             `.`, and neither `.` nor `..`"
        )));
    }
    for (field, text) in [
        ("spec.service.apiVersion", &spec.service.api_version),
        ("spec.service.kind", &spec.service.kind),
        ("spec.service.name", &spec.service.name),
        ("spec.workload.apiVersion", &spec.workload.api_version),
        ("spec.workload.kind", &spec.workload.kind),
    ] {
        if text.is_empty() {
            return Err(invalid(format!("{field} is empty; it must be given")));
        }
    }
    let mut names = BTreeSet::new();
    for (index, EnvMapping { name, key }) in spec.env.iter().enumerate() {
        if name.is_empty() || key.is_empty() {
            return Err(invalid(format!("spec.env[{index}] needs both `name` and `key`")));
        }
        if !names.insert(name) {
            return Err(invalid(format!(
                "spec.env[{index}].name `{name}` is there twice; give it another name"
            )));
        }
    }
    let name = spec.workload.name.as_ref().filter(|name| !name.is_empty());
    match (name, &spec.workload.selector) {
        (Some(name), None) => Ok(Meant::Named(name.clone())),
        (None, Some(selector)) => match Selector::try_from(selector.clone()) {
            Ok(selector) => Ok(Meant::Selected(selector)),
            Err(error) => Err(invalid(format!("spec.workload.selector: {error}"))),
        },
        (Some(_), Some(_)) => Err(invalid(
            "spec.workload has both `name` and `selector`; remove one".into(),
        )),
        (None, None) => Err(invalid(
            "spec.workload has neither `name` nor `selector`; give one".into(),
        )),
    }
}
