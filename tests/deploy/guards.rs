//! The policies: what our own account may not do although its rights allow it, and what nobody may delete by accident.
//! Everything is a dry run at the API server: admission is the same, nothing stays.

use crate::{ACCOUNT, Installed, rendered, secret};

const WEB: &str = include_str!("data/web.yaml");
/// What the binding controller applies to it.
const BOUND: &str = include_str!("data/bound.yaml");

/// A namespace with workloads of somebody's, for one test.
fn team(installed: &Installed, namespace: &str) {
    installed.run(&["create", "namespace", namespace]);
    installed.run_with(&["create", "-n", namespace, "-f", "-"], WEB);
}

/// The binding controller's apply, with its field manager.
fn applied<'a>(namespace: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![ACCOUNT, "apply", "-n", namespace, "--server-side", "--force-conflicts"];
    arguments.extend(["--field-manager=mooring-binding", "-f", "-"]);
    arguments.extend(more);
    arguments
}

#[test]
fn the_operator_changes_only_secrets_that_are_its_own() {
    let installed = Installed::shared();
    installed.run(&["create", "namespace", "secrets"]);
    for owner in ["mooring", "somebody"] {
        installed.run_with(&["create", "-f", "-"], &secret("secrets", owner, "Opaque", owner));
    }
    let create = [ACCOUNT, "create", "--dry-run=server", "-f", "-"];
    let replace = [ACCOUNT, "replace", "--dry-run=server", "-f", "-"];
    let delete = |name| [ACCOUNT, "delete", "secret", "-n", "secrets", "--dry-run=server", name];

    installed.run_with(&create, &secret("secrets", "new", "servicebinding.io/mysql", "mooring"));
    installed.run_with(&create, &secret("secrets", "new", "Opaque", "mooring"));
    installed.run_with(&replace, &secret("secrets", "mooring", "Opaque", "mooring"));
    installed.run(&delete("mooring"));

    installed.refused(
        &create,
        &secret("secrets", "new", "Opaque", "somebody"),
        "carries app.kubernetes.io/managed-by",
    );
    installed.refused(
        &replace,
        &secret("secrets", "somebody", "Opaque", "somebody"),
        "not managed by Mooring",
    );
    installed.refused(
        &replace,
        &secret("secrets", "somebody", "Opaque", "mooring"),
        "not managed by Mooring",
    );
    installed.refused(
        &replace,
        &secret("secrets", "mooring", "Opaque", "somebody"),
        "carries app.kubernetes.io/managed-by",
    );
    installed.refused(&delete("somebody"), "", "not managed by Mooring");
    // The API server would put a token of that account into it.
    let token = secret("secrets", "token", "kubernetes.io/service-account-token", "mooring").replace(
        "labels:",
        "annotations: {kubernetes.io/service-account.name: default}, labels:",
    );
    installed.refused(&create, &token, "only Secrets of type");
    // Others are not concerned.
    installed.run_with(
        &["replace", "--dry-run=server", "-f", "-"],
        &secret("secrets", "somebody", "Opaque", "somebody"),
    );
}

