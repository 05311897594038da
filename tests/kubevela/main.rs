//! Our traits on KubeVela: the files in `deploy/kubevela/`, and what its own controller makes of them on a real API
//! server, with our operator beside it.

#[path = "../support/mod.rs"]
mod support;

mod arrival;
mod changes;
mod life;
mod trouble;
mod vela;

use std::{path::Path, sync::OnceLock};

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::EnvVar,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams},
    core::GroupVersionKind,
};
use mooring::{
    api::{CloudResource, Declares},
    kubevela,
};
use serde_json::{Value as Json, json};

use support::cluster::{Cluster, Operator, Team, eventually};
use vela::Vela;

/// The example that comes with the product.
const SHOP: &str = include_str!("../../crds/examples/shop.yaml");

#[test]
fn the_files_are_what_the_code_generates() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubevela");
    let stale: Vec<_> = kubevela::files()
        .into_iter()
        .filter(|(name, content)| std::fs::read_to_string(directory.join(name)).ok().as_ref() != Some(content))
        .map(|(name, _)| name)
        .collect();
    assert!(
        stale.is_empty(),
        "{stale:?} in deploy/kubevela/ is stale; run `mooring kubevela --write deploy/kubevela`"
    );
}

/// The control plane that the tests share: KubeVela was there before our operator.
struct Shared {
    cluster: Cluster,
    _vela: Vela,
    _operator: Operator,
}

impl Shared {
    fn get() -> &'static Self {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Cluster::own();
            let vela = Vela::install(&cluster);
            let operator = cluster.operator();
            Self {
                cluster,
                _vela: vela,
                _operator: operator,
            }
        })
    }
}

async fn team(name: &str) -> Team {
    Team::new(&Shared::get().cluster, name).await
}

fn applications(team: &Team) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("core.oam.dev", "v1beta1", "Application");
    Api::namespaced_with(team.client.clone(), &team.namespace, &ApiResource::from_gvk(&kind))
}

/// An Application `shop` of these components.
fn shop(components: Json) -> Json {
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": "shop"},
        "spec": {"components": components},
    })
}

/// A component `web` of an image, with these traits.
fn web(image: &str, traits: Json) -> Json {
    json!({"name": "web", "type": "webservice", "properties": {"image": image}, "traits": traits})
}

fn rds() -> Json {
    json!({"type": "rds", "properties": {"engine": "mysql", "as": "DB"}})
}

/// What KubeVela says of the Application `shop`, once it has seen its last change.
async fn status(team: &Team) -> Option<Json> {
    let application = applications(team).get_opt("shop").await.expect("an answer")?;
    let generation = application.metadata.generation;
    let status = application.data["status"].clone();
    (status["observedGeneration"].as_i64() == generation).then_some(status)
}

/// Waits until KubeVela has carried out the Application `shop`, and says that all of it is well.
async fn running(team: &Team) -> Json {
    let last = std::sync::Mutex::new(Json::Null);
    let is_running = async || {
        let status = status(team).await?;
        *last.lock().expect("a lock") = status.clone();
        (status["status"] == "running").then_some(status)
    };
    let deadline = tokio::time::Instant::now() + support::cluster::PATIENCE;
    loop {
        if let Some(status) = is_running().await {
            return status;
        }
        let last = last.lock().expect("a lock").clone();
        assert!(tokio::time::Instant::now() < deadline, "it does not run: {last:#}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Waits until KubeVela says this of the Application `shop`, wherever it does.
async fn says(team: &Team, what: &str) -> Json {
    eventually(what, async || {
        let status = status(team).await?;
        status.to_string().contains(what).then_some(status)
    })
    .await
}

async fn find(team: &Team, name: &str) -> Option<CloudResource> {
    team.api::<CloudResource>().get_opt(name).await.expect("an answer")
}

fn is_bound(resource: &CloudResource) -> bool {
    resource.status.as_ref().is_some_and(|status| status.binding.is_some())
}

async fn names(team: &Team) -> Vec<String> {
    let all = team.api::<CloudResource>().list(&ListParams::default()).await;
    all.expect("they can be listed")
        .iter()
        .map(ResourceExt::name_any)
        .collect()
}

async fn deployment(team: &Team, name: &str) -> Option<Deployment> {
    team.api::<Deployment>().get_opt(name).await.expect("an answer")
}

/// The variables of the Deployment's first container.
fn env(deployment: &Deployment) -> Vec<EnvVar> {
    let template = &deployment.spec.as_ref().expect("a spec").template;
    let container = &template.spec.as_ref().expect("a pod").containers[0];
    container.env.clone().unwrap_or_default()
}

/// The names of the variables that show this Secret.
fn shown(env: &[EnvVar], secret: &str) -> Vec<String> {
    let shows = |variable: &&EnvVar| {
        let source = variable
            .value_from
            .as_ref()
            .and_then(|from| from.secret_key_ref.as_ref());
        source.is_some_and(|source| source.name == secret)
    };
    env.iter().filter(shows).map(|variable| variable.name.clone()).collect()
}

/// How many templates the component's Deployment has had: the first, and one for each rollout.
async fn templates(team: &Team, component: &str) -> usize {
    let of = ListParams::default().labels(&format!("app.oam.dev/component={component}"));
    let all = team.api::<ReplicaSet>().list(&of).await;
    all.expect("they can be listed").items.len()
}

async fn delete(team: &Team) {
    let deleted = applications(team).delete("shop", &DeleteParams::default()).await;
    deleted.expect("it may be deleted");
}

/// Nothing of the team stands in the namespace or at the cloud.
async fn gone(team: &Team) {
    eventually("the application is gone", async || {
        let there = applications(team).get_opt("shop").await.expect("an answer");
        there.is_none().then_some(())
    })
    .await;
    assert!(team.cloud.list().is_empty(), "{:?}", team.cloud.list());
    assert!(names(team).await.is_empty());
    for component in ["web", "report"] {
        assert!(deployment(team, component).await.is_none(), "{component}");
    }
}

/// KubeVela reads each trait's parameters off its template, for `vela show` and its forms.
#[tokio::test(flavor = "multi_thread")]
async fn kubevela_knows_the_parameters_of_our_traits() {
    use k8s_openapi::api::core::v1::ConfigMap;

    let client = Shared::get().cluster.client().await;
    let maps = Api::<ConfigMap>::namespaced(client, "vela-system");
    for declares in Declares::ALL {
        let name = format!("trait-schema-{declares}");
        let schema = eventually(&name, async || {
            let map = maps.get_opt(&name).await.expect("an answer")?;
            map.data?.remove("openapi-v3-json-schema")
        })
        .await;
        assert!(
            schema.contains("secretName") || declares.as_str() == "monitor",
            "{schema}"
        );
        assert!(schema.contains("Its name within the component"), "{schema}");
    }
}
