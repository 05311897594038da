//! What goes wrong at servers, in the middle of things.

use std::time::Duration;

use mooring_provider::{
    Access, ErrorKind, Kind, Phase, Provider, Sighting, Step,
    conformance::{Faults, Life, Subject, When, Wish},
    reason,
    spec::Engine,
};
use mooring_test_servers::ADMIN;

use crate::subject::{OneServer, PASSWORD, database, login_of, owner, provider_with, spec};

/// A create that ends between any two of its statements: what it leaves is found by its identity, by somebody who
/// remembers nothing, and can be finished as well as removed.
async fn a_half_made_one_is_found(engine: Engine) {
    let one = OneServer::start(engine).await;
    let mut ends = 0;
    for position in 0.. {
        let mut hit = false;
        for (when, wish) in [
            (When::Before, Wish::Present),
            (When::After, [Wish::Absent, Wish::Present][position % 2]),
        ] {
            let life = one.life(&format!("k{position}{}", ["p", "q"][ends % 2]));
            ends += 1;
            one.proxy.cuts.arm(position, when);
            let created = one.fresh().create(&life.claim, &spec(engine)).await;
            hit = one.proxy.cuts.disarm();
            assert_eq!(created.is_err(), hit, "{position} {when:?}: {created:?}");

            // What there is, is seen.
            let there = one.existing(&life.claim.owner).await;
            let fresh = one.fresh();
            let seen = fresh
                .observe(std::slice::from_ref(&life.claim))
                .await
                .pop()
                .expect("an answer");
            match (seen.expect("an answer"), there.is_empty()) {
                (Sighting::Absent, true) => {}
                (Sighting::One(state), false) => {
                    assert_eq!(fresh.owner(&state), Some(life.claim.owner.clone()));
                    let ready = fresh.phase(&state) == Phase::Ready;
                    assert_eq!(
                        ready,
                        !fresh.bindings(&life.claim, &state).is_empty(),
                        "{position} {when:?}"
                    );
                }
                (seen, _) => panic!("{position} {when:?}: {there:?} is seen as {seen:?}"),
            }
            let mut heir = Life::new(&one, fresh, life.claim.owner.clone());
            let done = heir.until(wish).await;
            done.unwrap_or_else(|error| panic!("{position} {when:?} {wish:?}: {error}"));
            heir.until(Wish::Absent).await.expect("it goes");
            assert!(one.existing(&heir.claim.owner).await.is_empty(), "{position} {when:?}");
        }
        if !hit {
            assert!(position > 4, "a create is more than {position} statements");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn postgresql_half_made() {
    a_half_made_one_is_found(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_half_made() {
    a_half_made_one_is_found(Engine::Mariadb).await;
}

/// The server goes while a database is made, and comes back; later its administrator gets another password.
async fn a_server_goes_and_comes(engine: Engine) {
    let mut one = OneServer::start(engine).await;
    let identity = "k3x9";
    // The third statement is one of those that make something.
    one.proxy.cuts.arm(3, When::After);
    let first = one.life(identity).step(Wish::Present).await;
    assert!(first.is_err_and(|error| error.kind() == ErrorKind::Unavailable));
    one.server.stop();
    let down = one
        .life(identity)
        .step(Wish::Present)
        .await
        .expect_err("nobody is there");
    assert_eq!(down.kind(), ErrorKind::Unavailable, "{down}");
    one.server.run().await;
    let life = one.ready(identity, &[("app", Access::Owner)]).await;
    let id = life.claim.id.clone().expect("it is ready");
    assert!(one.enters(&id, "app").await);
    assert_eq!(one.existing(&life.claim.owner).await.len(), 1);

    one.server.set_admin_password("rotated").await;
    let error = one
        .life(identity)
        .step(Wish::Absent)
        .await
        .expect_err("the old password");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(!format!("{error:?}").contains(ADMIN.1));
    // With the new one it goes on where it was.
    let servers = [("s1", &one.server, one.server.port)];
    let adapter = provider_with("rotated", &servers, |_| ()).adapter(Kind::Rds);
    let mut life = Life::new(&one, adapter.expect("databases are served"), owner(identity));
    life.until(Wish::Present).await.expect("it is there");
    assert!(one.enters(&id, "app").await, "its own login is as it was");
    life.until(Wish::Absent).await.expect("it goes");
    assert!(one.existing(&owner(identity)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn postgresql_goes_and_comes() {
    a_server_goes_and_comes(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_goes_and_comes() {
    a_server_goes_and_comes(Engine::Mariadb).await;
}

/// A statement arrives when who sent it has given up, and takes its effect: there is one database all the same.
async fn a_late_statement_makes_no_second(engine: Engine) {
    let one = OneServer::start(engine).await;
    // Where the place is claimed, and where the database is made.
    for position in [4, 6] {
        let mut life = one.life(&format!("k{position}x9"));
        one.proxy.cuts.delay(position, Duration::from_secs(6));
        let error = life.step(Wish::Present).await.expect_err("nobody waits for so long");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(one.proxy.cuts.disarm(), "a create is more than {position} statements");
        life.until(Wish::Present).await.expect("it comes up");
        assert_eq!(one.existing(&life.claim.owner).await.len(), 1);
        life.until(Wish::Absent).await.expect("it goes");
        assert!(one.existing(&life.claim.owner).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn postgresql_answers_late() {
    a_late_statement_makes_no_second(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_answers_late() {
    a_late_statement_makes_no_second(Engine::Mariadb).await;
}

/// Sessions with open transactions end with the database, and another database's do not.
#[tokio::test(start_paused = true)]
async fn open_sessions_do_not_hold_a_teardown() {
    use sqlx::Executor;

    let open = "BEGIN; CREATE TABLE held (line INT); INSERT INTO held VALUES (1)";
    let one = OneServer::start(Engine::Postgresql).await;
    let (mut life, other) = (
        one.ready("k3x9", &[("app", Access::Owner)]).await,
        one.ready("m4y8", &[("app", Access::Owner)]).await,
    );
    let [name, beside] = [&life, &other].map(|life| database(life.claim.id.as_ref().expect("an id")).to_owned());
    let mut held = one
        .server
        .postgres(&login_of(&name, "app"), PASSWORD, Some(&name))
        .await
        .expect("a session");
    let mut kept = one
        .server
        .postgres(&login_of(&beside, "app"), PASSWORD, Some(&beside))
        .await
        .expect("a session");
    for on in [&mut held, &mut kept] {
        on.execute(sqlx::raw_sql(open)).await.expect("a transaction");
    }
    life.until(Wish::Absent).await.expect("it goes");
    assert!(held.execute("SELECT 1").await.is_err());
    kept.execute("COMMIT").await.expect("it is another database's");

    let one = OneServer::start(Engine::Mariadb).await;
    let (mut life, other) = (
        one.ready("k3x9", &[("app", Access::Owner)]).await,
        one.ready("m4y8", &[("app", Access::Owner)]).await,
    );
    let [name, beside] = [&life, &other].map(|life| database(life.claim.id.as_ref().expect("an id")).to_owned());
    let mut held = one
        .server
        .mysql(&login_of(&name, "app"), PASSWORD, Some(&name))
        .await
        .expect("a session");
    let mut kept = one
        .server
        .mysql(&login_of(&beside, "app"), PASSWORD, Some(&beside))
        .await
        .expect("a session");
    for on in [&mut held, &mut kept] {
        let open = "CREATE TABLE held (line INT); BEGIN; INSERT INTO held VALUES (1)";
        on.execute(sqlx::raw_sql(open)).await.expect("a transaction");
    }
    life.until(Wish::Absent).await.expect("it goes");
    assert!(held.execute("SELECT 1").await.is_err());
    kept.execute("COMMIT").await.expect("it is another database's");
}

/// A database that somebody dropped is lost, and not made anew by itself; what it leaves goes with the next.
async fn a_dropped_one_is_lost(engine: Engine) {
    let one = OneServer::start(engine).await;
    let mut life = one.ready("k3x9", &[("app", Access::Owner)]).await;
    one.destroy(life.claim.id.as_ref().expect("an id")).await;
    let outcome = loop {
        match life.step(Wish::Present).await.expect("an answer").step {
            Step::Wait { .. } => one.settle(Duration::from_secs(1)).await,
            step => break step,
        }
    };
    assert!(
        matches!(&outcome, Step::Blocked { reason, .. } if *reason == reason::LOST),
        "{outcome:?}"
    );
    life.recreate = true;
    life.accounts[0].1 = false;
    life.until(Wish::Present).await.expect("a new one");
    let id = life.claim.id.clone().expect("an id");
    assert_eq!(database(&id), "shop_web_rds_k3x9_1");
    assert!(one.enters(&id, "app").await);
    life.until(Wish::Absent).await.expect("it goes");
    assert!(one.existing(&life.claim.owner).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn postgresql_dropped() {
    a_dropped_one_is_lost(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_dropped() {
    a_dropped_one_is_lost(Engine::Mariadb).await;
}

/// What has one of our names and is not ours is left alone: a role, a user, a login.
#[tokio::test(start_paused = true)]
async fn names_of_others_are_left_alone() {
    for (engine, make, look) in [
        (
            Engine::Postgresql,
            "CREATE ROLE app_k3x9 LOGIN PASSWORD 'Str-1'",
            "SELECT rolname::text FROM pg_roles WHERE rolname = 'app_k3x9'",
        ),
        (
            Engine::Mariadb,
            "CREATE USER app_k3x9@'%' IDENTIFIED BY 'Str-1'",
            "SELECT User FROM mysql.user WHERE User = 'app_k3x9'",
        ),
    ] {
        let one = OneServer::start(engine).await;
        let mut life = one.ready("k3x9", &[]).await;
        one.server.execute(make).await;
        let account = mooring_provider::Account {
            name: "app_k3x9".into(),
            access: Access::Owner,
            password: PASSWORD.into(),
        };
        life.accounts = vec![(account, false)];
        let error = life.step(Wish::Present).await.expect_err("the name is taken");
        assert_eq!(error.kind(), ErrorKind::NotOwned, "{error}");
        assert!(
            one.server.login("app_k3x9", "Str-1", None, "SELECT 1").await.is_ok(),
            "its password was changed"
        );
        life.accounts.clear();
        life.revoked = vec!["app_k3x9".into()];
        life.until(Wish::Present).await.expect("there is none of ours to go");
        life.until(Wish::Absent).await.expect("ours goes");
        assert_eq!(one.server.query(look).await, ["app_k3x9"]);
    }
    let one = OneServer::start(Engine::Postgresql).await;
    one.server.execute("CREATE ROLE shop_web_rds_m4y8").await;
    let error = one
        .life("m4y8")
        .step(Wish::Present)
        .await
        .expect_err("the name is taken");
    assert_eq!(error.kind(), ErrorKind::NotOwned, "{error}");
}
