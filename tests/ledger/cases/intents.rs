//! Intents: of many who want to create, one may.

use std::{slice::from_ref, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use mooring::ledger::{Ledger, Memory, Record, Standing};
use mooring_provider::{ExternalId, Permission};
use serde_json::json;

use super::{at, full, granted_of_sixteen, identity, intent, memory, record};

pub(crate) async fn of_many_who_create_one_is_granted(ledger: Arc<dyn Ledger>) {
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(0, at(0)), at(-60)).await,
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
        granted_of_sixteen(from_ref(&ledger), intent(0, at(0)), at(-60)).await,
        1
    );
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(0, at(90)), at(30)).await,
        1
    );
    assert_eq!(memory(&ledger, "a").await.intent, Some(intent(0, at(90))));
}

pub(crate) async fn a_young_intent_is_not_taken_over(ledger: Arc<dyn Ledger>) {
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(0, at(0)), at(-60)).await,
        1
    );
    // As old as the limit is not older than it.
    assert_eq!(granted_of_sixteen(from_ref(&ledger), intent(0, at(60)), at(0)).await, 0);
    assert_eq!(granted_of_sixteen(from_ref(&ledger), intent(1, at(60)), at(0)).await, 0);
    assert_eq!(memory(&ledger, "a").await.intent, Some(intent(0, at(0))));
}

pub(crate) async fn what_was_made_is_not_made_again(ledger: Arc<dyn Ledger>) {
    let id = ExternalId::new("rm-1");
    ledger.creating(&record("a"), &intent(0, at(0)), at(-60)).await.unwrap();
    ledger
        .concluded(&identity("a"), &intent(0, at(0)), Some(&id))
        .await
        .unwrap();
    let made = memory(&ledger, "a").await;
    assert_eq!(
        made,
        Memory {
            external_id: Some(id.clone()),
            ..Memory::default()
        }
    );
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(0, at(900)), at(800)).await,
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
    // Somebody who was late concludes an intent that is not the one written down.
    ledger
        .concluded(&identity("a"), &intent(0, at(-90)), None)
        .await
        .unwrap();
    assert_eq!(memory(&ledger, "a").await.intent, Some(intent(0, at(0))));
    ledger.concluded(&identity("a"), &intent(0, at(0)), None).await.unwrap();
    assert_eq!(memory(&ledger, "a").await, Memory::default());
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(0, at(1)), at(-60)).await,
        1
    );
}

pub(crate) async fn what_another_has_seen_since_is_not_missing(ledger: Arc<dyn Ledger>) {
    let seen = Record {
        memory: Memory {
            external_id: Some(ExternalId::new("rm-1")),
            ..Memory::default()
        },
        ..record("a")
    };
    let mut missed = seen.clone();
    missed.memory.missing_since = Some(at(1));
    let again = async |known: &Record| ledger.creating(known, &intent(1, at(900)), at(800)).await.unwrap();
    ledger.put(&missed).await.unwrap();
    ledger.put(&seen).await.unwrap();
    // Who read the record before that sighting still misses it, and writes so late.
    ledger.put(&missed).await.unwrap();
    assert_eq!(memory(&ledger, "a").await, seen.memory);
    assert_eq!(again(&missed).await, Permission::Settling);
    // Who knows of it may miss it anew.
    let late = missed.clone();
    missed.sightings = ledger.get(&identity("a")).await.unwrap().unwrap().sightings;
    ledger.put(&missed).await.unwrap();
    assert_eq!(memory(&ledger, "a").await, missed.memory);
    assert_eq!(again(&late).await, Permission::Settling);
    assert_eq!(again(&missed).await, Permission::Granted);
}

pub(crate) async fn a_conclusion_of_another_incarnation_changes_nothing(ledger: Arc<dyn Ledger>) {
    let id = ExternalId::new("late");
    ledger
        .concluded(&identity("a"), &intent(0, at(0)), Some(&id))
        .await
        .unwrap();
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
            ledger
                .concluded(&identity("a"), &intent(incarnation, at(0)), made)
                .await
                .unwrap();
            assert_eq!(memory(&ledger, "a").await, before);
        }
    }
}

pub(crate) async fn a_new_incarnation_starts_with_a_clean_memory(ledger: Arc<dyn Ledger>) {
    ledger.put(&full("a")).await.unwrap();
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(4, at(0)), at(-60)).await,
        1
    );
    let begun = Memory {
        incarnation: 4,
        intent: Some(intent(4, at(0))),
        ..Memory::default()
    };
    assert_eq!(memory(&ledger, "a").await, begun);
    let id = ExternalId::new("rm-2");
    ledger
        .concluded(&identity("a"), &intent(4, at(0)), Some(&id))
        .await
        .unwrap();
    let expected = Memory {
        incarnation: 4,
        external_id: Some(id.clone()),
        ..Memory::default()
    };
    assert_eq!(memory(&ledger, "a").await, expected);
    // Once more, by the same incarnation: what was learned since stays, but that it was missed.
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
    ledger
        .concluded(&identity("a"), &intent(4, at(0)), Some(&id))
        .await
        .unwrap();
    let seen = Memory {
        missing_since: None,
        ..learned
    };
    assert_eq!(memory(&ledger, "a").await, seen);
}

pub(crate) async fn a_lower_incarnation_is_not_granted(ledger: Arc<dyn Ledger>) {
    ledger.put(&full("a")).await.unwrap();
    for incarnation in 0..=3 {
        assert_eq!(
            granted_of_sixteen(from_ref(&ledger), intent(incarnation, at(0)), at(-60)).await,
            0
        );
    }
    // Nor one that is lower than an intent, however old that is.
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(5, at(0)), at(-60)).await,
        1
    );
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(4, at(900)), at(800)).await,
        0
    );
    assert_eq!(
        granted_of_sixteen(from_ref(&ledger), intent(5, at(900)), at(800)).await,
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
        ledger.concluded(&identity("a"), &intent(0, at(0)), None).await.unwrap();
    }
    assert_eq!(ledger.prune(Timestamp::MAX).await.unwrap(), 0);
    // Gone once more, it is gone since then, not since the first time.
    let gone = Record {
        standing: Standing::Gone,
        ..record.clone()
    };
    ledger.put(&gone).await.unwrap();
    let between = Timestamp::now();
    ledger.creating(&record, &intent(0, at(0)), at(-60)).await.unwrap();
    ledger.concluded(&identity("a"), &intent(0, at(0)), None).await.unwrap();
    ledger.put(&gone).await.unwrap();
    assert_eq!(ledger.prune(between).await.unwrap(), 0);
    assert_eq!(
        ledger
            .prune(Timestamp::now() + SignedDuration::from_hours(1))
            .await
            .unwrap(),
        1
    );
}
