//! What goes: how each resource goes, in which order, and what is forgotten with it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use mooring_provider::{Key, Kind, Span};
use serde::Serialize;

use super::{
    documents::Documents,
    drive::{self, Ended, How, Progress, Unit},
    error::{Error, Result, chain},
    files,
    front::Front,
    state::Fate,
};
use crate::{
    api::{Class, Settings, properties::DeletionPolicy},
    engine::{Done, Want, effective},
    ledger::{Record, Standing},
};

/// How a resource went, or why it did not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Went {
    /// Where it was declared.
    #[serde(serialize_with = "as_text")]
    pub key: Key,
    /// Its kind.
    pub kind: Kind,
    /// The ProviderConfig it is at.
    pub provider: String,
    /// What the provider calls it.
    pub external_id: Option<String>,
    /// Where it stands now: `deleted`, `parked`, `retained`, `left`, `stays`.
    pub state: &'static str,
    /// Why, for a person.
    pub message: String,
    /// It is not as it was to be.
    #[serde(skip)]
    pub failed: bool,
}

fn as_text<S: serde::Serializer>(key: &Key, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// The units that make records go, and what cannot even be begun.
pub(super) async fn units(
    front: &Front,
    documents: &Documents,
    records: &[Record],
    fates: &BTreeMap<Key, Fate>,
    staying: &[(Key, Kind)],
) -> Result<(Vec<Unit>, Vec<Went>)> {
    let (mut units, mut failed) = (Vec::new(), Vec::new());
    let kinds: Vec<_> = records
        .iter()
        .map(|record| (record.owner.key.clone(), record.kind))
        .collect();
    let mut fates: BTreeMap<_, _> = records
        .iter()
        .map(|record| {
            let key = &record.owner.key;
            let fate = fates
                .get(key)
                .copied()
                .unwrap_or_else(|| fate(front, documents, record));
            (key.clone(), fate)
        })
        .collect();
    house(records, &mut fates, &kept(front, records).await?);
    for record in records {
        let connection = match front.connect(&record.provider, documents) {
            Ok(connection) => connection,
            Err(error) => {
                failed.push(Went::of(record, "stays", chain(&error), true));
                continue;
            }
        };
        let fate = fates[&record.owner.key];
        let approved = front
            .engine
            .ledger()
            .approvals(&record.owner.identity)
            .await?
            .iter()
            .any(|word| word == "delete");
        let want = want(front, record, fate, approved);
        units.push(Unit {
            owner: record.owner.clone(),
            kind: record.kind,
            environment: record.environment.clone(),
            existing: record.memory.external_id.clone().filter(|_| record.existing),
            may_adopt: false,
            connection,
            after: before_it(&record.owner.key, record.kind, kinds.iter().chain(staying)),
            want: Box::new(move |_| Ok(want.clone())),
        });
    }
    Ok((units, failed))
}

/// What is kept already and does not go now, with how long it is kept.
async fn kept(front: &Front, leaving: &[Record]) -> Result<Vec<(Record, (DeletionPolicy, Span))>> {
    let now = front.engine.clock().now();
    let goes = |record: &Record| {
        leaving
            .iter()
            .any(|other| other.owner.identity == record.owner.identity)
    };
    let all = front.records(None).await?.into_iter().filter(|record| !goes(record));
    let kept = all.filter_map(|record| {
        let stays = match record.standing {
            Standing::Parked => {
                let rest = record.keep_until.unwrap_or(Timestamp::MAX).duration_since(now);
                let rest = Duration::try_from(rest).unwrap_or_default();
                (DeletionPolicy::Recycle, Span::new(rest))
            }
            Standing::Retained => (DeletionPolicy::Retain, Span::new(Duration::ZERO)),
            _ => return None,
        };
        Some((record, stays))
    });
    Ok(kept.collect())
}

/// A network stays as long as what is kept in it, be that now or since earlier.
fn house(records: &[Record], fates: &mut BTreeMap<Key, Fate>, kept: &[(Record, (DeletionPolicy, Span))]) {
    for network in records
        .iter()
        .filter(|record| record.kind == Kind::Vpc && !record.existing)
    {
        let key = &network.owner.key;
        let leaving = records.iter().filter(|record| inhabits(record, key)).map(|record| {
            let fate = fates[&record.owner.key];
            (fate.policy, fate.after)
        });
        let kept = kept.iter().filter(|(record, _)| inhabits(record, key));
        let Some(longest) = leaving.chain(kept.map(|(_, stays)| *stays)).max() else {
            continue;
        };
        let fate = fates.get_mut(key).expect("each record has one");
        if longest > (fate.policy, fate.after) && longest.0 != DeletionPolicy::Delete {
            (fate.policy, fate.after) = longest;
        }
    }
}

fn inhabits(record: &Record, network: &Key) -> bool {
    let key = &record.owner.key;
    matches!(record.kind, Kind::Rds | Kind::Slb)
        && (&key.namespace, &key.application) == (&network.namespace, &network.application)
}

/// What must be settled before something of this kind goes: what watches it, and what lives in it.
fn before_it<'a>(key: &Key, kind: Kind, others: impl Iterator<Item = &'a (Key, Kind)>) -> Vec<Key> {
    let goes_first = |other: Kind| match kind {
        Kind::Vpc => matches!(other, Kind::Rds | Kind::Slb),
        Kind::Monitor => false,
        _ => other == Kind::Monitor,
    };
    let application = |other: &Key| (&other.namespace, &other.application) == (&key.namespace, &key.application);
    others
        .filter(|(other, kind)| application(other) && goes_first(*kind))
        .map(|(other, _)| other.clone())
        .collect()
}

