//! The command line: bad usage and bad input, each with a message that names what is wrong and how to mend it.

use crate::workplace::{Workplace, shop};

#[test]
fn bad_usage_ends_with_two_and_help_with_zero() {
    let workplace = Workplace::new();
    for (arguments, part) in [
        (&["up"][..], "--file"),
        (&["down"], "`-f`"),
        (&["explode"], "unrecognized subcommand"),
        (&["up", "-f", "missing.yaml"], "missing.yaml: cannot be read"),
        (
            &["up", "-f", "missing.yaml", "-o", "xml"],
            "possible values: table, json, yaml",
        ),
        (
            &["up", "-f", "missing.yaml", "--timeout", "soon"],
            "`soon` is not a span of time",
        ),
        (&["approve", "delete", "shop"], "namespace/application/component/name"),
        (
            &["approve", "everything", "a/b/c/d"],
            "possible values: delete, move, recreate, abandon",
        ),
        (&["--log", "=[", "ls"], "--log"),
    ] {
        let ran = workplace.run(arguments).code(2);
        assert!(ran.stderr.contains(part), "{part} in {ran:?}");
    }
    for arguments in [
        &["--help"][..],
        &["up", "--help"],
        &["--version"],
        &["crds"],
        &["completion", "bash"],
        &["ls"],
    ] {
        workplace.run(arguments).ok();
    }
    assert!(
        workplace
            .run(&["crds"])
            .stdout
            .contains("kind: CustomResourceDefinition")
    );
    workplace.run(&["crds", "--write", "crds"]).ok();
    assert!(workplace.path("crds/mooring.dev_cloudresources.yaml").exists());
    assert!(!workplace.path(".mooring").exists(), "looking makes nothing");
}

