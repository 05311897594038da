//! What each portable figure is in PromQL.

use std::collections::BTreeMap;

use mooring_provider::{
    Kind, Owner,
    spec::{Alarm, Metric, Target},
};

/// What the usual exporters give: the expression and what it means here. `sum` of nothing is nothing, so `or` takes
/// whichever exporter knows the database: that of a PostgreSQL of many, of a MariaDB of many, where the logins of a
/// database end in its identity, or that of a server which has this database alone and whose exporter is scraped under
/// the database's id.
const USUAL: [(&str, &str, &str, &str); 8] = [
    (
        "rds",
        "connections",
        r#"sum(pg_stat_database_numbackends{datname="{name}"}) or sum(mysql_info_schema_processlist_processes_by_user{mysql_user=~".+_{identity}"}) or max(mysql_global_status_threads_connected{instance="{id}"})"#,
        "connections of the database (postgres_exporter) or of its users (mysqld_exporter with \
         --collect.info_schema.processlist); of a server of its own, where the label `instance` of its exporter is its id",
    ),
    (
        "rds",
        "connections%",
        r#"100 * sum(pg_stat_database_numbackends{datname="{name}"}) / sum(pg_database_connection_limit{datname="{name}"} > 0) or max(100 * mysql_info_schema_processlist_processes_by_user{mysql_user=~".+_{identity}"} / on(instance, mysql_user) (mysql_mysql_max_user_connections{mysql_user=~".+_{identity}"} > 0)) or 100 * max(mysql_global_status_threads_connected{instance="{id}"}) / max(mysql_global_variables_max_connections{instance="{id}"})"#,
        "connections in percent of what the database admits (postgres_exporter), or the fullest of its users \
         (mysqld_exporter with --collect.info_schema.processlist and --collect.mysql.user); of a server of its own, where \
         the label `instance` of its exporter is its id",
    ),
    (
        "rds",
        "storage",
        r#"sum(pg_database_size_bytes{datname="{name}"}) or sum(mysql_info_schema_table_size{schema="{name}"}) or sum(mysql_info_schema_table_size{instance="{id}"})"#,
        "bytes of the database (postgres_exporter, or mysqld_exporter with --collect.info_schema.tables); of a server of \
         its own, where the label `instance` of its exporter is its id",
    ),
    (
        "slb",
        "connections",
        r#"sum(caddy_http_requests_in_flight{server=~"{id}-[0-9]+"})"#,
        "requests that Caddy is serving, not connections (Caddy with metrics)",
    ),
    (
        "slb",
        "5xx",
        r#"sum(rate(caddy_http_request_duration_seconds_count{server=~"{id}-[0-9]+",code=~"5.."}[5m]))"#,
        "answers per second over 5 minutes (Caddy with metrics)",
    ),
    (
        "self",
        "restarts",
        r#"sum(increase(kube_pod_container_status_restarts_total{namespace="{namespace}",pod=~"{component}-.+"}[15m]))"#,
        "restarts in the last 15 minutes (kube-state-metrics)",
    ),
    (
        "self",
        "notReady",
        r#"sum(kube_pod_status_ready{namespace="{namespace}",pod=~"{component}-.+",condition="false"})"#,
        "pods that are not ready (kube-state-metrics)",
    ),
    (
        "self",
        "notReady%",
        r#"100 * avg(kube_pod_status_ready{namespace="{namespace}",pod=~"{component}-.+",condition="false"})"#,
        "pods that are not ready, in percent (kube-state-metrics)",
    ),
];

const METRICS: [Metric; 7] = [
    Metric::Connections,
    Metric::Storage,
    Metric::Cpu,
    Metric::UnhealthyBackends,
    Metric::ServerErrors,
    Metric::Restarts,
    Metric::NotReady,
];

/// Whether there is such a figure.
pub(crate) fn is_figure(of: &str, figure: &str) -> bool {
    let metric = figure.strip_suffix('%').unwrap_or(figure);
    let kind = of.parse::<Kind>().ok();
    (of == "self" || kind.is_some()) && METRICS.iter().any(|is| is.as_str() == metric && is.fits(kind))
}

