//! The one way in which a resource is brought closer to what is wanted.

use serde_json::Value as Json;

use crate::{
    Account, AnyState, Bindings, Capability, Change, Claim, Difference, Drift, DynAdapter, Error, ErrorKind,
    ExternalId, Journal, Permission, Phase, Receipt, Result, Sighting,
};

/// What is wanted of a resource.
#[derive(Debug)]
pub enum Goal {
    /// It exists and is as the spec says.
    Present {
        /// The resolved spec.
        spec: Json,
        /// The spec that was last carried out in full, if that is remembered: fields that differ from the provider
        /// but not from it are somebody else's change, and are reported only.
        applied: Option<Json>,
        /// It was ready once.
        was_ready: bool,
        /// Somebody asked in so many words for a new, empty one.
        recreate: bool,
        /// Its accounts.
        accounts: Vec<AccountGoal>,
        /// Accounts that are to go.
        revoked: Vec<String>,
    },
    /// Another holder of its owner tag makes it, changes it and lets it go. It is used here, by accounts of our own.
    Joined {
        /// The resolved spec, for what differs from it; `None` to leave it: the accounts go, and it is let go.
        spec: Option<Json>,
        /// Our accounts.
        accounts: Vec<AccountGoal>,
        /// Accounts of ours that are to go.
        revoked: Vec<String>,
    },
    /// It does not exist.
    Absent,
    /// It is out of use and its data is kept until the RFC 3339 time.
    Parked {
        /// Until when.
        until: String,
        /// A backup is made first.
        backup: bool,
    },
}

/// An account that is wanted.
#[derive(Debug)]
pub struct AccountGoal {
    /// The account.
    pub account: Account,
    /// The provider was told exactly this before.
    pub told: bool,
}

/// What became of one call of [`converge`].
#[derive(Debug)]
pub struct Outcome {
    /// What was seen before the step.
    pub seen: Option<Seen>,
    /// The step that was taken, or why none was.
    pub step: Step,
}

/// What was seen of a resource.
#[derive(Debug)]
pub struct Seen {
    /// What the provider calls it.
    pub id: ExternalId,
    /// How far it was.
    pub phase: Phase,
    /// What differed.
    pub drift: Drift,
    /// What a consumer needs; empty until it can be used.
    pub bindings: Bindings,
}

