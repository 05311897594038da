//! Taking one safeguard out.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use mooring::ledger::{Audit, Filter, InMemory, Intent, Ledger, Record, Result as LedgerResult};
use mooring_provider::{
    Access, Account, AnyState, Bindings, Capability, Claim, ClusterId, Created, Drift, DynAdapter, ExternalId,
    Identity, Key, Kind, Owned, Owner, Permission, Phase, Provider, ProviderInfo, Receipt, Result, Sighting,
};
use serde_json::Value as Json;

/// The safeguard that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// None.
    Nothing,
    /// A create is not written down before it is sent.
    Journal,
    /// Each attempt has a token of its own.
    Token,
    /// An absence is believed at once.
    Grace,
    /// Nobody waits for anybody.
    Order,
    /// Whatever is found is taken for ours.
    Owner,
    /// That a resource was ready is forgotten.
    Loss,
    /// Each step towards an absence is taken for the last one.
    End,
}

/// A provider with one safeguard taken out of its adapters.
#[derive(Debug)]
pub(crate) struct BrokenProvider {
    pub(crate) inner: Arc<dyn Provider>,
    pub(crate) broken: Broken,
}

#[async_trait]
impl Provider for BrokenProvider {
    fn adapter(&self, kind: Kind) -> Option<Arc<dyn DynAdapter>> {
        let inner = self.inner.adapter(kind)?;
        let broken = self.broken;
        Some(Arc::new(BrokenAdapter { inner, broken }))
    }

    async fn check(&self) -> Result<ProviderInfo> {
        self.inner.check().await
    }
}

#[derive(Debug)]
struct BrokenAdapter {
    inner: Arc<dyn DynAdapter>,
    broken: Broken,
}

#[async_trait]
impl DynAdapter for BrokenAdapter {
    fn kind(&self) -> Kind {
        self.inner.kind()
    }
    fn capability(&self) -> Capability {
        let capability = self.inner.capability();
        if self.broken == Broken::Grace {
            // What is awaited for an answer stays; what is waited for the effect to show goes.
            return Capability {
                appears_within: std::time::Duration::ZERO,
                ..capability
            };
        }
        capability
    }
    fn schema(&self) -> schemars::Schema {
        self.inner.schema()
    }
    fn validate(&self, spec: &Json) -> Result<()> {
        self.inner.validate(spec)
    }
    fn notes(&self, spec: &Json) -> Result<Vec<String>> {
        self.inner.notes(spec)
    }
    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
        if self.broken == Broken::Owner {
            let mut claims = claims.to_vec();
            for claim in claims.iter_mut().filter(|claim| claim.id.is_none()) {
                // By its name instead of by its tags.
                claim.id = super::story::taken(&claim.name, &claim.owner);
            }
            return self.inner.observe(&claims).await;
        }
        let within = self.inner.capability().appears_within;
        let seen = self.inner.observe(claims).await.into_iter().zip(claims);
        seen.map(|(sighting, claim)| match (&sighting, &claim.id) {
            // A list may lag behind what is, but not for longer than a new resource takes to appear.
            (Ok(Sighting::One(_)), Some(id)) if super::story::lags(id, within) => Ok(Sighting::Absent),
            _ => sighting,
        })
        .collect()
    }
    fn id(&self, state: &AnyState) -> ExternalId {
        self.inner.id(state)
    }
    fn owner(&self, state: &AnyState) -> Option<Owner> {
        self.inner
            .owner(state)
            .or_else(|| super::story::taker(&self.inner.id(state)))
    }
    fn phase(&self, state: &AnyState) -> Phase {
        self.inner.phase(state)
    }
    fn drift(&self, spec: &Json, state: &AnyState) -> Result<Drift> {
        self.inner.drift(spec, state)
    }
    fn bindings(&self, claim: &Claim, state: &AnyState) -> Bindings {
        self.inner.bindings(claim, state)
    }
    fn login(&self, identity: &Identity, account: &str) -> String {
        self.inner.login(identity, account)
    }
    fn grants(&self, access: Access) -> Result<Access> {
        self.inner.grants(access)
    }
    async fn create(&self, claim: &Claim, spec: &Json) -> Result<Created> {
        let mut claim = claim.clone();
        if self.broken == Broken::Token {
            claim.incarnation = super::story::another();
        }
        self.inner.create(&claim, spec).await
    }
    async fn update(&self, claim: &Claim, state: &AnyState, spec: &Json, drift: &Drift) -> Result<Receipt> {
        self.inner.update(claim, state, spec, drift).await
    }
    async fn delete(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        super::story::is_to_go(self.inner.id(state));
        let receipt = self.inner.delete(claim, state).await?;
        Ok(if self.broken == Broken::End {
            receipt.ending()
        } else {
            receipt
        })
    }
    async fn park(&self, claim: &Claim, state: &AnyState, until: &str, backup: bool) -> Result<Receipt> {
        self.inner.park(claim, state, until, backup).await
    }
    async fn unpark(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        self.inner.unpark(claim, state).await
    }
    async fn adopt(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
        self.inner.adopt(claim, state).await
    }
    async fn ensure_account(&self, claim: &Claim, state: &AnyState, account: &Account) -> Result<Receipt> {
        self.inner.ensure_account(claim, state, account).await
    }
    async fn drop_account(&self, claim: &Claim, state: &AnyState, name: &str) -> Result<Receipt> {
        self.inner.drop_account(claim, state, name).await
    }
    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        self.inner.inventory(cluster).await
    }
}

