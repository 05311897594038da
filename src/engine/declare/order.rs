//! What comes before what, within one application.

use mooring_provider::{Key, Kind};

use super::Declaration;
use crate::api::Declares;

/// What a `bind` or an alarm refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A resource of the same application.
    Own(Key),
    /// The CloudResource of that name in that namespace, whose owner must consent.
    Foreign {
        /// The namespace.
        namespace: String,
        /// The name of the CloudResource.
        name: String,
    },
    /// The component's own pods.
    Pods,
}

/// What the `to` of a bind refers to: `component/trait` if the application has that component, else
/// `namespace/resource`. `None` if it is not of that form.
pub fn bind_target(bind: &Declaration, siblings: &[Declaration]) -> Option<Target> {
    let (left, right) = bind.properties.get("to")?.as_str()?.split_once('/')?;
    let own = siblings.iter().any(|other| other.key.component == left);
    Some(if own {
        Target::Own(Key {
            component: left.to_owned(),
            name: right.to_owned(),
            ..bind.key.clone()
        })
    } else {
        Target::Foreign {
            namespace: left.to_owned(),
            name: right.to_owned(),
        }
    })
}

/// What the `of` of an alarm refers to.
pub fn alarm_target(monitor: &Key, of: &str) -> Target {
    match of.split_once('/') {
        None if of == "self" => Target::Pods,
        None => Target::Own(Key {
            name: of.to_owned(),
            ..monitor.clone()
        }),
        Some((component, name)) => Target::Own(Key {
            component: component.to_owned(),
            name: name.to_owned(),
            ..monitor.clone()
        }),
    }
}

/// The resources of the application that must be there before this one, and go after it.
pub fn after(declaration: &Declaration, siblings: &[Declaration]) -> Vec<Key> {
    let mut keys: Vec<_> = match declaration.declares {
        // Whether a vpc is dedicated may be the environment's word; a shared one is there at once.
        Declares::Resource(Kind::Rds | Kind::Slb) if !declaration.properties.contains_key("existing") => siblings
            .iter()
            .filter(|other| other.declares == Declares::Resource(Kind::Vpc))
            .map(|other| other.key.clone())
            .collect(),
        Declares::Resource(Kind::Monitor) => alarms(declaration)
            .filter_map(|of| match alarm_target(&declaration.key, of) {
                Target::Own(key) => Some(key),
                _ => None,
            })
            .collect(),
        Declares::Bind => match bind_target(declaration, siblings) {
            Some(Target::Own(key)) => vec![key],
            _ => Vec::new(),
        },
        Declares::Resource(_) => Vec::new(),
    };
    keys.sort();
    keys.dedup();
    keys.retain(|key| *key != declaration.key && siblings.iter().any(|other| other.key == *key));
    keys
}

/// The `of` of each alarm.
pub(super) fn alarms(monitor: &Declaration) -> impl Iterator<Item = &str> {
    let alarms = monitor.properties.get("alarms").and_then(serde_json::Value::as_array);
    alarms
        .into_iter()
        .flatten()
        .filter_map(|alarm| alarm.get("of")?.as_str())
}

/// Sorts the declarations of an application in the order in which they come up; they go in the opposite order.
pub fn sort(declarations: &mut [Declaration]) {
    declarations.sort_by_key(|declaration| match declaration.declares {
        Declares::Resource(Kind::Vpc) => 0,
        Declares::Resource(Kind::Monitor) | Declares::Bind => 2,
        Declares::Resource(_) => 1,
    });
}
