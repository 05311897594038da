//! Databases: one instance of Trove with one database.
//!
//! Trove has no tags; an instance's name carries its owner (see [`crate::label`]). Somebody who renames an instance
//! takes it out of our hands: it is then reported as not ours, and neither changed nor deleted.

mod change;
mod look;
mod state;
mod users;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{
    Access, Account, Adapter, Bindings, Bytes, Capability, Change, Claim, ClusterId, Created, Drift, ExternalId, Kind,
    Owned, Owner, Phase, Receipt, Result, Sighting,
    spec::{Engine, Rds, Tls},
};
use serde::Deserialize;

use crate::{
    config::LimitedAccess,
    session::{Session, again},
    validate::Check,
};
use state::DATABASE;
pub(crate) use state::State;

/// The databases of a project.
#[derive(Debug)]
pub(crate) struct Databases {
    session: Arc<Session>,
}

/// `options.openstack` of a database.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Options {
    /// The type of its volume.
    volume_type: Option<String>,
}

impl Databases {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session }
    }
}

#[async_trait]
impl Adapter for Databases {
    type Spec = Rds;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Rds
    }

    fn capability(&self) -> Capability {
        Capability {
            accounts: true,
            parks: true,
            backs_up: true,
            ..self.session.capability()
        }
    }

    fn validate(&self, spec: &Rds) -> Result<()> {
        let check = Check(Kind::Rds);
        let _: Options = check.options(&spec.common)?;
        let served = matches!(spec.engine, Engine::Mysql | Engine::Mariadb | Engine::Postgresql);
        check.can(
            served,
            "engine",
            spec.engine,
            "is not served by Trove; use mysql, mariadb or postgresql",
        )?;
        check.can(
            !spec.high_availability,
            "highAvailability",
            spec.high_availability,
            "cannot be had: Trove has replicas and no standby that takes over by itself; use false here \
             (Environment.overrides)",
        )?;
        check.can(
            spec.tls != Tls::Required,
            "tls",
            "required",
            "cannot be had: Trove sets up no TLS; use preferred or disabled here, or another provider for rds",
        )?;
        check.require(
            !spec.class.trim().is_empty(),
            "class",
            &spec.class,
            "is empty; name a flavor",
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
        check.ranges("clients", &spec.clients)?;
        check.can(
            spec.client_security_group.is_none(),
            "clientSecurityGroup",
            spec.client_security_group.as_deref().unwrap_or_default(),
            "cannot be admitted: Trove knows addresses only; name them in network.clients.cidrs of the Environment",
        )?;
        check.require(
            spec.network.id.is_some(),
            "network.id",
            "",
            "is missing; an instance of Trove lives in a network, name it in the Environment",
        )
    }

    fn notes(&self, spec: &Rds) -> Vec<String> {
        let lesser = match self.session.config.limited_access {
            LimitedAccess::Refused => "are refused",
            LimitedAccess::AsOwner => "get them too",
        };
        let mut notes = vec![format!(
            "access: Trove gives each account all rights on the database; readonly and readwrite {lesser}"
        )];
        if spec.tls != Tls::Disabled {
            notes.push("tls: Trove sets up none, connections are plain".into());
        }
        if let Some(retention) = spec.backup_retention {
            notes.push(format!(
                "backup.retention: Trove makes no backups on a schedule, {retention} is not applied; one is made \
                 before parking (finalBackup), where the cloud has an object store"
            ));
        }
        if spec.deletion_protection {
            notes.push("deletion protection: Trove has none against others who may delete in the project".into());
        }
        if spec.clients.is_empty() {
            notes.push("clients: none are named, so whoever reaches the network may connect".into());
        }
        if !spec.common.tags.is_empty() {
            let names: Vec<_> = spec.common.tags.keys().map(String::as_str).collect();
            notes.push(format!(
                "tags: Trove has none; {} not applied to databases",
                names.join(", ")
            ));
        }
        let (datastore, _) = self.datastore(spec.engine);
        if datastore != spec.engine.as_str() {
            notes.push(format!(
                "engine: {} is served by the datastore `{datastore}`",
                spec.engine
            ));
        }
        notes
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        if claims.is_empty() {
            return Vec::new();
        }
        match self.view().await {
            Ok(view) => futures::future::join_all(claims.iter().map(|claim| self.sight(&view, claim))).await,
            Err(error) => claims.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.owner()
    }

    fn phase(&self, state: &State) -> Phase {
        state.phase()
    }

    fn drift(&self, spec: &Rds, state: &State) -> Drift {
        let mut drift = Drift::none();
        let instance = &state.instance;
        drift.compare(
            "engine",
            Change::Immutable,
            &self.datastore(spec.engine).0,
            &instance.datastore.kind,
        );
        if let Some(version) = &spec.version {
            let is = &instance.datastore.version;
            if !is.starts_with(&format!("{version}.")) {
                drift.compare("version", Change::Immutable, version, is);
            }
        }
        if let Some(database) = state.word(DATABASE) {
            drift.compare("database", Change::Immutable, &spec.database, &database);
        }
        let networks: BTreeSet<_> = instance
            .addresses
            .iter()
            .filter_map(|address| address.network.as_ref())
            .collect();
        if !networks.is_empty()
            && !networks
                .iter()
                .any(|network| spec.network.id.as_ref() == Some(*network))
        {
            drift.compare(
                "network",
                Change::Immutable,
                &spec.network.id,
                &networks.first().map(|id| (*id).clone()),
            );
        }
        if let (Some(access), false) = (&instance.access, spec.clients.is_empty()) {
            let set = |ranges: &[String]| ranges.iter().cloned().collect::<BTreeSet<_>>();
            let mut admitted = set(access.allowed_cidrs.as_deref().unwrap_or_default());
            if access.is_public {
                admitted.insert("a public address".into());
            }
            drift.compare("clients", Change::Enforced, &set(&spec.clients), &admitted);
        }
        if !state.is_of_class(&spec.class) {
            let is = state.flavor.clone().unwrap_or_else(|| instance.flavor.id.clone());
            drift.compare("class", Change::OnChange, &spec.class, &is);
        }
        if let Some(volume) = &instance.volume {
            let (wanted, is) = (spec.storage.as_gib(), volume.size);
            let change = if wanted < is {
                Change::CannotShrink
            } else {
                Change::OnChange
            };
            drift.compare("storage", change, &format!("{wanted}Gi"), &format!("{is}Gi"));
        }
        drift
    }

    fn grants(&self, access: Access) -> Result<Access> {
        self.granted(access)
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        let instance = &state.instance;
        let kind = instance.datastore.kind.as_str();
        let known = [Engine::Mysql, Engine::Mariadb, Engine::Postgresql];
        let engine = known.into_iter().find(|engine| self.datastore(*engine).0 == kind);
        let host = instance.hostname.as_ref().or(instance.ip.first());
        let (Phase::Ready, Some(host), Some(engine)) = (state.phase(), host, engine) else {
            return Bindings::new();
        };
        let mut bindings = Bindings::from([
            ("type".into(), engine.scheme().into()),
            ("provider".into(), "openstack".into()),
            ("host".into(), host.as_str().into()),
            ("port".into(), engine.port().to_string().into()),
        ]);
        if let Some(database) = state.word(DATABASE) {
            bindings.insert("database".into(), database.into());
        }
        bindings
    }

    async fn create(&self, claim: &Claim, spec: &Rds) -> Result<Created> {
        self.validate(spec)?;
        let options = Check(Kind::Rds).options(&spec.common)?;
        let (id, receipt) = self.begin(claim, spec, options).await?;
        Ok(Created {
            id,
            request_id: receipt.request_id,
        })
    }

    async fn update(&self, _: &Claim, state: &State, spec: &Rds, drift: &Drift) -> Result<Receipt> {
        self.validate(spec)?;
        match drift.0.first() {
            Some(difference) => self.close(state, spec, difference.field).await,
            None => Ok(Receipt::default()),
        }
    }

    async fn delete(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        match self.anew(state).await? {
            Some(now) => self.end(claim, &now).await,
            None => Ok(Receipt::default()),
        }
    }

    async fn park(&self, claim: &Claim, state: &State, until: &str, backup: bool) -> Result<Receipt> {
        match self.anew(state).await? {
            Some(now) if !matches!(now.phase(), Phase::Parked(_)) => self.shut(claim, &now, until, backup).await,
            _ => Ok(Receipt::default()),
        }
    }

    async fn unpark(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        match self.anew(state).await? {
            Some(now) => self.rename("rds.unpark", claim, &now, None).await,
            None => Ok(Receipt::default()),
        }
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        match self.anew(state).await? {
            Some(now) => {
                self.rename("rds.adopt", claim, &now, now.word(state::PARKED).as_deref())
                    .await
            }
            None => Ok(Receipt::default()),
        }
    }

    async fn ensure_account(&self, _: &Claim, state: &State, account: &Account) -> Result<Receipt> {
        self.ensure_user(state, account).await
    }

    async fn drop_account(&self, _: &Claim, state: &State, name: &str) -> Result<Receipt> {
        self.drop_user("rds.drop_account", &state.instance.id, name).await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        self.listed(cluster).await
    }
}
