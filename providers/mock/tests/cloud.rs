//! What a cloud does that is not an adapter's business: chance, quotas, the file, the clock, the log.

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Mock, changed, cloud, settings, spec};
use mooring_provider::{
    Access, Account, Claim, ClusterId, Credentials, ErrorKind, ExternalId, Identity, Key, Kind, Owner, Phase, Retry,
    Sighting,
    conformance::{Life, Wish},
};
use mooring_provider_mock::{Call, Cloud, Fault, MockConfig, Op, SHARED_NETWORK, register};
use serde_json::json;

/// An owner by its identity.
fn owner(identity: &str) -> Owner {
    Owner {
        cluster: ClusterId::new("test"),
        identity: Identity::new(identity),
        key: Key::new("team-a", "shop", "web", "x"),
    }
}

fn claim(identity: &str) -> Claim {
    Claim::new(owner(identity))
}

/// What thirty attempts to create come to.
async fn history(change: impl FnOnce(&mut MockConfig)) -> Vec<String> {
    let cloud = cloud(change);
    let adapter = Mock::new(cloud.clone(), Kind::Vpc).adapter;
    let mut history = Vec::new();
    for n in 0..30 {
        history.push(match adapter.create(&claim(&format!("n{n}")), &spec(Kind::Vpc)).await {
            Ok(created) => created.id.to_string(),
            Err(error) => error.to_string(),
        });
    }
    history
}

#[tokio::test(start_paused = true)]
async fn one_seed_has_one_history() {
    let faulty = |seed| {
        move |config: &mut MockConfig| {
            (config.seed, config.errors, config.throttled, config.lost_replies) = (seed, 0.2, 0.2, 0.2);
        }
    };
    let first = history(faulty(7)).await;
    assert_eq!(first, history(faulty(7)).await);
    assert_ne!(first, history(faulty(8)).await);
}

