use std::collections::BTreeMap;

use kube::api::Patch;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    plan::{ROOT, plan},
    record::{Record, annotations},
    want::{Want, meant},
};
use crate::{
    api::{ServiceBinding, service_binding::EnvMapping},
    operator::workload::mapping::{Mapping, named},
};

fn want(uid: &str) -> Want {
    Want {
        uid: uid.into(),
        binding: uid.into(),
        created: uid.into(),
        directory: format!("dir-{uid}"),
        secret: Some(format!("secret-{uid}")),
        ..Want::default()
    }
}

fn object(containers: &Json) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "uid": "u", "resourceVersion": "7"},
        "spec": {"template": {"spec": {"containers": containers}}},
    })
}

/// Projects until nothing is due, as the controller does; answers the object and how often it was written.
fn settled(mut object: Json, wants: &[Want]) -> (Json, usize, BTreeMap<String, Vec<String>>) {
    for written in 0..4 {
        let shape = Mapping::default().read(&object).expect("a pod template");
        let record = Record::of(Some(&annotations(&object)));
        let planned = plan(&shape, &record, wants);
        match shape.patch_to(&planned.changed, &object) {
            Some(Patch::Json(patch)) => json_patch::patch(&mut object, &patch).expect("it fits what was read"),
            _ => {
                let refused = planned
                    .shares
                    .into_iter()
                    .map(|(uid, share)| (uid, share.refused))
                    .collect();
                return (object, written, refused);
            }
        }
    }
    panic!("it never settles");
}

fn containers(object: &Json) -> &[Json] {
    object["spec"]["template"]["spec"]["containers"]
        .as_array()
        .expect("a list")
}

#[test]
fn the_whole_of_a_projection() {
    let mut wanted = want("1");
    wanted.type_ = Some("mysql".into());
    wanted.env = vec![
        EnvMapping {
            name: "HOST".into(),
            key: "host".into(),
        },
        EnvMapping {
            name: "TYPE".into(),
            key: "type".into(),
        },
    ];
    let (after, written, _) = settled(object(&json!([{"name": "web", "image": "a"}])), &[wanted]);
    assert_eq!(written, 1);
    let template = &after["spec"]["template"];
    let reference =
        json!({"apiVersion": "v1", "fieldPath": "metadata.annotations['projector.servicebinding.io/type-1']"});
    assert_eq!(
        template["metadata"]["annotations"],
        json!({"projector.servicebinding.io/secret-1": "secret-1", "projector.servicebinding.io/type-1": "mysql"})
    );
    assert_eq!(
        template["spec"]["volumes"],
        json!([{"name": "servicebinding-1", "projected": {"defaultMode": 420, "sources": [
            {"secret": {"name": "secret-1"}},
            {"downwardAPI": {"items": [{"path": "type", "fieldRef": reference}]}},
        ]}}])
    );
    assert_eq!(
        containers(&after)[0],
        json!({
            "name": "web", "image": "a",
            "env": [
                {"name": ROOT, "value": "/bindings"},
                {"name": "HOST", "valueFrom": {"secretKeyRef": {"name": "secret-1", "key": "host"}}},
                {"name": "TYPE", "valueFrom": {"fieldRef": reference}},
            ],
            "volumeMounts": [{"name": "servicebinding-1", "mountPath": "/bindings/dir-1", "readOnly": true}],
        })
    );
}

