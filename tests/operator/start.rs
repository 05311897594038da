//! How an operator starts, leads and ends.

use std::net::SocketAddr;

use k8s_openapi::{
    api::coordination::v1::Lease, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, ResourceExt};
use mooring::operator::Applications;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::cluster::{Cluster, SYSTEM, Team, eventually};

async fn lease(cluster: &Cluster) -> Option<Lease> {
    let api = Api::<Lease>::namespaced(cluster.client().await, SYSTEM);
    api.get_opt("mooring").await.expect("a lease can be read")
}

async fn holder(cluster: &Cluster) -> Option<String> {
    lease(cluster)
        .await?
        .spec?
        .holder_identity
        .filter(|holder| !holder.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_leads_and_the_other_follows_when_it_ends() {
    let cluster = Cluster::own();
    let first = cluster.operator_with(|options| options.identity = "first".into());
    eventually("the first leads", async || {
        (holder(&cluster).await.as_deref() == Some("first")).then_some(())
    })
    .await;
    let second = cluster.operator_with(|options| options.identity = "second".into());
    first.stop().await.expect("it ends in good order");
    eventually("the second leads", async || {
        (holder(&cluster).await.as_deref() == Some("second")).then_some(())
    })
    .await;
    second.stop().await.expect("it ends in good order");
    assert_eq!(holder(&cluster).await, None, "who ends lets go");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_was_not_installed_it_makes_its_namespace() {
    let cluster = Cluster::own();
    let operator = cluster.operator_with(|options| options.namespace = "nobody-made-this".into());
    let leases = Api::<Lease>::namespaced(cluster.client().await, "nobody-made-this");
    eventually("it leads", async || {
        let lease = leases.get_opt("mooring").await.expect("an answer")?;
        lease.spec?.holder_identity.filter(|holder| holder == "operator-0")
    })
    .await;
    operator.stop().await.expect("it ends in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_applications_are_is_decided_once_and_changed_by_the_flag_alone() {
    let cluster = Cluster::own();
    let definitions = Api::<CustomResourceDefinition>::all(cluster.client().await);
    let decided = async || {
        lease(&cluster)
            .await?
            .annotations()
            .get("mooring.dev/applications")
            .cloned()
    };
    let until = async |word: &str| {
        eventually(word, async || (decided().await.as_deref() == Some(word)).then_some(())).await;
    };

    let operator = cluster.operator();
    until("on").await;
    let ours = eventually("our definition", async || {
        definitions
            .get_opt("applications.core.oam.dev")
            .await
            .expect("it can be read")
    })
    .await;
    assert_eq!(ours.labels()["app.kubernetes.io/managed-by"], "mooring");
    operator.stop().await.expect("it ends in good order");

    // KubeVela arrives.
    let mut theirs = ours.clone();
    theirs.metadata = kube::api::ObjectMeta {
        name: Some("traitdefinitions.core.oam.dev".into()),
        ..Default::default()
    };
    theirs.spec.names.kind = "TraitDefinition".into();
    theirs.spec.names.list_kind = None;
    theirs.spec.names.plural = "traitdefinitions".into();
    theirs.spec.names.singular = Some("traitdefinition".into());
    theirs.spec.names.short_names = None;
    definitions
        .create(&Default::default(), &theirs)
        .await
        .expect("it is accepted");
    let operator = cluster.operator();
    eventually("it leads", async || holder(&cluster).await).await;
    operator.stop().await.expect("it ends in good order");
    assert_eq!(decided().await.as_deref(), Some("on"), "nothing is switched silently");

    let operator = cluster.operator_with(|options| options.applications = Applications::Off);
    until("off").await;
    operator.stop().await.expect("it ends in good order");
}

async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: mooring\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_served() {
    let cluster = Cluster::own();
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a free port");
    let operator = cluster.operator_with(|options| options.listen = Some(address));
    eventually("it is alive", async || {
        get(address, "/healthz").await?.contains("200 OK").then_some(())
    })
    .await;
    eventually("it is ready", async || {
        get(address, "/readyz").await?.contains("200 OK").then_some(())
    })
    .await;
    let team = Team::new(&cluster, "metrics").await;
    team.apply(super::application::SHOP).await;
    super::application::running(&team).await;
    let text = get(address, "/metrics").await.expect("it answers");
    for line in [
        "mooring_leader 1",
        "mooring_resources{kind=\"rds\",standing=\"ready\"} 1",
        "mooring_reconciles_total{controller=\"application\",result=\"ok\"}",
        &format!(
            "mooring_provider_calls_total{{provider=\"{}\",call=\"write\"}}",
            team.namespace
        ),
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    operator.stop().await.expect("it ends in good order");
}
