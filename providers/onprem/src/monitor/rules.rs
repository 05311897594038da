//! The rule file of one application's resource: how it is written, and what is read back from it.

use std::collections::BTreeMap;

use mooring_provider::{
    Owner,
    spec::{Alarm, Monitor, Severity, Target},
};
use serde::Serialize;
use serde_json::json;

use super::figure::Figure;
use crate::{api::digest, config::Prometheus};

/// The line that says whose a file is.
const OWNER: &str = "# mooring.dev/owner: ";
/// The line that says which rules these are.
const REVISION: &str = "# mooring.dev/revision: ";
/// The annotation of each rule with the same.
pub(super) const REVISION_ANNOTATION: &str = "mooring_revision";
/// The annotation of each rule that says whose it is.
pub(super) const OWNER_ANNOTATION: &str = "mooring_owner";

#[derive(Serialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    lasting: String,
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
}

/// A rule file.
pub(super) struct RuleFile {
    /// Its text.
    pub(super) text: String,
    /// Every expression in it.
    pub(super) expressions: Vec<String>,
}

/// The rule file of a declaration. Alarms whose figure cannot be had are left out: such a declaration is not valid.
pub(super) fn render(id: &str, owner: &Owner, spec: &Monitor, config: &Prometheus) -> RuleFile {
    let rule = |alarm| {
        let expression = expression(alarm, owner, config)?;
        Some((alarm, expression))
    };
    let rules: Vec<(&Alarm, String)> = spec.alarms.iter().filter_map(rule).collect();
    let revision = digest(&json!([rules, owner, spec.common.tags]).to_string());
    let expressions = rules.iter().map(|(_, expression)| expression.clone()).collect();
    let rules: Vec<_> = rules
        .into_iter()
        .map(|(alarm, expr)| Rule {
            alert: alarm.name.clone(),
            expr,
            lasting: format!("{}ms", alarm.lasting.get().as_millis()),
            labels: labels(owner, alarm),
            annotations: annotations(owner, alarm, &revision),
        })
        .collect();
    // A group without a rule is nothing that Prometheus would show.
    let groups = if rules.is_empty() {
        Vec::new()
    } else {
        vec![Group {
            name: id.to_owned(),
            rules,
        }]
    };
    let body = serde_saphyr::to_string(&File { groups }).unwrap_or_else(|error| format!("# {error}\n"));
    let owner = serde_json::to_string(owner).unwrap_or_default();
    let tags = serde_json::to_string(&spec.common.tags).unwrap_or_default();
    RuleFile {
        text: format!(
            "# Written by Mooring; what is changed here is changed back.\n{OWNER}{owner}\n# tags: {tags}\n{REVISION}{revision}\n{body}"
        ),
        expressions,
    }
}

fn expression(alarm: &Alarm, owner: &Owner, config: &Prometheus) -> Option<String> {
    let figure = Figure::of(alarm).expression(&config.expressions, owner)?;
    let sign = if alarm.threshold.above { '>' } else { '<' };
    // In brackets: `or` binds less than a comparison.
    Some(format!("({figure}) {sign} {}", alarm.threshold.value))
}

fn labels(owner: &Owner, alarm: &Alarm) -> BTreeMap<&'static str, String> {
    let severity = match alarm.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let mut labels = BTreeMap::from([
        ("severity", severity.to_owned()),
        ("namespace", owner.key.namespace.clone()),
        ("application", owner.key.application.clone()),
        ("component", owner.key.component.clone()),
    ]);
    if !alarm.notify.is_empty() {
        labels.insert("contact_group", alarm.notify.join(","));
    }
    labels
}

fn annotations(owner: &Owner, alarm: &Alarm, revision: &str) -> BTreeMap<&'static str, String> {
    let of = match &alarm.target {
        Target::Own => "its own pods".to_owned(),
        Target::Resource { kind, id } => format!("{kind} {id}"),
    };
    let threshold = alarm.threshold;
    let (sign, percent) = (
        if threshold.above { "above" } else { "below" },
        if threshold.percent { "%" } else { "" },
    );
    let summary = format!(
        "{} of {of} is {sign} {}{percent} for {}, for {}",
        alarm.metric.as_str(),
        threshold.value,
        alarm.lasting,
        owner.key
    );
    BTreeMap::from([
        ("summary", summary),
        (OWNER_ANNOTATION, serde_json::to_string(owner).unwrap_or_default()),
        (REVISION_ANNOTATION, revision.to_owned()),
    ])
}

/// What a text that is read by a template of Prometheus must not have.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// The owner that a file names.
pub(super) fn owner(text: &str) -> Option<Owner> {
    serde_json::from_str(line(text, OWNER)?).ok()
}

/// Which rules a file has; `None` when it has none, or none of ours.
pub(super) fn revision(text: &str) -> Option<&str> {
    line(text, REVISION).filter(|_| !text.contains("\ngroups: []"))
}

fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines()
        .take_while(|line| line.starts_with('#'))
        .find_map(|line| line.strip_prefix(start))
}

/// The file for `file_sd_configs`: the component's Service.
pub(super) fn targets(owner: &Owner, spec: &Monitor) -> Option<String> {
    let scrape = spec.scrape.as_ref()?;
    let key = &owner.key;
    let targets = json!([{
        "targets": [format!("{}.{}.svc:{}", key.component, spec.selector.namespace, scrape.port)],
        "labels": {
            "__metrics_path__": scrape.path,
            "namespace": key.namespace,
            "application": key.application,
            "component": key.component,
            "__meta_mooring_owner": serde_json::to_string(owner).unwrap_or_default(),
        },
    }]);
    Some(targets.to_string())
}
