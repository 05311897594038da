//! Who came first: Mooring or KubeVela.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt, api::DeleteParams};
use mooring::{
    api::{Application, CloudResource, names},
    operator::Applications,
};
use serde_json::json;

use crate::{
    stories::{a_while, application, deployment, rds, resources, rollouts, running, shop, variables},
    support::cluster::{Cluster, SYSTEM, Team, eventually},
    vela::{Lab, Vela},
};

async fn decided(cluster: &Cluster) -> Option<String> {
    let leases = Api::<Lease>::namespaced(cluster.client().await, SYSTEM);
    let lease = leases.get_opt("mooring").await.expect("an answer")?;
    lease.annotations().get("mooring.dev/applications").cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_kubevela_was_first_applications_are_left_to_it() {
    let lab = Lab::shared().await;
    eventually("it is decided", async || {
        decided(&lab.cluster).await.filter(|decided| decided == "off")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubevela_goes_on_with_what_mooring_made_once_that_is_said() {
    let cluster = Cluster::own();
    let operator = cluster.operator();
    let team = Team::new(&cluster, "arrival").await;
    team.apply_json(shop(json!([rds(json!({}))]))).await;
    running(&team).await;
    let before = team.cloud.list();
    let uid = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there")
        .uid();

    // KubeVela's definitions arrive; an operator that starts then switches nothing by itself.
    Vela::install(&cluster).await;
    operator.stop().await.expect("it ends in good order");
    let operator = cluster.operator();
    eventually("it leads", async || decided(&cluster).await).await;
    running(&team).await;
    operator.stop().await.expect("it ends in good order");
    assert_eq!(decided(&cluster).await.as_deref(), Some("on"));

    // An SRE says so.
    let _operator = cluster.operator_with(|options| options.applications = Applications::Off);
    eventually("our finalizer is let go", async || {
        let finalizers = application(&team).await["metadata"]["finalizers"].to_string();
        (!finalizers.contains(names::FINALIZER)).then_some(())
    })
    .await;
    let _vela = Vela::start(&cluster).await;
    eventually("KubeVela has it", async || {
        let rds = team
            .api::<CloudResource>()
            .get("shop-web-rds")
            .await
            .expect("it is there");
        rds.labels().get(names::OAM_TRAIT_TYPE).cloned()
    })
    .await;
    running(&team).await;
    a_while().await;
    let web = deployment(&team, "web").await.expect("it is there");
    assert_eq!(variables(&web).len(), 6, "nothing is taken out");
    let managers: Vec<_> = web
        .managed_fields()
        .iter()
        .filter_map(|entry| entry.manager.clone())
        .collect();
    assert!(!managers.contains(&names::MANAGER_BINDING.to_owned()), "{managers:?}");
    let after = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");
    assert_eq!(after.uid(), uid);
    assert_eq!(team.cloud.list().len(), before.len());
    println!(
        "rollouts of a workload that KubeVela took over: {}",
        rollouts(&team, "web").await - 1
    );

    team.api::<Application>()
        .delete("shop", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("nothing is left", async || {
        (resources(&team).await.is_empty() && team.cloud.list().is_empty()).then_some(())
    })
    .await;
}
