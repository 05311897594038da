//! Real trouble, and what is said about it.

use std::{
    process::Command,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mooring_provider::{
    Change, Claim, ClusterId, Drift, DynAdapter, ErrorKind, Identity, Key, Kind, Owner, Phase, Provider as _, Sighting,
    Step,
    conformance::{Life, Subject as _, Wish},
    reason,
};
use serde_json::json;

use crate::{
    project::{Opens as _, Project, text},
    proxy::Cuts,
    subject::Cloud,
};

fn owner(identity: &str) -> Owner {
    Owner {
        cluster: ClusterId::new("trouble"),
        identity: Identity::new(identity),
        key: Key::new("team-a", "shop", "web", identity),
    }
}

fn life<'a>(cloud: &'a Cloud, identity: &str) -> Life<'a> {
    Life::new(cloud, cloud.adapter(), owner(identity))
}

async fn phase(adapter: &dyn DynAdapter, claim: &Claim) -> Phase {
    match adapter.observe(std::slice::from_ref(claim)).await.pop() {
        Some(Ok(Sighting::One(state))) => adapter.phase(&state),
        other => panic!("it should be there: {other:?}"),
    }
}

#[tokio::test]
async fn a_strangers_port_is_waited_for_and_left_alone() {
    let cloud = Cloud::new(Kind::Vpc, "stranger").await;
    let mut life = life(&cloud, "stranger1");
    life.spec["egress"] = json!("internet");
    life.until(Wish::Present).await.expect("it comes up");
    let network = life.claim.id.clone().expect("it has an id");
    let body = json!({"port": {"network_id": network, "name": "printer", "project_id": cloud.project.id}});
    let port = text(&cloud.project.made("network", "/v2.0/ports", body).await["port"]["id"]);
    let before = cloud.look(&network).await;
    let routers = cloud.project.list("network", "/v2.0/routers", "routers").await;
    for _ in 0..2 {
        let error = life.step(Wish::Absent).await.expect_err("somebody lives there");
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(
            error.message().contains(&port) && error.message().contains("printer"),
            "{error}"
        );
    }
    assert_eq!(cloud.look(&network).await, before, "nothing is touched");
    assert_eq!(
        cloud.project.list("network", "/v2.0/routers", "routers").await,
        routers,
        "not the way out either"
    );
    cloud
        .project
        .ask("DELETE", "network", &format!("/v2.0/ports/{port}"), None)
        .await;
    life.until(Wish::Absent).await.expect("it goes");
    assert!(cloud.existing(&life.claim.owner).await.is_empty());
}

#[tokio::test]
async fn what_is_left_of_a_network_is_taken_away() {
    let cloud = Cloud::new(Kind::Vpc, "leftovers").await;
    let mut life = life(&cloud, "leftovers1");
    life.until(Wish::Present).await.expect("it comes up");
    let network = life.claim.id.clone().expect("it has an id");
    cloud
        .project
        .ask("DELETE", "network", &format!("/v2.0/networks/{network}"), None)
        .await;
    assert_eq!(
        cloud.existing(&life.claim.owner).await.len(),
        1,
        "its security group is left"
    );
    life.until(Wish::Absent).await.expect("the rest goes");
    assert!(cloud.existing(&life.claim.owner).await.is_empty());
}

#[tokio::test]
async fn quotas_are_told_apart_from_what_is_busy() {
    let cloud = Cloud::new(Kind::Vpc, "quota").await;
    let project = &cloud.project;
    let quota = json!({"quota": {"network": 1}});
    project
        .ask("PUT", "network", &format!("/v2.0/quotas/{}", project.id), Some(quota))
        .await;
    let error = life(&cloud, "quota1")
        .step(Wish::Present)
        .await
        .expect_err("the project has one network");
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::QuotaExceeded, Some("409 OverQuota")),
        "{error}"
    );

    let balancers = Cloud::new(Kind::Slb, "quota-slb").await;
    let project = &balancers.project;
    let quota = json!({"quota": {"load_balancer": 0}});
    project
        .ask(
            "PUT",
            "load-balancer",
            &format!("/v2/lbaas/quotas/{}", project.id),
            Some(quota),
        )
        .await;
    let error = life(&balancers, "quota2")
        .step(Wish::Present)
        .await
        .expect_err("there may be none");
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
}

