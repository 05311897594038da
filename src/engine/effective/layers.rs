//! Layers of properties, the stronger over the weaker, and which layer each value is of.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::api::{EffectiveValue, Origin};

/// Properties made of layers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layers {
    merged: Map<String, Json>,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Lays properties over what is there. Objects are merged, anything else is replaced whole.
    pub fn lay(&mut self, origin: Origin, properties: &Map<String, Json>) {
        merge(&mut self.merged, properties);
        let mut fields = Vec::new();
        leaves("", properties, &mut fields);
        for (field, _) in fields {
            let (within, below) = (field.clone() + ".", self.origins.keys());
            let gone: Vec<_> = below.filter(|known| known.starts_with(&within)).cloned().collect();
            gone.iter().for_each(|known| {
                self.origins.remove(known);
            });
            let above: Vec<_> = field.match_indices('.').map(|(at, _)| field[..at].to_owned()).collect();
            above.iter().for_each(|known| {
                self.origins.remove(known);
            });
            self.origins.insert(field, origin);
        }
    }

    /// The properties in effect.
    pub fn merged(&self) -> &Map<String, Json> {
        &self.merged
    }

    /// Where a field's value comes from.
    pub fn origin(&self, field: &str) -> Option<Origin> {
        self.origins.get(field).copied()
    }

    /// Each field with its value and its origin, save those for which `skip` holds.
    pub fn values(&self, skip: impl Fn(&str) -> bool) -> Vec<EffectiveValue> {
        let mut fields = Vec::new();
        leaves("", &self.merged, &mut fields);
        fields
            .into_iter()
            .filter(|(field, _)| !skip(field))
            .filter_map(|(field, value)| {
                let origin = self.origin(&field)?;
                Some(EffectiveValue {
                    value: shown(value),
                    field,
                    origin,
                })
            })
            .collect()
    }
}

/// A value for a person.
pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Merges objects, the right over the left; anything else is replaced whole.
pub(super) fn merge(base: &mut Map<String, Json>, over: &Map<String, Json>) {
    for (name, value) in over {
        match (base.get_mut(name), value) {
            (Some(Json::Object(base)), Json::Object(over)) => merge(base, over),
            _ => {
                base.insert(name.clone(), value.clone());
            }
        }
    }
}

fn leaves<'a>(path: &str, object: &'a Map<String, Json>, into: &mut Vec<(String, &'a Json)>) {
    for (name, value) in object {
        let field = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match value {
            Json::Object(inner) => leaves(&field, inner, into),
            leaf => into.push((field, leaf)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ORDER: [Origin; 5] = [
        Origin::BuiltIn,
        Origin::EnvironmentDefault,
        Origin::Trait,
        Origin::Override,
        Origin::Enforced,
    ];

    fn layer() -> impl Strategy<Value = Map<String, Json>> {
        let leaf = prop_oneof![any::<u8>().prop_map(Json::from), "[a-c]".prop_map(Json::from)];
        let value = prop_oneof![
            3 => leaf.clone(),
            1 => prop::collection::btree_map("[pq]", leaf, 1..3).prop_map(|inner| json!(inner)),
        ];
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        /// The strongest layer that says something of a field, or of what holds the field, has the last word.
        #[test]
        fn the_strongest_layer_decides(layers in prop::collection::vec(layer(), 5)) {
            let mut merged = Layers::default();
            for (origin, layer) in ORDER.into_iter().zip(&layers) {
                merged.lay(origin, layer);
            }
            let mut fields = Vec::new();
            leaves("", merged.merged(), &mut fields);
            for (field, value) in fields {
                let pointer = format!("/{}", field.replace('.', "/"));
                let says = |layer: &Map<String, Json>| Json::Object(layer.clone()).pointer(&pointer).cloned();
                let (origin, said) = ORDER.into_iter().zip(&layers).rev()
                    .find_map(|(origin, layer)| Some((origin, says(layer)?))).expect("somebody said it");
                prop_assert_eq!(&said, value);
                prop_assert_eq!(merged.origin(&field), Some(origin));
            }
            prop_assert_eq!(merged.values(|_| false).len(), merged.origins.len());
        }
    }

    #[test]
    fn objects_are_merged_and_lists_replaced() {
        let mut layers = Layers::default();
        let object = |value: Json| value.as_object().cloned().expect("an object");
        layers.lay(
            Origin::Trait,
            &object(json!({"backup": {"retention": "7d"}, "sources": ["stdout", "file:/x"]})),
        );
        layers.lay(
            Origin::Enforced,
            &object(json!({"backup": {"window": "night"}, "sources": ["stdout"]})),
        );
        assert_eq!(
            Json::Object(layers.merged().clone()),
            json!({"backup": {"retention": "7d", "window": "night"}, "sources": ["stdout"]})
        );
        assert_eq!(layers.origin("backup.retention"), Some(Origin::Trait));
        assert_eq!(layers.origin("sources"), Some(Origin::Enforced));
    }
}
