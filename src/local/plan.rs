//! `plan`: what `up` would do, and why. Looks, and changes nothing.

use std::collections::BTreeMap;

use mooring_provider::{Change, Claim, Difference, DynAdapter, ErrorKind, Key, Phase, Sighting, reason};
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    documents::Documents,
    drive::{Made, Thing},
    error::{Result, chain},
    front::Front,
    intent::{Entry, Intent, Refused, intend, survey},
};
use crate::{
    api::{EffectiveValue, NO_PROVIDER, properties::DeletionPolicy},
    engine::{Priority, Want},
    ledger::{Record, Standing},
};

/// What `up` would do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The application.
    pub application: String,
    /// Its Environment.
    pub environment: String,
    /// Each resource, in the order in which it would be worked on.
    pub resources: Vec<Planned>,
    /// What is to be told beside.
    pub notes: Vec<String>,
}

impl Plan {
    /// How many cannot be had.
    pub fn refused(&self) -> usize {
        let all = self.resources.iter();
        all.filter(|planned| planned.action == Action::Refused).count()
    }
}

/// What would be done with one resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The name its CloudResource has in a cluster.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// The ProviderConfig.
    pub provider: String,
    /// What would be done.
    pub action: Action,
    /// Why.
    pub why: Vec<String>,
    /// Each value in effect, with its origin.
    pub values: Vec<EffectiveValue>,
    /// Options that are for another provider.
    pub not_applied: Vec<String>,
    /// What means something else or less at this provider, and what there is to know beside.
    pub notes: Vec<String>,
}

impl Planned {
    /// One of which there is nothing to say but why.
    fn plain(key: &Key, kind: &'static str, provider: &str, action: Action, why: Vec<String>) -> Self {
        Self {
            name: key.object_name(),
            kind,
            provider: provider.to_owned(),
            action,
            why,
            values: Vec::new(),
            not_applied: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It would be made.
    Create,
    /// It would be taken back into use, with its data.
    Reclaim,
    /// It would be changed in place.
    Change,
    /// It would have to be another one; `up` leaves it as it is and says so.
    Replace,
    /// It would be deleted, or taken out of use.
    Delete,
    /// Nothing.
    Keep,
    /// Somebody has to act first.
    Blocked,
    /// The environment does without it.
    Skip,
    /// It cannot be had as declared; `up` refuses the whole application.
    Refused,
}

impl Action {
    /// As shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Reclaim => "reclaim",
            Self::Change => "change",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Blocked => "blocked",
            Self::Skip => "skip",
            Self::Refused => "refused",
        }
    }
}

/// Makes the plan: in the environment that is named, though another one may hold the application, else in its own.
pub async fn plan(front: &Front, documents: &Documents, environment: Option<&str>) -> Result<Plan> {
    let intent = survey(front, documents, environment, true).await?;
    let mut resources = Vec::new();
    let mut made = Made::new();
    for (index, entry) in intent.entries.iter().enumerate() {
        let (action, why) = look(front, &intent, index, entry, &mut made).await?;
        resources.push(Planned {
            name: entry.declaration.key.object_name(),
            kind: entry.kind.as_str(),
            provider: entry.connection.name.clone(),
            action,
            why,
            values: entry.effective.values.clone(),
            not_applied: entry.effective.not_applied.clone(),
            notes: entry.notes.clone(),
        });
    }
    for (key, kind) in &intent.skipped {
        let why = format!("Environment `{}` does without {kind}", intent.environment);
        resources.push(Planned::plain(key, kind.as_str(), NO_PROVIDER, Action::Skip, vec![why]));
    }
    for Refused { key, kind, why } in &intent.refused {
        let kind = kind.map_or("bind", |kind| kind.as_str());
        resources.push(Planned::plain(key, kind, NO_PROVIDER, Action::Refused, why.clone()));
    }
    let mut notes = documents.notes.clone();
    match &intent.held_by {
        Some(holder) => notes.push(format!(
            "the application is in Environment `{holder}` and stays there; this is what it would come to in `{}`",
            intent.environment
        )),
        None => {
            for record in front.records(Some((&intent.namespace, &intent.application))).await? {
                let leaving = matches!(record.standing, Standing::Live | Standing::Deleting);
                if leaving && !intent.declares(&record.owner.key) {
                    resources.push(leaves(front, &record));
                }
            }
        }
    }
    for consumer in &intent.consumers {
        let (by, of) = (name(&consumer.key), name(&consumer.target));
        if consumer.key != consumer.target {
            notes.push(format!("{by}: uses {of} with an account of its own"));
        }
        if let Some(Ok(granted)) = intent
            .grants(consumer)
            .filter(|granted| !matches!(granted, Ok(access) if *access == consumer.access))
        {
            let (asked, granted) = (consumer.access.as_str(), granted.as_str());
            notes.push(format!(
                "{by}: asks for access `{asked}` and gets `{granted}`, as the provider allows no less"
            ));
        }
    }
    Ok(Plan {
        application: intent.application,
        environment: intent.environment,
        resources,
        notes,
    })
}

