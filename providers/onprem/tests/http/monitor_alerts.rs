//! Alarms that ring: one is seen in Alertmanager and resolved when it is withdrawn; bad rules leave others in force.

use std::fs;

use mooring_provider::{
    ErrorKind, Kind,
    conformance::{Life, Subject, Wish},
};
use mooring_test_servers::Prometheus;
use serde_json::{Value as Json, json};

use crate::{
    http, kit,
    monitor_kit::{Alarms, config, spec},
};

/// What postgres_exporter says of a database that is used.
const METRICS: &str =
    "pg_stat_database_numbackends{datname=\"shop\"} 17\npg_stat_database_numbackends{datname=\"else\"} 1\n";

fn exporter() -> String {
    http::serve(|_| (200, METRICS.to_owned())).to_string()
}

fn names(prometheus: &Prometheus) -> Vec<String> {
    let groups = prometheus.groups().into_iter();
    groups
        .map(|group| group["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test]
async fn an_alarm_reaches_alertmanager_and_is_resolved_when_it_is_withdrawn() {
    let subject = Alarms::start(&exporter()).await;
    let prometheus = &subject.prometheus;
    let mut life = Life::new(&subject, subject.adapter(), http::claim("alarms").owner);
    life.until(Wish::Present).await.expect("it comes up");
    http::until("the alarm is in Alertmanager", || !prometheus.alerts().is_empty()).await;
    let alert = prometheus.alerts().remove(0);
    let labels = &alert["labels"];
    for (label, value) in [
        ("alertname", "many connections"),
        ("severity", "critical"),
        ("contact_group", "shop-oncall"),
        ("namespace", "team-a"),
        ("application", "shop"),
        ("component", "web"),
    ] {
        assert_eq!(labels[label], value, "{labels}");
    }
    assert_eq!(
        alert["annotations"]["summary"],
        "connections of rds pg1/shop is above 10 for 1s, for team-a/shop/web/alarms"
    );

    // Above what is now allowed it does not ring.
    life.spec["alarms"][0]["threshold"]["value"] = json!(17.0);
    life.until(Wish::Present).await.expect("it changes");
    http::until("the alarm is resolved", || prometheus.alerts().is_empty()).await;
    life.spec["alarms"][0]["threshold"]["value"] = json!(16.5);
    life.until(Wish::Present).await.expect("it changes back");
    http::until("the alarm rings again", || !prometheus.alerts().is_empty()).await;

    life.until(Wish::Absent).await.expect("it goes");
    assert_eq!(names(prometheus), [""; 0]);
    assert_eq!(fs::read_dir(prometheus.rules()).expect("it is there").count(), 0);
    http::until("the withdrawn alarm is resolved", || prometheus.alerts().is_empty()).await;
}

#[tokio::test]
async fn bad_rules_are_taken_back_and_the_others_stay_in_force() {
    let subject = Alarms::start(&exporter()).await;
    let (prometheus, adapter) = (&subject.prometheus, subject.adapter());
    let mut good = Life::new(&subject, subject.adapter(), http::claim("good").owner);
    good.until(Wish::Present).await.expect("it comes up");
    let before = names(prometheus);

    // What no check of ours lets pass, had it none.
    let mut bad = spec();
    bad["alarms"][0]["notify"] = json!(["{{ .NoSuchThing"]);
    let error = adapter.validate(&bad).expect_err("it is a template");
    assert!(error.message().contains("template"), "{error}");
    let error = adapter
        .create(&http::claim("bad"), &bad)
        .await
        .expect_err("Prometheus refuses it");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{error}");
    assert!(error.message().contains("were withdrawn"), "{error}");
    assert_eq!((names(prometheus), prometheus.reload()), (before.clone(), 200));
    assert_eq!(fs::read_dir(prometheus.rules()).expect("it is there").count(), 1);

    // An expression that is no PromQL never gets as far as a file.
    let mut config = config(prometheus, &prometheus.url);
    config["monitor"]["expressions"] = json!({"rds": {"connections": "sum(pg_stat_database_numbackends"}});
    let broken = kit::adapter(&config, Kind::Monitor);
    let error = broken
        .create(&http::claim("broken"), &spec())
        .await
        .expect_err("it is no PromQL");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    assert!(error.message().contains("cannot read `(sum(pg_stat"), "{error}");

    // Somebody else's file is bad: ours is not left beside it, and they are told apart.
    let theirs = prometheus.rules().join("theirs.yml");
    fs::write(&theirs, "groups: [{name: theirs, rules: [{alert: x, expr: '('}]}]").expect("there is room");
    let error = adapter
        .create(&http::claim("late"), &spec())
        .await
        .expect_err("Prometheus does not reload");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(fs::read_dir(prometheus.rules()).expect("it is there").count(), 2);
    assert_eq!(names(prometheus), before);
    let error = good.step(Wish::Absent).await.expect_err("Prometheus does not reload");
    assert!(error.message().contains("its log tells which file"), "{error}");
    fs::remove_file(theirs).expect("it is there");
    good.until(Wish::Absent).await.expect("it goes now");
    assert_eq!(names(prometheus), [""; 0]);
}

#[tokio::test]
async fn a_directory_that_prometheus_does_not_read_is_told() {
    let subject = Alarms::start(&exporter()).await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let mut config = config(&subject.prometheus, &subject.prometheus.url);
    config["monitor"]["rulesDirectory"] = json!(elsewhere.path());
    let adapter = kit::adapter(&config, Kind::Monitor);
    let error = adapter
        .create(&http::claim("lost"), &spec())
        .await
        .expect_err("nobody reads it");
    assert!(error.message().contains("`rule_files`"), "{error}");
}

#[test]
fn what_cannot_be_watched_is_said_with_the_field_that_mends_it() {
    let mut config = json!({"monitor": {"url": "http://127.0.0.1:1", "rulesDirectory": "/rules"}});
    let adapter = kit::adapter(&config, Kind::Monitor);
    let mut spec = spec();
    let error = adapter.validate(&spec).expect_err("there is nowhere to name targets");
    assert!(
        error.message().contains("spec.onprem.monitor.targetsDirectory"),
        "{error}"
    );
    spec["scrape"] = Json::Null;
    adapter.validate(&spec).expect("connections can be watched");
    let notes = adapter.notes(&spec).expect("it is a spec").join("\n");
    assert!(
        notes.contains("connections of rds: connections of the database") && notes.contains("contact_group"),
        "{notes}"
    );

    spec["alarms"][0]["metric"] = json!("cpu");
    let error = adapter
        .validate(&spec)
        .expect_err("nobody knows the processor use of one database");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.message().contains("spec.onprem.monitor.expressions.rds.\"cpu\""),
        "{error}"
    );
    config["monitor"]["expressions"] = json!({"rds": {"cpu": "avg(my_cpu{db=\"{name}\"})"}});
    kit::adapter(&config, Kind::Monitor)
        .validate(&spec)
        .expect("the operator knows");
}
