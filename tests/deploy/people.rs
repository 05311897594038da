//! What people may do with the roles that come along, and what nobody may.

use serde_json::Value as Json;

use crate::{Installed, object, rendered};

fn can(installed: &Installed, who: &str, namespace: &str, question: &str) -> bool {
    let mut arguments = vec!["auth", "can-i", "--as", who, "-n", namespace];
    arguments.extend(question.split(' '));
    match installed.try_run(&arguments, "") {
        Ok(_) => true,
        // It fails for "no", which it prints on stdout.
        Err(error) => {
            assert!(!error.to_lowercase().contains("error"), "{question}: {error}");
            false
        }
    }
}

#[test]
fn each_gets_what_their_work_needs() {
    let installed = Installed::shared();
    installed.run(&["create", "namespace", "people"]);
    // kubectl asks about kinds that it knows only.
    installed.run(&["apply", "-f", "crds/application/core.oam.dev_applications.yaml"]);
    installed.run(&[
        "wait",
        "--for=condition=Established",
        "crd/applications.core.oam.dev",
        "--timeout=60s",
    ]);
    for (who, role) in [("reader", "view"), ("dev", "edit"), ("lead", "admin")] {
        installed.run(&[
            "create",
            "rolebinding",
            who,
            "-n",
            "people",
            "--clusterrole",
            role,
            "--user",
            who,
        ]);
    }
    installed.run(&[
        "create",
        "clusterrolebinding",
        "sre",
        "--clusterrole=mooring-sre",
        "--user=sre",
    ]);
    installed.run(&[
        "create",
        "rolebinding",
        "sre",
        "-n",
        "mooring-system",
        "--role=mooring-sre",
        "--user=sre",
    ]);
    // Aggregation is a controller's work.
    let begun = std::time::Instant::now();
    while !can(installed, "dev", "people", "create cloudresources.mooring.dev") {
        assert!(begun.elapsed() < crate::PATIENCE, "the roles are not aggregated");
    }
    for (who, question, expected) in [
        ("reader", "get cloudresources.mooring.dev", true),
        ("reader", "create cloudresources.mooring.dev", false),
        ("dev", "get cloudresources.mooring.dev", true),
        ("dev", "patch cloudresources.mooring.dev", true),
        ("dev", "create applications.core.oam.dev", true),
        ("dev", "patch cloudresources.mooring.dev --subresource=status", false),
        ("dev", "patch environments.mooring.dev", false),
        ("lead", "delete cloudresources.mooring.dev", true),
        ("lead", "patch environments.mooring.dev", false),
        ("sre", "patch environments.mooring.dev", true),
        ("sre", "create providerconfigs.mooring.dev", true),
        ("sre", "delete retainedresources.mooring.dev", true),
        ("sre", "patch cloudresources.mooring.dev", true),
        ("sre", "get secrets", false),
    ] {
        assert_eq!(can(installed, who, "people", question), expected, "{who} {question}");
    }
    assert!(
        can(installed, "sre", "mooring-system", "create secrets"),
        "the credentials of providers"
    );
}

/// What runs there has rights on Secrets and workloads in no namespace that was not opened to it.
#[test]
fn namespace_by_namespace_only_those_that_were_opened() {
    let installed = Installed::with("deploy/overlays/namespaced");
    for namespace in ["open", "closed"] {
        installed.run(&["create", "namespace", namespace]);
    }
    installed.run(&[
        "apply",
        "-n",
        "open",
        "-f",
        "deploy/overlays/namespaced/open/role-binding.yaml",
    ]);
    let account = "system:serviceaccount:mooring-system:mooring";
    for question in [
        "get secrets",
        "create secrets",
        "update secrets",
        "delete secrets",
        "patch deployments.apps",
        "get cronjobs.batch",
        "create deployments.apps",
        "delete services",
    ] {
        assert!(can(&installed, account, "open", question), "{question}");
        assert!(!can(&installed, account, "closed", question), "{question}");
    }
    for question in ["create secrets", "get secrets"] {
        assert!(can(&installed, account, "mooring-system", question), "{question}");
    }
    assert!(
        can(&installed, account, "closed", "watch deployments.apps"),
        "it knows that they are there"
    );
}

#[test]
fn secrets_are_never_listed_or_watched_and_nothing_is_granted_by_a_star() {
    for kustomization in ["deploy", "deploy/overlays/postgres", "deploy/overlays/namespaced"] {
        let objects = rendered(kustomization);
        for role in objects
            .iter()
            .filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role")))
        {
            let name = role["metadata"]["name"].as_str().expect("a name");
            let words = |rule: &Json, field: &str| -> Vec<String> {
                let all = rule[field].as_array().into_iter().flatten();
                all.filter_map(|word| word.as_str().map(str::to_owned)).collect()
            };
            for rule in role["rules"].as_array().expect("rules") {
                let (resources, verbs) = (words(rule, "resources"), words(rule, "verbs"));
                let all = resources.iter().chain(&verbs);
                assert!(
                    !all.chain(&words(rule, "apiGroups")).any(|word| word.contains('*')),
                    "{name}: {rule}"
                );
                if name != "mooring-sre" && resources.iter().any(|resource| resource == "secrets") {
                    assert!(
                        !verbs
                            .iter()
                            .any(|verb| ["list", "watch", "patch"].contains(&verb.as_str())),
                        "{name}: {rule}"
                    );
                }
            }
        }
        let role = object(&objects, "ClusterRole", "mooring-service-binding");
        assert_eq!(role["metadata"]["labels"]["servicebinding.io/controller"], "true");
    }
}