/// Whether it was parked and its deletion has begun.
fn is_being_reaped(record: &Record) -> bool {
    record.standing == Standing::Deleting && record.keep_until.is_some()
}

fn want(front: &Front, record: &Record, fate: Fate, approved: bool) -> Want {
    match fate.policy {
        // What is not ours is let go, whatever becomes of the rest, and leaves no record.
        _ if record.existing => Want::Absent {
            per_hour: None,
            approved,
        },
        // It was kept, and its time was over; it is not kept once more.
        _ if is_being_reaped(record) => Want::Absent {
            per_hour: None,
            approved,
        },
        DeletionPolicy::Delete => Want::Absent {
            per_hour: fate.per_hour,
            approved,
        },
        // What is kept for no time is reaped at once.
        DeletionPolicy::Snapshot | DeletionPolicy::Recycle => {
            let until = front
                .engine
                .clock()
                .now()
                .saturating_add(fate.after.get())
                .unwrap_or(Timestamp::MAX);
            Want::Parked {
                until,
                backup: fate.final_backup,
            }
        }
        DeletionPolicy::Retain => Want::Retained {
            reason: "its deletionPolicy is Retain; it is left at the provider for good".into(),
        },
    }
}

/// What becomes of something that is no longer declared: what was remembered when it was made, else what its
/// environment says by default.
fn fate(front: &Front, documents: &Documents, record: &Record) -> Fate {
    if let Some(fate) = front.remembered.fates.get(&record.owner.identity) {
        return *fate;
    }
    let environment = front.environment(&record.environment, documents);
    let (class, settings) = environment.map_or((Class::Production, Settings::default()), |spec| {
        (spec.class, spec.settings)
    });
    let deletion = effective::deletion(class, &settings, record.kind, None, record.existing, None);
    let per_hour = settings.limits.deletes_per_hour.get(record.kind).copied();
    match deletion {
        Ok(plan) => Fate {
            policy: plan.policy,
            after: plan.after,
            final_backup: plan.final_backup,
            per_hour,
        },
        Err(_) => Fate {
            policy: DeletionPolicy::Recycle,
            after: Span::new(Duration::from_secs(7 * 86_400)),
            final_backup: true,
            per_hour,
        },
    }
}

impl Went {
    pub(super) fn of(record: &Record, state: &'static str, message: String, failed: bool) -> Self {
        Self {
            key: record.owner.key.clone(),
            kind: record.kind,
            provider: record.provider.clone(),
            external_id: record.memory.external_id.as_ref().map(ToString::to_string),
            state,
            message,
            failed,
        }
    }

    pub(super) fn ended(record: &Record, ended: &Ended, until: Option<Timestamp>) -> Self {
        let (state, message, failed) = match ended.how {
            How::Done(Done::Gone) => ("deleted", String::new(), false),
            How::Done(Done::Parked) => {
                let until = until.map_or_else(String::new, |until| format!(" until {until}"));
                (
                    "parked",
                    format!("out of use, its data kept{until}; declared again by then, it comes back"),
                    false,
                )
            }
            How::Done(Done::Released) if record.existing => {
                ("left", "it was there before and is not ours".into(), false)
            }
            How::Done(Done::Released) => ("retained", ended.message.clone(), false),
            _ => ("stays", format!("{}: {}", ended.reason, ended.message), true),
        };
        Self::of(record, state, message, failed)
    }
}

