use mooring_provider::{
    Access, Bytes,
    spec::{Engine, Rds},
};
use serde_json::json;

use super::{engine, state};

fn spec(engine: &str, version: Option<&str>) -> Rds {
    serde_json::from_value(json!({
        "engine": engine, "version": version, "class": "c", "storage": "20Gi", "highAvailability": false,
        "database": "shop", "tls": "preferred", "backupRetention": null, "deletionProtection": false,
        "clients": ["10.1.2.3/32", "10.8.0.0/16"], "network": {}, "common": {},
    }))
    .expect("it is a spec")
}

#[test]
fn versions_are_written_as_the_api_has_them() {
    for (engine, version, native) in [
        ("mysql", None, "8.0"),
        ("mysql", Some("5.7"), "5.7"),
        ("postgresql", Some("15"), "15.0"),
        ("postgresql", Some("15.0"), "15.0"),
        ("sqlserver", Some("2019"), "2019_std_ha"),
        ("sqlserver", Some("2019_ent"), "2019_ent"),
    ] {
        let spec = spec(engine, version);
        assert_eq!(engine::check(&spec).map_err(|error| error.to_string()), Ok(()));
        assert_eq!(engine::version(&spec), native);
    }
}

#[test]
fn an_access_is_a_privilege_or_none() {
    assert_eq!(engine::privilege(Engine::Postgresql, Access::Owner), Some("DBOwner"));
    assert_eq!(engine::privilege(Engine::Postgresql, Access::ReadOnly), None);
    assert_eq!(engine::privilege(Engine::Mysql, Access::ReadWrite), Some("DMLOnly"));
    assert_eq!(engine::privilege(Engine::Sqlserver, Access::Owner), Some("DBOwner"));
}

#[test]
fn storage_comes_in_steps() {
    for (declared, bought) in [(1, 20), (20, 20), (21, 25), (98, 100)] {
        assert_eq!(state::gigabytes(Bytes::gib(declared)), bought);
    }
}

#[test]
fn a_single_address_is_written_without_its_length() {
    assert_eq!(
        state::clients(&spec("mysql", None)),
        ["10.1.2.3".to_owned(), "10.8.0.0/16".to_owned()].into()
    );
    let mut nobody = spec("mysql", None);
    nobody.clients.clear();
    assert_eq!(state::clients(&nobody), ["127.0.0.1".to_owned()].into());
}
