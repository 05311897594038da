//! KubeVela comes where we were first: nothing is switched by itself, and an Application can be handed over as it is.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt};
use mooring::operator::Applications;
use mooring_provider::{ExternalId, Kind};
use serde_json::{Value as Json, json};

use crate::{
    SHOP, applications, delete, deployment, env, find, gone, names, running, shown,
    support::cluster::{Cluster, SYSTEM, Team, eventually},
    templates,
    vela::Vela,
};

async fn decided(team: &Team) -> Option<String> {
    let leases = Api::<Lease>::namespaced(team.client.clone(), SYSTEM);
    let lease = leases.get_opt("mooring").await.expect("an answer")?;
    lease.annotations().get("mooring.dev/applications").cloned()
}

/// Who is who: the uids of the resources and the workloads, and the ids at the cloud.
async fn everybody(team: &Team) -> (Vec<Option<String>>, Vec<(Kind, ExternalId)>) {
    let mut uids = Vec::new();
    for name in names(team).await {
        uids.push(find(team, &name).await.and_then(|resource| resource.uid()));
    }
    for component in ["web", "report"] {
        uids.push(deployment(team, component).await.and_then(|one| one.uid()));
    }
    let at_cloud = team.cloud.list();
    (
        uids,
        at_cloud
            .iter()
            .map(|resource| (resource.kind, resource.id.clone()))
            .collect(),
    )
}

/// The variables are there at every moment; a workload without them would start again without its database.
async fn has_variables(team: &Team) {
    for (component, secret) in [("web", "shop-web-rds"), ("report", "shop-report-bind")] {
        let deployment = deployment(team, component).await.expect("it is there");
        assert_eq!(
            shown(&env(&deployment), secret).len(),
            6,
            "{component}: {:?}",
            env(&deployment)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubevela_that_comes_later_goes_on_with_what_stands_there_and_switches_nothing() {
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::new(&cluster, "later").await;
    team.apply(SHOP).await;
    running(&team).await;
    assert_eq!(decided(&team).await.as_deref(), Some("on"));
    let before = everybody(&team).await;

    // It goes on with what stands there, by the labels that ours has put on all of it.
    let vela = Vela::install(&cluster);
    eventually("KubeVela has all of it", async || {
        has_variables(&team).await;
        let mut taken = 0;
        for name in names(&team).await {
            let resource = find(&team, &name).await?;
            taken += usize::from(resource.labels().contains_key("trait.oam.dev/type"));
        }
        (taken == 6).then_some(())
    })
    .await;
    assert_eq!(everybody(&team).await, before, "nothing is made anew");

    // Ours goes on too, in an operator that starts anew as well: that is changed by who runs it, and by nobody else.
    operator.stop().await.expect("it ends in good order");
    let operator = cluster.operator();
    for _ in 0..50 {
        has_variables(&team).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(
        decided(&team).await.as_deref(),
        Some("on"),
        "nothing is switched silently"
    );
    let finalizers = async || {
        let application = applications(&team).get("shop").await.expect("it is there");
        application.metadata.finalizers.unwrap_or_default().join(" ")
    };
    assert!(finalizers().await.contains("mooring.dev"), "{}", finalizers().await);
    assert_eq!(everybody(&team).await, before);

    operator.stop().await.expect("it ends in good order");
    let _operator = cluster.operator_with(|options| options.applications = Applications::Off);
    eventually("ours is off", async || {
        has_variables(&team).await;
        let is_off = decided(&team).await.as_deref() == Some("off") && !finalizers().await.contains("mooring.dev");
        is_off.then_some(())
    })
    .await;
    running(&team).await;
    has_variables(&team).await;
    assert_eq!(everybody(&team).await, before, "nothing is made anew");

    // From now on it is an Application of KubeVela's.
    let mut application = serde_saphyr::from_str::<Json>(SHOP).expect("YAML");
    application["spec"]["components"][0]["properties"]["image"] = json!("shop:2.0");
    team.apply_json(application).await;
    running(&team).await;
    has_variables(&team).await;
    assert_eq!(everybody(&team).await, before);
    delete(&team).await;
    gone(&team).await;
    drop(vela);
}

/// In this order nobody writes against anybody, and the pods are rolled once: for KubeVela the variables are optional.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_handed_over_by_turning_ours_off_first() {
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::new(&cluster, "handed").await;
    team.apply(SHOP).await;
    running(&team).await;
    let before = everybody(&team).await;
    operator.stop().await.expect("it ends in good order");
    let _operator = cluster.operator_with(|options| options.applications = Applications::Off);
    eventually("ours is off", async || {
        (decided(&team).await.as_deref() == Some("off")).then_some(())
    })
    .await;
    let vela = Vela::install(&cluster);
    eventually("KubeVela has the workloads", async || {
        has_variables(&team).await;
        for component in ["web", "report"] {
            let taken = deployment(&team, component).await?;
            taken.labels().get("app.oam.dev/appRevision")?;
        }
        Some(())
    })
    .await;
    running(&team).await;
    has_variables(&team).await;
    for component in ["web", "report"] {
        assert_eq!(templates(&team, component).await, 2, "{component}");
    }
    assert_eq!(everybody(&team).await, before, "nothing is made anew");
    delete(&team).await;
    gone(&team).await;
    drop(vela);
}
