//! What is seen of an instance, and what that means.

use std::collections::{BTreeMap, BTreeSet};

use mooring_provider::{
    Bindings, Bytes, Change, Difference, Drift, ExternalId, Phase, Span,
    spec::{Engine, Rds, Tls},
    tag,
};

use super::{
    engine,
    wire::{Attribute, BackupPolicy, Database, Ssl},
};
use crate::marks::{self, Tags};

/// The group of the whitelist that is ours. Every instance has its own whitelist, so it needs no name of its own.
pub(super) const GROUP: &str = "mooring";
/// An address that stands for nobody.
pub(super) const NOBODY: &str = "127.0.0.1";
/// The database that was declared when the instance was made.
pub(super) const DATABASE: &str = "mooring.dev/database";
/// The storage in GB that was last asked for: beyond it, the provider has grown it by itself.
pub(super) const STORAGE: &str = "mooring.dev/storage";
/// The security groups that are let in at our word, joined by `/`: written before they are, so that none is forgotten.
pub(super) const CLIENT_GROUPS: &str = "mooring.dev/clients";

const DAY: u64 = 86_400;

/// An instance with its parts.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(super) id: ExternalId,
    pub(super) tags: Tags,
    pub(super) is: Attribute,
    /// What only an instance that runs tells.
    pub(super) parts: Option<Parts>,
}

/// What only an instance that runs tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) groups: BTreeMap<String, BTreeSet<String>>,
    /// Asked for only where one was ever let in at our word.
    pub(super) security_groups: BTreeSet<String>,
    pub(super) databases: Vec<Database>,
    pub(super) ssl: Ssl,
    pub(super) backup: BackupPolicy,
}

impl Parts {
    fn encrypts(&self) -> bool {
        is_on(&self.ssl.enabled)
    }

    fn refuses_plain(&self) -> bool {
        self.encrypts() && is_on(&self.ssl.forced)
    }
}

