//! Constants, audit, accounts, approvals, and what goes in time.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mooring::{
    engine::{Clock, Engine},
    ledger::{Filter, Ledger, Record, Standing},
};
use mooring_provider::{ClusterId, Kind};

use super::{at, entry, identity, intent, record, sixteen};

pub(crate) async fn a_constant_is_made_once(ledger: Arc<dyn Ledger>) {
    assert_eq!(ledger.constant("id", "first").await.unwrap(), "first");
    assert_eq!(ledger.constant("id", "second").await.unwrap(), "first");
    assert_eq!(ledger.constant("key", "second").await.unwrap(), "second");
}

pub(crate) async fn of_many_who_propose_a_constant_all_get_the_same(ledger: Arc<dyn Ledger>) {
    let answers = sixteen(|number| {
        let ledger = ledger.clone();
        async move { ledger.constant("id", &format!("proposal {number}")).await.unwrap() }
    })
    .await;
    let different: BTreeSet<_> = answers.iter().collect();
    assert_eq!(different.len(), 1, "{different:?}");
    assert_eq!(ledger.constant("id", "late").await.unwrap(), answers[0]);
}

pub(crate) async fn deletions_count_each_identity_once(ledger: Arc<dyn Ledger>) {
    let mut other_kind = entry("d", "delete", "ok", at(10));
    other_kind.kind = Kind::Slb;
    let mut other_environment = entry("e", "delete", "ok", at(10));
    other_environment.environment = "staging".into();
    for entry in [
        entry("a", "delete", "ok", at(10)),
        entry("a", "delete", "ok", at(20)),
        entry("b", "delete", "ok", at(10)),
        entry("early", "delete", "ok", at(9)),
        entry("c", "delete", "Throttled", at(10)),
        entry("c", "update", "ok", at(10)),
        other_kind,
        other_environment,
    ] {
        ledger.audit(&entry).await.unwrap();
    }
    assert_eq!(ledger.deletions("production", Kind::Rds, at(10)).await.unwrap(), 2);
    assert_eq!(ledger.deletions("production", Kind::Rds, at(20)).await.unwrap(), 1);
    assert_eq!(ledger.deletions("production", Kind::Rds, at(21)).await.unwrap(), 0);
    assert_eq!(ledger.deletions("staging", Kind::Rds, at(0)).await.unwrap(), 1);
}

pub(crate) async fn audits_come_latest_first(ledger: Arc<dyn Ledger>) {
    let mut bare = entry("a", "update", "ok", at(2));
    (bare.external_id, bare.request_id) = (None, None);
    let entries = [
        entry("a", "create", "ok", at(1)),
        entry("b", "create", "ok", at(3)),
        bare,
        entry("a", "delete", "ok", at(2)),
    ];
    for entry in &entries {
        ledger.audit(entry).await.unwrap();
    }
    let [first, other, second, third] = entries;
    let everything = [other, third.clone(), second.clone(), first];
    assert_eq!(ledger.audits(None, at(0), 10).await.unwrap(), everything);
    assert_eq!(ledger.audits(None, at(0), 2).await.unwrap(), everything[..2]);
    assert_eq!(
        ledger.audits(Some(&identity("a")), at(2), 10).await.unwrap(),
        [third, second]
    );
    assert_eq!(ledger.audits(Some(&identity("c")), at(0), 10).await.unwrap(), []);
}

pub(crate) async fn of_what_was_done_long_ago_the_last_entries_stay(ledger: Arc<dyn Ledger>) {
    for minute in 0..6 {
        ledger.audit(&entry("a", "update", "ok", at(minute))).await.unwrap();
    }
    // Two in one moment: the one that was written later counts as later.
    ledger.audit(&entry("b", "create", "ok", at(0))).await.unwrap();
    ledger.audit(&entry("b", "update", "ok", at(0))).await.unwrap();
    ledger.audit(&entry("c", "create", "ok", at(0))).await.unwrap();
    let left = async |id: &str| -> Vec<_> {
        let entries = ledger.audits(Some(&identity(id)), at(0), 100).await.unwrap();
        entries.into_iter().map(|entry| (entry.action, entry.at)).collect()
    };
    ledger.trim_audit(at(0), 1).await.unwrap();
    assert_eq!(left("a").await.len(), 6, "nothing is older than that");
    ledger.trim_audit(at(4), 1).await.unwrap();
    let update = |minute| ("update".to_owned(), at(minute));
    assert_eq!(left("a").await, [update(5), update(4)]);
    assert_eq!(left("b").await, [update(0)]);
    assert_eq!(left("c").await.len(), 1, "the last of each stays, however old");
    ledger.trim_audit(at(100), 2).await.unwrap();
    assert_eq!(left("a").await, [update(5), update(4)]);
}

