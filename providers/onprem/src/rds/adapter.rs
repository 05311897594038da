//! The adapter: what the contract asks, said to the servers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::future::join_all;
use mooring_provider::{
    Account, Adapter, Bindings, Capability, Claim, ClusterId, Created, Drift, Error, ErrorKind, ExternalId, Identity,
    Kind, Owned, Owner, Phase, Receipt, Result, Sighting, spec::Rds,
};
use tokio::sync::Mutex;

use super::{
    check,
    dump::Dumps,
    host::{Look, Patience, Server, Wanted},
    names,
    placement::place,
    record::{Record, Stage},
    sight::{is_of, parts, sight},
    sql::Ident,
    state::{self, State},
};

/// Databases on shared servers.
#[derive(Debug)]
pub(crate) struct RdsAdapter {
    servers: Vec<Server>,
    connections: u32,
    patience: Patience,
    dumps: Option<Dumps>,
    /// One is placed after the other, so that not all go to the server that has the most room now. What other brokers
    /// place meanwhile, the server itself tells.
    placing: Mutex<()>,
}

impl RdsAdapter {
    pub(crate) fn new(servers: Vec<Server>, connections: u32, patience: Patience, dumps: Option<Dumps>) -> Self {
        Self {
            servers,
            connections,
            patience,
            dumps,
            placing: Mutex::new(()),
        }
    }

    /// Asks every server that one must know of, at once. `None` asks all.
    async fn look(&self, names: &BTreeMap<&str, Vec<&str>>, only: bool) -> Vec<(&Server, Result<Look>)> {
        let asked = self
            .servers
            .iter()
            .filter(|server| !only || names.contains_key(server.config.name.as_str()));
        join_all(asked.map(|server| async move {
            let names = names.get(server.config.name.as_str());
            (server, server.host.look(names.map_or(&[], Vec::as_slice)).await)
        }))
        .await
    }

    /// Proves that every administrator may look.
    pub(crate) async fn check(&self) -> Result<()> {
        for (_, look) in self.look(&BTreeMap::new(), false).await {
            look?;
        }
        Ok(())
    }

    /// What is written before anything is made.
    fn record(&self, claim: &Claim, spec: &Rds) -> Result<Record> {
        let connections = check::connections(&spec.class, self.connections)?;
        Ok(Record::new(
            &claim.owner,
            connections,
            spec.storage,
            spec.common.tags.clone(),
        ))
    }

    async fn begin(&self, claim: &Claim, spec: &Rds, record: &Record) -> Result<(&Server, Ident)> {
        let name = names::database(claim)?;
        let _placing = self.placing.lock().await;
        // Each time that the last place is lost to another broker, one server fewer has room.
        for _ in 0..=self.servers.len() {
            let mut looks = Vec::new();
            for (server, look) in self.look(&BTreeMap::new(), false).await {
                looks.push((server, look?));
            }
            for (server, look) in &looks {
                for found in look.found.iter().filter(|found| is_of(found, &claim.owner)) {
                    let name = Ident::new(found.name.clone())?;
                    if found.is_there() {
                        return Ok((server, name));
                    }
                    // What is left of one that is lost, and was asked to be made anew.
                    if let Some(record) = &found.record {
                        server.host.remove(&name, record).await?;
                    }
                }
            }
            let looks: Vec<_> = looks.iter().map(|(server, look)| (*server, look)).collect();
            let server = place(spec, &looks)?;
            if server.host.begin(&name, record).await? {
                return Ok((server, name));
            }
        }
        let message = "others took the last place of each server that had room; it is looked for again";
        Err(Error::new(ErrorKind::Busy, "rds.create", message))
    }

    fn ours<'a>(operation: &'static str, claim: &Claim, state: &'a State) -> Result<(Ident, &'a Record)> {
        match &state.found.record {
            Some(record) if record.owner().as_ref() == Some(&claim.owner) => {
                Ok((Ident::new(state.found.name.clone())?, record))
            }
            _ => {
                let message = format!("{} is not of {}", state.id(), claim.owner.identity);
                Err(Error::new(ErrorKind::NotOwned, operation, message))
            }
        }
    }
}

