//! Log tenants on a VictoriaLogs or a Loki.
//!
//! A tenant of these servers is a name on lines, and nothing that one could make, list or own; what makes one ours is
//! a record in the [`registry`]. Its lines are the server's.
//!
//! Deliberately absent: collecting lines (that is the cluster's collector, which is told the tenant), retention by
//! tenant, and access control (a gateway in front of the server has that, or nobody).

mod registry;
mod server;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mooring_provider::{
    Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Credentials, Drift, Error, ErrorKind, ExternalId,
    Kind, Owned, Owner, Phase, Receipt, Result, Sighting, Value, spec,
};
use mooring_provider_http::HttpConfig;

use self::{
    registry::{Declared, Record, Registry},
    server::Server,
};
use crate::{
    api::{Api, Login},
    check::{for_each, invalid, no_options, sighting},
    config::{LogServer, Removal},
    files::Directory,
};

/// After so many tenants that are somebody else's the search for one is given up.
const ATTEMPTS: u32 = 16;

/// Lines that are found so long after their deletion was asked for came later, or the server missed them: Loki calls a
/// deletion done when the index that it has built so far is, and builds one every 15 minutes.
const AGAIN: SignedDuration = SignedDuration::from_mins(20);

/// Log tenants.
#[derive(Debug)]
pub(crate) struct LogAdapter {
    server: Server,
    registry: Registry,
    push: Option<Login>,
    config: LogServer,
}

/// A tenant.
#[derive(Debug, Clone)]
pub(crate) struct State {
    id: ExternalId,
    /// What is written down of it; of somebody else's there are only lines.
    record: Option<Record>,
    /// The server deletes its lines.
    deleting: bool,
}

impl LogAdapter {
    pub(crate) fn new(config: &LogServer, http: &HttpConfig, credentials: &Credentials) -> Result<Self> {
        let api = Api::new("log", &config.url, http, credentials)?;
        Ok(Self {
            server: Server::new(api, config)?,
            registry: Registry(Directory::new("log.registry", &config.registry)),
            push: Login::of("push", credentials)?,
            config: config.clone(),
        })
    }

    async fn look(&self, claim: &Claim, tenants: &BTreeMap<ExternalId, Record>) -> Result<Sighting<State>> {
        const OPERATION: &str = "log.observe";
        let found = match &claim.id {
            None => {
                let ours = tenants
                    .iter()
                    .filter(|(_, record)| record.owner.identity == claim.owner.identity);
                match sighting(ours.collect::<Vec<_>>().iter(), |(id, _)| (*id).clone()) {
                    Sighting::Absent => return Ok(Sighting::Absent),
                    Sighting::Several(ids) => return Ok(Sighting::Several(ids)),
                    Sighting::One((id, record)) => Some((id.clone(), Some(record.clone()))),
                }
            }
            Some(id) => match tenants.get(id) {
                Some(record) => Some((id.clone(), Some(record.clone()))),
                // Lines that came late to a tenant that was let go are nobody's.
                None if self.registry.is_retired(id).await? => None,
                None => self.server.has_lines(OPERATION, id).await?.then(|| (id.clone(), None)),
            },
        };
        let Some((id, record)) = found else {
            return Ok(Sighting::Absent);
        };
        let deleting = match record.as_ref().and_then(|record| record.going) {
            Some(asked) => self.is_deleting(OPERATION, &id, asked).await?,
            None => false,
        };
        Ok(Sighting::One(State { id, record, deleting }))
    }

    /// Whether the server is still at what it was asked for then.
    async fn is_deleting(&self, operation: &'static str, id: &ExternalId, asked: Timestamp) -> Result<bool> {
        let lately = Timestamp::now().duration_since(asked) < AGAIN;
        Ok(self.server.is_deleting(operation, id).await? || lately && self.server.has_lines(operation, id).await?)
    }

