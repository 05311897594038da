//! The fault campaign: the engine against the mock cloud, for many seeds, with everything going wrong that can.
//!
//! Each seed is a story: an application is declared, then partly parked or withdrawn and declared again; meanwhile
//! calls fail before and after their effect, are throttled, arrive late; new resources cannot be seen for a while, and
//! those that are to go are missed while they are there; the process is dropped at any await, two processes run at
//! once, the ledger or the cluster's own memory is lost; resources are destroyed behind our back and a stranger uses
//! our names. Then all goes well for a while, and a checker looks at what there is.
//!
//! The same stories are told of Alibaba Cloud: the real adapters, whose signed requests go to the simulator in this
//! process, where each request of a call may fail, be answered by half a body, or arrive when nobody waits any more.
//!
//! `MOORING_SEEDS` sets how many seeds are tried (10,000 by default), `MOORING_SEED` names one to be told in full;
//! `MOORING_ALIBABA_SEEDS` (500) and `MOORING_ALIBABA_SEED` are those of Alibaba Cloud.

mod alibaba;
mod broken;
mod check;
mod cloud;
mod front;
mod mock;
mod process;
mod story;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use broken::Broken;
use story::Where;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

#[test]
fn every_promise_is_kept_for_every_seed() {
    campaign(Where::Mock, "MOORING_SEED", 10_000);
}

#[test]
fn every_promise_is_kept_on_alibaba_cloud() {
    campaign(Where::Alibaba, "MOORING_ALIBABA_SEED", 500);
}

/// Tells as many seeds as the variable in the plural says, or the one that it says in the singular, in full.
fn campaign(place: Where, variable: &str, usual: u64) {
    if let Some(seed) = number(variable) {
        story::tell(place, seed, Broken::Nothing, true).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        return;
    }
    let (seeds, since) = (number(&format!("{variable}S")).unwrap_or(usual), Instant::now());
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
                        match story::tell(place, seed, Broken::Nothing, false) {
                            Ok(tally) => sum = sum + tally,
                            Err(broken) => failures.push(format!("{variable}={seed}: {broken}")),
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
    println!("{place:?}: {seeds} seeds in {:?}: {stories:?}", since.elapsed());
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

/// The checker can fail: with one safeguard taken out, some story breaks the promise that it is for. Others may
/// end badly in other ways.
fn is_caught(broken: Broken, sign: &str) {
    is_caught_on(Where::Mock, broken, sign);
}

fn is_caught_on(place: Where, broken: Broken, sign: &str) {
    let seeds = 400;
    let mut told = (0..seeds).filter_map(|seed| story::tell(place, seed, broken, false).err());
    assert!(
        told.any(|told| told.contains(sign)),
        "{broken:?} broke no {sign} within {seeds} seeds"
    );
}

#[test]
fn without_the_order_it_is_caught_on_alibaba_cloud() {
    is_caught_on(Where::Alibaba, Broken::Order, "promise");
}

#[test]
fn without_the_token_it_is_caught_on_alibaba_cloud() {
    is_caught_on(Where::Alibaba, Broken::Token, "promise 2");
}

#[test]
fn without_the_owner_tags_it_is_caught_on_alibaba_cloud() {
    is_caught_on(Where::Alibaba, Broken::Owner, "promise 3");
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
fn without_the_last_call_of_a_deletion_it_is_caught() {
    is_caught(Broken::End, "promise 1");
}

#[test]
fn without_knowing_that_it_was_ready_it_is_caught() {
    is_caught(Broken::Loss, "promise 2");
}
