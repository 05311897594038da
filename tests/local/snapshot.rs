//! A database that goes with a last backup.

use mooring_provider::Kind;
use serde_json::json;

use crate::workplace::{Workplace, shop};

#[test]
fn a_database_goes_with_a_last_backup_where_one_can_be_made() {
    let workplace = Workplace::new();
    let text = shop().replace("mysql, as: DB}", "mysql, as: DB, deletionPolicy: Snapshot}");
    assert_ne!(text, shop());
    let file = workplace.write("shop.yaml", &text);
    workplace.run(&["up", "-f", &file]).ok();
    let down = workplace.run(&["down", "-f", &file]).ok();
    assert!(down.stderr.contains("its time was over: deleted"), "{down:?}");
    assert!(workplace.cloud().list().is_empty());
    let inventory = workplace.run(&["inventory"]).ok();
    assert!(inventory.stdout.contains("nothing of ours is there"), "{inventory:?}");

    // Servers without a directory for backups.
    let server = json!({"name": "pg1", "host": "127.0.0.1", "caBundle": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"});
    let idc = [
        json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": "idc"},
            "spec": {"onprem": {"postgresql": [server]}, "credentials": {"secretRef": {"name": "idc"}}},
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "idc"},
            "stringData": {"pg1.username": "a", "pg1.password": "b"},
        }),
        json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "idc"},
            "spec": {
                "providers": {"default": "mock", "rds": "idc"}, "allowedNamespaces": {},
                "network": {"dedicated": {"allow": true, "cidrPool": "10.64.0.0/10"}},
            },
        }),
    ];
    let idc: String = idc.iter().map(|document| format!("\n---\n{document}\n")).collect();
    let text = text.replace("engine: mysql", "engine: postgresql");
    let file = workplace.write("idc.yaml", &format!("{text}{idc}"));
    let up = workplace.run(&["up", "-f", &file, "--environment", "idc"]).code(2);
    assert!(
        up.stderr
            .contains("deletionPolicy: `Snapshot`: the provider has no place for a last backup"),
        "{up:?}"
    );
    assert!(
        workplace
            .cloud()
            .list()
            .iter()
            .all(|resource| resource.kind != Kind::Rds)
    );
}
