use kube::api::Patch;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::{
    judge::judge,
    wanted::{Env, Wanted},
};
use crate::operator::workload::{Workload, WorkloadKind};

fn wanted(resource: &str, prefix: &str, revision: i64) -> Wanted {
    let names = ["HOST", "PORT"].map(|key| (format!("{prefix}_{key}"), key.to_lowercase()));
    Wanted {
        resource: resource.into(),
        namespace: "team".into(),
        application: "shop".into(),
        component: "web".into(),
        workload: None,
        containers: Vec::new(),
        secret: resource.into(),
        bound: true,
        revision,
        created: "2026".into(),
        is_going: false,
        consumers: Vec::new(),
        env: Env::Names(names.into()),
    }
}

fn workload(kind: WorkloadKind, object: &Json) -> Workload {
    Workload {
        kind,
        object: serde_json::from_value(object.clone()).expect("an object"),
    }
}

/// What the binding controller makes of it; how often it wrote.
fn settled(kind: WorkloadKind, object: &Json, wanted: &[Wanted]) -> (Json, usize) {
    let mut object = object.clone();
    for writes in 0..5 {
        let there = workload(kind, &object);
        let plan = judge(&there, wanted);
        assert_eq!(plan.is_due, super::patch(&there, &plan.desired).is_some());
        let Some(Patch::Json(patch)) = super::patch(&there, &plan.desired) else {
            return (object, writes);
        };
        json_patch::patch(&mut object, &patch).expect("it fits what it was made for");
    }
    panic!("it never settles: {object}");
}

fn kinds() -> impl Strategy<Value = WorkloadKind> {
    proptest::sample::select(vec![
        WorkloadKind::CloneSet,
        WorkloadKind::AdvancedStatefulSet,
        WorkloadKind::Rollout,
        WorkloadKind::KnativeService,
    ])
}

fn variable() -> impl Strategy<Value = Json> {
    let name = proptest::sample::select(vec!["DB_HOST", "DB_PORT", "MINE", "OTHER"]);
    (name, 0..4_u8).prop_map(|(name, shows)| match shows {
        0 => json!({"name": name, "value": "theirs"}),
        1 => json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}),
        2 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "k"}}}),
        _ => json!({"name": name}),
    })
}

fn container(name: &'static str) -> impl Strategy<Value = Json> {
    let env = proptest::collection::vec(variable(), 0..4).prop_map(|mut env| {
        env.sort_by_key(|one| one["name"].to_string());
        env.dedup_by_key(|one| one["name"].to_string());
        env
    });
    (env, any::<bool>(), 0..3_u8).prop_map(move |(env, has_more, image)| {
        let mut container = json!({"name": name, "image": format!("{name}:{image}")});
        if !env.is_empty() {
            container["env"] = env.into();
        }
        if has_more {
            container["x-unknown"] = json!({"deep": [1, {"a": null}]});
        }
        container
    })
}

fn objects() -> impl Strategy<Value = Json> {
    let side = proptest::collection::vec(container("side"), 0..2);
    (side, container("web"), container("last"), any::<bool>()).prop_map(|(side, web, last, has_notes)| {
        let containers: Vec<_> = side.into_iter().chain([web, last]).collect();
        let mut template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}});
        if has_notes {
            template["metadata"]["annotations"] = json!({"theirs": "1"});
        }
        json!({
            "apiVersion": "any/v1", "kind": "Any",
            "metadata": {"name": "web", "namespace": "team", "uid": "u1", "resourceVersion": "7", "annotations": {"theirs": "1"}},
            "spec": {"replicas": 3, "template": template},
        })
    })
}

/// The containers without the variables of these Secrets.
fn theirs(object: &Json, secrets: &[&str]) -> Json {
    let mut containers = object["spec"]["template"]["spec"]["containers"].clone();
    for container in containers.as_array_mut().expect("containers") {
        let Some(env) = container.get_mut("env").and_then(Json::as_array_mut) else {
            continue;
        };
        env.retain(|one| {
            !secrets
                .iter()
                .any(|secret| one["valueFrom"]["secretKeyRef"]["name"] == *secret)
        });
        if env.is_empty() {
            container.as_object_mut().expect("a container").remove("env");
        }
    }
    containers
}

proptest! {
    #[test]
    fn nothing_of_theirs_is_touched_and_unbinding_leaves_it_as_it_was(kind in kinds(), object in objects()) {
        let both = [wanted("db", "DB", 1), wanted("cache", "CACHE", 1)];
        let (bound, writes) = settled(kind, &object, &both);
        prop_assert_eq!(writes, 1, "one write, so one rollout");
        prop_assert_eq!(settled(kind, &bound, &both), (bound.clone(), 0), "and none for nothing");
        prop_assert_eq!(theirs(&bound, &["db", "cache"]), theirs(&object, &[]));
        // One goes, the other stays; then that goes too, and nothing of ours is left.
        let (one, writes) = settled(kind, &bound, &both[1..]);
        prop_assert!(writes <= 1);
        prop_assert_eq!(theirs(&one, &["cache"]), theirs(&object, &[]));
        prop_assert_eq!(settled(kind, &one, &[]).0, object);
    }

    /// Whatever somebody makes of it meanwhile: what they wrote stands, and what is ours comes and goes.
    #[test]
    fn what_somebody_wrote_meanwhile_stands(kind in kinds(), before in objects(), after in objects()) {
        let db = [wanted("db", "DB", 1)];
        let (mut bound, _) = settled(kind, &before, &db);
        bound["spec"] = after["spec"].clone();
        let (again, writes) = settled(kind, &bound, &db);
        prop_assert!(writes <= 1);
        prop_assert_eq!(theirs(&again, &["db"]), theirs(&after, &[]));
        prop_assert_eq!(settled(kind, &again, &[]).0["spec"].clone(), after["spec"].clone());
    }

    #[test]
    fn new_credentials_are_one_write(kind in kinds(), object in objects(), revision in 2..9_i64) {
        let (bound, _) = settled(kind, &object, &[wanted("db", "DB", 1)]);
        let is_in_it = theirs(&bound, &[]).to_string().contains("\"db\"");
        let (rolled, writes) = settled(kind, &bound, &[wanted("db", "DB", revision)]);
        prop_assert_eq!(writes, usize::from(is_in_it), "none where it got no variable");
        prop_assert_eq!(theirs(&rolled, &["db"]), theirs(&object, &[]));
    }
}
