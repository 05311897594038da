//! `up`: an application's resources are made, changed and pruned until they are as declared.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use mooring_provider::{Bindings, Key};
use serde::Serialize;

use super::{
    documents::Documents,
    drive::{self, Ended, How, Progress, Unit},
    env,
    error::{Error, Result},
    files,
    front::Front,
    intent::{Intent, intend},
    leave::{self, Went},
    state::App,
};
use crate::{
    engine::builtin,
    ledger::{Record, Standing},
};

/// What `up` came to. Its JSON is what scripts read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Up {
    /// The application.
    pub application: String,
    /// Its Environment.
    pub environment: String,
    /// Its resources, in the order in which they came up.
    pub resources: Vec<Row>,
    /// The env file of each component that has one.
    pub env: BTreeMap<String, PathBuf>,
    /// What was no longer declared.
    #[serde(skip)]
    pub pruned: Vec<Went>,
    /// What is to be told beside.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// Something is not as declared.
    #[serde(skip)]
    pub failed: bool,
}

/// One resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The name its CloudResource has in a cluster.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// The ProviderConfig it is at, or `none`.
    pub provider: String,
    /// What the provider calls it.
    pub external_id: Option<String>,
    /// Whether it can be used.
    pub ready: bool,
    /// Its address.
    pub endpoint: Option<String>,
    /// Why it is not as declared.
    #[serde(skip)]
    pub why: Option<String>,
}

/// Brings an application up.
pub async fn up(
    front: &mut Front,
    documents: &Documents,
    environment: Option<&str>,
    tell: &(dyn Fn(Progress) + Sync),
    note: &(dyn Fn(String) + Sync),
) -> Result<Up> {
    let intent = Arc::new(intend(front, documents, environment).await?);
    let mut owners = Vec::new();
    for entry in &intent.entries {
        owners.push(
            front
                .owner(&entry.declaration.key, entry.kind, &entry.connection, note)
                .await?,
        );
    }
    let identities: Vec<_> = owners.iter().map(|owner| owner.identity.clone()).collect();
    // The passwords are stored before anything is made with them.
    if intent.make_logins(&mut front.secrets.accounts, &identities) {
        front.state.store(&front.secrets)?;
    }
    let mut units = Vec::new();
    for ((index, entry), owner) in intent.entries.iter().enumerate().zip(owners) {
        let approvals = front.engine.ledger().approvals(&owner.identity).await?;
        let approved = |word: &str| approvals.iter().any(|approval| approval == word);
        let (logins, shared) = (front.secrets.accounts.clone(), Arc::clone(&intent));
        let recreate = approved("recreate");
        units.push(Unit {
            owner,
            kind: entry.kind,
            environment: intent.environment.clone(),
            existing: entry.existing(),
            may_adopt: approved("move"),
            connection: Arc::clone(&entry.connection),
            after: entry.after.clone(),
            want: Box::new(move |made| shared.want(index, made, &logins, recreate)),
        });
    }
    keep_credentials(front, documents, &intent)?;
    remember(front, documents, &intent, &identities)?;
    let pruned: Vec<_> = front
        .records(Some((&intent.namespace, &intent.application)))
        .await?
        .into_iter()
        .filter(|record| matches!(record.standing, Standing::Live | Standing::Deleting))
        .filter(|record| {
            !intent
                .entries
                .iter()
                .any(|entry| entry.declaration.key == record.owner.key)
        })
        .collect();
    let staying: Vec<_> = intent
        .entries
        .iter()
        .map(|entry| (entry.declaration.key.clone(), entry.kind))
        .collect();
    let (leaving, mut went) = leave::units(front, documents, &pruned, &BTreeMap::new(), &staying).await?;
    units.extend(leaving);

    let ended = drive::drive(&front.engine, units, front.patience(), tell).await;
    let mut present = Vec::new();
    for end in ended {
        match pruned.iter().find(|record| record.owner.identity == end.owner.identity) {
            Some(record) => went.push(leave::went(front, record, &end).await?),
            None => present.push(end),
        }
    }
    for end in present.iter().filter(|end| end.how.settled()) {
        // What was to be deleted before its time is in use again.
        let taken_back = intent.entries.iter().any(|entry| {
            let parked =
                |record: &Record| record.owner.identity == end.owner.identity && record.standing != Standing::Live;
            entry.record.as_ref().is_some_and(parked)
        });
        let delete = taken_back.then_some("delete");
        for word in ["recreate", "move"].into_iter().chain(delete) {
            front.engine.ledger().used(&end.owner.identity, word).await?;
        }
    }
    let mut notes = documents.notes.clone();
    let (env, nonsense) = write_env(front, &intent, &present, &mut notes)?;
    leave::tidy(front).await?;
    let failed = nonsense
        || went.iter().any(|went| went.failed)
        || present
            .iter()
            .any(|end| end.how != How::Ready && end.reason != mooring_provider::reason::DRIFTED);
    Ok(Up {
        application: intent.application.clone(),
        environment: intent.environment.clone(),
        resources: rows(&intent, &present),
        env,
        pruned: went,
        notes,
        failed,
    })
}

