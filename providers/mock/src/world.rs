//! Everything there is in one cloud.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mooring_provider::{
    ExternalId, Kind,
    spec::{Common, Egress, Network, Subnet, Vpc},
    tag,
};
use serde::{Deserialize, Serialize};

use crate::resource::{Resource, Settings};

/// The network that every mock cloud has, for those who share one.
pub const SHARED_NETWORK: &str = "vpc-shared";
/// Its subnet.
pub const SHARED_SUBNET: &str = "vsw-shared-a";

/// Everything there is in one cloud, and what of it has changed since it was last written.
#[derive(Debug)]
pub(crate) struct World {
    resources: BTreeMap<ExternalId, Resource>,
    tokens: BTreeMap<String, Spent>,
    serial: u64,
    changed: BTreeSet<ExternalId>,
    spent: Vec<String>,
    doubled: BTreeSet<String>,
}

/// A client token that was used. It goes on answering for its resource, even for one that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) parameters: String,
    pub(crate) id: ExternalId,
}

/// One change of the world, as it is written to a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Entry {
    Put(Box<Resource>),
    Gone(ExternalId),
    Spent { token: String, spent: Spent },
    Serial(u64),
}

impl World {
    pub(crate) fn new() -> Self {
        let shared = shared_network();
        Self {
            resources: BTreeMap::from([(shared.id.clone(), shared)]),
            tokens: BTreeMap::new(),
            serial: 0,
            changed: BTreeSet::new(),
            spent: Vec::new(),
            doubled: BTreeSet::new(),
        }
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn doubled(&self) -> impl Iterator<Item = &String> {
        self.doubled.iter()
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn get(&self, id: &ExternalId) -> Option<&Resource> {
        self.resources.get(id)
    }

    pub(crate) fn edit(&mut self, id: &ExternalId) -> Option<&mut Resource> {
        let resource = self.resources.get_mut(id)?;
        self.changed.insert(id.clone());
        Some(resource)
    }

    /// Adds a resource, and notes when that makes two of one identity.
    pub(crate) fn put(&mut self, resource: Resource) {
        let identity = resource.tags.get(tag::IDENTITY);
        let twin = |other: &Resource| other.gone_at.is_none() && other.tags.get(tag::IDENTITY) == identity;
        if let Some(identity) = identity.filter(|_| self.of(resource.kind).any(twin)) {
            self.doubled.insert(identity.clone());
        }
        self.changed.insert(resource.id.clone());
        self.resources.insert(resource.id.clone(), resource);
    }

    pub(crate) fn remove(&mut self, id: &ExternalId) -> Option<Resource> {
        let gone = self.resources.remove(id)?;
        self.changed.insert(id.clone());
        Some(gone)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        self.all()
            .filter(move |resource| resource.kind == kind && resource.id.as_str() != SHARED_NETWORK)
    }

    pub(crate) fn spent(&self, token: &str) -> Option<&Spent> {
        self.tokens.get(token)
    }

    pub(crate) fn spend(&mut self, token: String, spent: Spent) {
        self.spent.push(token.clone());
        self.tokens.insert(token, spent);
    }

    /// Lets go of what has been deleted long enough.
    pub(crate) fn reap(&mut self, now: Timestamp) {
        let gone: Vec<_> = self
            .all()
            .filter(|resource| resource.gone_at.is_some_and(|at| at <= now))
            .map(|resource| resource.id.clone())
            .collect();
        for id in &gone {
            self.remove(id);
        }
    }

    /// What has changed since this was last asked.
    pub(crate) fn take_changes(&mut self) -> Vec<Entry> {
        let spent = std::mem::take(&mut self.spent);
        let tokens = spent.into_iter().filter_map(|token| {
            self.tokens
                .get(&token)
                .cloned()
                .map(|spent| Entry::Spent { token, spent })
        });
        let changed = std::mem::take(&mut self.changed);
        let resources = changed.into_iter().map(|id| match self.resources.get(&id) {
            Some(resource) => Entry::Put(Box::new(resource.clone())),
            None => Entry::Gone(id),
        });
        resources.chain(tokens).collect()
    }

    /// The fewest entries that make this world.
    pub(crate) fn snapshot(&self) -> Vec<Entry> {
        let resources = self.all().map(|resource| Entry::Put(Box::new(resource.clone())));
        let tokens = self.tokens.iter().map(|(token, spent)| Entry::Spent {
            token: token.clone(),
            spent: spent.clone(),
        });
        std::iter::once(Entry::Serial(self.serial))
            .chain(resources)
            .chain(tokens)
            .collect()
    }

    /// Takes over what somebody else wrote.
    pub(crate) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Put(resource) => {
                self.serial = self.serial.max(resource.serial);
                self.resources.insert(resource.id.clone(), *resource);
            }
            Entry::Gone(id) => drop(self.resources.remove(&id)),
            Entry::Spent { token, spent } => drop(self.tokens.insert(token, spent)),
            Entry::Serial(serial) => self.serial = self.serial.max(serial),
        }
    }
}

fn shared_network() -> Resource {
    let settings = Settings::Vpc(Vpc {
        cidr: Some("10.0.0.0/16".into()),
        egress: Egress::Internet,
        zones: vec!["mock-a".into()],
        shared: Some(Network {
            id: Some(SHARED_NETWORK.into()),
            subnets: vec![Subnet {
                zone: Some("mock-a".into()),
                id: SHARED_SUBNET.into(),
            }],
            security_group: Some("sg-shared".into()),
        }),
        common: Common::default(),
    });
    Resource::foreign(
        ExternalId::new(SHARED_NETWORK),
        SHARED_NETWORK,
        settings,
        0,
        Timestamp::UNIX_EPOCH,
    )
}
