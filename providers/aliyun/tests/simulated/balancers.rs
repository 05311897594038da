//! Balancers on the simulated cloud: which product serves what, and what is left alone.

use mooring_provider::{ClusterId, ErrorKind, Kind, tag};
use mooring_simulator_aliyun::{Kind as Thing, SHARED_VPC};
use serde_json::{Value as Json, json};

use crate::kit::{NODE, POD, Scene, listener};

fn http() -> Scene {
    Scene::new(Kind::Slb)
}

fn tcp() -> Scene {
    let mut scene = http();
    scene.spec["listeners"] = json!([listener(80, "tcp", 8080)]);
    scene
}

#[tokio::test]
async fn tcp_is_served_by_the_network_load_balancer() {
    let mut scene = tcp();
    let outcome = scene.up().await;
    assert_eq!((scene.of(Thing::Nlb).len(), scene.of(Thing::Clb).len()), (1, 0));
    let seen = outcome.seen.expect("it was seen");
    let plain = |key: &str| seen.bindings[key].plain().expect("it is plain").to_owned();
    assert!(plain("host").ends_with(".aliyuncs.com"), "{}", plain("host"));
    assert_eq!(plain("uri"), format!("tcp://{}:80", plain("host")));
    let group = &scene.of(Thing::NlbGroup)[0];
    assert_eq!(group.tags[tag::IDENTITY], "k3x9q2");
    assert!(format!("{group:?}").contains(POD));
    scene.down().await;
    for thing in [Thing::Nlb, Thing::NlbListener, Thing::NlbGroup] {
        assert!(scene.of(thing).is_empty(), "{thing:?} is left");
    }
}

#[tokio::test]
async fn http_is_served_by_the_classic_one_paid_by_consumption() {
    let mut scene = http();
    scene.spec["backends"] = json!([
        {"address": POD, "targetPort": 8080, "port": 8080}, {"address": NODE, "targetPort": 8080, "port": 30080},
    ]);
    scene.spec["allowFrom"] = json!(["10.9.0.0/16"]);
    scene.up().await;
    let sent = scene
        .cloud
        .calls(0)
        .into_iter()
        .find(|call| call.action == "CreateLoadBalancer")
        .expect("it is made");
    assert_eq!(
        (&sent.params["InstanceChargeType"], &sent.params["AddressType"]),
        (&json!("PayByCLCU"), &json!("intranet"))
    );
    assert!(!sent.params.contains_key("LoadBalancerSpec"));
    let group = format!("{:?}", scene.of(Thing::ClbGroup)[0]);
    for server in ["eni-pod", "i-node"] {
        assert!(group.contains(server), "{server} is not in {group}");
    }
    assert_eq!(scene.of(Thing::ClbAcl).len(), 1);
    // Who may connect changes in place; when anybody may again, no listener goes by the list.
    scene.spec["allowFrom"] = json!(["10.9.0.0/16", "10.7.0.0/16"]);
    scene.up().await;
    scene.spec["allowFrom"] = json!([]);
    scene.up().await;
    assert_eq!(scene.of(Thing::ClbListener)[0].attrs["AclStatus"], "off");
    scene.down().await;
    for thing in [Thing::Clb, Thing::ClbListener, Thing::ClbGroup, Thing::ClbAcl] {
        assert!(scene.of(thing).is_empty(), "{thing:?} is left");
    }
}

#[tokio::test]
async fn mixed_listeners_are_two_balancers() {
    let scene = http();
    let mut spec = scene.spec.clone();
    spec["listeners"] = json!([listener(80, "http", 8080), listener(5432, "tcp", 5432)]);
    let error = scene.adapter.validate(&spec).expect_err("they are two products");
    assert!(
        error.kind() == ErrorKind::InvalidSpec && error.message().contains("two slb traits"),
        "{error}"
    );
    let mut spec = scene.spec.clone();
    (spec["listeners"], spec["allowFrom"]) = (json!([listener(80, "tcp", 8080)]), json!(["10.0.0.0/8"]));
    assert_eq!(
        scene.adapter.validate(&spec).expect_err("it cannot").kind(),
        ErrorKind::Unsupported
    );
    let mut spec = scene.spec.clone();
    spec["common"]["tags"] = json!({"ack.aliyun.com": "c1"});
    assert_eq!(
        scene.adapter.validate(&spec).expect_err("it may not").kind(),
        ErrorKind::InvalidSpec
    );
}

#[tokio::test]
async fn backends_of_another_network_are_refused_before_anything_is_made() {
    for scene in [http(), tcp()] {
        let mut spec = scene.spec.clone();
        spec["backends"] = json!([{"address": "192.168.77.7", "targetPort": 8080, "port": 8080}]);
        let error = scene
            .adapter
            .create(&scene.claim, &spec)
            .await
            .expect_err("it cannot be reached");
        assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{error}");
        assert!(
            error.message().contains("192.168.77.7") && error.message().contains(SHARED_VPC),
            "{error}"
        );
        assert_eq!((scene.of(Thing::Clb).len(), scene.of(Thing::Nlb).len()), (0, 0));
    }
}

#[tokio::test]
async fn listeners_of_the_cloud_controller_are_left_alone() {
    let mut scene = http();
    scene.spec["backends"] = Json::Null;
    let outcome = scene.up().await;
    let balancer = scene.claim.id.clone().expect("it is there");
    assert!(outcome.seen.expect("it was seen").bindings.contains_key("host"));
    let made = json!({
        "RegionId": "cn-hangzhou", "LoadBalancerId": balancer.as_str(), "ListenerPort": 443, "Bandwidth": -1,
        "BackendServerPort": 30443,
    });
    scene
        .cloud
        .act("Slb", "CreateLoadBalancerTCPListener", made)
        .expect("the controller may");
    let started = json!({"LoadBalancerId": balancer.as_str(), "ListenerPort": 443, "ListenerProtocol": "tcp"});
    scene
        .cloud
        .act("Slb", "StartLoadBalancerListener", started)
        .expect("the controller may");
    let before = scene.cloud.look(Thing::Clb, balancer.as_str());
    let outcome = scene.up().await;
    assert_eq!(scene.cloud.look(Thing::Clb, balancer.as_str()), before);
    assert_eq!(outcome.seen.expect("it was seen").bindings["port"].plain(), Some("443"));
    assert!(!scene.of(Thing::Clb)[0].tags.contains_key("ack.aliyun.com"));
}

#[tokio::test]
async fn what_is_left_of_a_balancer_that_was_deleted_goes_too() {
    let mut scene = tcp();
    scene.up().await;
    let old = scene.claim.id.clone().expect("it is there");
    assert!(scene.cloud.destroy(Thing::Nlb, old.as_str()));
    assert_eq!(scene.of(Thing::NlbGroup).len(), 1);
    let listed = scene
        .adapter
        .inventory(&ClusterId::new("c1"))
        .await
        .expect("it is listed");
    assert_eq!(listed.len(), 1, "what is left is on the list");
    scene.down().await;
    assert!(scene.of(Thing::NlbGroup).is_empty());
    assert!(
        scene
            .adapter
            .inventory(&ClusterId::new("c1"))
            .await
            .expect("it is listed")
            .is_empty()
    );
}
