//! The vendor's own description of each Action, and calls and answers held to it.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{
    params::Params,
    refusal::{Answer, Refusal, bad},
};

/// Products by name.
static CONTRACT: LazyLock<BTreeMap<String, Product>> = LazyLock::new(|| {
    let text = include_str!("../contract.json");
    serde_json::from_str(text).expect("contract.json is well-formed")
});

#[derive(Debug, Deserialize)]
pub(crate) struct Product {
    pub(crate) version: String,
    pub(crate) actions: BTreeMap<String, Action>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, Parameter>,
    #[serde(rename = "rawBody")]
    pub(crate) raw_body: Option<Json>,
    #[serde(default)]
    resp: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Parameter {
    #[serde(rename = "in")]
    pub(crate) place: Place,
    #[serde(rename = "t")]
    kind: Json,
    #[serde(default)]
    req: bool,
    #[serde(default)]
    ser: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    Query,
    Body,
    Path,
    Host,
    Header,
}

/// The product whose API has this version.
pub(crate) fn product_of(version: &str) -> Option<&'static str> {
    let mut products = CONTRACT.iter();
    products.find_map(|(name, product)| (product.version == version).then_some(name.as_str()))
}

pub(crate) fn actions(product: &str) -> Option<&'static BTreeMap<String, Action>> {
    CONTRACT.get(product).map(|product| &product.actions)
}

/// Every product and its Actions.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static BTreeMap<String, Action>)> {
    CONTRACT.iter().map(|(name, product)| (name.as_str(), &product.actions))
}

/// Common parameters of the RPC style, and `RegionId`, which the old SDK sends with every call.
const COMMON: [&str; 12] = [
    "Action",
    "Version",
    "Format",
    "Timestamp",
    "SignatureNonce",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureType",
    "AccessKeyId",
    "SecurityToken",
    "Signature",
    "RegionId",
];

impl Action {
    /// The flat parameters of an RPC call, each in its place and of its type.
    pub(crate) fn rpc(&self, query: &[(String, String)], form: &[(String, String)], scoped: &[&str]) -> Answer<Params> {
        let mut params = Map::new();
        for (place, pairs) in [(Place::Query, query), (Place::Body, form)] {
            for (name, text) in pairs {
                let (head, path) = split(name);
                let Some(parameter) = self.params.get(head) else {
                    if COMMON.contains(&head) || scoped.contains(&head) {
                        continue;
                    }
                    return bad(
                        "InvalidParameter.Unknown",
                        format!("The parameter {name} is not known to this Action."),
                    );
                };
                if parameter.place != place {
                    let message = format!(
                        "The parameter {name} belongs into the {:?}, not the {place:?}.",
                        parameter.place
                    );
                    return bad("InvalidParameter.Place", message);
                }
                let slot = params.entry(head).or_insert(Json::Null);
                parameter
                    .put(slot, &path, text)
                    .map_err(|why| Refusal::parameter(name, why))?;
            }
        }
        self.complete(params)
    }

    /// The parameters of a REST call: of the path, the query and a JSON body.
    pub(crate) fn rest(
        &self,
        path: Map<String, Json>,
        query: &[(String, String)],
        body: Option<Json>,
    ) -> Answer<Params> {
        let mut params = path;
        for (name, text) in query {
            let Some(parameter) = self.params.get(name).filter(|is| is.place == Place::Query) else {
                return bad(
                    "ParameterInvalid",
                    format!("The parameter {name} is not known to this Action."),
                );
            };
            let slot = params.entry(name.as_str()).or_insert(Json::Null);
            parameter
                .put(slot, &[], text)
                .map_err(|why| Refusal::new(400, "ParameterInvalid", format!("{name}: {why}")))?;
        }
        match (body, &self.raw_body) {
            (Some(body), Some(shape)) => {
                fits(shape, &body, "body", true).map_err(|why| Refusal::new(400, "PostBodyInvalid", why))?;
                params.insert("rawBody".into(), body);
            }
            (Some(Json::Object(fields)), None) => {
                for (name, value) in fields {
                    let Some(parameter) = self.params.get(&name).filter(|is| is.place == Place::Body) else {
                        return bad(
                            "ParameterInvalid",
                            format!("The field {name} is not known to this Action."),
                        );
                    };
                    if !value.is_null() {
                        fits(&parameter.kind, &value, &name, true)
                            .map_err(|why| Refusal::new(400, "ParameterInvalid", why))?;
                        params.insert(name, value);
                    }
                }
            }
            (Some(_), None) => return bad("PostBodyInvalid", "The body is not a JSON object."),
            (None, _) => {}
        }
        self.complete(params).map_err(|refusal| Refusal {
            code: "ParameterInvalid".into(),
            ..refusal
        })
    }

    fn complete(&self, params: Map<String, Json>) -> Answer<Params> {
        for (name, parameter) in &self.params {
            match params.get(name) {
                Some(value) => fits(&parameter.kind, value, name, true).map_err(|why| Refusal::parameter(name, why))?,
                None if parameter.req && parameter.place != Place::Host => return Err(Refusal::missing(name)),
                None => {}
            }
        }
        Ok(Params(params))
    }

