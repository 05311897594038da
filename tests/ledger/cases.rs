//! What every ledger does, whatever it is made of.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use mooring::ledger::{Audit, Filter, Intent, Ledger, Memory, Record, Standing};
use mooring_provider::{ClusterId, ExternalId, Identity, Key, Kind, Owner, Permission};
use serde_json::json;

pub(crate) fn identity(text: &str) -> Identity {
    Identity::new(text)
}

/// That many seconds after a fixed time; with nanoseconds, so that a ledger that drops some is seen.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + seconds, 123_456_789).expect("a time in range")
}

pub(crate) fn record(id: &str) -> Record {
    Record {
        owner: Owner {
            cluster: ClusterId::new("cluster"),
            identity: identity(id),
            key: Key::new("team-a", "shop", "web", "rds"),
        },
        kind: Kind::Rds,
        provider: "mock".into(),
        environment: "default".into(),
        name: format!("shop-web-rds-{id}"),
        existing: false,
        standing: Standing::Live,
        reason: None,
        keep_until: None,
        endpoint: None,
        memory: Memory::default(),
    }
}

fn full(id: &str) -> Record {
    Record {
        existing: true,
        standing: Standing::Parked,
        reason: Some("deletionPolicy: Recycle".into()),
        keep_until: Some(at(600)),
        endpoint: Some("10.0.0.1:3306".into()),
        memory: Memory {
            incarnation: 3,
            external_id: Some(ExternalId::new("rm-1")),
            intent: None,
            was_ready: true,
            missing_since: Some(at(5)),
            applied: Some(json!({"storage": "20Gi", "listeners": [{"port": 80}]})),
        },
        ..record(id)
    }
}

pub(crate) fn intent(incarnation: u32, since: Timestamp) -> Intent {
    Intent {
        incarnation,
        spec_hash: "h".into(),
        since,
    }
}

fn entry(id: &str, action: &str, outcome: &str, when: Timestamp) -> Audit {
    Audit {
        at: when,
        actor: "pod-1".into(),
        action: action.into(),
        identity: identity(id),
        kind: Kind::Rds,
        environment: "production".into(),
        external_id: Some(ExternalId::new("rm-1")),
        request_id: Some("r-1".into()),
        outcome: outcome.into(),
        detail: "storage 20Gi to 40Gi".into(),
    }
}

async fn memory(ledger: &Arc<dyn Ledger>, id: &str) -> Memory {
    ledger.get(&identity(id)).await.unwrap().expect("the record").memory
}

/// Runs the same call from sixteen tasks at once.
pub(crate) async fn sixteen<T, F>(call: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(16));
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (barrier, call) = (barrier.clone(), call(number));
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("the call does not panic"));
    }
    answers
}

pub(crate) async fn granted_of_sixteen(ledgers: &[Arc<dyn Ledger>], intent: Intent, stale: Timestamp) -> usize {
    let answers = sixteen(|number| {
        let (ledger, intent) = (ledgers[number % ledgers.len()].clone(), intent.clone());
        async move { ledger.creating(&record("a"), &intent, stale).await.unwrap() }
    })
    .await;
    answers
        .into_iter()
        .filter(|permission| *permission == Permission::Granted)
        .count()
}

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

pub(crate) async fn what_is_put_is_got(ledger: Arc<dyn Ledger>) {
    assert_eq!(ledger.get(&identity("a")).await.unwrap(), None);
    let standings = Standing::ALL.map(|standing| Record {
        standing,
        ..record(standing.as_str())
    });
    let kinds = Kind::ALL.map(|kind| Record {
        kind,
        ..record(kind.as_str())
    });
    for record in standings.into_iter().chain(kinds).chain([full("full"), record("bare")]) {
        ledger.put(&record).await.unwrap();
        assert_eq!(ledger.get(&record.owner.identity).await.unwrap(), Some(record.clone()));
        ledger.put(&record).await.unwrap();
        assert_eq!(ledger.get(&record.owner.identity).await.unwrap(), Some(record));
    }
    let mut moved = full("full");
    moved.owner.key = Key::new("team-b", "other", "db", "main");
    moved.owner.cluster = ClusterId::new("other");
    moved.provider = "aliyun".into();
    moved.environment = "production".into();
    moved.name = "renamed".into();
    moved.existing = false;
    (moved.standing, moved.reason, moved.keep_until, moved.endpoint) = (Standing::Live, None, None, None);
    (moved.memory.missing_since, moved.memory.applied) = (None, None);
    ledger.put(&moved).await.unwrap();
    assert_eq!(ledger.get(&identity("full")).await.unwrap(), Some(moved));
}

