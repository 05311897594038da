//! What is said of a CloudResource's binding: from what its workloads give it to its condition. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    judge::{Holder, Share, Taken},
    wanted::{Env, Wanted},
};
use crate::operator::workload::WorkloadKey;

/// Reasons of the condition `Bound`.
pub mod reason {
    /// Its workloads have it in their environment.
    pub const BOUND: &str = "Bound";
    /// No workload is to have it; there is its Secret.
    pub const SECRET_ONLY: &str = "SecretOnly";
    /// There is no workload yet.
    pub const NO_WORKLOAD: &str = "NoWorkload";
    /// The workload is of a kind that is not known here.
    pub const UNSUPPORTED_WORKLOAD: &str = "UnsupportedWorkload";
    /// The workload cannot be changed.
    pub const IMMUTABLE_WORKLOAD: &str = "ImmutableWorkload";
    /// The workload has no container of that name.
    pub const CONTAINER_MISSING: &str = "ContainerMissing";
    /// Somebody else set a variable of that name.
    pub const ENV_TAKEN: &str = "EnvTaken";
    /// Somebody else undoes it again and again.
    pub const BINDING_CONTESTED: &str = "BindingContested";
    /// The API server refused the change.
    pub const REFUSED: &str = "Refused";
    /// It is being taken out of its workloads.
    pub const UNBINDING: &str = "Unbinding";
    /// It is out of its workloads.
    pub const UNBOUND: &str = "Unbound";
}

/// What one workload gives one CloudResource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How far it goes.
    pub(super) outcome: Outcome,
    /// Whether its pods have it, or some pods of an earlier template may.
    pub(super) is_consumer: bool,
}

/// How far a binding goes in a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All that could be was done.
    Shared(Share),
    /// The workload cannot be changed.
    Immutable,
    /// Somebody undoes it again and again.
    Contested(Option<String>),
    /// The API server refused the change.
    Refused(String),
    /// The workload is being deleted.
    Going,
}

/// A condition before it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether it is bound.
    pub(super) is_bound: bool,
    /// Why, in one word.
    pub(super) reason: &'static str,
    /// Why, for a person.
    pub(super) message: String,
}

fn no(reason: &'static str, message: String) -> Said {
    Said {
        is_bound: false,
        reason,
        message,
    }
}

/// What is to be said, given what each workload gives.
pub(super) fn said(wanted: &Wanted, verdicts: &BTreeMap<WorkloadKey, Verdict>) -> Said {
    if wanted.is_going {
        let left: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict.is_consumer).collect();
        let names = left
            .iter()
            .map(|(key, _)| key.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        return if left.is_empty() {
            no(reason::UNBOUND, "no workload has it in its environment".into())
        } else {
            no(
                reason::UNBINDING,
                format!("it is being taken out of the environment of {names}"),
            )
        };
    }
    if wanted.env == Env::SecretOnly {
        return Said {
            is_bound: true,
            reason: reason::SECRET_ONLY,
            message: format!("no environment variables are asked for; use Secret {}", wanted.secret),
        };
    }
    if let Some(workload) = &wanted.workload
        && WorkloadKey::of(&wanted.namespace, workload).is_none()
    {
        return no(
            reason::UNSUPPORTED_WORKLOAD,
            format!(
                "the lists in a {} {} cannot be shared with its owner; use Secret {} in its manifest, and `inject: \
                 false` here",
                workload.api_version, workload.kind, wanted.secret
            ),
        );
    }
    let mut worst = verdicts
        .iter()
        .filter_map(|(key, verdict)| trouble(wanted, key, &verdict.outcome));
    if let Some(trouble) = worst.next() {
        return trouble;
    }
    let bound: Vec<_> = verdicts
        .iter()
        .filter_map(|(key, verdict)| shared(key, &verdict.outcome))
        .collect();
    if bound.is_empty() {
        return no(reason::NO_WORKLOAD, nowhere(wanted));
    }
    Said {
        is_bound: true,
        reason: reason::BOUND,
        message: format!("in the environment of {}", bound.join("; ")),
    }
}

fn nowhere(wanted: &Wanted) -> String {
    match &wanted.workload {
        Some(workload) => format!(
            "there is no {} {} yet; it is bound when it comes",
            workload.kind, workload.name
        ),
        None => format!(
            "no Deployment, StatefulSet, DaemonSet or CronJob has the labels app.oam.dev/name={} and \
             app.oam.dev/component={}; it is bound when one comes, or name one in `spec.workload`",
            wanted.application, wanted.component
        ),
    }
}

fn shared(key: &WorkloadKey, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Shared(share) => Some(format!("{key}, {}", containers(&share.containers))),
        _ => None,
    }
}

fn containers(names: &BTreeSet<String>) -> String {
    let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("container {names}")
}

fn trouble(wanted: &Wanted, key: &WorkloadKey, outcome: &Outcome) -> Option<Said> {
    let share = match outcome {
        Outcome::Shared(share) => share,
        Outcome::Going => return None,
        Outcome::Immutable => {
            return Some(no(
                reason::IMMUTABLE_WORKLOAD,
                format!(
                    "the pod template of {key} cannot be changed once it is there; use Secret {} in its manifest, and \
                     `inject: false` here, or make it a CronJob",
                    wanted.secret
                ),
            ));
        }
        Outcome::Contested(manager) => {
            let who = manager.as_ref().map_or_else(
                || "somebody who is not on record, since what is taken away leaves no trace,".to_owned(),
                |manager| format!("`{manager}`"),
            );
            return Some(no(
                reason::BINDING_CONTESTED,
                format!(
                    "{who} undoes it again and again in {key}; it is now tried once in 10 minutes. Let them keep the \
                     variables that they do not know, or use Secret {} in their manifest, and `inject: false` here",
                    wanted.secret
                ),
            ));
        }
        Outcome::Refused(message) => {
            return Some(no(
                reason::REFUSED,
                format!("the API server refuses to change {key}: {message}"),
            ));
        }
    };
    if !share.missing.is_empty() {
        return Some(no(reason::CONTAINER_MISSING, missing(key, share)));
    }
    if !share.taken.is_empty() {
        return Some(no(reason::ENV_TAKEN, taken(key, &share.taken)));
    }
    share
        .containers
        .is_empty()
        .then(|| no(reason::NO_WORKLOAD, format!("{key} does not have it yet")))
}

fn missing(key: &WorkloadKey, share: &Share) -> String {
    format!(
        "{key} has no container {}; it has {}. Name the one that is meant in `containers`",
        share.missing.join(", "),
        share.present.join(", ")
    )
}

fn taken(key: &WorkloadKey, taken: &[Taken]) -> String {
    let mut by_holder: BTreeMap<(&Holder, &str), Vec<&str>> = BTreeMap::new();
    for taken in taken {
        let names = by_holder.entry((&taken.owner, &taken.place.container)).or_default();
        names.push(&taken.place.name);
    }
    let lines = by_holder.into_iter().map(|((holder, container), names)| {
        let names = names.join(", ");
        match holder {
            Holder::Manager(manager) => {
                format!("{names} in container {container} of {key} belongs to `{manager}`; remove it there")
            }
            Holder::Component => {
                format!("{names} in container {container} of {key} is in the component's own `env`; remove it there")
            }
            Holder::Resource(secret) => {
                format!("{names} in container {container} of {key} already shows Secret {secret}")
            }
            Holder::Unknown => {
                format!("{names} in container {container} of {key} is set, by whom is not on record; remove it")
            }
        }
    });
    let lines = lines.collect::<Vec<_>>().join("; ");
    format!("{lines}, or choose another prefix with `as`. Everything else is set")
}
