use mooring_provider::ErrorKind;
use serde_json::{Value as Json, json};

use super::OnpremConfig;

fn server(name: &str) -> Json {
    json!({"name": name, "host": "db1.idc", "caBundle": "-----BEGIN CERTIFICATE-----"})
}

#[test]
fn a_server_is_enough() {
    let config = OnpremConfig::read(&json!({"postgresql": [server("pg1")]})).expect("it is good");
    assert_eq!((config.postgresql[0].port, config.connections), (None, 20));
    assert!(config.mariadb.is_empty() && config.log.is_none());
}

#[test]
fn what_is_wrong_is_named_with_its_field() {
    let with = |field: &str, value: Json| {
        let mut server = server("pg1");
        server[field] = value;
        json!({"postgresql": [server]})
    };
    let backup = json!({"postgresql": [server("a")], "backup": {"directory": "dumps"}});
    let cases = [
        (json!({}), "spec.onprem: no server is named"),
        (json!({"postgres": []}), "spec.onprem: unknown field `postgres`"),
        (with("name", json!("Pg_1")), "spec.onprem.postgresql[0].name: `Pg_1`"),
        (with("host", json!("a/b")), "spec.onprem.postgresql[0].host: `a/b`"),
        (with("caBundle", json!("x")), "spec.onprem.postgresql[0].caBundle"),
        (
            json!({"mysql": [server("a")], "mariadb": [server("a")]}),
            "spec.onprem.mysql[0].name: `a` is the name",
        ),
        (
            json!({"mysql": [server("a")], "connections": 0}),
            "spec.onprem.connections: `0`",
        ),
        (
            json!({"mysql": [server("a")], "connectTimeout": "1h"}),
            "spec.onprem.connectTimeout: `1h`",
        ),
        (backup, "spec.onprem.backup.directory: `dumps`"),
        (
            json!({"log": {"flavour": "loki", "url": "here", "registry": "/r", "retention": "30d"}}),
            "spec.onprem.log.url: `here`",
        ),
        (
            json!({"log": {"flavour": "loki", "url": "http://l", "registry": "r", "retention": "30d"}}),
            "spec.onprem.log.registry: `r`",
        ),
        (
            json!({"monitor": {"url": "http://p", "rulesDirectory": "/r", "expressions": {"rds": {"5xx": "x"}}}}),
            "spec.onprem.monitor.expressions.rds.5xx: `5xx` of `rds`",
        ),
        (
            json!({"monitor": {"url": "http://p:9090", "rulesDirectory": "r"}}),
            "spec.onprem.monitor.rulesDirectory",
        ),
        (
            json!({"slb": {"adminUrl": "unix", "addresses": ["10.0.0.5"]}}),
            "spec.onprem.slb.adminUrl: `unix`",
        ),
    ];
    for (config, words) in cases {
        let error = OnpremConfig::read(&config).expect_err(words);
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
        assert!(error.message().starts_with(words), "{config}: {error}");
    }
}
