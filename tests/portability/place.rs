//! What every environment is held to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::{
    plans,
    shop::{Backends, shop},
    workplace::{Ran, Workplace},
};

/// The variables of a component.
pub(crate) type Variables = BTreeMap<String, String>;

/// What the two components got.
pub(crate) struct Got {
    /// The namespace of the application.
    pub(crate) namespace: String,
    pub(crate) web: Variables,
    pub(crate) report: Variables,
    /// What the providers call the application's resources, by kind.
    pub(crate) ids: BTreeMap<String, String>,
}

/// An environment.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Its name.
    fn environment(&self) -> &'static str;

    /// What an SRE writes: ProviderConfigs with their Secrets, and the Environment.
    fn documents(&self) -> String;

    /// What `plan` says that it does differently: of which resource, and words of what is said.
    fn differences(&self) -> &'static [(&'static str, &'static str)];

    /// What `plan` refuses of a more demanding application: which resource, and words of why.
    fn refusals(&self) -> &'static [(&'static str, &'static str)];

    /// Uses what the application got, as far as it is real here. What it holds open meanwhile is held while the
    /// application is taken down.
    async fn is_used(&self, workplace: &Workplace, got: &Got, backends: &Backends) -> Vec<sqlx::MySqlConnection>;

    /// Asks the servers themselves whether anything is left.
    async fn is_empty(&self, workplace: &Workplace, got: &Got);
}

/// Applies the application, uses it, and takes it down. The names of its variables.
pub(crate) async fn lives_and_dies(place: &dyn Place, backends: &Backends) -> [BTreeSet<String>; 2] {
    let workplace = Arc::new(Workplace::new());
    workplace.write("shop.yaml", &shop(place.environment(), backends));
    workplace.write("places.yaml", &place.documents());
    plans::differs(place, &workplace).await;
    plans::refuses(place, &workplace).await;

    let got = comes_up(&workplace, "shop", place.environment()).await;
    let held = place.is_used(&workplace, &got, backends).await;

    let down = run(&workplace, &["down", "-f", "shop.yaml", "-f", "places.yaml"])
        .await
        .ok();
    assert_eq!(down.stdout.matches("deleted").count(), 4, "{down:?}");
    let left = run(&workplace, &["inventory", "-f", "places.yaml"]).await.ok();
    assert!(left.stdout.contains("nothing of ours is there"), "{left:?}");
    place.is_empty(&workplace, &got).await;
    drop(held);
    [got.web, got.report].map(|variables| variables.into_keys().collect())
}

/// Applies `APPLICATION.yaml`, of the four kinds, and says what it got.
pub(crate) async fn comes_up(workplace: &Arc<Workplace>, application: &str, environment: &str) -> Got {
    let file = format!("{application}.yaml");
    let up = run(workplace, &["up", "-f", &file, "-f", "places.yaml", "-o", "json"])
        .await
        .ok();
    let up: Json = serde_json::from_str(&up.stdout).expect("JSON");
    assert_eq!(up["environment"], environment);
    let resources = up["resources"].as_array().expect("resources");
    assert!(
        resources.len() == 4 && resources.iter().all(|it| it["ready"] == true),
        "{up}"
    );
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    Got {
        namespace: "default".into(),
        web: ours(workplace.env_of(application, "web")),
        report: ours(workplace.env_of(application, "report")),
        ids: resources
            .iter()
            .map(|it| (text(&it["kind"]), text(&it["externalId"])))
            .collect(),
    }
}

/// Documents as YAML reads them.
pub(crate) fn documents(documents: &[Json]) -> String {
    documents.iter().map(|document| format!("---\n{document}\n")).collect()
}

/// Runs the binary, which takes its time.
pub(crate) async fn run(workplace: &Arc<Workplace>, arguments: &[&str]) -> Ran {
    let workplace = workplace.clone();
    let mut arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    arguments.extend(["--timeout".into(), "10m".into()]);
    let run = tokio::task::spawn_blocking(move || {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        workplace.run(&arguments)
    });
    run.await.expect("it runs")
}

/// The variables that are not the shell's.
fn ours(variables: Variables) -> Variables {
    let is_ours = |name: &str| ["DB_", "LB_", "LOG_"].iter().any(|prefix| name.starts_with(prefix));
    variables.into_iter().filter(|(name, _)| is_ours(name)).collect()
}
