//! What Logtail is told: one configuration for each source of lines.

use mooring_provider::spec::{Format, Log, Selector, Source};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// A configuration and its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) body: Json,
}

/// A text as a regular expression that only it matches.
fn exactly(text: &str) -> String {
    let mut regex = String::from("^");
    for c in text.chars() {
        if !c.is_alphanumeric() && !"_/ ".contains(c) {
            regex.push('\\');
        }
        regex.push(c);
    }
    regex.push('$');
    regex
}

fn labels(selector: &Selector) -> Json {
    selector
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), Json::String(exactly(value))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The configurations of a store. The name says the whole of it, so that one that is there under its name is as it
/// should be, and one that changed is another.
pub(super) fn configs(spec: &Log, store: &str, region: &str, endpoint: &str) -> Vec<Config> {
    spec.sources
        .iter()
        .map(|source| {
            let (kind, detail) = match source {
                Source::Stdout => ("plugin", stdout(spec)),
                Source::File(path) => ("file", file(spec, path)),
            };
            let output = json!({"logstoreName": store, "region": region, "endpoint": endpoint});
            let mut body = json!({
                "inputType": kind, "inputDetail": detail, "outputType": "LogService", "outputDetail": output,
            });
            let hash = Sha256::digest(body.to_string());
            let name = format!("{store}-{}", hex::encode(&hash[..6]));
            body["configName"] = name.as_str().into();
            Config { name, body }
        })
        .collect()
}

fn stdout(spec: &Log) -> Json {
    let input = json!({"type": "service_docker_stdout", "detail": {
        "Stdout": true, "Stderr": true, "K8sNamespaceRegex": exactly(&spec.selector.namespace),
        "IncludeK8sLabel": labels(&spec.selector),
    }});
    let processors = match spec.format {
        Format::Text => json!([]),
        Format::Json => json!([{"type": "processor_json", "detail": {
            "SourceKey": "content", "KeepSource": false, "ExpandDepth": 1, "ExpandConnector": "",
        }}]),
    };
    json!({"plugin": {"inputs": [input], "processors": processors}})
}

fn file(spec: &Log, path: &str) -> Json {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let mut detail = json!({
        "logPath": if folder.is_empty() { "/" } else { folder }, "filePattern": file, "dockerFile": true,
        "maxDepth": 0, "fileEncoding": "utf8", "topicFormat": "none", "localStorage": true,
        "advanced": {"k8s": {
            "K8sNamespaceRegex": exactly(&spec.selector.namespace), "IncludeK8sLabel": labels(&spec.selector),
        }},
    });
    match spec.format {
        Format::Json => detail["logType"] = "json_log".into(),
        Format::Text => {
            detail["logType"] = "common_reg_log".into();
            detail["logBeginRegex"] = ".*".into();
            detail["regex"] = "(.*)".into();
            detail["key"] = json!(["content"]);
        }
    }
    detail
}

/// The index over whole lines; without one nothing can be found.
pub(super) fn index() -> Json {
    let tokens = ",'\";=()[]{}?@&<>/:\n\t\r "
        .chars()
        .map(String::from)
        .collect::<Vec<_>>();
    json!({"line": {"token": tokens, "caseSensitive": false, "chn": false}})
}