/// Stores the credentials that a teardown needs. Each was good a moment ago: bad ones would replace those that still are.
fn keep_credentials(front: &mut Front, documents: &Documents, intent: &Intent) -> Result<()> {
    let names: BTreeSet<_> = intent
        .entries
        .iter()
        .map(|entry| entry.connection.name.clone())
        .collect();
    let mut changed = false;
    for name in names {
        let (_, credentials) = front.provider(&name, documents)?;
        if !credentials.is_empty() {
            front.secrets.providers.insert(name, credentials);
            changed = true;
        }
    }
    if changed {
        front.state.store(&front.secrets)
    } else {
        Ok(())
    }
}

/// Remembers what a teardown needs, before there is anything to tear down.
fn remember(
    front: &mut Front,
    documents: &Documents,
    intent: &Intent,
    identities: &[mooring_provider::Identity],
) -> Result<()> {
    for (entry, identity) in intent.entries.iter().zip(identities) {
        let name = &entry.connection.name;
        // The built-in one is where the state directory is.
        if documents.providers.contains_key(name) || *name != builtin::NAME {
            let spec = front.provider(name, documents)?.0;
            front.remembered.providers.insert(name.clone(), spec);
        }
        front.remembered.fates.insert(identity.clone(), entry.fate(intent));
    }
    front
        .remembered
        .environments
        .insert(intent.environment.clone(), intent.spec.clone());
    let name = format!("{}/{}", intent.namespace, intent.application);
    front.remembered.applications.insert(
        name,
        App {
            consumers: intent.consumers.clone(),
        },
    );
    front.state.remember(&front.remembered)
}

/// Writes the env file of each component whose resources are all there; any other is left as it was. True if one was
/// not written though they are.
fn write_env(
    front: &Front,
    intent: &Intent,
    present: &[Ended],
    notes: &mut Vec<String>,
) -> Result<(BTreeMap<String, PathBuf>, bool)> {
    let ready: BTreeMap<&Key, &Bindings> = present
        .iter()
        .filter(|end| end.how.settled())
        .map(|end| (&end.owner.key, &end.bindings))
        .collect();
    let (mut files, mut failed) = (BTreeMap::new(), false);
    let mut components: Vec<String> = Vec::new();
    for consumer in intent.consumers.iter().filter(|consumer| consumer.inject) {
        if !components.contains(&consumer.key.component) {
            components.push(consumer.key.component.clone());
        }
    }
    for component in &components {
        let mut variables = BTreeMap::new();
        let (mut awaited, mut nonsense) = (Vec::new(), Vec::new());
        for consumer in intent
            .consumers
            .iter()
            .filter(|consumer| consumer.inject && consumer.key.component == *component)
        {
            let Some(bindings) = ready.get(&consumer.target) else {
                awaited.push(format!("{}/{}", consumer.target.component, consumer.target.name));
                continue;
            };
            let existing = intent
                .entries
                .iter()
                .find(|entry| entry.declaration.key == consumer.target);
            let login = existing
                .and_then(|entry| entry.login.as_ref())
                .or_else(|| front.secrets.accounts.get(&consumer.key.to_string()));
            match env::variables(consumer, bindings, login) {
                Ok(more) => variables.extend(more),
                Err(error) => nonsense.push(format!("{}: {error}", consumer.key.name)),
            }
        }
        let path = front.state.env_file(&intent.namespace, &intent.application, component);
        if !nonsense.is_empty() {
            failed = true;
            let why = nonsense.join("; ");
            notes.push(format!(
                "{}: not written: component `{component}`: {why}",
                path.display()
            ));
        } else if awaited.is_empty() {
            write_variables(&path, &variables)?;
            files.insert(component.clone(), path);
        } else {
            notes.push(format!(
                "{}: not written; it awaits {}",
                path.display(),
                awaited.join(", ")
            ));
        }
    }
    leave::remove_env(front, &intent.namespace, &intent.application, &components)?;
    Ok((files, failed))
}

/// Writes an env file, if it is not so already.
pub(super) fn write_variables(path: &std::path::Path, variables: &BTreeMap<String, String>) -> Result<()> {
    let text = env::text(variables);
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return files::make_private(path).map_err(Error::file("make it the owner's alone:", path));
    }
    if let Some(directory) = path.parent() {
        files::make_dir(directory).map_err(Error::file("make the directory of the env files", directory))?;
    }
    files::write(path, text.as_bytes()).map_err(Error::file("write", path))
}

fn rows(intent: &Intent, present: &[Ended]) -> Vec<Row> {
    let there = present.iter().map(|end| Row {
        name: end.owner.key.object_name(),
        kind: end.kind.as_str(),
        provider: end.provider.clone(),
        external_id: end.external_id.as_ref().map(ToString::to_string),
        ready: matches!(end.how, How::Ready | How::ReadyButNotAsDeclared),
        endpoint: end.endpoint.clone(),
        why: (end.how != How::Ready).then(|| format!("{}: {}", end.reason, end.message)),
    });
    let skipped = intent.skipped.iter().map(|(key, kind)| Row {
        name: key.object_name(),
        kind: kind.as_str(),
        provider: crate::api::NO_PROVIDER.to_owned(),
        external_id: None,
        ready: false,
        endpoint: None,
        why: Some(format!(
            "Skipped: Environment `{}` does without {kind}",
            intent.environment
        )),
    });
    there.chain(skipped).collect()
}
