use kube::api::Patch;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{AnyPath, FixedPath, Mapping, Mismatch, Place, named};
use crate::api::service_binding::{ClusterWorkloadResourceMappingSpec, MappingContainer, MappingTemplate};

#[test]
fn the_ways_to_write_a_field_are_one() {
    let at = |expression: &str| {
        Place::default()
            .join(&FixedPath::parse(expression).expect(expression))
            .pointer()
    };
    assert_eq!(at(".spec.template.spec.volumes"), "/spec/template/spec/volumes");
    assert_eq!(at(".spec['template'].spec[\"volumes\"]"), "/spec/template/spec/volumes");
    assert_eq!(at("['spec']['a/b~c']"), "/spec/a~1b~0c");
    assert_eq!(
        at(r".metadata.annotations.example\.com/x"),
        "/metadata/annotations/example.com~1x"
    );
}

#[test]
fn what_is_no_path_is_refused_with_its_reason() {
    let fixed = |expression: &str| FixedPath::parse(expression).expect_err(expression).to_string();
    assert!(fixed("").contains("it is empty"));
    assert!(fixed("spec").contains("write `.spec`"));
    assert!(fixed("..volumes").contains("leads anywhere"));
    assert!(fixed(".spec..volumes").contains("leads anywhere"));
    assert!(fixed(".spec.").contains("a field has no name"));
    assert!(fixed(".spec[*]").contains("fields only"));
    assert!(fixed(".spec.*").contains("fields only"));
    assert!(fixed(".spec[0]").contains("fields only"));
    assert!(fixed(".spec['a','b']").contains("not one name in quotes"));
    assert!(fixed(".spec[").contains("no `]`"));
    assert!(fixed("{.spec}").contains("begins neither"));
    let any = |expression: &str| AnyPath::parse(expression).expect_err(expression).to_string();
    assert!(any(".spec[?(@.name=='x')]").contains("a filter, a slice or a union"));
    assert!(any(".spec[0:2]").contains("a filter, a slice or a union"));
    assert!(any(".spec[-1]").contains("a filter, a slice or a union"));
    AnyPath::parse(".spec.containers[0].x.*").expect("items and every field may be named");
}

fn template(change: impl FnOnce(&mut MappingTemplate)) -> MappingTemplate {
    let mut template = MappingTemplate {
        version: "*".into(),
        ..MappingTemplate::default()
    };
    change(&mut template);
    template
}

#[test]
fn an_error_names_the_field_of_the_mapping() {
    let spec = ClusterWorkloadResourceMappingSpec {
        versions: vec![
            template(|_| {}),
            template(|template| {
                template.version = "v2".into();
                template.containers = vec![MappingContainer {
                    path: ".spec.pods[*]".into(),
                    env: Some(".env[0]".into()),
                    ..MappingContainer::default()
                }];
            }),
        ],
    };
    let error = Mapping::of(&spec, "v2").expect_err("env may have fields only");
    assert!(
        error
            .message()
            .starts_with("spec.versions[1].containers[0].env: `.env[0]`"),
        "{}",
        error.message()
    );
    assert_eq!(
        Mapping::of(&spec, "v1"),
        Ok(Mapping::of_template("", &template(|_| {})).unwrap())
    );
}

#[test]
fn what_a_mapping_leaves_out_is_that_of_a_pod_template() {
    let whole = Mapping::default();
    let empty = Mapping::of_template("", &template(|_| {})).expect("it says nothing");
    assert_eq!(
        (&empty.annotations, &empty.volumes, &empty.containers),
        (&whole.annotations, &whole.volumes, &whole.containers)
    );
    let job = Mapping::of_kind("batch", "CronJob");
    let object = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}}});
    assert_eq!(
        job.read(&object).expect("a CronJob").containers[0].name.as_deref(),
        Some("a")
    );
}