/// Drives units on their way out and says how each went.
pub(super) async fn depart(
    front: &Front,
    records: &[Record],
    units: Vec<Unit>,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Went>> {
    let ended = drive::drive(&front.engine, units, front.patience(), tell).await;
    let mut all = Vec::new();
    for end in &ended {
        let Some(record) = records
            .iter()
            .find(|record| record.owner.identity == end.owner.identity)
        else {
            continue;
        };
        all.push(went(front, record, end).await?);
    }
    Ok(all)
}

/// How one went. An approval that it used holds no longer.
pub(super) async fn went(front: &Front, record: &Record, end: &Ended) -> Result<Went> {
    let now = front.engine.ledger().get(&end.owner.identity).await?;
    if end.how.settled() {
        front.engine.ledger().used(&end.owner.identity, "delete").await?;
    }
    Ok(Went::ended(record, end, now.and_then(|record| record.keep_until)))
}

/// Whether anything parked is to be deleted now: its time is over, or an SRE approved it.
pub async fn due(front: &Front) -> Result<bool> {
    Ok(!overdue(front, &[]).await?.is_empty())
}

/// What is parked, or already on its way out from there, and is to be deleted now.
async fn overdue(front: &Front, declared: &[Key]) -> Result<Vec<Record>> {
    let now = front.engine.clock().now();
    let records = front.records(None).await?;
    let mut due = Vec::new();
    for record in &records {
        let was_parked = record.standing == Standing::Parked || is_being_reaped(record);
        if !was_parked || declared.contains(&record.owner.key) {
            continue;
        }
        let over = record.keep_until.is_some_and(|until| until <= now);
        if over
            || front
                .engine
                .ledger()
                .approvals(&record.owner.identity)
                .await?
                .iter()
                .any(|word| word == "delete")
        {
            due.push(record.clone());
        }
    }
    let there: Vec<_> = records
        .iter()
        .filter(|record| !matches!(record.standing, Standing::Retained | Standing::Abandoned))
        .collect();
    let is_due = |record: &Record| {
        due.iter()
            .any(|other: &Record| other.owner.identity == record.owner.identity)
    };
    let housing = |network: &Record| {
        let key = &network.owner.key;
        network.kind == Kind::Vpc && there.iter().any(|record| inhabits(record, key) && !is_due(record))
    };
    Ok(due.iter().filter(|record| !housing(record)).cloned().collect())
}

/// Deletes what was parked and whose time is over, or whose deletion an SRE approved, but nothing of the keys that are
/// `declared` again.
pub async fn reap(
    front: &mut Front,
    documents: &Documents,
    declared: &[Key],
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Went>> {
    let due = overdue(front, declared).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let at_once = Fate {
        policy: DeletionPolicy::Delete,
        after: Span::new(Duration::ZERO),
        final_backup: false,
        per_hour: None,
    };
    let fates = due.iter().map(|record| (record.owner.key.clone(), at_once)).collect();
    let (units, mut went) = units(front, documents, &due, &fates, &[]).await?;
    went.extend(depart(front, &due, units, tell).await?);
    tidy(front).await?;
    Ok(went)
}

/// Forgets what nothing needs any more: fates, logins, env files, accounts and environments.
pub(super) async fn tidy(front: &mut Front) -> Result<()> {
    if !front.remembered.unseen.is_empty() {
        // What stands there is not known, and all of this may be needed to take it down.
        return front.state.remember(&front.remembered);
    }
    let records = front.records(None).await?;
    let kept: Vec<_> = records
        .iter()
        .filter(|record| record.standing != Standing::Abandoned)
        .collect();
    let living: Vec<_> = kept
        .iter()
        .filter(|record| matches!(record.standing, Standing::Live | Standing::Deleting))
        .collect();
    let lives = |name: &str| {
        living
            .iter()
            .any(|record| format!("{}/{}", record.owner.key.namespace, record.owner.key.application) == name)
    };
    let remembered = &mut front.remembered;
    let secrets = &mut front.secrets;
    let before = (secrets.accounts.len(), secrets.providers.len());
    remembered
        .fates
        .retain(|identity, _| kept.iter().any(|record| record.owner.identity == *identity));
    remembered
        .providers
        .retain(|name, _| kept.iter().any(|record| record.provider == *name));
    remembered
        .environments
        .retain(|name, _| kept.iter().any(|record| record.environment == *name));
    secrets
        .providers
        .retain(|name, _| remembered.providers.contains_key(name));
    let gone: Vec<_> = remembered
        .applications
        .keys()
        .filter(|name| !lives(name))
        .cloned()
        .collect();
    for name in gone {
        remembered.applications.remove(&name);
        let Some((namespace, application)) = name.split_once('/') else {
            continue;
        };
        let directory = front.state.env_directory(namespace, application);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("remove the env files", &directory)(error));
            }
            _ => {}
        }
    }
    let users: Vec<_> = remembered
        .applications
        .values()
        .flat_map(|app| &app.consumers)
        .collect();
    secrets
        .accounts
        .retain(|key, _| users.iter().any(|consumer| consumer.key.to_string() == *key));
    if before != (secrets.accounts.len(), secrets.providers.len()) {
        front.state.store(&front.secrets)?;
    }
    front.state.remember(&front.remembered)
}

/// Removes env files of components that no longer use anything.
pub(super) fn remove_env(front: &Front, namespace: &str, application: &str, kept: &[String]) -> Result<()> {
    let directory = front.state.env_directory(namespace, application);
    let Ok(entries) = std::fs::read_dir(&directory) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let component = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "env") && !kept.iter().any(|name| name == component) {
            files::remove(&path).map_err(Error::file("remove", &path))?;
        }
    }
    Ok(())
}
