//! The same application with PostgreSQL, beside the one with MariaDB, where both are servers of one's own.

use std::{process::Command, sync::Arc};

use mooring_test_servers::{Loki, ROOT, openstack::range, programs};

use crate::{
    onprem::Onprem,
    place::{Place as _, Variables, comes_up, run},
    real,
    shop::{Backends, PORT, shop},
    workplace::Workplace,
};

/// What `psql` answers or says, with nothing in its environment but these.
fn psql(variables: &[(&str, &str)], arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(programs().join("psql"))
        .args(["--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--quiet"])
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("psql: install postgresql");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

/// What a container gets, in the names of `psql`; its certificate is that of the Secret.
fn login<'a>(variables: &'a Variables, authority: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut login = vec![("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", authority)];
    for (theirs, ours) in [
        ("PGHOST", "DB_HOST"),
        ("PGPORT", "DB_PORT"),
        ("PGUSER", "DB_USERNAME"),
        ("PGPASSWORD", "DB_PASSWORD"),
        ("PGDATABASE", "DB_DATABASE"),
    ] {
        login.push((theirs, &variables[ours]));
    }
    login
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_serves_beside_mariadb_on_servers_of_ones_own() {
    let (loki, backends) = (Arc::new(Loki::start().await), Backends::start(&range()));
    let place = Onprem::start(loki.clone(), backends.free.clone()).await;
    let workplace = Arc::new(Workplace::new());
    let text = shop(place.environment(), &backends);
    workplace.write("shop.yaml", &text);
    let mut books = text;
    for (was, is) in [
        ("name: shop\n", "name: books\n"),
        ("engine: mysql", "engine: postgresql"),
        (&format!("port: {PORT}, targetPort"), "port: 8081, targetPort"),
    ] {
        assert_eq!(books.matches(was).count(), 1, "{was}");
        books = books.replace(was, is);
    }
    workplace.write("books.yaml", &books);
    workplace.write("places.yaml", &place.documents());

    let plan = run(&workplace, &["plan", "-f", "books.yaml", "-f", "places.yaml"])
        .await
        .ok();
    for words in ["one of many on a shared postgresql server", "pg_hba.conf"] {
        assert!(plan.stdout.contains(words), "`{words}` is not in {plan:?}");
    }
    let shop = comes_up(&workplace, "shop", place.environment()).await;
    let books = comes_up(&workplace, "books", place.environment()).await;
    let names = |variables: &Variables| variables.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&books.web), names(&shop.web), "the variables are called alike");
    assert_eq!(names(&books.report), names(&shop.report));

    // With each thing that the container gets, and with the address alone.
    let authority = place.postgresql.path("ca.crt").display().to_string();
    let (web, report) = (login(&books.web, &authority), login(&books.report, &authority));
    let make = "CREATE TABLE orders (line text); INSERT INTO orders VALUES ('one')";
    psql(&web, &["--command", make]).expect("the owner may");
    let read = ["--command", "SELECT line FROM orders"];
    assert_eq!(psql(&report, &read).as_deref(), Ok("one"), "a reader may read");
    let refused = psql(&report, &["--command", "INSERT INTO orders VALUES ('two')"]);
    assert!(
        refused.is_err_and(|said| said.contains("permission denied")),
        "a reader writes"
    );
    for variables in [&books.web, &books.report] {
        let uri = [&["--dbname", variables["DB_URI"].as_str()][..], &read].concat();
        assert_eq!(psql(&[("PGSSLMODE", "require")], &uri).as_deref(), Ok("one"));
    }
    real::requests_are_balanced(&books, &backends).await;
    for got in [&books, &shop] {
        real::lines_arrive(got, &loki);
    }
    assert!(!real::both_log_in(&shop).await, "the other one, meanwhile");

    let down = run(&workplace, &["down", "-f", "books.yaml", "-f", "places.yaml"])
        .await
        .ok();
    assert_eq!(down.stdout.matches("deleted").count(), 4, "{down:?}");
    let port = place.postgresql.port.to_string();
    let root = [
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", &port),
        ("PGUSER", ROOT),
        ("PGPASSWORD", place.postgresql.root()),
        ("PGDATABASE", "postgres"),
        ("PGSSLMODE", "require"),
    ];
    let left = psql(
        &root,
        &["--command", "SELECT datname FROM pg_database WHERE NOT datistemplate"],
    );
    assert_eq!(left.as_deref(), Ok("postgres"));
    let left = psql(
        &root,
        &[
            "--command",
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1",
        ],
    );
    assert_eq!(left.as_deref(), Ok("mooring\nroot"));
    real::nobody_listens(&books).await;

    run(&workplace, &["down", "-f", "shop.yaml", "-f", "places.yaml"])
        .await
        .ok();
    place.is_empty(&workplace, &shop).await;
}
