//! The accounts of a resource: those that are wanted, and those that are to go.

use crate::{Account, AnyState, Claim, DynAdapter, Result, Step};

/// An account that is wanted.
#[derive(Debug)]
pub struct AccountGoal {
    /// The account.
    pub account: Account,
    /// The provider was told exactly this before.
    pub told: bool,
}

/// An account that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its name.
    pub name: String,
    /// Whether it goes though somebody may use it.
    pub when: Revoking,
}

impl Revoked {
    /// One that goes whoever uses it.
    pub fn now(name: impl Into<String>) -> Self {
        let (name, when) = (name.into(), Revoking::Now);
        Self { name, when }
    }
}

/// When an account goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoking {
    /// Whoever uses it.
    Now,
    /// Unless a session of it is seen: everybody who is known to have it was given another.
    UnlessUsed,
    /// Once the provider says that no session of it is open: who has it is not known.
    IfUnused,
}

/// An account that is to go and stays: its name, and how many sessions of it are open, where that is known.
pub type InUse = (String, Option<u32>);

/// Tells the provider of the first account that it was not told of, or removes the first that may go.
pub(crate) async fn step(
    adapter: &dyn DynAdapter,
    claim: &Claim,
    state: &AnyState,
    (accounts, revoked): (&[AccountGoal], &[Revoked]),
    in_use: &mut Vec<InUse>,
) -> Result<Step> {
    if let Some(goal) = accounts.iter().find(|goal| !goal.told) {
        let receipt = adapter.ensure_account(claim, state, &goal.account).await?;
        return Ok(Step::AccountEnsured {
            name: goal.account.name.clone(),
            request_id: receipt.request_id,
        });
    }
    let mut failed = None;
    for Revoked { name, when } in revoked {
        if *when != Revoking::Now {
            // A provider that cannot say just now says later; nothing else waits for that.
            let open = adapter.sessions(claim, state, name).await;
            let is_free = match &open {
                Ok(Some(sessions)) => *sessions == 0,
                Ok(None) => *when == Revoking::UnlessUsed,
                Err(_) => false,
            };
            if !is_free {
                in_use.push((name.clone(), open.ok().flatten()));
                continue;
            }
        }
        match adapter.drop_account(claim, state, name).await {
            Ok(receipt) => {
                return Ok(Step::AccountDropped {
                    name: name.clone(),
                    request_id: receipt.request_id,
                });
            }
            // The others go all the same.
            Err(error) => _ = failed.get_or_insert(error),
        }
    }
    failed.map_or(Ok(Step::Ready), Err)
}