/// At most one of these happens in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A create was sent and taken.
    Created {
        #[doc = "What the provider calls it."]
        id: ExternalId,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// A change was sent and taken.
    Updated {
        #[doc = "The fields given."]
        fields: Vec<&'static str>,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// The account was told to the provider.
    AccountEnsured {
        #[doc = "Its name."]
        name: String,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// The account was removed.
    AccountDropped {
        #[doc = "Its name."]
        name: String,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// A delete, or a step towards one, was sent and taken.
    Deleting {
        #[doc = "The request."]
        request_id: Option<String>,
        #[doc = "It was the deletion of the resource itself."]
        ended: bool,
    },
    /// A step towards parking was sent and taken.
    Parking {
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// It was taken back into use.
    Unparked {
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// It changed its owner to this claim's, as approved.
    Adopted {
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// Nothing to do but wait: the provider is at work, or absence proves nothing yet.
    Wait {
        #[doc = "One of [`crate::reason`]."]
        reason: &'static str,
        #[doc = "What is awaited."]
        message: String,
    },
    /// Somebody has to act; nothing was touched.
    Blocked {
        #[doc = "One of [`crate::reason`]."]
        reason: &'static str,
        #[doc = "What stands in the way."]
        message: String,
    },
    /// It is as wanted; what may differ is in [`Seen::drift`].
    Ready,
    /// It is parked.
    Parked,
    /// It does not exist, and that is proven.
    Gone,
    /// It is not ours to change or delete; it was let go.
    Released,
}

impl Step {
    /// Whether nothing comes after it.
    pub const fn is_the_last(&self) -> bool {
        matches!(self, Self::Gone | Self::Parked | Self::Released)
    }
}

/// Observes, then takes at most one step towards the goal.
///
/// An error means that the step failed; [`ErrorKind::may_have_had_effect`] tells whether it may have been taken.
/// Calling again is always right.
pub async fn converge(adapter: &dyn DynAdapter, journal: &dyn Journal, claim: &Claim, goal: &Goal) -> Result<Outcome> {
    let state = match observe(adapter, claim).await? {
        Sighting::One(state) => state,
        Sighting::Absent => {
            return absent(adapter, journal, claim, goal)
                .await
                .map(|step| Outcome { seen: None, step });
        }
        Sighting::Several(ids) => {
            let ids = ids.iter().map(ExternalId::as_str).collect::<Vec<_>>().join(", ");
            let message = format!(
                "{ids} all carry the identity {}; delete or retag all but one",
                claim.owner.identity
            );
            return Ok(Outcome {
                seen: None,
                step: Step::Blocked {
                    reason: crate::reason::AMBIGUOUS,
                    message,
                },
            });
        }
    };
    let drift = match goal {
        Goal::Present { spec, .. } | Goal::Joined { spec: Some(spec), .. } => adapter.drift(spec, &state)?,
        Goal::Joined { spec: None, .. } | Goal::Absent | Goal::Parked { .. } => Drift::none(),
    };
    let seen = Seen {
        id: adapter.id(&state),
        phase: adapter.phase(&state),
        drift,
        bindings: adapter.bindings(claim, &state),
    };
    let step = match foreign(adapter, claim, &state) {
        Some(_) if claim.may_adopt && matches!(goal, Goal::Present { .. }) => Step::Adopted {
            request_id: adapter.adopt(claim, &state).await?.request_id,
        },
        Some(message) => Step::Blocked {
            reason: crate::reason::OWNED_ELSEWHERE,
            message,
        },
        None => one_step(adapter, claim, goal, &state, &seen).await?,
    };
    Ok(Outcome { seen: Some(seen), step })
}

async fn observe(adapter: &dyn DynAdapter, claim: &Claim) -> Result<Sighting<AnyState>> {
    adapter
        .observe(std::slice::from_ref(claim))
        .await
        .pop()
        .unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Unexpected,
                "observe",
                "the adapter gave no answer for a claim",
            ))
        })
}

/// Why what was seen is not this claim's.
fn foreign(adapter: &dyn DynAdapter, claim: &Claim, state: &AnyState) -> Option<String> {
    if claim.existing {
        return None;
    }
    let id = adapter.id(state);
    match adapter.owner(state) {
        Some(owner) if owner == claim.owner => None,
        Some(owner) => Some(format!(
            "{id} belongs to {} of cluster {} (identity {}); release it there or approve the move",
            owner.key, owner.cluster, owner.identity
        )),
        None => Some(format!(
            "{id} carries no owner tag; import it by name with `existing` to use it"
        )),
    }
}

async fn absent(adapter: &dyn DynAdapter, journal: &dyn Journal, claim: &Claim, goal: &Goal) -> Result<Step> {
    let kind = adapter.kind();
    if let Goal::Joined { spec, .. } = goal {
        return Ok(match spec {
            None if claim.settling => settling(claim),
            None => Step::Released,
            Some(_) => Step::Wait {
                reason: crate::reason::WAITING_FOR,
                message: format!(
                    "there is no {kind} of {} {} yet; the home cluster of that makes it",
                    claim.owner.cluster, claim.owner.key
                ),
            },
        });
    }
    let Goal::Present {
        spec,
        was_ready,
        recreate,
        ..
    } = goal
    else {
        return Ok(if claim.settling { settling(claim) } else { Step::Gone });
    };
    if claim.existing {
        let id = claim.id.as_ref().map_or("", ExternalId::as_str);
        return Err(Error::new(
            ErrorKind::InvalidSpec,
            "observe",
            format!("existing.id: no {kind} `{id}` at the provider; name one that exists in this account and region"),
        ));
    }
    let Capability {
        idempotent_create,
        send_deadline,
        ..
    } = adapter.capability();
    if claim.settling && !(claim.resend && idempotent_create) {
        return Ok(settling(claim));
    }
    if *was_ready && kind.bears_data() && !recreate {
        return Ok(Step::Blocked {
            reason: crate::reason::LOST,
            message: format!(
                "the {kind} was ready and is gone from the provider, with its data; restore it there, or set the \
                 annotation mooring.dev/recreate={} to get a new, empty one",
                claim.incarnation
            ),
        });
    }
    adapter.validate(spec)?;
    let mut claim = claim.clone();
    if !claim.settling && (claim.id.take().is_some() || *was_ready) {
        // What was there is gone for good; its token may still answer for it.
        claim.incarnation += 1;
    }
    if journal.creating(&claim).await? == Permission::Settling {
        return Ok(settling(&claim));
    }
    let created = match tokio::time::timeout(send_deadline, adapter.create(&claim, spec)).await {
        Ok(created) => created?,
        Err(_) => {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "create",
                format!("no answer within {send_deadline:?}; it is looked for before it is tried again"),
            ));
        }
    };
    Ok(Step::Created {
        id: created.id,
        request_id: created.request_id,
    })
}

fn settling(claim: &Claim) -> Step {
    Step::Wait {
        reason: crate::reason::SETTLING,
        message: format!(
            "`{}` is not to be seen, but a create may not have shown its effect yet",
            claim.name
        ),
    }
}

