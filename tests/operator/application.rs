//! Applications: what they declare comes about, what is wrong with them is said, what was right stays.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service},
    events::v1::Event,
};
use kube::{Resource, ResourceExt, api::ListParams};
use mooring::api::{Application, ApplicationStatus, CloudResource};
use serde_json::{Value as Json, json};

use crate::support::cluster::{Cluster, Team, eventually};

/// The example that comes with the product.
pub(crate) const SHOP: &str = include_str!("../../crds/examples/shop.yaml");

/// An Application `shop` with one component `web`, of these properties and traits.
pub(crate) fn shop(properties: Json, traits: Json) -> Json {
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": "shop"},
        "spec": {"components": [{"name": "web", "type": "webservice", "properties": properties, "traits": traits}]},
    })
}

fn image() -> Json {
    json!({"image": "shop:1.0"})
}

pub(crate) fn rds() -> Json {
    json!({"type": "rds", "properties": {"engine": "mysql", "as": "DB"}})
}

pub(crate) async fn status(team: &Team) -> Option<ApplicationStatus> {
    let application = team
        .api::<Application>()
        .get_opt("shop")
        .await
        .expect("the API server answers")?;
    let status = application.status?;
    (status.observed_generation == application.metadata.generation).then_some(status)
}

/// Waits until the Application runs.
pub(crate) async fn running(team: &Team) -> ApplicationStatus {
    eventually("the application runs", async || {
        status(team)
            .await
            .filter(|status| status.phase.as_deref() == Some("running"))
    })
    .await
}

/// Waits until a condition of the Application is so, and answers its reason and message.
pub(crate) async fn told(team: &Team, type_: &str, is: &str, reason: &str) -> String {
    eventually(&format!("{type_}={is} {reason}"), async || {
        let status = status(team).await?;
        let found = status.conditions.into_iter().find(|known| known.type_ == type_)?;
        (found.status == is && found.reason == reason).then_some(found.message.unwrap_or_default())
    })
    .await
}

async fn names(team: &Team) -> Vec<String> {
    let all = team
        .api::<CloudResource>()
        .list(&ListParams::default())
        .await
        .expect("they can be listed");
    all.iter().map(ResourceExt::name_any).collect()
}

async fn deployment(team: &Team, name: &str) -> Deployment {
    eventually(name, async || {
        team.api::<Deployment>()
            .get_opt(name)
            .await
            .expect("the API server answers")
    })
    .await
}

