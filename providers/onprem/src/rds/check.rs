//! What a declaration asks for, and what of it means something else here. No I/O.

use std::collections::BTreeSet;

use mooring_provider::{
    Error, ErrorKind, Result,
    spec::{Engine, Rds, Tls},
};

use super::host::Server;

/// How many connections a class stands for: its number, or the usual one when it has none.
pub(crate) fn connections(class: &str, usual: u32) -> Result<u32> {
    if class.is_empty() {
        return Ok(usual);
    }
    match class.parse() {
        Ok(number) if (1..=100_000).contains(&number) => Ok(number),
        _ => Err(invalid(
            "class",
            class,
            "is no number of connections; set `sizes.rds.SIZE.onprem` in the Environment to one, such as \"50\"",
        )),
    }
}

/// Whether a server of this version is what was asked for: `8` and `8.0` are `8.0.36`, `8.0.3` is not.
pub(crate) fn is_version(wanted: &str, version: &str) -> bool {
    let rest = version.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

pub(crate) fn validate(spec: &Rds, servers: &[Server], usual: u32) -> Result<()> {
    if let Some((option, value)) = spec.common.options.iter().next() {
        let field = format!("options.onprem.{option}");
        return Err(invalid(
            &field,
            &value.to_string(),
            "is no option of a database here, which has none but `class`; remove it",
        ));
    }
    if let Some(group) = &spec.client_security_group {
        let message = format!(
            "rds network.clients.securityGroup: `{group}`: servers of one's own have no security groups; an SRE may \
             name the clients' addresses in `network.clients.cidrs`"
        );
        return Err(Error::new(ErrorKind::Unsupported, "validate", message));
    }
    connections(&spec.class, usual)?;
    if servers.iter().any(|server| server.engine == spec.engine) {
        return Ok(());
    }
    let there: BTreeSet<_> = servers.iter().map(|server| server.engine.as_str()).collect();
    let there = there.into_iter().collect::<Vec<_>>().join(", ");
    let mut message = format!("rds engine: `{}` is not served here, only {there}", spec.engine);
    if spec.engine == Engine::Mysql && there.contains("mariadb") {
        message.push_str("; an SRE may allow it in the Environment with `engines: {mysql: {onprem: mariadb}}`");
    }
    Err(Error::new(ErrorKind::Unsupported, "validate", message))
}

fn invalid(field: &str, value: &str, fix: &str) -> Error {
    Error::new(
        ErrorKind::InvalidSpec,
        "validate",
        format!("rds {field}: `{value}` {fix}"),
    )
}

pub(crate) fn notes(spec: &Rds, servers: &[Server]) -> Vec<String> {
    let of_engine = || servers.iter().filter(|server| server.engine == spec.engine);
    let mut notes = vec![
        format!(
            "the database is one of many on a shared {} server: `storage` counts for its capacity and is not limited, \
             and there is no figure of its processor use",
            spec.engine
        ),
        format!(
            "the database and its logins have names of their own here, not `{}`: use what the binding says",
            spec.database
        ),
    ];
    if spec.version.is_none() {
        notes.push("the version is the server's".into());
    }
    if spec.high_availability && !of_engine().any(|server| server.config.high_availability) {
        notes.push(format!(
            "no {} server here has a standby: `highAvailability` is not given",
            spec.engine
        ));
    }
    if spec.tls == Tls::Disabled {
        notes.push("`tls: disabled` has no effect: connections are encrypted here".into());
    }
    match spec.engine {
        Engine::Postgresql => notes.push(
            "whether plain connections are refused, and from where one may connect, is for the server's pg_hba.conf"
                .into(),
        ),
        _ => notes.push(
            "plain connections are refused; `class` limits the connections of each account, not of the database; from \
             where one may connect is for the firewall"
                .into(),
        ),
    }
    if spec.backup_retention.is_some() {
        notes.push("`backup.retention` has no effect: backups are the server's operator's".into());
    }
    if spec.common.resource_group.is_some() {
        notes.push("`resourceGroup` has no meaning here".into());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_a_number_of_connections() {
        assert_eq!(connections("", 20).expect("the usual"), 20);
        assert_eq!(connections("50", 20).expect("a number"), 50);
        for bad in ["large", "0", "-1", "100001", "5.5"] {
            let error = connections(bad, 20).expect_err(bad);
            assert!(
                error.message().contains(bad) && error.message().contains("sizes.rds.SIZE.onprem"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_version_is_meant_as_far_as_it_is_named() {
        for (wanted, version, is) in [
            ("8", "8.0.36", true),
            ("8.0", "8.0.36", true),
            ("8.0.3", "8.0.36", false),
            ("15", "15.18", true),
        ] {
            assert_eq!(is_version(wanted, version), is, "{wanted} {version}");
        }
    }
}
