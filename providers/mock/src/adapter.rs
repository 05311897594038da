//! One adapter for every kind: what the kinds differ in is their shape.

use std::{collections::HashMap, marker::PhantomData, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use mooring_provider::{
    Account, Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Drift, Error, ErrorKind, ExternalId,
    Kind, Owned, Owner, Phase, Receipt, Result, Sighting, tag,
};
use secrecy::ExposeSecret;

use crate::{
    Cloud,
    call::{Call, Op},
    clock::after,
    config::MockConfig,
    resource::{Busy, Login, Resource},
    shape::{Shape, error, make},
    validate::Check,
    world::{SHARED_NETWORK, World},
};

const NOT_FOUND: &str = "NotFound";

/// A connection to a cloud.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) cloud: Cloud,
    pub(crate) admitted: bool,
}

#[derive(Debug)]
pub(crate) struct MockAdapter<S> {
    session: Session,
    shape: PhantomData<S>,
}

/// What the cloud says there is.
#[derive(Debug)]
pub(crate) struct State {
    /// The resource.
    pub(crate) resource: Resource,
    /// How far it is.
    pub(crate) phase: Phase,
}

impl State {
    fn new(resource: &Resource, now: Timestamp) -> Self {
        Self {
            phase: resource.phase(now),
            resource: resource.clone(),
        }
    }
}

impl<S: Shape> MockAdapter<S> {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            shape: PhantomData,
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        op: Op,
        subject: Option<&str>,
        batch: usize,
        effect: impl FnOnce(&mut World, Timestamp, &MockConfig) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let call = Call {
            n: 0,
            op,
            kind: Some(S::KIND),
            subject: subject.map(str::to_owned),
            batch,
        };
        self.session.cloud.call(self.session.admitted, call, effect).await
    }

    /// A call that changes one resource.
    async fn edit(
        &self,
        op: Op,
        id: &ExternalId,
        change: impl FnOnce(&mut Resource, Timestamp, &MockConfig) -> Result<()> + Send + 'static,
    ) -> Result<Receipt> {
        let wanted = id.clone();
        self.call(op, Some(id.as_str()), 1, move |world, now, config| {
            let gone = || error::<S>(op, ErrorKind::Busy, format!("{wanted} does not exist"), NOT_FOUND);
            let resource = world.get(&wanted).ok_or_else(gone)?;
            protect_shared::<S>(op, &wanted)?;
            match resource.phase(now) {
                Phase::Busy(with) => Err(error::<S>(
                    op,
                    ErrorKind::Busy,
                    format!("{wanted} is {with}"),
                    "IncorrectStatus",
                )),
                Phase::Deleting => Err(error::<S>(
                    op,
                    ErrorKind::Busy,
                    format!("{wanted} is being deleted"),
                    "IncorrectStatus",
                )),
                _ => change(world.edit(&wanted).ok_or_else(gone)?, now, config),
            }
        })
        .await?;
        Ok(Receipt::default())
    }
}

#[async_trait]
impl<S: Shape> Adapter for MockAdapter<S> {
    type Spec = S::Spec;
    type State = State;

    fn kind(&self) -> Kind {
        S::KIND
    }

    fn capability(&self) -> Capability {
        let config = self.session.cloud.config();
        let (latency, provisioning) = (config.latency.get(), config.provisioning.get());
        let margin = Duration::from_millis(100);
        Capability {
            poll: Duration::from_secs(60),
            poll_busy: (provisioning / 10).clamp(Duration::from_millis(20), Duration::from_secs(5)),
            batch: 100,
            idempotent_create: S::TOKENS,
            send_deadline: 4 * latency + 2 * margin,
            appears_within: config.invisible_for.get() + latency + margin,
            accounts: S::ACCOUNTS,
            parks: S::PARKS,
            self_contained: true,
            backs_up: S::PARKS && S::ACCOUNTS,
        }
    }

    fn notes(&self, spec: &S::Spec) -> Vec<String> {
        S::notes(spec)
    }

