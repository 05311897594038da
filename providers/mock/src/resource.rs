//! One thing in the cloud.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mooring_provider::{Access, ExternalId, Kind, Owner, Phase, spec, tag};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One thing in the cloud. Holds no secret: of a password only a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// What the cloud calls it.
    pub id: ExternalId,
    /// What it is.
    pub kind: Kind,
    /// What its creator called it.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What it is set to, in the words of its spec.
    pub settings: Settings,
    /// Where it can be reached: an address or a host name.
    pub host: String,
    /// The rows of a database, the lines of a log store.
    pub rows: Vec<String>,
    /// Its accounts.
    pub accounts: BTreeMap<String, Login>,
    /// The backups that were made of its rows.
    pub backups: Vec<Vec<String>>,
    /// The cloud gave up on it.
    pub failed: Option<String>,
    /// No route leads to it.
    pub cut_off: Option<String>,
    pub(crate) serial: u64,
    pub(crate) visible_at: Timestamp,
    pub(crate) busy: Option<Busy>,
    pub(crate) gone_at: Option<Timestamp>,
}

/// What a resource is set to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each is named after its kind")]
pub enum Settings {
    Vpc(spec::Vpc),
    Rds(spec::Rds),
    Slb(spec::Slb),
    Log(spec::Log),
    Monitor(spec::Monitor),
}

impl Settings {
    /// The kind they are of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Vpc(_) => Kind::Vpc,
            Self::Rds(_) => Kind::Rds,
            Self::Slb(_) => Kind::Slb,
            Self::Log(_) => Kind::Log,
            Self::Monitor(_) => Kind::Monitor,
        }
    }
}

/// An account as a database keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// What it may do.
    pub access: Access,
    digest: String,
}

impl Login {
    pub(crate) fn new(access: Access, id: &ExternalId, password: &str) -> Self {
        Self {
            access,
            digest: digest(&[id.as_str(), password]),
        }
    }

    pub(crate) fn admits(&self, id: &ExternalId, password: &str) -> bool {
        self.digest == digest(&[id.as_str(), password])
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Busy {
    pub(crate) with: String,
    pub(crate) until: Timestamp,
}

impl Resource {
    /// What somebody else made: at rest, and without tags.
    pub(crate) fn foreign(id: ExternalId, name: &str, settings: Settings, serial: u64, now: Timestamp) -> Self {
        Self {
            id,
            kind: settings.kind(),
            name: name.to_owned(),
            tags: BTreeMap::new(),
            settings,
            host: format!("{name}.mock.invalid"),
            rows: Vec::new(),
            accounts: BTreeMap::new(),
            backups: Vec::new(),
            failed: None,
            cut_off: None,
            serial,
            visible_at: now,
            busy: None,
            gone_at: None,
        }
    }

    /// When something will happen to it by itself.
    pub(crate) fn appointments(&self) -> impl Iterator<Item = Timestamp> {
        [
            Some(self.visible_at),
            self.busy.as_ref().map(|busy| busy.until),
            self.gone_at,
        ]
        .into_iter()
        .flatten()
    }

    /// How far it is at a time.
    pub(crate) fn phase(&self, now: Timestamp) -> Phase {
        if self.gone_at.is_some() {
            return Phase::Deleting;
        }
        if let Some(why) = &self.failed {
            return Phase::Failed(why.clone());
        }
        match self.busy.as_ref().filter(|busy| busy.until > now) {
            Some(busy) => Phase::Busy(busy.with.clone()),
            None => match (self.tags.get(tag::PARKED_UNTIL), &self.cut_off) {
                (Some(until), _) => Phase::Parked(until.clone()),
                (None, Some(why)) => Phase::Unreachable(why.clone()),
                (None, None) => Phase::Ready,
            },
        }
    }

    /// Whether a call sees it at a time.
    pub(crate) fn visible(&self, now: Timestamp) -> bool {
        self.visible_at <= now
    }

    /// Whose it is, by its tags.
    pub fn owner(&self) -> Option<Owner> {
        Owner::from_tags(|name| self.tags.get(name).map(String::as_str))
    }

    /// The tags that are neither owner tags nor the mark of parking.
    pub(crate) fn extra_tags(&self) -> BTreeMap<String, String> {
        let ours = BTreeSet::from([tag::IDENTITY, tag::CLUSTER, tag::KEY, tag::PARKED_UNTIL]);
        self.tags
            .iter()
            .filter(|(name, _)| !ours.contains(name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The network it lives in.
    pub(crate) fn network(&self) -> Option<&str> {
        match &self.settings {
            Settings::Rds(rds) => rds.network.id.as_deref(),
            Settings::Slb(slb) => slb.network.id.as_deref(),
            Settings::Vpc(_) | Settings::Log(_) | Settings::Monitor(_) => None,
        }
    }
}

/// A digest of several texts, in hexadecimal.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
