//! Databases.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use mooring_provider::{
    Bindings, Bytes, Change, Claim, Drift, Kind, Phase, Result, Span,
    spec::{self, Common, Engine, Tls},
};

use crate::{
    config::MockConfig,
    resource::{Resource, Settings},
    shape::Shape,
    validate::Check,
    world::World,
};

#[derive(Debug)]
pub(crate) struct Rds;

const DAY: Duration = Duration::from_secs(86_400);
const CA: &str =
    "-----BEGIN CERTIFICATE-----\nbW9jayBjbG91ZCBjZXJ0aWZpY2F0ZSBhdXRob3JpdHk=\n-----END CERTIFICATE-----\n";

fn versions(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Mysql => &["8.0", "5.7", "8.4"],
        Engine::Postgresql => &["17", "14", "15", "16", "18"],
        Engine::Mariadb => &["11.4", "10.6", "10.11", "11.8"],
        Engine::Sqlserver => &["2022", "2019"],
        Engine::PolardbMysql => &["8.0", "5.7"],
        Engine::PolardbPostgresql => &["16", "14", "15"],
    }
}

impl Shape for Rds {
    type Spec = spec::Rds;
    const KIND: Kind = Kind::Rds;
    const TOKENS: bool = true;
    const ACCOUNTS: bool = true;
    const PARKS: bool = true;

    super::settings!(Rds);

    fn common(spec: &spec::Rds) -> &Common {
        &spec.common
    }

    fn check(spec: &spec::Rds, check: &Check) -> Result<()> {
        let versions = versions(spec.engine);
        if let Some(version) = &spec.version {
            let fix = format!(
                "is no version of {} here; use one of {}",
                spec.engine,
                versions.join(", ")
            );
            check.require(versions.contains(&version.as_str()), "version", version, &fix)?;
        }
        check.require(
            !spec.class.trim().is_empty(),
            "class",
            &spec.class,
            "is empty; name an instance class",
        )?;
        let storage = (Bytes::gib(1)..=Bytes::gib(16 << 10)).contains(&spec.storage);
        check.require(storage, "storage", spec.storage, "is out of range; use 1Gi to 16Ti")?;
        let name = &spec.database;
        let named =
            (1..=63).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        check.require(
            named,
            "database",
            name,
            "is no name of a database; use up to 63 of a-z, 0-9, _ and -",
        )?;
        if let Some(retention) = spec.backup_retention {
            let fits = (DAY..=730 * DAY).contains(&retention.get());
            check.require(fits, "backup.retention", retention, "is out of range; use 1d to 730d")?;
        }
        check.cidrs("clients", &spec.clients)?;
        let group = spec.client_security_group.as_deref();
        check.require(
            group.is_none_or(|group| !group.trim().is_empty()),
            "clientSecurityGroup",
            group.unwrap_or_default(),
            "is empty; name a security group, or leave it out",
        )?;
        check.network(&spec.network)
    }

    fn notes(spec: &spec::Rds) -> Vec<String> {
        let without_standby = "highAvailability: there is no standby in the mock cloud";
        spec.high_availability
            .then(|| without_standby.to_owned())
            .into_iter()
            .collect()
    }

    fn begin(spec: &spec::Rds, claim: &Claim, _: u64) -> (Settings, String) {
        let mut database = spec.clone();
        database
            .version
            .get_or_insert_with(|| versions(spec.engine)[0].to_owned());
        database.backup_retention.get_or_insert(Span::new(7 * DAY));
        (Settings::Rds(database), format!("{}.rds.mock.invalid", claim.name))
    }

    fn making(config: &MockConfig) -> Duration {
        config.provisioning.get()
    }

    fn differences(spec: &spec::Rds, is: &spec::Rds, _: &Resource, drift: &mut Drift) {
        drift.compare("engine", Change::Immutable, &spec.engine, &is.engine);
        if spec.version.is_some() {
            drift.compare("version", Change::Immutable, &spec.version, &is.version);
        }
        drift.compare("database", Change::Immutable, &spec.database, &is.database);
        drift.compare("network", Change::Immutable, &spec.network.id, &is.network.id);
        // The whitelist is closed first: a change of the class takes its time, and consumers wait for the whitelist.
        let set = |cidrs: &[String]| cidrs.iter().cloned().collect::<BTreeSet<_>>();
        drift.compare("clients", Change::Enforced, &set(&spec.clients), &set(&is.clients));
        drift.compare(
            "clientSecurityGroup",
            Change::Enforced,
            &spec.client_security_group,
            &is.client_security_group,
        );
        drift.compare("tls", Change::Enforced, &spec.tls, &is.tls);
        drift.compare(
            "deletionProtection",
            Change::Enforced,
            &spec.deletion_protection,
            &is.deletion_protection,
        );
        if spec.backup_retention.is_some() {
            drift.compare(
                "backupRetention",
                Change::Enforced,
                &spec.backup_retention,
                &is.backup_retention,
            );
        }
        drift.compare("class", Change::OnChange, &spec.class, &is.class);
        drift.compare(
            "highAvailability",
            Change::OnChange,
            &spec.high_availability,
            &is.high_availability,
        );
        let storage = if spec.storage < is.storage {
            Change::CannotShrink
        } else {
            Change::OnChange
        };
        drift.compare("storage", storage, &spec.storage.to_string(), &is.storage.to_string());
    }

    fn close(field: &str, spec: &spec::Rds, settings: &mut Settings, config: &MockConfig) -> Duration {
        let Settings::Rds(is) = settings else {
            return Duration::ZERO;
        };
        match field {
            "clients" => is.clients.clone_from(&spec.clients),
            "clientSecurityGroup" => is.client_security_group.clone_from(&spec.client_security_group),
            "tls" => is.tls = spec.tls,
            "deletionProtection" => is.deletion_protection = spec.deletion_protection,
            "backupRetention" => is.backup_retention = spec.backup_retention,
            "class" => is.class.clone_from(&spec.class),
            "highAvailability" => is.high_availability = spec.high_availability,
            "storage" => is.storage = spec.storage.max(is.storage),
            _ => {}
        }
        if matches!(field, "class" | "highAvailability" | "storage") {
            config.quick()
        } else {
            Duration::ZERO
        }
    }

    fn bindings(is: &spec::Rds, resource: &Resource) -> Bindings {
        let mut bindings = Bindings::from([
            ("type".into(), is.engine.scheme().into()),
            ("provider".into(), "mock".into()),
            ("host".into(), resource.host.as_str().into()),
            ("port".into(), is.engine.port().to_string().into()),
            ("database".into(), is.database.as_str().into()),
        ]);
        if is.tls != Tls::Disabled {
            bindings.insert("ca.crt".into(), CA.into());
        }
        bindings
    }

    fn obstacle(resource: &Resource, _: &World, now: Timestamp) -> Option<(String, &'static str)> {
        match resource.phase(now) {
            Phase::Busy(with) => Some((format!("{} is {with}", resource.id), "IncorrectDBInstanceState")),
            _ => None,
        }
    }

    fn protection(settings: &mut Settings) -> Option<&mut bool> {
        match settings {
            Settings::Rds(is) => Some(&mut is.deletion_protection),
            _ => None,
        }
    }

    fn shut(settings: &mut Settings) {
        if let Settings::Rds(is) = settings {
            is.clients.clear();
            is.client_security_group = None;
        }
    }
}
