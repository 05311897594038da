//! Several servers of an engine.

use mooring_provider::{
    ErrorKind, Kind, Provider, Sighting,
    conformance::{Life, Subject, Wish},
    spec::Engine,
};
use mooring_test_servers::Server;
use serde_json::json;

use crate::subject::{OneServer, owner, provider, spec};

#[tokio::test(start_paused = true)]
async fn a_database_goes_where_there_is_room_and_is_found_there() {
    let one = OneServer::start(Engine::Postgresql).await;
    let mut second = Server::start(Engine::Postgresql).await;
    let servers = [("pg1", &one.server, one.server.port), ("pg2", &second, second.port)];
    let servers = provider(&servers, |config| {
        config["postgresql"][0]["capacity"] = json!({"databases": 2, "storage": "50Gi"});
        config["postgresql"][1]["capacity"] = json!({"databases": 1});
        config["postgresql"][1]["highAvailability"] = json!(true);
        config["postgresql"][1]["clientAddress"] = json!({"host": "db.idc", "port": 6432});
    });
    servers.check().await.expect("both administrators may look");
    let adapter = servers.adapter(Kind::Rds).expect("databases are served");
    let life = |identity: &str| Life::new(&one, adapter.clone(), owner(identity));

    let mut wanted = life("a2");
    wanted.spec["version"] = json!("9.6");
    let error = wanted.step(Wish::Present).await.expect_err("no such version");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let mut ids = Vec::new();
    for (identity, available) in [("b2", true), ("c2", false), ("d2", false)] {
        let mut life = life(identity);
        life.spec["highAvailability"] = json!(available);
        let outcome = life.until(Wish::Present).await.expect("there is room");
        let bound = outcome.seen.expect("it is seen").bindings;
        ids.push((
            life.claim.id.clone().expect("an id").to_string(),
            bound["host"].expose().to_owned(),
        ));
    }
    let at = |id: &str, host: &str| (id.to_owned(), host.to_owned());
    let elsewhere = at("pg2/shop_web_rds_b2", "db.idc");
    assert_eq!(
        ids,
        [
            elsewhere,
            at("pg1/shop_web_rds_c2", "127.0.0.1"),
            at("pg1/shop_web_rds_d2", "127.0.0.1")
        ]
    );
    let error = life("e2").step(Wish::Present).await.expect_err("all are full");
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
    assert!(
        error.message().contains("pg1 holds 2 databases") && error.message().contains("pg2 holds 1"),
        "{error}"
    );
    assert_eq!(adapter.inventory(&owner("b2").cluster).await.expect("a list").len(), 3);

    // While one server is silent, only what is known to be elsewhere is known.
    second.stop();
    let mut claims = ["b2", "c2", "never"].map(|identity| life(identity).claim);
    let seen = adapter.observe(&claims).await;
    let unavailable = |at: usize| matches!(&seen[at], Err(error) if error.kind() == ErrorKind::Unavailable);
    assert!(unavailable(0) && unavailable(2), "{seen:?}");
    assert!(matches!(&seen[1], Ok(Sighting::One(_))), "{seen:?}");
    claims[0].id = Some(mooring_provider::ExternalId::new("pg1/shop_web_rds_b2"));
    claims[1].id = Some(mooring_provider::ExternalId::new("pg9/shop_web_rds_c2"));
    let seen = adapter.observe(&claims[..2]).await;
    assert!(matches!(&seen[0], Ok(Sighting::Absent)), "{seen:?}");
    assert!(
        matches!(&seen[1], Err(error) if error.message().contains("pg9")),
        "{seen:?}"
    );
    let error = life("f2")
        .step(Wish::Present)
        .await
        .expect_err("it may be on the silent one");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    second.run().await;
    for identity in ["b2", "c2", "d2"] {
        life(identity).until(Wish::Absent).await.expect("it goes");
        assert!(one.existing(&owner(identity)).await.is_empty());
    }
    assert_eq!(
        second
            .query("SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'shop%'")
            .await,
        [""; 0]
    );
}

/// Who says MySQL gets no MariaDB, not even by mistake.
#[tokio::test(start_paused = true)]
async fn a_server_is_what_it_is_said_to_be() {
    let one = OneServer::start(Engine::Mariadb).await;
    let provider = provider(&[("s1", &one.server, one.server.port)], |config| {
        config["mysql"] = config["mariadb"].take();
        config.as_object_mut().expect("an object").remove("mariadb");
    });
    let error = provider.check().await.expect_err("it is no MySQL");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{error}");
    assert!(
        error.message().contains("10.") && error.message().contains("`mariadb` and `mysql`"),
        "{error}"
    );
    let adapter = one.adapter();
    let error = adapter.validate(&spec(Engine::Mysql)).expect_err("it is not served");
    assert!(
        error.message().contains("engines: {mysql: {onprem: mariadb}}"),
        "{error}"
    );
    let notes = adapter.notes(&spec(Engine::Mariadb)).expect("notes");
    assert!(notes.iter().any(|note| note.contains("not limited")), "{notes:?}");
}

/// A server whose certificate is of another authority, or for another host, gets no password.
#[tokio::test(start_paused = true)]
async fn a_server_is_verified() {
    for engine in [Engine::Postgresql, Engine::Mariadb] {
        let one = OneServer::start(engine).await;
        let other = Server::start(engine).await;
        for (host, ca) in [("127.0.0.1", &other.ca), ("localhost", &one.server.ca)] {
            let provider = provider(&[("s1", &one.server, one.server.port)], |config| {
                config[engine.as_str()][0]["host"] = json!(host);
                config[engine.as_str()][0]["caBundle"] = json!(ca);
            });
            let error = provider.check().await.expect_err("it is not who it says");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.message().contains("caBundle"), "{error}");
        }
    }
}
