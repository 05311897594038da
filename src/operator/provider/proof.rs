//! Whether credentials work, whose they are, and which kinds they are good for.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mooring_provider::{Error, Kind};

use super::ROTATION;
use crate::{
    engine::{Connection, Priority, effective},
    operator::Context,
};

/// How often it is proven anew that credentials work.
pub(super) const CHECK: Duration = Duration::from_secs(60);
/// The longest pause between proofs that fail.
const SLOWEST: Duration = Duration::from_secs(60);

/// When each connection was proven last, and how; the one in use and the one that may replace it.
#[derive(Debug, Default)]
pub(super) struct Proofs(Mutex<HashMap<String, Vec<Proof>>>);

#[derive(Debug, Clone)]
struct Proof {
    of: std::sync::Weak<Connection>,
    at: Instant,
    failures: u32,
    /// The kinds it was asked for.
    kinds: Vec<Kind>,
    said: Account,
}

impl Proofs {
    /// What was found of a connection last.
    pub(super) fn said(&self, connection: &Arc<Connection>) -> Option<Account> {
        self.of(connection).map(|proof| proof.said)
    }

    /// It is gone.
    pub(super) fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn of(&self, connection: &Arc<Connection>) -> Option<Proof> {
        let proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let proofs = proofs.get(&connection.name)?;
        proofs.iter().find(|proof| proof.is_of(connection)).cloned()
    }
}

impl Proof {
    fn is_good(&self) -> bool {
        self.said.as_ref().is_ok_and(|proven| proven.refused.is_empty())
    }

    fn is_of(&self, connection: &Arc<Connection>) -> bool {
        std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(connection))
    }
}

pub(super) type Told = (&'static str, String);

pub(super) type Account = Result<Proven, Told>;

/// Whose account it is, and what its credentials are good for.
#[derive(Debug, Clone)]
pub(super) struct Proven {
    pub(super) account: String,
    pub(super) region: Option<String>,
    /// The kinds they are not good for, and why.
    pub(super) refused: Vec<(Kind, Told)>,
}

impl Proven {
    /// What is told of the kinds that are refused, all together.
    pub(super) fn refused(&self) -> Option<Told> {
        let (_, (reason, _)) = self.refused.first()?;
        let list = self
            .refused
            .iter()
            .map(|(kind, (_, message))| format!("{kind}: {message}"));
        let list = list.collect::<Vec<_>>().join("; ");
        Some((reason, format!("{list}; what else it is to serve is served")))
    }

    /// Whether it is as good as that one.
    pub(super) fn is_as_good_as(&self, other: Option<&Self>) -> bool {
        self.refused
            .iter()
            .all(|(kind, _)| other.is_some_and(|other| other.refused.iter().any(|(known, _)| known == kind)))
    }
}

/// The kinds that Environments have a ProviderConfig serve, and those that something is there of: what its credentials
/// have to be good for.
pub(super) fn kinds(context: &Context, name: &str) -> Vec<Kind> {
    let mut kinds = BTreeSet::new();
    for guard in context.stores.environments.filter(|_| true) {
        if let Ok(environment) = &guard.0 {
            kinds.extend(effective::routed(&environment.spec, name));
        }
    }
    for guard in context.stores.resources.filter(|_| true) {
        let status = guard.0.as_ref().ok().and_then(|object| object.status.as_ref());
        let here = status.filter(|status| status.provider.as_deref() == Some(name));
        kinds.extend(here.and_then(|status| status.kind.as_ref()?.parse::<Kind>().ok()));
    }
    let retained = context.stores.retained.filter(|_| true);
    let retained = retained.iter().filter_map(|guard| guard.0.as_ref().ok());
    kinds.extend(
        retained
            .filter(|kept| kept.spec.provider == name)
            .map(|kept| kept.spec.kind),
    );
    kinds.into_iter().collect()
}

pub(super) fn chain(error: &Error) -> String {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message
}

/// Whether the credentials work, whose they are, and what they are good for. Asked anew when they or that changed, and
/// now and then.
pub(super) async fn prove(context: &Context, proofs: &Proofs, connection: &Arc<Connection>) -> Account {
    let known = proofs.of(connection);
    let mut kinds = kinds(context, &connection.name);
    kinds.retain(|kind| connection.kinds().any(|served| served == *kind));
    if let Some(proof) = known.as_ref().filter(|proof| proof.kinds == kinds) {
        let pause = if proof.is_good() {
            CHECK
        } else {
            ROTATION.saturating_mul(1 << proof.failures.min(4)).min(SLOWEST)
        };
        if proof.at.elapsed() < pause {
            return proof.said.clone();
        }
    }
    let permit = connection.budget().acquire(Priority::Drift).await;
    let checked = connection.provider().check().await;
    drop(permit);
    let told = |error: &Error| (error.reason(), chain(error));
    let said = match checked {
        // That it is the account it was before, and what it holds of ours, kind by kind.
        Ok(info) => match context.engine.prove_account(connection).await {
            Ok(()) => {
                let mut refused = Vec::new();
                for kind in &kinds {
                    if let Err(error) = context.engine.prove(connection, *kind).await {
                        refused.push((*kind, told(&error)));
                    }
                }
                Ok(Proven {
                    account: info.account,
                    region: info.region,
                    refused,
                })
            }
            Err(error) => Err(told(&error)),
        },
        Err(error) => Err(told(&error)),
    };
    let mut proof = Proof {
        of: Arc::downgrade(connection),
        at: Instant::now(),
        failures: 0,
        kinds,
        said: said.clone(),
    };
    if !proof.is_good() {
        proof.failures = known.map_or(0, |proof| proof.failures) + 1;
    }
    let mut proofs = proofs.0.lock().unwrap_or_else(PoisonError::into_inner);
    let all = proofs.entry(connection.name.clone()).or_default();
    all.retain(|known| !known.is_of(connection) && known.of.strong_count() > 0);
    all.push(proof);
    said
}
