//! Checks properties against the schema the API server checks a CloudResource against, and says what is wrong with
//! them: all of it at once, and in words for the one who wrote them.

use std::{collections::HashMap, sync::LazyLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use regex::Regex;
use serde_json::{Map, Value as Json};

use crate::{
    api::{self, Declares},
    engine::problem::{Problem, did_you_mean, listed, reason},
};

/// The schema of `spec`, by kind.
static SPECS: LazyLock<HashMap<String, Json>> = LazyLock::new(|| {
    let spec = |crd: CustomResourceDefinition| {
        let schema = crd.spec.versions[0]
            .schema
            .as_ref()
            .and_then(|schema| schema.open_api_v3_schema.as_ref());
        let mut json = serde_json::to_value(schema).expect("a schema is JSON");
        (crd.spec.names.kind, json["properties"]["spec"].take())
    };
    api::crds().into_iter().map(spec).collect()
});

static PATTERNS: LazyLock<HashMap<String, Regex>> = LazyLock::new(|| {
    fn collect(schema: &Json, into: &mut HashMap<String, Regex>) {
        if let Some(pattern) = schema.get("pattern").and_then(Json::as_str) {
            into.insert(pattern.to_owned(), Regex::new(pattern).expect("the patterns are ours"));
        }
        for key in ["items", "additionalProperties"] {
            schema.get(key).inspect(|inner| collect(inner, into));
        }
        for inner in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            collect(inner.1, into);
        }
    }
    let mut patterns = HashMap::new();
    SPECS.values().for_each(|schema| collect(schema, &mut patterns));
    patterns
});

/// What is wrong with the properties of a trait. `whole` is false for properties that are merged into others, which
/// need not be complete.
pub(crate) fn check(declares: Declares, properties: &Map<String, Json>, whole: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let schema = &SPECS["CloudResource"]["properties"][declares.as_str()];
    object("", schema, properties, whole, &mut problems);
    problems
}

/// What is wrong with the `spec` of one of our own kinds, as an API server would say it. `None` if the kind is not ours.
pub fn check_document(kind: &str, spec: &Json) -> Option<Vec<Problem>> {
    let schema = SPECS.get(kind)?;
    let mut problems = Vec::new();
    any("spec", schema, spec, true, &mut problems);
    let members: Vec<&str> = match kind {
        "CloudResource" => Declares::ALL.map(Declares::as_str).into(),
        "ProviderConfig" => api::PROVIDERS.into(),
        _ => return Some(problems),
    };
    if members.iter().filter(|member| spec.get(**member).is_some()).count() != 1 {
        let message = format!("exactly one of {} must be set", listed(members));
        problems.push(Problem::new(reason::INVALID_SPEC, message).field("spec"));
    }
    Some(problems)
}

fn problem(field: &str, value: &Json, message: impl Into<String>) -> Problem {
    let shown = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    Problem::new(reason::INVALID_SPEC, message).field(field).value(shown)
}

fn object(path: &str, schema: &Json, value: &Map<String, Json>, whole: bool, problems: &mut Vec<Problem>) {
    let at = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
        for (name, inner) in value {
            match properties.get(name) {
                Some(schema) => any(&at(name), schema, inner, whole, problems),
                None => {
                    let names = || properties.keys().map(String::as_str);
                    let hint = did_you_mean(name, names());
                    let message = format!("unknown property{hint}");
                    let message = if hint.is_empty() {
                        format!("{message}; there are {}", listed(names()))
                    } else {
                        message
                    };
                    problems.push(problem(&at(name), inner, message));
                }
            }
        }
    } else if let Some(schema) = schema.get("additionalProperties") {
        value
            .iter()
            .for_each(|(name, inner)| any(&at(name), schema, inner, true, problems));
    }
    let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
    for name in required
        .filter_map(Json::as_str)
        .filter(|name| whole && !value.contains_key(*name))
    {
        let example = match schema["properties"][name].get("enum").and_then(Json::as_array) {
            Some(words) => format!("; it is one of {}", listed(words.iter().filter_map(Json::as_str))),
            None => String::new(),
        };
        problems.push(Problem::new(reason::INVALID_SPEC, format!("is missing{example}")).field(at(name)));
    }
}

