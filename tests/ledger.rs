//! One suite for every ledger, and what only a database can do wrong.

mod support;

#[path = "ledger/cases/mod.rs"]
mod cases;
#[path = "ledger/trouble.rs"]
mod trouble;

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use futures::FutureExt;
use mooring::ledger::{InMemory, Ledger, open};
use support::postgres::Postgres;

type Case = fn(Arc<dyn Ledger>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs every case in memory and on a SQLite file by itself; and lists them, so that those on PostgreSQL can share a
/// server.
macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        const CASES: &[(&str, Case)] = &[$((stringify!($case), |ledger| Box::pin(cases::$case(ledger)))),*];

        mod in_memory {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    cases::$case(Arc::new(InMemory::new())).await;
                }
            )*
        }

        mod on_sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let dir = tempfile::tempdir().expect("a temporary directory");
                    let url = format!("sqlite:{}", dir.path().join("ledger.db").display());
                    cases::$case(open(&url).await.expect("a new file")).await;
                }
            )*
        }
    };
}

suite! {
    a_constant_is_made_once,
    of_many_who_propose_a_constant_all_get_the_same,
    what_is_put_is_got,
    the_records_of_a_key_come_latest_first,
    a_list_is_by_key_and_filtered,
    names_sort_by_their_bytes,
    of_many_who_create_one_is_granted,
    a_stale_intent_is_taken_over_by_one,
    a_young_intent_is_not_taken_over,
    what_was_made_is_not_made_again,
    what_made_nothing_may_be_tried_again,
    what_another_has_seen_since_is_not_missing,
    a_conclusion_of_another_incarnation_changes_nothing,
    a_new_incarnation_starts_with_a_clean_memory,
    a_lower_incarnation_is_not_granted,
    a_creation_makes_what_is_gone_findable,
    put_leaves_the_intent_alone,
    put_never_goes_back,
    put_does_not_forget_what_was_made,
    what_is_being_deleted_may_forget_that_it_was_ready,
    deletions_count_each_identity_once,
    audits_come_latest_first,
    of_what_was_done_long_ago_the_last_entries_stay,
    what_was_told_is_kept_by_account,
    an_approval_holds_until_it_is_used,
    prune_takes_what_is_gone_and_nothing_else,
    prune_spares_a_young_intent,
    what_is_gone_is_forgotten_after_ninety_days_and_the_rest_never,
    text_is_kept_as_it_is,
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let postgres = Postgres::start();
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let url = postgres.database().await;
        let ledger = open(&url).await.expect("an empty database");
        if AssertUnwindSafe(case(ledger)).catch_unwind().await.is_err() {
            failed.push(*name);
        }
        postgres.discard(&url).await;
    }
    assert!(failed.is_empty(), "on PostgreSQL these cases failed: {failed:?}");
}
