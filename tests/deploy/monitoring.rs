//! The rules and the dashboard name metrics and labels that there are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::{object, read, rendered, story};

/// The values that a label is compared with.
type Comparison = (String, Vec<String>);

/// The metrics of an expression, each with what its labels are compared with.
fn selectors(expression: &str) -> Vec<(String, Vec<Comparison>)> {
    let pattern = regex::Regex::new(r"(mooring_[a-z_]+)(?:\{([^}]*)\})?").expect("a pattern");
    let label = regex::Regex::new(r#"([a-z_]+)\s*=~?\s*"([^"]*)""#).expect("a pattern");
    let all = pattern.captures_iter(expression);
    all.map(|found| {
        let labels = label.captures_iter(found.get(2).map_or("", |labels| labels.as_str()));
        let labels = labels.map(|one| (one[1].to_owned(), one[2].split('|').map(str::to_owned).collect()));
        (found[1].to_owned(), labels.collect())
    })
    .collect()
}

/// The labels that an expression sums by.
fn grouped(expression: &str) -> Vec<String> {
    let pattern = regex::Regex::new(r"by \(([^)]*)\)").expect("a pattern");
    let all = pattern.captures_iter(expression);
    all.flat_map(|found| found[1].split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn expressions() -> Vec<String> {
    let mut all = alerts();
    all.extend(panels());
    all
}

fn alerts() -> Vec<String> {
    let objects = rendered("deploy/monitoring");
    let rules = object(&objects, "PrometheusRule", "mooring");
    let mut all = Vec::new();
    for group in rules["spec"]["groups"].as_array().expect("groups") {
        for rule in group["rules"].as_array().expect("rules") {
            for field in ["summary", "description"] {
                assert!(
                    rule["annotations"][field].is_string(),
                    "{rule} says what it means and what to do"
                );
            }
            assert!(
                ["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap_or_default()),
                "{rule}"
            );
            all.push(rule["expr"].as_str().expect("an expression").to_owned());
        }
    }
    all
}

fn panels() -> Vec<String> {
    let mut all = Vec::new();
    let dashboard: Json = serde_json::from_str(&read("deploy/monitoring/dashboard.json")).expect("JSON");
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            all.push(target["expr"].as_str().expect("an expression").to_owned());
        }
    }
    all
}

/// What an exposition has: of each metric, its labels and their values.
fn exported(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut all = BTreeMap::<String, BTreeMap<_, BTreeSet<_>>>::new();
    let label = regex::Regex::new(r#"([a-z_]+)="([^"]*)""#).expect("a pattern");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name: String = line.chars().take_while(|c| !" {".contains(*c)).collect();
        let labels = all.entry(name).or_default();
        for found in label.captures_iter(line) {
            labels
                .entry(found[1].to_owned())
                .or_default()
                .insert(found[2].to_owned());
        }
    }
    all
}

#[test]
fn rules_and_dashboard_name_what_is_exported_and_leave_nothing_out() {
    let exported = exported(&story::told().metrics);
    let mut named = BTreeSet::new();
    for expression in expressions() {
        for (metric, labels) in selectors(&expression) {
            let has = exported
                .get(&metric)
                .unwrap_or_else(|| panic!("{expression}: {metric} is not exported: {exported:?}"));
            for (label, _) in &labels {
                assert!(
                    has.contains_key(label),
                    "{expression}: {metric} has no label {label}: {has:?}"
                );
            }
            for label in grouped(&expression) {
                assert!(
                    has.contains_key(&label),
                    "{expression}: {metric} has no label {label}: {has:?}"
                );
            }
            named.insert(metric);
        }
    }
    let ours: BTreeSet<_> = exported.into_keys().collect();
    assert_eq!(named, ours, "the dashboard shows every metric");
}

/// Whoever is called by an alert sees on the dashboard what it is about.
#[test]
fn what_an_alert_asks_for_has_a_panel() {
    let metrics = |expressions: Vec<String>| -> BTreeSet<String> {
        let all = expressions.iter().flat_map(|expression| selectors(expression));
        all.map(|(metric, _)| metric).collect()
    };
    let (alerts, panels) = (metrics(alerts()), metrics(panels()));
    assert!(alerts.contains("mooring_orphans"), "{alerts:?}");
    let missing: Vec<_> = alerts.difference(&panels).collect();
    assert!(missing.is_empty(), "{missing:?} are on no panel");
}

/// A value that a label never has is an alert that never fires.
#[test]
fn the_values_they_ask_for_are_words_of_the_code() {
    let code = read("src/operator/metrics.rs");
    for expression in expressions() {
        for (metric, labels) in selectors(&expression) {
            for value in labels.iter().flat_map(|(_, values)| values) {
                assert!(
                    code.contains(&format!("\"{value}\"")),
                    "{expression}: {metric} is never `{value}`"
                );
            }
        }
    }
}
