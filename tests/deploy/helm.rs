//! The Helm charts: they render what kustomize renders, install, and their removal deletes nothing that is needed.

use std::{collections::BTreeMap, path::Path, process::Command, sync::OnceLock};

use serde_json::{Value as Json, json};

use crate::{Installed, path, rendered, root, support::cluster::Cluster};

const CHART: &str = "deploy/helm/mooring";
const DEFINITIONS: &str = "deploy/helm/mooring-crds";
/// With it, Helm leaves an object when its release goes.
const POLICY: &str = "helm.sh/resource-policy";

/// Runs Helm; what it printed, or what it said when it failed.
fn helm(kubeconfig: Option<&Path>, arguments: &[&str]) -> Result<String, String> {
    static BINARY: OnceLock<String> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        let built = Command::new(path("tests/helm/build"))
            .output()
            .expect("tests/helm/build runs");
        assert!(
            built.status.success(),
            "Helm is built from its Go module: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        String::from_utf8(built.stdout).expect("a path").trim().to_owned()
    });
    // What Helm keeps on the disk of its user is not asked for.
    let home = tempfile::tempdir().expect("a directory");
    let output = Command::new(binary)
        .args(arguments)
        .current_dir(root())
        .env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/dev/null")))
        .env("HELM_CONFIG_HOME", home.path())
        .env("HELM_CACHE_HOME", home.path())
        .env("HELM_DATA_HOME", home.path())
        .output()
        .expect("Helm runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stdout) + &text(&output.stderr)),
    }
}

/// The objects of a chart, with these `--set` values.
fn templated(chart: &str, namespace: &str, values: &[&str]) -> Vec<Json> {
    let mut arguments = vec!["template", "mooring", chart, "--namespace", namespace];
    arguments.extend(values.iter().flat_map(|value| ["--set", value]));
    let yaml = helm(None, &arguments).expect("it renders");
    let objects: Vec<Json> = serde_saphyr::from_multiple(&yaml).expect("Helm prints YAML");
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// One way to write a number: `65535.0` is 65535.
fn plain(value: &mut Json) {
    match value {
        Json::Number(number) => {
            if let Some(whole) = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() < 1e15)
            {
                *value = json!(whole);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(plain),
        Json::Object(fields) => fields.values_mut().for_each(plain),
        _ => {}
    }
}

/// Objects by kind, namespace and name, without what is said to Helm alone.
fn by_name(objects: Vec<Json>) -> BTreeMap<String, Json> {
    let mut all = BTreeMap::new();
    for mut object in objects {
        plain(&mut object);
        if let Some(annotations) = object
            .pointer_mut("/metadata/annotations")
            .and_then(Json::as_object_mut)
        {
            annotations.remove(POLICY);
            if annotations.is_empty() {
                object["metadata"]
                    .as_object_mut()
                    .expect("metadata")
                    .remove("annotations");
            }
        }
        // Kustomize puts the variables that an overlay changes first; none of ours refers to another.
        for container in object
            .pointer_mut("/spec/template/spec/containers")
            .and_then(Json::as_array_mut)
            .into_iter()
            .flatten()
        {
            let env = container.get_mut("env").and_then(Json::as_array_mut);
            env.into_iter()
                .for_each(|env| env.sort_by_key(|one| one["name"].to_string()));
        }
        let meta = &object["metadata"];
        let name = format!("{} {} {}", object["kind"], meta["namespace"], meta["name"]);
        assert!(all.insert(name.clone(), object).is_none(), "{name} twice");
    }
    all
}

/// What kustomize renders, but for the namespace: Helm keeps its own record in it, so it must be there before.
fn by_kustomize(kustomization: &str) -> BTreeMap<String, Json> {
    let objects = rendered(kustomization);
    by_name(
        objects
            .into_iter()
            .filter(|object| object["kind"] != "Namespace")
            .collect(),
    )
}

#[track_caller]
fn assert_same(chart: BTreeMap<String, Json>, kustomize: BTreeMap<String, Json>) {
    let names = |objects: &BTreeMap<String, Json>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&chart), names(&kustomize));
    for (name, object) in &chart {
        assert_eq!(object, &kustomize[name], "{name}");
    }
}

#[test]
fn the_charts_pass_the_linter() {
    for chart in [CHART, DEFINITIONS] {
        helm(None, &["lint", "--strict", chart]).unwrap_or_else(|said| panic!("{said}"));
    }
}

#[test]
fn each_way_to_set_it_up_renders_what_kustomize_renders() {
    assert_same(by_name(templated(CHART, "mooring-system", &[])), by_kustomize("deploy"));
    let postgres = ["replicas=3", "ledger.postgres.secretName=mooring-ledger"];
    assert_same(
        by_name(templated(CHART, "mooring-system", &postgres)),
        by_kustomize("deploy/overlays/postgres"),
    );
    assert_same(
        by_name(templated(CHART, "mooring-system", &["namespaced.enabled=true"])),
        by_kustomize("deploy/overlays/namespaced"),
    );
    let mut all = by_kustomize("deploy");
    all.extend(by_kustomize("deploy/monitoring"));
    assert_same(
        by_name(templated(CHART, "mooring-system", &["monitoring.enabled=true"])),
        all,
    );
    assert_same(
        by_name(templated(CHART, "mooring-system", &["serviceBindings.enabled=true"])),
        by_kustomize("deploy/overlays/servicebinding"),
    );
    assert_same(
        by_name(templated(DEFINITIONS, "mooring-system", &[])),
        by_kustomize("crds"),
    );
    let mut all = by_kustomize("crds");
    all.extend(by_kustomize("crds/servicebinding"));
    assert_same(
        by_name(templated(
            DEFINITIONS,
            "mooring-system",
            &["serviceBindings.enabled=true"],
        )),
        all,
    );
}

