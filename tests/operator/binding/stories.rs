//! What happens to a bound workload in its life.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    batch::v1::CronJob,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use mooring::api::names as written;
use serde_json::json;

use super::{Scene, VARIABLES, deployment, env, names, workload};

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_bound_with_one_rollout_and_then_left_alone() {
    let scene = Scene::new("first").await;
    scene.kubectl(
        "apply -f FILE",
        &deployment("web", json!([{"name": "MINE", "value": "1"}])),
    );
    scene.bind("db", "web", "DB").await;
    let condition = scene.until("db", "Bound").await;
    assert_eq!(condition.status, "True");
    assert_eq!(condition.message, "in the environment of Deployment web, container web");
    let there = scene.rolled("web").await;
    assert_eq!(env(&there, "web").len(), 7);
    assert!(env(&there, "sidecar").is_empty());
    assert_eq!(scene.rollouts("web").await, 2);
    assert_eq!(scene.status("db").await.consumers[0].name, "web");

    // News that change nothing: neither the workload nor the status is written.
    let (workload, status) = (
        there.resource_version(),
        scene.resources().get("db").await.expect("it is there"),
    );
    scene.kubectl("label deployment web unrelated=1", &json!({}));
    scene.kubectl("label cloudresource db unrelated=1", &json!({}));
    // A second binding elsewhere, made after that, is through when the news were.
    scene.kubectl("apply -f FILE", &deployment("other", json!([])));
    scene.bind("other", "other", "DB").await;
    scene.until("other", "Bound").await;
    let after = scene.deployment("web").await;
    assert_ne!(after.resource_version(), workload, "it was labelled");
    assert_eq!(after.metadata.generation, there.metadata.generation);
    let ours = |deployment: &Deployment| {
        let entries = deployment.managed_fields().iter();
        entries
            .filter(|entry| entry.manager.as_deref() == Some("mooring-binding"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(ours(&after), ours(&there));
    assert_eq!(
        scene.resources().get("db").await.expect("it is there").status,
        status.status
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_only_apply_keeps_the_variables() {
    let scene = Scene::new("image").await;
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.bind("db", "web", "DB").await;
    scene.until("db", "Bound").await;
    let mut newer = deployment("web", json!([]));
    newer["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop:2.0");
    scene.kubectl("apply -f FILE", &newer);
    assert_eq!(names(&env(&scene.rolled("web").await, "web")), VARIABLES);
    assert_eq!(scene.rollouts("web").await, 3, "one for the binding, one for the image");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_replace_and_undo_take_away_comes_back() {
    let scene = Scene::new("undone").await;
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.bind("db", "web", "DB").await;
    scene.until("db", "Bound").await;
    scene.rolled("web").await;
    scene.kubectl("replace -f FILE", &deployment("web", json!([])));
    scene.until_env("web", "web", "DB_HOST", true).await;
    scene.rolled("web").await;
    scene.provide("db", 2).await;
    let revision = async || {
        let template = scene.deployment("web").await.spec?.template.metadata?;
        template.annotations?.get(written::BINDING_REVISION).cloned()
    };
    crate::support::cluster::eventually("it is rolled for the revision", async || {
        (revision().await.as_deref() == Some("db=2")).then_some(())
    })
    .await;
    scene.rolled("web").await;
    // Back to what was before the binding: the variables and the annotation go, and come back.
    let before = scene.deployment("web").await.metadata.generation;
    scene.kubectl("rollout undo deployment web --to-revision=0", &json!({}));
    crate::support::cluster::eventually("it is undone and done again", async || {
        let there = scene.deployment("web").await;
        let is_later = there.metadata.generation >= before.map(|before| before + 2);
        (is_later && env(&there, "web").len() == 6 && revision().await.as_deref() == Some("db=2")).then_some(())
    })
    .await;
    assert_eq!(scene.until("db", "Bound").await.status, "True");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fight_ends_with_a_condition_that_names_who_fights() {
    let scene = Scene::new("fight").await;
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.bind("db", "web", "DB").await;
    scene.until("db", "Bound").await;
    let replace = |version: usize| {
        let mut manifest = deployment("web", json!([]));
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = json!(format!("shop:1.{version}"));
        scene.kubectl("replace --field-manager=argocd -f FILE", &manifest);
    };
    for version in 1..=5 {
        // A replace fails while its object is being changed.
        scene.rolled("web").await;
        replace(version);
        scene.until_env("web", "web", "DB_HOST", true).await;
    }
    scene.rolled("web").await;
    // Who wrote is told by the time of the write, which the API server keeps in whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    replace(6);
    let condition = scene.until("db", "BindingContested").await;
    assert!(condition.message.contains("`argocd`"), "{}", condition.message);
    assert!(scene.env("web", "web").await.is_empty());
    // Who gives in by another binding, or none, is served at once.
    scene.bind("cache", "web", "CACHE").await;
    scene.until_env("web", "web", "CACHE_HOST", true).await;
    scene.until("db", "Bound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_data_is_one_rollout() {
    let scene = Scene::new("data").await;
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.bind("db", "web", "DB").await;
    scene.until("db", "Bound").await;
    assert_eq!(scene.rollouts("web").await, 2);
    scene.provide("db", 2).await;
    crate::support::cluster::eventually("it is rolled", async || {
        (scene.rollouts("web").await == 3).then_some(())
    })
    .await;
    scene.bind("cache", "web", "CACHE").await;
    scene.until("cache", "Bound").await;
    assert_eq!(scene.rollouts("web").await, 4, "one more for another binding");
    let template = scene
        .deployment("web")
        .await
        .spec
        .expect("a spec")
        .template
        .metadata
        .expect("metadata");
    assert_eq!(
        template.annotations.expect("annotations")[written::BINDING_REVISION],
        "db=2"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_workload_is_bound_or_says_why_not() {
    let scene = Scene::new("kinds").await;
    let mut stateful = workload("apps/v1", "StatefulSet", "stateful", json!([]));
    stateful["spec"]["serviceName"] = json!("stateful");
    scene.kubectl("apply -f FILE", &stateful);
    scene.kubectl("apply -f FILE", &workload("apps/v1", "DaemonSet", "daemon", json!([])));
    let mut job = workload("batch/v1", "Job", "once", json!([]));
    job["spec"].as_object_mut().expect("an object").remove("selector");
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    scene.kubectl("apply -f FILE", &job);
    let mut cron = workload("batch/v1", "CronJob", "nightly", json!([]));
    job["spec"]["template"]["spec"]["containers"][0]["name"] = json!("nightly");
    cron["spec"] = json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": job["spec"]}});
    scene.kubectl("apply -f FILE", &cron);
    for component in ["stateful", "daemon", "nightly", "once", "nowhere"] {
        scene.bind(component, component, "DB").await;
    }
    let unknown =
        json!({"spec": {"workload": {"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "name": "web"}}});
    scene.declare("unknown", "web", "DB", unknown).await;
    scene.provide("unknown", 1).await;
    let off = json!({"spec": {"rds": {"inject": false}}});
    scene.declare("off", "web", "DB", off).await;
    scene.provide("off", 1).await;

    for component in ["stateful", "daemon", "nightly"] {
        scene.until(component, "Bound").await;
    }
    let template = scene
        .team
        .api::<StatefulSet>()
        .get("stateful")
        .await
        .expect("it is there")
        .spec
        .expect("a spec")
        .template;
    assert_eq!(
        names(
            template.spec.expect("a pod").containers[0]
                .env
                .as_deref()
                .unwrap_or_default()
        ),
        VARIABLES
    );
    let template = scene
        .team
        .api::<DaemonSet>()
        .get("daemon")
        .await
        .expect("it is there")
        .spec
        .expect("a spec")
        .template;
    assert_eq!(
        names(
            template.spec.expect("a pod").containers[0]
                .env
                .as_deref()
                .unwrap_or_default()
        ),
        VARIABLES
    );
    let cron = scene
        .team
        .api::<CronJob>()
        .get("nightly")
        .await
        .expect("it is there")
        .spec;
    let pod = cron.job_template.spec.expect("a spec").template.spec.expect("a pod");
    assert_eq!(names(pod.containers[0].env.as_deref().unwrap_or_default()), VARIABLES);

    for (name, reason, words) in [
        ("once", "ImmutableWorkload", ["Job once", "inject: false"]),
        ("unknown", "UnsupportedWorkload", ["CloneSet", "inject: false"]),
        (
            "nowhere",
            "NoWorkload",
            ["app.oam.dev/component=nowhere", "spec.workload"],
        ),
    ] {
        let condition = scene.until(name, reason).await;
        assert_eq!(condition.status, "False");
        for word in words {
            assert!(
                condition.message.contains(word),
                "{name}: {word}: {}",
                condition.message
            );
        }
    }
    assert_eq!(scene.until("off", "SecretOnly").await.status, "True");
    // It comes late.
    scene.kubectl("apply -f FILE", &deployment("nowhere", json!([])));
    scene.until("nowhere", "Bound").await;
    assert_eq!(names(&env(&scene.rolled("nowhere").await, "nowhere")), VARIABLES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_made_anew_is_bound_anew_and_a_deleted_one_stays_away() {
    let scene = Scene::new("anew").await;
    scene.bind("db", "web", "DB").await;
    for _ in 0..5 {
        scene.kubectl("apply -f FILE", &deployment("web", json!([])));
        // As soon as it can be, in the midst of whatever is under way.
        scene
            .team
            .api::<Deployment>()
            .delete("web", &DeleteParams::foreground())
            .await
            .expect("it can be deleted");
        scene.kubectl("wait --for=delete deployment/web --timeout=60s", &json!({}));
    }
    scene.kubectl("apply -f FILE", &deployment("web", json!([])));
    scene.until_env("web", "web", "DB_HOST", true).await;
    scene.until("db", "Bound").await;
    scene.kubectl("delete deployment web --wait=true", &json!({}));
    scene.until("db", "NoWorkload").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        scene
            .team
            .api::<Deployment>()
            .get_opt("web")
            .await
            .expect("an answer")
            .is_none()
    );
    assert_eq!(scene.status("db").await.consumers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_is_named_needs_no_labels() {
    let scene = Scene::new("named").await;
    let mut manifest = deployment("web", json!([]));
    manifest["metadata"]["labels"] = json!({});
    scene.kubectl("apply -f FILE", &manifest);
    let named = json!({"spec": {"workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    scene.declare("db", "web", "DB", named).await;
    scene.provide("db", 1).await;
    scene.until("db", "Bound").await;
    assert_eq!(names(&env(&scene.rolled("web").await, "web")), VARIABLES);
}

/// As the Application controller makes it.
async fn render(scene: &Scene) {
    let env: Vec<_> = [
        ("DB_HOST", "host"),
        ("DB_PORT", "port"),
        ("DB_USERNAME", "username"),
        ("DB_PASSWORD", "password"),
        ("DB_DATABASE", "database"),
        ("DB_URI", "uri"),
    ]
    .into_iter()
    .map(|(name, key)| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "db", "key": key}}}))
    .chain([json!({"name": "OWN", "value": "1"})])
    .collect();
    let apply = PatchParams::apply(written::MANAGER_APPLICATION).force();
    let deployments = scene.team.api::<Deployment>();
    let patch = Patch::Apply(deployment("web", json!(env)));
    deployments.patch("web", &apply, &patch).await.expect("it is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendered_deployment_is_not_rolled_for_what_it_was_born_with() {
    let scene = Scene::new("rendered").await;
    scene.declare("db", "web", "DB", json!({})).await;
    render(&scene).await;
    crate::support::cluster::eventually("it is handed over before there is a Secret", async || {
        let there = scene.deployment("web").await;
        mooring::operator::binding::is_handed_over(there.managed_fields()).then_some(())
    })
    .await;
    // From now on the Application controller leaves them out of what it applies, and nothing changes.
    let mut later = deployment("web", json!([{"name": "OWN", "value": "1"}]));
    later["metadata"]["labels"]["later"] = json!("1");
    let apply = PatchParams::apply(written::MANAGER_APPLICATION).force();
    let deployments = scene.team.api::<Deployment>();
    deployments
        .patch("web", &apply, &Patch::Apply(later))
        .await
        .expect("it is applied");
    assert_eq!(scene.env("web", "web").await.len(), 7);
    scene.provide("db", 1).await;
    scene.until("db", "Bound").await;
    assert_eq!(scene.rollouts("web").await, 1, "its first pods had it");
    scene.delete("db").await;
    scene.until_env("web", "web", "DB_HOST", false).await;
    let there = scene.rolled("web").await;
    assert_eq!(
        names(&env(&there, "web")),
        ["OWN"],
        "what the component asked for itself stays"
    );
    assert_eq!(scene.rollouts("web").await, 2, "taken out in one rollout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendered_deployment_that_is_applied_with_its_variables_again_still_loses_them_in_one_rollout() {
    let scene = Scene::new("again").await;
    scene
        .declare(
            "db",
            "web",
            "DB",
            json!({"metadata": {"finalizers": ["tests.mooring.dev/hold"]}}),
        )
        .await;
    render(&scene).await;
    scene.provide("db", 1).await;
    scene.until("db", "Bound").await;
    render(&scene).await;
    scene.delete("db").await;
    scene.until("db", "Unbound").await;
    assert_eq!(names(&env(&scene.rolled("web").await, "web")), ["OWN"]);
    assert_eq!(scene.rollouts("web").await, 2);
    scene.let_go("db").await;
}