#[async_trait]
impl Adapter for RdsAdapter {
    type Spec = Rds;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Rds
    }

    fn capability(&self) -> Capability {
        let Patience { connect, statement } = self.patience;
        Capability {
            poll_busy: std::time::Duration::from_secs(1),
            // Sent again it could be placed elsewhere, while the first is still on its way.
            idempotent_create: false,
            send_deadline: connect + 2 * statement,
            // A statement whose answer was lost ends by then, one way or the other.
            appears_within: statement,
            accounts: true,
            parks: true,
            backs_up: self.dumps.is_some(),
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &Rds) -> Result<()> {
        check::validate(spec, &self.servers, self.connections)
    }

    fn notes(&self, spec: &Rds) -> Vec<String> {
        check::notes(spec, &self.servers)
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (server, name) in claims.iter().filter_map(parts) {
            names.entry(server).or_default().push(name);
        }
        let by_id = claims.iter().all(|claim| claim.id.is_some());
        let looks = self.look(&names, by_id).await;
        claims.iter().map(|claim| sight(claim, &looks)).collect()
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
        let class = check::connections(&spec.class, self.connections);
        // What cannot be read was refused by `validate`; it changes nothing.
        let there = state.found.record.as_ref().map_or(0, |record| record.connections);
        state.drift(spec, class.unwrap_or(there))
    }

    fn bindings(&self, _: &Claim, state: &State) -> Bindings {
        state.bindings()
    }

    fn login(&self, identity: &Identity, account: &str) -> String {
        // A name that is made here has no other characters than any server takes.
        names::login(identity, account).map_or_else(|_| account.to_owned(), |login| login.as_str().to_owned())
    }

    async fn create(&self, claim: &Claim, spec: &Rds) -> Result<Created> {
        self.validate(spec)?;
        let record = self.record(claim, spec)?;
        let (server, name) = self.begin(claim, spec, &record).await?;
        server.host.finish(&name, &record).await?;
        Ok(Created {
            id: state::id(&server.config.name, name.as_str()),
            request_id: None,
        })
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &Rds, drift: &Drift) -> Result<Receipt> {
        self.validate(spec)?;
        let (name, record) = Self::ours("rds.update", claim, state)?;
        let Some(difference) = drift.0.first() else {
            return Ok(Receipt::default());
        };
        let host = &state.server.host;
        if difference.field == "database" {
            host.finish(&name, record).await?;
        } else {
            let connections = check::connections(&spec.class, self.connections)?;
            let record = record.closing(difference.field, spec, connections);
            host.write(&name, &record).await?;
        }
        Ok(Receipt::default())
    }

    async fn delete(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let (name, record) = Self::ours("rds.delete", claim, state)?;
        state.server.host.remove(&name, record).await?;
        Ok(Receipt::default())
    }

    async fn park(&self, claim: &Claim, state: &State, until: &str, backup: bool) -> Result<Receipt> {
        let (name, record) = Self::ours("rds.park", claim, state)?;
        if record.parked_until.is_some() {
            return Ok(Receipt::default());
        }
        let host = &state.server.host;
        if backup {
            // Asked before anybody is shut out.
            Dumps::of(self.dumps.as_ref())?;
        }
        host.revoke(&name).await?;
        if backup && record.stage == Stage::Made {
            Dumps::of(self.dumps.as_ref())?
                .dump(&state.server, &name, until)
                .await?;
        }
        let mut record = record.clone();
        record.parked_until = Some(until.to_owned());
        host.write(&name, &record).await?;
        Ok(Receipt::default())
    }

    async fn unpark(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let (name, record) = Self::ours("rds.unpark", claim, state)?;
        let mut record = record.clone();
        record.parked_until = None;
        state.server.host.write(&name, &record).await?;
        Ok(Receipt::default())
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let Some(record) = state.found.record.as_ref().filter(|_| state.found.held) else {
            let message = format!("{} was not made by Mooring; name it as `existing`", state.id());
            return Err(Error::new(ErrorKind::Unsupported, "rds.adopt", message));
        };
        let name = Ident::new(state.found.name.clone())?;
        state.server.host.write(&name, &record.moved(&claim.owner)).await?;
        Ok(Receipt::default())
    }

    async fn ensure_account(&self, claim: &Claim, state: &State, account: &Account) -> Result<Receipt> {
        let (name, record) = Self::ours("rds.account", claim, state)?;
        let login = Ident::new(&account.name)?;
        let wanted = Wanted {
            account: &account.name,
            access: account.access,
            password: &account.password,
        };
        state.server.host.put_login(&name, record, &login, &wanted).await?;
        Ok(Receipt::default())
    }

    async fn drop_account(&self, claim: &Claim, state: &State, account: &str) -> Result<Receipt> {
        let (name, _) = Self::ours("rds.account", claim, state)?;
        let login = Ident::new(account)?;
        state.server.host.drop_login(&name, &login).await?;
        Ok(Receipt::default())
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let mut owned = Vec::new();
        for (server, look) in self.look(&BTreeMap::new(), false).await {
            let look = look?;
            for found in look.found {
                let state = State {
                    server: server.clone(),
                    version: look.version.clone(),
                    found,
                };
                if let Some(owner) = state.owner().filter(|owner| owner.cluster == *cluster) {
                    owned.push(Owned {
                        id: state.id(),
                        owner,
                        phase: state.phase(),
                    });
                }
            }
        }
        Ok(owned)
    }
}
