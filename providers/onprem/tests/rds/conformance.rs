//! Both engines under the conformance kit, with each request and each answer lost once.

use mooring_provider::{conformance, spec::Engine};

use crate::subject::OneServer;

async fn conforms(engine: Engine) {
    conformance::assert_conforms(&OneServer::start(engine).await).await;
}

#[tokio::test(start_paused = true)]
async fn postgresql() {
    conforms(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb() {
    conforms(Engine::Mariadb).await;
}
