use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1::EnvVar,
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time},
};
use kube::ResourceExt;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    judge::{Holder, Plan, body, judge},
    owners::{Owners, Place, given_up, handed_over},
    wanted::{Env, Wanted},
};
use crate::{
    api::names,
    operator::workload::{ContainerList, Workload, WorkloadKind},
};

fn wanted(resource: &str, prefix: &str) -> Wanted {
    let names = ["HOST", "PORT"].map(|key| (format!("{prefix}_{key}"), key.to_lowercase()));
    Wanted {
        resource: resource.into(),
        namespace: "team".into(),
        application: "shop".into(),
        component: "web".into(),
        workload: None,
        containers: Vec::new(),
        secret: resource.into(),
        bound: true,
        revision: 1,
        created: "2026".into(),
        is_going: false,
        consumers: Vec::new(),
        env: Env::Names(names.into()),
    }
}

fn workload(yaml: &str) -> Workload {
    Workload {
        kind: WorkloadKind::Deployment,
        object: serde_saphyr::from_str(yaml).expect("a workload"),
    }
}

const USERS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: team
  uid: u1
  resourceVersion: "7"
  managedFields:
    - manager: kubectl-client-side-apply
      operation: Update
      apiVersion: apps/v1
      fieldsType: FieldsV1
      fieldsV1:
        f:spec: {f:template: {f:spec: {f:containers: {'k:{"name":"web"}': {
          f:env: {'k:{"name":"DB_HOST"}': {".": {}, "f:name": {}, "f:value": {}}}}}}}}
spec:
  template:
    spec:
      containers:
        - {name: web, image: "shop:1", env: [{name: DB_HOST, value: mine}, {name: OTHER, value: "1"}]}
        - {name: sidecar, image: "proxy:1"}
"#;

#[test]
fn a_users_name_is_refused_and_the_rest_is_applied_in_the_smallest_object() {
    let live = workload(USERS);
    let plan = judge(&live, &[wanted("db", "DB")]);
    let share = &plan.shares["db"];
    assert_eq!(share.taken.len(), 1);
    assert_eq!(
        share.taken[0].owner,
        Holder::Manager("kubectl-client-side-apply".into())
    );
    assert!(plan.is_due);
    assert_eq!(
        body(&live, &plan.desired),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "team", "uid": "u1", "resourceVersion": "7"},
            "spec": {"template": {"spec": {"containers": [{"name": "web", "env": [
                {"name": "DB_PORT", "valueFrom": {"secretKeyRef": {"name": "db", "key": "port"}}},
            ]}]}}},
        })
    );
}

#[test]
fn a_name_without_an_owner_on_record_is_still_not_ours() {
    let mut live = workload(USERS);
    live.object.metadata.managed_fields = None;
    let plan = judge(&live, &[wanted("db", "DB")]);
    assert_eq!(plan.shares["db"].taken[0].owner, Holder::Unknown);
}

#[test]
fn only_what_changed_after_the_first_binding_is_in_the_annotation() {
    let live = workload(USERS);
    let (mut first, mut second) = (wanted("a", "A"), wanted("b", "B"));
    let revision = |wanted: &[Wanted]| judge(&live, wanted).desired.revision;
    assert_eq!(revision(&[first.clone(), second.clone()]), None);
    second.revision = 3;
    assert_eq!(revision(&[first.clone(), second.clone()]), Some("b=3".into()));
    first.revision = 2;
    assert_eq!(revision(&[second.clone(), first.clone()]), Some("a=2,b=3".into()));
    second.is_going = true;
    assert_eq!(revision(&[first, second]), Some("a=2".into()));
}

#[test]
fn one_that_cannot_be_decoded_keeps_what_it_has() {
    let live = applied(&judge(&workload(USERS), &[wanted("db", "CACHE")]), &workload(USERS));
    let mut unknown = wanted("other-name", "X");
    (unknown.env, unknown.bound) = (Env::Unknown, false);
    assert!(!judge(&live, &[unknown.clone()]).is_due);
    unknown.is_going = true;
    let plan = judge(&live, &[unknown]);
    assert!(plan.is_due && plan.desired.env.is_empty());
}

