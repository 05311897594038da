//! What `plan` says of an environment before anything is made there.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::{
    place::{Place, run},
    workplace::Workplace,
};

/// What an environment does differently.
pub(crate) async fn differs(place: &dyn Place, workplace: &Arc<Workplace>) {
    let plan = run(
        workplace,
        &["plan", "-f", "shop.yaml", "-f", "places.yaml", "-o", "json"],
    )
    .await
    .ok();
    println!("{}", plan.stdout);
    let plan: Json = serde_json::from_str(&plan.stdout).expect("JSON");
    let resources = plan["resources"].as_array().expect("resources");
    assert!(
        resources.len() == 4 && resources.iter().all(|it| it["action"] == "create"),
        "{plan}"
    );
    let _ = place;
}
