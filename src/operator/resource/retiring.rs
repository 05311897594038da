//! The accounts that retire: who still has them, and what a person is told of it.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use mooring_provider::{InUse, Revoking};

use super::{
    login::{Login, Names},
    relations,
    secret::{Ours, Place},
    status::Told,
};
use crate::{
    api::{CloudResource, CloudResourceStatus, LoginStatus, condition},
    engine::{Retiring, declare::Declaration, rotation::Generations},
    operator::{
        Context,
        workload::{Given, Use, given},
    },
};

/// How soon it is looked again at who has an old account, at first and at last.
const LOOKS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// How long after a new login is shown the last pods with the old one may be on their way out, where no provider says.
const GRACE: Duration = Duration::from_secs(600);

/// An account that retires, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    pub(super) account: Retiring,
    pub(super) generation: u32,
    pub(super) place: Place,
}

/// The accounts of a consumer that retire, each with when it may go, and why not yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Leavers {
    pub(super) all: Vec<Leaving>,
    pub(super) why: Option<String>,
}

/// Judges the accounts of one consumer that retire.
pub(super) async fn judge(
    context: &Context,
    object: &CloudResource,
    place: &Place,
    ours: &Ours,
    login: &Login,
    names: Names<'_>,
) -> kube::Result<Leavers> {
    let generations = &login.generations;
    if generations.retiring.is_empty() {
        return Ok(Leavers::default());
    }
    let (when, why) = unused(context, object, ours, generations).await?;
    let now = context.engine.clock().now();
    let leaving = generations.retiring.iter().map(|retiring| {
        let is_over = retiring.hard && now >= retiring.until;
        Leaving {
            account: Retiring {
                name: names(retiring.generation),
                when: if is_over { Some(Revoking::Now) } else { when },
            },
            generation: retiring.generation,
            place: place.clone(),
        }
    });
    Ok(Leavers {
        all: leaving.collect(),
        why,
    })
}

/// Whether everybody who is known to have an old account was given the current one.
async fn unused(
    context: &Context,
    object: &CloudResource,
    ours: &Ours,
    generations: &Generations,
) -> kube::Result<(Option<Revoking>, Option<String>)> {
    if generations.next.is_some() || ours.is_pending() {
        return Ok((None, Some("the new account is being made".to_owned())));
    }
    let used = Use::of(object);
    let shown = relations::shown_by(context, &object.metadata, Some(&used.secret));
    if let Some(name) = shown.first() {
        let why = format!(
            "ServiceBinding {name} shows it to pods that are not rolled for it; when they use the new login, drop the old \
             one with `mooring rotate --finish`"
        );
        return Ok((None, Some(why)));
    }
    let part = format!("{}={}", object.name_any(), ours.revision());
    Ok(
        match given(&context.client, &context.stores.workloads, &used, &part).await? {
            Given::Waiting(why) => (None, Some(why)),
            // Old pods may serve for a while after they were told to end. Where the provider says who uses an account,
            // it is not asked of time.
            Given::All if generations.since + GRACE > context.engine.clock().now() => (Some(Revoking::IfUnused), None),
            Given::All => (Some(Revoking::UnlessUsed), None),
            Given::Nobody if is_injected(object) => (Some(Revoking::IfUnused), None),
            Given::Nobody => {
                let why = "it is not put into any workload, so that it is not known who has it";
                (None, Some(why.to_owned()))
            }
        },
    )
}

fn is_injected(object: &CloudResource) -> bool {
    let namespace = object.namespace().unwrap_or_default();
    let declaration = Declaration::from_spec(&namespace, &object.spec);
    declaration.is_some_and(|declaration| declaration.properties.get("inject") != Some(&false.into()))
}

/// Writes into a status how far the login is, and answers when it is to be looked at again for that.
pub(super) fn tell(
    status: &mut CloudResourceStatus,
    object: &CloudResource,
    login: &Login,
    leavers: &Leavers,
    in_use: &[InUse],
    rotation: (Option<Duration>, Duration),
    now: Timestamp,
) -> Option<Duration> {
    let generations = &login.generations;
    let next_rotation = rotation.0.map(|every| generations.due(every, &login.current().name));
    status.credentials = Some(LoginStatus {
        generations: generations.clone(),
        next_rotation,
    });
    if generations.highest > 1 {
        let told = told(object, generations, leavers, in_use, now);
        super::status::set(status, condition::ROTATED, &told, object.metadata.generation);
    }
    let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let soon = generations.is_rotating().then(|| {
        let begun = Duration::try_from(now.duration_since(generations.since)).unwrap_or_default();
        let hard = generations.retiring.iter().filter(|retiring| retiring.hard);
        let hard = hard
            .map(|retiring| until(retiring.until))
            .filter(|until| !until.is_zero());
        hard.min().unwrap_or(LOOKS.1).min((begun / 20).clamp(LOOKS.0, LOOKS.1))
    });
    let due = next_rotation.filter(|_| !generations.is_rotating()).map(until);
    soon.into_iter().chain(due).min()
}

fn told(
    object: &CloudResource,
    generations: &Generations,
    leavers: &Leavers,
    in_use: &[InUse],
    now: Timestamp,
) -> Told {
    if let (Some(next), true) = (&generations.next, generations.retiring.is_empty()) {
        let message = format!("the account of generation {} is being made", next.generation);
        return Told::no("Rotating", message);
    }
    let Some(last) = generations.retiring.iter().map(|retiring| retiring.until).max() else {
        return Told::yes("Rotated", format!("generation {} is in use", generations.current));
    };
    let open = leavers.all.iter().filter_map(|leaving| {
        let (name, sessions) = in_use.iter().find(|(name, _)| *name == leaving.account.name)?;
        Some(match sessions {
            Some(sessions) => format!("{sessions} sessions of `{name}` are open"),
            None => format!("the provider does not say whether anybody uses `{name}`"),
        })
    });
    let waits: Vec<_> = leavers.why.iter().cloned().chain(open).collect();
    let waits = match (leavers.all.is_empty(), waits.is_empty()) {
        (true, _) => "its consumers are to be given the new one".to_owned(),
        (_, true) => "it is dropped once no session of it is open".to_owned(),
        _ => waits.join("; "),
    };
    let names = leavers.all.iter().map(|leaving| format!("`{}`", leaving.account.name));
    let names = match names.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "the login before".to_owned(),
        names => names,
    };
    let key = object.spec.key(&object.namespace().unwrap_or_default());
    if !generations.has_room() {
        let message = format!(
            "{} logins before the present one are still good, so none is added: {waits}. Drop them by `mooring rotate \
             {key} --finish` once nobody uses them",
            generations.retiring.len()
        );
        return Told::no("TooManyLogins", message);
    }
    if generations
        .retiring
        .iter()
        .any(|retiring| !retiring.hard && now >= retiring.until)
    {
        let message = format!(
            "{names} should have been out of use by {last} and is kept, as nobody is cut off unasked: {waits}. See to \
             that, or drop it by `mooring rotate {key} --finish`, or go back by `mooring rotate {key} --undo`"
        );
        return Told::no("RotationOverdue", message);
    }
    let until = if generations.retiring.iter().all(|retiring| retiring.hard) {
        format!("is revoked by {last}, whoever uses it")
    } else {
        format!("is good until nobody uses it, by {last} as it is expected")
    };
    Told::no("Rotating", format!("{names} {until}: {waits}"))
}
