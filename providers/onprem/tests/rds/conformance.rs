//! Both engines under the conformance kit, with each request and each answer lost once.

use mooring_provider::{conformance, spec::Engine};

use crate::subject::OneServer;

/// The scenarios whose names have this in them, or those that have not.
async fn conforms(engine: Engine, word: &str, has: bool) {
    let subject = OneServer::start(engine).await;
    // What a dump holds is another test's; here it is one more thing that a life may do.
    for program in ["pg_dump", "mariadb-dump"] {
        std::fs::write(subject.dumps.path().join(program), "#!/bin/sh\necho dumped\n").expect("a file");
    }
    let mut failures = Vec::new();
    for scenario in conformance::SCENARIOS.iter().filter(|name| name.contains(word) == has) {
        failures.extend(
            conformance::run_one(&subject, scenario)
                .await
                .map(|failure| failure.to_string()),
        );
    }
    assert!(
        failures.is_empty(),
        "{engine} does not conform:\n  {}",
        failures.join("\n  ")
    );
}

/// A life for each of its requests; each walk is long, so that it is a test of its own.
const WALK: &str = "each call fails";

#[tokio::test(start_paused = true)]
async fn postgresql() {
    conforms(Engine::Postgresql, WALK, false).await;
}

#[tokio::test(start_paused = true)]
async fn postgresql_loses_requests() {
    conforms(Engine::Postgresql, "before its effect", true).await;
}

#[tokio::test(start_paused = true)]
async fn postgresql_loses_answers() {
    conforms(Engine::Postgresql, "after its effect", true).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb() {
    conforms(Engine::Mariadb, WALK, false).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_loses_requests() {
    conforms(Engine::Mariadb, "before its effect", true).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_loses_answers() {
    conforms(Engine::Mariadb, "after its effect", true).await;
}
