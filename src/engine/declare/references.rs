//! What traits say of each other: binds, alarms, networks, environment variables.

use std::collections::BTreeMap;

use mooring_provider::{Key, Kind, spec::Metric};
use serde_json::Value as Json;

use super::{Consumption, Declaration, Declared, Target, alarm_target, bind_target, order::alarms};
use crate::{
    api::Declares,
    engine::problem::{Problem, closest, listed, reason},
};

impl Declared {
    pub(super) fn judge(&mut self, all: &[Declaration]) {
        let mut taken: BTreeMap<(&str, String), &Declaration> = BTreeMap::new();
        let mut dedicated: Option<&Declaration> = None;
        for declaration in all {
            if self.broken.contains(&declaration.key) {
                continue;
            }
            let mut problems = match declaration.declares {
                Declares::Bind => bind(declaration, all),
                Declares::Resource(Kind::Monitor) => monitor(declaration, all),
                Declares::Resource(Kind::Vpc) if is_dedicated(declaration) => {
                    let first = *dedicated.get_or_insert(declaration);
                    second_network(declaration, first)
                }
                Declares::Resource(_) => Vec::new(),
            };
            for name in variables(declaration, all) {
                let holder = *taken
                    .entry((&declaration.key.component, name.clone()))
                    .or_insert(declaration);
                if holder.key != declaration.key {
                    problems.push(same_variable(&name, &holder.key));
                    break;
                }
            }
            let key = &declaration.key;
            let problems = problems
                .into_iter()
                .map(|problem| problem.within(&key.component, &key.name))
                .collect();
            self.refuse(key, problems);
        }
    }
}

fn find<'a>(key: &Key, all: &'a [Declaration]) -> Option<&'a Declaration> {
    all.iter().find(|other| other.key == *key)
}

fn is_dedicated(declaration: &Declaration) -> bool {
    declaration.properties.get("network").and_then(Json::as_str) == Some("dedicated")
}

fn second_network(declaration: &Declaration, first: &Declaration) -> Vec<Problem> {
    if declaration.key == first.key {
        return Vec::new();
    }
    let (component, name) = (&first.key.component, &first.key.name);
    let message = format!("the application has a dedicated network already, `{component}/{name}`; remove one of them");
    vec![
        Problem::new(reason::INVALID_SPEC, message)
            .field("network")
            .value("dedicated"),
    ]
}

/// The environment variables a declaration brings, as far as they are known.
fn variables(declaration: &Declaration, all: &[Declaration]) -> Vec<String> {
    let kind = match declaration.declares {
        Declares::Resource(kind) => Some(kind),
        Declares::Bind => match bind_target(declaration, all) {
            Some(Target::Own(key)) => find(&key, all).and_then(|target| target.declares.kind()),
            _ => None,
        },
    };
    let consumption = Consumption::of(
        declaration.declares,
        kind,
        &declaration.key.name,
        &declaration.properties,
    );
    match kind {
        Some(kind) => consumption.env_names(kind).into_keys().collect(),
        None if consumption.inject => consumption.templates.into_keys().collect(),
        None => Vec::new(),
    }
}

fn same_variable(variable: &str, holder: &Key) -> Problem {
    let message = format!(
        "trait `{}` sets this environment variable already; give one of them another `as`",
        holder.name
    );
    Problem::new(reason::INVALID_SPEC, message).field("as").value(variable)
}

fn missing(field: &str, value: &str, target: &Key, all: &[Declaration]) -> Problem {
    let mut names: Vec<_> = all
        .iter()
        .map(|other| format!("{}/{}", other.key.component, other.key.name))
        .collect();
    names.sort();
    let wanted = format!("{}/{}", target.component, target.name);
    let hint = match closest(&wanted, names.iter().map(String::as_str)) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("there are {}", listed(names.iter().map(String::as_str))),
    };
    let message = format!("this application declares no `{wanted}`; {hint}");
    Problem::new(reason::TARGET_NOT_FOUND, message)
        .field(field)
        .value(value)
}

fn bind(declaration: &Declaration, all: &[Declaration]) -> Vec<Problem> {
    let to = declaration
        .properties
        .get("to")
        .and_then(Json::as_str)
        .unwrap_or_default();
    let wrong = |message: String| vec![Problem::new(reason::INVALID_SPEC, message).field("to").value(to)];
    let key = match bind_target(declaration, all) {
        Some(Target::Own(key)) => key,
        Some(Target::Foreign { namespace, name }) => return slip(&namespace, &name, to, all),
        _ => return Vec::new(),
    };
    let Some(target) = find(&key, all) else {
        return vec![missing("to", to, &key, all)];
    };
    match target.declares {
        _ if target.key == declaration.key => wrong("is this bind itself; name a resource of another component".into()),
        Declares::Bind => wrong("is a bind itself; name the resource that it binds to".into()),
        Declares::Resource(Kind::Monitor) => wrong("is a set of alarms; there is nothing to use".into()),
        Declares::Resource(kind) if kind != Kind::Rds && declaration.properties.contains_key("access") => {
            let message = format!("a {kind} has no accounts; remove it");
            vec![Problem::new(reason::INVALID_SPEC, message).field("access")]
        }
        Declares::Resource(_) => Vec::new(),
    }
}

/// A component that is nearly spelt right, with a trait that it has, was not meant to be a namespace.
fn slip(component: &str, name: &str, to: &str, all: &[Declaration]) -> Vec<Problem> {
    let with_trait = all
        .iter()
        .filter(|other| other.key.name == name)
        .map(|other| other.key.component.as_str());
    match closest(component, with_trait) {
        Some(close) => {
            let message = format!("this application has no component `{component}`; did you mean `{close}/{name}`?");
            vec![Problem::new(reason::TARGET_NOT_FOUND, message).field("to").value(to)]
        }
        None => Vec::new(),
    }
}

fn monitor(declaration: &Declaration, all: &[Declaration]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, of) in alarms(declaration).enumerate() {
        let field = format!("alarms[{index}].of");
        let kind = match alarm_target(&declaration.key, of) {
            Target::Own(key) => match find(&key, all).map(|target| target.declares) {
                Some(Declares::Resource(kind)) => Some(kind),
                Some(Declares::Bind) => {
                    let message = "is a bind; name the resource that it binds to";
                    problems.push(Problem::new(reason::INVALID_SPEC, message).field(field).value(of));
                    continue;
                }
                None => {
                    problems.push(missing(&field, of, &key, all));
                    continue;
                }
            },
            _ => None,
        };
        let text = declaration.properties["alarms"][index]["metric"].clone();
        let Ok(metric) = serde_json::from_value::<Metric>(text) else {
            continue;
        };
        if !metric.fits(kind) {
            let subject = kind.map_or_else(|| "self".to_owned(), |kind| format!("an {kind}"));
            let message = format!("{subject} has no such figure; it has {}", listed(figures(kind)));
            let problem = Problem::new(reason::INVALID_SPEC, message).field(format!("alarms[{index}].metric"));
            problems.push(problem.value(metric.as_str()));
        }
    }
    problems
}

/// The figures that can be watched on a kind.
fn figures(kind: Option<Kind>) -> impl Iterator<Item = &'static str> {
    [
        Metric::Connections,
        Metric::Storage,
        Metric::Cpu,
        Metric::UnhealthyBackends,
        Metric::ServerErrors,
        Metric::Restarts,
        Metric::NotReady,
    ]
    .into_iter()
    .filter(move |metric| metric.fits(kind))
    .map(Metric::as_str)
}
