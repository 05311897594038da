//! Both engines under the conformance kit, with each request and each answer lost once.

use mooring_provider::{conformance, spec::Engine};

use crate::subject::OneServer;

async fn conforms(engine: Engine) {
    let subject = OneServer::start(engine).await;
    // What a dump holds is another test's; here it is one more thing that a life may do.
    for program in ["pg_dump", "mariadb-dump"] {
        std::fs::write(subject.dumps.path().join(program), "#!/bin/sh\necho dumped\n").expect("a file");
    }
    conformance::assert_conforms(&subject).await;
}

#[tokio::test(start_paused = true)]
async fn postgresql() {
    conforms(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb() {
    conforms(Engine::Mariadb).await;
}
