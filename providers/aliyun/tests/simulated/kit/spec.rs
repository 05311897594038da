//! What is declared.

use mooring_provider::Kind;
use mooring_simulator_aliyun::{SHARED_SECURITY_GROUP, SHARED_VPC, SHARED_VSWITCHES};
use serde_json::{Value as Json, json};

/// The address of a pod with a network interface of its own.
pub(crate) const POD: &str = "10.8.0.7";
/// The address of a node.
pub(crate) const NODE: &str = "10.8.0.8";

/// A listener of a spec.
pub(crate) fn listener(port: u16, protocol: &str, target: u16) -> Json {
    let path = (protocol == "http").then_some("/healthz");
    json!({"port": port, "protocol": protocol, "targetPort": target, "certificate": null, "healthCheckPath": path})
}

/// A spec that can be carried out.
pub(crate) fn spec(kind: Kind) -> Json {
    let network = json!({"id": SHARED_VPC, "subnets": SHARED_VSWITCHES.map(|id| json!({"id": id}))});
    let common = json!({"tags": {"cost-center": "c42"}, "resourceGroup": null, "options": {}});
    match kind {
        Kind::Vpc => json!({"cidr": "10.64.0.0/20", "egress": "none", "zones": [], "shared": null, "common": common}),
        Kind::Rds => json!({
            "engine": "mysql", "version": null, "class": "mysql.n2.medium.2c", "storage": "20Gi",
            "highAvailability": true, "database": "shop", "tls": "preferred", "backupRetention": "7d",
            "deletionProtection": true, "clients": ["10.8.0.0/16"], "network": network, "common": common,
        }),
        // An https listener would need a certificate; http is served by the same product.
        Kind::Slb => json!({
            "scheme": "internal", "allowFrom": [], "network": network, "common": common,
            "listeners": [listener(80, "http", 8080)],
            "backends": [{"address": POD, "targetPort": 8080, "port": 8080}],
        }),
        Kind::Log => json!({
            "retention": "30d", "sources": ["stdout"], "format": "text", "push": false, "common": common,
            "selector": {"namespace": "team-a", "labels": {"app.oam.dev/component": "web"}},
        }),
        _ => json!({
            "alarms": [
                {"name": "connections", "target": {"resource": {"kind": "rds", "id": "rm-1"}}, "metric": "connections",
                 "for": "5m", "notify": ["shop"], "threshold": {"above": true, "value": 80.0, "percent": true},
                 "severity": "warning"},
                {"name": "backends", "target": {"resource": {"kind": "slb", "id": "nlb-1"}}, "metric": "unhealthyBackends",
                 "for": "2h", "notify": ["shop"], "threshold": {"above": true, "value": 0.0, "percent": false},
                 "severity": "critical"}],
            "scrape": null, "selector": {"namespace": "team-a", "labels": {}}, "common": common,
        }),
    }
}

/// The same, changed in what can be changed in place. One tag goes or is another, and another comes.
pub(crate) fn changed(kind: Kind) -> Json {
    let mut spec = spec(kind);
    spec["common"]["tags"] = json!({"cost-center": "c43", "tier": "gold"});
    match kind {
        Kind::Rds => {
            spec["class"] = json!("mysql.n4.medium.2c");
            spec["storage"] = json!("40Gi");
            spec["clients"] = json!(["10.8.0.0/16", "10.9.0.0/16"]);
            spec["backupRetention"] = json!("14d");
            spec["clientSecurityGroup"] = json!(SHARED_SECURITY_GROUP);
        }
        Kind::Slb => {
            spec["listeners"] = json!([listener(81, "http", 8081)]);
            spec["allowFrom"] = json!(["10.9.0.0/16"]);
            spec["backends"] = json!([{"address": NODE, "targetPort": 8081, "port": 30081}]);
        }
        Kind::Log => {
            spec["retention"] = json!("60d");
            spec["sources"] = json!(["stdout", "file:/var/log/shop/app.log"]);
            spec["format"] = json!("json");
        }
        Kind::Monitor => {
            spec["common"]["tags"] = json!({"tier": "gold"});
            spec["alarms"][0]["threshold"]["value"] = json!(90.5);
            spec["alarms"].as_array_mut().expect("a list").truncate(1);
        }
        _ => spec["common"]["tags"] = json!({"tier": "gold"}),
    }
    spec
}