#[test]
fn what_the_api_server_adds_is_no_reason_to_write_again() {
    let (mut after, ..) = settled(object(&json!([{"name": "web"}])), &[want("1")]);
    after["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"][0]["secret"]["optional"] = json!(false);
    after["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["recursiveReadOnly"] = json!("Disabled");
    assert_eq!(settled(after, &[want("1")]).1, 0);
}

#[test]
fn a_root_that_is_there_is_kept_and_one_that_is_no_path_is_refused() {
    let there = object(&json!([
        {"name": "web", "env": [{"name": ROOT, "value": "/custom/"}]},
        {"name": "odd", "env": [{"name": ROOT, "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]},
    ]));
    let (after, _, refused) = settled(there.clone(), &[want("1")]);
    assert_eq!(containers(&after)[0]["volumeMounts"][0]["mountPath"], "/custom/dir-1");
    assert!(containers(&after)[1].get("volumeMounts").is_none());
    assert!(
        refused["1"][0].contains("SERVICE_BINDING_ROOT of container odd"),
        "{refused:?}"
    );
    let (bare, ..) = settled(after, &[]);
    assert_eq!(containers(&bare), containers(&there), "theirs stays");
}

#[test]
fn only_the_containers_that_are_meant_are_bound() {
    let mut wanted = want("1");
    wanted.containers = vec!["b".into(), "is-not-there".into()];
    let there = object(&json!([{"name": "a"}, {"name": "b"}]));
    let (after, ..) = settled(there, std::slice::from_ref(&wanted));
    assert_eq!(containers(&after)[0], json!({"name": "a"}));
    assert!(containers(&after)[1].get("volumeMounts").is_some());
    wanted.containers = vec!["a".into()];
    let (after, written, _) = settled(after, &[wanted]);
    assert_eq!(written, 1, "from one to the other in one rollout");
    assert!(containers(&after)[0].get("volumeMounts").is_some());
    assert_eq!(containers(&after)[1], json!({"name": "b"}));
}

#[test]
fn of_two_that_want_one_name_the_older_has_it() {
    let [mut older, mut younger] = ["1", "2"].map(want);
    for one in [&mut older, &mut younger] {
        one.directory = "db".into();
        one.env = vec![EnvMapping {
            name: "HOST".into(),
            key: "host".into(),
        }];
    }
    let both = [younger, older];
    let (after, written, refused) = settled(object(&json!([{"name": "web"}])), &both);
    assert_eq!(written, 1);
    assert!(refused["1"].is_empty() && refused["2"].len() == 2, "{refused:?}");
    let host = named(containers(&after)[0]["env"].as_array().expect("a list"), "HOST").expect("it is set");
    assert_eq!(host["valueFrom"]["secretKeyRef"]["name"], "secret-1");
    let (after, _, refused) = settled(after, &both[..1]);
    assert!(refused["2"].is_empty(), "the older is gone: {refused:?}");
    let host = named(containers(&after)[0]["env"].as_array().expect("a list"), "HOST").expect("it is set");
    assert_eq!(host["valueFrom"]["secretKeyRef"]["name"], "secret-2");
}

#[test]
fn a_variable_of_our_binding_controller_is_neither_taken_nor_taken_out() {
    let theirs = json!({"name": "HOST", "valueFrom": {"secretKeyRef": {"name": "secret-1", "key": "host"}}});
    let there = object(&json!([{"name": "web", "env": [theirs]}]));
    let mut wanted = want("1");
    wanted.env = vec![
        EnvMapping {
            name: "HOST".into(),
            key: "host".into(),
        },
        EnvMapping {
            name: "PORT".into(),
            key: "port".into(),
        },
    ];
    let (after, _, refused) = settled(there.clone(), &[wanted]);
    assert!(refused["1"].is_empty(), "it says the same: {refused:?}");
    let (bare, ..) = settled(after, &[]);
    assert_eq!(containers(&bare), containers(&there));
}

#[test]
fn a_variable_that_its_owner_refers_elsewhere_is_theirs_from_then_on() {
    let mut wanted = want("1");
    wanted.env = vec![EnvMapping {
        name: "HOST".into(),
        key: "host".into(),
    }];
    let wants = [wanted];
    let (mut there, ..) = settled(object(&json!([{"name": "web"}])), &wants);
    let env = there["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("a list");
    let host = env.iter_mut().find(|one| one["name"] == "HOST").expect("it is set");
    host["valueFrom"]["secretKeyRef"]["name"] = json!("mine");
    let theirs = host.clone();
    let (after, _, refused) = settled(there, &wants);
    assert!(refused["1"].len() == 1, "it is told: {refused:?}");
    let (bare, ..) = settled(after, &[]);
    let env = containers(&bare)[0]["env"].as_array().expect("a list");
    assert_eq!(named(env, "HOST"), Some(&theirs));
}

#[test]
fn while_the_secret_is_not_known_what_is_there_stays() {
    let (after, ..) = settled(object(&json!([{"name": "web"}])), &[want("1")]);
    let unknown = Want {
        secret: None,
        ..want("1")
    };
    assert_eq!(settled(after, &[unknown]).1, 0);
}

#[test]
fn what_another_implementation_put_in_is_taken_over_without_a_rollout() {
    let mut wanted = want("1");
    wanted.env = vec![EnvMapping {
        name: "HOST".into(),
        key: "host".into(),
    }];
    let (mut theirs, ..) = settled(
        object(&json!([{"name": "web", "image": "a"}])),
        std::slice::from_ref(&wanted),
    );
    theirs["metadata"]["annotations"] = json!({});
    let template = theirs["spec"]["template"].clone();
    let (ours, ..) = settled(theirs, &[wanted]);
    assert_eq!(ours["spec"]["template"], template);
    let (bare, ..) = settled(ours, &[]);
    // Who told the container where the directories are is not on record.
    assert_eq!(
        containers(&bare),
        [json!({"name": "web", "image": "a", "env": [{"name": ROOT, "value": "/bindings"}]})]
    );
}

#[test]
fn what_the_schema_admits_and_is_wrong_is_named() {
    let check = |change: fn(&mut Json)| {
        let mut binding = json!({
            "metadata": {"name": "b"},
            "spec": {
                "service": {"apiVersion": "v1", "kind": "Secret", "name": "s"},
                "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        });
        change(&mut binding);
        let binding: ServiceBinding = serde_json::from_value(binding).expect("a ServiceBinding");
        meant(&binding).map(drop).map_err(|problem| problem.message)
    };
    assert_eq!(check(|_| {}), Ok(()));
    let wrong = |change| check(change).expect_err("it is wrong");
    assert!(
        wrong(|binding| binding["spec"]["workload"]["selector"] = json!({})).contains("both `name` and `selector`")
    );
    assert!(wrong(|binding| binding["spec"]["workload"]["name"] = json!("")).contains("neither `name` nor `selector`"));
    assert!(wrong(|binding| binding["spec"]["name"] = json!("..")).starts_with("spec.name `..`"));
    assert!(wrong(|binding| binding["spec"]["name"] = json!("A/b")).starts_with("spec.name `A/b`"));
    assert!(wrong(|binding| binding["spec"]["service"]["name"] = json!("")).contains("spec.service.name is empty"));
    assert!(
        wrong(|binding| {
            binding["spec"]["workload"]["name"] = Json::Null;
            binding["spec"]["workload"]["selector"] = json!({"matchExpressions": [{"key": "a", "operator": "Like"}]});
        })
        .starts_with("spec.workload.selector:")
    );
    assert!(
        wrong(|binding| binding["spec"]["env"] = json!([{"name": "A", "key": "a"}, {"name": "A", "key": "b"}]))
            .contains("spec.env[1].name `A` is there twice")
    );
}

fn arbitrary() -> impl Strategy<Value = Want> {
    let names = prop::collection::btree_set(prop::sample::select(vec!["HOST", "PORT", "MINE"]), 0..3);
    let containers = prop::sample::subsequence(vec!["web", "sidecar", "none"], 0..3);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (prop::sample::select(vec!["1", "2", "3"]), names, containers, flags).prop_map(|(uid, names, containers, flags)| {
        let (is_named_alike, has_type, has_secret) = flags;
        let mut wanted = want(uid);
        if is_named_alike {
            wanted.directory = "db".into();
        }
        wanted.type_ = has_type.then(|| "mysql".into());
        wanted.secret = wanted.secret.filter(|_| has_secret);
        wanted.containers = containers.into_iter().map(str::to_owned).collect();
        wanted.env = names
            .into_iter()
            .map(|name| EnvMapping {
                name: name.into(),
                key: name.to_lowercase(),
            })
            .collect();
        wanted
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_union_settles_in_one_write_and_leaves_nothing(
        rounds in prop::collection::vec(prop::collection::vec(arbitrary(), 0..4), 1..4),
        has_root in any::<bool>(),
    ) {
        let mine = json!({"name": "MINE", "value": "1"});
        let env = if has_root { json!([mine, {"name": ROOT, "value": "/x"}]) } else { json!([mine]) };
        let there = object(&json!([{"name": "web", "image": "a", "env": env}, {"name": "sidecar", "image": "b"}]));
        let mut now = there.clone();
        for mut wants in rounds {
            wants.sort_by(|a, b| a.uid.cmp(&b.uid));
            wants.dedup_by(|a, b| a.uid == b.uid);
            let (after, written, _) = settled(now, &wants);
            prop_assert!(written <= 1, "one rollout at most");
            prop_assert_eq!(containers(&after).len(), 2);
            for container in containers(&after) {
                let env = container["env"].as_array().cloned().unwrap_or_default();
                let mut names: Vec<_> = env.iter().filter_map(|entry| entry["name"].as_str()).collect();
                names.sort_unstable();
                let count = names.len();
                names.dedup();
                prop_assert_eq!(names.len(), count, "each variable once");
                // What is mounted is there to be mounted.
                for mount in container["volumeMounts"].as_array().into_iter().flatten() {
                    let volumes = after["spec"]["template"]["spec"]["volumes"].as_array().expect("volumes");
                    prop_assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]));
                }
            }
            now = after;
        }
        let (bare, ..) = settled(now, &[]);
        prop_assert_eq!(containers(&bare), containers(&there));
        prop_assert!(bare["spec"]["template"]["spec"].get("volumes").is_none());
        prop_assert!(bare["metadata"].get("annotations").is_none());
    }
}
