//! A name that somebody else set is theirs, in whatever form and however they wrote it.

use serde_json::{Value as Json, json};

use super::{Scene, deployment, env, merge, names};

fn forms() -> [(&'static str, Json); 4] {
    [
        ("value", json!({"name": "DB_HOST", "value": "old.invalid"})),
        ("empty", json!({"name": "DB_HOST", "value": ""})),
        (
            "config",
            json!({"name": "DB_HOST", "valueFrom": {"configMapKeyRef": {"name": "mine", "key": "host"}}}),
        ),
        (
            "secret",
            json!({"name": "DB_HOST", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "host"}}}),
        ),
    ]
}

/// Each form in a Deployment of its own, written by `write`, who is known as `manager`.
async fn refused(scene: &str, manager: &str, write: impl Fn(&Scene, &Json)) {
    let scene = Scene::new(scene).await;
    let mut forms = forms().to_vec();
    forms.push(("name", json!({"name": "DB_HOST"})));
    for (form, variable) in &forms {
        write(&scene, &deployment(form, json!([variable])));
        scene.bind(form, form, "DB").await;
    }
    for (form, variable) in &forms {
        let condition = scene.until(form, "EnvTaken").await;
        assert_eq!(condition.status, "False");
        for word in ["DB_HOST", form, manager, "`as`"] {
            assert!(
                condition.message.contains(word),
                "{form}: {word}: {}",
                condition.message
            );
        }
        let there = env(&scene.rolled(form).await, form);
        assert_eq!(
            names(&there),
            super::VARIABLES,
            "{form}: the others are set, and none is twice"
        );
        let kept = there
            .iter()
            .find(|variable| variable.name == "DB_HOST")
            .expect("it is kept");
        let mut expected: k8s_openapi::api::core::v1::EnvVar = serde_json::from_value(variable.clone()).expect("one");
        // The API server does not tell an empty value from none.
        expected.value = expected.value.filter(|value| !value.is_empty());
        assert_eq!(*kept, expected, "{form}: it is as it was");
        assert_eq!(scene.rollouts(form).await, 2, "{form}: the others came in one rollout");
    }
    // Who lets go of the name gets it.
    write(&scene, &deployment("value", json!([])));
    scene.until("value", "Bound").await;
    scene.until_env("value", "value", "DB_HOST", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_set_by_client_side_apply_is_refused() {
    refused("csa", "kubectl-client-side-apply", |scene, manifest| {
        scene.kubectl("apply -f FILE", manifest);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_set_by_server_side_apply_is_refused() {
    refused("ssa", "ci", |scene, manifest| {
        scene.kubectl("apply --server-side --field-manager=ci -f FILE", manifest);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_set_by_an_update_is_refused() {
    refused("update", "terraform", |scene, manifest| {
        let verb = if scene.kubectl("get deployments -o name", &json!({})).contains(&format!(
            "/{}\n",
            manifest["metadata"]["name"].as_str().expect("a name")
        )) {
            "replace"
        } else {
            "create"
        };
        scene.kubectl(&format!("{verb} --field-manager=terraform -f FILE"), manifest);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_put_in_place_of_ours_is_theirs() {
    let scene = Scene::new("edit").await;
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.bind("db", "web", "DB").await;
    scene.until("db", "Bound").await;
    let edit = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/env", "value": [
        {"name": "DB_HOST", "value": "mine.invalid"},
    ]}]);
    scene.kubectl(
        &format!("patch deployment web --field-manager=someone --type=json -p {edit}"),
        &json!({}),
    );
    let condition = scene.until("db", "EnvTaken").await;
    assert!(condition.message.contains("`someone`"), "{}", condition.message);
    scene.until_env("web", "web", "DB_PORT", true).await;
    let there = env(&scene.rolled("web").await, "web");
    let kept = there
        .iter()
        .find(|variable| variable.name == "DB_HOST")
        .expect("it is there");
    assert_eq!(kept.value.as_deref(), Some("mine.invalid"));
    scene.delete("db").await;
    scene.until_env("web", "web", "DB_PORT", false).await;
    let there = env(&scene.rolled("web").await, "web");
    assert_eq!(names(&there), ["DB_HOST"], "what is ours goes, what is theirs stays");
    // Nothing of ours keeps the container's name: its owner may rename it, and drop the variable.
    let mut renamed = deployment("web", json!([]));
    renamed["spec"]["template"]["spec"]["containers"][0]["name"] = json!("main");
    scene.kubectl(
        "apply --server-side --field-manager=someone --force-conflicts -f FILE",
        &renamed,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_want_one_name_the_older_has_it_and_the_other_is_told() {
    let scene = Scene::new("twice").await;
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.bind("first", "web", "DB").await;
    scene.until("first", "Bound").await;
    scene.bind("second", "web", "DB").await;
    let condition = scene.until("second", "EnvTaken").await;
    assert!(condition.message.contains("Secret first"), "{}", condition.message);
    assert_eq!(scene.rollouts("web").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_container_is_asked_for_by_the_names_there_are() {
    let scene = Scene::new("renamed").await;
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.bind("db", "web", "DB").await;
    scene.until("db", "Bound").await;
    let mut renamed = deployment("web", json!([]));
    renamed["spec"]["template"]["spec"]["containers"][0]["name"] = json!("main");
    scene.kubectl("apply -f FILE", &renamed);
    let condition = scene.until("db", "ContainerMissing").await;
    for word in ["no container web", "main, sidecar", "`containers`"] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
    let there = scene.rolled("web").await;
    assert!(env(&there, "main").is_empty());
    assert!(env(&there, "web").is_empty(), "the old container does not come back");
    let named = json!({"spec": {"rds": {"containers": ["main"]}}});
    scene.kubectl(&format!("patch cloudresource db --type=merge -p {named}"), &json!({}));
    scene.until("db", "Bound").await;
    assert_eq!(names(&env(&scene.rolled("web").await, "main")), super::VARIABLES);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_container_is_bound_if_it_is_named() {
    let scene = Scene::new("init").await;
    let mut manifest = deployment("web", json!([{"name": "MINE", "value": "1"}]));
    merge(
        &mut manifest,
        json!({"spec": {"template": {"spec": {"initContainers": [{"name": "migrate", "image": "shop:1.0"}]}}}}),
    );
    scene.kubectl("apply -f FILE", &manifest);
    let change = json!({"spec": {"rds": {"containers": ["web", "migrate"]}}});
    scene.declare("db", "web", "DB", change).await;
    scene.provide("db", 1).await;
    scene.until("db", "Bound").await;
    let there = scene.rolled("web").await;
    let pod = there
        .spec
        .clone()
        .and_then(|spec| spec.template.spec)
        .expect("a pod template");
    let migrate = &pod.init_containers.expect("init containers")[0];
    assert_eq!(names(migrate.env.as_deref().unwrap_or_default()), super::VARIABLES);
    assert_eq!(env(&there, "web").len(), 7, "beside what was there");
    assert_eq!(scene.rollouts("web").await, 2, "both in one rollout");
}
