//! An SRE's word on a resource, and new credentials for a consumer.

use std::{path::PathBuf, time::Duration};

use mooring_provider::{Bindings, Key};

use super::{
    documents::Documents,
    drive::{self, How, Progress, Unit},
    env,
    error::{Error, Result},
    front::Front,
    login::accounts,
    state::Consumer,
    up::write_variables,
};
use crate::{
    engine::{Want, new_password},
    ledger::{Audit, Record, Standing},
};

/// What an SRE may approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A deletion beyond the limit, or before its time.
    Delete,
    /// The resource moves here from another owner.
    Move,
    /// A lost resource is made anew, empty.
    Recreate,
    /// It is given up on; it may still exist.
    Abandon,
}

impl Word {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Move => "move",
            Self::Recreate => "recreate",
            Self::Abandon => "abandon",
        }
    }
}

async fn find(front: &Front, key: &Key) -> Result<Record> {
    match front.record(key).await? {
        Some(record) => Ok(record),
        None => {
            let known: Vec<_> = front
                .records(None)
                .await?
                .iter()
                .map(|record| record.owner.key.to_string())
                .collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            Err(Error::Refused(format!(
                "nothing is on record for `{key}`; there are: {known}"
            )))
        }
    }
}

/// Writes the word down; says what comes of it.
pub async fn approve(front: &Front, word: Word, key: &Key) -> Result<String> {
    let record = find(front, key).await?;
    let (ledger, now) = (front.engine.ledger(), front.engine.clock().now());
    let identity = &record.owner.identity;
    let actor = std::env::var("USER").unwrap_or_else(|_| "local".into());
    let entry = Audit {
        at: now,
        actor: actor.clone(),
        action: if word == Word::Abandon { "abandon" } else { "approve" }.into(),
        identity: identity.clone(),
        kind: record.kind,
        environment: record.environment.clone(),
        external_id: record.memory.external_id.clone(),
        request_id: None,
        outcome: "ok".into(),
        detail: word.as_str().into(),
    };
    ledger.audit(&entry).await?;
    let id = record
        .memory
        .external_id
        .as_ref()
        .map_or("nothing that we know of", |id| id.as_str())
        .to_owned();
    if word == Word::Abandon {
        let reason = format!(
            "abandoned by {actor}; {id} may still exist at ProviderConfig `{}`",
            record.provider
        );
        ledger
            .put(&Record {
                standing: Standing::Abandoned,
                reason: Some(reason.clone()),
                ..record
            })
            .await?;
        return Ok(format!("{key} is {reason}"));
    }
    ledger.approve(identity, word.as_str(), &actor, now).await?;
    let next = match word {
        Word::Delete => "the next command carries it out",
        _ => "the next `mooring up` carries it out",
    };
    Ok(format!("approved: {} {key} ({id}); {next}", word.as_str()))
}

/// Gives a consumer a new password: told to the provider, then written to its env file, whose path is answered.
pub async fn rotate(
    front: &mut Front,
    documents: &Documents,
    key: &Key,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<Option<PathBuf>> {
    let name = format!("{}/{}", key.namespace, key.application);
    let consumers = front
        .remembered
        .applications
        .get(&name)
        .map(|app| app.consumers.clone())
        .unwrap_or_default();
    let consumer = consumers.iter().find(|consumer| consumer.key == *key);
    let (Some(consumer), Some(login)) = (consumer, front.secrets.accounts.get_mut(&key.to_string())) else {
        let known: Vec<_> = front.secrets.accounts.keys().cloned().collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Error::Refused(format!(
            "`{key}` has no credentials of ours; there are those of: {known}"
        )));
    };
    let record = {
        login.password = new_password();
        find(front, &consumer.target).await?
    };
    let Some(spec) = record
        .memory
        .applied
        .clone()
        .filter(|_| record.standing == Standing::Live)
    else {
        return Err(Error::Refused(format!(
            "{} was never ready; run `mooring up` first",
            consumer.target
        )));
    };
    // Stored before the provider is told: whatever happens in between, the next `up` tells it.
    front.state.store(&front.secrets)?;
    let wanted = accounts(&consumers, &consumer.target, &front.secrets.accounts);
    let unit = Unit {
        owner: record.owner.clone(),
        kind: record.kind,
        environment: record.environment.clone(),
        existing: None,
        may_adopt: false,
        connection: front.connect(&record.provider, documents)?,
        after: Vec::new(),
        want: Box::new(move |_| {
            Ok(Want::Present {
                spec: spec.clone(),
                accounts: wanted.clone(),
                recreate: false,
            })
        }),
    };
    let patience = front.patience().max(Duration::from_secs(1));
    let ended = drive::drive(&front.engine, vec![unit], patience, tell).await;
    let Some(end) = ended
        .into_iter()
        .next()
        .filter(|end| matches!(end.how, How::Ready | How::ReadyButNotAsDeclared))
    else {
        return Err(Error::Refused(format!(
            "the provider was not told of the new password of {key}; run `mooring rotate` or `mooring up` again"
        )));
    };
    rewrite(front, &consumers, consumer, &end.bindings)
}

/// Writes the new login into the env file; what the file has of other resources stays as it is.
fn rewrite(front: &Front, consumers: &[Consumer], consumer: &Consumer, entries: &Bindings) -> Result<Option<PathBuf>> {
    let key = &consumer.key;
    let path = front.state.env_file(&key.namespace, &key.application, &key.component);
    let mut lines: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    if consumers
        .iter()
        .filter(|other| other.key.component == key.component && other.inject)
        .count()
        > 1
    {
        lines = env::read(&path).map_err(Error::file("read", &path))?;
    }
    let variables = env::variables(consumer, entries, front.secrets.accounts.get(&key.to_string()))
        .map_err(|error| Error::Refused(error.to_string()))?;
    if variables.is_empty() {
        return Ok(None);
    }
    lines.extend(variables);
    write_variables(&path, &lines)?;
    Ok(Some(path))
}
