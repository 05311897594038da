//! What the engines are called here, and what they can.

use mooring_provider::{
    Access, Error, ErrorKind, Result,
    spec::{Engine, Rds, Tls},
};

/// As the API calls the engine; `None` where it has no such engine.
pub(super) const fn native(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::Mysql => Some("MySQL"),
        Engine::Postgresql => Some("PostgreSQL"),
        Engine::Mariadb => Some("MariaDB"),
        Engine::Sqlserver => Some("SQLServer"),
        Engine::PolardbMysql | Engine::PolardbPostgresql => None,
    }
}

/// The portable engine of an instance, and with it the scheme of its address.
pub(super) fn portable(native_name: &str) -> Option<Engine> {
    [Engine::Mysql, Engine::Postgresql, Engine::Mariadb, Engine::Sqlserver]
        .into_iter()
        .find(|engine| native(*engine).is_some_and(|name| name.eq_ignore_ascii_case(native_name)))
}

/// The versions that can be written, the first being the one that is taken without a word.
const fn versions(engine: Engine) -> &'static [(&'static str, &'static str)] {
    match engine {
        Engine::Mysql => &[("8.0", "8.0"), ("5.7", "5.7")],
        Engine::Postgresql => &[
            ("16", "16.0"),
            ("17", "17.0"),
            ("15", "15.0"),
            ("14", "14.0"),
            ("13", "13.0"),
        ],
        Engine::Mariadb => &[("10.6", "10.6"), ("10.3", "10.3")],
        Engine::Sqlserver => &[
            ("2022", "2022_std_ha"),
            ("2019", "2019_std_ha"),
            ("2017", "2017_std_ha"),
            ("2016", "2016_std_ha"),
        ],
        Engine::PolardbMysql | Engine::PolardbPostgresql => &[],
    }
}

/// The version as the API writes it. A version in the API's own words (`2022_ent`) is taken as it is.
pub(super) fn version(spec: &Rds) -> String {
    let known = versions(spec.engine);
    match spec.version.as_deref() {
        None => known.first().map_or("", |(_, native)| native).to_owned(),
        Some(wanted) => known
            .iter()
            .find(|(portable, _)| *portable == wanted)
            .map_or(wanted, |(_, native)| native)
            .to_owned(),
    }
}

/// Checks the engine, its version and whether it can be encrypted as wanted.
pub(super) fn check(spec: &Rds) -> Result<()> {
    if native(spec.engine).is_none() {
        let message = format!(
            "engine: `{}` is served by another API, with clusters, nodes and endpoints of its own, which this provider \
             does not speak; use mysql or postgresql, or let the environment say `engines: {{{}: {{aliyun: …}}}}`",
            spec.engine, spec.engine
        );
        return Err(Error::new(ErrorKind::Unsupported, "rds.validate", message));
    }
    if let Some(wanted) = &spec.version {
        let known = versions(spec.engine);
        let fits = known
            .iter()
            .any(|(portable, native)| wanted == portable || wanted == native)
            || (spec.engine == Engine::Sqlserver && wanted.starts_with("20") && wanted.contains('_'));
        if !fits {
            let names: Vec<_> = known.iter().map(|(portable, _)| *portable).collect();
            let message = format!(
                "version: `{wanted}` is no version of {} here; use one of {}",
                spec.engine,
                names.join(", ")
            );
            return Err(Error::new(ErrorKind::InvalidSpec, "rds.validate", message));
        }
    }
    if spec.tls == Tls::Required && !can_require_tls(spec.engine) {
        let message = format!(
            "tls: {} cannot be told to refuse plain connections here; use preferred or another engine",
            spec.engine
        );
        return Err(Error::new(ErrorKind::Unsupported, "rds.validate", message));
    }
    Ok(())
}

/// Whether connections can be encrypted.
pub(super) const fn can_tls(engine: Engine) -> bool {
    !matches!(engine, Engine::Mariadb)
}

/// Whether plain connections can be refused by way of the API.
pub(super) const fn can_require_tls(engine: Engine) -> bool {
    matches!(engine, Engine::Mysql | Engine::Sqlserver)
}

/// The character set a database is made with.
pub(super) const fn character_set(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => "UTF8",
        Engine::Sqlserver => "SQL_Latin1_General_CP1_CI_AS",
        _ => "utf8mb4",
    }
}

/// What the API calls an access; `None` where it has no such privilege.
pub(super) const fn privilege(engine: Engine, access: Access) -> Option<&'static str> {
    match (engine, access) {
        (Engine::Mysql | Engine::Mariadb, Access::Owner) | (Engine::Sqlserver, Access::ReadWrite) => Some("ReadWrite"),
        (Engine::Mysql | Engine::Mariadb, Access::ReadWrite) => Some("DMLOnly"),
        (Engine::Postgresql | Engine::Sqlserver, Access::Owner) => Some("DBOwner"),
        (Engine::Mysql | Engine::Mariadb | Engine::Sqlserver, Access::ReadOnly) => Some("ReadOnly"),
        _ => None,
    }
}

/// Databases that every instance of an engine has.
pub(super) fn is_system(database: &str) -> bool {
    let system = [
        "mysql",
        "sys",
        "information_schema",
        "performance_schema",
        "postgres",
        "template0",
        "template1",
        "master",
        "model",
        "msdb",
        "tempdb",
    ];
    system.contains(&database)
}
