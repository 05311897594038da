//! The operator is killed at each step of a rotation, and each of the memories is lost in the middle of one: it comes to
//! one end, once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use mooring::api::CloudResource;
use mooring_provider::{Kind, Span};
use mooring_provider_mock::Op;
use serde_json::json;

use super::{Bound, NAME};
use crate::{
    interrupted::to_workload,
    resource_support::*,
    support::{
        cluster::{Cluster, Team, eventually},
        gate::{At, Gate},
    },
};

fn to_secret(method: &Method, path: &str) -> bool {
    *method == Method::PUT && path.contains("/secrets/shop-web-db")
}

fn to_status(method: &Method, path: &str) -> bool {
    *method == Method::PATCH && path.contains("/cloudresources/shop-web-db/status")
}

/// The n-th of the requests that are meant.
fn nth(n: u32, meant: fn(&Method, &str) -> bool) -> impl Fn(&Method, &str) -> bool + Send + Sync + 'static {
    let seen = Arc::new(AtomicU32::new(0));
    move |method, path| meant(method, path) && seen.fetch_add(1, Ordering::SeqCst) + 1 >= n
}

/// Whatever happened: one login that is shown and good, every pod rolled once to it.
async fn ends(bound: &Bound, moment: &str, rollouts: &str) {
    bound.another(&bound.first).await;
    let last = bound.settled().await;
    assert_ne!(last["username"], bound.first["username"], "{moment}");
    assert!(!bound.admits(&bound.first), "{moment}");
    told(&bound.team, NAME, "Rotated", "True", "Rotated").await;
    bound.rolled(rollouts).await;
    assert_eq!(bound.team.cloud.created(), 1, "{moment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_a_rotation_comes_to_one_end() {
    let cluster = Cluster::own();
    type Meant = fn(&Method, &str) -> bool;
    let moments: [(&str, &str, u32, Meant); 5] = [
        ("stored", "the next login is stored", 1, to_secret),
        ("shown", "the next login is shown", 2, to_secret),
        ("rolled", "the pods are rolled", 1, to_workload),
        ("forgotten", "the old login was dropped and is forgotten", 3, to_secret),
        ("told", "people are told", 1, to_status),
    ];
    for at in [At::TheQuestion, At::TheAnswer] {
        for (name, moment, n, meant) in moments {
            let moment = format!("{moment}: {at:?}");
            let gate = Gate::before(cluster.client().await).await;
            let operator = cluster.operator_with(|options| options.kubeconfig = Some(gate.kubeconfig()));
            let bound = Bound::of(Team::new(&cluster, name).await, json!({})).await;
            gate.shut(at, nth(n, meant));
            bound.rotate("monday").await;
            gate.kept().await;
            assert!(
                name == "forgotten" || bound.admits(&bound.first),
                "{moment}: those who have the old login are let in"
            );
            let shown = entries(&bound.team, NAME).await;
            assert!(bound.admits(&shown), "{moment}: what is shown is good");
            operator.kill();
            let operator = cluster.operator();
            ends(&bound, &moment, "3").await;
            operator.stop().await.expect("it ends in good order");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_provider_is_asked_a_rotation_comes_to_one_end() {
    let cluster = Cluster::own();
    for (name, op) in [("asked", Op::EnsureAccount), ("dropping", Op::DropAccount)] {
        let operator = cluster.operator();
        let bound = Bound::of(Team::new(&cluster, name).await, json!({})).await;
        let cloud = &bound.team.cloud;
        let before = cloud.count(op, Kind::Rds);
        let calls = bound.accounts().len();
        cloud.configure(|config| config.latency = Span::new(Duration::from_secs(4)));
        bound.rotate("monday").await;
        eventually("the provider has done it, and its answer is on its way", async || {
            let is_done = if op == Op::EnsureAccount {
                bound.accounts().len() > calls
            } else {
                cloud.count(op, Kind::Rds) > before && !bound.admits(&bound.first)
            };
            is_done.then_some(())
        })
        .await;
        operator.kill();
        cloud.configure(|config| config.latency = Span::new(Duration::ZERO));
        let operator = cluster.operator();
        ends(&bound, name, "3").await;
        operator.stop().await.expect("it ends in good order");
    }
}

/// Each of what is remembered in three places is lost while the old login is in use: it goes on to be good, and goes in
/// the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_is_lost_in_the_middle_of_a_rotation_loses_nobody() {
    let cluster = Cluster::own();
    for (name, rollouts) in [("ledger", "3"), ("status", "3"), ("secret", "4"), ("restored", "4")] {
        let operator = cluster.operator();
        let bound = Bound::of(Team::new(&cluster, name).await, json!({})).await;
        let old = bound.team.api::<Secret>().get(NAME).await.expect("it is there");
        bound.sessions("shop", 1);
        bound.rotate("monday").await;
        let second = bound.another(&bound.first).await;
        bound.sessions("shop_g2", 1);
        bound.rolled("3").await;
        operator.kill();
        match name {
            "status" => {
                let patch = json!({"status": null});
                let api = bound.team.api::<CloudResource>();
                let patched = api
                    .patch_status(NAME, &PatchParams::default(), &Patch::Merge(patch))
                    .await;
                patched.expect("it may be lost");
            }
            "secret" => {
                let deleted = bound.team.api::<Secret>().delete(NAME, &DeleteParams::default()).await;
                deleted.expect("it may be deleted");
            }
            "restored" => {
                let (data, annotations) = (&old.data, &old.metadata.annotations);
                let patch = json!([
                    {"op": "replace", "path": "/data", "value": data},
                    {"op": "replace", "path": "/metadata/annotations", "value": annotations},
                ]);
                let patch = Patch::Json::<()>(serde_json::from_value(patch).expect("a patch"));
                let patched = bound
                    .team
                    .api::<Secret>()
                    .patch(NAME, &PatchParams::default(), &patch)
                    .await;
                patched.expect("it may be restored");
            }
            _ => {}
        }
        let operator = cluster.operator_with(|options| {
            if name == "ledger" {
                options.ledger = format!("sqlite:{}", cluster.directory().join("another.db").display());
            }
        });
        ready(&bound.team, NAME).await;
        assert!(bound.admits(&bound.first), "{name}: the old login is in use");
        assert!(bound.admits(&second), "{name}: so is the one that was shown");
        bound.sessions("shop", 0);
        bound.sessions("shop_g2", 0);
        if name == "restored" {
            eventually("the one that was restored is the one there is", async || {
                let now = entries(&bound.team, NAME).await;
                (bound.accounts().len() == 1 && bound.admits(&now)).then_some(())
            })
            .await;
        } else {
            ends(&bound, name, rollouts).await;
        }
        operator.stop().await.expect("it ends in good order");
    }
}
