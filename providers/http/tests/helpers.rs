//! Retrying, caching and redacting.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use mooring_provider::{Error, ErrorKind};
use mooring_provider_http::{Cached, Redactor, retry};
use secrecy::SecretString;

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "t.call", "it failed")
}

#[tokio::test(start_paused = true)]
async fn only_what_is_idempotent_and_was_not_answered_is_sent_again() {
    for (idempotent, kind, sent) in [
        (true, ErrorKind::Unavailable, 3),
        (false, ErrorKind::Unavailable, 1),
        (true, ErrorKind::Throttled, 1),
        (true, ErrorKind::Unexpected, 1),
        (true, ErrorKind::Busy, 1),
    ] {
        let calls = AtomicU32::new(0);
        let result: Result<(), _> = retry(idempotent, async |attempt| {
            assert_eq!(calls.fetch_add(1, Ordering::Relaxed), attempt);
            Err(error(kind))
        })
        .await;
        assert_eq!(result.expect_err("it fails").kind(), kind);
        assert_eq!(calls.into_inner(), sent, "{idempotent} {kind:?}");
    }
    let answer = retry(true, async |attempt| match attempt {
        0 => Err(error(ErrorKind::Unavailable)),
        _ => Ok(attempt),
    })
    .await;
    assert_eq!(answer.expect("the second is answered"), 1);
}

#[tokio::test]
async fn of_many_who_need_a_token_one_fetches_it() {
    let cached = Cached::new(Duration::from_secs(60));
    let (now, fetched) = (Timestamp::UNIX_EPOCH, AtomicU32::new(0));
    let ask = |now: Timestamp, lasts: i64| {
        let (cached, fetched) = (&cached, &fetched);
        async move {
            cached
                .get(now, async || {
                    tokio::task::yield_now().await;
                    let nth = fetched.fetch_add(1, Ordering::Relaxed);
                    Ok((nth, now + SignedDuration::from_secs(lasts)))
                })
                .await
        }
    };
    let all = futures::future::join_all((0..20).map(|_| ask(now, 100))).await;
    assert!(all.iter().all(|one| matches!(one, Ok(0))), "{all:?}");
    let later = now + SignedDuration::from_secs(41);
    assert_eq!(
        ask(later, 100).await.expect("a token"),
        1,
        "it is renewed before its end"
    );
    cached.forget().await;
    assert_eq!(ask(later, 100).await.expect("a token"), 2, "it was refused");
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_serves_to_its_end() {
    let cached = Cached::new(Duration::from_secs(60));
    let start = Timestamp::UNIX_EPOCH;
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    cached
        .get(start, async || Ok(("first", at(100))))
        .await
        .expect("a token");
    let refused = async || Err(error(ErrorKind::Unavailable));
    assert_eq!(cached.get(at(99), refused).await.expect("it still serves"), "first");
    cached.get(at(101), refused).await.expect_err("it has ended");
}

#[test]
fn secrets_are_taken_out_in_every_form() {
    let secret = SecretString::from("p@ss/w rd".to_owned());
    let redactor = Redactor::new([&secret]);
    let text = "plain p@ss/w rd,\n once p%40ss%2Fw%20rd, twice p%2540ss%252Fw%2520rd";
    assert_eq!(redactor.message(text), "plain ***, once ***, twice ***");
    assert!(redactor.message(&"x".repeat(10_000)).chars().count() <= 401);
    assert!(!format!("{redactor:?}").contains("p@ss"));
    let short = SecretString::from("a".to_owned());
    assert_eq!(Redactor::new([&short]).message("a banana"), "a banana");
}
