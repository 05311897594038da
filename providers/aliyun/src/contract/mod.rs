//! What the APIs take: names, places and types of the parameters of every Action that is used, as the official SDKs
//! have them.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::product::Product;

/// One Action.
#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    /// Its method.
    #[serde(default = "post")]
    pub(crate) method: String,
    /// Its path, with `{names}` for what varies.
    #[serde(default = "root")]
    pub(crate) path: String,
    /// Its parameters by their name on the wire.
    pub(crate) params: BTreeMap<String, Param>,
    /// The type of its body, where it is no object of parameters.
    #[serde(default, rename = "rawBody")]
    raw_body: Option<Json>,
}

/// A parameter of an Action.
#[derive(Debug, Deserialize)]
pub(crate) struct Param {
    /// Where it stands: `query`, `body`, `path`.
    #[serde(rename = "in")]
    pub(crate) place: String,
    /// Its type: `str`, `int`, `float`, `bool`, `any`, an object, or a list of one type. `!` marks what is required.
    t: Json,
    /// Whether the SDK requires it.
    #[serde(default)]
    req: bool,
    /// How a list or an object is written: as one JSON text, or joined by commas; else flat.
    #[serde(default)]
    ser: Option<String>,
}

fn post() -> String {
    "POST".into()
}

fn root() -> String {
    "/".into()
}

type Actions = BTreeMap<String, Action>;

static CONTRACT: LazyLock<BTreeMap<&'static str, Actions>> = LazyLock::new(|| {
    let read = |text| serde_json::from_str(text).expect("the file that is compiled in is read by a test");
    BTreeMap::from([
        (Product::Vpc.name(), read(include_str!("vpc.json"))),
        (Product::Ecs.name(), read(include_str!("ecs.json"))),
        (Product::Slb.name(), read(include_str!("slb.json"))),
        (Product::Nlb.name(), read(include_str!("nlb.json"))),
        (Product::Rds.name(), read(include_str!("rds.json"))),
        (Product::Cms.name(), read(include_str!("cms.json"))),
        (Product::Sts.name(), read(include_str!("sts.json"))),
        (Product::Sls.name(), read(include_str!("sls.json"))),
    ])
});

/// The names of the Actions of a product.
#[cfg(test)]
pub(crate) fn of(product: Product) -> impl Iterator<Item = &'static str> {
    CONTRACT
        .get(product.name())
        .into_iter()
        .flat_map(Actions::keys)
        .map(String::as_str)
}

/// An Action, if it is in the contract.
pub(crate) fn action(product: Product, action: &str) -> Option<&'static Action> {
    CONTRACT.get(product.name())?.get(action)
}

impl Action {
    /// Whether a parameter goes into the form body, and not into the query.
    pub(crate) fn in_body(&self, name: &str) -> bool {
        let first = name.split('.').next().unwrap_or(name);
        self.params.get(first).is_some_and(|param| param.place == "body")
    }

