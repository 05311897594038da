//! Which Environment an application is in, and what its namespace has already.

use std::collections::{BTreeMap, HashMap};

use mooring_provider::Kind;

use super::Intent;
use crate::{
    api::names,
    engine::{
        builtin,
        effective::{self, Usage},
    },
    ledger::{Record, Standing},
    local::{
        documents::{Declares, Documents},
        error::{Error, Result},
        front::Front,
    },
};

/// The Environment: the one asked for, else the one that holds something of the application already, else the one it is
/// labelled with, else the only one or the default one that was given, else the built-in one. With `compare`, one that
/// is asked for is answered though another one holds something of the application, which is answered beside it.
pub(super) fn choose(
    front: &Front,
    documents: &Documents,
    application: &Declares,
    wanted: Option<&str>,
    compare: bool,
    records: &[Record],
) -> Result<(String, Option<String>)> {
    let place = &application.place;
    let holds = |record: &&Record| matches!(record.standing, Standing::Live | Standing::Deleting | Standing::Parked);
    let pin = records
        .iter()
        .filter(holds)
        .find(|record| !record.environment.is_empty());
    let asked = wanted.or(application.environment.as_deref());
    let namespace = documents.namespaces.get(&application.declared.namespace);
    let labelled = namespace
        .and_then(|labels| labels.get(names::ENVIRONMENT))
        .map(String::as_str);
    if let Some(pin) = pin
        && asked.or(labelled).is_none_or(|asked| asked == pin.environment)
    {
        return Ok((pin.environment.clone(), None));
    }
    let mut known: BTreeMap<String, bool> = documents
        .environments
        .iter()
        .map(|(name, (_, default))| (name.clone(), *default))
        .collect();
    let only = known.len() == 1;
    known.values_mut().for_each(|default| *default |= only);
    let none_given = known.is_empty();
    known.entry(builtin::NAME.to_owned()).or_insert(none_given);
    for name in front.remembered.environments.keys() {
        known.entry(name.clone()).or_insert(false);
    }
    let chosen = effective::choose_environment(asked, labelled, &known)
        .map_err(|problem| Error::input(format!("{place}: {problem}")))?;
    match pin {
        Some(pin) if compare && wanted.is_some() => Ok((chosen, Some(pin.environment.clone()))),
        Some(pin) => Err(Error::input(format!(
            "{place}: EnvironmentPinned: `{chosen}`: {} is in Environment `{}`, and the whole application stays there; \
             take it down first, or name that environment",
            pin.owner.key, pin.environment
        ))),
        None => Ok((chosen, None)),
    }
}

/// What the namespace has already, without this application, whose own is counted as it is declared.
pub(super) async fn usage(front: &Front, intent: &Intent) -> Result<HashMap<Kind, Usage>> {
    let mut usage: HashMap<Kind, Usage> = HashMap::new();
    for record in front.records(None).await? {
        let key = &record.owner.key;
        if key.namespace != intent.namespace || key.application == intent.application {
            continue;
        }
        let used = usage.entry(record.kind).or_default();
        used.count += 1;
        let storage = record
            .memory
            .applied
            .as_ref()
            .and_then(|spec| spec.get("storage")?.as_str()?.parse().ok());
        used.storage += storage.map_or(0, mooring_provider::Bytes::get);
    }
    Ok(usage)
}
