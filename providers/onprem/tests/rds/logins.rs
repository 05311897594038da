//! What the accounts of a database can do, with nothing but what a container gets.

use mooring_provider::{
    Access, Bindings, ExternalId, Sighting,
    conformance::{Life, Subject, Wish},
    spec::Engine,
};

use crate::subject::{OneServer, PASSWORD, database, login_of};

/// What a container gets.
async fn bindings(life: &Life<'_>, server: &OneServer) -> Bindings {
    let adapter = server.adapter();
    match adapter.observe(std::slice::from_ref(&life.claim)).await.pop() {
        Some(Ok(Sighting::One(state))) => adapter.bindings(&life.claim, &state),
        other => panic!("it is ready and seen as {other:?}"),
    }
}

/// Whether an account may do this.
async fn may(server: &OneServer, name: &str, account: &str, sql: &str) -> bool {
    let login = login_of(name, account);
    let answer = server.server.login(&login, PASSWORD, Some(name), sql).await;
    if let Err(error) = &answer {
        // A statement that no server takes would prove nothing.
        let refused = ["denied", "must be owner", "must have", "permission"]
            .iter()
            .any(|word| error.to_string().contains(word));
        assert!(refused, "{account}: {sql}: {error}");
    }
    answer.is_ok()
}

fn id<'a>(life: &'a Life<'_>) -> &'a ExternalId {
    life.claim.id.as_ref().expect("it is ready")
}

