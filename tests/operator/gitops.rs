//! What GitOps controllers do to our objects and to bound workloads, by the engines of Argo CD and Flux themselves
//! (`tests/gitops`), and what their health checks in `deploy/gitops` say of what the operator wrote.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Instant,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    discovery::pinned_kind,
};
use mooring::api::{CloudResource, Environment, ProviderConfig};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use crate::{
    resource_support::delete,
    support::cluster::{Cluster, PATIENCE, Team, eventually},
};

/// Runs the engine; what it answered.
fn engine(arguments: &[&str], objects: &[Json]) -> Json {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = BINARY.get_or_init(|| {
        let built = Command::new(root.join("tests/gitops/build"))
            .output()
            .expect("tests/gitops/build runs");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(
            built.status.success(),
            "the engines of Argo CD and Flux are built from their Go modules: {said}"
        );
        String::from_utf8(built.stdout).expect("a path").trim().into()
    });
    let mut process = Command::new(binary)
        .args(arguments)
        .current_dir(root)
        .env("KUBECONFIG", &Cluster::shared().kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let documents: Vec<_> = objects.iter().map(ToString::to_string).collect();
    let mut stdin = process.stdin.take().expect("its stdin");
    stdin.write_all(documents.join("\n---\n").as_bytes()).expect("it reads");
    drop(stdin);
    let output = process.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A tool, and the way it is told to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Argo(&'static str),
    Flux,
}

const TOOLS: [Tool; 4] = [
    Tool::Argo("apply"),
    Tool::Argo("server-side"),
    Tool::Argo("replace"),
    Tool::Flux,
];

impl Tool {
    /// Brings the cluster to what is in git; answers what was not as it is there.
    fn sync(self, team: &Team, objects: &[Json]) -> Vec<String> {
        let text = |value: &Json| value.as_str().expect("text").to_owned();
        match self {
            Self::Argo(mode) => {
                let said = engine(&["sync", "argocd", &team.namespace, mode], objects);
                let results = said["results"].as_array().expect("results");
                assert!(
                    results.iter().all(|one| !text(one).contains("SyncFailed")),
                    "{self:?}: {said}"
                );
                said["outOfSync"].as_array().expect("a list").iter().map(text).collect()
            }
            Self::Flux => {
                let said = engine(&["sync", "flux", &team.namespace], objects);
                let changes = said["changes"].as_object().expect("changes").iter();
                let changed = changes.filter(|(_, action)| *action != "unchanged" && *action != "skipped");
                changed.map(|(subject, _)| subject.clone()).collect()
            }
        }
    }
}

fn application(image: &str) -> Json {
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": "shop"},
        "spec": {"components": [{
            "name": "web", "type": "webservice",
            "properties": {"image": image, "ports": [{"port": 8080, "expose": true}]},
            "traits": [{"type": "rds", "properties": {"engine": "mysql", "as": "DB"}}],
        }]},
    })
}

fn by_hand(image: &str) -> [Json; 2] {
    let labels = json!({"app": "hand"});
    [
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "hand"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [
                        {"name": "proxy", "image": "proxy:1.0"},
                        {"name": "hand", "image": image, "env": [{"name": "MINE", "value": "1"}]},
                    ]},
                },
            },
        }),
        json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource", "metadata": {"name": "hand-hand-db"},
            "spec": {
                "application": "hand", "component": "hand", "name": "db",
                "rds": {"engine": "mysql", "as": "DB"},
                "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hand"},
            },
        }),
    ]
}

/// A team where Applications are defined, which the operator does at its start.
async fn ready_for_applications(name: &str) -> Team {
    let team = Team::new(Cluster::shared(), name).await;
    eventually("Applications are defined", async || {
        pinned_kind(&team.client, &application_kind()).await.ok()
    })
    .await;
    team
}

fn application_kind() -> GroupVersionKind {
    GroupVersionKind::gvk("core.oam.dev", "v1beta1", "Application")
}

async fn bound(team: &Team, name: &str) {
    eventually(&format!("{name} is ready and bound"), async || {
        let resource = team.api::<CloudResource>().get_opt(name).await.expect("an answer")?;
        let conditions = resource.status?.conditions;
        let is = |type_: &str| {
            conditions
                .iter()
                .any(|known| known.type_ == type_ && known.status == "True")
        };
        (is("Ready") && is("Bound")).then_some(())
    })
    .await;
}