/// What the API server makes of our apply, as far as it matters here: ours goes in, what we no longer say goes out.
fn applied(plan: &Plan, live: &Workload) -> Workload {
    let mut after = live.clone();
    let before = Owners::of(live.kind, live.object.managed_fields());
    let gone: BTreeSet<_> = before
        .ours()
        .filter(|place| !plan.desired.env.contains_key(place))
        .cloned()
        .collect();
    let containers = after.object.data["spec"]["template"]["spec"]["containers"]
        .as_array_mut()
        .expect("containers");
    let mut tree = json!({});
    for container in containers {
        let name = container["name"].as_str().expect("a name").to_owned();
        let mut env: Vec<EnvVar> = serde_json::from_value(container["env"].clone()).unwrap_or_default();
        let is_at = |place: &Place, variable: &EnvVar| place.container == name && place.name == variable.name;
        env.retain(|variable| !gone.iter().any(|place| is_at(place, variable)));
        let sent = body(live, &plan.desired);
        let sent = sent["spec"]["template"]["spec"]["containers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if let Some(sent) = sent.iter().find(|sent| sent["name"] == name.as_str()) {
            let ours: Vec<EnvVar> = serde_json::from_value(sent["env"].clone()).expect("variables");
            let key = format!("k:{}", json!({ "name": name }));
            tree[&key] = json!({".": {}, "f:name": {}, "f:env": {}});
            for variable in ours {
                let below = json!({".": {}, "f:name": {}, "f:valueFrom": {"f:secretKeyRef": {}}});
                tree[&key]["f:env"][format!("k:{}", json!({ "name": variable.name }))] = below;
                match env.iter_mut().find(|there| there.name == variable.name) {
                    Some(there) => *there = variable,
                    None => env.push(variable),
                }
            }
        }
        container["env"] = json!(env);
    }
    let managed = after.object.metadata.managed_fields.get_or_insert_default();
    managed.retain(|entry| entry.manager.as_deref() != Some(names::MANAGER_BINDING));
    managed.push(share(names::MANAGER_BINDING, "Apply", tree));
    after
}

fn share(manager: &str, operation: &str, containers: Json) -> ManagedFieldsEntry {
    serde_json::from_value(json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": containers}}}},
    }))
    .expect("an entry")
}

/// A variable that is there: how it looks, and who wrote it.
#[derive(Debug, Clone)]
struct There {
    form: u8,
    owners: Vec<&'static str>,
}

const MANAGERS: [&str; 4] = ["kubectl", "ci", names::MANAGER_APPLICATION, names::MANAGER_BINDING];

fn there() -> impl Strategy<Value = Option<There>> {
    let owners = prop::sample::subsequence(MANAGERS.to_vec(), 0..=2);
    prop::option::of((0..5_u8, owners).prop_map(|(form, owners)| There { form, owners }))
}

fn build(variables: &BTreeMap<(&'static str, &'static str), There>) -> Workload {
    let mut trees: BTreeMap<&str, Json> = BTreeMap::new();
    let mut containers = vec![
        json!({"name": "web", "image": "a", "env": []}),
        json!({"name": "sidecar", "image": "b", "env": []}),
    ];
    for ((container, name), there) in variables {
        let key = name.rsplit('_').next().expect("a key").to_lowercase();
        let (variable, content) = match there.form {
            0 => (json!({"name": name, "value": "mine"}), "f:value"),
            1 => (json!({"name": name}), "f:value"),
            2 => (
                json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}),
                "f:valueFrom",
            ),
            3 => (
                json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "mine", "key": "k"}}}),
                "f:valueFrom",
            ),
            _ => (
                json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "db", "key": key}}}),
                "f:valueFrom",
            ),
        };
        let index = usize::from(*container == "sidecar");
        containers[index]["env"].as_array_mut().expect("a list").push(variable);
        let is_replaced = [0, 2].contains(&there.form);
        for owner in &there.owners {
            let is_us = *owner == names::MANAGER_BINDING;
            // We write no values: where one stands in place of ours, somebody else wrote it.
            if is_us && is_replaced && there.owners.iter().all(|owner| owner.starts_with("mooring")) {
                continue;
            }
            let tree = trees.entry(owner).or_insert(json!({}));
            let container = format!("k:{}", json!({ "name": container }));
            let place = &mut tree[container]["f:env"][format!("k:{}", json!({ "name": name }))];
            *place = json!({".": {}, "f:name": {}});
            if !(is_us && is_replaced) {
                place[content] = json!({});
            }
        }
    }
    let mut live = workload(USERS);
    live.object.data["spec"]["template"]["spec"]["containers"] = json!(containers);
    let managed = trees.into_iter().map(|(manager, tree)| {
        let operation = if manager.starts_with("mooring") {
            "Apply"
        } else {
            "Update"
        };
        share(manager, operation, tree)
    });
    live.object.metadata.managed_fields = Some(managed.collect());
    live
}

