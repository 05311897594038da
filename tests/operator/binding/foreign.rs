//! Workloads of other projects, by the definitions that those ship, and by definitions that say nothing of what is in them.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use mooring::operator::workload::WorkloadKind;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value as Json, json};

use super::{Scene, VARIABLES};
use crate::support::cluster::{Cluster, Operator, PATIENCE, Team, eventually};

const KINDS: [WorkloadKind; 4] = [
    WorkloadKind::CloneSet,
    WorkloadKind::AdvancedStatefulSet,
    WorkloadKind::Rollout,
    WorkloadKind::KnativeService,
];

/// The definitions as the projects ship them.
fn shipped() -> Vec<CustomResourceDefinition> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/workloads/crds");
    let said = Command::new(script).output().expect("tests/workloads/crds runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let folder = String::from_utf8(said.stdout).expect("a path");
    let files = std::fs::read_dir(folder.trim()).expect("a folder");
    let files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    assert_eq!(files.len(), KINDS.len());
    let read = |file: &PathBuf| std::fs::read_to_string(file).expect("text");
    files
        .iter()
        .map(|file| serde_saphyr::from_str(&read(file)).expect("a definition"))
        .collect()
}

/// Definitions that keep whatever they are given.
fn schemaless() -> Vec<CustomResourceDefinition> {
    let all = KINDS.iter().map(|kind| {
        let resource = kind.resource();
        let keep = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "metadata": {"name": format!("{}.{}", resource.plural, resource.group)},
            "spec": {
                "group": resource.group, "scope": "Namespaced",
                "names": {"kind": resource.kind, "plural": resource.plural},
                "versions": [{
                    "name": resource.version, "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": keep, "status": keep}}},
                }],
            },
        });
        serde_json::from_value(definition).expect("a definition")
    });
    all.collect()
}

async fn define(cluster: &Cluster, definitions: &[CustomResourceDefinition]) {
    let api = Api::<CustomResourceDefinition>::all(cluster.client().await);
    for definition in definitions {
        match api.create(&PostParams::default(), definition).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => panic!("{}: {error}", definition.name_any()),
        }
    }
}

/// The shared cluster with what the projects ship.
async fn with_shipped(name: &str) -> Scene {
    let scene = Scene::new(name).await;
    define(scene.cluster, &shipped()).await;
    scene
}

/// A cluster of its own with definitions that say nothing.
async fn with_schemaless(name: &str) -> Scene {
    static OWN: OnceLock<(Cluster, Operator)> = OnceLock::new();
    let (cluster, _) = OWN.get_or_init(|| {
        let cluster = Cluster::own();
        let operator = cluster.operator();
        (cluster, operator)
    });
    define(cluster, &schemaless()).await;
    let team = Team::new(cluster, name).await;
    Scene { cluster, team }
}

impl Scene {
    fn foreign(&self, kind: WorkloadKind) -> Api<DynamicObject> {
        Api::namespaced_with(self.team.client.clone(), &self.team.namespace, &kind.resource())
    }

    async fn spec(&self, kind: WorkloadKind, name: &str) -> (Json, i64) {
        // For a moment after another kind of its group was defined, a kind is not served.
        let object = eventually("it is there", async || self.foreign(kind).get(name).await.ok()).await;
        (object.data["spec"].clone(), object.metadata.generation.unwrap_or(0))
    }