/// Waits until the container has all of our variables.
async fn has_env(team: &Team, name: &str) -> Deployment {
    eventually(&format!("{name} has its variables"), async || {
        let deployment = team.api::<Deployment>().get_opt(name).await.expect("an answer")?;
        let pod = deployment.spec.clone()?.template.spec?;
        let container = pod.containers.into_iter().find(|container| container.name == name)?;
        let env = container.env.unwrap_or_default();
        let ours = env
            .iter()
            .filter(|variable| variable.name.starts_with("DB_") && variable.value_from.is_some());
        (ours.count() == 6).then_some(deployment)
    })
    .await
}

async fn uid<K>(team: &Team, name: &str) -> (String, String)
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let object = team
        .api::<K>()
        .get(name)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let metadata = format!("{:?} {:?}", object.meta().labels, object.meta().annotations);
    (object.uid().unwrap_or_default(), metadata)
}

/// What the operator made for the Application, by uid.
async fn children(team: &Team) -> Vec<String> {
    let all = [
        uid::<CloudResource>(team, "shop-web-rds").await,
        uid::<Secret>(team, "shop-web-rds").await,
        uid::<Deployment>(team, "web").await,
        uid::<Service>(team, "web").await,
    ];
    all.into_iter()
        .map(|(uid, metadata)| {
            for foreign in ["shop-in-git", "argocd.argoproj.io", "kustomize.toolkit.fluxcd.io"] {
                assert!(!metadata.contains(foreign), "whoever carries it is pruned: {metadata}");
            }
            uid
        })
        .collect()
}

