//! Balancers that are used: requests over two backends, one of which goes, and what Caddy must not be asked.

use std::{collections::BTreeSet, net::SocketAddr};

use mooring_provider::{
    Claim, DynAdapter, ErrorKind, Kind, Sighting,
    conformance::{Life, Subject, Wish},
};
use serde_json::{Value as Json, json};

use crate::{
    http, kit,
    slb_kit::{Balancers, spec},
};

/// A backend that says its name.
fn backend(name: &'static str) -> SocketAddr {
    http::serve(move |_| (200, name.to_owned()))
}

fn to(port: u16, backends: &[SocketAddr]) -> Json {
    let backends: Vec<_> = backends
        .iter()
        .map(|it| json!({"targetPort": 8080, "address": it.ip(), "port": it.port()}))
        .collect();
    let mut spec = spec([port, 1]);
    spec["listeners"].as_array_mut().expect("listeners").truncate(1);
    spec["backends"] = json!(backends);
    spec
}

/// Who answered a number of requests, and with which status.
fn answers(uri: &str) -> BTreeSet<(u16, String)> {
    let ask = |_| http::ask("GET", &format!("{uri}/"), &[], "");
    (0..8).map(ask).map(|answer| (answer.status, answer.body)).collect()
}

fn all(names: &[&str]) -> BTreeSet<(u16, String)> {
    names.iter().map(|name| (200, (*name).to_owned())).collect()
}

#[tokio::test]
async fn requests_reach_every_backend_that_is_well() {
    let subject = Balancers::start().await;
    let (port, one, two) = (http::port(), backend("one"), backend("two"));
    // Nobody listens there any more.
    let dead: SocketAddr = ([127, 0, 0, 1], http::port()).into();
    let mut life = Life::new(&subject, subject.adapter(), http::claim("web").owner);
    life.spec = to(port, &[one, two]);
    let seen = life
        .until(Wish::Present)
        .await
        .expect("it comes up")
        .seen
        .expect("it is seen");
    let uri = seen.bindings["uri"].plain().expect("it may be shown").to_owned();
    assert_eq!(uri, format!("http://127.0.0.1:{port}"));
    assert_eq!(answers(&uri), all(&["one", "two"]));

    life.spec = to(port, &[one, dead]);
    life.until(Wish::Present).await.expect("its backends change");
    assert_eq!(
        answers(&uri),
        all(&["one"]),
        "requests to a backend that is down go to the other"
    );

    life.spec["allowFrom"] = json!(["192.0.2.0/24"]);
    life.until(Wish::Present).await.expect("it admits others");
    assert_eq!(answers(&uri), BTreeSet::from([(403, String::new())]));
    life.spec["allowFrom"] = json!(["127.0.0.0/8"]);
    life.until(Wish::Present).await.expect("it admits us");
    assert_eq!(answers(&uri), all(&["one"]));

    life.until(Wish::Absent).await.expect("it goes");
    assert!(http::try_ask("GET", &uri, &[], "").is_none(), "somebody still listens");
}

#[tokio::test]
async fn a_caddy_that_restarts_empty_gets_its_balancers_again() {
    let mut subject = Balancers::start().await;
    let (port, one) = (http::port(), backend("one"));
    let owner = http::claim("web").owner;
    let spec = to(port, &[one]);
    {
        let mut life = Life::new(&subject, subject.adapter(), owner.clone());
        life.spec = spec.clone();
        life.until(Wish::Present).await.expect("it comes up");
    }
    subject.caddy.restart().await;
    assert!(subject.caddy.servers().is_empty());
    let mut life = Life::new(&subject, subject.adapter(), owner);
    life.spec = spec;
    life.until(Wish::Present).await.expect("it comes up again");
    assert_eq!(answers(&format!("http://127.0.0.1:{port}")), all(&["one"]));
}

