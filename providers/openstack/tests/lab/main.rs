//! The adapters against a real OpenStack (keystone, neutron, octavia, trove; see `tests/openstack`): the conformance
//! kit, with connections that are cut, and real trouble.

mod lab;
mod project;
mod proxy;
mod subject;

use mooring_provider::{Kind, conformance};

use subject::Cloud;

/// Runs the kit a few scenarios at a time: each has identities of its own, except those that look at all there is or
/// break what all share.
async fn conforms(kind: Kind, name: &str) {
    let cloud = Cloud::new(kind, name).await;
    conformance::assert_conforms(&cloud).await;
}

#[tokio::test]
async fn networks_conform() {
    conforms(Kind::Vpc, "kit-vpc").await;
}

#[tokio::test]
async fn load_balancers_conform() {
    conforms(Kind::Slb, "kit-slb").await;
}

#[tokio::test]
async fn databases_conform() {
    conforms(Kind::Rds, "kit-rds").await;
}