async fn accounts_have_their_part(engine: Engine) {
    let server = OneServer::start(engine).await;
    let accounts = [
        ("app", Access::Owner),
        ("other", Access::Owner),
        ("writer", Access::ReadWrite),
        ("reader", Access::ReadOnly),
    ];
    let mut life = server.ready("k3x9", &accounts).await;
    let bound = bindings(&life, &server).await;
    let get = |key: &str| {
        bound
            .get(key)
            .and_then(|value| value.plain())
            .unwrap_or_default()
            .to_owned()
    };
    let kind = if engine == Engine::Postgresql {
        "postgresql"
    } else {
        "mysql"
    };
    assert_eq!(
        (get("type"), get("provider"), get("host")),
        (kind.into(), "onprem".into(), "127.0.0.1".into())
    );
    assert_eq!(
        (get("port"), get("ca.crt")),
        (server.proxy.port.to_string(), server.server.ca.clone())
    );
    let name = get("database");
    assert_eq!(name, "shop_web_rds_k3x9");

    // Each table is made after the accounts are.
    for table in ["first", "second"] {
        let make = format!("CREATE TABLE {table} (line VARCHAR(10)); INSERT INTO {table} VALUES ('a')");
        assert!(may(&server, &name, "app", &make).await);
        for (account, reads, writes, shapes) in [
            ("other", true, true, true),
            ("writer", true, true, false),
            ("reader", true, false, false),
        ] {
            let tries = [
                (format!("SELECT line FROM {table}"), reads),
                (format!("INSERT INTO {table} (line) VALUES ('b')"), writes),
                (format!("DELETE FROM {table} WHERE line = 'b'"), writes),
                (format!("ALTER TABLE {table} ADD COLUMN by_{account} INT"), shapes),
                (format!("CREATE TABLE {table}_{account} (line INT)"), shapes),
            ];
            for (sql, allowed) in tries {
                assert_eq!(may(&server, &name, account, &sql).await, allowed, "{account}: {sql}");
            }
        }
    }

    // Less access takes effect at once; more is another word.
    life.accounts[1].0.access = Access::ReadOnly;
    life.accounts[1].1 = false;
    life.until(Wish::Present).await.expect("it changes");
    assert!(!may(&server, &name, "other", "INSERT INTO first (line) VALUES ('c')").await);
    assert!(may(&server, &name, "other", "SELECT line FROM first").await);

    // Who goes leaves what it made.
    life.accounts.truncate(1);
    life.revoked = ["other", "writer", "reader"]
        .map(|account| login_of(&name, account))
        .into();
    life.until(Wish::Present).await.expect("they go");
    for account in ["other", "writer", "reader"] {
        assert!(!server.enters(id(&life), account).await, "{account}");
    }
    assert!(may(&server, &name, "app", "SELECT line FROM first").await);
    life.until(Wish::Absent).await.expect("it goes");
    assert!(server.existing(&life.claim.owner).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn postgresql_accounts_have_their_part() {
    accounts_have_their_part(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_accounts_have_their_part() {
    accounts_have_their_part(Engine::Mariadb).await;
}

#[tokio::test(start_paused = true)]
async fn postgresql_is_closed_to_everybody_else() {
    let one = OneServer::start(Engine::Postgresql).await;
    let life = one.ready("k3x9", &[("app", Access::Owner)]).await;
    let name = database(id(&life)).to_owned();
    one.server.execute("CREATE ROLE stranger LOGIN PASSWORD 'Str-1'").await;
    let enter = one.server.login("stranger", "Str-1", Some(&name), "SELECT 1").await;
    assert!(enter.is_err_and(|error| error.to_string().contains("permission denied for database")));
    let other = one.ready("m4y8", &[("app", Access::Owner)]).await;
    let login = login_of(&name, "app");
    let enter = one
        .server
        .login(&login, PASSWORD, Some(database(id(&other))), "SELECT 1")
        .await;
    assert!(enter.is_err(), "an account of one database enters another");

    // It cannot forge whose the database is, and what it opens is closed again.
    let forge = format!("COMMENT ON ROLE {name} IS 'mine'");
    assert!(!may(&one, &name, "app", &forge).await);
    let open = format!("GRANT CONNECT ON DATABASE {name} TO PUBLIC; ALTER DATABASE {name} CONNECTION LIMIT 1000");
    assert!(may(&one, &name, "app", &open).await);
    let mut life = life;
    life.until(Wish::Present).await.expect("it is closed again");
    let enter = one.server.login("stranger", "Str-1", Some(&name), "SELECT 1").await;
    assert!(enter.is_err(), "a stranger enters what was closed again");
    let limit = format!("SELECT datconnlimit::text FROM pg_database WHERE datname = '{name}'");
    assert_eq!(one.server.query(&limit).await, ["20"]);

    // What an account made as itself belongs to the database when it goes.
    let own = "SET ROLE NONE; CREATE SCHEMA own; CREATE TABLE own.kept (line INT)";
    one.server
        .execute(&format!("GRANT CREATE ON DATABASE {name} TO {login}"))
        .await;
    assert!(may(&one, &name, "app", own).await);
    life.accounts.clear();
    life.revoked = vec![login.clone()];
    life.until(Wish::Present).await.expect("the account goes");
    let holder = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'kept'";
    assert_eq!(one.server.execute_in(&name, holder).await, [name.as_str()]);
}

/// `_` in the name of a database stands for any character in a GRANT.
#[tokio::test(start_paused = true)]
async fn a_grant_of_mariadb_is_for_one_database() {
    let one = OneServer::start(Engine::Mariadb).await;
    let life = one.ready("k3x9", &[("app", Access::Owner)]).await;
    let name = database(id(&life)).to_owned();
    let like = name.replacen('_', "x", 1);
    one.server
        .execute(&format!(
            "CREATE DATABASE {like}; CREATE TABLE {like}.secret (line INT)"
        ))
        .await;
    let login = login_of(&name, "app");
    let enter = one
        .server
        .login(&login, PASSWORD, Some(&like), "SELECT line FROM secret")
        .await;
    assert!(enter.is_err_and(|error| error.to_string().contains("denied")));
    assert!(!may(&one, &name, "app", "UPDATE mooring.`databases` SET record = ''").await);
    // A login without TLS is refused whatever the server asks of others.
    let tls = format!("SELECT ssl_type FROM mysql.user WHERE User = '{login}'");
    assert_eq!(one.server.query(&tls).await, ["ANY"]);
}