#[tokio::test(start_paused = true)]
async fn probabilities_mean_what_they_say() {
    for (field, kind) in [
        (0, ErrorKind::Unavailable),
        (1, ErrorKind::Throttled),
        (2, ErrorKind::Unavailable),
    ] {
        for probability in [0.0, 0.3, 1.0] {
            let cloud = cloud(|config| {
                *[&mut config.errors, &mut config.throttled, &mut config.lost_replies][field] = probability;
            });
            let adapter = Mock::new(cloud.clone(), Kind::Vpc).adapter;
            let mut failed = 0_u32;
            for n in 0..200 {
                if let Err(error) = adapter.create(&claim(&format!("n{n}")), &spec(Kind::Vpc)).await {
                    assert_eq!(error.kind(), kind);
                    failed += 1;
                }
            }
            let expected = 200.0 * probability;
            assert!(
                (f64::from(failed) - expected).abs() <= 30.0,
                "{failed} of 200 failed at {probability}"
            );
            let effects = if field == 2 { 200 } else { 200 - failed as usize };
            assert_eq!(cloud.list().len(), effects);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_a_number_of_resources() {
    let cloud = cloud(|config| config.quota = BTreeMap::from([(Kind::Slb, 2)]));
    let adapter = Mock::new(cloud.clone(), Kind::Slb).adapter;
    for n in 0..2 {
        adapter
            .create(&claim(&format!("n{n}")), &spec(Kind::Slb))
            .await
            .expect("there is room");
    }
    let full = adapter
        .create(&claim("n2"), &spec(Kind::Slb))
        .await
        .expect_err("there is no room");
    assert_eq!(full.kind(), ErrorKind::QuotaExceeded);
    assert!(full.message().contains("all 2 slb of account `mock`"), "{full}");
    cloud.destroy(&cloud.list()[0].id);
    adapter
        .create(&claim("n2"), &spec(Kind::Slb))
        .await
        .expect("there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_with_a_file_outlives_its_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/cloud");
    let with_file = || cloud(|config| config.state = Some(path.clone()));

    let first = with_file();
    let subject = Mock::new(first.clone(), Kind::Rds);
    let mut life = Life::new(&subject, subject.adapter.clone(), owner("kept"));
    let account = Account {
        name: "app".into(),
        access: Access::Owner,
        password: "secret-in-no-file".into(),
    };
    life.accounts = vec![(account, false)];
    life.until(Wish::Present).await.expect("it comes up");
    let id = life.claim.id.clone().expect("it has an id");
    assert!(first.write(&id, "a row"));
    Mock::new(first.clone(), Kind::Slb)
        .adapter
        .create(&claim("going"), &spec(Kind::Slb))
        .await
        .expect("it is made");

    // Another process sees all of it, in the middle of what is under way.
    let second = with_file();
    assert_eq!(second.list(), first.list());
    assert_eq!(second.rows(&id), Some(vec!["a row".to_owned()]));
    assert_eq!(second.login(&id, "app", "secret-in-no-file"), Some(Access::Owner));
    let balancer = second.list()[1].id.clone();
    assert!(matches!(second.phase(&balancer), Some(Phase::Busy(_))));
    tokio::time::sleep(second.unrest()).await;
    assert_eq!(second.phase(&balancer), Some(Phase::Ready));

    // They take turns, and a client token goes on answering.
    assert!(second.destroy(&balancer));
    assert_eq!(first.get(&balancer), None);
    let again = Mock::new(second, Kind::Rds)
        .adapter
        .create(&claim("kept"), &spec(Kind::Rds))
        .await
        .expect("it is there");
    assert_eq!(again.id, id);

    // A process that was killed while it wrote leaves half a line.
    let text = std::fs::read_to_string(&path).expect("the file is there");
    assert!(!text.contains("secret-in-no-file"));
    std::fs::write(&path, format!("{text}{{\"at\":")).expect("it can be written");
    let third = with_file();
    assert_eq!(third.list().len(), 1);
    third.write(&id, "another");
    assert_eq!(first.rows(&id).map(|rows| rows.len()), Some(2));

    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&path)
        .expect("the file is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    std::fs::remove_file(&path).expect("it can be removed");
    assert!(first.list().is_empty(), "a cloud without its file is a new cloud");
}

#[tokio::test(start_paused = true)]
async fn a_file_does_not_grow_without_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cloud");
    let with_file = || cloud(|config| config.state = Some(path.clone()));
    let (cloud, witness) = (with_file(), with_file());
    let id = cloud.add_foreign("busy", settings(Kind::Slb));
    for n in 0..3_000 {
        cloud.change(&id, |resource| resource.rows = vec![n.to_string()]);
    }
    let lines = std::fs::read_to_string(&path)
        .expect("the file is there")
        .lines()
        .count();
    assert!(lines < 1_100, "{lines} lines for one resource");
    assert_eq!(witness.rows(&id), Some(vec!["2999".to_owned()]));
    assert_eq!(with_file().rows(&id), Some(vec!["2999".to_owned()]));
}

#[test]
fn processes_take_turns_at_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cloud");
    let with_file = || cloud(|config| config.state = Some(path.clone()));
    let id = with_file().add_foreign("shared", settings(Kind::Rds));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let cloud = with_file();
                (0..100).for_each(|n| assert!(cloud.write(&id, n.to_string())));
            });
        }
    });
    assert_eq!(with_file().rows(&id).map(|rows| rows.len()), Some(400));
}