/// Looks until nothing is due, as the controller does; answers the workload and how often it was applied.
fn settled(mut live: Workload, wanted: &[Wanted]) -> (Workload, usize) {
    let mut applies = 0;
    for _ in 0..8 {
        let plan = judge(&live, wanted);
        if !plan.hand_over.is_empty() || !plan.give_up.is_empty() {
            let now = Time(jiff::Timestamp::UNIX_EPOCH);
            let managed = given_up(live.kind, live.object.managed_fields(), &plan.give_up);
            live.object.metadata.managed_fields = Some(handed_over(live.kind, &managed, &plan.hand_over, now));
        } else if plan.is_due {
            live = applied(&plan, &live);
            applies += 1;
        } else {
            return (live, applies);
        }
    }
    panic!("it never settles");
}

fn variables(live: &Workload) -> BTreeMap<(String, String), EnvVar> {
    let template = live.template();
    let containers = ContainerList::Main.of(&template).to_vec();
    containers
        .into_iter()
        .flat_map(|container| {
            let env = container.env.unwrap_or_default().into_iter();
            env.map(move |variable| ((container.name.clone(), variable.name.clone()), variable))
        })
        .collect()
}

proptest! {
    // Beside this file: the top level of the repository is fixed.
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_not_ours_is_neither_changed_nor_taken_away(
        found in prop::collection::vec(there(), 8),
        is_going in any::<bool>(),
        bound in any::<bool>(),
    ) {
        let places = ["web", "sidecar"].into_iter().flat_map(|container| {
            ["DB_HOST", "DB_PORT", "CACHE_HOST", "OTHER"].map(|name| (container, name))
        });
        let found: BTreeMap<_, _> = places.zip(found).filter_map(|(place, there)| Some((place, there?))).collect();
        let live = build(&found);
        let (mut db, cache) = (wanted("db", "DB"), wanted("cache", "CACHE"));
        (db.is_going, db.bound) = (is_going, bound);
        let (after, applies) = settled(live.clone(), &[db.clone(), cache.clone()]);
        let (before, after_all) = (variables(&live), variables(&after));
        for ((container, name), there) in &found {
            let place = ((*container).to_owned(), (*name).to_owned());
            // An entry that shows our Secret, of nobody but our Application controller, is ours.
            let is_foreign = there.owners.iter().any(|owner| !owner.starts_with("mooring")) || there.owners.is_empty();
            let is_mended = there.owners.contains(&names::MANAGER_BINDING) && [1, 3, 4].contains(&there.form);
            if is_foreign && !is_mended {
                prop_assert_eq!(before.get(&place), after_all.get(&place), "{:?}", there);
            }
        }
        prop_assert!(applies <= 1, "one rollout at most");
        let images = |live: &Workload| {
            let template = live.template();
            let containers = ContainerList::Main.of(&template).iter();
            containers.map(|container| (container.name.clone(), container.image.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(images(&live), images(&after));
        // Everything is taken out again, and nothing of ours stays on record.
        let gone = [db, cache].map(|wanted| Wanted { is_going: true, ..wanted });
        let (bare, _) = settled(after, &gone);
        let ours = Owners::of(bare.kind, bare.object.managed_fields()).ours().count();
        prop_assert_eq!(ours, 0);
    }
}