fn is_on(text: &str) -> bool {
    ["yes", "1", "on", "true", "enabled"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// The storage that is bought for a spec: in steps of 5 GB, and at least 20.
pub(super) fn gigabytes(storage: Bytes) -> u64 {
    (storage.as_gib().div_ceil(5) * 5).max(20)
}

/// The addresses as the whitelist shows them.
pub(super) fn addresses<'a>(list: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    list.into_iter()
        .map(|address| address.trim().trim_end_matches("/32"))
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Who is to be let in; nobody, if nobody is named.
pub(super) fn clients(spec: &Rds) -> BTreeSet<String> {
    let wanted = addresses(spec.clients.iter().map(String::as_str));
    if wanted.is_empty() { addresses([NOBODY]) } else { wanted }
}

/// The next step so that of our security groups exactly those that are wanted are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LetIn {
    /// Note which are ours.
    Note(BTreeSet<String>),
    /// Let these in, somebody else's among them.
    Set(BTreeSet<String>),
}

impl State {
    /// What is still to be done about security groups.
    pub(super) fn let_in(&self, wanted: Option<&str>) -> Option<LetIn> {
        let has = &self.parts.as_ref()?.security_groups;
        let noted = self.tags.get(CLIENT_GROUPS).map(String::as_str).unwrap_or_default();
        let ours: BTreeSet<_> = noted
            .split('/')
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
        let wanted: BTreeSet<_> = wanted.map(str::to_owned).into_iter().collect();
        if !wanted.is_subset(&ours) {
            return Some(LetIn::Note(ours.union(&wanted).cloned().collect()));
        }
        let theirs = has.difference(&ours);
        let all: BTreeSet<_> = theirs.chain(&wanted).cloned().collect();
        if all != *has {
            return Some(LetIn::Set(all));
        }
        (ours != wanted).then_some(LetIn::Note(wanted))
    }

    pub(super) fn is_prepaid(&self) -> bool {
        self.is.pay_type.eq_ignore_ascii_case("Prepaid")
    }

    pub(super) fn is_highly_available(&self) -> bool {
        match self.is.category.as_str() {
            "" => !self.is.slave_zones.list.is_empty(),
            category => !category.eq_ignore_ascii_case("Basic") && !category.eq_ignore_ascii_case("serverless_basic"),
        }
    }

    pub(super) fn engine(&self) -> Option<Engine> {
        engine::portable(&self.is.engine)
    }

    /// The one database that is served: the declared one, else the only one there is.
    pub(super) fn database(&self) -> Option<&str> {
        let declared = self.tags.get(DATABASE).map(String::as_str);
        declared.or_else(|| {
            let mut others = self
                .parts
                .iter()
                .flat_map(|parts| &parts.databases)
                .map(|database| database.name.as_str())
                .filter(|name| !engine::is_system(name));
            others.next().filter(|_| others.next().is_none())
        })
    }

    pub(super) fn phase(&self) -> Phase {
        let is = &self.is;
        match (is.status.as_str(), &self.parts) {
            ("Deleting", _) => Phase::Deleting,
            ("Running", Some(parts)) => self.locked().unwrap_or_else(|| self.parked_or_ready(parts)),
            ("Running", None) => self
                .locked()
                .unwrap_or_else(|| Phase::Busy(format!("{} is changing its state", self.id))),
            // A state that nobody has told us of is one of them.
            (status, _) => match self.locked() {
                Some(failed @ Phase::Failed(_)) => failed,
                _ => Phase::Busy(format!("{} is {status}", self.id)),
            },
        }
    }

    fn parked_or_ready(&self, parts: &Parts) -> Phase {
        if let Some(until) = self.tags.get(tag::PARKED_UNTIL) {
            return Phase::Parked(until.clone());
        }
        let making = |database: &&Database| matches!(database.status.as_str(), "Creating" | "Deleting");
        match parts.databases.iter().find(making) {
            Some(database) => Phase::Busy(format!("its database {} is {}", database.name, database.status)),
            None => Phase::Ready,
        }
    }

    /// What a lock on the instance means.
    fn locked(&self) -> Option<Phase> {
        let (id, reason) = (&self.id, self.is.lock_reason.as_str());
        let because = if reason.is_empty() {
            String::new()
        } else {
            format!(" ({reason})")
        };
        Some(match self.is.lock_mode.as_str() {
            "" | "Unlock" => return None,
            "LockByExpiration" => Phase::Failed(format!(
                "AccountOverdue: {id} is locked{because}, because the account is in arrears or the subscription is over; \
                 settle the account, or the provider deletes it with its data"
            )),
            "ManualLock" => Phase::Failed(format!(
                "{id} was locked{because} by the provider or by hand; whoever locked it has to unlock it"
            )),
            "LockByDiskQuota" | "LockReadInstanceByDiskQuota" => Phase::Unreachable(format!(
                "{id} takes no writes: its disk is full; declare more storage, or make room in it"
            )),
            mode => Phase::Busy(format!("{id} is locked: {mode}{because}")),
        })
    }

    /// What differs. What makes the instance fit for use is closed in this order, its doors last.
    pub(super) fn drift(&self, spec: &Rds) -> Drift {
        let (is, mut drift) = (&self.is, Drift::none());
        if let Some(engine) = self.engine() {
            drift.compare("engine", Change::Immutable, &spec.engine, &engine);
        }
        if spec.version.is_some() && !is.engine_version.is_empty() {
            let wanted = engine::version(spec);
            drift.compare("version", Change::Immutable, &wanted, &is.engine_version);
        }
        drift.compare(
            "network",
            Change::Immutable,
            &spec.network.id.as_deref().unwrap_or_default(),
            &is.vpc_id.as_str(),
        );
        if let Some(group) = &spec.common.resource_group {
            drift.compare("resourceGroup", Change::Immutable, group, &is.resource_group_id);
        }
        if let Some(database) = self.tags.get(DATABASE) {
            drift.compare("database", Change::Immutable, &spec.database, database);
        }
        if marks::owner(&self.tags).is_some() {
            drift.compare("tags", Change::Enforced, &spec.common.tags, &marks::extra(&self.tags));
        }
        // A subscription is kept by what it is; the API takes no protection for it.
        if !self.is_prepaid() {
            let (wanted, is) = (spec.deletion_protection, is.deletion_protection);
            drift.compare("deletionProtection", Change::Enforced, &wanted, &is);
        }
        if let Some(parts) = &self.parts {
            self.drift_of_parts(spec, parts, &mut drift);
        }
        drift.compare("class", Change::OnChange, &spec.class, &is.class);
        let (wanted, has) = (spec.high_availability, self.is_highly_available());
        drift.compare("highAvailability", Change::OnChange, &wanted, &has);
        self.drift_of_storage(spec, &mut drift);
        drift
    }

    fn drift_of_parts(&self, spec: &Rds, parts: &Parts, drift: &mut Drift) {
        let declared = self
            .tags
            .get(DATABASE)
            .is_none_or(|database| *database == spec.database);
        if declared && !parts.databases.iter().any(|database| database.name == spec.database) {
            drift.compare("database", Change::Enforced, &spec.database.as_str(), &"");
        }
        // A consumer that can do without finds encryption where there can be any; it is not taken from those who use
        // it.
        let wanted = match spec.tls {
            Tls::Preferred if parts.refuses_plain() => Tls::Required,
            Tls::Preferred if !engine::can_tls(spec.engine) => Tls::Disabled,
            wanted => wanted,
        };
        let has = match () {
            () if parts.refuses_plain() => Tls::Required,
            () if parts.encrypts() => Tls::Preferred,
            () => Tls::Disabled,
        };
        drift.compare("tls", Change::Enforced, &wanted, &has);
        if let Some(wanted) = spec.backup_retention {
            let has = Span::new(std::time::Duration::from_secs(parts.backup.days * DAY));
            let days = |span: Span| span.get().as_secs().div_ceil(DAY);
            if days(wanted) != days(has) {
                drift.compare("backupRetention", Change::Enforced, &wanted, &has);
            }
        }
        let admitted = parts.groups.get(GROUP).cloned().unwrap_or_default();
        drift.compare("clients", Change::Enforced, &clients(spec), &admitted);
        if self.let_in(spec.client_security_group.as_deref()).is_some() {
            let has: Vec<_> = parts.security_groups.iter().cloned().collect();
            drift.0.push(Difference {
                field: "clientSecurityGroup",
                desired: spec.client_security_group.clone().unwrap_or_default(),
                observed: has.join(","),
                change: Change::Enforced,
            });
        }
    }

    /// Storage that the provider has grown beyond what was asked for is what it says it is: more.
    fn drift_of_storage(&self, spec: &Rds, drift: &mut Drift) {
        let (wanted, has) = (gigabytes(spec.storage), self.is.storage);
        let asked = self.tags.get(STORAGE).and_then(|text| text.parse().ok()).unwrap_or(has);
        let (wanted_size, has_size) = (Bytes::gib(wanted), Bytes::gib(has));
        if wanted > has {
            drift.compare("storage", Change::OnChange, &wanted_size, &has_size);
        } else if wanted < asked.min(has) {
            drift.compare("storage", Change::CannotShrink, &wanted_size, &has_size);
        }
    }

    pub(super) fn bindings(&self, ca: Option<&str>) -> Bindings {
        let (is, mut bindings) = (&self.is, Bindings::new());
        let usable = matches!(self.phase(), Phase::Ready | Phase::Unreachable(_)) && !is.connection_string.is_empty();
        let (true, Some(engine)) = (usable, self.engine()) else {
            return bindings;
        };
        let port = if is.port == 0 {
            u64::from(engine.port())
        } else {
            is.port
        };
        bindings.extend([
            ("type".into(), engine.scheme().into()),
            ("provider".into(), "aliyun".into()),
            ("host".into(), is.connection_string.as_str().into()),
            ("port".into(), port.to_string().into()),
        ]);
        if let Some(database) = self.database() {
            bindings.insert("database".into(), database.into());
        }
        if let Some(parts) = self.parts.as_ref().filter(|parts| parts.encrypts()) {
            let certificate = Some(parts.ssl.certificate.as_str()).filter(|text| text.starts_with("-----BEGIN"));
            if let Some(certificate) = ca.or(certificate) {
                bindings.insert("ca.crt".into(), certificate.into());
            }
        }
        bindings
    }
}