    /// What is wrong with these flat parameters, if anything is. They stand in these places.
    pub(crate) fn complaint(&self, pairs: &[(String, String)], places: &[&str]) -> Option<String> {
        for (name, value) in pairs {
            let (first, rest) = name
                .split_once('.')
                .map_or((name.as_str(), None), |(a, b)| (a, Some(b)));
            let here = |param: &&Param| places.contains(&param.place.as_str());
            let Some(param) = self.params.get(first).filter(here) else {
                return Some(format!("no parameter {name}"));
            };
            if !param.fits(rest, value) {
                return Some(format!("{name} is not to be `{value}`"));
            }
        }
        let given = |name: &str| {
            pairs
                .iter()
                .any(|(pair, _)| pair == name || pair.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
        };
        self.params
            .iter()
            .find(|(name, param)| param.req && places.contains(&param.place.as_str()) && !given(name))
            .map(|(name, _)| format!("{name} is missing"))
    }

    /// What is wrong with the members of this body, if anything is.
    pub(crate) fn body_complaint(&self, body: &Json) -> Option<String> {
        if let Some(kind) = &self.raw_body {
            return (!is(kind, body)).then(|| format!("the body is not to be {body}"));
        }
        let empty = serde_json::Map::new();
        let members = body.as_object().unwrap_or(&empty);
        for (name, value) in members {
            let Some(param) = self.params.get(name).filter(|param| param.place == "body") else {
                return Some(format!("no member {name} of the body"));
            };
            if !is(&param.t, value) {
                return Some(format!("{name} is not to be {value}"));
            }
        }
        self.params
            .iter()
            .find(|(name, param)| param.req && param.place == "body" && !members.contains_key(*name))
            .map(|(name, _)| format!("{name} is missing in the body"))
    }
}

impl Param {
    fn fits(&self, rest: Option<&str>, value: &str) -> bool {
        match (self.ser.as_deref(), rest) {
            (Some("json"), None) => serde_json::from_str(value).is_ok_and(|value| is(&self.t, &value)),
            (Some("simple"), None) => !value.is_empty(),
            (Some(_), _) => false,
            (None, rest) => flat(&self.t, rest, value),
        }
    }
}

/// Whether a flat name leads to a scalar of this type, and the value is one.
fn flat(kind: &Json, rest: Option<&str>, value: &str) -> bool {
    match (kind, rest) {
        (Json::String(scalar), None) => match scalar.as_str() {
            "int" => value.parse::<i64>().is_ok(),
            "float" => value.parse::<f64>().is_ok(),
            "bool" => matches!(value, "true" | "false"),
            _ => true,
        },
        (Json::Array(member), Some(rest)) => {
            let (n, rest) = rest.split_once('.').map_or((rest, None), |(n, rest)| (n, Some(rest)));
            n.parse::<u32>().is_ok_and(|n| n > 0) && member.first().is_some_and(|member| flat(member, rest, value))
        }
        (Json::Object(_), Some(rest)) => {
            let (name, rest) = rest
                .split_once('.')
                .map_or((rest, None), |(name, rest)| (name, Some(rest)));
            field(kind, name).is_some_and(|kind| flat(kind, rest, value))
        }
        _ => false,
    }
}

/// Whether a JSON value is of this type.
fn is(kind: &Json, value: &Json) -> bool {
    match (kind, value) {
        (Json::String(scalar), value) => match scalar.as_str() {
            "str" => value.is_string(),
            "int" => value.is_i64() || value.is_u64(),
            "float" => value.is_number(),
            "bool" => value.is_boolean(),
            _ => true,
        },
        (Json::Array(member), Json::Array(values)) => values
            .iter()
            .all(|value| member.first().is_none_or(|member| is(member, value))),
        (Json::Object(fields), Json::Object(values)) => {
            let required = |name: &str| name.strip_suffix('!').is_none_or(|name| values.contains_key(name));
            fields.keys().all(|name| required(name))
                && values
                    .iter()
                    .all(|(name, value)| field(kind, name).is_some_and(|kind| is(kind, value)))
        }
        _ => false,
    }
}

/// The type of a field of an object, or of every field of a map.
fn field<'a>(kind: &'a Json, name: &str) -> Option<&'a Json> {
    kind.get(name)
        .or_else(|| kind.get(format!("{name}!")))
        .or_else(|| kind.get("*"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn what_the_api_would_refuse_is_complained_of() {
        let action: Action = serde_json::from_value(json!({"params": {
            "RegionId": {"in": "query", "t": "str", "req": true},
            "DryRun": {"in": "query", "t": "bool"},
            "Tag": {"in": "query", "t": [{"Key": "str", "Value": "str"}]},
            "Labels": {"in": "query", "t": {"a!": "int"}, "ser": "json"},
        }}))
        .expect("it is an Action");
        let good = [
            ("RegionId", "r"),
            ("DryRun", "true"),
            ("Tag.1.Key", "k"),
            ("Labels", "{\"a\":1}"),
        ];
        assert_eq!(action.complaint(&pairs(&good), &["query"]), None);
        for bad in [
            ("RegionID", "r"),
            ("DryRun", "True"),
            ("Tag.0.Key", "k"),
            ("Tag.1.Name", "k"),
            ("Tag.1", "k"),
            ("Labels", "{}"),
            ("Labels.1", "x"),
        ] {
            let complaint = action.complaint(&pairs(&[("RegionId", "r"), bad]), &["query"]);
            assert!(complaint.is_some_and(|text| text.contains(bad.0)), "{bad:?}");
        }
        assert_eq!(
            action.complaint(&[], &["query"]).as_deref(),
            Some("RegionId is missing")
        );
    }
}