fn any(path: &str, schema: &Json, value: &Json, whole: bool, problems: &mut Vec<Problem>) {
    let mut wrong = |message: String| problems.push(problem(path, value, message));
    if value.is_null() {
        return wrong("has no value; give it one, or remove it".to_owned());
    }
    let anything = schema.get("x-kubernetes-int-or-string").is_some();
    match (schema.get("type").and_then(Json::as_str), value) {
        (Some("object"), Json::Object(members)) => object(path, schema, members, whole, problems),
        (Some("array"), Json::Array(items)) => {
            if let Some(message) = count(schema, "Items", items.len(), "entries") {
                wrong(message);
            }
            for (index, item) in items.iter().enumerate() {
                any(&format!("{path}[{index}]"), &schema["items"], item, true, problems);
            }
        }
        (Some("integer"), Json::Number(number)) if number.is_i64() || number.is_u64() => {
            if let Some(message) = range(schema, number.as_f64().unwrap_or_default()) {
                wrong(message);
            }
        }
        (Some("boolean"), Json::Bool(_)) | (Some("number"), Json::Number(_)) => {}
        (Some("string"), Json::String(text)) => {
            if let Some(message) = string(schema, text) {
                wrong(message);
            }
        }
        (None, Json::String(text)) if anything => {
            if let Some(message) = string(schema, text) {
                wrong(message);
            }
        }
        (None, Json::Number(number)) if anything && (number.is_i64() || number.is_u64()) => {}
        (None, Json::Number(_)) if anything => wrong(format!("put it in quotes: \"{value}\"")),
        (None, _) if !anything => {}
        (Some("string"), Json::Number(_) | Json::Bool(_)) => {
            wrong(format!("must be a text; put it in quotes: \"{value}\""));
        }
        (wanted, _) => wrong(format!("must be {}", article(wanted.unwrap_or("a number or a text")))),
    }
}

fn article(wanted: &str) -> String {
    match wanted {
        "boolean" => "true or false".to_owned(),
        "integer" => "a whole number".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "an object with members of its own".to_owned(),
        "string" => "a text".to_owned(),
        other => other.to_owned(),
    }
}

fn string(schema: &Json, text: &str) -> Option<String> {
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        let words = || words.iter().filter_map(Json::as_str);
        return (!words().any(|word| word == text))
            .then(|| format!("must be one of {}{}", listed(words()), did_you_mean(text, words())));
    }
    if let Some(message) = count(schema, "Length", text.chars().count(), "characters") {
        return Some(message);
    }
    let pattern = schema.get("pattern").and_then(Json::as_str)?;
    (!PATTERNS[pattern].is_match(text)).then(|| match schema.get("description").and_then(Json::as_str) {
        Some(description) => format!("does not have the form it must have. {description}"),
        None => format!("does not have the form it must have: {pattern}"),
    })
}

fn count(schema: &Json, what: &str, count: usize, unit: &str) -> Option<String> {
    let bound = |side: &str| schema.get(format!("{side}{what}")).and_then(Json::as_u64);
    match (bound("min"), bound("max")) {
        (Some(least), _) if (count as u64) < least => Some(format!("must have at least {least} {unit}")),
        (_, Some(most)) if count as u64 > most => Some(format!("must have at most {most} {unit}, it has {count}")),
        _ => None,
    }
}

fn range(schema: &Json, number: f64) -> Option<String> {
    let bound = |side: &str| schema.get(side).and_then(Json::as_f64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) if number < least || number > most => Some(format!("must be from {least} to {most}")),
        (Some(least), None) if number < least => Some(format!("must be at least {least}")),
        _ => None,
    }
}