#[test]
fn the_operator_changes_only_env_of_workloads_that_are_not_its_own() {
    let installed = Installed::shared();
    team(installed, "workloads");
    // Bound, bound otherwise, unbound, each for real: the next is judged against the one before.
    installed.run_with(&applied("workloads", &[]), BOUND);
    installed.run_with(
        &applied("workloads", &[]),
        &BOUND.replace("key: host", "key: port").replace("shop=2", "shop=3"),
    );
    let kinds = ["deployment", "statefulset", "daemonset", "cronjob"];
    for kind in kinds {
        let env = installed.run(&["get", kind, "web", "-n", "workloads", "-o", "yaml"]);
        assert!(
            env.contains("key: port") && env.contains("shop=3") && env.contains("value: theirs"),
            "{env}"
        );
    }
    installed.run_with(&applied("workloads", &[]), &unbound());

    let pod = |change: &str| format!(r#"{{"spec":{{"template":{{"spec":{change}}}}}}}"#);
    let web = |change: &str| pod(&format!(r#"{{"containers":[{{"name":"web",{change}}}]}}"#));
    let job = |change: &str| format!(r#"{{"spec":{{"jobTemplate":{change}}}}}"#);
    for kind in kinds {
        let inside = |change: String| if kind == "cronjob" { job(&change) } else { change };
        for (change, reason) in [
            (
                inside(web(r#""image":"evil:1""#)),
                "only env entries that refer to a Secret",
            ),
            (
                inside(web(r#""command":["sh"]"#)),
                "only env entries that refer to a Secret",
            ),
            (
                inside(web(r#""env":[{"name":"LD_PRELOAD","value":"/x.so"}]"#)),
                "only env entries that refer to a Secret",
            ),
            (
                inside(web(r#""env":[{"name":"THEIRS","value":"ours"}]"#)),
                "only env entries that refer to a Secret",
            ),
            (
                inside(web(r#""env":[{"name":"THEIRS","$patch":"delete"}]"#)),
                "only env entries that refer to a Secret",
            ),
            (
                inside(web(r#""envFrom":[{"secretRef":{"name":"all"}}]"#)),
                "only env entries that refer to a Secret",
            ),
            (
                inside(pod(r#"{"initContainers":[{"name":"first","image":"evil:1"}]}"#)),
                "only env entries that refer to a Secret",
            ),
            (
                inside(pod(r#"{"containers":[{"name":"more","image":"evil:1"}]}"#)),
                "pods that are not its own",
            ),
            (
                inside(pod(r#"{"containers":[{"name":"side","$patch":"delete"}]}"#)),
                "pods that are not its own",
            ),
            (
                inside(pod(r#"{"serviceAccountName":"admin"}"#)),
                "pods that are not its own",
            ),
            (inside(pod(r#"{"hostNetwork":true}"#)), "pods that are not its own"),
            (
                inside(pod(r#"{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}"#)),
                "pods that are not its own",
            ),
            (
                inside(r#"{"spec":{"template":{"metadata":{"annotations":{"x":"y"}}}}}"#.into()),
                "only the annotation",
            ),
            (
                inside(r#"{"spec":{"template":{"metadata":{"labels":{"x":"y"}}}}}"#.into()),
                "only the annotation",
            ),
            (
                inside(r#"{"spec":{"template":{"metadata":{"annotations":{"theirs":null}}}}}"#.into()),
                "only the annotation",
            ),
            (r#"{"metadata":{"labels":{"x":"y"}}}"#.into(), "no metadata"),
            (
                r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"mooring"}}}"#.into(),
                "no metadata",
            ),
            (r#"{"metadata":{"annotations":{"x":"y"}}}"#.into(), "no metadata"),
            (r#"{"metadata":{"finalizers":["x.y/z"]}}"#.into(), "no metadata"),
        ] {
            let patch = [
                ACCOUNT,
                "patch",
                kind,
                "web",
                "-n",
                "workloads",
                "--dry-run=server",
                "--type=strategic",
                "-p",
                &change,
            ];
            installed.refused(&patch, "", reason);
        }
    }
    for (kind, change) in [
        ("deployment", r#"{"spec":{"replicas":3}}"#),
        ("statefulset", r#"{"spec":{"replicas":2}}"#),
        ("daemonset", r#"{"spec":{"minReadySeconds":3}}"#),
        ("cronjob", r#"{"spec":{"schedule":"* * * * *"}}"#),
        (
            "cronjob",
            r#"{"spec":{"jobTemplate":{"metadata":{"labels":{"x":"y"}}}}}"#,
        ),
        ("cronjob", r#"{"spec":{"jobTemplate":{"spec":{"backoffLimit":1}}}}"#),
    ] {
        let patch = [
            ACCOUNT,
            "patch",
            kind,
            "web",
            "-n",
            "workloads",
            "--dry-run=server",
            "--type=strategic",
            "-p",
            change,
        ];
        installed.refused(&patch, "", "nothing beside the pod template");
    }
    // A container cannot be swapped between the two lists either, nor do the labels of another kind open it.
    installed.run(&[
        "label",
        "statefulset",
        "web",
        "-n",
        "workloads",
        "app.kubernetes.io/managed-by=mooring",
    ]);
    let change = web(r#""image":"evil:1""#);
    let patch = [
        ACCOUNT,
        "patch",
        "statefulset",
        "web",
        "-n",
        "workloads",
        "--dry-run=server",
        "-p",
        &change,
    ];
    installed.refused(&patch, "", "only env entries that refer to a Secret");
}

fn unbound() -> String {
    let kinds = [
        "apps/v1, kind: Deployment",
        "apps/v1, kind: StatefulSet",
        "apps/v1, kind: DaemonSet",
        "batch/v1, kind: CronJob",
    ];
    kinds
        .map(|kind| format!("{{apiVersion: {kind}, metadata: {{name: web}}}}\n"))
        .join("---\n")
}

/// The cost of a policy's rules is limited by the API server, and beyond it everything is refused.
#[test]
fn workloads_with_much_env_can_be_bound() {
    let installed = Installed::shared();
    let env: String = (0..400).map(|n| format!("{{name: V{n}, value: \"{n}\"}},")).collect();
    let containers: String = (0..8)
        .map(|n| format!("- {{name: c{n}, image: \"x:1\", env: [{env}]}}\n      "))
        .collect();
    let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: much, namespace: much}\n";
    let whole = format!(
        "{head}spec:\n  selector: {{matchLabels: {{app: much}}}}\n  template:\n    metadata: {{labels: {{app: much}}}}\n    \
         spec:\n      containers:\n      {containers}"
    );
    installed.run(&["create", "namespace", "much"]);
    installed.run_with(&["create", "-f", "-"], &whole);
    let bound: String = (0..40)
        .map(|n| format!("{{name: S{n}, valueFrom: {{secretKeyRef: {{name: s, key: k{n}}}}}}},"))
        .collect();
    let ours: String = (0..8)
        .map(|n| format!("- {{name: c{n}, env: [{bound}]}}\n      "))
        .collect();
    let apply = format!("{head}spec:\n  template:\n    spec:\n      containers:\n      {ours}");
    installed.run_with(&applied("much", &[]), &apply);
}

#[test]
fn the_operator_renders_only_for_applications_and_nothing_with_power() {
    let installed = Installed::shared();
    team(installed, "rendered");
    let create = [ACCOUNT, "create", "-n", "rendered", "--dry-run=server", "-f", "-"];
    let deployment = |labels: &str, owner: &str, pod: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: shop, labels: {{{labels}}}, ownerReferences: [{owner}]}}, \
             spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{{pod} containers: \
             [{{name: shop, image: \"shop:1\"}}]}}}}}}}}"
        )
    };
    let (ours, owner) = (
        "app.kubernetes.io/managed-by: mooring",
        "{apiVersion: core.oam.dev/v1beta1, kind: Application, name: shop, uid: 0f0b9f5c-0000-4000-8000-000000000000}",
    );
    installed.run_with(&create, &deployment(ours, owner, ""));
    installed.refused(&create, &deployment("", owner, ""), "belongs to an Application");
    installed.refused(&create, &deployment(ours, "", ""), "belongs to an Application");
    installed.refused(
        &create,
        &deployment(ours, owner, "serviceAccountName: admin,"),
        "makes no pods with",
    );
    installed.refused(
        &create,
        &deployment(ours, owner, "hostNetwork: true,"),
        "makes no pods with",
    );
    installed.refused(
        &create,
        &deployment(ours, owner, "hostPID: true,"),
        "makes no pods with",
    );
    installed.refused(
        &create,
        &deployment(ours, owner, "hostIPC: true,"),
        "makes no pods with",
    );
    let privileged = deployment(ours, owner, "").replace("shop:1\"", "shop:1\", securityContext: {privileged: true}");
    installed.refused(&create, &privileged, "makes no pods with");
    installed.refused(
        &[
            ACCOUNT,
            "delete",
            "deployment",
            "web",
            "-n",
            "rendered",
            "--dry-run=server",
        ],
        "",
        "not managed by",
    );

    let service = |labels: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: shop, labels: {{{labels}}}, ownerReferences: [{owner}]}}, \
             spec: {{selector: {{a: b}}, ports: [{{port: 80}}]}}}}"
        )
    };
    installed.run_with(&create, &service(ours));
    installed.refused(&create, &service(""), "belongs to an Application");
    installed.run(&["create", "service", "clusterip", "theirs", "--tcp=80", "-n", "rendered"]);
    installed.refused(
        &[
            ACCOUNT,
            "delete",
            "service",
            "theirs",
            "-n",
            "rendered",
            "--dry-run=server",
        ],
        "",
        "not managed by",
    );
    let patch = r#"{"spec":{"selector":{"evil":"yes"}}}"#;
    let arguments = [
        ACCOUNT,
        "patch",
        "service",
        "theirs",
        "-n",
        "rendered",
        "--dry-run=server",
        "-p",
        patch,
    ];
    installed.refused(&arguments, "", "not managed by");
}

#[test]
fn the_operator_defines_applications_only_and_leaves_what_an_sre_wrote() {
    let installed = Installed::shared();
    // That it may define Applications, and is let take an approval off, is in the story.
    let create = [ACCOUNT, "create", "--dry-run=server", "-f", "-"];
    let other = crate::read("tests/controlplane/testdata/crds/probes.yaml");
    installed.refused(&create, &other, "defines no kind but Applications");

    installed.run(&["apply", "-f", "crds/examples/environment-mock.yaml"]);
    let names = installed.run(&["get", "environments.mooring.dev", "-o", "name"]);
    let name = names.lines().next().expect("an Environment");
    // kubectl reads before it patches.
    installed.run(&[
        "create",
        "clusterrole",
        "reads-environments",
        "--verb=get",
        "--resource=environments.mooring.dev",
    ]);
    let account = ACCOUNT.replace("--as=system:serviceaccount:", "--serviceaccount=");
    installed.run(&[
        "create",
        "clusterrolebinding",
        "reads-environments",
        "--clusterrole=reads-environments",
        &account,
    ]);
    let read = [ACCOUNT, "auth", "can-i", "get", "environments.mooring.dev"];
    while installed.try_run(&read, "").is_err() {}
    let patch = |change| [ACCOUNT, "patch", name, "--dry-run=server", "--type=merge", "-p", change];
    installed.run(&patch(r#"{"metadata":{"annotations":{"approve.mooring.dev/x":null}}}"#));
    installed.refused(
        &patch(r#"{"spec":{"allowedNamespaces":{}, "class":"production"}}"#),
        "",
        "what an SRE wrote",
    );
}

#[test]
fn definitions_and_the_namespace_go_only_when_it_was_said() {
    let installed = Installed::shared();
    for object in rendered("crds") {
        let name = object["metadata"]["name"].as_str().expect("a name");
        installed.refused(&["delete", "crd", name, "--dry-run=server"], "", "mooring uninstall");
    }
    installed.refused(
        &["delete", "namespace", "mooring-system", "--dry-run=server"],
        "",
        "mooring uninstall",
    );
    installed.run(&["create", "namespace", "unguarded"]);
    installed.run(&["delete", "namespace", "unguarded", "--dry-run=server"]);
    installed.run_with(
        &["apply", "-f", "-"],
        &crate::read("tests/controlplane/testdata/crds/probes.yaml"),
    );
    installed.run(&[
        "delete",
        "-f",
        "tests/controlplane/testdata/crds/probes.yaml",
        "--dry-run=server",
    ]);
    // Anything but "true" is no word.
    installed.run(&[
        "annotate",
        "crd",
        "environments.mooring.dev",
        "mooring.dev/allow-uninstall=false",
    ]);
    installed.refused(
        &["delete", "crd", "environments.mooring.dev", "--dry-run=server"],
        "",
        "mooring uninstall",
    );
    installed.run(&[
        "annotate",
        "crd",
        "environments.mooring.dev",
        "mooring.dev/allow-uninstall=true",
        "--overwrite",
    ]);
    installed.run(&["delete", "crd", "environments.mooring.dev", "--dry-run=server"]);
    installed.run(&[
        "annotate",
        "crd",
        "environments.mooring.dev",
        "mooring.dev/allow-uninstall-",
    ]);
}
