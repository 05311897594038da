//! A database of a cluster that is deleted after a last backup: what the backup holds is there again.

use std::path::Path;

use mooring_provider::spec::Engine;
use mooring_test_servers::{ADMIN, Server, programs};
use serde_json::{Value as Json, json};

use crate::{
    cluster::{Kubectl, is_ready, until},
    place::{Variables, documents},
    support::cluster::Cluster,
};

/// What an SRE writes: two servers, and a place for dumps.
fn places(postgresql: &Server, mariadb: &Server, dumps: &Path) -> String {
    let server = |name: &str, server: &Server| json!([{"name": name, "host": "127.0.0.1", "port": server.port, "caBundle": server.ca}]);
    documents(&[
        json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": "idc"},
            "spec": {
                "onprem": {
                    "postgresql": server("post1", postgresql), "mariadb": server("maria1", mariadb),
                    "backup": {"directory": dumps, "pgDump": programs().join("pg_dump")},
                },
                "credentials": {"secretRef": {"name": "idc"}},
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "idc", "namespace": "mooring-system"},
            "stringData": {
                "post1.username": ADMIN.0, "post1.password": ADMIN.1,
                "maria1.username": ADMIN.0, "maria1.password": ADMIN.1,
            },
        }),
        json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "idc"},
            "spec": {"providers": {"default": "none", "rds": "idc"}, "allowedNamespaces": {}},
        }),
    ])
}

/// An application with a database, in a namespace that is called after its engine.
async fn comes_up(kubectl: &Kubectl, application: &str, engine: Engine, more: Json) -> Variables {
    let namespace = engine.as_str();
    let mut properties = json!({"engine": engine, "as": "DB"});
    let fields = properties.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    let document = json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
        "metadata": {"name": application, "labels": {"mooring.dev/environment": "idc"}},
        "spec": {"components": [{
            "name": "web", "type": "webservice", "properties": {"image": "shop:1.0"},
            "traits": [{"type": "rds", "properties": properties}],
        }]},
    });
    kubectl.apply(&["--namespace", namespace], &documents(&[document]));
    let name = format!("{application}-web-rds");
    let shown = || format!("{:#?}", kubectl.resources(namespace));
    until("the database is ready", shown, || {
        kubectl.resources(namespace).get(&name).is_some_and(is_ready)
    })
    .await;
    kubectl.secret(namespace, &name)
}

/// Logs in with what the Secret has.
async fn asks(server: &Server, secret: &Variables, sql: &str) -> Vec<String> {
    let answer = server.login(&secret["username"], &secret["password"], Some(&secret["database"]), sql);
    answer.await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

async fn leaves_a_dump(kubectl: &Kubectl, server: &Server, dumps: &Path) {
    let namespace = server.engine.as_str();
    kubectl.0.kubectl(&["create", "namespace", namespace]);
    let snapshot = json!({"deletionPolicy": "Snapshot"});
    let secret = comes_up(kubectl, "shop", server.engine, snapshot).await;
    let make = "CREATE TABLE orders (line VARCHAR(20)); INSERT INTO orders VALUES ('one'), ('two')";
    asks(server, &secret, make).await;

    let gone = [
        "delete",
        "application",
        "shop",
        "--namespace",
        namespace,
        "--wait=false",
    ];
    kubectl.0.kubectl(&gone);
    let shown = || format!("{:#?}", kubectl.resources(namespace));
    until("it is gone from the cluster", shown, || {
        kubectl.resources(namespace).is_empty()
    })
    .await;
    let (name, user) = (&secret["database"], &secret["username"]);
    let left = match server.engine {
        Engine::Postgresql => format!(
            "SELECT datname::text FROM pg_database WHERE datname = '{name}' \
             UNION SELECT rolname::text FROM pg_roles WHERE rolname LIKE '{name}%' OR rolname = '{user}'"
        ),
        _ => format!(
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}' \
             UNION SELECT User FROM mysql.user WHERE User = '{user}' UNION SELECT name FROM mooring.`databases`"
        ),
    };
    for round in 0.. {
        let left = server.query(&left).await;
        if left.is_empty() {
            break;
        }
        assert!(round < 600, "{left:?} are left");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let files = std::fs::read_dir(dumps).expect("it is there").flatten();
    let mut paths: Vec<_> = files.map(|file| dumps.join(file.file_name())).collect();
    paths.retain(|path| {
        path.file_name()
            .is_some_and(|file| file.to_string_lossy().starts_with(name.as_str()))
    });
    assert_eq!(paths.len(), 1, "one dump: {paths:?}");

    // Declared again, without the last backup, it is empty until an administrator has restored it.
    let heir = comes_up(kubectl, "heir", server.engine, json!({})).await;
    assert_ne!(&heir["database"], name);
    server.restore(&paths[0], &heir["database"]);
    let rows = asks(server, &heir, "SELECT line FROM orders ORDER BY line").await;
    assert_eq!(rows, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_with_its_application_leaves_a_dump_that_can_be_restored() {
    let (postgresql, mariadb) = tokio::join!(Server::start(Engine::Postgresql), Server::start(Engine::Mariadb));
    let dumps = tempfile::tempdir().expect("a directory");
    let kubectl = Kubectl(tokio::task::spawn_blocking(Cluster::own).await.expect("a cluster"));
    let _operator = kubectl.0.operator();
    kubectl.apply(&[], &places(&postgresql, &mariadb, dumps.path()));
    tokio::join!(
        leaves_a_dump(&kubectl, &postgresql, dumps.path()),
        leaves_a_dump(&kubectl, &mariadb, dumps.path()),
    );
}
