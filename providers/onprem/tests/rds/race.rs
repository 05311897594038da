//! Two applications at once, and room for one.

use mooring_provider::{
    Kind, Provider,
    conformance::{Life, Wish},
    spec::Engine,
};
use serde_json::json;

use crate::subject::{OneServer, owner, provider};

async fn one_wins(engine: Engine) {
    let one = OneServer::start(engine).await;
    let provider = provider(&[("s1", &one.server, one.server.port)], |config| {
        config[engine.as_str()][0]["capacity"] = json!({"databases": 1});
    });
    let adapter = provider.adapter(Kind::Rds).expect("databases are served");
    let life = |identity: &str| {
        let mut life = Life::new(&one, adapter.clone(), owner(identity));
        life.spec["engine"] = json!(engine);
        life
    };
    let (mut first, mut second) = (life("k3x9"), life("m4y8"));
    let results = futures::join!(first.until(Wish::Present), second.until(Wish::Present));
    let (winner, loser, error) = match results {
        (Ok(_), Err(error)) => (&mut first, &mut second, error),
        (Err(error), Ok(_)) => (&mut second, &mut first, error),
        both => panic!("one should win: {both:?}"),
    };
    assert!(
        error.starts_with("QuotaExceeded") && error.contains("s1 holds 1"),
        "{error}"
    );
    winner.until(Wish::Absent).await.expect("the winner goes");
    loser.until(Wish::Present).await.expect("now there is room");
    loser.until(Wish::Absent).await.expect("it goes");
}

#[tokio::test(start_paused = true)]
async fn postgresql_has_one_place_left() {
    one_wins(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_has_one_place_left() {
    one_wins(Engine::Mariadb).await;
}
