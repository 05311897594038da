//! Binding into workloads, as people meet it. What RESOURCE would write of a binding the tests write themselves: the
//! environment that they name is not there, so nothing is provisioned.

mod ownership;
mod stories;
mod teardown;

use std::io::Write;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::EnvVar},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use mooring::api::{CloudResource, CloudResourceStatus};
use serde_json::{Value as Json, json};

use crate::support::cluster::{Cluster, Team, eventually};

/// One test's cluster and namespace.
struct Scene {
    cluster: &'static Cluster,
    team: Team,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let cluster = Cluster::shared();
        let team = Team::new(cluster, name).await;
        Self { cluster, team }
    }

    /// What a person does at a shell; `FILE` stands for a file with that content.
    fn kubectl(&self, arguments: &str, content: &Json) -> String {
        let mut file = tempfile::Builder::new()
            .suffix(".json")
            .tempfile()
            .expect("a temporary file");
        file.write_all(content.to_string().as_bytes())
            .expect("it can be written");
        let path = file.path().display().to_string();
        let mut words = vec!["-n", &self.team.namespace];
        words.extend(
            arguments
                .split(' ')
                .map(|word| if word == "FILE" { &path } else { word }),
        );
        self.cluster.kubectl(&words)
    }

    /// Declares a database for `component` of application `shop`; `change` is merged into the CloudResource.
    async fn declare(&self, name: &str, component: &str, prefix: &str, change: Json) {
        let mut object = json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource",
            "metadata": {"name": name},
            "spec": {
                "application": "shop", "component": component, "name": name, "environment": "is-not-there",
                "rds": {"engine": "mysql", "as": prefix},
            },
        });
        merge(&mut object, change);
        let resource = serde_json::from_value(object).expect("a CloudResource");
        self.resources()
            .create(&PostParams::default(), &resource)
            .await
            .expect("it is accepted");
    }

    /// Its Secret is there, in that revision.
    async fn provide(&self, name: &str, revision: i64) {
        let status = json!({"status": {"binding": {"name": name}, "bindingRevision": revision}});
        let params = PatchParams {
            field_manager: Some("tests".into()),
            ..PatchParams::default()
        };
        self.resources()
            .patch_status(name, &params, &Patch::Merge(status))
            .await
            .expect("a status can be written");
    }

    async fn bind(&self, name: &str, component: &str, prefix: &str) {
        self.declare(name, component, prefix, json!({})).await;
        self.provide(name, 1).await;
    }

    fn resources(&self) -> kube::Api<CloudResource> {
        self.team.api()
    }

    async fn status(&self, name: &str) -> CloudResourceStatus {
        self.resources()
            .get(name)
            .await
            .expect("it is there")
            .status
            .unwrap_or_default()
    }

    /// Waits until the condition `Bound` has that reason, and answers it.
    async fn until(&self, name: &str, reason: &str) -> Condition {
        eventually(&format!("{name} is {reason}"), async || {
            let conditions = self.status(name).await.conditions;
            conditions
                .into_iter()
                .find(|known| known.type_ == "Bound" && known.reason == reason)
        })
        .await
    }

    async fn deployment(&self, name: &str) -> Deployment {
        self.team
            .api::<Deployment>()
            .get(name)
            .await
            .expect("the Deployment is there")
    }

    /// Waits until every pod is of the current template, and answers the Deployment.
    async fn rolled(&self, name: &str) -> Deployment {
        eventually(&format!("{name} is rolled"), async || {
            let there = self.deployment(name).await;
            let status = there.status.clone().unwrap_or_default();
            let is_rolled = status.observed_generation == there.metadata.generation
                && status.updated_replicas == Some(1)
                && status.replicas == Some(1)
                && status.available_replicas == Some(1);
            is_rolled.then_some(there)
        })
        .await
    }

    /// How many templates the Deployment has rolled out.
    async fn rollouts(&self, name: &str) -> u32 {
        let there = self.rolled(name).await;
        there.annotations()["deployment.kubernetes.io/revision"]
            .parse()
            .expect("a number")
    }

    /// The variables of a container, as they are now.
    async fn env(&self, name: &str, container: &str) -> Vec<EnvVar> {
        env(&self.deployment(name).await, container)
    }

    /// Waits until the container has that variable of that Secret, or has it no more.
    async fn until_env(&self, name: &str, container: &str, variable: &str, is_there: bool) {
        eventually(&format!("{variable} in {name}: {is_there}"), async || {
            let env = self.env(name, container).await;
            (env.iter()
                .any(|found| found.name == variable && found.value_from.is_some())
                == is_there)
                .then_some(())
        })
        .await;
    }

    async fn delete(&self, name: &str) {
        self.resources()
            .delete(name, &DeleteParams::default())
            .await
            .expect("it can be deleted");
    }

    async fn let_go(&self, name: &str) {
        let none = Patch::Merge(json!({"metadata": {"finalizers": []}}));
        self.resources()
            .patch(name, &PatchParams::default(), &none)
            .await
            .expect("its finalizer can be taken off");
    }
}

fn env(deployment: &Deployment, container: &str) -> Vec<EnvVar> {
    let pod = deployment
        .spec
        .clone()
        .and_then(|spec| spec.template.spec)
        .expect("a pod template");
    let found = pod.containers.into_iter().find(|found| found.name == container);
    found.and_then(|found| found.env).unwrap_or_default()
}

/// A Deployment as a person or a tool writes it.
fn deployment(component: &str, env: Json) -> Json {
    workload("apps/v1", "Deployment", component, env)
}

fn workload(api_version: &str, kind: &str, component: &str, env: Json) -> Json {
    let labels = json!({"app.oam.dev/component": component, "app.oam.dev/name": "shop"});
    let template = json!({
        "metadata": {"labels": {"app.oam.dev/component": component}},
        "spec": {
            "containers": [
                {"name": component, "image": "shop:1.0", "env": env},
                {"name": "sidecar", "image": "proxy:1.0"},
            ],
        },
    });
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": component, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app.oam.dev/component": component}},
            "template": template,
        },
    })
}

fn merge(into: &mut Json, change: Json) {
    match (into, change) {
        (Json::Object(into), Json::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

const VARIABLES: [&str; 6] = [
    "DB_DATABASE",
    "DB_HOST",
    "DB_PASSWORD",
    "DB_PORT",
    "DB_URI",
    "DB_USERNAME",
];

fn names(env: &[EnvVar]) -> Vec<&str> {
    let mut names: Vec<_> = env.iter().map(|variable| variable.name.as_str()).collect();
    names.sort_unstable();
    names
}
