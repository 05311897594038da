//! A database that is parked is dumped first, and its dump can be restored as documented.

use std::{fs, os::unix::fs::PermissionsExt};

use mooring_provider::{
    Access, ErrorKind, Kind, Provider,
    conformance::{Life, Subject, Wish},
    spec::Engine,
};
use mooring_test_servers::ADMIN;

use crate::subject::{OneServer, database, owner, provider};

async fn a_dump_is_restored(engine: Engine) {
    let one = OneServer::start(engine).await;
    let mut life = one.ready("k3x9", &[("app", Access::Owner)]).await;
    let id = life.claim.id.clone().expect("an id");
    let name = database(&id).to_owned();
    assert!(one.write(&id, "kept").await);
    // A program that notes how it was called.
    let program = one.dumps.path().join(if engine == Engine::Postgresql {
        "pg_dump"
    } else {
        "mariadb-dump"
    });
    let (text, noted) = (
        fs::read_to_string(&program).expect("it is there"),
        one.dumps.path().join("noted"),
    );
    let noting = format!("#!/bin/sh\necho \"$0 $@\" >> {}\n", noted.display());
    fs::write(&program, text.replace("#!/bin/sh\n", &noting)).expect("a file");
    life.until(Wish::Parked).await.expect("it is parked");
    let called = fs::read_to_string(&noted).expect("it was called");
    assert!(called.contains(&name) && !called.contains(ADMIN.1), "{called}");

    let kind = if engine == Engine::Postgresql { "dump" } else { "sql" };
    let dump = one.dumps.path().join(format!("{name}.21000101T000000Z.{kind}"));
    assert_eq!(fs::metadata(&dump).expect("a dump").permissions().mode() & 0o777, 0o600);
    let names = fs::read_dir(one.dumps.path())
        .expect("a directory")
        .flatten()
        .map(|entry| entry.file_name());
    assert!(
        !names.into_iter().any(|name| name.to_string_lossy().ends_with(".part")),
        "half a dump is left"
    );

    // Into a new one, in the words of the documentation.
    let heir = one
        .ready("m4y8", &[("app", Access::Owner), ("reader", Access::ReadOnly)])
        .await;
    let new = database(heir.claim.id.as_ref().expect("an id")).to_owned();
    one.server.restore(&dump, &new);
    for account in ["app", "reader"] {
        let login = crate::subject::login_of(&new, account);
        let rows = one
            .server
            .login(&login, crate::subject::PASSWORD, Some(&new), "SELECT line FROM kit")
            .await;
        assert_eq!(rows.expect("it reads"), ["kept"], "{account}");
    }

    // Without a place for it nobody is shut out.
    let nowhere = provider(&[("s1", &one.server, one.server.port)], |_| ());
    let mut parked = Life::new(&one, nowhere.adapter(Kind::Rds).expect("databases"), owner("m4y8"));
    let error = parked.step(Wish::Parked).await.expect_err("there is no place");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(one.enters(heir.claim.id.as_ref().expect("an id"), "app").await);
}

#[tokio::test(start_paused = true)]
async fn postgresql() {
    a_dump_is_restored(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb() {
    a_dump_is_restored(Engine::Mariadb).await;
}
