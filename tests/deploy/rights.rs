//! The operator's rights are what it uses, no more and no less.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::{ACCOUNT, Installed, object, rendered, story};

/// One thing that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    group: String,
    /// With its subresource.
    resource: String,
    verb: String,
    namespace: String,
    name: String,
}

/// One thing that is granted: by a role, for a verb of a resource, of that name only if there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Granted {
    role: String,
    namespace: String,
    group: String,
    resource: String,
    name: String,
    verb: String,
}

impl Granted {
    fn allows(&self, asked: &Asked) -> bool {
        self.group == asked.group
            && self.resource == asked.resource
            && self.verb == asked.verb
            && (self.namespace.is_empty() || self.namespace == asked.namespace)
            && (self.name.is_empty() || self.name == asked.name)
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a line of the audit log asked for. An apply that creates needs both rights, and is logged as the one.
fn asked(request: &Json) -> Vec<Asked> {
    let about = &request["objectRef"];
    let subresource = text(&about["subresource"]);
    let resource = text(&about["resource"]);
    let one = |verb: &str| Asked {
        group: text(&about["apiGroup"]),
        resource: if subresource.is_empty() {
            resource.clone()
        } else {
            format!("{resource}/{subresource}")
        },
        verb: verb.to_owned(),
        namespace: text(&about["namespace"]),
        name: text(&about["name"]),
    };
    let verb = text(&request["verb"]);
    let created = verb == "patch" && request["responseStatus"]["code"] == 201;
    let also = created.then(|| one("create"));
    [one(&verb)].into_iter().chain(also).collect()
}

fn granted(objects: &[Json]) -> Vec<Granted> {
    let mut all = Vec::new();
    for (kind, name) in [
        ("ClusterRole", "mooring"),
        ("ClusterRole", "mooring-workloads"),
        ("Role", "mooring"),
    ] {
        let role = object(objects, kind, name);
        let words = |rule: &Json, field: &str| -> Vec<String> {
            rule[field].as_array().into_iter().flatten().map(text).collect()
        };
        for rule in role["rules"].as_array().expect("rules") {
            let mut names = words(rule, "resourceNames");
            if names.is_empty() {
                names.push(String::new());
            }
            for group in words(rule, "apiGroups") {
                for resource in words(rule, "resources") {
                    for verb in words(rule, "verbs") {
                        all.extend(names.iter().map(|only| Granted {
                            role: format!("{kind} {name}"),
                            namespace: text(&role["metadata"]["namespace"]),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: only.clone(),
                            verb: verb.clone(),
                        }));
                    }
                }
            }
        }
    }
    all
}

#[test]
fn rbac_covers_exactly_the_verbs_used() {
    let requests = &story::told().requests;
    assert!(requests.len() > 100, "the operator did something");
    // For half a minute after a kind was defined, the API server does not know it where it judges owners: no want of rights.
    let is_late = |request: &Json| text(&request["responseStatus"]["message"]).contains("cannot find RESTMapping");
    let refused: Vec<_> = requests
        .iter()
        .filter(|request| !is_late(request))
        .filter(|request| {
            request["annotations"]["authorization.k8s.io/decision"] == "forbid"
                || request["responseStatus"]["code"] == 403
        })
        .map(|request| format!("{:?}: {}", asked(request), request["responseStatus"]))
        .collect();
    assert!(refused.is_empty(), "it was refused what it needs: {refused:#?}");

    let granted = granted(&rendered("deploy"));
    let all: BTreeSet<_> = requests.iter().flat_map(asked).collect();
    let missing: BTreeSet<_> = all
        .iter()
        .filter(|asked| !granted.iter().any(|one| one.allows(asked)))
        .collect();
    assert!(missing.is_empty(), "no rule of deploy/ grants it: {missing:#?}");

    // What the Role grants in our own namespace is no reason for the same right in the whole cluster.
    let (local, wide): (Vec<_>, Vec<_>) = granted.iter().partition(|one| !one.namespace.is_empty());
    let elsewhere: Vec<_> = all
        .iter()
        .filter(|asked| !local.iter().any(|one| one.allows(asked)))
        .collect();
    let unused = local
        .iter()
        .filter(|one| !all.iter().any(|asked| one.allows(asked)))
        .chain(
            wide.iter()
                .filter(|one| !elsewhere.iter().any(|asked| one.allows(asked))),
        )
        // Asked for within another request, which no audit log shows: see the next test.
        .filter(|one| !one.resource.ends_with("/finalizers"));
    let unused: Vec<_> = unused.collect();
    assert!(unused.is_empty(), "granted and never used: {unused:#?}");
}

/// Where OwnerReferencesPermissionEnforcement is on, as here, a reference that blocks its owner's deletion needs a right
/// on the owner's finalizers.
#[test]
fn without_the_right_on_finalizers_nothing_could_be_owned() {
    let installed = Installed::shared();
    installed.run(&["create", "namespace", "owners"]);
    let others = "--as=somebody";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "without-finalizers"},
        "rules": [{"apiGroups": ["", "mooring.dev"], "resources": ["secrets", "cloudresources"], "verbs": ["create"]}],
    });
    installed.run_with(&["apply", "-f", "-"], &role.to_string());
    installed.run(&[
        "create",
        "clusterrolebinding",
        "without-finalizers",
        "--clusterrole=without-finalizers",
        "--user=somebody",
    ]);
    installed.run(&["apply", "-f", "crds/application/core.oam.dev_applications.yaml"]);
    installed.run(&[
        "wait",
        "--for=condition=Established",
        "crd/applications.core.oam.dev",
        "--timeout=60s",
    ]);
    let owned = |kind: &str, api_version: &str, mut object: Json| {
        object["metadata"]["namespace"] = "owners".into();
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": api_version, "kind": kind, "name": "shop", "uid": "0f0b9f5c-0000-4000-8000-000000000000",
            "controller": true, "blockOwnerDeletion": true,
        }]);
        object.to_string()
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"app.kubernetes.io/managed-by": "mooring"}}});
    let resource = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "CloudResource", "metadata": {"name": "shop-web-log"},
        "spec": {"application": "shop", "component": "web", "name": "log", "log": {}},
    });
    for object in [
        owned("CloudResource", "mooring.dev/v1alpha1", secret),
        owned("Application", "core.oam.dev/v1beta1", resource),
    ] {
        installed.until_refused(
            &[others, "create", "--dry-run=server", "-f", "-"],
            &object,
            "cannot set blockOwnerDeletion",
        );
        installed.run_with(&[ACCOUNT, "create", "--dry-run=server", "-f", "-"], &object);
    }
}
