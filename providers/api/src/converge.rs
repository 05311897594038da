//! The one way in which a resource is brought closer to what is wanted.

use serde_json::Value as Json;

use crate::{
    AccountGoal, AnyState, Capability, Change, Claim, Difference, Drift, DynAdapter, Error, ErrorKind, ExternalId,
    Goal, Journal, Outcome, Permission, Phase, Receipt, Result, Revoked, Seen, Sighting, Stay, Step, accounts,
    accounts::InUse,
};

/// Observes, then takes at most one step towards the goal.
///
/// An error means that the step failed; [`ErrorKind::may_have_had_effect`] tells whether it may have been taken.
/// Calling again is always right.
pub async fn converge(adapter: &dyn DynAdapter, journal: &dyn Journal, claim: &Claim, goal: &Goal) -> Result<Outcome> {
    let state = match observe(adapter, claim).await? {
        Sighting::One(state) => state,
        Sighting::Absent => {
            return absent(adapter, journal, claim, goal).await.map(|step| Outcome {
                seen: None,
                step,
                in_use: Vec::new(),
            });
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
                in_use: Vec::new(),
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
        remark: adapter.remark(&state),
        state: state.clone(),
    };
    let mut in_use = Vec::new();
    let step = match foreign(adapter, claim, &state) {
        Some(_) if claim.may_adopt && matches!(goal, Goal::Present { .. }) => Step::Adopted {
            request_id: adapter.adopt(claim, &state).await?.request_id,
        },
        Some(message) => Step::Blocked {
            reason: crate::reason::OWNED_ELSEWHERE,
            message,
        },
        None => one_step(adapter, claim, goal, &state, &seen, &mut in_use).await?,
    };
    Ok(Outcome {
        seen: Some(seen),
        step,
        in_use,
    })
}

/// Looks whether what rested still does: `None` when it does not, and is to be looked at in full by [`converge`]. A
/// claim that says what is known of it costs fewer calls here.
pub async fn glance(adapter: &dyn DynAdapter, claim: &Claim, goal: &Goal) -> Result<Option<Outcome>> {
    let Goal::Present {
        spec,
        accounts,
        revoked,
        ..
    } = goal
    else {
        return Ok(None);
    };
    if accounts.iter().any(|goal| !goal.told) || !revoked.is_empty() {
        return Ok(None);
    }
    let Sighting::One(state) = observe(adapter, claim).await? else {
        return Ok(None);
    };
    let drift = adapter.drift(spec, &state)?;
    let rests = adapter.phase(&state) == Phase::Ready && drift.is_empty() && foreign(adapter, claim, &state).is_none();
    Ok(rests.then(|| Outcome {
        seen: Some(Seen {
            id: adapter.id(&state),
            phase: Phase::Ready,
            drift,
            bindings: adapter.bindings(claim, &state),
            remark: adapter.remark(&state),
            state,
        }),
        step: Step::Ready,
        in_use: Vec::new(),
    }))
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
        if claim.settling {
            return Ok(settling(claim));
        }
        if !claim.existing {
            adapter.sweep(claim).await?;
        }
        return Ok(Step::Gone);
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

async fn one_step(
    adapter: &dyn DynAdapter,
    claim: &Claim,
    goal: &Goal,
    state: &AnyState,
    seen: &Seen,
    in_use: &mut Vec<InUse>,
) -> Result<Step> {
    match goal {
        Goal::Absent | Goal::Parked { .. } if claim.existing => Ok(Step::Released),
        Goal::Absent => match &seen.phase {
            Phase::Deleting => Ok(going()),
            phase => match adapter.stays(state) {
                Some(stay) => put_away(adapter, claim, state, phase, stay).await,
                None => {
                    let Receipt { request_id, ended } = adapter.delete(claim, state).await?;
                    Ok(Step::Deleting { request_id, ended })
                }
            },
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
        } => joined(adapter, claim, state, seen, (accounts, revoked), in_use).await,
        Goal::Joined { revoked, .. } => match (&seen.phase, revoked.first()) {
            // Whoever deletes or parks it takes everybody's access.
            (Phase::Deleting | Phase::Parked(_), _) | (_, None) => Ok(Step::Released),
            (Phase::Busy(what), Some(_)) => Ok(Step::Wait {
                reason: crate::reason::UPDATING,
                message: what.clone(),
            }),
            _ => accounts::step(adapter, claim, state, (&[], revoked), in_use).await,
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
                accounts::step(adapter, claim, state, (accounts, revoked), in_use).await
            }
        },
    }
}

/// Takes what cannot be deleted out of use, as far as it can be.
async fn put_away(
    adapter: &dyn DynAdapter,
    claim: &Claim,
    state: &AnyState,
    phase: &Phase,
    stay: Stay,
) -> Result<Step> {
    match phase {
        Phase::Busy(what) => Ok(Step::Wait {
            reason: crate::reason::DELETING,
            message: what.clone(),
        }),
        Phase::Ready | Phase::Unreachable(_) if adapter.capability().parks => Ok(Step::Parking {
            request_id: adapter.park(claim, state, &stay.until, false).await?.request_id,
        }),
        _ => Ok(Step::Stays(stay)),
    }
}

/// Uses what somebody else makes and changes.
async fn joined(
    adapter: &dyn DynAdapter,
    claim: &Claim,
    state: &AnyState,
    seen: &Seen,
    accounts: (&[AccountGoal], &[Revoked]),
    in_use: &mut Vec<InUse>,
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
            accounts::step(adapter, claim, state, accounts, in_use).await
        }
    }
}

fn going() -> Step {
    Step::Wait {
        reason: crate::reason::DELETING,
        message: "the provider is deleting it".into(),
    }
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