fn generation(deployment: &Deployment) -> i64 {
    deployment.metadata.generation.expect("a generation")
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_argo_cd_nor_flux_sees_drift_or_prunes_or_loses_a_binding() {
    for tool in TOOLS {
        let team = ready_for_applications("gitops").await;
        let git = |image: &str| [vec![application(image)], by_hand(image).to_vec()].concat();
        let before = git("shop:1.0");
        assert_eq!(tool.sync(&team, &before).len(), 3, "{tool:?}: all of it is new");
        bound(&team, "shop-web-rds").await;
        bound(&team, "hand-hand-db").await;
        let hand = has_env(&team, "hand").await;
        has_env(&team, "web").await;
        let made = children(&team).await;

        for _ in 0..2 {
            let drift = tool.sync(&team, &before);
            assert_eq!(drift, [""; 0], "{tool:?}: what was bound is no drift");
        }
        assert_eq!(children(&team).await, made, "{tool:?}: nothing of ours is pruned");
        let same = has_env(&team, "hand").await;
        assert_eq!(generation(&same), generation(&hand), "{tool:?}: no rollout for nothing");

        let drift = tool.sync(&team, &git("shop:2.0"));
        assert_eq!(
            drift.len(),
            2,
            "{tool:?}: the Application and the Deployment: {drift:?}"
        );
        let changed = eventually("the new image, with its variables", async || {
            let deployment = has_env(&team, "hand").await;
            let text = serde_json::to_string(&deployment.spec).expect("JSON");
            text.contains("shop:2.0").then_some(deployment)
        })
        .await;
        // Replace takes our variables away with the rest, and one reconcile puts them back.
        let rollouts = if tool == Tool::Argo("replace") { 2 } else { 1 };
        assert_eq!(generation(&changed), generation(&same) + rollouts, "{tool:?}");
        assert_eq!(
            tool.sync(&team, &git("shop:2.0")),
            [""; 0],
            "{tool:?}: and that is no drift either"
        );
        bound(&team, "hand-hand-db").await;

        // No longer in git: it is pruned, and what was made for it is torn down, not what is still declared.
        assert_eq!(tool.sync(&team, &[application("shop:2.0")]).len(), 2, "{tool:?}");
        eventually("what was pruned is gone", async || {
            let there = team
                .api::<CloudResource>()
                .get_opt("hand-hand-db")
                .await
                .expect("an answer");
            there.is_none().then_some(())
        })
        .await;
        assert_eq!(children(&team).await, made, "{tool:?}");
    }
}

/// A list that can only be replaced whole: who goes by what is in git alone puts up with what is added, until that
/// changes; who owns the list cannot, and the contest ends with a word, and without further rollouts.
#[tokio::test(flavor = "multi_thread")]
async fn a_fight_about_an_atomic_list_ends() {
    for tool in TOOLS {
        let team = crate::binding::with_clone_sets("fight").await;
        let labels = json!({"app": "hand"});
        let [_, mut resource] = by_hand("");
        resource["spec"]["workload"] =
            json!({"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "name": "hand"});
        let git = |image: &str| {
            let clone_set = json!({
                "apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "metadata": {"name": "hand"},
                "spec": {"selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels}, "spec": {"containers": [{"name": "hand", "image": image}]},
                }},
            });
            [clone_set, resource.clone()]
        };
        tool.sync(&team, &git("shop:1.0"));
        bound(&team, "hand-hand-db").await;
        let is_owner = matches!(tool, Tool::Argo("server-side") | Tool::Flux);
        if is_owner {
            eventually(&format!("{tool:?}: it is said that somebody undoes it"), async || {
                tool.sync(&team, &git("shop:1.0"));
                let resource = team.api::<CloudResource>().get("hand-hand-db").await;
                let conditions = resource.expect("it is there").status.unwrap_or_default().conditions;
                let is_it = |known: &Condition| known.type_ == "Bound" && known.reason == "BindingContested";
                conditions.iter().any(is_it).then_some(())
            })
            .await;
            tool.sync(&team, &git("shop:1.0"));
        }
        let clone_sets = ApiResource::from_gvk(&GroupVersionKind::gvk("apps.kruise.io", "v1alpha1", "CloneSet"));
        let clone_sets = Api::<DynamicObject>::namespaced_with(team.client.clone(), &team.namespace, &clone_sets);
        let before = clone_sets.get("hand").await.expect("it is there").metadata.generation;
        for _ in 0..3 {
            let drift = tool.sync(&team, &git("shop:1.0"));
            assert_eq!(drift, [""; 0], "{tool:?}: now both leave it");
        }
        let after = clone_sets.get("hand").await.expect("it is there").metadata.generation;
        assert_eq!(after, before, "{tool:?}: no rollout for nothing");
        if !is_owner {
            assert_eq!(tool.sync(&team, &git("shop:2.0")).len(), 1, "{tool:?}: another image");
            eventually("the variables are put back beside it", async || {
                let spec = clone_sets.get("hand").await.ok()?.data["spec"].to_string();
                (spec.contains("shop:2.0") && spec.contains("DB_PASSWORD")).then_some(())
            })
            .await;
        }
    }
}

/// Which says what of an object.
fn health(object: &Json) -> (String, String) {
    let objects = std::slice::from_ref(object);
    let argo = engine(&["health", "argocd", "deploy/gitops/argocd-cm.yaml"], objects);
    let flux = engine(&["health", "flux", "deploy/gitops/flux-kustomization.yaml"], objects);
    let text = |value: &Json| value[0]["status"].as_str().expect("a status").to_owned();
    (text(&argo), text(&flux))
}

#[track_caller]
fn assert_health(what: &str, object: &Json, argo: &str, flux: &str) {
    assert_eq!(health(object), (argo.to_owned(), flux.to_owned()), "{what}: {object}");
}

async fn read<K: Serialize + Clone + std::fmt::Debug + DeserializeOwned>(api: &Api<K>, name: &str) -> Json {
    serde_json::to_value(api.get(name).await.expect("it is there")).expect("JSON")
}

/// Waits until the condition has that reason, and answers the object.
async fn until<K: Serialize + Clone + std::fmt::Debug + DeserializeOwned>(
    api: &Api<K>,
    name: &str,
    type_: &str,
    reason: &str,
) -> Json {
    let begun = Instant::now();
    loop {
        let object = serde_json::to_value(api.get_opt(name).await.expect("an answer")).expect("JSON");
        let conditions = object["status"]["conditions"].as_array();
        let is = |condition: &Json| condition["type"] == type_ && condition["reason"] == reason;
        if conditions.is_some_and(|conditions| conditions.iter().any(is)) {
            return object;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{name}: {type_} {reason} is awaited of {object}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_understand_what_the_operator_writes() {
    let team = Team::new(Cluster::shared(), "health").await;
    let (environments, providers) = (
        Api::<Environment>::all(team.client.clone()),
        Api::<ProviderConfig>::all(team.client.clone()),
    );
    let resources = team.api::<CloudResource>();

    team.apply_json(application("shop:1.0")).await;
    bound(&team, "shop-web-rds").await;
    let ready = read(&resources, "shop-web-rds").await;
    assert_health("ready and bound", &ready, "Healthy", "Current");
    let applications = ApiResource::from_gvk(&application_kind());
    let applications = Api::<DynamicObject>::namespaced_with(team.client.clone(), &team.namespace, &applications);
    let running = eventually("the Application runs", async || {
        let object = read(&applications, "shop").await;
        (object["status"]["status"] == "running").then_some(object)
    })
    .await;
    assert_health("an Application that runs", &running, "Healthy", "Current");
    assert_health(
        "an Environment",
        &until(&environments, &team.namespace, "Ready", "Ready").await,
        "Healthy",
        "Current",
    );
    assert_health(
        "a ProviderConfig",
        &until(&providers, &team.namespace, "Ready", "Ready").await,
        "Healthy",
        "Current",
    );

    // Before the operator looked at it, and after it was changed.
    for mut fresh in [ready.clone(), running.clone()] {
        fresh.as_object_mut().expect("an object").remove("status");
        assert_health("without a status", &fresh, "Progressing", "Unknown");
    }
    let mut changed = ready.clone();
    changed["metadata"]["generation"] = json!(99);
    assert_health("changed", &changed, "Progressing", "InProgress");

    // A binding that somebody has to do something about.
    let [mut taken, resource] = by_hand("shop:1.0");
    taken["spec"]["template"]["spec"]["containers"][1]["env"] = json!([{"name": "DB_HOST", "value": "theirs"}]);
    team.apply_json(taken).await;
    team.apply_json(resource.clone()).await;
    let taken = until(&resources, "hand-hand-db", "Bound", "EnvTaken").await;
    let taken = if taken["status"]["conditions"].to_string().contains("\"Ready\"") {
        taken
    } else {
        eventually("it is ready", async || {
            let object = read(&resources, "hand-hand-db").await;
            let conditions = object["status"]["conditions"].as_array()?;
            conditions
                .iter()
                .find(|one| one["type"] == "Ready" && one["status"] == "True")?;
            Some(object.clone())
        })
        .await
    };
    assert_health("a name that is taken", &taken, "Degraded", "Failed");

    // No workload: it may come later.
    let mut alone = resource.clone();
    alone["metadata"]["name"] = json!("hand-hand-alone");
    alone["spec"]["name"] = json!("alone");
    alone["spec"]["workload"]["name"] = json!("comes-later");
    team.apply_json(alone).await;
    until(&resources, "hand-hand-alone", "Bound", "NoWorkload").await;
    let alone = until(&resources, "hand-hand-alone", "Ready", "Ready").await;
    assert_health("without a workload", &alone, "Healthy", "Current");

    // Bad input, an Environment that names nobody, and their Application.
    let mut lost = resource.clone();
    lost["metadata"]["name"] = json!("lost-hand-db");
    lost["spec"]["application"] = json!("lost");
    lost["spec"]["environment"] = json!("is-not-there");
    team.apply_json(lost).await;
    let lost = until(&resources, "lost-hand-db", "Ready", "EnvironmentNotFound").await;
    assert_health("without an Environment", &lost, "Degraded", "Failed");
    let nobody = format!("{}-nobody", team.namespace);
    team.apply_json(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": nobody},
        "spec": {"providers": {"default": "nobody"}},
    }))
    .await;
    let bad = eventually("it is judged", async || {
        let object = read(&environments, &nobody).await;
        (object["status"]["conditions"][0]["status"] == "False").then_some(object)
    })
    .await;
    assert_health("an Environment without a provider", &bad, "Degraded", "Failed");
    environments
        .delete(&nobody, &kube::api::DeleteParams::default())
        .await
        .expect("it can be deleted");

    // On its way, and going.
    let slow = Team::with(Cluster::shared(), "slow", json!({"provisioning": "1h"}), json!({})).await;
    slow.apply_json(application("shop:1.0")).await;
    let on_its_way = until(&slow.api::<CloudResource>(), "shop-web-rds", "Ready", "Provisioning").await;
    assert_health("on its way", &on_its_way, "Progressing", "InProgress");
    delete(&team, "shop-web-rds").await;
    let mut going = ready;
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(health(&going).0, "Progressing");
}

/// Names of Secrets are in git, and nothing of what is in them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_git_needs_no_secret() {
    let team = ready_for_applications("nosecret").await;
    let git = [vec![application("shop:1.0")], by_hand("shop:1.0").to_vec()].concat();
    Tool::Flux.sync(&team, &git);
    bound(&team, "hand-hand-db").await;
    let text = git.iter().map(ToString::to_string).collect::<String>();
    assert!(!text.contains("\"kind\":\"Secret\""));
    let secret = team.api::<Secret>().get("hand-hand-db").await.expect("its Secret");
    let password = secret
        .data
        .and_then(|data| data.get("password").cloned())
        .expect("a password");
    let password = String::from_utf8(password.0).expect("text");
    assert!(!password.is_empty() && !text.contains(&password));
    for name in ["web", "hand"] {
        let deployment = team.api::<Deployment>().get(name).await.expect("it is there");
        assert!(!serde_json::to_string(&deployment).expect("JSON").contains(&password));
    }
}