#[test]
fn what_holds_data_outlives_its_release() {
    let kept = |objects: Vec<Json>| {
        let kept = objects
            .into_iter()
            .filter(|object| object["metadata"]["annotations"][POLICY] == "keep");
        kept.map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    let mut operator = kept(templated(CHART, "mooring-system", &[]));
    operator.sort();
    assert_eq!(
        operator,
        [
            "PersistentVolumeClaim mooring-ledger",
            "ValidatingAdmissionPolicy mooring-uninstall",
            "ValidatingAdmissionPolicyBinding mooring-uninstall",
        ]
    );
    assert_eq!(
        kept(templated(DEFINITIONS, "mooring-system", &[])).len(),
        4,
        "each definition"
    );
}

#[test]
fn values_reach_the_operator_and_bad_ones_are_refused() {
    let values = [
        "image.repository=registry.test/mooring",
        "image.tag=1.2.3",
        "applications=off",
        "cluster=north",
        "extraArgs={--patience=30m}",
        "namespaced.enabled=true",
        "namespaced.namespaces={team-a,team-b}",
    ];
    let objects = templated(CHART, "elsewhere", &values);
    let text = serde_json::to_string(&objects).expect("JSON");
    assert!(
        !text.contains("mooring-system"),
        "another namespace is another one everywhere"
    );
    let deployment = crate::object(&objects, "Deployment", "mooring");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.test/mooring:1.2.3");
    let arguments: Vec<_> = container["args"]
        .as_array()
        .expect("args")
        .iter()
        .filter_map(Json::as_str)
        .collect();
    assert_eq!(
        arguments[4..],
        ["--applications=off", "--cluster=north", "--patience=30m"]
    );
    let opened = objects.iter().filter(|object| object["kind"] == "RoleBinding");
    let mut opened: Vec<_> = opened
        .filter_map(|object| object["metadata"]["namespace"].as_str())
        .collect();
    opened.sort_unstable();
    assert_eq!(opened, ["elsewhere", "team-a", "team-b"]);

    for (value, said) in [
        (
            "replicas=3",
            "has one writer; set ledger.postgres.secretName, or replicas: 1",
        ),
        ("applications=maybe", "/applications"),
        ("replcas=1", "replcas"),
    ] {
        let refused = helm(None, &["template", "mooring", CHART, "--set", value]).expect_err(value);
        assert!(refused.contains(said), "{refused}");
    }
}

/// On a real API server: installed, upgraded to the same, removed, and installed over what its removal left.
#[test]
fn it_installs_goes_and_comes_again_and_no_data_is_deleted() {
    let installed = Installed {
        cluster: Cluster::audited(),
    };
    let kubeconfig = installed.cluster.kubeconfig.clone();
    let run =
        |arguments: &[&str]| helm(Some(&kubeconfig), arguments).unwrap_or_else(|said| panic!("{arguments:?}: {said}"));
    let install = [
        "upgrade",
        "--install",
        "mooring",
        CHART,
        "--namespace",
        "mooring-system",
    ];
    installed.run(&["apply", "-f", "deploy/base/namespace.yaml"]);
    run(&[
        "upgrade",
        "--install",
        "mooring-crds",
        DEFINITIONS,
        "--namespace",
        "mooring-system",
        "--take-ownership",
    ]);
    run(&install);
    installed.until_refused(
        &["delete", "crd", "cloudresources.mooring.dev", "--dry-run=server"],
        "",
        "mooring uninstall",
    );
    let generation = || {
        installed.run(&[
            "get",
            "-n",
            "mooring-system",
            "deployment/mooring",
            "-o",
            "jsonpath={.metadata.generation}",
        ])
    };
    let before = generation();
    run(&install);
    assert_eq!(generation(), before, "the same once more changes nothing");

    installed.run(&["apply", "-f", "crds/examples/environment-mock.yaml"]);
    for release in ["mooring", "mooring-crds"] {
        run(&["uninstall", release, "--namespace", "mooring-system"]);
    }
    installed.run(&["get", "-n", "mooring-system", "persistentvolumeclaim/mooring-ledger"]);
    installed.run(&["get", "-f", "crds/examples/environment-mock.yaml"]);
    installed.refused(&["get", "-n", "mooring-system", "deployment/mooring"], "", "not found");
    installed.refused(
        &["delete", "crd", "cloudresources.mooring.dev"],
        "",
        "mooring uninstall",
    );
    run(&install);
    installed.run(&["get", "-n", "mooring-system", "deployment/mooring"]);
}
