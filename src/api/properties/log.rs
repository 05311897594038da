use mooring_provider::{
    Span,
    spec::{Format, Source},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Consume, Provide};

/// A store for the component's log lines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Log {
    /// How long lines are kept. By default 30d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Span>,
    /// Where lines come from: `stdout`, `file:/absolute/path`. By default stdout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "sources")]
    pub sources: Option<Vec<Source>>,
    /// How lines are to be read. By default text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The application pushes lines itself and gets credentials. By default no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<bool>,
    /// How the component uses it.
    #[serde(flatten)]
    pub consume: Consume,
    /// How it is provided.
    #[serde(flatten)]
    pub provide: Provide,
}

fn sources(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 16,
        "items": { "type": "string", "maxLength": 253, "pattern": "^(stdout|file:/.+)$" },
    })
}
