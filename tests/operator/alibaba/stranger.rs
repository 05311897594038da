//! Somebody's database in the network of an application.

use serde_json::{Value as Json, json};

use super::{goes, is_gone, process::Cloud, team};
use crate::{
    resource_support::{condition, ready, until},
    support::cluster::{Cluster, Team, eventually},
};

/// An application with a network of its own and nothing in it.
fn networked(team: &Team) -> Json {
    json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
        "metadata": {"name": "shop", "labels": {"mooring.dev/environment": format!("{}-aliyun", team.namespace)}},
        "spec": {"components": [{
            "name": "web", "type": "worker", "properties": {"image": "shop:1.0"},
            "traits": [{"type": "vpc", "properties": {"network": "dedicated"}}],
        }]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_in_the_network_is_named_and_left_alone_and_keeps_it() {
    let cloud = Cloud::start(&[]).await;
    let team = team(Cluster::shared(), "alistranger", &cloud.url(), json!({})).await;
    team.apply_json(networked(&team)).await;
    ready(&team, "shop-web-vpc").await;
    let vpc = cloud.only("Vpc").await;
    let home = cloud.list("VSwitch").await.remove(0);
    let params = json!({
        "RegionId": "cn-hangzhou", "Engine": "MySQL", "EngineVersion": "8.0", "DBInstanceClass": "mysql.n2.medium.1",
        "DBInstanceStorage": 20, "DBInstanceStorageType": "cloud_essd", "DBInstanceNetType": "Intranet",
        "PayType": "Postpaid", "SecurityIPList": "10.0.0.0/8", "InstanceNetworkType": "VPC",
        "VPCId": vpc["id"], "VSwitchId": home["id"], "ZoneId": home["attrs"]["ZoneId"],
    });
    cloud.act("Rds", "CreateDBInstance", params).await;
    let stranger = eventually("the stranger's database runs", async || {
        let is = cloud.only("Db").await;
        let now = jiff::Timestamp::now().as_millisecond();
        (is["busy"]["until"].as_i64().unwrap_or_default() < now).then_some(is)
    })
    .await;
    let interface = cloud.only("NetworkInterface").await;

    goes(&team).await;
    let names = interface["id"].as_str().expect("an id");
    let told = until(&team, "shop-web-vpc", "Deleting names the stranger", |object| {
        let deleting = condition(object, "Deleting")?;
        Some(deleting.reason == "Busy" && deleting.message.contains(names))
    })
    .await;
    let message = &condition(&told, "Deleting").expect("it says why").message;
    assert!(message.contains(vpc["id"].as_str().expect("an id")), "{message}");
    assert_eq!(cloud.only("Db").await, stranger, "it was not touched");
    assert_eq!(cloud.only("NetworkInterface").await, interface, "nor was its way in");
    assert!(
        cloud.list("VSwitch").await.contains(&home),
        "nor the ground it stands on"
    );

    let params = json!({"DBInstanceId": stranger["id"]});
    cloud.act("Rds", "DeleteDBInstance", params).await;
    is_gone(&team).await;
    assert!(cloud.stands().await.is_empty());
}