pub(crate) async fn the_records_of_a_key_come_latest_first(ledger: Arc<dyn Ledger>) {
    for (id, standing) in [("b", Standing::Parked), ("c", Standing::Gone), ("a", Standing::Live)] {
        ledger.put(&Record { standing, ..record(id) }).await.unwrap();
    }
    let mut elsewhere = record("d");
    elsewhere.owner.key.namespace = "team-b".into();
    ledger.put(&elsewhere).await.unwrap();
    let mut foreign = record("e");
    foreign.owner.cluster = ClusterId::new("another");
    ledger.put(&foreign).await.unwrap();
    // Written again, an old one is still the older.
    ledger
        .put(&Record {
            standing: Standing::Parked,
            ..record("b")
        })
        .await
        .unwrap();
    let found = ledger
        .of_key(&ClusterId::new("cluster"), &record("a").owner.key)
        .await
        .unwrap();
    let ids: Vec<_> = found.iter().map(|record| record.owner.identity.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
}

async fn listed(ledger: &Arc<dyn Ledger>, filter: Filter) -> Vec<String> {
    let records = ledger.list(&filter).await.unwrap();
    records
        .into_iter()
        .map(|record| record.owner.identity.to_string())
        .collect()
}

pub(crate) async fn a_list_is_by_key_and_filtered(ledger: Arc<dyn Ledger>) {
    for (id, cluster, provider, namespace, application, standing) in [
        ("1", "c", "mock", "n2", "a", Standing::Live),
        ("2", "c", "mock", "n1", "b", Standing::Retained),
        ("3", "c", "other", "n1", "a", Standing::Live),
        ("4", "d", "mock", "n1", "a", Standing::Deleting),
        ("5", "c", "mock", "n1", "a", Standing::Gone),
    ] {
        let mut record = Record {
            provider: provider.into(),
            standing,
            ..record(id)
        };
        record.owner.cluster = ClusterId::new(cluster);
        record.owner.key = Key::new(namespace, application, "web", "rds");
        ledger.put(&record).await.unwrap();
    }
    let all = Filter::default();
    assert_eq!(listed(&ledger, all.clone()).await, ["3", "4", "2", "1"]);
    assert_eq!(
        listed(
            &ledger,
            Filter {
                gone: true,
                ..all.clone()
            }
        )
        .await,
        ["3", "4", "5", "2", "1"]
    );
    assert_eq!(
        listed(
            &ledger,
            Filter {
                cluster: Some(ClusterId::new("c")),
                ..all.clone()
            }
        )
        .await,
        ["3", "2", "1"]
    );
    assert_eq!(
        listed(
            &ledger,
            Filter {
                provider: Some("mock".into()),
                ..all.clone()
            }
        )
        .await,
        ["4", "2", "1"]
    );
    let narrow = Filter {
        namespace: Some("n1".into()),
        application: Some("a".into()),
        ..all
    };
    assert_eq!(listed(&ledger, narrow).await, ["3", "4"]);
}

pub(crate) async fn names_sort_by_their_bytes(ledger: Arc<dyn Ledger>) {
    let names = ["a", "Z", "a-b", "ab", "ä", "A"];
    for name in names {
        let mut record = record(name);
        record.owner.key.application = name.into();
        ledger.put(&record).await.unwrap();
    }
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(listed(&ledger, Filter::default()).await, sorted);
}

pub(crate) async fn of_many_who_create_one_is_granted(ledger: Arc<dyn Ledger>) {
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(0, at(0)), at(-60)).await,
        1
    );
    assert_eq!(ledger.get(&identity("a")).await.unwrap().unwrap(), {
        let mut expected = record("a");
        expected.memory.intent = Some(intent(0, at(0)));
        expected
    });
}

pub(crate) async fn a_stale_intent_is_taken_over_by_one(ledger: Arc<dyn Ledger>) {
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(0, at(0)), at(-60)).await,
        1
    );
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(0, at(90)), at(30)).await,
        1
    );
    assert_eq!(memory(&ledger, "a").await.intent, Some(intent(0, at(90))));
}

