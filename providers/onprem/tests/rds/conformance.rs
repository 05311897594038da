//! Both engines under the conformance kit, with each request and each answer lost once.

use mooring_provider::{conformance, spec::Engine};

use crate::subject::OneServer;

async fn conforms(engine: Engine) {
    let subject = OneServer::start(engine).await;
    for scenario in conformance::SCENARIOS {
        let began = std::time::Instant::now();
        let before = subject.proxy.cuts.count.load(std::sync::atomic::Ordering::SeqCst);
        let failure = conformance::run_one(&subject, scenario).await;
        let count = subject.proxy.cuts.count.load(std::sync::atomic::Ordering::SeqCst) - before;
        eprintln!("{engine} {scenario}: {:?}, {count} requests", began.elapsed());
        if let Some(f) = failure {
            eprintln!("FAIL {f}");
        }
    }
    panic!("see");
}

#[tokio::test]
async fn postgresql() {
    conforms(Engine::Postgresql).await;
}

#[tokio::test]
async fn mariadb() {
    conforms(Engine::Mariadb).await;
}