/// What is in motion takes no change: Octavia says 409, Trove 422.
#[tokio::test]
async fn what_is_in_motion_is_busy_and_waited_for() {
    for (kind, field, value, code) in [
        (Kind::Slb, "backends", json!([]), "409"),
        (Kind::Rds, "class", json!("db.medium"), "422"),
    ] {
        let cloud = Cloud::new(kind, &format!("busy-{kind}")).await;
        let mut life = life(&cloud, &format!("busy{kind}"));
        // The lab's provider driver of Octavia takes its time with what is called so.
        life.claim.name = format!("make-it-slow-{kind}");
        life.step(Wish::Present).await.expect("it begins");
        let adapter = cloud.adapter();
        let seen = adapter.observe(std::slice::from_ref(&life.claim)).await.pop();
        let Some(Ok(Sighting::One(state))) = seen else {
            panic!("it should be there: {seen:?}");
        };
        assert!(
            matches!(adapter.phase(&state), Phase::Busy(_)),
            "{kind} is ready already"
        );
        let (mut spec, mut drift) = (life.spec.clone(), Drift::none());
        spec[field] = value;
        drift.compare(field, Change::Enforced, &spec[field], &life.spec[field]);
        let error = adapter.update(&life.claim, &state, &spec, &drift).await;
        let error = error.expect_err("it is in motion");
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(error.code().is_some_and(|said| said.starts_with(code)), "{error:?}");
        life.spec = spec;
        life.until(Wish::Present)
            .await
            .expect("it comes up as it is wanted now");
        life.until(Wish::Absent).await.expect("it goes");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_no_failure_of_the_cloud() {
    let cloud = Cloud::new(Kind::Slb, "taken").await;
    let address = cloud.project.cidr.replace(".0/24", ".77");
    let body = json!({"port": {
        "network_id": cloud.project.network, "project_id": cloud.project.id,
        "fixed_ips": [{"subnet_id": cloud.project.subnet, "ip_address": address}],
    }});
    let port = text(&cloud.project.made("network", "/v2.0/ports", body).await["port"]["id"]);
    let mut life = life(&cloud, "taken1");
    life.spec["common"]["options"] = json!({"address": address});
    let error = life.step(Wish::Present).await.expect_err("somebody has it");
    assert_eq!(error.kind(), ErrorKind::NotOwned, "{error}");
    cloud
        .project
        .ask("DELETE", "network", &format!("/v2.0/ports/{port}"), None)
        .await;
    let outcome = life.until(Wish::Present).await.expect("now it is free");
    let bindings = outcome.seen.expect("it is seen").bindings;
    assert_eq!(bindings["host"].plain(), Some(address.as_str()));
    life.until(Wish::Absent).await.expect("it goes");
}

#[tokio::test]
async fn a_load_balancer_that_failed_says_so_and_goes() {
    let cloud = Cloud::new(Kind::Slb, "failed").await;
    // The lab's provider driver fails what is called so.
    let mut life = life(&cloud, "failed1");
    life.claim.name = "make-it-fail-failed1".into();
    let error = life.until(Wish::Present).await.expect_err("it never comes up");
    assert!(error.contains(reason::FAILED) && error.contains("ERROR"), "{error}");
    life.until(Wish::Absent).await.expect("it goes");
    assert!(cloud.existing(&life.claim.owner).await.is_empty());
}

#[tokio::test]
async fn a_credential_that_was_revoked_is_no_absence() {
    let cloud = Cloud::new(Kind::Vpc, "revoked").await;
    let provider = cloud.project.provider(|_| ());
    assert_eq!(provider.check().await.expect("it is good").account, cloud.project.id);
    let adapter = provider.adapter(Kind::Vpc).expect("it serves networks");
    let mut life = Life::new(&cloud, adapter, owner("revoked1"));
    life.until(Wish::Present).await.expect("it comes up");
    cloud.project.revoke().await;
    let error = provider.check().await.expect_err("it was deleted");
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unauthenticated, Some("404")),
        "{error}"
    );
    let error = life.step(Wish::Absent).await.expect_err("nobody may look");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert_eq!(cloud.existing(&life.claim.owner).await.len(), 1);
}

#[tokio::test]
async fn a_service_that_is_away_is_waited_for() {
    let project = Project::new("away").await;
    let cuts = Arc::new(Cuts::default());
    let network = cuts.before(project.lab.endpoint("network")).await;
    let provider = project.provider(|config| {
        config["endpoints"] = json!({ "network": network });
        config["http"]["timeout"] = json!("5s");
    });
    let adapter = provider.adapter(Kind::Vpc).expect("it serves networks");
    let cloud = Cloud::new(Kind::Vpc, "away-behind").await;
    let mut life = Life::new(&cloud, adapter.clone(), owner("away1"));
    cuts.down.store(true, Ordering::SeqCst);
    let error = life.step(Wish::Absent).await.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    cuts.down.store(false, Ordering::SeqCst);
    *cuts.delay.lock().expect("not poisoned") = Duration::from_secs(6);
    let error = life.step(Wish::Absent).await.expect_err("it takes too long");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    *cuts.delay.lock().expect("not poisoned") = Duration::ZERO;
    assert!(matches!(life.step(Wish::Absent).await, Ok(outcome) if outcome.step == Step::Gone));
}