#[test]
fn an_object_that_is_not_as_the_mapping_says_is_told_apart() {
    let read = |object: Json| {
        Mapping::default()
            .read(&object)
            .expect_err("it is not as the mapping says")
            .to_string()
    };
    assert_eq!(
        read(json!({"spec": {"template": {}}})),
        "no container is at .spec.template.spec.initContainers[*] and .spec.template.spec.containers[*]"
    );
    let wrong = json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}], "volumes": {}}}}});
    assert_eq!(read(wrong), ".spec.template.spec.volumes should be a list and is a map");
    let through = json!({"spec": {"template": {"metadata": "x", "spec": {"containers": [{"name": "a"}]}}}});
    assert_eq!(
        read(through),
        ".spec.template.metadata.annotations (through .spec.template.metadata) should be a map and is text"
    );
    assert!(matches!(
        Mapping::default().read(&json!({"spec": {"template": {"spec": {"containers": "no"}}}})),
        Err(Mismatch::NoContainer(_))
    ));
}

#[test]
fn a_container_that_two_paths_lead_to_is_found_once() {
    let mapping = template(|template| {
        template.containers = [".spec.template.spec.containers[*]", ".spec.template.spec.containers[0]"]
            .map(|path| MappingContainer {
                path: path.into(),
                ..MappingContainer::default()
            })
            .into();
    });
    let object = json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}}});
    let shape = Mapping::of_template("", &mapping)
        .unwrap()
        .read(&object)
        .expect("containers");
    assert_eq!(shape.containers.len(), 2);
    assert_eq!(shape.containers[1].label(), ".spec.template.spec.containers[1]");
}

