//! Alarms: what is refused, what they mean, and whose they are.

use mooring_provider::{
    ErrorKind, Kind,
    conformance::{Life, Subject, Wish},
};
use mooring_simulator_aliyun::{ACCOUNT, Fault, Kind as Thing, Planned};
use serde_json::{Value as Json, json};

use crate::kit::{self, Simulated, owner};

fn subject() -> Simulated {
    Simulated::new(Kind::Monitor, |_| ())
}

fn alarm(change: impl FnOnce(&mut Json)) -> Json {
    let mut spec = kit::spec(Kind::Monitor);
    change(&mut spec["alarms"][0]);
    spec
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_watched_is_refused_by_its_field() {
    let subject = subject();
    let on = |kind: &str, id: &str| json!({"resource": {"kind": kind, "id": id}});
    for (spec, kind, words) in [
        (
            alarm(|a| (a["target"], a["metric"]) = (json!("own"), json!("restarts"))),
            ErrorKind::Unsupported,
            "restarts",
        ),
        (
            alarm(|a| a["threshold"]["percent"] = json!(false)),
            ErrorKind::Unsupported,
            "write the threshold as such as 80%",
        ),
        (
            alarm(|a| (a["target"], a["metric"]) = (on("slb", "nlb-1"), json!("5xx"))),
            ErrorKind::Unsupported,
            "sees no HTTP",
        ),
        (
            alarm(|a| a["target"] = on("slb", "nlb-1")),
            ErrorKind::Unsupported,
            "no percent",
        ),
        (
            alarm(|a| a["metric"] = json!("5xx")),
            ErrorKind::Unsupported,
            "cannot be watched on `rds`",
        ),
        (
            alarm(|a| a["notify"] = json!([])),
            ErrorKind::InvalidSpec,
            "alarms.connections.notify",
        ),
        (
            alarm(|a| a["for"] = json!("10s")),
            ErrorKind::InvalidSpec,
            "alarms.connections.for: `10s`",
        ),
        (
            alarm(|a| a["threshold"]["value"] = json!(101.0)),
            ErrorKind::InvalidSpec,
            "alarms.connections.threshold: `101`",
        ),
        (
            alarm(|a| a["name"] = json!("backends")),
            ErrorKind::InvalidSpec,
            "`backends` is used twice",
        ),
        (
            {
                let mut spec = kit::spec(Kind::Monitor);
                spec["alarms"] = json!([]);
                spec
            },
            ErrorKind::InvalidSpec,
            "write 1 to 20",
        ),
        (
            {
                let mut spec = kit::spec(Kind::Monitor);
                spec["common"]["options"] = json!({"silence": "1s"});
                spec
            },
            ErrorKind::InvalidSpec,
            "options.silence: `1s`",
        ),
    ] {
        let error = subject.adapter.validate(&spec).expect_err(words);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    let mut spec = kit::spec(Kind::Monitor);
    spec["scrape"] = json!({"port": 9090, "path": "/metrics"});
    let notes = subject.adapter.notes(&spec).expect("the spec is good");
    assert!(notes.iter().any(|note| note.contains("scrape")), "{notes:?}");
}

/// What stands in the rules is what people were promised.
#[tokio::test(start_paused = true)]
async fn a_rule_says_what_the_alarm_does() {
    let subject = subject();
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("watched"));
    life.spec = kit::spec(Kind::Monitor);
    life.spec["common"]["options"] = json!({"silence": "1h"});
    life.until(Wish::Present).await.expect("it comes up");
    let id = life.claim.id.clone().expect("it has an id");
    let rule = |place: usize| {
        let rule = subject.cloud.get(Thing::Rule, &format!("{ACCOUNT}/{id}-{place}"));
        Json::Object(rule.expect("it is there").attrs)
    };
    let first = rule(0);
    let is = |member: &str| {
        first[member]
            .as_str()
            .map_or_else(|| first[member].to_string(), str::to_owned)
    };
    for (member, value) in [
        ("Namespace", "acs_rds_dashboard"),
        ("MetricName", "ConnectionUsage"),
        ("Resources", r#"[{"instanceId":"rm-1"}]"#),
        ("ContactGroups", "shop"),
        ("Period", "60"),
        ("SilenceTime", "3600"),
    ] {
        assert_eq!(is(member), value, "{member}");
    }
    let warn = &first["Escalations"]["Warn"];
    assert_eq!(warn["Threshold"], "80");
    assert_eq!(warn["ComparisonOperator"], "GreaterThanThreshold");
    assert_eq!(warn["Times"].to_string().trim_matches('"'), "5");
    let second = rule(1);
    assert_eq!(second["Namespace"], "acs_nlb");
    // Two hours in steps of five minutes.
    assert_eq!(
        second["Escalations"]["Critical"]["Times"].to_string().trim_matches('"'),
        "24"
    );
    let label = |key: &str| {
        let labels = first["Labels"].as_array().expect("it has some");
        labels
            .iter()
            .find(|label| label["Key"] == key)
            .map(|label| label["Value"].clone())
    };
    assert_eq!(label("mooring_dev_key"), Some(json!("team-a/shop/web/trait")));
    assert_eq!(label("cost_center"), Some(json!("c42")));
}

/// A muted alarm stays muted, and one that somebody deleted comes back.
#[tokio::test(start_paused = true)]
async fn muting_is_nobodys_drift() {
    let subject = subject();
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("muted"));
    life.until(Wish::Present).await.expect("it comes up");
    let id = life.claim.id.clone().expect("it has an id");
    let key = format!("{ACCOUNT}/{id}-0");
    assert!(subject.cloud.change(Thing::Rule, &key, |rule| {
        rule.attrs["EnableState"] = json!(false);
    }));
    let before = subject.cloud.count("Cms", "PutResourceMetricRule");
    life.until(Wish::Present).await.expect("it is well");
    assert_eq!(subject.cloud.count("Cms", "PutResourceMetricRule"), before);
    assert!(subject.cloud.destroy(Thing::Rule, &key));
    life.until(Wish::Present).await.expect("it is mended");
    assert_eq!(
        subject.cloud.count("Cms", "PutResourceMetricRule"),
        before + 1,
        "the other is not told again"
    );
    assert!(subject.cloud.get(Thing::Rule, &key).is_some());
}

/// Who is to be told has to be there; nothing else is touched meanwhile.
#[tokio::test(start_paused = true)]
async fn a_missing_group_of_contacts_is_named() {
    let subject = subject();
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("lonely"));
    life.spec = alarm(|alarm| alarm["notify"] = json!(["nobody"]));
    let error = life.step(Wish::Present).await.expect_err("there is no such group");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(
        error.message().contains("nobody") && error.message().contains("groups of contacts"),
        "{error}"
    );
}

/// That a list cannot be had does not say that it is empty.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_absence() {
    let subject = subject();
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("refused"));
    life.until(Wish::Present).await.expect("it comes up");
    let refused = Fault::Refused {
        status: 404,
        code: "ResourceNotFound".into(),
    };
    subject
        .cloud
        .fail(Planned::action("Cms", "DescribeMetricRuleList", refused));
    life.step(Wish::Absent)
        .await
        .expect_err("a list that cannot be read is not empty");
    assert_eq!(subject.existing(&life.claim.owner).await.len(), 1);
    life.until(Wish::Absent).await.expect("it goes");
}