/// The process itself stands still for a while, and goes on.
#[tokio::test]
async fn neutron_stops_while_a_network_is_made() {
    let cloud = Cloud::new(Kind::Vpc, "stopped").await;
    let provider = cloud.project.provider(|config| {
        config["http"]["timeout"] = json!("2s");
        // Its own project and database are left alone: other tests use them.
        config["timing"]["sendDeadline"] = json!("5s");
    });
    let mut life = Life::new(
        &cloud,
        provider.adapter(Kind::Vpc).expect("it serves networks"),
        owner("stopped1"),
    );
    life.until(Wish::Present).await.expect("it comes up");
    let pid = std::fs::read_to_string(cloud.project.lab.cloud["pids"]["neutron"].as_str().expect("a path"));
    let pid = pid.expect("neutron runs").trim().to_owned();
    // Its worker is what answers.
    let signal = |name: &str| {
        let children = Command::new("pgrep")
            .args(["--parent", &pid])
            .output()
            .expect("pgrep runs");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        assert!(
            Command::new("kill")
                .arg(name)
                .args(children.split_whitespace())
                .status()
                .expect("kill")
                .success()
        );
    };
    signal("-STOP");
    let seen = life.step(Wish::Present).await;
    signal("-CONT");
    assert_eq!(seen.expect_err("nobody answers").kind(), ErrorKind::Unavailable);
    life.until(Wish::Present).await.expect("it is there again");
    life.until(Wish::Absent).await.expect("it goes");
}

#[tokio::test]
async fn of_two_that_race_for_the_last_of_a_quota_one_wins() {
    let cloud = Cloud::new(Kind::Slb, "race").await;
    let quota = json!({"quota": {"load_balancer": 1}});
    let path = format!("/v2/lbaas/quotas/{}", cloud.project.id);
    cloud.project.ask("PUT", "load-balancer", &path, Some(quota)).await;
    let (mut one, mut other) = (life(&cloud, "race1"), life(&cloud, "race2"));
    let results = futures::join!(one.until(Wish::Present), other.until(Wish::Present));
    let (winner, loser, error) = match results {
        (Ok(_), Err(error)) => (&mut one, &mut other, error),
        (Err(error), Ok(_)) => (&mut other, &mut one, error),
        both => panic!("one should win: {both:?}"),
    };
    assert!(error.starts_with("QuotaExceeded"), "{error}");
    winner.until(Wish::Absent).await.expect("the winner goes");
    loser.until(Wish::Present).await.expect("now there is room");
    loser.until(Wish::Absent).await.expect("it goes");
}

#[tokio::test]
async fn a_database_grows_in_place_and_never_shrinks() {
    let cloud = Cloud::new(Kind::Rds, "grows").await;
    let mut life = life(&cloud, "grows1");
    life.until(Wish::Present).await.expect("it comes up");
    life.spec["class"] = json!("db.medium");
    life.spec["storage"] = json!("2Gi");
    life.until(Wish::Present).await.expect("it grows");
    let id = life.claim.id.clone().expect("it has an id");
    let instance = cloud.read(&id).await.expect("it is there");
    assert_eq!(
        (text(&instance["flavor"]["id"]), instance["volume"]["size"].as_u64()),
        ("2".into(), Some(2))
    );
    life.spec["storage"] = json!("1Gi");
    let outcome = life.until(Wish::Present).await.expect("it stays ready");
    let drift = outcome.seen.expect("it is seen").drift;
    assert_eq!(
        drift.0.first().map(|difference| difference.change),
        Some(mooring_provider::Change::CannotShrink)
    );
    assert_eq!(phase(&*cloud.adapter(), &life.claim).await, Phase::Ready);
    life.until(Wish::Absent).await.expect("it goes");
}

#[tokio::test]
async fn what_trove_cannot_do_is_refused_before_anything_is_made() {
    let cloud = Cloud::new(Kind::Rds, "refused").await;
    for (field, value, kind) in [
        ("highAvailability", json!(true), ErrorKind::Unsupported),
        ("tls", json!("required"), ErrorKind::Unsupported),
        ("engine", json!("sqlserver"), ErrorKind::Unsupported),
        ("clientSecurityGroup", json!("sg-1"), ErrorKind::Unsupported),
        ("class", json!("db.huge"), ErrorKind::InvalidSpec),
    ] {
        let mut life = life(&cloud, "refused1");
        life.spec[field] = value;
        let error = life.step(Wish::Present).await.expect_err(field);
        assert!(error.kind() == kind && error.message().contains(field), "{error}");
        assert!(cloud.existing(&life.claim.owner).await.is_empty());
    }
}
