//! From an Application to what it declares. No I/O.
//!
//! Every trait is judged by itself, so a problem in one hides none in another, and every problem names the component,
//! the trait, the field, the value and the fix. What is declared badly is not provisioned, and what it provisioned
//! before is left running: see [`Declared::keeps`].

mod consumption;
mod order;
mod references;
pub(crate) mod schema;
pub(crate) mod sense;

use std::collections::{BTreeMap, BTreeSet};

use mooring_provider::Key;
use serde_json::{Map, Value as Json, json};

use super::problem::{Problem, closest, did_you_mean, reason};
use crate::api::{
    ApplicationSpec, CloudResourceSpec, Declares, WorkloadReference,
    application::{Component, Trait},
};

pub use consumption::Consumption;
pub use order::{Target, after, alarm_target, bind_target, sort};
pub use schema::check_document;

/// The types of components that are rendered without KubeVela.
pub const COMPONENTS: [&str; 2] = ["webservice", "worker"];

/// What one trait declares, or one CloudResource made by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Where it is declared.
    pub key: Key,
    /// What it declares.
    pub declares: Declares,
    /// The properties, as written, without `name`.
    pub properties: Map<String, Json>,
    /// The Environment, if it names one.
    pub environment: Option<String>,
    /// The workload, if it names one.
    pub workload: Option<WorkloadReference>,
}

impl Declaration {
    /// What a CloudResource declares. `None` if no member of its union is set.
    pub fn from_spec(namespace: &str, spec: &CloudResourceSpec) -> Option<Self> {
        let (declares, properties) = spec.declares()?;
        Some(Self {
            key: spec.key(namespace),
            declares,
            properties,
            environment: spec.environment.clone(),
            workload: spec.workload.clone(),
        })
    }

    /// The spec of its CloudResource, which is named [`Key::object_name`].
    pub fn to_spec(&self) -> Result<CloudResourceSpec, Problem> {
        let mut spec = json!({
            "application": self.key.application, "component": self.key.component, "name": self.key.name,
            "environment": self.environment, "workload": self.workload,
        });
        spec[self.declares.as_str()] = Json::Object(self.properties.clone());
        serde_json::from_value(spec).map_err(|error| {
            Problem::new(reason::INVALID_SPEC, error.to_string()).within(&self.key.component, &self.key.name)
        })
    }

    /// Everything that is wrong with it by itself. A declaration made by [`declare`] has been judged already.
    pub fn check(&self) -> Vec<Problem> {
        sense::check(self.declares, &self.properties)
            .into_iter()
            .map(|problem| problem.within(&self.key.component, &self.key.name))
            .collect()
    }
}

/// Something in an Application that is not ours to handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhandled {
    /// The component it is in.
    pub component: Option<String>,
    /// What it is: trait `scaler`, policy `topology`, `workflow`.
    pub what: String,
    /// What it may have been meant to be.
    pub hint: Option<String>,
}

impl std::fmt::Display for Unhandled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        if let Some(component) = &self.component {
            write!(f, " of component `{component}`")?;
        }
        match &self.hint {
            Some(hint) => write!(f, " (did you mean `{hint}`?)"),
            None => Ok(()),
        }
    }
}

/// What an Application declares.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    /// The Application.
    pub application: String,
    /// Its namespace.
    pub namespace: String,
    /// Its components, for those who render them.
    pub components: Vec<Component>,
    /// What is declared well, in the order in which it comes up.
    pub resources: Vec<Declaration>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// What is not ours to handle.
    pub unhandled: Vec<Unhandled>,
    /// What is declared, but badly.
    broken: BTreeSet<Key>,
    /// Something is declared of which not even the name, or the type, can be read.
    nameless: bool,
}

impl Declared {
    /// Whether a resource of this application is still declared, well or badly. What is not kept may be torn down.
    pub fn keeps(&self, key: &Key) -> bool {
        self.nameless || self.broken.contains(key) || self.resources.iter().any(|resource| resource.key == *key)
    }

    /// Whether everything that is declared could be read by name. If not, what is missing may be misspelt, and nothing
    /// may be torn down for being no longer declared.
    pub fn is_legible(&self) -> bool {
        !self.nameless
    }

    /// What must be there before this resource, and goes after it.
    pub fn after(&self, resource: &Declaration) -> Vec<Key> {
        after(resource, &self.resources)
    }
}

/// Reads an Application.
pub fn declare(namespace: &str, application: &str, spec: &ApplicationSpec) -> Declared {
    let mut declared = Declared {
        application: application.to_owned(),
        namespace: namespace.to_owned(),
        components: spec.components.clone(),
        ..Declared::default()
    };
    let mut all = Vec::new();
    let mut names = BTreeSet::new();
    for component in &spec.components {
        if let Some(message) = bad_label(&component.name) {
            let problem = Problem::new(reason::INVALID_SPEC, message)
                .field("name")
                .value(&component.name);
            declared.problems.push(Problem {
                component: Some(component.name.as_str().into()),
                ..problem
            });
        }
        if !names.insert(&component.name) {
            let message = "two components have this name; rename one of them";
            let problem = Problem::new(reason::INVALID_SPEC, message)
                .field("name")
                .value(&component.name);
            declared.problems.push(Problem {
                component: Some(component.name.as_str().into()),
                ..problem
            });
        }
        for item in &component.traits {
            all.extend(declared.read(component, item));
        }
    }
    declared.collect_unhandled(spec);
    // What reads like a slip of the pen for something of ours may well be what was declared before.
    declared.nameless |= declared.unhandled.iter().any(|unhandled| unhandled.hint.is_some());
    declared.judge_names(&all);
    declared.judge(&all);
    sort(&mut all);
    all.retain(|declaration| !declared.broken.contains(&declaration.key));
    declared.resources = all;
    declared
}

