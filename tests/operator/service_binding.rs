//! Services projected into workloads, as servicebinding.io says: what its conformance suite asks for, and what it leaves
//! out. Pods are KWOK's; what their files and variables would be is read from their specs.

mod conformance;
mod lifecycle;
mod mapping;
mod trouble;
mod whose;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Container, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use mooring::api::ServiceBinding;
use serde_json::{Value as Json, json};

use crate::{
    kubelet::pod,
    support::cluster::{Cluster, Team, eventually},
};

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

    fn bindings(&self) -> Api<ServiceBinding> {
        self.team.api()
    }

    async fn secret(&self, name: &str, entries: &[(&str, &str)]) {
        let entries: BTreeMap<_, _> = entries.iter().copied().collect();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": entries});
        let api = self.team.api::<Secret>();
        let apply = PatchParams::apply("somebody").force();
        api.patch(name, &apply, &Patch::Apply(&secret)).await.expect("a Secret");
    }

    /// A Deployment as a person applies it, with a label to be selected by.
    async fn deployment(&self, name: &str, label: &str, env: Json) {
        let labels = json!({"app": name});
        self.apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name, "tier": label}},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [
                    {"name": "web", "image": "shop:1.0", "env": env},
                    {"name": "sidecar", "image": "proxy:1.0"},
                ]}},
            },
        }))
        .await;
    }

    async fn apply(&self, object: Json) {
        self.team.apply_json(object).await;
    }

    /// A ServiceBinding of a Secret and a Deployment; `change` is merged into its spec.
    async fn bind(&self, name: &str, secret: &str, workload: Json, change: Json) {
        let mut spec = json!({
            "service": {"apiVersion": "v1", "kind": "Secret", "name": secret},
            "workload": {"apiVersion": "apps/v1", "kind": "Deployment"},
        });
        for (field, value) in workload.as_object().expect("an object") {
            spec["workload"][field] = value.clone();
        }
        for (field, value) in change.as_object().expect("an object") {
            spec[field] = value.clone();
        }
        self.apply(json!({
            "apiVersion": "servicebinding.io/v1", "kind": "ServiceBinding", "metadata": {"name": name}, "spec": spec,
        }))
        .await;
    }

    async fn binding(&self, name: &str) -> ServiceBinding {
        self.bindings().get(name).await.expect("it is there")
    }

    /// Waits until a condition of the current generation has that status and that reason, and answers its message.
    async fn told(&self, name: &str, type_: &str, status: &str, reason: &str) -> String {
        eventually(&format!("{name}: {type_}={status} {reason}"), async || {
            let binding = self.binding(name).await;
            let condition = condition(&binding, type_)?;
            let is_it = condition.status == status && condition.reason == reason;
            let is_now = condition.observed_generation == binding.metadata.generation;
            (is_it && is_now).then_some(condition.message)
        })
        .await
    }

    async fn ready(&self, name: &str) {
        self.told(name, "Ready", "True", "ServiceBound").await;
    }

    async fn unbind(&self, name: &str) {
        self.bindings()
            .delete(name, &DeleteParams::default())
            .await
            .expect("it can be deleted");
        eventually(&format!("{name} is gone"), async || {
            self.bindings()
                .get_opt(name)
                .await
                .expect("the API server answers")
                .is_none()
                .then_some(())
        })
        .await;
    }

    async fn workload(&self, name: &str) -> Deployment {
        self.team.api::<Deployment>().get(name).await.expect("it is there")
    }

    /// Waits until a new pod of a Deployment would see that file so.
    async fn sees(&self, name: &str, path: &str, content: Option<&str>) {
        eventually(&format!("{path} in {name}: {content:?}"), async || {
            let pod = self.pod(name).await;
            let seen = pod::file(&self.team.client, &pod, path).await.ok()?;
            (seen.as_deref() == content.map(str::as_bytes)).then_some(())
        })
        .await;
    }

    /// What the environment of a new pod of a Deployment would be.
    async fn env(&self, name: &str) -> BTreeMap<String, String> {
        pod::env(&self.team.client, &self.pod(name).await)
            .await
            .expect("it can start")
    }

    /// A pod of a Deployment as it is by now.
    async fn pod(&self, name: &str) -> Pod {
        let template = self.workload(name).await.spec.expect("a spec").template;
        Pod {
            metadata: kube::api::ObjectMeta {
                namespace: Some(self.team.namespace.clone()),
                name: Some(name.to_owned()),
                ..template.metadata.unwrap_or_default()
            },
            spec: template.spec,
            status: None,
        }
    }

    /// How often a Deployment was rolled, its creation included.
    async fn rollouts(&self, name: &str) -> usize {
        let label = ListParams::default().labels(&format!("app={name}"));
        eventually("the controller has seen it", async || {
            let there = self.workload(name).await;
            (there.status?.observed_generation >= there.metadata.generation).then_some(())
        })
        .await;
        self.team
            .api::<ReplicaSet>()
            .list(&label)
            .await
            .expect("a list")
            .items
            .len()
    }

    fn kubectl(&self, arguments: &str) {
        let mut words = vec!["-n", &self.team.namespace];
        words.extend(arguments.split(' '));
        self.cluster.kubectl(&words);
    }

    /// Waits until a Deployment is not written any more, and says how often it was.
    async fn at_rest(&self, name: &str) -> i64 {
        eventually(&format!("{name} is at rest"), async || {
            let before = self.workload(name).await.metadata.generation?;
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            (self.workload(name).await.metadata.generation? == before).then_some(before)
        })
        .await
    }
}

fn condition(binding: &ServiceBinding, type_: &str) -> Option<Condition> {
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().find(|known| known.type_ == type_).cloned()
}

fn named(name: &str) -> Json {
    json!({ "name": name })
}

fn labelled(label: &str) -> Json {
    json!({"selector": {"matchLabels": {"tier": label}}})
}

fn containers(deployment: &Deployment) -> Vec<Container> {
    let spec = deployment.spec.clone().and_then(|spec| spec.template.spec);
    spec.map(|spec| spec.containers).unwrap_or_default()
}

const ENTRIES: [(&str, &str); 3] = [("username", "foo"), ("password", "bar"), ("type", "db")];