/// Kinds, their mappings, and where the list of containers is in each.
fn kinds() -> [(Mapping, &'static str); 3] {
    let odd = template(|template| {
        template.annotations = Some(".spec.marks".into());
        template.volumes = Some(".spec.disks.all".into());
        template.containers = vec![MappingContainer {
            path: ".spec.pods[*]".into(),
            name: Some(".meta.name".into()),
            env: Some(".settings.variables".into()),
            volume_mounts: None,
        }];
    });
    [
        (Mapping::default(), "/spec/template/spec/containers"),
        (
            Mapping::of_kind("batch", "CronJob"),
            "/spec/jobTemplate/spec/template/spec/containers",
        ),
        (Mapping::of_template("", &odd).expect("a mapping"), "/spec/pods"),
    ]
}

fn place(object: &mut Json, pointer: &str, value: Json) {
    let mut at = object;
    for step in pointer.split('/').skip(1) {
        at = &mut at[step];
    }
    *at = value;
}

/// A container as somebody wrote it: its number of variables and of mounts, and whether it has a field beside them.
type Written = (usize, usize, bool);

fn written() -> impl Strategy<Value = (usize, Vec<Written>, Option<usize>, bool)> {
    let container = (0..3_usize, 0..3_usize, any::<bool>());
    (
        0..3_usize,
        prop::collection::vec(container, 1..5),
        prop::option::of(0..3_usize),
        any::<bool>(),
    )
}

fn build(pointer: &str, containers: &[Written], volumes: Option<usize>, is_annotated: bool) -> Json {
    let is_odd = pointer == "/spec/pods";
    let entries = |count: usize, prefix: &str| -> Json {
        let entry = |n: usize| json!({"name": format!("{prefix}{n}"), "value": n.to_string()});
        (0..count).map(entry).collect()
    };
    let container = |(n, (env, mounts, extra)): (usize, &Written)| {
        let mut built = if is_odd {
            json!({"meta": {"name": format!("c{n}")}})
        } else {
            json!({"name": format!("c{n}")})
        };
        if *env > 0 {
            place(
                &mut built,
                if is_odd { "/settings/variables" } else { "/env" },
                entries(*env, "E"),
            );
        }
        if *mounts > 0 {
            built["volumeMounts"] = entries(*mounts, "m");
        }
        if *extra {
            built["image"] = json!("a:1");
        }
        built
    };
    let mut object = json!({"metadata": {"name": "w", "uid": "u", "resourceVersion": "7"}, "spec": {"replicas": 2}});
    let list = containers.iter().enumerate().map(container).collect();
    place(&mut object, pointer, list);
    let pod = pointer.trim_end_matches("/containers");
    if let Some(count) = volumes.filter(|count| *count > 0) {
        let at = if is_odd {
            "/spec/disks/all".to_owned()
        } else {
            format!("{pod}/volumes")
        };
        place(&mut object, &at, entries(count, "v"));
    }
    if is_annotated {
        let template = pod.trim_end_matches("/spec");
        let at = if is_odd {
            "/spec/marks".to_owned()
        } else {
            format!("{template}/metadata/annotations")
        };
        place(&mut object, &at, json!({"theirs": "1"}));
    }
    object
}

fn apply(patch: &Patch<Json>, object: &mut Json) -> Result<(), json_patch::PatchError> {
    let Patch::Json(patch) = patch else {
        panic!("a JSON patch")
    };
    json_patch::patch(object, patch)
}

/// Absent and empty are one.
fn pruned(value: &Json) -> Json {
    let is_nothing = |value: &Json| *value == json!({}) || *value == json!([]);
    match value {
        Json::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), pruned(value)))
            .filter(|(_, value)| !is_nothing(value))
            .collect(),
        Json::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_container_is_lost_and_what_was_put_in_can_be_taken_out(
        (kind, containers, volumes, is_annotated) in written(),
        bound in prop::collection::vec(any::<bool>(), 5),
        stale in any::<bool>(),
    ) {
        let (mapping, pointer) = &kinds()[kind];
        let object = build(pointer, &containers, volumes, is_annotated);
        let before = mapping.read(&object).expect("it is as the mapping says");
        prop_assert!(before.patch_to(&before, &object).is_none(), "nothing changed, nothing is written");
        let mut changed = before.clone();
        changed.annotations.insert("ours".into(), json!("1"));
        changed.object_annotations.insert("ours/x~y".into(), json!("1"));
        changed.volumes.push(json!({"name": "ours"}));
        for (container, _) in changed.containers.iter_mut().zip(&bound).filter(|(_, bound)| **bound) {
            container.env.push(json!({"name": "OURS"}));
            container.volume_mounts.push(json!({"name": "ours"}));
        }
        let patch = before.patch_to(&changed, &object).expect("something changed");

        if stale {
            // Somebody was quicker: all or nothing.
            let mut other = object.clone();
            other["metadata"]["resourceVersion"] = json!("8");
            other.pointer_mut(pointer).and_then(Json::as_array_mut).expect("containers").reverse();
            let untouched = other.clone();
            prop_assert!(apply(&patch, &mut other).is_err());
            prop_assert_eq!(other, untouched);
        }

        let mut after = object.clone();
        apply(&patch, &mut after).expect("it fits what was read");
        let found = mapping.read(&after).expect("it is as the mapping says");
        prop_assert_eq!(&found, &changed, "what was wanted is there, and nothing else");
        let [list, listed] = [&object, &after].map(|object| {
            object.pointer(pointer).and_then(Json::as_array).expect("containers").clone()
        });
        prop_assert_eq!(list.len(), listed.len());
        for (was, is) in list.iter().zip(&listed) {
            prop_assert_eq!(was.get("image"), is.get("image"));
        }
        prop_assert!(found.patch_to(&changed, &after).is_none(), "it is done once");

        let mut without = found.clone();
        without.annotations.remove("ours");
        without.object_annotations.remove("ours/x~y");
        without.volumes.retain(|volume| volume["name"] != "ours");
        for container in &mut without.containers {
            container.env.retain(|variable| variable["name"] != "OURS");
            container.volume_mounts.retain(|mount| mount["name"] != "ours");
        }
        apply(&found.patch_to(&without, &after).expect("it is taken out"), &mut after).expect("it fits");
        prop_assert_eq!(pruned(&after), pruned(&object));
    }
}

#[test]
fn a_patch_tests_what_was_read_before_it_writes() {
    let object = json!({
        "metadata": {"uid": "u", "resourceVersion": "7"},
        "spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "X"}]}, {"name": "b"}]}}},
    });
    let before = Mapping::default().read(&object).expect("a pod template");
    let mut changed = before.clone();
    changed.containers[0].env.push(json!({"name": "OURS"}));
    assert!(named(&changed.containers[0].env, "OURS").is_some());
    let Some(Patch::Json(patch)) = before.patch_to(&changed, &object) else {
        panic!("a patch")
    };
    assert_eq!(
        serde_json::to_value(patch).unwrap(),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": "u"},
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "a"},
            {"op": "test", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "X"}]},
            {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "X"}, {"name": "OURS"}]},
        ])
    );
}
