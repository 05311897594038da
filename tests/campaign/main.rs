//! The fault campaign: the engine against the mock cloud, for many seeds, with everything going wrong that can.
//!
//! Each seed is a story: an application is declared, then partly parked or withdrawn and declared again; meanwhile
//! calls fail before and after their effect, are throttled, arrive late; new resources cannot be seen for a while;
//! the process is dropped at any await, two processes run at once, the ledger or the cluster's own memory is lost;
//! resources are destroyed behind our back and a stranger uses our names. Then all goes well for a while, and a
//! checker looks at what there is.
//!
//! `MOORING_SEEDS` sets how many seeds are tried (10,000 by default), `MOORING_SEED` names one to be told in full.

mod broken;
mod check;
mod front;
mod process;
mod story;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use broken::Broken;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

#[test]
fn every_promise_is_kept_for_every_seed() {
    if let Some(seed) = number("MOORING_SEED") {
        story::tell(seed, Broken::Nothing, true).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        return;
    }
    let seeds = number("MOORING_SEEDS").unwrap_or(10_000);
    let next = AtomicU64::new(0);
    let (stories, failures) = thread::scope(|scope| {
        let threads: Vec<_> = (0..thread::available_parallelism().map_or(2, usize::from))
            .map(|_| {
                scope.spawn(|| {
                    let (mut sum, mut failures) = (story::Tally::default(), Vec::new());
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds || failures.len() > 20 {
                            return (sum, failures);
                        }
                        match story::tell(seed, Broken::Nothing, false) {
                            Ok(tally) => sum = sum + tally,
                            Err(broken) => failures.push(format!("MOORING_SEED={seed}: {broken}")),
                        }
                    }
                })
            })
            .collect();
        let mut all = (story::Tally::default(), Vec::new());
        for thread in threads {
            let (sum, failures) = thread.join().expect("a story's thread does not panic");
            all.0 = all.0 + sum;
            all.1.extend(failures);
        }
        all
    });
    println!("{seeds} seeds: {stories:?}");
    assert!(
        failures.is_empty(),
        "{} promises broken:\n{}",
        failures.len(),
        failures.join("\n")
    );
    // A campaign in which nothing went wrong would prove nothing.
    assert!(
        seeds < 100 || (stories.kills > 0 && stories.faults > 0 && stories.lost_memories > 0),
        "{stories:?}"
    );
}

/// The checker can fail: with one safeguard taken out, some story breaks the promise that it is for. Others may end badly
/// in other ways.
fn is_caught(broken: Broken, sign: &str) {
    let seeds = 400;
    let mut told = (0..seeds).filter_map(|seed| story::tell(seed, broken, false).err());
    assert!(
        told.any(|told| told.contains(sign)),
        "{broken:?} broke no {sign} within {seeds} seeds"
    );
}

#[test]
fn without_the_journal_it_is_caught() {
    is_caught(Broken::Journal, "promise 2");
}

#[test]
fn without_the_token_it_is_caught() {
    is_caught(Broken::Token, "promise 2");
}

#[test]
fn without_the_grace_period_it_is_caught() {
    is_caught(Broken::Grace, "promise 2");
}

#[test]
fn without_the_order_it_is_caught() {
    is_caught(Broken::Order, "promise 5");
}

#[test]
fn without_the_owner_tags_it_is_caught() {
    is_caught(Broken::Owner, "promise 3");
}

#[test]
fn without_knowing_that_it_was_ready_it_is_caught() {
    is_caught(Broken::Loss, "promise 2");
}