#[tokio::test]
async fn a_port_that_is_taken_everywhere_is_told_with_its_owner() {
    let subject = Balancers::start().await;
    let (port, one) = (http::port(), backend("one"));
    let adapter = subject.adapter();
    let mut created = Vec::new();
    for n in 0..4 {
        let claim = http::claim(&format!("n{n}"));
        adapter
            .create(&claim, &to(port, &[one]))
            .await
            .expect("an address is left");
        created.push(bound(&*adapter, &claim).await);
    }
    assert_eq!(created, ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    let error = adapter
        .create(&http::claim("late"), &to(port, &[one]))
        .await
        .expect_err("no address is left");
    assert_eq!(error.kind(), ErrorKind::NotOwned);
    assert!(error.message().contains("team-a/shop/web/n"), "{error}");

    // A listener more is refused by Caddy itself, and what was there stays.
    let mut claim = http::claim("more");
    let free = http::port();
    claim.id = Some(
        adapter
            .create(&claim, &to(free, &[one]))
            .await
            .expect("the port is free")
            .id,
    );
    let Sighting::One(state) = adapter
        .observe(std::slice::from_ref(&claim))
        .await
        .remove(0)
        .expect("it answers")
    else {
        panic!("it is there");
    };
    let mut spec = to(free, &[one]);
    let mut listener = spec["listeners"][0].clone();
    listener["port"] = json!(port);
    spec["listeners"].as_array_mut().expect("listeners").push(listener);
    let drift = adapter.drift(&spec, &state).expect("it is a spec");
    let error = adapter
        .update(&claim, &state, &spec, &drift)
        .await
        .expect_err("the port is taken");
    assert_eq!(error.kind(), ErrorKind::NotOwned, "{error}");
    assert_eq!(answers(&format!("http://127.0.0.1:{free}")), all(&["one"]));
}

async fn bound(adapter: &dyn DynAdapter, claim: &Claim) -> String {
    match adapter.observe(std::slice::from_ref(claim)).await.remove(0) {
        Ok(Sighting::One(state)) => adapter.bindings(claim, &state)["host"].expose().to_owned(),
        seen => panic!("it is there: {seen:?}"),
    }
}

#[tokio::test]
async fn what_caddy_cannot_do_is_said_before_it_is_tried() {
    let config =
        json!({"slb": {"adminUrl": "http://127.0.0.1:1", "addresses": ["10.0.0.5"], "certificates": {"shop": "tag"}}});
    let adapter = kit::adapter(&config, Kind::Slb);
    let with = |path: &str, value: Json| {
        let mut spec = spec([80, 81]);
        *spec.pointer_mut(path).expect("a field") = value;
        spec
    };
    let mut https = with("/listeners/0/protocol", json!("https"));
    https["listeners"][0]["certificate"] = json!("shop");
    adapter.validate(&https).expect("the certificate is known");
    https["listeners"][0]["certificate"] = json!("other");
    for (spec, kind, words) in [
        (
            with("/listeners/0/protocol", json!("tcp")),
            ErrorKind::Unsupported,
            "`tcp` cannot be balanced by a Caddy; use http",
        ),
        (
            with("/backends", Json::Null),
            ErrorKind::Unsupported,
            "network.backends",
        ),
        (
            with("/scheme", json!("internet")),
            ErrorKind::Unsupported,
            "spec.onprem.slb.publicAddresses",
        ),
        (https, ErrorKind::Unsupported, "spec.onprem.slb.certificates"),
        (
            with("/listeners/0/port", json!(81)),
            ErrorKind::InvalidSpec,
            "`81` is listened on twice",
        ),
        (with("/listeners", json!([])), ErrorKind::InvalidSpec, "listeners: `[]`"),
        (
            with("/allowFrom", json!(["10.0.0.0"])),
            ErrorKind::InvalidSpec,
            "allowFrom: `10.0.0.0`",
        ),
        (
            with("/backends/0/address", json!("web")),
            ErrorKind::InvalidSpec,
            "backends.address: `web`",
        ),
    ] {
        let error = adapter.validate(&spec).expect_err(words);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}