/// Refuses an application of which something cannot be had in its environment.
pub async fn judge(front: &Front, documents: &Documents, environment: Option<&str>) -> Result<()> {
    intend(front, documents, environment).await.map(drop)
}

fn name(key: &Key) -> String {
    format!("{}/{}", key.component, key.name)
}

fn leaves(front: &Front, record: &Record) -> Planned {
    let policy = front
        .remembered
        .fates
        .get(&record.owner.identity)
        .map(|fate| (fate.policy, fate.after));
    let how = match policy {
        _ if record.existing => "it is let go as it is, as it is not ours".to_owned(),
        Some((DeletionPolicy::Snapshot, _)) => "a last backup is made, and its data goes with it".to_owned(),
        Some((DeletionPolicy::Recycle, after)) => format!("it is taken out of use and its data kept for {after}"),
        Some((DeletionPolicy::Retain, _)) => "it is left at the provider, on record".to_owned(),
        _ => "its data goes with it".to_owned(),
    };
    let why = vec![format!("no longer declared; {how}")];
    Planned::plain(
        &record.owner.key,
        record.kind.as_str(),
        &record.provider,
        Action::Delete,
        why,
    )
}

async fn look(
    front: &Front,
    intent: &Intent,
    index: usize,
    entry: &Entry,
    made: &mut Made,
) -> Result<(Action, Vec<String>)> {
    let key = &entry.declaration.key;
    let record = entry.record.as_ref();
    let created = |why: &str| (Action::Create, vec![why.to_owned()]);
    let existing = entry.existing();
    if record.is_none() && existing.is_none() {
        return Ok(created("it is not there yet"));
    }
    let identity = record.map_or_else(crate::engine::new_identity, |record| record.owner.identity.clone());
    let mut claim = Claim::new(front.owned(identity, key));
    claim.existing = existing.is_some();
    claim.id = existing.clone().or_else(|| record?.memory.external_id.clone());
    let adapter = match entry.connection.adapter(entry.kind, Priority::Drift) {
        Ok(adapter) => adapter,
        Err(error) => return Ok((Action::Blocked, vec![chain(&error)])),
    };
    let seen = adapter.observe(std::slice::from_ref(&claim)).await.pop();
    let state = match seen {
        Some(Ok(Sighting::One(state))) => state,
        Some(Ok(Sighting::Several(ids))) => {
            let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Ok((
                Action::Blocked,
                vec![format!("{}: {ids} all carry its identity", reason::AMBIGUOUS)],
            ));
        }
        Some(Ok(Sighting::Absent)) => return Ok(absent(entry, record, existing.is_some())),
        Some(Err(error)) => {
            let why = format!("{}: cannot be looked at: {}", error.reason(), chain(&error));
            return Ok((Action::Blocked, vec![why]));
        }
        None => return Ok((Action::Blocked, vec![ErrorKind::Unexpected.reason().to_owned()])),
    };
    let thing = Thing {
        external_id: Some(adapter.id(&state)),
        bindings: adapter.bindings(&claim, &state),
    };
    made.insert(key.clone(), thing);
    if existing.is_some() {
        return Ok((
            Action::Keep,
            vec!["it exists already and is not ours; it is used as it is".to_owned()],
        ));
    }
    match adapter.owner(&state) {
        Some(owner) if owner == claim.owner => {}
        other => {
            let whose = other.map_or_else(|| "nobody that we know".to_owned(), |owner| owner.key.to_string());
            return Ok((
                Action::Blocked,
                vec![format!("{}: it belongs to {whose}", reason::OWNED_ELSEWHERE)],
            ));
        }
    }
    let spec = match intent.want(index, made, &BTreeMap::new(), false) {
        Ok(Want::Present { spec, .. }) => spec,
        Ok(_) => Json::Null,
        Err(message) => return Ok((Action::Blocked, vec![message])),
    };
    match adapter.phase(&state) {
        Phase::Parked(until) => {
            return Ok((
                Action::Reclaim,
                vec![format!("it is parked until {until}; it comes back with its data")],
            ));
        }
        Phase::Failed(why) => return Ok((Action::Blocked, vec![format!("{}: {why}", reason::FAILED)])),
        Phase::Unreachable(why) => return Ok((Action::Blocked, vec![format!("{}: {why}", reason::UNREACHABLE)])),
        Phase::Deleting => return Ok(created("the one before is going")),
        Phase::Ready | Phase::Busy(_) => {}
    }
    Ok(match adapter.drift(&spec, &state) {
        Ok(drift) => differences(
            &drift.0,
            &spec,
            record.and_then(|record| record.memory.applied.as_ref()),
        ),
        Err(error) => (Action::Blocked, vec![chain(&error)]),
    })
}

