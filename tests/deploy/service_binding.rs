//! The overlay that has Mooring reconcile ServiceBindings: its rights, those it gathers, and what its policies let through.

use serde_json::{Value as Json, json};

use crate::{
    Installed, object, rendered,
    story::{Story, USER},
};

const KIND: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.odd.example.com}
spec:
  group: odd.example.com
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"#;

fn binding(name: &str, service: Json, workload: Json) -> String {
    json!({
        "apiVersion": "servicebinding.io/v1", "kind": "ServiceBinding",
        "metadata": {"name": name, "namespace": "story"},
        "spec": {"service": service, "workload": workload, "type": "mysql", "env": [{"name": "KEY", "key": "a"}]},
    })
    .to_string()
}

fn is_told(binding: &Json, status: &str, reason: &str) -> bool {
    let mut conditions = binding["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == status && one["reason"] == reason)
}

#[test]
fn rights_are_gathered_by_label_and_everything_else_is_refused() {
    let story = Story(Installed::with("deploy/overlays/servicebinding"));
    story.0.run(&["create", "--kustomize", "crds/servicebinding"]);
    story.0.run(&["create", "namespace", "story"]);
    story.apply(KIND);
    story.0.run(&[
        "wait",
        "--for=condition=Established",
        "crd/things.odd.example.com",
        "--timeout=60s",
    ]);
    let kubeconfig = story.account();
    let _operator = story
        .0
        .cluster
        .operator_with(|options| options.kubeconfig = Some(kubeconfig));

    // A Deployment, bound and unbound through the policies.
    story
        .0
        .run(&["create", "secret", "generic", "db", "-n", "story", "--from-literal=a=b"]);
    story
        .0
        .run(&["create", "deployment", "web", "-n", "story", "--image=shop:1.0"]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "name": "db"});
    let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let before = story.get("deployment", "web")["spec"]["template"].clone();
    story.apply(&binding("web", secret.clone(), web));
    story.eventually("it is bound", || {
        is_told(&story.get("servicebinding", "web"), "True", "ServiceBound")
    });
    let bound = story.get("deployment", "web")["spec"]["template"].clone();
    assert!(bound["spec"]["volumes"].is_array(), "{bound}");
    story
        .0
        .run(&["delete", "servicebinding", "web", "-n", "story", "--timeout=60s"]);
    assert_eq!(story.get("deployment", "web")["spec"]["template"], before);

    // A kind that nobody opened, then opened by its label.
    let thing = json!({
        "apiVersion": "odd.example.com/v1", "kind": "Thing", "metadata": {"name": "thing", "namespace": "story"},
        "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}, "status": {"binding": {"name": "db"}},
    });
    story.apply(&thing.to_string());
    let thing = json!({"apiVersion": "odd.example.com/v1", "kind": "Thing", "name": "thing"});
    story.apply(&binding("thing", thing.clone(), thing));
    story.eventually("it is told what is not granted", || {
        is_told(&story.get("servicebinding", "thing"), "False", "ServiceForbidden")
    });
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "things", "labels": {"servicebinding.io/controller": "true"}},
        "rules": [{"apiGroups": ["odd.example.com"], "resources": ["things"],
                   "verbs": ["get", "list", "watch", "update", "patch"]}],
    });
    story.apply(&role.to_string());
    // Something to look at it for: what is refused is not asked for again at once.
    story
        .0
        .run(&["label", "servicebinding", "thing", "-n", "story", "looked=at"]);
    story.eventually("it is bound", || {
        story.0.run(&[
            "label",
            "servicebinding",
            "thing",
            "-n",
            "story",
            "--overwrite",
            "looked=again",
        ]);
        is_told(&story.get("servicebinding", "thing"), "True", "ServiceBound")
    });

    // What the overlay grants is what is used.
    let requests = story.requests();
    assert!(requests.iter().all(|request| request["user"]["username"] == USER));
    let objects = rendered("deploy/overlays/servicebinding");
    let role = object(&objects, "ClusterRole", "mooring-service-bindings");
    for rule in role["rules"].as_array().expect("rules") {
        for resource in rule["resources"].as_array().expect("resources") {
            let (resource, subresource) = resource.as_str().and_then(|name| name.split_once('/')).unzip();
            let plain = rule["resources"][0].as_str().expect("a name");
            for verb in rule["verbs"].as_array().expect("verbs") {
                let is_used = requests.iter().any(|request| {
                    let about = &request["objectRef"];
                    request["verb"] == *verb
                        && about["apiGroup"] == rule["apiGroups"][0]
                        && about["resource"] == resource.unwrap_or(plain)
                        && about["subresource"].as_str() == subresource
                });
                assert!(is_used, "granted and never used: {verb} {plain}");
            }
        }
    }
}

#[test]
fn definitions_without_the_rights_stop_nothing_else() {
    let story = Story(Installed::with("deploy"));
    story.0.run(&["create", "--kustomize", "crds/servicebinding"]);
    let kubeconfig = story.account();
    let _operator = story
        .0
        .cluster
        .operator_with(|options| options.kubeconfig = Some(kubeconfig));
    story.apply(include_str!("data/story.yaml"));
    let log = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource",
        "metadata": {"name": "shop-web-log", "namespace": "story"},
        "spec": {"application": "shop", "component": "web", "name": "log", "log": {}},
    });
    story.apply(&log.to_string());
    story.eventually("it is ready", || {
        is_told(&story.get("cloudresource", "shop-web-log"), "True", "Ready")
    });
    story.0.run(&[
        "delete",
        "cloudresource",
        "shop-web-log",
        "-n",
        "story",
        "--timeout=60s",
    ]);
}
