//! Traits that make no sense, each with what is said of it.

use super::*;

/// One bad trait; what is said of it: the field, and words that must occur.
#[test]
fn every_bad_trait_is_one_clear_problem() {
    let rds = json!({"type": "rds", "properties": {"engine": "mysql"}});
    let slb = |listeners: Json| json!({"type": "slb", "properties": {"listeners": listeners}});
    let alarm = |alarm: Json| json!({"type": "monitor", "properties": {"alarms": [alarm]}});
    let bind = |properties: Json| json!({"type": "bind", "properties": properties});
    let cases = [
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "highAvailabilty": true}}),
            "highAvailabilty",
            "did you mean `highAvailability`",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "colour": "red"}}),
            "colour",
            "there are access, as, backup",
        ),
        (
            json!({"type": "rds"}),
            "engine",
            "is missing; it is one of mysql, postgresql",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysqll"}}),
            "engine",
            "must be one of mysql",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "version": 8.0}}),
            "version",
            "in quotes: \"8.0\"",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "storage": "lots"}}),
            "storage",
            "`lots`",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "storage": null}}),
            "storage",
            "has no value",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "highAvailability": "yes"}}),
            "highAvailability",
            "must be true or false",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "backup": {"retention": "7 days"}}}),
            "backup.retention",
            "7 days",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "as": "D B"}}),
            "as",
            "`D B`",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "env": {"1X": "{host}"}}}),
            "env.1X",
            "no name of an environment variable",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "options": {"aliyn": {}}}}),
            "options.aliyn",
            "did you mean `aliyun`",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "name": "DB"}}),
            "name",
            "DNS label",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "name": "a".repeat(60)}}),
            "name",
            "more than 63 characters",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "name": 7}}),
            "name",
            "must be a text",
        ),
        (
            json!({"type": "rds", "properties": "mysql"}),
            "properties",
            "must be an object",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "overrides": [{"when": {"region": "x"}, "properties": {"sise": "large"}}]}}),
            "overrides[0].properties.sise",
            "did you mean `size`",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "overrides": [{"when": {}, "properties": {}}]}}),
            "overrides[0].when",
            "name an environment",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql", "overrides": [{"when": {"region": "x"}, "properties": {"existing": {"id": "rm"}}}]}}),
            "overrides[0].properties.existing",
            "cannot be set here",
        ),
        (
            json!({"type": "rds", "properties": {"engine": "mysql"}, "name": "db"}),
            "name",
            "`type` and `properties` only",
        ),
        (slb(json!([])), "listeners", "at least 1"),
        (slb(json!([{"port": 0}])), "listeners[0].port", "from 1 to 65535"),
        (
            slb(json!([{"port": 80, "protocol": "http"}, {"port": 80}])),
            "listeners[1].port",
            "has a listener already",
        ),
        (
            slb(json!([{"port": 443, "protocol": "https"}])),
            "listeners[0].certificate",
            "https needs one",
        ),
        (
            slb(json!([{"port": 443, "certificate": "c"}])),
            "listeners[0].certificate",
            "`protocol: https` only",
        ),
        (
            slb(json!([{"port": 1, "healthCheck": {"path": "/"}}])),
            "listeners[0].healthCheck.path",
            "http and https only",
        ),
        (
            json!({"type": "slb", "properties": {"listeners": [{"port": 80}], "allowFrom": ["10.0.0.1/8"]}}),
            "allowFrom[0]",
            "write 10.0.0.0/8",
        ),
        (
            json!({"type": "vpc", "properties": {"cidr": "10.0.0.0/16"}}),
            "cidr",
            "add `network: dedicated`",
        ),
        (json!({"type": "vpc", "properties": {"as": "NET"}}), "as", "remove `as`"),
        (
            json!({"type": "log", "properties": {"sources": ["file:relative"]}}),
            "sources[0]",
            "file:relative",
        ),
        (
            alarm(json!({"of": "rds", "metric": "connections"})),
            "alarms[0].above",
            "is missing",
        ),
        (
            alarm(json!({"of": "self", "metric": "restarts", "above": 1, "below": 2})),
            "alarms[0].below",
            "beside `above`",
        ),
        (
            alarm(json!({"of": "self", "metric": "restarts", "above": "80%"})),
            "alarms[0].above",
            "write a number",
        ),
        (
            alarm(json!({"of": "self", "metric": "restarts", "above": "lots"})),
            "alarms[0].above",
            "`lots`",
        ),
        (
            alarm(json!({"of": "self", "metric": "restarts", "above": 0.5})),
            "alarms[0].above",
            "in quotes",
        ),
        (
            alarm(json!({"of": "redis", "metric": "cpu", "above": "80%"})),
            "alarms[0].of",
            "declares no `web/redis`",
        ),
        (
            alarm(json!({"of": "report/rdss", "metric": "cpu", "above": "80%"})),
            "alarms[0].of",
            "did you mean `report/rds`",
        ),
        (
            alarm(json!({"of": "report/rds", "metric": "5xx", "above": 1})),
            "alarms[0].metric",
            "connections, storage, cpu",
        ),
        (
            alarm(json!({"of": "self", "metric": "cpu", "above": "80%"})),
            "alarms[0].metric",
            "restarts, notReady",
        ),
        (bind(json!({"to": "report/db"})), "to", "declares no `report/db`"),
        (bind(json!({"to": "reprot/rds"})), "to", "did you mean `report/rds`"),
        (bind(json!({"to": "web/bind"})), "to", "this bind itself"),
        (bind(json!({"to": "rds"})), "to", "`component/trait`"),
        (
            bind(json!({"to": "report/log", "access": "readonly"})),
            "access",
            "has no accounts",
        ),
    ];
    for (item, field, words) in cases {
        let report = json!([rds, {"type": "log"}]);
        let declared = with_traits(json!([item]), report);
        let shown: Vec<_> = declared.problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 1, "{item}: {shown:?}");
        let problem = &declared.problems[0];
        assert_eq!(problem.component.as_deref(), Some("web"), "{problem}");
        assert!(problem.trait_name.is_some(), "{problem}");
        assert_eq!(problem.field, field, "{problem}");
        assert!(shown[0].contains(words), "{words}: {problem}");
        assert_eq!(
            names(&declared),
            ["report/rds", "report/log"],
            "one bad trait hides no other: {problem}"
        );
    }
}

#[test]
fn all_problems_of_a_trait_are_said_at_once() {
    let declared = with_traits(
        json!([{"type": "rds", "properties": {"engine": "oracle", "storag": "20Gi", "tls": "maybe"}}]),
        json!([]),
    );
    let fields: Vec<_> = declared.problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["engine", "storag", "tls"]);
}