    fn validate(&self, spec: &S::Spec) -> Result<()> {
        let check = Check::new(S::KIND);
        check.common(S::common(spec))?;
        S::check(spec, &check)
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        let wanted: Vec<_> = claims
            .iter()
            .map(|claim| (claim.id.clone(), claim.owner.identity.to_string()))
            .collect();
        let subject = claims.first().map(|claim| claim.name.clone());
        let seen = self
            .call(Op::Observe, subject.as_deref(), claims.len(), move |world, now, _| {
                let mut tagged: HashMap<&str, Vec<&Resource>> = HashMap::new();
                for resource in world.of(S::KIND).filter(|resource| resource.visible(now)) {
                    if let Some(identity) = resource.tags.get(tag::IDENTITY) {
                        tagged.entry(identity).or_default().push(resource);
                    }
                }
                let by_id = |id: &ExternalId| -> Option<&Resource> {
                    world
                        .get(id)
                        .filter(|found| found.kind == S::KIND && found.visible(now))
                };
                let sight = |(id, identity): &(Option<ExternalId>, String)| match id {
                    Some(id) => by_id(id).map_or(Sighting::Absent, |found| Sighting::One(State::new(found, now))),
                    None => sighting(tagged.get(identity.as_str()).map_or(&[], Vec::as_slice), now),
                };
                Ok(wanted.iter().map(sight).collect::<Vec<_>>())
            })
            .await;
        match seen {
            Ok(seen) => seen.into_iter().map(Ok).collect(),
            Err(error) => claims.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    fn id(&self, state: &State) -> ExternalId {
        state.resource.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.resource.owner()
    }

    fn phase(&self, state: &State) -> Phase {
        state.phase.clone()
    }

    fn drift(&self, spec: &S::Spec, state: &State) -> Drift {
        let mut drift = Drift::none();
        let Some(is) = S::settings(&state.resource.settings) else {
            return drift;
        };
        S::differences(spec, is, &state.resource, &mut drift);
        if state.resource.owner().is_some() {
            let (wanted, common) = (S::common(spec), S::common(is));
            drift.compare("tags", Change::Enforced, &wanted.tags, &state.resource.extra_tags());
            drift.compare(
                "resourceGroup",
                Change::Immutable,
                &wanted.resource_group,
                &common.resource_group,
            );
        }
        drift
    }

    fn bindings(&self, _claim: &Claim, state: &State) -> Bindings {
        match (&state.phase, S::settings(&state.resource.settings)) {
            (Phase::Ready | Phase::Unreachable(_), Some(is)) => S::bindings(is, &state.resource),
            _ => Bindings::new(),
        }
    }

    async fn create(&self, claim: &Claim, spec: &S::Spec) -> Result<Created> {
        self.validate(spec)?;
        if !S::TOKENS {
            let mut by_owner = claim.clone();
            by_owner.id = None;
            match self.observe(std::slice::from_ref(&by_owner)).await.pop() {
                Some(Ok(Sighting::One(state))) if state.phase != Phase::Deleting => {
                    return Ok(Created {
                        id: state.resource.id,
                        request_id: None,
                    });
                }
                Some(Err(error)) => return Err(error),
                _ => {}
            }
        }
        let (claim, spec) = (claim.clone(), spec.clone());
        let name = claim.name.clone();
        let id = self
            .call(Op::Create, Some(&name), 1, move |world, now, config| {
                make::<S>(world, now, config, &claim, &spec)
            })
            .await?;
        Ok(Created { id, request_id: None })
    }

    async fn update(&self, _: &Claim, state: &State, spec: &S::Spec, drift: &Drift) -> Result<Receipt> {
        self.validate(spec)?;
        let Some(field) = drift.0.first().map(|difference| difference.field) else {
            return Ok(Receipt::default());
        };
        let spec = spec.clone();
        self.edit(Op::Update, &state.resource.id, move |resource, now, config| {
            if field == "tags" {
                let old = resource.extra_tags();
                resource.tags.retain(|name, _| !old.contains_key(name));
                resource.tags.extend(S::common(&spec).tags.clone());
                return Ok(());
            }
            let lasts = S::close(field, &spec, &mut resource.settings, config);
            if !lasts.is_zero() {
                resource.busy = Some(Busy {
                    with: "being modified".into(),
                    until: after(now, lasts),
                });
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, _: &Claim, state: &State) -> Result<Receipt> {
        let id = state.resource.id.clone();
        let mut settings = state.resource.settings.clone();
        if S::protection(&mut settings).is_some_and(|protected| *protected) {
            let lifted = self.edit(Op::Update, &id, |resource, _, _| {
                S::protection(&mut resource.settings)
                    .into_iter()
                    .for_each(|protected| *protected = false);
                Ok(())
            });
            return match lifted.await {
                Err(error) if error.code() == Some(NOT_FOUND) => Ok(Receipt::default()),
                lifted => lifted,
            };
        }
        let wanted = id.clone();
        self.call(Op::Delete, Some(id.as_str()), 1, move |world, now, config| {
            let Some(found) = world.get(&wanted).filter(|found| found.gone_at.is_none()) else {
                return Ok(());
            };
            protect_shared::<S>(Op::Delete, &wanted)?;
            let mut settings = found.settings.clone();
            if S::protection(&mut settings).is_some_and(|protected| *protected) {
                let message = format!("{wanted} is protected against deletion");
                return Err(error::<S>(
                    Op::Delete,
                    ErrorKind::Busy,
                    message,
                    "OperationDenied.DeletionProtection",
                ));
            }
            if let Some((why, code)) = S::obstacle(found, world, now) {
                return Err(error::<S>(Op::Delete, ErrorKind::Busy, why, code));
            }
            if let Some(resource) = world.edit(&wanted) {
                resource.gone_at = Some(after(now, config.quick()));
            }
            Ok(())
        })
        .await?;
        Ok(Receipt::default().ending())
    }

    async fn park(&self, _: &Claim, state: &State, until: &str, backup: bool) -> Result<Receipt> {
        if !S::PARKS {
            return Err(cannot::<S>(Op::Park, "be parked; use deletionPolicy Delete or Retain"));
        }
        let until = until.to_owned();
        self.edit(Op::Park, &state.resource.id, move |resource, _, _| {
            if resource.tags.contains_key(tag::PARKED_UNTIL) {
                return Ok(());
            }
            resource.accounts.clear();
            S::shut(&mut resource.settings);
            S::protection(&mut resource.settings)
                .into_iter()
                .for_each(|protected| *protected = true);
            if backup {
                resource.backups.push(resource.rows.clone());
            }
            resource.tags.insert(tag::PARKED_UNTIL.into(), until);
            Ok(())
        })
        .await
    }

    async fn unpark(&self, _: &Claim, state: &State) -> Result<Receipt> {
        if !S::PARKS {
            return Err(cannot::<S>(Op::Unpark, "be parked"));
        }
        self.edit(Op::Unpark, &state.resource.id, |resource, _, _| {
            resource.tags.remove(tag::PARKED_UNTIL);
            Ok(())
        })
        .await
    }

    async fn adopt(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let tags = claim.owner.tags();
        self.edit(Op::Adopt, &state.resource.id, move |resource, _, _| {
            resource.tags.extend(tags.map(|(name, value)| (name.to_owned(), value)));
            Ok(())
        })
        .await
    }

    async fn ensure_account(&self, _: &Claim, state: &State, account: &Account) -> Result<Receipt> {
        if !S::ACCOUNTS {
            return Err(cannot::<S>(Op::EnsureAccount, "have accounts"));
        }
        let (name, login) = (
            account.name.clone(),
            Login::new(account.access, &state.resource.id, account.password.expose_secret()),
        );
        self.edit(Op::EnsureAccount, &state.resource.id, move |resource, _, _| {
            resource.accounts.insert(name, login);
            Ok(())
        })
        .await
    }

    async fn drop_account(&self, _: &Claim, state: &State, name: &str) -> Result<Receipt> {
        if !S::ACCOUNTS {
            return Err(cannot::<S>(Op::DropAccount, "have accounts"));
        }
        let name = name.to_owned();
        self.edit(Op::DropAccount, &state.resource.id, move |resource, _, _| {
            resource.accounts.remove(&name);
            Ok(())
        })
        .await
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let cluster = cluster.clone();
        self.call(Op::Inventory, None, 0, move |world, now, _| {
            Ok(world
                .of(S::KIND)
                .filter(|resource| resource.visible(now))
                .filter_map(|resource| {
                    let owner = resource.owner().filter(|owner| owner.cluster == cluster)?;
                    Some(Owned {
                        id: resource.id.clone(),
                        owner,
                        phase: resource.phase(now),
                    })
                })
                .collect())
        })
        .await
    }
}

/// What stands for an identity. One that is going makes room for one that stays.
fn sighting(found: &[&Resource], now: Timestamp) -> Sighting<State> {
    let staying: Vec<_> = found
        .iter()
        .copied()
        .filter(|resource| resource.gone_at.is_none())
        .collect();
    match (staying.as_slice(), found) {
        ([], []) => Sighting::Absent,
        ([one], _) | ([], [one, ..]) => Sighting::One(State::new(one, now)),
        (several, _) => Sighting::Several(several.iter().map(|resource| resource.id.clone()).collect()),
    }
}

/// The network that everybody shares belongs to nobody who calls.
fn protect_shared<S: Shape>(op: Op, id: &ExternalId) -> Result<()> {
    match id.as_str() {
        SHARED_NETWORK => Err(error::<S>(
            op,
            ErrorKind::PermissionDenied,
            format!("{id} is shared and cannot be changed"),
            "Forbidden",
        )),
        _ => Ok(()),
    }
}

fn cannot<S: Shape>(op: Op, what: &str) -> Error {
    error::<S>(
        op,
        ErrorKind::Unsupported,
        format!("a {} of the mock cloud cannot {what}", S::KIND),
        "Unsupported",
    )
}

/// The same error once more: a batch that failed as a whole failed for each of its claims.
fn again(error: &Error) -> Error {
    let mut again = Error::new(error.kind(), error.operation(), error.message());
    if let Some(code) = error.code() {
        again = again.with_code(code);
    }
    if let Some(id) = error.request_id() {
        again = again.with_request_id(id);
    }
    if let mooring_provider::Retry::After(after) = error.retry() {
        again = again.with_retry_after(after);
    }
    again
}
