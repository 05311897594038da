//! The operator is killed between two steps that have names, and another one goes on from there: what was begun comes to
//! one end, once.

use std::time::Duration;

use axum::http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use mooring::api::RetainedStanding;
use mooring_provider::{ExternalId, Kind, Phase, Span};
use mooring_provider_mock::{Fault, Op};
use serde_json::{Value as Json, json};

use crate::{
    resource_support::*,
    support::{
        cluster::{Cluster, Operator, Team, eventually},
        gate::{At, Gate},
    },
};

/// A database in production with a row in it, and the operator that made it, behind a gate.
struct Scene<'a> {
    cluster: &'a Cluster,
    team: Team,
    gate: Gate,
    operator: Operator,
    id: ExternalId,
}

impl<'a> Scene<'a> {
    async fn new(cluster: &'a Cluster, name: &str, declared: Json) -> Self {
        let team = Team::with(cluster, name, json!({}), json!({"class": "production"})).await;
        let gate = Gate::before(cluster.client().await).await;
        let operator = cluster.operator_with(|options| options.kubeconfig = Some(gate.kubeconfig()));
        team.apply_json(declared).await;
        let id = external_id(&ready(&team, "shop-web-db").await);
        assert!(team.cloud.write(&id, "order 1"));
        Self {
            cluster,
            team,
            gate,
            operator,
            id,
        }
    }

    /// Another operator brings it to the one end there is.
    async fn ends(self, moment: &str) -> (Team, Operator) {
        self.operator.kill();
        self.team
            .cloud
            .configure(|config| config.latency = Span::new(Duration::ZERO));
        let operator = self.cluster.operator();
        let (team, id) = (self.team, &self.id);
        gone(&team, "shop-web-db").await;
        let kept = retained(&team).await;
        assert_eq!(kept.len(), 1, "{moment}: {kept:?}");
        assert_eq!(kept[0].spec.standing, RetainedStanding::Parked, "{moment}");
        assert_eq!(&kept[0].spec.external_id, id, "{moment}");
        assert!(kept[0].spec.keep_until.is_some(), "{moment}");
        assert!(entries(&team, "shop-web-db").await.is_empty(), "{moment}");
        assert!(matches!(team.cloud.phase(id), Some(Phase::Parked(_))), "{moment}");
        assert_eq!((team.cloud.list().len(), team.cloud.created()), (1, 1), "{moment}");
        let backups = team.cloud.get(id).expect("it is kept").backups;
        assert_eq!(backups, [["order 1"]], "{moment}: it is parked once");
        (team, operator)
    }

    /// Nothing half done is in the way of having it back.
    async fn ends_and_comes_back(self, moment: &str) {
        let id = self.id.clone();
        let (team, operator) = self.ends(moment).await;
        team.apply_json(mysql()).await;
        assert_eq!(external_id(&ready(&team, "shop-web-db").await), id, "{moment}");
        assert_eq!(team.cloud.rows(&id), Some(vec!["order 1".to_owned()]), "{moment}");
        eventually(&format!("{moment}: its record is gone"), async || {
            retained(&team).await.is_empty().then_some(())
        })
        .await;
        // A park that takes effect only now is undone, with all that it took away.
        eventually(&format!("{moment}: nothing is under way any more"), async || {
            (team.cloud.unrest() == Duration::ZERO).then_some(())
        })
        .await;
        eventually(&format!("{moment}: it is in use, and people are let in"), async || {
            logs_in(&team, "shop-web-db", &id)
                .await
                .filter(|_| team.cloud.phase(&id) == Some(Phase::Ready))
        })
        .await;
        operator.stop().await.expect("it ends in good order");
    }
}

fn to_declaration(method: &Method, path: &str) -> bool {
    *method == Method::PATCH
        && path.contains("/cloudresources/shop-web-db?") | path.ends_with("/cloudresources/shop-web-db")
}

fn to_record(method: &Method, path: &str) -> bool {
    *method == Method::POST && path.contains("/retainedresources")
}

fn to_workload(method: &Method, path: &str) -> bool {
    *method == Method::PATCH && path.contains("/deployments/web")
}

