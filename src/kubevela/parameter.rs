//! From the schema of a trait's properties to `parameter` in CUE: names, types, words and documentation. What only the
//! API server can judge (patterns, bounds, rules) is left to it; it is asked before anything is changed.

use serde_json::{Map, Value as Json};

use crate::api::Declares;

/// The definition `#Parameter`, in which an unknown property is an error.
pub(super) fn definition(declares: Declares, schema: &Json) -> String {
    let name = format!(
        "\t// +usage=Its name within the component, by which `bind` and alarms refer to it.\n\tname: *\"{declares}\" | string\n"
    );
    format!("#Parameter: {{\n{name}{}}}\n", members(1, schema))
}

fn members(depth: usize, schema: &Json) -> String {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let properties = schema["properties"].as_object().into_iter().flat_map(Map::iter);
    // What must be said is read first.
    let (must, may): (Vec<_>, Vec<_>) =
        properties.partition(|(name, _)| required.contains(&&Json::from(name.as_str())));
    let member = |(name, schema): (&String, &Json), mark: &str| {
        let tabs = "\t".repeat(depth);
        let usage = schema["description"].as_str().unwrap_or_default();
        let usage = usage.split_whitespace().collect::<Vec<_>>().join(" ");
        let usage = if usage.is_empty() {
            usage
        } else {
            format!("{tabs}// +usage={usage}\n")
        };
        format!("{usage}{tabs}{}{mark}: {}\n", label(name), of_type(depth, schema))
    };
    let must = must.into_iter().map(|property| member(property, ""));
    must.chain(may.into_iter().map(|property| member(property, "?")))
        .collect()
}

/// A label that is no word of the language.
fn label(name: &str) -> String {
    if matches!(name, "for" | "if" | "in" | "let") {
        format!("{name:?}")
    } else {
        name.to_owned()
    }
}

fn of_type(depth: usize, schema: &Json) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().map(Json::to_string).collect();
        return words.join(" | ");
    }
    match schema["type"].as_str() {
        Some("string") => "string".to_owned(),
        Some("integer") => "int".to_owned(),
        Some("number") => "number".to_owned(),
        Some("boolean") => "bool".to_owned(),
        Some("array") => format!("[...{}]", of_type(depth, &schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("[string]: {}", of_type(depth, &schema["additionalProperties"]))
        }
        Some("object") if schema["properties"].is_object() => {
            format!("{{\n{}{}}}", members(depth + 1, schema), "\t".repeat(depth))
        }
        Some("object") => "{...}".to_owned(),
        _ if schema["x-kubernetes-int-or-string"] == true => "int | string".to_owned(),
        _ => "_".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_schema_has_its_type() {
        let of = |schema| of_type(0, &schema);
        assert_eq!(of(json!({"type": "string", "enum": ["a", "b"]})), "\"a\" | \"b\"");
        assert_eq!(
            of(json!({"x-kubernetes-int-or-string": true, "pattern": "x"})),
            "int | string"
        );
        assert_eq!(of(json!({"type": "array", "items": {"type": "string"}})), "[...string]");
        assert_eq!(
            of(json!({"type": "object", "additionalProperties": {"type": "string"}})),
            "[string]: string"
        );
        assert_eq!(
            of(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})),
            "{...}"
        );
        let nested = json!({
            "type": "object", "required": ["port"],
            "properties": {"for": {"type": "string", "description": "How\nlong."}, "port": {"type": "integer"}},
        });
        assert_eq!(
            of(nested),
            "{\n\tport: int\n\t// +usage=How long.\n\t\"for\"?: string\n}"
        );
    }
}