async fn one_step(adapter: &dyn DynAdapter, claim: &Claim, goal: &Goal, state: &AnyState, seen: &Seen) -> Result<Step> {
    match goal {
        Goal::Absent | Goal::Parked { .. } if claim.existing => Ok(Step::Released),
        Goal::Absent => match &seen.phase {
            Phase::Deleting => Ok(going()),
            _ => {
                let Receipt { request_id, ended } = adapter.delete(claim, state).await?;
                Ok(Step::Deleting { request_id, ended })
            }
        },
        Goal::Parked { until, backup } => match &seen.phase {
            Phase::Deleting => Ok(going()),
            Phase::Parked(_) => Ok(Step::Parked),
            Phase::Busy(what) => Ok(Step::Wait {
                reason: crate::reason::UPDATING,
                message: what.clone(),
            }),
            _ => Ok(Step::Parking {
                request_id: adapter.park(claim, state, until, *backup).await?.request_id,
            }),
        },
        Goal::Joined {
            spec: Some(_),
            accounts,
            revoked,
        } => joined(adapter, claim, state, seen, accounts, revoked).await,
        Goal::Joined { revoked, .. } => match (&seen.phase, revoked.first()) {
            // Whoever deletes or parks it takes everybody's access.
            (Phase::Deleting | Phase::Parked(_), _) | (_, None) => Ok(Step::Released),
            (Phase::Busy(what), Some(_)) => Ok(Step::Wait {
                reason: crate::reason::UPDATING,
                message: what.clone(),
            }),
            _ => accounts_step(adapter, claim, state, &[], revoked).await,
        },
        Goal::Present {
            spec,
            applied,
            accounts,
            revoked,
            ..
        } => match &seen.phase {
            Phase::Parked(_) => Ok(Step::Unparked {
                request_id: adapter.unpark(claim, state).await?.request_id,
            }),
            Phase::Busy(what) => Ok(Step::Wait {
                reason: crate::reason::PROVISIONING,
                message: what.clone(),
            }),
            Phase::Deleting => Ok(going()),
            Phase::Failed(why) => Ok(Step::Blocked {
                reason: crate::reason::FAILED,
                message: why.clone(),
            }),
            Phase::Ready | Phase::Unreachable(_) => {
                let gaps = to_close(&seen.drift, spec, applied.as_ref());
                if !claim.existing && !gaps.is_empty() {
                    let fields = gaps.0.iter().map(|difference| difference.field).collect();
                    let receipt = adapter.update(claim, state, spec, &gaps).await?;
                    return Ok(Step::Updated {
                        fields,
                        request_id: receipt.request_id,
                    });
                }
                if let Phase::Unreachable(why) = &seen.phase {
                    return Ok(Step::Blocked {
                        reason: crate::reason::UNREACHABLE,
                        message: why.clone(),
                    });
                }
                accounts_step(adapter, claim, state, accounts, revoked).await
            }
        },
    }
}

/// Uses what somebody else makes and changes.
async fn joined(
    adapter: &dyn DynAdapter,
    claim: &Claim,
    state: &AnyState,
    seen: &Seen,
    accounts: &[AccountGoal],
    revoked: &[String],
) -> Result<Step> {
    let blocked = |reason, message| Ok(Step::Blocked { reason, message });
    match &seen.phase {
        Phase::Parked(until) => {
            let message = format!("its home cluster took it out of use until {until}; it may be declared there again");
            blocked(crate::reason::PARKED, message)
        }
        Phase::Busy(what) => Ok(Step::Wait {
            reason: crate::reason::PROVISIONING,
            message: what.clone(),
        }),
        Phase::Deleting => Ok(going()),
        Phase::Failed(why) => blocked(crate::reason::FAILED, why.clone()),
        Phase::Unreachable(why) => blocked(crate::reason::UNREACHABLE, why.clone()),
        Phase::Ready => {
            // Whether our clients reach it is for who changes it to see to.
            if let Some(list) = seen.drift.0.iter().find(|difference| difference.field == "clients") {
                let message = format!(
                    "clients: it admits {}, and {} must reach it; name the clients of all clusters in the \
                     Environment's `network.clients`, in each cluster the same",
                    list.observed, list.desired
                );
                return blocked(crate::reason::UNREACHABLE, message);
            }
            accounts_step(adapter, claim, state, accounts, revoked).await
        }
    }
}

fn going() -> Step {
    Step::Wait {
        reason: crate::reason::DELETING,
        message: "the provider is deleting it".into(),
    }
}

async fn accounts_step(
    adapter: &dyn DynAdapter,
    claim: &Claim,
    state: &AnyState,
    accounts: &[AccountGoal],
    revoked: &[String],
) -> Result<Step> {
    if let Some(goal) = accounts.iter().find(|goal| !goal.told) {
        let receipt = adapter.ensure_account(claim, state, &goal.account).await?;
        return Ok(Step::AccountEnsured {
            name: goal.account.name.clone(),
            request_id: receipt.request_id,
        });
    }
    if let Some(name) = revoked.first() {
        let receipt = adapter.drop_account(claim, state, name).await?;
        return Ok(Step::AccountDropped {
            name: name.clone(),
            request_id: receipt.request_id,
        });
    }
    Ok(Step::Ready)
}

/// The differences that are to be closed: those enforced always, those of a changed declaration.
fn to_close(drift: &Drift, spec: &Json, applied: Option<&Json>) -> Drift {
    let declared_anew = |difference: &Difference| {
        applied.is_some_and(|applied| spec.get(difference.field) != applied.get(difference.field))
    };
    Drift(
        drift
            .0
            .iter()
            .filter(|difference| match difference.change {
                Change::Enforced => true,
                Change::OnChange => declared_anew(difference),
                Change::Immutable | Change::CannotShrink => false,
            })
            .cloned()
            .collect(),
    )
}