pub(crate) async fn a_young_intent_is_not_taken_over(ledger: Arc<dyn Ledger>) {
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(0, at(0)), at(-60)).await,
        1
    );
    // As old as the limit is not older than it.
    assert_eq!(granted_of_sixteen(&[ledger.clone()], intent(0, at(60)), at(0)).await, 0);
    assert_eq!(granted_of_sixteen(&[ledger.clone()], intent(1, at(60)), at(0)).await, 0);
    assert_eq!(memory(&ledger, "a").await.intent, Some(intent(0, at(0))));
}

pub(crate) async fn what_was_made_is_not_made_again(ledger: Arc<dyn Ledger>) {
    let id = ExternalId::new("rm-1");
    ledger.creating(&record("a"), &intent(0, at(0)), at(-60)).await.unwrap();
    ledger.concluded(&identity("a"), 0, Some(&id)).await.unwrap();
    let made = memory(&ledger, "a").await;
    assert_eq!(
        made,
        Memory {
            external_id: Some(id.clone()),
            ..Memory::default()
        }
    );
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(0, at(900)), at(800)).await,
        0
    );
    assert_eq!(memory(&ledger, "a").await, made);
    // Nor by somebody who knows so himself, in a ledger that does not.
    let mut known = record("b");
    known.memory.external_id = Some(id.clone());
    assert_eq!(
        ledger.creating(&known, &intent(0, at(0)), at(-60)).await.unwrap(),
        Permission::Settling
    );
    // What was ready was made, whether or not its id is known.
    let mut ready = record("c");
    ready.memory.was_ready = true;
    ledger.put(&ready).await.unwrap();
    assert_eq!(
        ledger.creating(&record("c"), &intent(0, at(0)), at(-60)).await.unwrap(),
        Permission::Settling
    );
    assert_eq!(
        ledger.creating(&record("c"), &intent(1, at(0)), at(-60)).await.unwrap(),
        Permission::Granted
    );
}

pub(crate) async fn what_made_nothing_may_be_tried_again(ledger: Arc<dyn Ledger>) {
    ledger.creating(&record("a"), &intent(0, at(0)), at(-60)).await.unwrap();
    ledger.concluded(&identity("a"), 0, None).await.unwrap();
    assert_eq!(memory(&ledger, "a").await, Memory::default());
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(0, at(1)), at(-60)).await,
        1
    );
}

pub(crate) async fn a_conclusion_of_another_incarnation_changes_nothing(ledger: Arc<dyn Ledger>) {
    let id = ExternalId::new("late");
    ledger.concluded(&identity("a"), 0, Some(&id)).await.unwrap();
    assert_eq!(ledger.get(&identity("a")).await.unwrap(), None);
    ledger.put(&full("a")).await.unwrap();
    assert_eq!(
        ledger.creating(&record("a"), &intent(4, at(0)), at(-60)).await.unwrap(),
        Permission::Granted
    );
    let before = memory(&ledger, "a").await;
    assert_eq!(before.intent, Some(intent(4, at(0))));
    for made in [None, Some(&id)] {
        for incarnation in [2, 3] {
            ledger.concluded(&identity("a"), incarnation, made).await.unwrap();
            assert_eq!(memory(&ledger, "a").await, before);
        }
    }
}

pub(crate) async fn a_new_incarnation_starts_with_a_clean_memory(ledger: Arc<dyn Ledger>) {
    ledger.put(&full("a")).await.unwrap();
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(4, at(0)), at(-60)).await,
        1
    );
    let id = ExternalId::new("rm-2");
    ledger.concluded(&identity("a"), 4, Some(&id)).await.unwrap();
    let expected = Memory {
        incarnation: 4,
        external_id: Some(id.clone()),
        ..Memory::default()
    };
    assert_eq!(memory(&ledger, "a").await, expected);
    // Once more, by the same incarnation: what was learned since stays.
    let learned = Memory {
        was_ready: true,
        applied: Some(json!(1)),
        missing_since: Some(at(1)),
        ..expected
    };
    ledger
        .put(&Record {
            memory: learned.clone(),
            ..record("a")
        })
        .await
        .unwrap();
    ledger.concluded(&identity("a"), 4, Some(&id)).await.unwrap();
    assert_eq!(memory(&ledger, "a").await, learned);
}