impl Declared {
    /// Reads one trait. A trait that is ours and has a name is answered, even if it is broken.
    fn read(&mut self, component: &Component, item: &Trait) -> Option<Declaration> {
        let Some(declares) = Declares::of(&item.kind) else {
            let types = Declares::ALL.map(Declares::as_str);
            self.unhandled.push(Unhandled {
                component: Some(component.name.clone()),
                what: format!("trait `{}`", item.kind),
                hint: closest(&item.kind, types).map(str::to_owned),
            });
            return None;
        };
        let within = |problem: Problem, name: &str| problem.within(&component.name, name);
        let mut properties = match &item.properties {
            Json::Null => Map::new(),
            Json::Object(properties) => properties.clone(),
            other => {
                let problem = Problem::new(reason::INVALID_SPEC, "must be an object with members of its own");
                self.problems
                    .push(within(problem.field("properties").value(other), &item.kind));
                self.nameless = true;
                return None;
            }
        };
        let name = match properties.remove("name") {
            None => item.kind.clone(),
            Some(Json::String(name)) => name,
            Some(other) => {
                let problem = Problem::new(reason::INVALID_SPEC, "must be a text");
                self.problems
                    .push(within(problem.field("name").value(other), &item.kind));
                self.nameless = true;
                return None;
            }
        };
        let key = Key::new(&self.namespace, &self.application, &component.name, &name);
        let declaration = Declaration {
            key,
            declares,
            properties,
            environment: None,
            workload: None,
        };
        let mut problems = declaration.check();
        for unknown in item.rest.keys() {
            let message = format!(
                "a trait has `type` and `properties` only{}",
                did_you_mean(unknown, ["properties"])
            );
            problems.push(within(
                Problem::new(reason::INVALID_SPEC, message).field(unknown),
                &name,
            ));
        }
        if let Some(message) = bad_label(&name) {
            problems.push(within(
                Problem::new(reason::INVALID_SPEC, message).field("name").value(&name),
                &name,
            ));
        } else if declaration.key.object_name().len() > 63 {
            let message = format!(
                "its CloudResource would be named `{}`, which has more than 63 characters; shorten the name of the \
                 application, the component or the trait",
                declaration.key.object_name()
            );
            problems.push(within(
                Problem::new(reason::INVALID_SPEC, message).field("name").value(&name),
                &name,
            ));
        }
        self.refuse(&declaration.key, problems);
        Some(declaration)
    }

    fn refuse(&mut self, key: &Key, problems: Vec<Problem>) {
        if !problems.is_empty() {
            self.broken.insert(key.clone());
            self.problems.extend(problems);
        }
    }

    /// Of two traits with one name neither is taken: which of them an existing resource belongs to would be a guess.
    fn judge_names(&mut self, all: &[Declaration]) {
        let mut by_key: BTreeMap<&Key, u32> = BTreeMap::new();
        let mut by_name: BTreeMap<String, BTreeSet<&Key>> = BTreeMap::new();
        for declaration in all {
            *by_key.entry(&declaration.key).or_default() += 1;
            by_name
                .entry(declaration.key.object_name())
                .or_default()
                .insert(&declaration.key);
        }
        for (key, _) in by_key.iter().filter(|(_, count)| **count > 1) {
            let message = "two traits of this component have this name; give one of them another `name`";
            let problem = Problem::new(reason::INVALID_SPEC, message)
                .field("name")
                .value(&key.name);
            self.refuse(key, vec![problem.within(&key.component, &key.name)]);
        }
        for (name, keys) in by_name.iter().filter(|(_, keys)| keys.len() > 1) {
            for key in keys {
                let message =
                    format!("two traits of this application would both be the CloudResource `{name}`; rename one");
                let problem = Problem::new(reason::INVALID_SPEC, message)
                    .field("name")
                    .value(&key.name);
                self.refuse(key, vec![problem.within(&key.component, &key.name)]);
            }
        }
    }

    fn collect_unhandled(&mut self, spec: &ApplicationSpec) {
        let mut note = |component: Option<&Component>, what: String, hint: Option<&str>| {
            let component = component.map(|component| component.name.clone());
            self.unhandled.push(Unhandled {
                component,
                what,
                hint: hint.map(str::to_owned),
            });
        };
        for component in &spec.components {
            if !COMPONENTS.contains(&component.kind.as_str()) {
                note(
                    Some(component),
                    format!("type `{}`", component.kind),
                    closest(&component.kind, COMPONENTS),
                );
            }
            for field in component.rest.keys() {
                note(
                    Some(component),
                    format!("`{field}`"),
                    closest(field, ["traits", "properties"]),
                );
            }
        }
        for (field, value) in &spec.rest {
            match value.as_array() {
                Some(items) if field == "policies" => items.iter().for_each(|item| {
                    let kind = item.get("type").and_then(Json::as_str).unwrap_or("?");
                    note(None, format!("policy `{kind}`"), None);
                }),
                _ => note(None, format!("`{field}`"), closest(field, ["components"])),
            }
        }
    }
}

fn bad_label(name: &str) -> Option<&'static str> {
    let well = !name.is_empty()
        && name.len() <= 63
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    (!well).then_some("must be a DNS label: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit")
}

#[cfg(test)]
mod tests;
