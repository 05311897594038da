//! What is done with what an application got, where the servers are real.

use std::collections::BTreeSet;

use mooring_test_servers::{Loki, Prometheus, http, loki};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _};

use crate::{
    place::{Got, Variables},
    shop::Backends,
};

/// More sessions than 80 percent of the ten that each database admits.
const MANY: usize = 9;

/// Logs in with what a component got.
async fn session(variables: &Variables) -> MySqlConnection {
    let uri = &variables["DB_URI"];
    for part in ["DB_HOST", "DB_PORT", "DB_USERNAME", "DB_DATABASE"] {
        assert!(uri.contains(&variables[part]), "{part} is not in the URI");
    }
    let session = MySqlConnection::connect(uri).await;
    session.unwrap_or_else(|error| panic!("{}: {error}", variables["DB_HOST"]))
}

async fn does(on: &mut MySqlConnection, sql: &str) -> sqlx::Result<Vec<String>> {
    let rows = on.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The one component makes a table, and the other reads it. Whether that can write too.
pub(crate) async fn both_log_in(got: &Got) -> bool {
    let (mut web, mut report) = (session(&got.web).await, session(&got.report).await);
    assert_ne!(got.web["DB_USERNAME"], got.report["DB_USERNAME"]);
    let make = "CREATE TABLE orders (line VARCHAR(20)); INSERT INTO orders VALUES ('one')";
    does(&mut web, make).await.expect("the owner may");
    let read = does(&mut report, "SELECT line FROM orders").await;
    assert_eq!(read.expect("a reader may"), ["one"]);
    does(&mut report, "INSERT INTO orders VALUES ('two')").await.is_ok()
}

/// Requests to the balancer reach both processes.
pub(crate) async fn requests_are_balanced(got: &Got, backends: &Backends) {
    let (uri, before) = (format!("{}/", got.web["LB_URI"]), backends.asked());
    assert!(
        uri.contains(&got.web["LB_HOST"]) && uri.contains(&got.web["LB_PORT"]),
        "{uri}"
    );
    let mut answers = BTreeSet::new();
    http::until("both processes answer", || {
        let answer = http::try_ask("GET", &uri, &[], "");
        answers.extend(answer.filter(|answer| answer.status == 200).map(|answer| answer.body));
        answers == BTreeSet::from(["blue".to_owned(), "red".to_owned()])
    })
    .await;
    assert!(backends.asked() > before);
}

/// A line that a collector sends is read back, from this tenant and from no other.
pub(crate) fn lines_arrive(got: &Got, loki: &Loki) {
    let (tenant, line) = (&got.web["LOG_PROJECT"], format!("a line of {}", got.web["LOG_STORE"]));
    let sent = loki::push(&got.web["LOG_ENDPOINT"], &[("x-scope-orgid", tenant)], &line);
    assert_eq!((sent, loki::lines(&loki.url, tenant)), (204, vec![line]));
}

/// With this many sessions the alarm rings. The sessions are answered.
pub(crate) async fn an_alarm_rings(got: &Got, prometheus: &Prometheus) -> Vec<MySqlConnection> {
    assert!(prometheus.alerts().is_empty(), "it rings before there is a reason");
    let mut held = Vec::new();
    for _ in 0..MANY {
        held.push(session(&got.web).await);
    }
    http::until("the alarm is in Alertmanager", || !prometheus.alerts().is_empty()).await;
    let alert = prometheus.alerts().remove(0);
    let labels = &alert["labels"];
    for (label, value) in [
        ("namespace", got.namespace.as_str()),
        ("application", "shop"),
        ("component", "web"),
    ] {
        assert_eq!(labels[label], value, "{labels}");
    }
    held
}

/// Neither rules nor targets nor an alarm are left.
pub(crate) async fn no_alarm_is_left(prometheus: &Prometheus) {
    assert!(prometheus.groups().is_empty(), "{:?}", prometheus.groups());
    for directory in [prometheus.rules(), prometheus.targets()] {
        assert_eq!(std::fs::read_dir(directory).expect("it is there").count(), 0);
    }
    http::until("the alarm is resolved", || prometheus.alerts().is_empty()).await;
}

/// The tenant is nobody's any more, and Loki was asked to delete its lines, which it does when it comes to it.
pub(crate) fn no_tenant_is_left(got: &Got, loki: &Loki, registry: &std::path::Path) {
    let tenant = &got.web["LOG_PROJECT"];
    let names = std::fs::read_dir(registry).expect("it is there").flatten();
    for name in names.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        assert!(!name.ends_with(".tenant.json"), "{name}");
    }
    assert!(loki::deletions(&loki.url, tenant).contains("request_id"));
}

/// Nobody listens there any more.
pub(crate) async fn nobody_listens(got: &Got) {
    let uri = format!("{}/", got.web["LB_URI"]);
    http::until("the balancer is gone", || http::try_ask("GET", &uri, &[], "").is_none()).await;
}

/// What a program says on success.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}
