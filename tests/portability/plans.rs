//! What `plan` says of an environment before anything is made there: what it does differently, and what it cannot do.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::{
    place::{Place, run},
    workplace::Workplace,
};

/// What the environment does differently is in the plan of the application.
pub(crate) async fn differs(place: &dyn Place, workplace: &Arc<Workplace>) {
    let plan = run(
        workplace,
        &["plan", "-f", "shop.yaml", "-f", "places.yaml", "-o", "json"],
    )
    .await
    .ok();
    let plan: Json = serde_json::from_str(&plan.stdout).expect("JSON");
    let resources = plan["resources"].as_array().expect("resources");
    assert!(
        resources.len() == 4 && resources.iter().all(|it| it["action"] == "create"),
        "{plan}"
    );
    assert_eq!(plan["environment"], place.environment());
    for (name, words) in place.differences() {
        let told = match resources.iter().find(|it| it["name"] == *name) {
            Some(resource) => resource.to_string(),
            None => plan["notes"].to_string(),
        };
        assert!(
            told.contains(words),
            "{}: `{words}` is not said of {name}: {told}",
            place.environment()
        );
    }
    let noted = resources
        .iter()
        .any(|it| it["notes"].as_array().is_some_and(|notes| !notes.is_empty()));
    assert_eq!(noted, !place.differences().is_empty(), "{plan}");
}

/// What it cannot do is refused in the plan of a more demanding one, all of it at once, and what it can is not.
pub(crate) async fn refuses(place: &dyn Place, workplace: &Arc<Workplace>) {
    let mut demanding = workplace.read("shop.yaml");
    for (was, is) in [
        (
            "engine: mysql,",
            "engine: mysql, highAvailability: true, tls: required,",
        ),
        ("protocol: http", "protocol: tcp"),
        ("metric: connections", "metric: cpu"),
    ] {
        assert!(demanding.contains(was));
        demanding = demanding.replace(was, is);
    }
    workplace.write("demanding.yaml", &demanding);
    let files = ["-f", "demanding.yaml", "-f", "places.yaml", "-o", "json"];
    let plan = run(workplace, &[&["plan"][..], &files].concat()).await;
    let refusals = place.refusals();
    let plan = plan.code(if refusals.is_empty() { 0 } else { 2 });
    let shown: Json = serde_json::from_str(&plan.stdout).expect("JSON");
    let resources = shown["resources"].as_array().expect("resources").iter();
    let refused: Vec<_> = resources.filter(|it| it["action"] == "refused").collect();
    for (name, words) in refusals {
        let told = refused.iter().find(|it| it["name"] == *name);
        let told = told.unwrap_or_else(|| panic!("{}: {name} is not refused: {shown}", place.environment()));
        assert!(told["why"].to_string().contains(words), "`{words}` is not in {told}");
    }
    assert_eq!(refused.len(), refusals.len(), "{refused:?}");
    if !refusals.is_empty() {
        run(workplace, &[&["up"][..], &files].concat()).await.code(2);
        assert!(
            !workplace.path(".mooring").exists(),
            "nothing is made of an application that is refused in part"
        );
    }
    // Where nobody allowed that a reader may write, it is refused.
    let places = workplace.read("places.yaml");
    let strict = places.replace("asOwner", "refused");
    if strict != places {
        workplace.write("strict.yaml", &strict);
        let plan = run(workplace, &["plan", "-f", "shop.yaml", "-f", "strict.yaml"])
            .await
            .code(2);
        let words = "component `report`, trait `bind`: access: `readonly`: Trove gives each account all rights";
        assert!(plan.stdout.contains(words), "{plan:?}");
    }
}