fn to_report(method: &Method, path: &str) -> bool {
    *method == Method::PATCH
        && path.contains("/cloudresources/shop-web-db/status")
        && path.contains("fieldManager=mooring-binding")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_provider_parks_it_is_parked_once() {
    let cluster = Cluster::own();

    let scene = Scene::new(&cluster, "parkasked", mysql()).await;
    let (cloud, late) = (&scene.team.cloud, Duration::from_secs(2));
    cloud.fail_next(Op::Park, Some(Kind::Rds), Fault::Late(late));
    delete(&scene.team, "shop-web-db").await;
    eventually("the provider is asked", async || {
        (cloud.count(Op::Park, Kind::Rds) == 1).then_some(())
    })
    .await;
    scene.ends_and_comes_back("asked, and not parked yet").await;

    let scene = Scene::new(&cluster, "parkdone", mysql()).await;
    let cloud = &scene.team.cloud;
    cloud.configure(|config| config.latency = Span::new(Duration::from_secs(4)));
    delete(&scene.team, "shop-web-db").await;
    eventually("the provider has parked it", async || {
        matches!(cloud.phase(&scene.id), Some(Phase::Parked(_))).then_some(())
    })
    .await;
    assert!(retained(&scene.team).await.is_empty(), "its answer is on its way");
    scene.ends_and_comes_back("parked, and nobody heard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_steps_of_a_park_it_has_one_record() {
    let cluster = Cluster::own();
    type Meant = fn(&Method, &str) -> bool;
    let moments: [(&str, &str, At, Meant); 4] = [
        ("norecord", "parked, not on record", At::TheQuestion, to_record),
        ("record", "on record, and nobody heard", At::TheAnswer, to_record),
        ("held", "on record, still declared", At::TheQuestion, to_declaration),
        ("letgo", "let go, and nobody heard", At::TheAnswer, to_declaration),
    ];
    for (name, moment, at, meant) in moments {
        let scene = Scene::new(&cluster, name, mysql()).await;
        scene.gate.shut(at, meant);
        delete(&scene.team, "shop-web-db").await;
        scene.gate.kept().await;
        assert!(
            matches!(scene.team.cloud.phase(&scene.id), Some(Phase::Parked(_))),
            "{moment}"
        );
        let is_on_record = (at, name) != (At::TheQuestion, "norecord");
        assert_eq!(retained(&scene.team).await.len(), usize::from(is_on_record), "{moment}");
        scene.ends_and_comes_back(moment).await;
    }
}

fn workload() -> Json {
    let env = json!([{"name": "MINE", "value": "1"}]);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "labels": {"app.oam.dev/component": "web", "app.oam.dev/name": "shop"},
        },
        "spec": {
            "selector": {"matchLabels": {"app.oam.dev/component": "web"}},
            "template": {
                "metadata": {"labels": {"app.oam.dev/component": "web"}},
                "spec": {"containers": [{"name": "web", "image": "shop:1.0", "env": env}]},
            },
        },
    })
}

/// The Deployment once all its pods are of its present template: the names of its variables, and how many templates it
/// has rolled out.
async fn rolled(team: &Team) -> (Vec<String>, String) {
    eventually("its pods are as its template", async || {
        let there = team.api::<Deployment>().get("web").await.expect("it is there");
        let status = there.status.clone()?;
        let is_rolled = status.observed_generation == there.metadata.generation
            && [status.updated_replicas, status.replicas, status.available_replicas] == [Some(1); 3];
        let pod = there.spec.as_ref()?.template.spec.as_ref()?;
        let names = pod.containers[0].env.iter().flatten().map(|one| one.name.clone());
        let rollouts = there.annotations().get("deployment.kubernetes.io/revision")?.clone();
        is_rolled.then(|| (names.collect(), rollouts))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_an_unbinding_the_workload_is_rolled_once_and_the_database_parked_once() {
    let cluster = Cluster::own();
    type Meant = fn(&Method, &str) -> bool;
    let moments: [(&str, &str, At, Meant); 4] = [
        ("bound", "about to be unbound", At::TheQuestion, to_workload),
        ("unbound", "unbound, and nobody heard", At::TheAnswer, to_workload),
        ("untold", "about to be told", At::TheQuestion, to_report),
        ("told", "told, and nobody heard", At::TheAnswer, to_report),
    ];
    for (name, moment, at, meant) in moments {
        let declared = written("db", "rds", json!({"engine": "mysql", "as": "DB"}));
        let scene = Scene::new(&cluster, name, declared).await;
        scene.team.apply_json(workload()).await;
        told(&scene.team, "shop-web-db", "Bound", "True", "Bound").await;
        let (names, rollouts) = rolled(&scene.team).await;
        assert_eq!((names.len(), rollouts.as_str()), (7, "2"), "{moment}: {names:?}");

        scene.gate.shut(at, meant);
        delete(&scene.team, "shop-web-db").await;
        scene.gate.kept().await;
        if at == At::TheQuestion && name == "bound" {
            let is_used = get(&scene.team, "shop-web-db")
                .await
                .status
                .is_some_and(|status| !status.consumers.is_empty());
            assert!(is_used, "{moment}: who uses it is on record");
            assert_eq!(
                scene.team.cloud.count(Op::Park, Kind::Rds),
                0,
                "{moment}: consumers first"
            );
        }
        let (team, operator) = scene.ends(moment).await;
        let (names, rollouts) = rolled(&team).await;
        assert_eq!(names, ["MINE"], "{moment}");
        assert_eq!(rollouts, "3", "{moment}: one rollout for the unbinding");
        operator.stop().await.expect("it ends in good order");
    }
}