#[test]
fn bad_input_is_told_whole_and_nothing_is_made() {
    let environment = |spec: &str| {
        let head = "---\napiVersion: mooring.dev/v1alpha1\nkind: Environment\nmetadata: {name: e}\n";
        format!("{}\n{head}spec: {{providers: {{default: mock}}, {spec}}}\n", shop())
    };
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "no YAML",
            "a: [1\nb: 2\n".into(),
            &["document 1", "line ", "is no YAML"],
        ),
        (
            "no kind",
            "apiVersion: v1\n".into(),
            &["document 1 (line 1)", "kind: is missing"],
        ),
        (
            "kind misspelt",
            shop().replace("kind: Application", "kind: Aplication"),
            &["`Aplication`", "did you mean `Application`?"],
        ),
        (
            "version",
            shop().replace("core.oam.dev/v1beta1", "core.oam.dev/v1"),
            &["apiVersion: `core.oam.dev/v1`", "must be `core.oam.dev/v1beta1`"],
        ),
        (
            "no application",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n".into(),
            &["there is no Application"],
        ),
        (
            "unknown property",
            shop().replace("engine: mysql", "engine: mysql, storag: 20Gi"),
            &[
                "shop.yaml, document 1",
                "Application `shop`",
                "component `web`, trait `rds`",
                "storag: `20Gi`",
                "did you mean `storage`?",
            ],
        ),
        (
            "wrong type",
            shop().replace("engine: mysql", "engine: mysql, highAvailability: 3"),
            &["highAvailability: `3`", "true or false"],
        ),
        (
            "no size",
            shop().replace("engine: mysql", "engine: mysql, size: lage"),
            &["size: `lage`", "did you mean `large`?"],
        ),
        (
            "bad quantity",
            shop().replace("engine: mysql", "engine: mysql, storage: lots"),
            &["storage: `lots`"],
        ),
        (
            "out of range at the provider",
            shop().replace("engine: mysql", "engine: mysql, version: '1.0'"),
            &["version", "`1.0`", "8.0"],
        ),
        (
            "two traits of one name",
            shop().replace("type: log", "type: vpc"),
            &["two traits of this component have this name"],
        ),
        (
            "trait misspelt",
            shop().replace("type: log", "type: logs"),
            &["trait `logs`", "did you mean `log`"],
        ),
        (
            "bind to nothing",
            shop().replace("to: web/rds", "to: web/db"),
            &["to: `web/db`", "declares no `web/db`"],
        ),
        (
            "bind to another application",
            shop().replace("to: web/rds", "to: team-b/orders"),
            &["without a cluster"],
        ),
        (
            "unknown environment",
            shop().replace(
                "name: shop\n",
                "name: shop\n  labels: {mooring.dev/environment: prodction}\n",
            ),
            &["`prodction`", "no such Environment"],
        ),
        (
            "environment not admitted",
            environment("network: {id: net, dedicated: {allow: true}}"),
            &["no `allowedNamespaces`"],
        ),
        (
            "environment misspelt",
            environment("allowedNamespaces: {}, providrs: {}"),
            &[
                "document 2",
                "Environment `e`",
                "spec.providrs",
                "did you mean `providers`?",
            ],
        ),
        (
            "limit",
            environment(
                "allowedNamespaces: {}, network: {id: net, dedicated: {allow: true, cidrPool: 10.64.0.0/10}}, limits: {rds: {storage: 10Gi}}",
            ),
            &["limits.rds.storage"],
        ),
        (
            "an id that nobody listed",
            environment(
                "allowedNamespaces: {}, network: {id: net, dedicated: {allow: true, cidrPool: 10.64.0.0/10}}, existing: {rds: [{id: rm-1, namespaces: {}}]}",
            )
            .replace("engine: mysql", "engine: mysql, existing: {id: rm-2}"),
            &["existing.id: `rm-2`", "`existing.rds`", "an SRE"],
        ),
        (
            "shared by clusters",
            environment(
                "allowedNamespaces: {}, identityScope: environment, home: blue, network: {id: net, dedicated: {allow: true, cidrPool: 10.64.0.0/10}}",
            ),
            &["is shared by clusters", "home cluster"],
        ),
        (
            "no provider",
            environment("allowedNamespaces: {}").replace("default: mock", "default: nowhere"),
            &["ProviderConfig `nowhere`"],
        ),
        (
            "dedicated networks are not allowed",
            environment("allowedNamespaces: {}"),
            &["allows no dedicated networks"],
        ),
        (
            "the same twice",
            format!("{}---\n{}", shop(), shop()),
            &["a second application", "document 2"],
        ),
        (
            "a Secret without its value",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {token: not*base64}\n".into(),
            &["data.token: is no base64"],
        ),
    ];
    for (what, text, parts) in cases {
        let workplace = Workplace::new();
        let file = workplace.write("shop.yaml", &text);
        for verb in ["up", "plan"] {
            let ran = workplace.run(&[verb, "-f", &file]).code(2);
            // A plan says what cannot be had beside what can.
            let said = if verb == "plan" {
                format!("{}{}", ran.stdout, ran.stderr)
            } else {
                assert!(ran.stdout.is_empty(), "{what}: {ran:?}");
                ran.stderr.clone()
            };
            for part in parts {
                assert!(said.contains(part), "{what}: {part} in {said}");
            }
            assert!(
                ran.stderr.starts_with("error: ") && !said.contains("not*base64"),
                "{what}: {ran:?}"
            );
        }
        assert!(!workplace.path(".mooring").exists(), "{what}: nothing is made");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let workplace = Workplace::new();
    let bad = shop()
        .replace("engine: mysql", "engin: mysql")
        .replace("port: 80,", "port: 80000,")
        .replace("web/rds", "web/db");
    let file = workplace.write("shop.yaml", &bad);
    let ran = workplace.run(&["up", "-f", &file]).code(2);
    for part in ["engin", "listeners[0].port: `80000`", "`web/db`"] {
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
    }
    assert!(
        ran.stderr.lines().all(|line| line.starts_with("error: ")),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_is_not_ours_is_left_alone_and_told() {
    let workplace = Workplace::new();
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n";
    let file = workplace.write("shop.yaml", &format!("{}{service}", shop()));
    let ran = workplace.run(&["up", "-f", &file]).ok();
    assert!(ran.stderr.contains("Service `web`: left alone"), "{ran:?}");
}

#[test]
fn resources_declared_by_hand_are_made_like_any_other() {
    let workplace = Workplace::new();
    let text = "apiVersion: mooring.dev/v1alpha1\nkind: CloudResource\nmetadata: {name: shop-web-rds}\n\
        spec: {application: shop, component: web, name: rds, rds: {engine: postgresql}}\n";
    let file = workplace.write("db.yaml", text);
    let up = workplace.json(&["up", "-f", &file, "-o", "json"]);
    assert_eq!(
        (&up["resources"][0]["kind"], &up["resources"][0]["ready"]),
        (&"rds".into(), &true.into())
    );
    assert!(workplace.env("web")["RDS_URI"].starts_with("postgresql://"));
    let wrong = workplace.write("wrong.yaml", &text.replace("postgresql", "oracle"));
    let ran = workplace.run(&["up", "-f", &wrong]).code(2);
    assert!(
        ran.stderr.contains("CloudResource `shop-web-rds`") && ran.stderr.contains("`oracle`"),
        "{ran:?}"
    );
}