fn absent(entry: &Entry, record: Option<&Record>, existing: bool) -> (Action, Vec<String>) {
    if existing {
        let id = entry.existing().map(|id| id.to_string()).unwrap_or_default();
        return (
            Action::Blocked,
            vec![format!("there is no {} `{id}` at the provider", entry.kind)],
        );
    }
    let was_ready = record.is_some_and(|record| record.memory.was_ready && record.standing != Standing::Deleting);
    match (was_ready, entry.kind.bears_data()) {
        (true, true) => {
            let key = &entry.declaration.key;
            let why = format!(
                "{}: it was ready and is gone from the provider, with its data; restore it there, or get a new, empty \
                 one by `mooring approve recreate {key}`",
                reason::LOST
            );
            (Action::Blocked, vec![why])
        }
        (true, false) => (
            Action::Create,
            vec!["it is gone from the provider; its address will be another".to_owned()],
        ),
        (false, _) => (Action::Create, vec!["it was begun and is not there yet".to_owned()]),
    }
}

/// What the differences come to: the worst decides, all are told.
fn differences(drift: &[Difference], spec: &Json, applied: Option<&Json>) -> (Action, Vec<String>) {
    let mut action = Action::Keep;
    let mut why = Vec::new();
    for difference in drift {
        let Difference {
            field,
            desired,
            observed,
            change,
        } = difference;
        let told = format!("{field}: {observed} → {desired}");
        let declared_anew = applied.is_some_and(|applied| spec.get(field) != applied.get(field));
        let (worse, message) = match change {
            Change::Enforced => (Action::Change, told),
            Change::OnChange if declared_anew => (Action::Change, told),
            Change::OnChange => (
                Action::Keep,
                format!(
                    "{}: {field} is {observed}, declared {desired}; changed at the provider and left so",
                    reason::DRIFTED
                ),
            ),
            Change::Immutable => (
                Action::Replace,
                format!(
                    "{told}: cannot be changed in place; declare a second one under another `name`, move what is in it, \
                     then remove this one"
                ),
            ),
            Change::CannotShrink => (
                Action::Blocked,
                format!("CannotShrink: {told}: storage never shrinks; declare at least {observed}"),
            ),
        };
        why.push(message);
        let rank = |action| match action {
            Action::Keep => 0,
            Action::Change => 1,
            Action::Blocked => 2,
            _ => 3,
        };
        if rank(worse) > rank(action) {
            action = worse;
        }
    }
    (action, why)
}
