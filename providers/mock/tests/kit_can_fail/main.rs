//! The conformance kit can fail: for each of its scenarios there is an adapter with one flaw that it finds.

#[path = "../common/mod.rs"]
mod common;
mod flawed;

use std::{collections::BTreeSet, sync::Arc};

use common::{Mock, cloud};
use flawed::{Flaw, Flawed};
use mooring_provider::{Kind, conformance};

/// Each flaw, a kind that can have it, and the scenario that is to find it.
const FLAWS: &[(Flaw, Kind, &str)] = &[
    (Flaw::NeverSatisfied, Kind::Vpc, "converges"),
    (Flaw::TouchesWhatItSees, Kind::Slb, "creates once"),
    (Flaw::OnlySaysItDeletes, Kind::Log, "leaves nothing"),
    (Flaw::OnlySaysItUpdates, Kind::Slb, "changes in place"),
    (Flaw::BlindToTags, Kind::Monitor, "undoes tampering"),
    (Flaw::OneTokenForAllIncarnations, Kind::Vpc, "recreates what is gone"),
    (Flaw::IgnoresOptions, Kind::Log, "refuses an unknown option"),
    (Flaw::BlamesTheSpec, Kind::Slb, "each call fails before its effect"),
    (Flaw::FindsOnlyById, Kind::Rds, "each call fails after its effect"),
    (Flaw::NewTokenForEachAttempt, Kind::Vpc, "every step runs twice"),
    (
        Flaw::NewTokenForEachAttempt,
        Kind::Rds,
        "new resources are invisible for a while",
    ),
    (
        Flaw::ClaimsToHonourTokens,
        Kind::Slb,
        "new resources are invisible for a while",
    ),
    (Flaw::FindsOnlyById, Kind::Rds, "two brokers create one"),
    (Flaw::RefusalIsAbsence, Kind::Rds, "refused credentials are not absence"),
    (Flaw::ForgetsATag, Kind::Vpc, "owner tags are complete"),
    (
        Flaw::DeletesByName,
        Kind::Slb,
        "a foreign resource of the same name is untouched",
    ),
    (Flaw::OnlySaysItAdopts, Kind::Log, "moves to an approved owner"),
    (Flaw::AnswersBackwards, Kind::Monitor, "observes a batch in order"),
    (Flaw::ListsEverybody, Kind::Rds, "inventory lists exactly ours"),
    (Flaw::KeepsAccounts, Kind::Rds, "accounts"),
    (Flaw::ParksWithoutData, Kind::Log, "parks and reclaims"),
    (Flaw::PrintsPasswords, Kind::Rds, "secrets stay secret"),
];

#[tokio::test(start_paused = true)]
async fn each_flaw_is_found_by_its_scenario() {
    for &(flaw, kind, scenario) in FLAWS {
        let mut subject = Mock::new(cloud(|_| ()), kind);
        subject.adapter = Arc::new(Flawed::new(flaw, subject.adapter.clone(), subject.cloud.clone()));
        let failure = conformance::run_one(&subject, scenario).await;
        let failure = failure.unwrap_or_else(|| panic!("{flaw:?} of {kind} is not found by `{scenario}`"));
        assert!(!failure.step.is_empty() && !failure.message.is_empty(), "{failure}");
    }
}

#[test]
fn each_scenario_finds_a_flaw() {
    let shown: BTreeSet<_> = FLAWS.iter().map(|(_, _, scenario)| *scenario).collect();
    assert_eq!(shown, conformance::SCENARIOS.iter().copied().collect());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "leaves nothing: taking it down: it is never Absent")]
async fn what_does_not_conform_is_named() {
    let mut subject = Mock::new(cloud(|_| ()), Kind::Log);
    subject.adapter = Arc::new(Flawed::new(
        Flaw::OnlySaysItDeletes,
        subject.adapter.clone(),
        subject.cloud.clone(),
    ));
    conformance::assert_conforms(&subject).await;
}