pub(crate) async fn a_lower_incarnation_is_not_granted(ledger: Arc<dyn Ledger>) {
    ledger.put(&full("a")).await.unwrap();
    for incarnation in 0..=3 {
        assert_eq!(
            granted_of_sixteen(&[ledger.clone()], intent(incarnation, at(0)), at(-60)).await,
            0
        );
    }
    // Nor one that is lower than an intent, however old that is.
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(5, at(0)), at(-60)).await,
        1
    );
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(4, at(900)), at(800)).await,
        0
    );
    assert_eq!(
        granted_of_sixteen(&[ledger.clone()], intent(5, at(900)), at(800)).await,
        1
    );
}

pub(crate) async fn a_creation_makes_what_is_gone_findable(ledger: Arc<dyn Ledger>) {
    let record = record("a");
    for (standing, expected) in [(Standing::Gone, Standing::Live), (Standing::Parked, Standing::Parked)] {
        ledger
            .put(&Record {
                standing,
                ..record.clone()
            })
            .await
            .unwrap();
        ledger.creating(&record, &intent(0, at(0)), at(-60)).await.unwrap();
        let found = ledger.of_key(&record.owner.cluster, &record.owner.key).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].standing, expected);
        ledger.concluded(&identity("a"), 0, None).await.unwrap();
    }
    assert_eq!(ledger.prune(Timestamp::MAX).await.unwrap(), 0);
}

pub(crate) async fn put_leaves_the_intent_alone(ledger: Arc<dyn Ledger>) {
    let mut claims = record("a");
    claims.memory.intent = Some(intent(7, at(0)));
    ledger.put(&claims).await.unwrap();
    assert_eq!(memory(&ledger, "a").await.intent, None);
    ledger.creating(&record("a"), &intent(0, at(0)), at(-60)).await.unwrap();
    for forgetful in [record("a"), claims, full("a")] {
        ledger.put(&forgetful).await.unwrap();
        assert_eq!(memory(&ledger, "a").await.intent, Some(intent(0, at(0))));
    }
}

pub(crate) async fn put_never_goes_back(ledger: Arc<dyn Ledger>) {
    ledger.put(&full("a")).await.unwrap();
    let mut old = record("a");
    old.memory.incarnation = 2;
    old.memory.external_id = Some(ExternalId::new("rm-0"));
    old.standing = Standing::Gone;
    ledger.put(&old).await.unwrap();
    assert_eq!(ledger.get(&identity("a")).await.unwrap(), Some(full("a")));
    let answers = sixteen(|number| {
        let (ledger, mut record) = (ledger.clone(), record("a"));
        record.memory.incarnation = number as u32;
        async move { ledger.put(&record).await }
    })
    .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(
        memory(&ledger, "a").await,
        Memory {
            incarnation: 15,
            ..Memory::default()
        }
    );
}

pub(crate) async fn put_does_not_forget_what_was_made(ledger: Arc<dyn Ledger>) {
    ledger.put(&full("a")).await.unwrap();
    let mut unaware = record("a");
    unaware.memory.incarnation = 3;
    ledger.put(&unaware).await.unwrap();
    let kept = memory(&ledger, "a").await;
    assert_eq!(kept.external_id, Some(ExternalId::new("rm-1")));
    assert!(kept.was_ready);
    assert_eq!((kept.missing_since, kept.applied), (None, None));
    unaware.memory.external_id = Some(ExternalId::new("rm-2"));
    ledger.put(&unaware).await.unwrap();
    assert_eq!(memory(&ledger, "a").await.external_id, Some(ExternalId::new("rm-2")));
    unaware.memory = Memory {
        incarnation: 4,
        ..Memory::default()
    };
    ledger.put(&unaware).await.unwrap();
    assert_eq!(memory(&ledger, "a").await, unaware.memory);
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

pub(crate) async fn text_is_kept_as_it_is(ledger: Arc<dyn Ledger>) {
    let awkward = "it's \"quoted\"; DROP TABLE resources; -- $1 ? \\ % \n \u{1F6A2} 中文";
    let mut record = full(awkward);
    record.reason = Some(awkward.into());
    record.memory.applied = Some(json!({ awkward: [awkward, null, 1.5, u64::MAX] }));
    record.memory.incarnation = u32::MAX;
    ledger.put(&record).await.unwrap();
    assert_eq!(ledger.get(&identity(awkward)).await.unwrap(), Some(record));
    let entry = entry(awkward, awkward, awkward, at(0));
    ledger.audit(&entry).await.unwrap();
    assert_eq!(
        ledger.audits(Some(&identity(awkward)), at(0), 1).await.unwrap(),
        [entry]
    );
}
