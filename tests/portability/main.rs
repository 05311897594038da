//! One application in four environments, of which it knows no more than a label: the mock cloud; OpenStack, with logs
//! and alarms on servers beside it; servers of one's own for everything; Alibaba Cloud.
//!
//! OpenStack (keystone, neutron, octavia, trove), MariaDB, Caddy, Loki, Prometheus and Alertmanager are real and run on
//! loopback: there one logs in, sends requests and lines, and is told of an alarm, with what the application got and
//! nothing else. The mock cloud and the simulator of Alibaba Cloud have no SQL behind a login and nothing that takes a
//! request or a line: there a login is compared with what they were told, and no more is shown.

mod alibaba;
mod mock;
mod onprem;
mod openstack;
mod place;
mod plans;
mod real;
mod shop;
#[path = "../local/workplace.rs"]
#[allow(dead_code, reason = "the tests of the clusterless front use more of it")]
mod workplace;

use mooring_test_servers::{Loki, openstack::range};
use place::lives_and_dies;

/// The four environments at once: most of the time one waits.
#[tokio::test(flavor = "multi_thread")]
async fn one_application_lives_in_four_environments_by_a_change_of_one_label() {
    let (loki, backends) = (Loki::start().await, shop::Backends::start(&range()));
    let in_mock = async { lives_and_dies(&mock::Mock, &backends).await };
    let in_openstack = async { lives_and_dies(&openstack::Openstack::start(&loki).await, &backends).await };
    let in_onprem = async { lives_and_dies(&onprem::Onprem::start(&loki, &backends.free).await, &backends).await };
    let in_alibaba = async { lives_and_dies(&alibaba::Alibaba::start(&backends).await, &backends).await };
    let (mock, openstack, onprem, alibaba) = tokio::join!(in_mock, in_openstack, in_onprem, in_alibaba);
    for (place, got) in [("openstack", openstack), ("onprem", onprem), ("alibaba", alibaba)] {
        assert_eq!(got, mock, "the names of the variables in {place}");
    }
}