pub(crate) async fn what_was_told_is_kept_by_account(ledger: Arc<dyn Ledger>) {
    let (a, b) = (identity("a"), identity("b"));
    for (identity, account, hash) in [
        (&a, "owner", Some("1")),
        (&a, "reader", Some("2")),
        (&b, "owner", Some("3")),
        (&a, "owner", Some("4")),
    ] {
        ledger.tell(identity, account, hash).await.unwrap();
    }
    let told = ledger.told(&a).await.unwrap();
    assert_eq!(
        told,
        [("owner", "4"), ("reader", "2")]
            .map(|(name, hash)| (name.into(), hash.into()))
            .into()
    );
    for _ in 0..2 {
        ledger.tell(&a, "reader", None).await.unwrap();
    }
    assert_eq!(
        ledger.told(&a).await.unwrap().into_keys().collect::<Vec<_>>(),
        ["owner"]
    );
    assert_eq!(ledger.told(&b).await.unwrap().len(), 1);
    assert!(ledger.told(&identity("c")).await.unwrap().is_empty());
}

pub(crate) async fn an_approval_holds_until_it_is_used(ledger: Arc<dyn Ledger>) {
    let (a, b) = (identity("a"), identity("b"));
    for action in ["recreate", "delete", "recreate"] {
        ledger.approve(&a, action, "sre", at(0)).await.unwrap();
    }
    ledger.approve(&b, "recreate", "sre", at(0)).await.unwrap();
    assert_eq!(ledger.approvals(&a).await.unwrap(), ["delete", "recreate"]);
    for _ in 0..2 {
        ledger.used(&a, "recreate").await.unwrap();
    }
    assert_eq!(ledger.approvals(&a).await.unwrap(), ["delete"]);
    assert_eq!(ledger.approvals(&b).await.unwrap(), ["recreate"]);
}

pub(crate) async fn prune_takes_what_is_gone_and_nothing_else(ledger: Arc<dyn Ledger>) {
    let before_all = Timestamp::now() - SignedDuration::from_hours(1);
    for standing in Standing::ALL {
        let id = standing.as_str();
        ledger.put(&Record { standing, ..record(id) }).await.unwrap();
        ledger.audit(&entry(id, "update", "ok", at(0))).await.unwrap();
        ledger.tell(&identity(id), "owner", Some("1")).await.unwrap();
        ledger.approve(&identity(id), "delete", "sre", at(0)).await.unwrap();
    }
    assert_eq!(ledger.prune(before_all).await.unwrap(), 0);
    assert_eq!(
        ledger
            .list(&Filter {
                gone: true,
                ..Filter::default()
            })
            .await
            .unwrap()
            .len(),
        6
    );
    let after_all = Timestamp::now() + SignedDuration::from_hours(1);
    assert_eq!(ledger.prune(after_all).await.unwrap(), 1);
    assert_eq!(ledger.prune(after_all).await.unwrap(), 0);
    for standing in Standing::ALL {
        let (id, kept) = (identity(standing.as_str()), usize::from(standing != Standing::Gone));
        assert_eq!(
            usize::from(ledger.get(&id).await.unwrap().is_some()),
            kept,
            "{standing:?}"
        );
        assert_eq!(
            ledger.audits(Some(&id), at(0), 9).await.unwrap().len(),
            kept,
            "{standing:?}"
        );
        assert_eq!(ledger.told(&id).await.unwrap().len(), kept, "{standing:?}");
        assert_eq!(ledger.approvals(&id).await.unwrap().len(), kept, "{standing:?}");
    }
}

pub(crate) async fn prune_spares_a_young_intent(ledger: Arc<dyn Ledger>) {
    let now = Timestamp::now();
    let (hour, gone) = (
        SignedDuration::from_hours(1),
        Record {
            standing: Standing::Gone,
            ..record("a")
        },
    );
    ledger
        .creating(&record("a"), &intent(0, now + hour * 2), now)
        .await
        .unwrap();
    ledger.put(&gone).await.unwrap();
    assert_eq!(ledger.prune(now + hour).await.unwrap(), 0);
    assert_eq!(ledger.prune(now + hour * 3).await.unwrap(), 1);
}

/// A clock that stands so many days after today.
#[derive(Debug)]
struct After(i64);

impl Clock for After {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(24 * self.0)
    }
}

pub(crate) async fn what_is_gone_is_forgotten_after_ninety_days_and_the_rest_never(ledger: Arc<dyn Ledger>) {
    for standing in Standing::ALL {
        let id = standing.as_str();
        ledger.put(&Record { standing, ..record(id) }).await.unwrap();
    }
    let forgotten = async |days: i64| {
        let clock = Arc::new(After(days));
        let cluster = ClusterId::new("cluster");
        let engine = Engine::new(ledger.clone(), clock, Vec::new(), cluster, "test".into()).await;
        engine.unwrap().forget_gone().await.unwrap()
    };
    assert_eq!((forgotten(0).await, forgotten(89).await), (0, 0));
    assert_eq!((forgotten(91).await, forgotten(91).await), (1, 0));
    assert_eq!(forgotten(10_000).await, 0, "what is owned or kept is never forgotten");
    for standing in Standing::ALL {
        let found = ledger.get(&identity(standing.as_str())).await.unwrap();
        assert_eq!(found.is_some(), standing != Standing::Gone, "{standing:?}");
    }
}