    /// Writes down a change of the record as it is now, if it is still this claim's.
    async fn change(
        &self,
        operation: &'static str,
        claim: &Claim,
        state: &State,
        change: impl FnOnce(&mut Record),
    ) -> Result<Receipt> {
        let mut record = self.registry.tenants().await?.remove(&state.id).ok_or_else(|| {
            let message = format!(
                "the tenant {} is gone from the registry; it is looked for again",
                state.id
            );
            Error::new(ErrorKind::Busy, operation, message)
        })?;
        let before = record.clone();
        let ours = record.owner == claim.owner || claim.may_adopt && record.owner.identity == claim.owner.identity;
        if !ours {
            let message = format!(
                "the tenant {} belongs to {}; it is left alone",
                state.id, record.owner.key
            );
            return Err(Error::new(ErrorKind::NotOwned, operation, message));
        }
        change(&mut record);
        if record != before {
            self.registry.set(&state.id, &record).await?;
        }
        Ok(Receipt::default())
    }
}

fn declared(spec: &spec::Log) -> Declared {
    Declared {
        retention: spec.retention,
        push: spec.push,
        tags: spec.common.tags.clone(),
    }
}

#[async_trait]
impl Adapter for LogAdapter {
    type Spec = spec::Log;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Log
    }

    fn capability(&self) -> Capability {
        Capability {
            poll: Duration::from_secs(300),
            poll_busy: Duration::from_secs(10),
            batch: 200,
            idempotent_create: true,
            send_deadline: Duration::from_secs(30),
            appears_within: Duration::from_secs(1),
            parks: true,
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &spec::Log) -> Result<()> {
        const OPERATION: &str = "log.validate";
        no_options(OPERATION, &spec.common)?;
        if spec.sources.is_empty() && !spec.push {
            let fix = "is empty and nothing is pushed; name one such as stdout, or set push";
            return Err(invalid(OPERATION, "sources", "[]", fix));
        }
        Ok(())
    }

    fn notes(&self, spec: &spec::Log) -> Vec<String> {
        let mut notes = Vec::new();
        if spec.retention > self.config.retention {
            notes.push(format!(
                "lines are kept for {}, as the log store is configured, and not for {}",
                self.config.retention, spec.retention
            ));
        }
        if !spec.sources.is_empty() {
            notes.push(
                "lines are collected by the cluster's own collector, which has to send this component's to the tenant \
                 in the binding"
                    .into(),
            );
        }
        if spec.push && self.push.is_none() {
            notes.push("the log store asks for no login: who knows the tenant can push lines to it".into());
        }
        notes.push(match self.config.removal {
            Removal::Wait => "it is gone when the log store has deleted its lines, which may take a day or more".into(),
            Removal::Ask => "its lines go some time after it is deleted, as soon as the log store comes to it".into(),
            Removal::AgeOut => format!("its lines outlive it, until they are {} old", self.config.retention),
        });
        notes
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        if claims.is_empty() {
            return Vec::new();
        }
        // What the registry says counts only while the server it speaks of answers.
        let looked = match self.server.check("log.observe", &self.server.anybody()).await {
            Ok(()) => self.registry.tenants().await,
            Err(error) => Err(error),
        };
        let tenants = match looked {
            Ok(tenants) => tenants,
            Err(error) => return for_each(claims, &error),
        };
        let mut seen = Vec::new();
        for claim in claims {
            seen.push(self.look(claim, &tenants).await);
        }
        seen
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.record.as_ref().map(|record| record.owner.clone())
    }

    fn phase(&self, state: &State) -> Phase {
        match &state.record {
            _ if state.deleting => Phase::Deleting,
            Some(record) if record.going.is_some() => Phase::Busy("its lines are being deleted".into()),
            Some(Record {
                parked_until: Some(until),
                ..
            }) => Phase::Parked(until.clone()),
            _ => Phase::Ready,
        }
    }

    fn drift(&self, spec: &spec::Log, state: &State) -> Drift {
        let mut drift = Drift::none();
        let Some(Record { declared: is, .. }) = &state.record else {
            return drift;
        };
        let wanted = declared(spec);
        drift.compare("retention", Change::Enforced, &wanted.retention, &is.retention);
        drift.compare("push", Change::Enforced, &wanted.push, &is.push);
        drift.compare("tags", Change::Enforced, &wanted.tags, &is.tags);
        drift
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        let record = state.record.as_ref();
        if record.is_some_and(|record| record.going.is_some() || record.parked_until.is_some()) {
            return Bindings::new();
        }
        let headers = self.server.headers(&state.id);
        let all: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut bindings = Bindings::from([
            ("endpoint".into(), self.server.push().to_string().into()),
            ("project".into(), headers[0].1.as_str().into()),
            ("store".into(), state.id.as_str().into()),
            ("headers".into(), all.join(",").into()),
        ]);
        match &self.push {
            Some(_) if !record.is_some_and(|record| record.declared.push) => {}
            Some(Login::Token(token)) => drop(bindings.insert("token".into(), Value::Secret(token.clone()))),
            Some(Login::Basic { username, password }) => {
                bindings.insert("username".into(), username.as_str().into());
                bindings.insert("password".into(), Value::Secret(password.clone()));
            }
            None => {}
        }
        bindings
    }

    async fn create(&self, claim: &Claim, spec: &spec::Log) -> Result<Created> {
        let record = Record {
            owner: claim.owner.clone(),
            declared: declared(spec),
            parked_until: None,
            going: None,
        };
        for attempt in 0..ATTEMPTS {
            let id = self.server.tenant(claim, attempt);
            if self.registry.is_retired(&id).await? {
                continue;
            }
            let ours = async || {
                Ok(self
                    .registry
                    .tenants()
                    .await?
                    .get(&id)
                    .is_some_and(|is| is.owner == claim.owner))
            };
            if self.registry.add(&id, &record).await? || ours().await? {
                return Ok(Created { id, request_id: None });
            }
        }
        let message = format!("{ATTEMPTS} tenants in a row are somebody else's; look at spec.onprem.log.registry");
        Err(Error::new(ErrorKind::NotOwned, "log.create", message))
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &spec::Log, _: &Drift) -> Result<Receipt> {
        let change = |record: &mut Record| record.declared = declared(spec);
        self.change("log.update", claim, state, change).await
    }

    async fn delete(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        const OPERATION: &str = "log.delete";
        let Some(record) = self.registry.tenants().await?.remove(&state.id) else {
            return Ok(Receipt::default());
        };
        let lines = match self.config.removal {
            Removal::AgeOut => false,
            Removal::Ask if record.going.is_some() => false,
            Removal::Ask | Removal::Wait => self.server.has_lines(OPERATION, &state.id).await?,
        };
        let at_it = match record.going {
            Some(asked) if lines => self.is_deleting(OPERATION, &state.id, asked).await?,
            _ => false,
        };
        if lines && !at_it {
            self.server.delete(OPERATION, &state.id).await?;
            let asked = Some(Timestamp::now());
            self.change(OPERATION, claim, state, |record| record.going = asked)
                .await?;
        }
        if lines && self.config.removal == Removal::Wait {
            return Ok(Receipt::default());
        }
        self.change(OPERATION, claim, state, |_| ()).await?;
        self.registry.retire(&state.id).await?;
        Ok(Receipt::default())
    }

    async fn park(&self, claim: &Claim, state: &State, until: &str, _: bool) -> Result<Receipt> {
        let until = Some(until.to_owned());
        self.change("log.park", claim, state, |record| record.parked_until = until)
            .await
    }

    async fn unpark(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        self.change("log.unpark", claim, state, |record| record.parked_until = None)
            .await
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let owner = claim.owner.clone();
        self.change("log.adopt", claim, state, |record| record.owner = owner)
            .await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let tenants = self.registry.tenants().await?;
        self.server.check("log.inventory", &self.server.anybody()).await?;
        let owned = tenants
            .into_iter()
            .filter(|(_, record)| record.owner.cluster == *cluster);
        let owned = owned.map(|(id, record)| {
            let owner = record.owner.clone();
            let state = State {
                id,
                record: Some(record),
                deleting: false,
            };
            Owned {
                phase: self.phase(&state),
                id: state.id,
                owner,
            }
        });
        Ok(owned.collect())
    }
}
