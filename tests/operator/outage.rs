//! The API server is killed and comes back, on the same port and the same data.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use mooring::api::{Application, CloudResource};
use mooring_provider::{ExternalId, Kind};
use mooring_provider_mock::{Cloud, Op};
use serde_json::json;

use crate::{
    chaos::{Process, application, cloud, is_clean, is_ready, passwords, settles},
    resource_support::*,
    support::cluster::{Cluster, Team, eventually},
};

const APPLICATIONS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn applications_that_come_and_go_while_the_api_server_restarts_end_as_declared() {
    let cluster = Cluster::own();
    let (mock, cloud) = cloud(&cluster.directory().join("cloud.json"));
    let processes = Mutex::new(vec![Process::start(&cluster, 0), Process::start(&cluster, 1)]);
    let logs = Mutex::new(String::new());
    let supervise = || {
        let said = Process::supervise(&processes, &cluster);
        logs.lock().expect("nobody panicked").push_str(&said);
    };
    let team = Team::with(&cluster, "outage", mock, json!({})).await;
    let applications: Api<Application> = team.api();
    eventually("the API serves Applications", async || {
        supervise();
        applications.list(&ListParams::default()).await.ok()
    })
    .await;
    let mut wanted = BTreeSet::new();
    for round in 0..4 {
        let before = ids(&cloud);
        // Some come and some go at the same time.
        for n in (0..APPLICATIONS).filter(|n| n % 3 == round % 3 || n % 4 == round % 4) {
            if wanted.remove(&n) {
                let deleted = applications.delete(&format!("app{n}"), &DeleteParams::default()).await;
                deleted.expect("it can be deleted");
            } else if applications
                .get_opt(&format!("app{n}"))
                .await
                .expect("an answer")
                .is_none()
            {
                team.apply_json(application(n, 20)).await;
                wanted.insert(n);
            }
        }
        eventually("the cloud is at work", async || {
            supervise();
            (ids(&cloud) != before).then_some(())
        })
        .await;
        cluster.restart_api_server("2s");
        supervise();
    }
    let resources: Api<CloudResource> = team.api();
    settles("declared, ready, and in the cloud", [2 * wanted.len(); 3], async || {
        supervise();
        let all = resources.list(&ListParams::default()).await.ok()?.items;
        let ready = all.iter().filter(|resource| is_ready(resource)).count();
        Some([all.len(), ready, cloud.list().len()])
    })
    .await;
    assert!(!wanted.is_empty(), "something is to be there");
    let owned = cloud.list();
    let identities: BTreeSet<_> = owned.iter().filter_map(|one| Some(one.owner()?.identity)).collect();
    assert_eq!(identities.len(), owned.len(), "each identity has one resource");
    let passwords = passwords(&team).await;

    applications
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .expect("they can be deleted");
    cluster.restart_api_server("1s");
    settles("applications, resources, and in the cloud", [0; 3], async || {
        supervise();
        let applications = applications.list(&ListParams::default()).await.ok()?.items;
        let resources = resources.list(&ListParams::default()).await.ok()?.items;
        Some([applications.len(), resources.len(), cloud.list().len()])
    })
    .await;
    let mut logs = logs.into_inner().expect("nobody panicked");
    for process in processes.into_inner().expect("nobody panicked") {
        logs += &process.kill();
    }
    is_clean(&logs, &passwords);
}

fn ids(cloud: &Cloud) -> BTreeSet<ExternalId> {
    cloud.list().into_iter().map(|resource| resource.id).collect()
}

/// The one that leads may go on leading: its lease stands longer than the API server was away.
#[tokio::test(flavor = "multi_thread")]
async fn who_leads_goes_on_where_it_was_when_the_api_server_is_back() {
    let cluster = Cluster::own();
    let operator = cluster.operator_with(|options| options.lease = Duration::from_secs(120));
    let team = Team::with(&cluster, "back", json!({"provisioning": "3s"}), json!({})).await;
    team.apply_json(written("db", "rds", json!({"engine": "mysql"}))).await;
    let id = external_id(&ready(&team, "shop-web-db").await);
    let before = entries(&team, "shop-web-db").await;
    team.apply_json(written("late", "rds", json!({"engine": "mysql"})))
        .await;
    eventually("the second is being made", async || {
        (team.cloud.created() == 2).then_some(())
    })
    .await;
    let looked = team.cloud.counters().reads;
    cluster.restart_api_server("2s");

    ready(&team, "shop-web-late").await;
    // What nobody could be told of meanwhile was not done over and over.
    let looked = team.cloud.counters().reads - looked;
    assert!(looked < 200, "{looked} looks at two databases");
    assert_eq!((team.cloud.created(), team.cloud.list().len()), (2, 2));
    let object = ready(&team, "shop-web-db").await;
    assert_eq!(external_id(&object), id);
    assert_eq!(
        object.status.expect("a status").binding_revision,
        Some(1),
        "nobody is rolled"
    );
    assert_eq!(entries(&team, "shop-web-db").await, before);

    // The watches are alive: what is said now is heard.
    let grown = json!({"engine": "mysql", "storage": "40Gi"});
    team.apply_json(written("db", "rds", grown)).await;
    eventually("the storage grows", async || {
        let settings = serde_json::to_value(team.cloud.get(&id)?.settings).ok()?;
        (settings["rds"]["storage"] == json!("40Gi")).then_some(())
    })
    .await;
    for name in ["shop-web-db", "shop-web-late"] {
        delete(&team, name).await;
        gone(&team, name).await;
    }
    empty(&team).await;
    assert_eq!(team.cloud.count(Op::Create, Kind::Rds), 2);
    operator.stop().await.expect("it led to the end");
}