    /// Puts a workload there as a person does; where its kind was defined only now, it is waited for.
    async fn put(&self, kind: WorkloadKind, object: &Json) {
        let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        let api = self.foreign(kind);
        eventually(&format!("a {} can be made", kind.as_str()), async || {
            match api.create(&PostParams::default(), &object).await {
                Ok(_) => Some(()),
                Err(kube::Error::Api(status)) if status.code == 404 => None,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
    }
}

fn containers(spec: &Json) -> &Vec<Json> {
    spec["template"]["spec"]["containers"].as_array().expect("containers")
}

/// The spec without what refers to that Secret and without our annotation.
fn without(spec: &Json, secret: &str) -> Json {
    let mut spec = spec.clone();
    let template = &mut spec["template"];
    if let Some(metadata) = template["metadata"].as_object_mut() {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Json::as_object_mut) {
            annotations.remove("mooring.dev/binding-revision");
        }
        if metadata
            .get("annotations")
            .is_some_and(|annotations| *annotations == json!({}))
        {
            metadata.remove("annotations");
        }
    }
    for list in ["containers", "initContainers"] {
        for container in template["spec"][list].as_array_mut().into_iter().flatten() {
            let Some(env) = container.get_mut("env").and_then(Json::as_array_mut) else {
                continue;
            };
            env.retain(|entry| entry["valueFrom"]["secretKeyRef"]["name"] != secret);
            if env.is_empty() {
                container.as_object_mut().expect("a container").remove("env");
            }
        }
    }
    if template["spec"].get("initContainers").is_some_and(Json::is_null) {
        template["spec"]
            .as_object_mut()
            .expect("a pod")
            .remove("initContainers");
    }
    spec
}

fn bound(spec: &Json, container: &str, secret: &str) -> Vec<String> {
    let found = containers(spec).iter().find(|found| found["name"] == container);
    let env = found.and_then(|found| found["env"].as_array());
    let ours = env
        .into_iter()
        .flatten()
        .filter(|entry| entry["valueFrom"]["secretKeyRef"]["name"] == secret);
    let mut names: Vec<_> = ours
        .filter_map(|entry| entry["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// A workload as somebody might have written it: `web` among others, each with some of what a container may have.
fn any(kind: WorkloadKind, random: &mut StdRng) -> Json {
    let mut all: Vec<_> = (0..random.random_range(0..4))
        .map(|index| format!("side-{index}"))
        .collect();
    all.push("web".to_owned());
    all.shuffle(random);
    let container = |name: &String, random: &mut StdRng| {
        let mut container = json!({"name": name, "image": format!("{name}:{}", random.random_range(1..9))});
        if random.random() {
            container["env"] = json!([{"name": "MINE", "value": "1"}]);
        }
        if random.random() {
            let field = json!({"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}});
            let env = container
                .get("env")
                .and_then(Json::as_array)
                .cloned()
                .unwrap_or_default();
            container["env"] = [env, vec![field]].concat().into();
        }
        if random.random() {
            container["args"] = json!(["--port", "8080"]);
        }
        if random.random() {
            container["resources"] = json!({"limits": {"memory": "64Mi"}});
        }
        container
    };
    let mut pod = json!({"containers": all.iter().map(|name| container(name, random)).collect::<Vec<_>>()});
    if random.random() {
        pod["initContainers"] = json!([container(&"first".to_owned(), random)]);
    }
    let mut template = json!({"metadata": {"labels": {"app.oam.dev/component": "web"}}, "spec": pod});
    if random.random() {
        template["metadata"]["annotations"] = json!({"example.com/theirs": "1"});
    }
    let resource = kind.resource();
    let mut spec = json!({"template": template});
    if kind != WorkloadKind::KnativeService {
        spec["replicas"] = json!(1);
        spec["selector"] = json!({"matchLabels": {"app.oam.dev/component": "web"}});
    }
    if kind == WorkloadKind::Rollout {
        spec["strategy"] = json!({"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}});
    }
    json!({
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": {
            "name": "web",
            "labels": {"app.oam.dev/component": "web", "app.oam.dev/name": "shop"},
        },
        "spec": spec,
    })
}

/// Whatever it looks like: bound by one change, nothing else of it is touched, undone by one change.
async fn is_bound_and_nothing_else_is_touched(scene: &Scene, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        for kind in KINDS {
            let mut random = StdRng::seed_from_u64(seed);
            let what = format!("{} of {}, seed {seed}", kind.as_str(), kind.resource().group);
            scene.put(kind, &any(kind, &mut random)).await;
            let (theirs, first) = scene.spec(kind, "web").await;
            scene.bind("db", "web", "DB").await;
            scene.until("db", "Bound").await;
            let (spec, generation) = scene.spec(kind, "web").await;
            assert_eq!(bound(&spec, "web", "db"), VARIABLES, "{what}");
            assert_eq!(without(&spec, "db"), without(&theirs, "db"), "{what}");
            assert_eq!(generation, first + 1, "{what}: one change, so one rollout");

            // New credentials roll it once more; the same once more does not.
            scene.provide("db", 2).await;
            eventually(&format!("{what} is rolled"), async || {
                let (spec, _) = scene.spec(kind, "web").await;
                let revision = &spec["template"]["metadata"]["annotations"]["mooring.dev/binding-revision"];
                (*revision == "db=2").then_some(())
            })
            .await;
            let label = Patch::Merge(json!({"metadata": {"labels": {"touched": "1"}}}));
            let touched = scene.foreign(kind).patch("web", &PatchParams::default(), &label).await;
            touched.expect("it can be labelled");

            scene.delete("db").await;
            eventually(&format!("{what} is unbound"), async || {
                let (spec, _) = scene.spec(kind, "web").await;
                bound(&spec, "web", "db").is_empty().then_some(())
            })
            .await;
            let (spec, generation) = scene.spec(kind, "web").await;
            assert_eq!(spec, theirs, "{what}: as it was");
            assert_eq!(
                generation,
                first + 3,
                "{what}: bound, rolled, unbound, and nothing for a no-op"
            );
            let annotations = scene.foreign(kind).get("web").await.expect("it is there");
            assert!(
                !annotations.annotations().contains_key("mooring.dev/bound-variables"),
                "{what}"
            );
            scene
                .foreign(kind)
                .delete("web", &kube::api::DeleteParams::default())
                .await
                .expect("it goes");
            eventually("the resource is gone", async || {
                let there = scene.resources().get_opt("db").await.expect("an answer");
                there.is_none().then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_definitions_that_the_projects_ship() {
    let scene = with_shipped("shipped").await;
    is_bound_and_nothing_else_is_touched(&scene, 0..6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_definitions_that_say_nothing() {
    let scene = with_schemaless("schemaless").await;
    is_bound_and_nothing_else_is_touched(&scene, 6..12).await;
}

/// What people and tools do to it: nothing of theirs is lost, and ours comes back by one reconcile.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_somebody_replaces_is_theirs_and_ours_is_put_back() {
    let scene = with_shipped("replaced").await;
    for kind in KINDS {
        let what = kind.as_str();
        scene.put(kind, &any(kind, &mut StdRng::seed_from_u64(1))).await;
        scene.bind("db", "web", "DB").await;
        scene.until("db", "Bound").await;
        let (_, before) = scene.spec(kind, "web").await;
        // As `kubectl apply` and Argo CD change a list that they cannot merge.
        let list = json!([{"name": "new", "image": "new:1"}, {"name": "web", "image": "web:2", "env": [{"name": "THEIRS", "value": "1"}]}]);
        let change = Patch::Merge(json!({"spec": {"template": {"spec": {"containers": list}}}}));
        let changed = scene.foreign(kind).patch("web", &PatchParams::default(), &change).await;
        changed.expect("it can be changed");
        eventually(&format!("{what} is bound again"), async || {
            let (spec, _) = scene.spec(kind, "web").await;
            (bound(&spec, "web", "db") == VARIABLES).then_some(())
        })
        .await;
        let (spec, after) = scene.spec(kind, "web").await;
        assert_eq!(
            containers(&without(&spec, "db")),
            list.as_array().expect("a list"),
            "{what}"
        );
        assert_eq!(after, before + 2, "{what}: theirs and ours");
        // A variable of that name that is theirs is left alone, and its owner has to decide.
        let theirs = json!([{"name": "web", "image": "web:3", "env": [{"name": "DB_HOST", "value": "theirs"}]}]);
        let change = Patch::Merge(json!({"spec": {"template": {"spec": {"containers": theirs}}}}));
        let changed = scene.foreign(kind).patch("web", &PatchParams::default(), &change).await;
        changed.expect("it can be changed");
        let taken = scene.until("db", "EnvTaken").await;
        assert!(taken.message.contains("DB_HOST"), "{}", taken.message);
        let (spec, _) = scene.spec(kind, "web").await;
        assert_eq!(
            containers(&spec)[0]["env"][0],
            json!({"name": "DB_HOST", "value": "theirs"}),
            "{what}"
        );
        scene.delete("db").await;
        eventually(&format!("{what} is unbound"), async || {
            let (spec, _) = scene.spec(kind, "web").await;
            (containers(&spec) == theirs.as_array().expect("a list")).then_some(())
        })
        .await;
        scene
            .foreign(kind)
            .delete("web", &kube::api::DeleteParams::default())
            .await
            .expect("it goes");
        eventually("the resource is gone", async || {
            scene
                .resources()
                .get_opt("db")
                .await
                .expect("an answer")
                .is_none()
                .then_some(())
        })
        .await;
    }
}

/// A Rollout that runs a Deployment's template: bound there, by one change; whose pods are old the Rollout says.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_with_a_workload_ref_is_bound_in_its_workload() {
    let scene = with_shipped("ref").await;
    let mut deployment = super::deployment("web", json!([{"name": "MINE", "value": "1"}]));
    deployment["spec"]["replicas"] = json!(0);
    deployment["metadata"]["labels"] = json!({});
    scene.kubectl("apply -f FILE", &deployment);
    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "labels": {"app.oam.dev/component": "web", "app.oam.dev/name": "shop"}},
        "spec": {
            "replicas": 1,
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
        },
    });
    scene.put(WorkloadKind::Rollout, &rollout).await;
    let (theirs, generation) = scene.spec(WorkloadKind::Rollout, "web").await;
    let hold = json!({"metadata": {"finalizers": ["tests.mooring.dev/hold"]}});
    scene.declare("db", "web", "DB", hold).await;
    scene.provide("db", 1).await;
    scene.until_env("web", "web", "DB_HOST", true).await;
    scene.until("db", "Bound").await;
    assert_eq!(
        scene.spec(WorkloadKind::Rollout, "web").await,
        (theirs, generation),
        "it is left alone"
    );
    eventually("both are on record", async || {
        (scene.status("db").await.consumers.len() == 2).then_some(())
    })
    .await;

    let there = scene.deployment("web").await;
    let status = |observed: Option<i64>, updated: i64| {
        json!({"status": {
            "observedGeneration": generation.to_string(),
            "workloadObservedGeneration": observed.unwrap_or(0).to_string(),
            "replicas": 2, "updatedReplicas": updated,
        }})
    };
    let say = async |status: Json| {
        let params = PatchParams::default();
        let rollouts = scene.foreign(WorkloadKind::Rollout);
        rollouts
            .patch_status("web", &params, &Patch::Merge(status))
            .await
            .expect("a status");
    };
    say(status(there.metadata.generation, 2)).await;
    scene.delete("db").await;
    scene.until_env("web", "web", "DB_HOST", false).await;
    let unbinding = scene.until("db", "Unbinding").await;
    assert!(unbinding.message.contains("Rollout web"), "{}", unbinding.message);
    // The canary stands at its pause: the old pod has it still.
    let there = scene.deployment("web").await;
    say(status(there.metadata.generation, 1)).await;
    tokio::time::sleep(PATIENCE / 15).await;
    scene.until("db", "Unbinding").await;
    say(status(there.metadata.generation, 2)).await;
    scene.until("db", "Unbound").await;
    scene.let_go("db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_refers_to_half_of_a_workload_stands_in_nobodys_way() {
    let scene = with_shipped("half").await;
    let half = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "half"},
        "spec": {"replicas": 1, "workloadRef": {"kind": "Deployment", "name": "web"}},
    });
    scene.put(WorkloadKind::Rollout, &half).await;
    let whole = any(WorkloadKind::Rollout, &mut StdRng::seed_from_u64(5));
    scene.put(WorkloadKind::Rollout, &whole).await;
    let workload =
        json!({"spec": {"workload": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}}});
    scene.declare("db", "web", "DB", workload).await;
    scene.provide("db", 1).await;
    scene.until("db", "Bound").await;
}

/// Where a kind is not defined nothing is asked for again and again; when it comes, it is watched, and when it goes, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_comes_later_is_watched_then() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::audited()));
    let _operator = cluster.operator();
    let team = Team::new(cluster, "later").await;
    let scene = Scene { cluster, team };
    let workload =
        json!({"spec": {"workload": {"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "name": "web"}}});
    scene.declare("db", "web", "DB", workload).await;
    scene.provide("db", 1).await;
    let waits = scene.until("db", "NoWorkload").await;
    assert!(
        waits.message.contains("there is no CloneSet web yet"),
        "{}",
        waits.message
    );
    tokio::time::sleep(PATIENCE / 3).await;
    let asked = || {
        let log = std::fs::read_to_string(cluster.directory().join("cluster/audit.log")).expect("the audit log");
        // The API server's own controllers look at everything that is defined.
        let asked =
            |line: &&str| line.contains("\"resource\":\"clonesets\"") && !line.contains("\"username\":\"system:");
        log.lines().filter(asked).count()
    };
    assert_eq!(asked(), 0, "what is not defined is not asked for");

    define(cluster, &shipped()).await;
    scene
        .put(
            WorkloadKind::CloneSet,
            &any(WorkloadKind::CloneSet, &mut StdRng::seed_from_u64(3)),
        )
        .await;
    scene.until("db", "Bound").await;
    let definitions = Api::<CustomResourceDefinition>::all(scene.team.client.clone());
    let gone = definitions
        .delete("clonesets.apps.kruise.io", &kube::api::DeleteParams::default())
        .await;
    gone.expect("it can be deleted");
    scene.until("db", "NoWorkload").await;
    // Until the operator has heard that it is not served any more, its watch is refused a few times.
    tokio::time::sleep(PATIENCE / 4).await;
    let before = asked();
    tokio::time::sleep(PATIENCE / 3).await;
    assert_eq!(asked(), before, "it is not asked for again and again");
}

/// A team on the shared cluster, where CloneSets are defined as their project ships them.
pub(crate) async fn with_clone_sets(name: &str) -> Team {
    with_shipped(name).await.team
}
