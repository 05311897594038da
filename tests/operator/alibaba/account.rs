//! An account that refuses: by its limits per second, and by its quota.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{all_ready, goes, is_gone, process::Cloud, shop, team};
use crate::{
    resource_support::{annotate, condition, ready, told, until},
    support::cluster::Cluster,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_account_is_asked_less_and_says_so_and_it_ends() {
    let cloud = Cloud::start(&[]).await;
    let team = team(Cluster::shared(), "alislow", &cloud.url(), json!({})).await;
    // Everything is refused, to be tried again after 2 s.
    let throttled = json!({"fault": {"throttled": 2000}, "times": 1_000_000});
    cloud.ask("POST", "faults", throttled).await;
    team.apply_json(shop(&team)).await;
    for name in ["shop-web-rds", "shop-web-log"] {
        let object = told(&team, name, "Synced", "False", "Throttled").await;
        let synced = condition(&object, "Synced").expect("it was just told");
        assert!(synced.message.contains("flow control"), "{}", synced.message);
    }
    // Four resources, of which each looks as often as it likes when it may: so few calls is one a turn for all. A slow
    // machine makes fewer, never more.
    let before = cloud.calls().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = cloud.calls().await - before;
    assert!(
        asked <= 12,
        "{asked} calls in 10 s, where each was told to come back after 2 s"
    );

    cloud.ask("DELETE", "faults", Json::Null).await;
    // Five a second of each Action, which many looks at once exceed; it comes to its end all the same.
    cloud.ask("POST", "throttle", json!({"perSecond": 5})).await;
    all_ready(&team).await;
    cloud.only("Db").await;
    goes(&team).await;
    is_gone(&team).await;
    assert!(cloud.stands().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_reached_is_named_with_what_to_do() {
    let cloud = Cloud::start(&[]).await;
    let team = team(Cluster::shared(), "aliquota", &cloud.url(), json!({})).await;
    // Ten networks are all that an account has room for; one is the environment's.
    let mut theirs = Vec::new();
    for n in 0..9 {
        let params = json!({"RegionId": "cn-hangzhou", "CidrBlock": format!("10.{n}.0.0/16"), "VpcName": "theirs"});
        theirs.push(cloud.act("Vpc", "CreateVpc", params).await["VpcId"].clone());
    }
    let application = json!({
        "apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
        "metadata": {"name": "shop", "labels": {"mooring.dev/environment": format!("{}-aliyun", team.namespace)}},
        "spec": {"components": [{
            "name": "web", "type": "worker", "properties": {"image": "shop:1.0"},
            "traits": [{"type": "vpc", "properties": {"network": "dedicated"}}, {"type": "log"}],
        }]},
    });
    team.apply_json(application).await;
    let object = told(&team, "shop-web-vpc", "Ready", "False", "QuotaExceeded").await;
    let message = &condition(&object, "Ready").expect("it was just told").message;
    for part in [
        "QuotaExceeded.Vpc",
        "10 networks",
        "use the environment's network",
        "raised",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    ready(&team, "shop-web-log").await;
    assert_eq!(cloud.list("Vpc").await.len(), 9, "nobody else's was touched");

    // Somebody makes room; whoever does not want to wait for the next try touches the object.
    cloud.act("Vpc", "DeleteVpc", json!({"VpcId": theirs[0]})).await;
    annotate(&team, "shop-web-vpc", "look", "again").await;
    until(&team, "shop-web-vpc", "Ready", |object| {
        Some(condition(object, "Ready")?.status == "True")
    })
    .await;
    goes(&team).await;
    is_gone(&team).await;
    assert_eq!(cloud.list("Vpc").await.len(), 8);
}
