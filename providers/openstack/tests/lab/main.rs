//! The adapters against a real OpenStack (keystone, neutron, octavia, trove; see `tests/openstack`): the conformance
//! kit, with connections that are cut, and real trouble.

mod project;
mod proxy;
mod story;
mod subject;
mod trouble;

use std::time::Instant;

use mooring_provider::{
    Kind,
    conformance::{self, SCENARIOS},
};

use subject::Cloud;

const BEFORE: &str = "each call fails before its effect";
const AFTER: &str = "each call fails after its effect";

/// Plays scenarios of the kit in a project of their own.
async fn conforms(kind: Kind, name: &str, chosen: impl Fn(&str) -> bool) {
    let cloud = Cloud::new(kind, &format!("{kind}-{name}")).await;
    let mut failures = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| chosen(scenario)) {
        let began = Instant::now();
        let failure = conformance::run_one(&cloud, scenario).await;
        let result = failure.as_ref().map_or("ok".to_owned(), ToString::to_string);
        println!("{kind}: {scenario}: {:.1?}: {result}", began.elapsed());
        failures.extend(failure.map(|failure| failure.to_string()));
    }
    assert!(
        failures.is_empty(),
        "the {kind} adapter does not conform:\n  {}",
        failures.join("\n  ")
    );
}

macro_rules! conform {
    ($($module:ident: $kind:ident;)*) => {
        $(mod $module {
            use super::*;

            #[tokio::test]
            async fn conform() {
                conforms(Kind::$kind, "quiet", |scenario| ![BEFORE, AFTER].contains(&scenario)).await;
            }

            #[tokio::test]
            async fn withstand_calls_that_fail() {
                conforms(Kind::$kind, "before", |scenario| scenario == BEFORE).await;
            }

            #[tokio::test]
            async fn withstand_answers_that_are_lost() {
                conforms(Kind::$kind, "after", |scenario| scenario == AFTER).await;
            }
        })*
    };
}

conform! {
    networks: Vpc;
    load_balancers: Slb;
    databases: Rds;
}
