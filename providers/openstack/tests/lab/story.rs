//! What an application gets: a database to log in to, and requests that are balanced.

use std::{collections::BTreeMap, time::Duration};

use mooring_provider::{
    Access, Account, ClusterId, Identity, Key, Kind, Owner, Value,
    conformance::{Life, Subject as _, Wish},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    project::Opens as _,
    subject::{Cloud, can_use},
};

fn owner(identity: &str, kind: Kind) -> Owner {
    Owner {
        cluster: ClusterId::new("story"),
        identity: Identity::new(identity),
        key: Key::new("team-a", "shop", "web", kind.as_str()),
    }
}

/// A server that answers every request with its name.
async fn backend(name: &'static str) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let serving = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = client.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{name}",
                name.len()
            );
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    (port, serving)
}

/// What stands behind the last empty line of an answer; nothing when there is none.
async fn ask(host: &str, port: u16) -> String {
    let Ok(mut stream) = TcpStream::connect((host, port)).await else {
        return String::new();
    };
    let mut answer = String::new();
    let _ = stream.write_all(b"GET / HTTP/1.0\r\nhost: shop\r\n\r\n").await;
    let _ = stream.read_to_string(&mut answer).await;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => body.to_owned(),
        _ => String::new(),
    }
}

async fn answers(host: &str, port: u16) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for _ in 0..10 {
        *counted.entry(ask(host, port).await).or_default() += 1;
    }
    counted
}

#[tokio::test]
async fn requests_are_balanced_over_two_backends_and_round_one_that_is_down() {
    let cloud = Cloud::new(Kind::Slb, "story-slb").await;
    let ((red, serving), (blue, _other)) = (backend("red").await, backend("blue").await);
    let mut life = Life::new(&cloud, cloud.adapter(), owner("balanced1", Kind::Slb));
    let at = |port: u16| json!({"targetPort": 80, "address": "127.0.0.1", "port": port});
    life.spec["backends"] = json!([at(red), at(blue)]);
    let outcome = life.until(Wish::Present).await.expect("it comes up");
    let bindings = outcome.seen.expect("it is seen").bindings;
    let host = bindings["host"].plain().expect("an address").to_owned();
    assert_eq!(bindings["uri"].plain(), Some(format!("http://{host}:8080").as_str()));
    cloud
        .project
        .until("both backends answer", || async {
            let counted = answers(&host, 8080).await;
            counted.contains_key("red") && counted.contains_key("blue") && counted.len() == 2
        })
        .await;

    // One that is down gets no requests, and nobody had to be told.
    serving.abort();
    cloud
        .project
        .until("one backend answers all", || async {
            answers(&host, 8080).await == BTreeMap::from([("blue".to_owned(), 10)])
        })
        .await;

    // Another port, and only some may connect.
    life.spec["listeners"][0]["port"] = json!(8081);
    life.spec["backends"] = json!([at(blue)]);
    life.until(Wish::Present).await.expect("it changes");
    assert_eq!(
        (ask(&host, 8081).await, ask(&host, 8080).await),
        ("blue".into(), String::new())
    );
    life.spec["allowFrom"] = json!(["192.0.2.0/24"]);
    life.until(Wish::Present).await.expect("it changes");
    cloud
        .project
        .until("nobody from here is let in", || async {
            ask(&host, 8081).await.is_empty()
        })
        .await;

    life.until(Wish::Absent).await.expect("it goes");
    assert!(
        TcpStream::connect((host.as_str(), 8081)).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test]
async fn a_public_address_comes_and_goes_with_the_load_balancer() {
    let networks = Cloud::new(Kind::Vpc, "public-vpc").await;
    let mut network = Life::new(&networks, networks.adapter(), owner("public1", Kind::Vpc));
    network.spec["egress"] = json!("internet");
    let outcome = network.until(Wish::Present).await.expect("the network comes up");
    let bindings = outcome.seen.expect("it is seen").bindings;
    let plain = |name: &str| bindings[name].plain().expect("it is plain").to_owned();

    // In the same project, the balancer of the same application.
    let adapter = networks.project.adapter(Kind::Slb);
    let mut balancer = Life::new(&networks, adapter, owner("public2", Kind::Slb));
    balancer.spec = json!({
        "scheme": "internet", "allowFrom": [], "backends": [],
        "network": {"id": plain("network-id"), "subnets": [{"id": plain("subnet-ids")}], "securityGroup": null},
        "listeners": [{"port": 80, "protocol": "tcp", "targetPort": 80, "certificate": null, "healthCheckPath": null}],
        "common": {"tags": {}, "resourceGroup": null, "options": {}},
    });
    let outcome = balancer.until(Wish::Present).await.expect("it comes up");
    let bindings = outcome.seen.expect("it is seen").bindings;
    let host = bindings["host"].plain().expect("an address");
    assert!(
        host.starts_with("198.18."),
        "{host} is no address of the external network"
    );

    // The network waits for it, and says for what.
    let error = network.step(Wish::Absent).await.expect_err("the balancer lives there");
    assert!(error.message().contains("Octavia"), "{error}");
    balancer.until(Wish::Absent).await.expect("the balancer goes");
    let left = networks
        .project
        .list("network", "/v2.0/floatingips", "floatingips")
        .await;
    assert!(left.is_empty(), "{left:?}");
    network.until(Wish::Absent).await.expect("the network goes");
}

#[tokio::test]
async fn an_application_logs_in_with_what_it_is_given() {
    let cloud = Cloud::new(Kind::Rds, "story-rds").await;
    let mut life = Life::new(&cloud, cloud.adapter(), owner("logged1", Kind::Rds));
    let account = Account {
        name: "shop".into(),
        access: Access::Owner,
        password: "Story-1-pa:ss/w@rd'\"".into(),
    };
    life.accounts = vec![(account, false)];
    let outcome = life.until(Wish::Present).await.expect("it comes up");
    let bindings = outcome.seen.expect("it is seen").bindings;
    let get = |name: &str| bindings.get(name).and_then(Value::plain).unwrap_or_default();
    assert_eq!((get("type"), get("port"), get("database")), ("mysql", "3306", "shop"));
    assert!(can_use(get("host"), "shop", "Story-1-pa:ss/w@rd'\"", get("database")).await);
    assert!(!can_use(get("host"), "shop", "wrong", get("database")).await);
    assert!(
        !can_use(get("host"), "shop", "Story-1-pa:ss/w@rd'\"", "mysql").await,
        "other databases are closed"
    );

    let reader = Account {
        name: "reader".into(),
        access: Access::ReadOnly,
        password: "Story-2".into(),
    };
    life.accounts.push((reader, false));
    let error = life.until(Wish::Present).await.expect_err("Trove cannot");
    assert!(error.contains("Unsupported") && error.contains("readonly"), "{error}");
    let host = get("host").to_owned();
    life.until(Wish::Absent).await.expect("it goes");
    let refused = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect((host.as_str(), 3306))).await;
    assert!(!matches!(refused, Ok(Ok(_))), "nothing listens any more");
}
