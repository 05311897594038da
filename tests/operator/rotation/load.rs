//! A rotation under load, on a real PostgreSQL and a real MariaDB: each pod is what its Secret said when it was started,
//! keeps a session open and connects anew all the time, and no query of any fails.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Secret},
};
use kube::{Api, ResourceExt, api::PostParams};
use mooring_provider::spec::Engine;
use mooring_test_servers::{ADMIN, Server};
use serde_json::{Value as Json, json};

use super::{Entries, NAME};
use crate::{
    interrupted::workload,
    resource_support::*,
    support::cluster::{Cluster, SYSTEM, Team, eventually},
};

/// How many pods there are.
const PODS: i32 = 3;

/// What the queries of all pods came to.
#[derive(Debug, Default)]
struct Figures {
    pods: AtomicU64,
    queries: AtomicU64,
    failed: Mutex<Vec<String>>,
}

/// What a pod does with what it was given, until it is told to end.
async fn runs(server: Arc<Server>, given: Entries, figures: Arc<Figures>, ends: Arc<AtomicBool>) {
    let (user, password, database) = (&given["username"], &given["password"], given["database"].as_str());
    let write = "INSERT INTO orders VALUES (1)";
    let read = "SELECT COUNT(*) FROM latest";
    figures.pods.fetch_add(1, Ordering::SeqCst);
    let count = |answer: sqlx::Result<Vec<String>>, what: &str| {
        figures.queries.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = answer {
            let mut failed = figures.failed.lock().expect("nobody panicked");
            failed.push(format!("{user}: {what}: {error}"));
        }
    };
    let mut held = server.session(user, password, Some(database)).await.ok();
    while !ends.load(Ordering::SeqCst) {
        count(
            server.login(user, password, Some(database), write).await,
            "a new session",
        );
        match held.take() {
            Some(session) => {
                let (answer, session) = session.ask(read).await;
                count(answer, "the session that is kept");
                held = Some(session);
            }
            None => count(Err(sqlx::Error::PoolClosed), "the session that is kept"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Starts what the pods do that are there, and ends what those did that are not.
async fn follows(team: &Team, server: Arc<Server>, figures: Arc<Figures>, until: Arc<AtomicBool>) {
    let mut running: BTreeMap<String, (Arc<AtomicBool>, tokio::task::JoinHandle<()>)> = BTreeMap::new();
    while !until.load(Ordering::SeqCst) {
        let pods = team
            .api::<Pod>()
            .list(&Default::default())
            .await
            .expect("they can be listed");
        let is_bound = |pod: &Pod| {
            let env = pod.spec.as_ref().and_then(|spec| spec.containers[0].env.clone());
            env.iter().flatten().any(|variable| variable.name == "DB_PASSWORD")
        };
        let there: Vec<_> = pods
            .items
            .iter()
            .filter(|pod| is_bound(pod) && pod.metadata.deletion_timestamp.is_none())
            .map(ResourceExt::name_any)
            .collect();
        for name in &there {
            if !running.contains_key(name) {
                let ends = Arc::new(AtomicBool::new(false));
                let given = entries(team, NAME).await;
                let run = runs(server.clone(), given, figures.clone(), ends.clone());
                running.insert(name.clone(), (ends, tokio::spawn(run)));
            }
        }
        let gone: Vec<_> = running.keys().filter(|name| !there.contains(name)).cloned().collect();
        for name in gone {
            let (ends, run) = running.remove(&name).expect("just seen");
            ends.store(true, Ordering::SeqCst);
            run.await.expect("a pod does not panic");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (ends, run) in running.into_values() {
        ends.store(true, Ordering::SeqCst);
        run.await.expect("a pod does not panic");
    }
}

/// An Environment of that server, beside the team's own.
async fn environment(team: &Team, server: &Server) -> String {
    let name = format!("{}-idc", team.namespace);
    let list = server.engine.as_str();
    let entry = json!({"name": "s1", "host": "127.0.0.1", "port": server.port, "caBundle": server.ca});
    let secret = serde_json::from_value(json!({
        "metadata": {"name": name},
        "stringData": {"s1.username": ADMIN.0, "s1.password": ADMIN.1},
    }));
    let made = Api::<Secret>::namespaced(team.client.clone(), SYSTEM)
        .create(&PostParams::default(), &secret.expect("a Secret"))
        .await;
    made.expect("an SRE may make it");
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": name},
        "spec": {"onprem": {list: [entry]}, "credentials": {"secretRef": {"name": name}}},
    }))
    .await;
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": name},
        "spec": {
            "providers": {"default": name, "vpc": "none"}, "allowedNamespaces": {},
            "network": {"clients": {"cidrs": ["127.0.0.0/8"]}},
            "sizes": {"rds": {"small": {"onprem": "60"}}},
        },
    }))
    .await;
    name
}

/// How many templates the Deployment has rolled out, once all its pods are of the present one.
async fn rollouts(team: &Team) -> u64 {
    eventually("its pods are as its template", async || {
        let there = team.api::<Deployment>().get("web").await.expect("it is there");
        let status = there.status.clone()?;
        let is_rolled = status.observed_generation == there.metadata.generation
            && [status.updated_replicas, status.replicas, status.available_replicas] == [Some(PODS); 3];
        let revision = there.annotations().get("deployment.kubernetes.io/revision")?;
        is_rolled.then(|| revision.parse().expect("a number"))
    })
    .await
}

