//! What is declared badly: it is said on the Application, and what runs goes on running.

use serde_json::{Value as Json, json};

use crate::{
    delete, deployment, env, find, gone, names, rds, running, says, shop, shown, status,
    support::cluster::{Team, eventually},
    team, templates, web,
};

fn database(properties: Json) -> Json {
    let mut all = json!({"engine": "mysql", "as": "DB"});
    for (name, value) in properties.as_object().expect("an object") {
        all[name] = value.clone();
    }
    shop(json!([web("shop:2.0", json!([{"type": "rds", "properties": all}]))]))
}

/// An Application as KubeVela never takes it: what it says of it, and that nothing was made.
async fn refused(team: &Team, application: Json, because: &[&str]) {
    team.apply_json(application).await;
    let status = says(team, because[0]).await.to_string();
    assert!(because.iter().all(|word| status.contains(word)), "{status}");
    assert!(names(team).await.is_empty() && team.cloud.list().is_empty());
    assert!(deployment(team, "web").await.is_none());
    delete(team).await;
    gone(team).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cue_or_our_definition_refuses_is_said_on_the_application() {
    let team = team("refused").await;
    // CUE knows the names and types; the rest of the rules is our definition's.
    refused(
        &team,
        database(json!({"engin": "x"})),
        &["engin: field not allowed", "trait=rds"],
    )
    .await;
    refused(&team, database(json!({"engine": "oracle"})), &["trait=rds"]).await;
    refused(
        &team,
        database(json!({"storage": "lots"})),
        &["spec.rds.storage", "lots", "should match"],
    )
    .await;
    refused(&team, database(json!({"as": "7 of 9"})), &["spec.rds.as", "7 of 9"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_change_leaves_what_runs_running_and_a_good_one_goes_on() {
    let team = team("bad").await;
    team.apply_json(shop(json!([web("shop:1.0", json!([rds()]))]))).await;
    running(&team).await;
    let before = find(&team, "shop-web-rds").await.expect("it is there").spec;
    team.apply_json(database(json!({"storage": "lots"}))).await;
    says(&team, "should match").await;
    let web = deployment(&team, "web").await.expect("it is there");
    assert_eq!(templates(&team, "web").await, 1);
    assert_eq!(shown(&env(&web), "shop-web-rds").len(), 6);
    assert_eq!(find(&team, "shop-web-rds").await.expect("it is there").spec, before);
    assert_eq!(team.cloud.list().len(), 1);

    team.apply_json(database(json!({"storage": "40Gi"}))).await;
    running(&team).await;
    assert_eq!(templates(&team, "web").await, 2);
}

/// What only our operator can judge is said by the trait, in its words.
#[tokio::test(flavor = "multi_thread")]
async fn what_our_operator_refuses_holds_the_workload_back_and_is_said_by_the_trait() {
    let team = team("judged").await;
    team.apply_json(database(json!({"size": "gigantic"}))).await;
    let message = eventually("the trait says it", async || {
        let status = status(&team).await?;
        let item = &status["services"][0]["traits"][0];
        let message = item["message"]
            .as_str()
            .filter(|message| message.contains("gigantic"))?;
        assert_eq!(item["healthy"], false);
        Some(message.to_owned())
    })
    .await;
    assert!(message.contains("small"), "it says which there are: {message}");
    assert!(deployment(&team, "web").await.is_none());
    team.apply_json(database(json!({"size": "medium"}))).await;
    running(&team).await;

    // Of what runs it is said as well, and that goes on.
    team.apply_json(database(json!({"size": "gigantic"}))).await;
    eventually("the trait says it", async || {
        let status = status(&team).await?;
        let item = &status["services"][0]["traits"][0];
        let message = item["message"]
            .as_str()
            .filter(|message| message.contains("gigantic"))?;
        (item["healthy"] == true && message.starts_with("Ready; ")).then_some(())
    })
    .await;
    running(&team).await;
    assert_eq!(team.cloud.list().len(), 1);
}

/// A database that vanished at the cloud is never replaced by an empty one, and its Application is not well.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_said_on_the_application() {
    let team = team("lost").await;
    team.apply_json(shop(json!([web("shop:1.0", json!([rds()]))]))).await;
    running(&team).await;
    let id = team.cloud.list()[0].id.clone();
    assert!(team.cloud.destroy(&id));
    let status = says(&team, "Lost: ").await;
    assert_eq!(status["services"][0]["traits"][0]["healthy"], false, "{status:#}");
    assert!(deployment(&team, "web").await.is_some(), "what runs is left running");
    assert!(team.cloud.list().is_empty());
}
