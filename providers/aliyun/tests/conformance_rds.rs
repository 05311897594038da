//! The database adapter against the simulated cloud, under the conformance kit.

mod simulated;

use mooring_provider::{Kind, conformance};
use serde_json::json;
use simulated::Simulated;

#[tokio::test(start_paused = true)]
async fn rds_conforms() {
    let cloud = simulated::cloud(|_| {}).await;
    simulated::conforms(&Simulated::new(cloud, Kind::Rds, json!({}))).await;
}

/// States take their time, and what is new is not seen at once.
#[tokio::test(start_paused = true)]
async fn rds_conforms_on_a_slow_cloud() {
    let cloud = simulated::cloud(|options| options.provisioning = std::time::Duration::from_secs(40)).await;
    let subject = Simulated::new(cloud, Kind::Rds, json!({}));
    for scenario in ["converges", "changes in place", "parks and reclaims", "leaves nothing"] {
        assert_eq!(conformance::run_one(&subject, scenario).await, None);
    }
}
