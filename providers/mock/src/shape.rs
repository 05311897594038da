//! What the kinds differ in, and how one of them is made.

use std::{fmt::Debug, time::Duration};

use jiff::Timestamp;
use mooring_provider::{Bindings, Claim, Drift, Error, ErrorKind, ExternalId, Kind, Result, spec::Common};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    call::{Op, operation},
    clock::after,
    config::MockConfig,
    resource::{Busy, Resource, Settings, digest},
    validate::Check,
    world::{Spent, World},
};

/// What is particular to a kind.
pub(crate) trait Shape: Debug + Send + Sync + 'static {
    type Spec: Clone + Debug + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    const KIND: Kind;
    /// Its create honours a client token.
    const TOKENS: bool = false;
    /// Its names are unique in the account.
    const UNIQUE_NAMES: bool = false;
    const ACCOUNTS: bool = false;
    const PARKS: bool = false;

    fn common(spec: &Self::Spec) -> &Common;
    fn settings(settings: &Settings) -> Option<&Self::Spec>;
    fn check(spec: &Self::Spec, check: &Check) -> Result<()>;
    /// What of a spec means less here than elsewhere.
    fn notes(_spec: &Self::Spec) -> Vec<String> {
        Vec::new()
    }
    /// What a new resource is set to, and where it can be reached.
    fn begin(spec: &Self::Spec, claim: &Claim, serial: u64) -> (Settings, String);
    /// How long it takes to make one.
    fn making(config: &MockConfig) -> Duration {
        config.quick()
    }
    fn differences(spec: &Self::Spec, is: &Self::Spec, resource: &Resource, drift: &mut Drift);
    /// Closes one difference, and says for how long that keeps the resource busy.
    fn close(field: &str, spec: &Self::Spec, settings: &mut Settings, config: &MockConfig) -> Duration;
    fn bindings(is: &Self::Spec, resource: &Resource) -> Bindings;
    /// Why it cannot be deleted now.
    fn obstacle(_resource: &Resource, _world: &World, _now: Timestamp) -> Option<(String, &'static str)> {
        None
    }
    /// Whether a protection has to be lifted before it can be deleted.
    fn protection(_settings: &mut Settings) -> Option<&mut bool> {
        None
    }
    /// The network it is asked to share, where it is one that must exist.
    fn shared(_spec: &Self::Spec) -> Option<&str> {
        None
    }
    /// Closes it to everybody.
    fn shut(_settings: &mut Settings) {}
}

pub(crate) fn error<S: Shape>(op: Op, kind: ErrorKind, message: impl Into<String>, code: &str) -> Error {
    Error::new(kind, operation(Some(S::KIND), op), message).with_code(code)
}

/// What the cloud does when it is told to create.
pub(crate) fn make<S: Shape>(
    world: &mut World,
    now: Timestamp,
    config: &MockConfig,
    claim: &Claim,
    spec: &S::Spec,
) -> Result<ExternalId> {
    let fail = |kind, message: String, code| Err(error::<S>(Op::Create, kind, message, code));
    if let Some(shared) = S::shared(spec) {
        let message = format!("network.id: `{shared}` is to be shared and does not exist; name one that does");
        return fail(ErrorKind::InvalidSpec, message, "InvalidVpcId.NotFound");
    }
    let token = format!("{}/{}", S::KIND, claim.token());
    let parameters = digest(&[&claim.name, &serde_json::to_string(spec).unwrap_or_default()]);
    if S::TOKENS
        && let Some(spent) = world.spent(&token)
    {
        return match spent.parameters == parameters {
            true => Ok(spent.id.clone()),
            false => fail(
                ErrorKind::InvalidSpec,
                format!("the client token of `{}` was used with other parameters", claim.name),
                "IdempotentParameterMismatch",
            ),
        };
    }
    if S::UNIQUE_NAMES
        && let Some(holder) = world.of(S::KIND).find(|other| other.name == claim.name)
    {
        return match holder.owner().is_some_and(|owner| owner == claim.owner) {
            true if holder.gone_at.is_none() => Ok(holder.id.clone()),
            true => fail(
                ErrorKind::Busy,
                format!("`{}` is being deleted", claim.name),
                "AlreadyExists",
            ),
            false => fail(
                ErrorKind::NotOwned,
                format!(
                    "{} holds the name `{}` and is not ours; rename or remove it",
                    holder.id, claim.name
                ),
                "AlreadyExists",
            ),
        };
    }
    let count = world.of(S::KIND).count();
    if let Some(quota) = config.quota.get(&S::KIND).filter(|quota| count >= **quota as usize) {
        let message = format!(
            "all {quota} {} of account `{}` are used; remove one or have the quota raised",
            S::KIND,
            config.account
        );
        return fail(ErrorKind::QuotaExceeded, message, "QuotaExceeded");
    }
    let serial = world.next_serial();
    let (settings, host) = S::begin(spec, claim, serial);
    let id = ExternalId::new(format!(
        "{}-{}",
        S::KIND,
        &digest(&[&config.account, &serial.to_string()])[..12]
    ));
    let mut tags = S::common(spec).tags.clone();
    tags.extend(claim.owner.tags().map(|(name, value)| (name.to_owned(), value)));
    let mut resource = Resource::foreign(id.clone(), &claim.name, settings, serial, now);
    (resource.tags, resource.host) = (tags, host);
    resource.visible_at = after(now, config.invisible_for.get());
    resource.busy = Some(Busy {
        with: "being created".into(),
        until: after(now, S::making(config)),
    });
    if let Some(network) = resource.network()
        && world
            .get(&ExternalId::new(network))
            .is_none_or(|found| found.kind != Kind::Vpc)
    {
        let message = format!(
            "network.id: no network `{network}` in account `{}`; name one that exists",
            config.account
        );
        return fail(ErrorKind::InvalidSpec, message, "InvalidVpcId.NotFound");
    }
    world.put(resource);
    if S::TOKENS {
        world.spend(
            token,
            Spent {
                parameters,
                id: id.clone(),
            },
        );
    }
    Ok(id)
}
