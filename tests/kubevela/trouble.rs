//! Bad input: what KubeVela's schema admits and ours refuses is said where the developer looks.

use mooring::api::CloudResource;
use serde_json::{Value as Json, json};

use crate::{
    stories::{application, deployment, rds, rollouts, running, shop, team, variables},
    support::cluster::{Team, eventually},
};

/// Waits until the Application's own status has these words.
async fn told(team: &Team, words: &[&str]) {
    eventually(&format!("the Application says {words:?}"), async || {
        let status = application(team).await["status"].to_string();
        words.iter().all(|word| status.contains(word)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_on_the_application_and_what_runs_is_left_running() {
    let (_, team) = team("vela-refused").await;
    let declared = |properties: Json| shop(json!([rds(properties)]));
    // Misspelt: KubeVela itself refuses it.
    team.apply_json(declared(json!({"sizee": "small"}))).await;
    told(&team, &["sizee", "not allowed"]).await;
    assert!(deployment(&team, "web").await.is_none());
    // Of a form that only our definition knows.
    team.apply_json(declared(json!({"version": "8 or so"}))).await;
    told(&team, &["spec.rds.version", "should match"]).await;
    assert!(deployment(&team, "web").await.is_none());
    // Well.
    team.apply_json(declared(json!({}))).await;
    running(&team).await;
    // What cannot be changed.
    team.apply_json(declared(json!({"engine": "postgresql"}))).await;
    told(&team, &["engine", "cannot be changed in place"]).await;
    let rds = team
        .api::<CloudResource>()
        .get("shop-web-rds")
        .await
        .expect("it is there");
    assert_eq!(json!(rds.spec.rds.expect("an rds").engine), "mysql");
    assert_eq!(rollouts(&team, "web").await, 1);
    // What only the operator can judge.
    team.apply_json(declared(json!({"size": "gigantic"}))).await;
    told(&team, &["gigantic"]).await;
    assert_eq!(
        variables(&deployment(&team, "web").await.expect("it is there")).len(),
        6
    );
}
