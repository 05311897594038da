//! Two brokers at once, and room for one.

use std::time::Duration;

use mooring_provider::{
    Kind, Provider,
    conformance::{Life, Wish},
    spec::Engine,
};
use mooring_test_servers::{ROOT, Server};
use serde_json::json;
use sqlx::Executor;

use crate::subject::{OneServer, owner, provider};

/// A resource of a broker of its own, to whom each server may hold one database.
fn life<'a>(one: &'a OneServer, servers: &[&Server], identity: &str) -> Life<'a> {
    let engine = one.server.engine;
    let named = ["s1", "s2"].into_iter().zip(servers);
    let named: Vec<_> = named.map(|(name, server)| (name, *server, server.port)).collect();
    let broker = provider(&named, |config| {
        for server in config[engine.as_str()].as_array_mut().expect("servers") {
            server["capacity"] = json!({"databases": 1});
        }
    });
    let adapter = broker.adapter(Kind::Rds).expect("databases are served");
    Life::new(one, adapter, owner(identity))
}

/// Whose turn it is at a server is held until both brokers wait for it, so that each has seen room there.
async fn both_at_once(server: &Server, lives: [&mut Life<'_>; 2]) -> [Result<String, String>; 2] {
    let (turn, waiting) = match server.engine {
        Engine::Postgresql => (
            "BEGIN; SELECT pg_advisory_xact_lock(hashtext('mooring.dev'))",
            "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'advisory'",
        ),
        _ => (
            "BEGIN; INSERT INTO mooring.placing (id) VALUES (1) ON DUPLICATE KEY UPDATE id = id",
            "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.PROCESSLIST \
             WHERE INFO LIKE 'INSERT INTO mooring.placing%'",
        ),
    };
    let held = async || {
        for _ in 0..600 {
            if server.query(waiting).await == ["2"] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("two brokers do not wait for each other");
    };
    // The transaction ends with its session.
    let hold = async {
        if server.engine == Engine::Postgresql {
            let on = server.postgres(ROOT, server.root(), None).await;
            let mut on = on.expect("a session");
            on.execute(sqlx::raw_sql(turn)).await.expect("a turn");
            held().await;
        } else {
            let on = server.mysql(ROOT, server.root(), None).await;
            let mut on = on.expect("a session");
            on.execute(sqlx::raw_sql(turn)).await.expect("a turn");
            held().await;
        }
    };
    let [first, second] = lives;
    let up = async |life: &mut Life<'_>| {
        // Whoever holds the turn has it by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let up = life.until(Wish::Present).await?;
        Ok(up.seen.expect("it is seen").id.to_string())
    };
    let (first, second, ()) = futures::join!(up(first), up(second), hold);
    [first, second]
}

async fn one_wins(engine: Engine) {
    let one = OneServer::start(engine).await;
    // MariaDB has no table to wait at before the first.
    let mut before = one.ready("a2", &[]).await;
    before.until(Wish::Absent).await.expect("it goes");

    let here = [&one.server];
    let (mut first, mut second) = (life(&one, &here, "k3x9"), life(&one, &here, "m4y8"));
    let results = both_at_once(&one.server, [&mut first, &mut second]).await;
    let (winner, loser, error) = match results {
        [Ok(_), Err(error)] => (&mut first, &mut second, error),
        [Err(error), Ok(_)] => (&mut second, &mut first, error),
        both => panic!("one should win: {both:?}"),
    };
    assert!(
        error.starts_with("QuotaExceeded") && error.contains("s1 holds 1"),
        "{error}"
    );
    winner.until(Wish::Absent).await.expect("the winner goes");
    loser.until(Wish::Present).await.expect("now there is room");
    loser.until(Wish::Absent).await.expect("it goes");

    // Where another server has room, that one is taken.
    let other = Server::start(engine).await;
    let both = [&one.server, &other];
    let (mut first, mut second) = (life(&one, &both, "p5z7"), life(&one, &both, "q6w5"));
    let results = both_at_once(&one.server, [&mut first, &mut second]).await;
    let mut servers = results.map(|id| id.expect("there is room").split('/').next().map(str::to_owned));
    servers.sort();
    assert_eq!(servers, ["s1", "s2"].map(|name| Some(name.to_owned())));
    for life in [&mut first, &mut second] {
        life.until(Wish::Absent).await.expect("it goes");
    }
}

#[tokio::test(start_paused = true)]
async fn postgresql_has_one_place_left() {
    one_wins(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_has_one_place_left() {
    one_wins(Engine::Mariadb).await;
}
