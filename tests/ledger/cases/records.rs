//! Records: what is put is got, and nothing is undone.

use std::sync::Arc;

use mooring::ledger::{Filter, Ledger, Memory, Record, Standing};
use mooring_provider::{ClusterId, ExternalId, Key, Kind};
use serde_json::json;

use super::{at, entry, full, identity, intent, memory, record, sixteen};

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
    moved.sightings = 1;
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

pub(crate) async fn what_is_being_deleted_may_forget_that_it_was_ready(ledger: Arc<dyn Ledger>) {
    let mut unaware = record("a");
    unaware.memory.incarnation = 3;
    ledger
        .put(&Record {
            standing: Standing::Deleting,
            ..full("a")
        })
        .await
        .unwrap();
    ledger.put(&unaware).await.unwrap();
    let kept = memory(&ledger, "a").await;
    assert!(
        !kept.was_ready,
        "it was given up on purpose, and its absence is no loss"
    );
    assert_eq!(kept.external_id, Some(ExternalId::new("rm-1")));
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