/// A ledger that grants every create and remembers no intent, or that does not remember what was ready.
#[derive(Debug)]
pub(crate) struct Forgetful(pub(crate) InMemory, pub(crate) Broken);

#[async_trait]
impl Ledger for Forgetful {
    async fn constant(&self, name: &str, proposal: &str) -> LedgerResult<String> {
        self.0.constant(name, proposal).await
    }
    async fn get(&self, identity: &Identity) -> LedgerResult<Option<Record>> {
        let mut record = self.0.get(identity).await?;
        if let Some(record) = record.as_mut().filter(|_| self.1 == Broken::Loss) {
            record.memory.was_ready = false;
        }
        Ok(record)
    }
    async fn of_key(&self, cluster: &ClusterId, key: &Key) -> LedgerResult<Vec<Record>> {
        self.0.of_key(cluster, key).await
    }
    async fn list(&self, filter: &Filter) -> LedgerResult<Vec<Record>> {
        self.0.list(filter).await
    }
    async fn put(&self, record: &Record) -> LedgerResult<()> {
        self.0.put(record).await
    }
    async fn creating(&self, record: &Record, intent: &Intent, stale: Timestamp) -> LedgerResult<Permission> {
        match self.1 {
            Broken::Journal => Ok(Permission::Granted),
            _ => self.0.creating(record, intent, stale).await,
        }
    }
    async fn concluded(&self, identity: &Identity, intent: &Intent, made: Option<&ExternalId>) -> LedgerResult<()> {
        self.0.concluded(identity, intent, made).await
    }
    async fn audit(&self, entry: &Audit) -> LedgerResult<()> {
        self.0.audit(entry).await
    }
    async fn audits(&self, id: Option<&Identity>, since: Timestamp, limit: u32) -> LedgerResult<Vec<Audit>> {
        self.0.audits(id, since, limit).await
    }
    async fn deletions(&self, environment: &str, kind: Kind, since: Timestamp) -> LedgerResult<u32> {
        self.0.deletions(environment, kind, since).await
    }
    async fn told(&self, identity: &Identity) -> LedgerResult<BTreeMap<String, String>> {
        self.0.told(identity).await
    }
    async fn tell(&self, identity: &Identity, account: &str, hash: Option<&str>) -> LedgerResult<()> {
        self.0.tell(identity, account, hash).await
    }
    async fn trim_audit(&self, before: Timestamp, keep: u32) -> LedgerResult<()> {
        self.0.trim_audit(before, keep).await
    }
    async fn approve(&self, identity: &Identity, action: &str, actor: &str, at: Timestamp) -> LedgerResult<()> {
        self.0.approve(identity, action, actor, at).await
    }
    async fn approvals(&self, identity: &Identity) -> LedgerResult<Vec<String>> {
        self.0.approvals(identity).await
    }
    async fn used(&self, identity: &Identity, action: &str) -> LedgerResult<()> {
        self.0.used(identity, action).await
    }
    async fn prune(&self, before: Timestamp) -> LedgerResult<u64> {
        self.0.prune(before).await
    }
}
