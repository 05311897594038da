//! That it renders, installs, guards its own removal and installs again.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::{
    Installed, kubectl, object, rendered,
    support::cluster::{Cluster, PATIENCE},
};

#[test]
fn every_kustomization_is_accepted_by_an_api_server_without_a_warning() {
    let cluster = Cluster::audited();
    for kustomization in [
        "deploy",
        "deploy/overlays/postgres",
        "deploy/overlays/namespaced",
        "deploy/overlays/onprem",
        "crds",
    ] {
        let yaml = kubectl(None, &["kustomize", kustomization], "").expect("it renders");
        let mut arguments = vec![
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "--warnings-as-errors",
        ];
        arguments.extend(["--force-conflicts", "-f", "-"]);
        let applied = kubectl(Some(&cluster.kubeconfig), &arguments, &yaml);
        applied.unwrap_or_else(|error| panic!("{kustomization}: {error}"));
    }
}

/// An expression that names a field which is not there would only fail when it is needed.
#[test]
fn the_expressions_of_the_policies_fit_the_types() {
    let installed = Installed::shared();
    let begun = Instant::now();
    loop {
        let policies = installed.run(&["get", "validatingadmissionpolicies", "-o", "json"]);
        let policies: Json = serde_json::from_str(&policies).expect("JSON");
        let policies = policies["items"].as_array().expect("policies");
        assert_eq!(policies.len(), 5);
        for policy in policies {
            assert!(
                policy["status"]["typeChecking"]["expressionWarnings"].is_null(),
                "{policy}"
            );
        }
        if policies
            .iter()
            .all(|policy| policy["status"]["observedGeneration"] == policy["metadata"]["generation"])
        {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the policies are not looked at");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The namespace enforces `restricted`, so a pod that the ReplicaSet controller could make was admitted.
#[test]
fn its_pods_are_admitted_under_restricted_pod_security() {
    let installed = Installed::shared();
    installed.run(&[
        "wait",
        "-n",
        "mooring-system",
        "pod",
        "-l",
        "app.kubernetes.io/name=mooring",
        "--for=create",
        "--timeout=60s",
    ]);
    installed.refused(
        &[
            "run",
            "root",
            "-n",
            "mooring-system",
            "--image=root",
            "--dry-run=server",
        ],
        "",
        "violates PodSecurity",
    );
    for kustomization in ["deploy/overlays/postgres", "deploy/overlays/namespaced"] {
        let objects = rendered(kustomization);
        let template = &object(&objects, "Deployment", "mooring")["spec"]["template"];
        let mut pod = template.clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "probe".into();
        installed.run_with(
            &["create", "-n", "mooring-system", "--dry-run=server", "-f", "-"],
            &pod.to_string(),
        );
    }
}

#[test]
fn with_postgres_there_are_three_and_no_volume() {
    let objects = rendered("deploy/overlays/postgres");
    let deployment = object(&objects, "Deployment", "mooring");
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(deployment["spec"]["strategy"]["type"], "RollingUpdate");
    let ledger = |deployment: &Json| {
        let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array()
            .expect("env")
            .clone();
        env.into_iter()
            .find(|entry| entry["name"] == "MOORING_LEDGER")
            .expect("the ledger's URL")
    };
    assert_eq!(
        ledger(deployment)["valueFrom"]["secretKeyRef"]["name"],
        "mooring-ledger"
    );
    assert!(!objects.iter().any(|object| object["kind"] == "PersistentVolumeClaim"));
    let budget = object(&objects, "PodDisruptionBudget", "mooring");
    assert_eq!(budget["spec"]["selector"], deployment["spec"]["selector"]);

    let objects = rendered("deploy");
    let deployment = object(&objects, "Deployment", "mooring");
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]["type"]),
        (&1.into(), &"Recreate".into())
    );
    let url = ledger(deployment)["value"].as_str().expect("a URL").to_owned();
    let mounts = deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        .as_array()
        .expect("mounts")
        .clone();
    let directory = mounts
        .iter()
        .find(|mount| mount["name"] == "ledger")
        .expect("the volume")["mountPath"]
        .clone();
    assert!(
        url.starts_with(&format!("sqlite:{}/", directory.as_str().expect("a path"))),
        "the file is on the volume"
    );
}

/// A removal that stopped half-way, and an installation over what was left.
#[test]
fn it_installs_over_a_half_deleted_installation() {
    let installed = Installed::with("deploy");
    let environment = crate::read("crds/examples/environment-mock.yaml");
    installed.run_with(&["apply", "-f", "-"], &environment);
    installed.run(&[
        "annotate",
        "crd/cloudresources.mooring.dev",
        "namespace/mooring-system",
        "mooring.dev/allow-uninstall=true",
    ]);
    installed.run(&["delete", "crd", "cloudresources.mooring.dev"]);
    installed.run(&["delete", "clusterrolebinding", "mooring"]);
    installed.run(&["delete", "namespace", "mooring-system"]);

    installed.run(&["apply", "--kustomize", "crds"]);
    installed.install("deploy");
    let fresh = installed.run(&[
        "get",
        "crd/cloudresources.mooring.dev",
        "namespace/mooring-system",
        "-o",
        "yaml",
    ]);
    assert!(!fresh.contains("allow-uninstall"), "what was said once holds once");
    installed.refused(
        &["delete", "crd", "cloudresources.mooring.dev"],
        "",
        "mooring uninstall",
    );
    installed.run(&[
        "wait",
        "--for=condition=Established",
        "crd/cloudresources.mooring.dev",
        "--timeout=60s",
    ]);
    installed.run(&[
        "wait",
        "-n",
        "mooring-system",
        "pod",
        "-l",
        "app.kubernetes.io/name=mooring",
        "--for=create",
        "--timeout=60s",
    ]);
    installed.run(&["get", "-f", "crds/examples/environment-mock.yaml"]);
    let can = [
        "auth",
        "can-i",
        "--as=system:serviceaccount:mooring-system:mooring",
        "create",
        "cloudresources.mooring.dev",
        "-A",
    ];
    installed.run(&can);
    // And over one that is whole.
    installed.install("deploy");
}
