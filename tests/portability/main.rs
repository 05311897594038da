//! One application in four environments, of which it knows no more than a label: the mock cloud; OpenStack, with logs
//! and alarms on servers beside it; servers of one's own for everything; Alibaba Cloud.
//!
//! OpenStack (keystone, neutron, octavia, trove), MariaDB, Caddy, Loki, Prometheus and Alertmanager are real and run on
//! loopback: there one logs in, sends requests and lines, and is told of an alarm, with what the application got and
//! nothing else. The mock cloud and the simulator of Alibaba Cloud have no SQL behind a login and nothing that takes a
//! request or a line: there a login is compared with what they were told, and no more is shown.

mod alibaba;
mod cluster;
mod mock;
mod onprem;
mod openstack;
mod place;
mod plans;
mod postgresql;
mod real;
mod shop;
mod snapshot;
#[path = "../support/mod.rs"]
mod support;
#[path = "../local/workplace.rs"]
#[allow(dead_code, reason = "the tests of the clusterless front use more of it")]
mod workplace;

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use mooring_test_servers::{Loki, openstack::range};
use place::{Place, lives_and_dies};
use shop::Backends;
use tokio::task::JoinHandle;

/// The four environments at once: most of the time each waits.
#[tokio::test(flavor = "multi_thread")]
async fn one_application_lives_in_four_environments_by_a_change_of_one_label() {
    let (loki, backends) = (Arc::new(Loki::start().await), Arc::new(Backends::start(&range())));
    let mock = lives(&backends, async { mock::Mock::new() });
    let others = [
        lives(&backends, openstack::Openstack::start(loki.clone(), "portability")),
        lives(&backends, onprem::Onprem::start(loki, backends.free.clone())),
        lives(&backends, alibaba::Alibaba::start(backends.clone())),
    ];
    let names = mock.await.expect("the mock cloud");
    // Each goes on to its end, whatever becomes of another.
    for place in join_all(others).await {
        assert_eq!(
            place.expect("an environment"),
            names,
            "the variables are called alike everywhere"
        );
    }
}

fn lives<P: Place>(
    backends: &Arc<Backends>,
    place: impl Future<Output = P> + Send + 'static,
) -> JoinHandle<[BTreeSet<String>; 2]> {
    let backends = backends.clone();
    tokio::spawn(async move { lives_and_dies(&place.await, &backends).await })
}