fn env(deployment: &Deployment) -> BTreeMap<String, Json> {
    let template = &deployment.spec.as_ref().expect("a spec").template;
    let container = &template.spec.as_ref().expect("a pod").containers[0];
    let variables = container.env.iter().flatten();
    variables
        .map(|variable| (variable.name.clone(), json!(variable.value_from)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_comes_up_with_everything_it_declares() {
    let team = Team::new(Cluster::shared(), "shop").await;
    team.apply(SHOP).await;
    let status = running(&team).await;
    assert_eq!(
        names(&team).await,
        [
            "shop-report-bind",
            "shop-web-log",
            "shop-web-monitor",
            "shop-web-rds",
            "shop-web-slb",
            "shop-web-vpc"
        ]
    );
    assert_eq!(team.cloud.list().len(), 5, "a bind is nothing of its own");
    let traits: Vec<_> = status.services.iter().flat_map(|service| &service.traits).collect();
    assert_eq!(traits.len(), 6);
    assert!(traits.iter().all(|item| item.healthy), "{traits:?}");

    let web = deployment(&team, "web").await;
    assert_eq!(web.labels()["app.oam.dev/name"], "shop");
    let spec = web.spec.clone().expect("a spec");
    assert_eq!(
        spec.selector.match_labels,
        Some([("app.oam.dev/component".into(), "web".into())].into())
    );
    let variables = env(&web);
    let expected = [
        "DB_DATABASE",
        "DB_HOST",
        "DB_PASSWORD",
        "DB_PORT",
        "DB_URI",
        "DB_USERNAME",
    ];
    assert_eq!(variables.keys().collect::<Vec<_>>(), expected);
    assert_eq!(
        variables["DB_HOST"],
        json!({"secretKeyRef": {"name": "shop-web-rds", "key": "host"}})
    );
    // Bound from its creation: no second rollout.
    assert_eq!(
        web.annotations()
            .get("deployment.kubernetes.io/revision")
            .map(String::as_str),
        Some("1")
    );

    let report = deployment(&team, "report").await;
    assert_eq!(
        env(&report)["DB_HOST"],
        json!({"secretKeyRef": {"name": "shop-report-bind", "key": "host"}})
    );
    let secret = team
        .api::<Secret>()
        .get("shop-web-rds")
        .await
        .expect("there is a Secret");
    let data = secret.data.expect("it has data");
    assert!(
        ["host", "port", "username", "password", "database", "uri"]
            .iter()
            .all(|key| data.contains_key(*key))
    );
    let services = team
        .api::<Service>()
        .list(&ListParams::default())
        .await
        .expect("they can be listed");
    assert_eq!(
        services.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["web"],
        "only what is exposed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_declared_goes_and_the_rest_stays() {
    let team = Team::new(Cluster::shared(), "prune").await;
    team.apply(SHOP).await;
    running(&team).await;
    let before = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");

    let mut changed: Json = serde_saphyr::from_str(SHOP).expect("YAML");
    changed["spec"]["components"]
        .as_array_mut()
        .expect("a list")
        .truncate(1);
    let traits = changed["spec"]["components"][0]["traits"]
        .as_array_mut()
        .expect("a list");
    traits.retain(|item| item["type"] == "rds" || item["type"] == "vpc");
    team.apply_json(changed).await;
    eventually("what went is gone", async || {
        (names(&team).await == ["shop-web-rds", "shop-web-vpc"]).then_some(())
    })
    .await;
    eventually("so is its workload", async || {
        let found = team
            .api::<Deployment>()
            .get_opt("report")
            .await
            .expect("the API server answers");
        found.is_none().then_some(())
    })
    .await;
    running(&team).await;
    let after = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");
    assert_eq!(before.uid(), after.uid());
    assert_eq!(team.cloud.list().len(), 2);
}

/// Each declaration that makes no sense is told of once, in words that name it, and what ran before goes on running.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_trait_is_named_and_what_runs_is_left_running() {
    let team = Team::new(Cluster::shared(), "bad").await;
    let log = || json!({"type": "log", "properties": {"retention": "7d"}});
    team.apply_json(shop(image(), json!([rds(), log()]))).await;
    running(&team).await;
    let before: BTreeMap<_, _> = team
        .cloud
        .list()
        .into_iter()
        .map(|resource| (resource.name, resource.id))
        .collect();
    let database = |properties: Json| json!({"type": "rds", "properties": properties});
    let cases = [
        (
            json!([
                database(json!({"engine": "mysql", "as": "DB", "storag": "20Gi"})),
                log()
            ]),
            ["web", "rds", "storag", "storage"],
        ),
        (
            json!([
                database(json!({"engine": "mysql", "as": "DB", "highAvailability": "yes"})),
                log()
            ]),
            ["web", "rds", "highAvailability", "true or false"],
        ),
        (
            json!([
                database(json!({"engine": "mysql", "as": "DB", "options": {"alyun": {}}})),
                log()
            ]),
            ["web", "rds", "options.alyun", "aliyun"],
        ),
        (json!([rds(), rds(), log()]), ["web", "rds", "two traits", "name"]),
        (
            json!([database(json!({"as": "DB"})), log()]),
            ["web", "rds", "engine", "missing"],
        ),
    ];
    for (traits, words) in cases {
        team.apply_json(shop(image(), traits)).await;
        let message = told(&team, "Declared", "False", "InvalidSpec").await;
        assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
        let status = status(&team).await.expect("a status");
        let said = status
            .conditions
            .iter()
            .filter(|known| known.status == "False" && known.reason == "InvalidSpec");
        assert_eq!(said.count(), 1, "one clear condition");
        let web = deployment(&team, "web").await;
        assert!(env(&web).contains_key("DB_HOST"), "what was bound stays bound");
        let after: BTreeMap<_, _> = team
            .cloud
            .list()
            .into_iter()
            .map(|resource| (resource.name, resource.id))
            .collect();
        assert_eq!(before, after, "nothing was made or torn down");
    }
    let events = team
        .api::<Event>()
        .list(&ListParams::default())
        .await
        .expect("they can be listed");
    let told_of = |word: &str| {
        events
            .iter()
            .filter(|event| event.note.as_deref().unwrap_or_default().contains(word))
            .count()
    };
    assert_eq!(told_of("storag: `20Gi`"), 1, "and one Event");

    team.apply_json(shop(image(), json!([rds(), log()]))).await;
    running(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_part_of_an_application_comes_up_beside_the_bad() {
    let team = Team::new(Cluster::shared(), "part").await;
    let traits = json!([rds(), {"type": "slb", "properties": {"listeners": []}}, {"type": "scaler", "properties": {"replicas": 2}}]);
    team.apply_json(shop(json!({"image": "shop:1.0", "imag": "x"}), traits))
        .await;
    let message = told(&team, "Declared", "False", "InvalidSpec").await;
    assert!(message.contains("imag") && message.contains("listeners"), "{message}");
    let message = told(&team, "Handled", "False", "Unhandled").await;
    assert!(message.contains("trait `scaler` of component `web`"), "{message}");
    eventually("the database is there", async || {
        (team.cloud.list().len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_stays_its_holders() {
    let team = Team::new(Cluster::shared(), "taken").await;
    let named = |application: &str, component: &str| {
        json!({
            "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": application},
            "spec": {"components": [{"name": component, "type": "worker", "properties": {"image": "x"}, "traits": [rds()]}]},
        })
    };
    // Both would be `shop-a-b-rds`.
    team.apply_json(named("shop-a", "b")).await;
    let before = eventually("the first has it", async || {
        team.api::<CloudResource>()
            .get_opt("shop-a-b-rds")
            .await
            .expect("the API server answers")
    })
    .await;
    team.apply_json(named("shop", "a-b")).await;
    let message = told(&team, "Declared", "False", "NameTaken").await;
    assert!(
        message.contains("Application `shop-a` (component `b`, trait `rds`)"),
        "{message}"
    );
    let after = team
        .api::<CloudResource>()
        .get("shop-a-b-rds")
        .await
        .expect("it is there");
    assert_eq!((before.uid(), &before.spec), (after.uid(), &after.spec));
    assert!(
        env(&deployment(&team, "a-b").await).is_empty(),
        "another's Secret is not bound"
    );

    // Once it goes, the other may have it.
    team.api::<Application>()
        .delete("shop-a", &Default::default())
        .await
        .expect("it can be deleted");
    told(&team, "Declared", "True", "Declared").await;
    running(&team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_of_somebody_else_is_left_alone() {
    let team = Team::new(Cluster::shared(), "foreign").await;
    team.apply_json(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "theirs"}]}},
        },
    }))
    .await;
    let before = deployment(&team, "web").await;
    team.apply_json(shop(image(), json!([rds()]))).await;
    let message = told(&team, "Declared", "False", "WorkloadTaken").await;
    assert!(
        message.contains("component `web`") && message.contains("Deployment `web`"),
        "{message}"
    );
    eventually("its database is provisioned all the same", async || {
        (team.cloud.list().len() == 1).then_some(())
    })
    .await;
    let after = deployment(&team, "web").await;
    assert_eq!((before.uid(), &before.spec), (after.uid(), &after.spec));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_set_on_a_rendered_workload_stays() {
    let team = Team::new(Cluster::shared(), "theirs").await;
    team.apply_json(shop(image(), json!([rds()]))).await;
    running(&team).await;
    let patch = json!({"spec": {"replicas": 3, "template": {"metadata": {"annotations": {"injected": "yes"}}}}});
    let patch = kube::api::Patch::Merge(&patch);
    team.api::<Deployment>()
        .patch("web", &Default::default(), &patch)
        .await
        .expect("it can be patched");
    team.apply_json(shop(json!({"image": "shop:2.0"}), json!([rds()])))
        .await;
    let web = eventually("the new image", async || {
        let web = deployment(&team, "web").await;
        let pod = web.spec.as_ref()?.template.spec.as_ref()?;
        (pod.containers[0].image.as_deref() == Some("shop:2.0")).then_some(web)
    })
    .await;
    assert_eq!(env(&web).len(), 6, "what is bound stays bound: {:?}", env(&web));
    let spec = web.spec.expect("a spec");
    assert_eq!(spec.replicas, Some(3));
    let annotations = spec
        .template
        .metadata
        .and_then(|metadata| metadata.annotations)
        .unwrap_or_default();
    assert_eq!(annotations.get("injected").map(String::as_str), Some("yes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_takes_few_writes() {
    // By itself: the operator's count is of everything it does.
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::new(&cluster, "writes").await;
    // The first brings the account's proof with it.
    team.apply_json(json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": "first"},
        "spec": {"components": [{"name": "a", "type": "worker", "properties": {"image": "x"}, "traits": [rds()]}]},
    }))
    .await;
    eventually("the first runs", async || {
        let first = team.api::<Application>().get("first").await.ok()?;
        (first.status?.phase.as_deref() == Some("running")).then_some(())
    })
    .await;
    let count = || {
        let (writes, events) = operator.metrics.writes();
        writes - events
    };
    let before = count();
    team.apply_json(shop(image(), json!([rds()]))).await;
    running(&team).await;
    let application = team.api::<Application>().get("shop").await.expect("it is there");
    let writes = count() - before;
    println!("an application with a database: {writes} API writes");
    // Finalizer, CloudResource, Deployment, Secret, six of the resource, and the Application's own status as it goes.
    assert!(writes <= 16, "{writes} writes; {:?}", application.status);
    assert!(application.meta().generation == Some(1));
}

/// A forced apply would take over an empty value without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_somebody_sets_on_a_rendered_workload_stays_theirs() {
    let team = Team::new(Cluster::shared(), "variable").await;
    team.apply_json(shop(image(), json!([]))).await;
    running(&team).await;
    Cluster::shared().kubectl(&["set", "env", "deployment/web", "DB_HOST=", "-n", &team.namespace]);
    team.apply_json(shop(json!({"image": "shop:2.0"}), json!([rds()])))
        .await;
    let web = eventually("the rest is bound", async || {
        let web = deployment(&team, "web").await;
        (env(&web).contains_key("DB_PORT")).then_some(web)
    })
    .await;
    assert_eq!(env(&web)["DB_HOST"], Json::Null, "it is a value, and theirs");
    eventually("and it is said", async || {
        let status = status(&team).await?;
        let message = status.services.first()?.traits.first()?.message.clone()?;
        (message.contains("EnvTaken") && message.contains("DB_HOST")).then_some(())
    })
    .await;
}