/// A figure: what is watched, and its name.
pub(super) struct Figure {
    of: &'static str,
    name: String,
    id: String,
}

impl Figure {
    /// What an alarm watches.
    pub(super) fn of(alarm: &Alarm) -> Self {
        let percent = if alarm.threshold.percent { "%" } else { "" };
        let (of, id) = match &alarm.target {
            Target::Own => ("self", ""),
            Target::Resource { kind, id } => (kind.as_str(), id.as_str()),
        };
        Self {
            of,
            name: format!("{}{percent}", alarm.metric.as_str()),
            id: id.to_owned(),
        }
    }

    /// Where the configuration may say what it is.
    pub(super) fn field(&self) -> String {
        format!("spec.onprem.monitor.expressions.{}.\"{}\"", self.of, self.name)
    }

    /// What it means here; `None` when it cannot be had.
    pub(super) fn meaning(&self, own: &BTreeMap<String, BTreeMap<String, String>>) -> Option<String> {
        match own.get(self.of).and_then(|figures| figures.get(&self.name)) {
            Some(expression) => Some(format!("{expression} (as the operator defines it)")),
            None => self.usual().map(|(_, meaning)| meaning.to_owned()),
        }
        .map(|meaning| format!("{} of {}: {meaning}", self.name, self.of))
    }

    /// It as PromQL, for a component; `None` when it cannot be had.
    pub(super) fn expression(&self, own: &BTreeMap<String, BTreeMap<String, String>>, owner: &Owner) -> Option<String> {
        let own = own.get(self.of).and_then(|figures| figures.get(&self.name));
        let template = own
            .map(String::as_str)
            .or_else(|| self.usual().map(|(expression, _)| expression))?;
        let name = self.id.rsplit('/').next().unwrap_or_default();
        let values = [
            ("{id}", self.id.as_str()),
            ("{name}", name),
            ("{identity}", identity(name)),
            ("{namespace}", &owner.key.namespace),
            ("{component}", &owner.key.component),
        ];
        Some(fill(template, &values))
    }

    fn usual(&self) -> Option<(&'static str, &'static str)> {
        let found = USUAL.iter().find(|(of, name, ..)| *of == self.of && *name == self.name);
        found.map(|(_, _, expression, meaning)| (*expression, *meaning))
    }
}

/// What the name of a database of many, and those of its logins, end in. The number of an incarnation follows it.
fn identity(name: &str) -> &str {
    let number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    match name.rsplit_once('_') {
        Some((head, tail)) if number(tail) => identity(head),
        Some((_, tail)) => tail,
        None => name,
    }
}

/// Puts values in their places, once: a value that looks like a place stays as it is. Within the quotes of PromQL a
/// value cannot end them.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((at, (place, value))) = values
        .iter()
        .filter_map(|it| rest.find(it.0).map(|at| (at, it)))
        .min_by_key(|(at, _)| *at)
    {
        filled.push_str(&rest[..at]);
        filled.push_str(&value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n"));
        rest = &rest[at + place.len()..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_figure_is_one() {
        assert!(USUAL.iter().all(|(of, name, ..)| is_figure(of, name)));
        for (of, name) in [
            ("rds", "5xx"),
            ("self", "cpu"),
            ("vpc", "cpu"),
            ("disk", "storage"),
            ("rds", "cpu%%"),
        ] {
            assert!(!is_figure(of, name), "{of} {name}");
        }
    }

    #[test]
    fn the_identity_of_a_database_is_in_its_name() {
        for name in ["shop_web_rds_k3x9", "shop_web_rds_k3x9_1"] {
            assert_eq!(identity(name), "k3x9");
        }
        assert_eq!(identity("8f14e45f-ceea"), "8f14e45f-ceea");
    }

    #[test]
    fn a_value_ends_no_quotes_and_is_not_filled_again() {
        let filled = fill(
            r#"a{x="{id}",y="{name}"}"#,
            &[("{id}", r#"{name}"} or b{"#), ("{name}", "n")],
        );
        assert_eq!(filled, r#"a{x="{name}\"} or b{",y="n"}"#);
    }
}