async fn nobody_is_cut_off(engine: Engine) {
    let server = Arc::new(Server::start(engine).await);
    let cluster = Cluster::shared();
    let team = Arc::new(Team::new(cluster, &format!("load{engine}")).await);
    let environment = environment(&team, &server).await;
    let mut declared = written("db", "rds", json!({"engine": engine, "as": "DB"}));
    declared["spec"]["environment"] = json!(environment);
    team.apply_json(declared).await;
    ready(&team, NAME).await;
    let first = entries(&team, NAME).await;
    let make = "CREATE TABLE orders (line INT); CREATE VIEW latest AS SELECT line FROM orders";
    let does = async |login: &Entries, sql: &str| {
        let database = Some(login["database"].as_str());
        server
            .login(&login["username"], &login["password"], database, sql)
            .await
    };
    does(&first, make).await.expect("the first login is the owner's");
    let mut web: Json = workload();
    web["spec"]["replicas"] = json!(PODS);
    web["spec"]["minReadySeconds"] = json!(1);
    web["spec"]["strategy"] = json!({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
    team.apply_json(web).await;
    told(&team, NAME, "Bound", "True", "Bound").await;
    let mut before = rollouts(&team).await;

    let (figures, over) = (Arc::new(Figures::default()), Arc::new(AtomicBool::new(false)));
    let load = {
        let (team, server, figures, over) = (team.clone(), server.clone(), figures.clone(), over.clone());
        tokio::spawn(async move { follows(&team, server, figures, over).await })
    };
    let (mut login, mut caused) = (first, Vec::new());
    for round in ["monday", "tuesday"] {
        let queries = figures.queries.load(Ordering::SeqCst);
        eventually("there is a load", async || {
            (figures.queries.load(Ordering::SeqCst) > queries + 50).then_some(())
        })
        .await;
        annotate(&team, NAME, "mooring.dev/rotate", round).await;
        let now = eventually("another login is shown", async || {
            let now = entries(&team, NAME).await;
            (now["username"] != login["username"]).then_some(now)
        })
        .await;
        eventually("the old login cannot log in any more", async || {
            does(&login, "SELECT 1").await.is_err().then_some(())
        })
        .await;
        told(&team, NAME, "Rotated", "True", "Rotated").await;
        let after = rollouts(&team).await;
        caused.push(after - before);
        (before, login) = (after, now);
    }
    over.store(true, Ordering::SeqCst);
    load.await.expect("the pods do not panic");
    let failed = figures.failed.lock().expect("nobody panicked").clone();
    println!(
        "{engine}: 2 rotations: rollouts {caused:?}, pods {}, queries {}, failed {}",
        figures.pods.load(Ordering::SeqCst),
        figures.queries.load(Ordering::SeqCst),
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(caused, [1, 1], "one rollout for each rotation");

    // What the first login made is the last one's, whole.
    let whole = "INSERT INTO orders VALUES (2); ALTER TABLE orders ADD COLUMN more INT; SELECT COUNT(*) FROM latest; \
                 DROP VIEW latest; DROP TABLE orders";
    does(&login, whole).await.expect("it is the owner");
    delete(&team, NAME).await;
    gone(&team, NAME).await;
    let users = match engine {
        Engine::Postgresql => "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'shop%'",
        _ => "SELECT User FROM mysql.user WHERE User LIKE 'shop%'",
    };
    assert_eq!(server.query(users).await, Vec::<String>::new(), "nobody is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_a_real_postgresql_under_load_fails_no_query() {
    nobody_is_cut_off(Engine::Postgresql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_a_real_mariadb_under_load_fails_no_query() {
    nobody_is_cut_off(Engine::Mariadb).await;
}

/// While the provider is not connected yet, what a bind's login is called is not known, and it stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_bind_to_a_real_database_keeps_its_login_when_the_operator_starts_anew() {
    const BIND: &str = "shop-report-db";
    let server = Server::start(Engine::Postgresql).await;
    let cluster = Cluster::own();
    let mut operator = cluster.operator();
    let team = Team::new(&cluster, "bindkept").await;
    let environment = environment(&team, &server).await;
    let mut declared = written("db", "rds", json!({"engine": "postgresql"}));
    declared["spec"]["environment"] = json!(environment);
    team.apply_json(declared).await;
    let mut bind = written("db", "bind", json!({"to": "web/db", "access": "readonly"}));
    bind["metadata"]["name"] = json!(BIND);
    bind["spec"]["component"] = json!("report");
    team.apply_json(bind).await;
    ready(&team, BIND).await;
    let first = entries(&team, BIND).await;
    for n in 0..3 {
        operator.kill();
        operator = cluster.operator();
        // It is looked at from the first moment on.
        annotate(&team, BIND, "look", &n.to_string()).await;
        ready(&team, BIND).await;
        quiet(&team, BIND).await;
        assert_eq!(entries(&team, BIND).await, first, "start {n}");
    }
    let may = server
        .login(
            &first["username"],
            &first["password"],
            Some(&first["database"]),
            "SELECT 1",
        )
        .await;
    may.expect("it is good");
    annotate(&team, BIND, "mooring.dev/rotate", "monday").await;
    let second = eventually("another login is shown", async || {
        let now = entries(&team, BIND).await;
        (now["username"] != first["username"]).then_some(now)
    })
    .await;
    eventually("the one before is gone", async || {
        let old = server.login(
            &first["username"],
            &first["password"],
            Some(&first["database"]),
            "SELECT 1",
        );
        old.await.is_err().then_some(())
    })
    .await;
    let may = server
        .login(
            &second["username"],
            &second["password"],
            Some(&second["database"]),
            "SELECT 1",
        )
        .await;
    may.expect("it is good");
    operator.stop().await.expect("it ends in good order");
}