    /// An answer holds nothing that the vendor does not describe.
    pub(crate) fn check_reply(&self, reply: &Json) -> Result<(), String> {
        match &self.resp {
            Some(shape) => fits(shape, reply, "answer", false),
            None => Ok(()),
        }
    }
}

impl Parameter {
    fn put(&self, slot: &mut Json, path: &[&str], text: &str) -> Result<(), String> {
        match self.ser.as_deref() {
            Some("json") => *slot = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?,
            Some("simple") => *slot = text.split(',').map(Json::from).collect(),
            _ => put(&self.kind, slot, path, text)?,
        }
        Ok(())
    }
}

fn split(name: &str) -> (&str, Vec<&str>) {
    let mut parts = name.split('.');
    (parts.next().unwrap_or_default(), parts.collect())
}

/// The type of a field of an object, whether it is required, or of any key of a map.
fn field<'a>(shape: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    let required = format!("{name}!");
    shape
        .get(name)
        .or_else(|| shape.get(&required))
        .or_else(|| shape.get("*"))
}

fn put(kind: &Json, slot: &mut Json, path: &[&str], text: &str) -> Result<(), String> {
    match kind {
        Json::Array(of) => {
            let (index, rest) = path
                .split_first()
                .ok_or("it is a list; give NAME.1, NAME.2 and so on")?;
            let index: usize = index
                .parse()
                .ok()
                .filter(|n| (1..=1000).contains(n))
                .ok_or("a list counts from 1")?;
            if !slot.is_array() {
                *slot = Json::Array(Vec::new());
            }
            let items = slot.as_array_mut().ok_or("it is a list")?;
            if items.len() < index {
                items.resize(index, Json::Null);
            }
            put(of.first().unwrap_or(&Json::Null), &mut items[index - 1], rest, text)
        }
        Json::Object(fields) => {
            let (name, rest) = path.split_first().ok_or("it is an object; give NAME.FIELD")?;
            let of = field(fields, name).ok_or_else(|| format!("it has no field {name}"))?;
            if !slot.is_object() {
                *slot = Json::Object(Map::new());
            }
            let object = slot.as_object_mut().ok_or("it is an object")?;
            put(of, object.entry(*name).or_insert(Json::Null), rest, text)
        }
        _ if !path.is_empty() => Err("it is a single value".into()),
        _ => {
            *slot = scalar(kind.as_str().unwrap_or("any"), text)?;
            Ok(())
        }
    }
}

fn scalar(kind: &str, text: &str) -> Result<Json, String> {
    match kind {
        "int" => text
            .parse::<i64>()
            .map(Json::from)
            .map_err(|_| format!("`{text}` is no whole number")),
        "float" => text
            .parse::<f64>()
            .map(Json::from)
            .map_err(|_| format!("`{text}` is no number")),
        // The Python SDK writes `True`, the Go SDK `true`.
        "bool" => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            _ => Err(format!("`{text}` is neither true nor false")),
        },
        _ => Ok(Json::from(text)),
    }
}

fn fits(kind: &Json, value: &Json, name: &str, strict: bool) -> Result<(), String> {
    match (kind, value) {
        (Json::Array(of), Json::Array(items)) => {
            let of = of.first().unwrap_or(&Json::Null);
            let hole = || format!("{name} has a hole; count from 1");
            for (n, item) in items.iter().enumerate() {
                if item.is_null() {
                    return Err(hole());
                }
                fits(of, item, &format!("{name}.{}", n + 1), strict)?;
            }
            Ok(())
        }
        (Json::Object(fields), Json::Object(object)) => {
            for (key, value) in object {
                let of = field(fields, key).ok_or_else(|| format!("{name} has no field {key}"))?;
                if !value.is_null() {
                    fits(of, value, &format!("{name}.{key}"), strict)?;
                }
            }
            let required = fields.keys().filter_map(|key| key.strip_suffix('!'));
            let missing = required.filter(|_| strict).find(|key| !object.contains_key(*key));
            missing.map_or(Ok(()), |key| Err(format!("{name} lacks {key}")))
        }
        (Json::String(kind), value) => {
            let good = match kind.as_str() {
                "str" => value.is_string(),
                "int" => value.is_i64() || value.is_u64(),
                "float" => value.is_number(),
                "bool" => value.is_boolean(),
                _ => true,
            };
            good.then_some(())
                .ok_or_else(|| format!("{name} should be {kind}, not {value}"))
        }
        (kind, value) => Err(format!("{name} should be {kind}, not {value}")),
    }
}

/// The shape of an Action's answer.
pub(crate) fn reply(product: &str, action: &str) -> &'static Json {
    let known = actions(product).and_then(|actions| actions.get(action)?.resp.as_ref());
    known.unwrap_or(&Json::Null)
}