#[tokio::test]
async fn who_connects_anew_reaches_the_same_cloud() {
    let connect = |config: serde_json::Value, token: Option<&str>| {
        let credentials: Credentials = token
            .map(|token| ("token".to_owned(), token.into()))
            .into_iter()
            .collect();
        (register().connect)(&config, credentials)
    };
    let config = json!({"account": "reconnect", "requiresCredentials": true});
    let provider = connect(config.clone(), Some("good")).expect("it connects");
    assert_eq!(provider.check().await.expect("it works").account, "reconnect");
    let vpc = provider.adapter(Kind::Vpc).expect("it serves networks");
    let created = vpc.create(&claim("one"), &spec(Kind::Vpc)).await.expect("it is made");

    let config = json!({"account": "reconnect", "requiresCredentials": true, "provisioning": "1ms"});
    let again = connect(config.clone(), Some("another"))
        .expect("it connects")
        .adapter(Kind::Vpc)
        .expect("as before");
    let known = Claim {
        id: Some(created.id),
        ..claim("one")
    };
    assert!(matches!(
        again.observe(&[known]).await.as_slice(),
        [Ok(Sighting::One(_))]
    ));

    for refused in [None, Some(""), Some("revoked")] {
        let error = connect(config.clone(), refused)
            .expect("it connects")
            .check()
            .await
            .expect_err("it is refused");
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Unauthenticated, Retry::Slowly)
        );
    }
    let open = Cloud::open(&MockConfig {
        account: "reconnect".into(),
        requires_credentials: true,
        ..MockConfig::default()
    });
    open.expect("it is the same").set_revoked(true);
    assert_eq!(
        provider.check().await.expect_err("it is revoked").kind(),
        ErrorKind::Unauthenticated
    );

    for (bad, named) in [
        (json!({"errors": 1.5}), "errors: `1.5`"),
        (json!({"latencey": "1s"}), "latencey"),
        (json!({"latency": "soon"}), "soon"),
        (json!({"account": ""}), "account"),
        (json!({"state": "/dev/null/cloud"}), "/dev/null/cloud"),
    ] {
        let error = connect(bad, None).expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
        assert!(error.message().contains(named), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_happens_though_nobody_waits() {
    let cloud = cloud(|_| ());
    let adapter = Mock::new(cloud.clone(), Kind::Log).adapter;
    let late = Duration::from_secs(2);
    cloud.fail_next(Op::Create, Some(Kind::Log), Fault::Late(late));
    let given_up = tokio::time::timeout(late / 2, adapter.create(&claim("late"), &spec(Kind::Log))).await;
    assert!(given_up.is_err() && cloud.list().is_empty());
    assert!(cloud.unrest() > Duration::from_millis(900), "something is under way");
    tokio::time::sleep(late).await;
    assert_eq!(cloud.list().len(), 1);
    cloud.fail_next(Op::Delete, None, Fault::Throttled(Duration::from_secs(9)));
    cloud.fail_next(Op::Create, Some(Kind::Log), Fault::Late(late));
    adapter
        .create(&claim("patient"), &spec(Kind::Log))
        .await
        .expect("who waits gets the answer");
    let states = adapter.observe(&[claim("late")]).await;
    let [Ok(Sighting::One(state))] = states.as_slice() else {
        panic!("{states:?}")
    };
    let throttled = adapter
        .delete(&claim("late"), state)
        .await
        .expect_err("there were too many");
    assert_eq!(
        (throttled.kind(), throttled.retry()),
        (ErrorKind::Throttled, Retry::After(Duration::from_secs(9)))
    );
    assert_eq!(cloud.counters().throttled, 1);
}

#[tokio::test(start_paused = true)]
async fn every_call_is_written_down() {
    let cloud = cloud(|_| ());
    let adapter = Mock::new(cloud.clone(), Kind::Slb).adapter;
    adapter
        .create(&claim("one"), &spec(Kind::Slb))
        .await
        .expect("it is made");
    drop(adapter.observe(&[claim("one"), claim("two")]).await);
    cloud.set_down(true);
    let down = adapter
        .inventory(&owner("one").cluster)
        .await
        .expect_err("the cloud is down");
    assert_eq!(down.kind(), ErrorKind::Unavailable);
    cloud.set_down(false);
    let shown: Vec<_> = cloud.calls().iter().map(Call::to_string).collect();
    let names = [
        "#0 slb.observe shop-web-x-one",
        "#1 slb.create shop-web-x-one",
        "#2 slb.observe shop-web-x-one",
    ];
    assert_eq!(shown[..3], names);
    assert_eq!((shown[3].as_str(), cloud.calls()[2].batch), ("#3 slb.inventory", 2));
    assert_eq!((cloud.counters().reads, cloud.counters().writes), (3, 1));
    assert_eq!(
        (cloud.count(Op::Observe, Kind::Slb), cloud.count(Op::Create, Kind::Vpc)),
        (2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_network_stays_while_something_lives_in_it() {
    let cloud = cloud(|_| ());
    let (network, balancer) = (Mock::new(cloud.clone(), Kind::Vpc), Mock::new(cloud.clone(), Kind::Slb));
    let mut outer = Life::new(&network, network.adapter.clone(), owner("outer"));
    outer.until(Wish::Present).await.expect("the network comes up");
    let mut inner = Life::new(&balancer, balancer.adapter.clone(), owner("inner"));
    inner.spec["network"]["id"] = json!(outer.claim.id);
    inner.until(Wish::Present).await.expect("the balancer comes up");
    let refused = outer.step(Wish::Absent).await.expect_err("something lives in it");
    assert_eq!(
        (refused.kind(), refused.code()),
        (ErrorKind::Busy, Some("DependencyViolation"))
    );
    inner.until(Wish::Absent).await.expect("the balancer goes");
    outer.until(Wish::Absent).await.expect("the network goes");
    assert!(cloud.list().is_empty());

    inner.spec["network"]["id"] = json!("vpc-nowhere");
    let error = balancer
        .adapter
        .create(&inner.claim, &inner.spec)
        .await
        .expect_err("there is no such network");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    assert!(
        error.message().contains("network.id: no network `vpc-nowhere`"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_shared_network_is_read_and_never_touched() {
    let cloud = cloud(|_| ());
    let adapter = Mock::new(cloud.clone(), Kind::Vpc).adapter;
    let shared = |id: &str| Claim {
        id: Some(ExternalId::new(id)),
        existing: true,
        ..claim("shared")
    };
    let seen = adapter.observe(&[shared(SHARED_NETWORK), shared("vpc-nowhere")]).await;
    let [Ok(Sighting::One(state)), Ok(Sighting::Absent)] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    let mut wanted = spec(Kind::Vpc);
    wanted["cidr"] = json!(null);
    wanted["shared"] = json!({"id": SHARED_NETWORK, "subnets": [], "securityGroup": null});
    adapter.validate(&wanted).expect("it is good");
    assert!(adapter.drift(&wanted, state).expect("it can be compared").is_empty());
    let bindings = adapter.bindings(&shared(SHARED_NETWORK), state);
    assert_eq!(bindings["subnet-ids"].plain(), Some("vsw-shared-a"));
    let error = adapter
        .delete(&shared(SHARED_NETWORK), state)
        .await
        .expect_err("it is not ours");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let error = adapter
        .create(&claim("none"), &wanted)
        .await
        .expect_err("a shared network is not made");
    assert!(error.message().contains("network.id"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_database_refuses_what_databases_refuse() {
    let cloud = cloud(|_| ());
    let adapter = Mock::new(cloud.clone(), Kind::Rds).adapter;
    let first = adapter
        .create(&claim("one"), &spec(Kind::Rds))
        .await
        .expect("it is made");
    let mismatch = adapter
        .create(&claim("one"), &changed(Kind::Rds))
        .await
        .expect_err("the token is used");
    assert_eq!(
        (mismatch.kind(), mismatch.code()),
        (ErrorKind::InvalidSpec, Some("IdempotentParameterMismatch"))
    );
    assert!(cloud.doubled().is_empty());
    let second = Claim {
        incarnation: 1,
        ..claim("one")
    };
    let second = adapter
        .create(&second, &spec(Kind::Rds))
        .await
        .expect("another token makes another");
    assert_eq!(cloud.doubled(), ["one"]);
    let seen = adapter.observe(&[claim("one")]).await;
    assert!(
        matches!(seen.as_slice(), [Ok(Sighting::Several(ids))] if ids.len() == 2),
        "{seen:?}"
    );
    cloud.destroy(&second.id);
    cloud.destroy(&first.id);
    let dead = adapter
        .create(&claim("one"), &spec(Kind::Rds))
        .await
        .expect("the token answers for the dead");
    assert_eq!(dead.id, first.id);

    for (field, value, named) in [
        ("storage", json!("1Mi"), "storage: `1Mi`"),
        ("version", json!("3.23"), "version: `3.23`"),
        ("database", json!("a b"), "database: `a b`"),
        ("clients", json!(["10.8.0.0/33"]), "clients: `10.8.0.0/33`"),
        ("backupRetention", json!("1m"), "backup.retention: `1m`"),
    ] {
        let mut bad = spec(Kind::Rds);
        bad[field] = value;
        let error = adapter.validate(&bad).expect_err("it is refused");
        assert!(
            error.kind() == ErrorKind::InvalidSpec && error.message().contains(named),
            "{error}"
        );
    }
}
