//! What an application wants here: its declarations resolved in its environment, checked whole before anything is
//! touched.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use mooring_provider::{
    Account, DynAdapter, ExternalId, Key, Kind,
    spec::{Rds, Selector},
};

use super::{
    documents::{Declares, Documents},
    drive::Made,
    error::{Error, Result},
    front::Front,
    login::{account_name, accounts, existing_login, own_account},
    state::{Consumer, Fate, Login},
};
use crate::{
    api::{Declares as Trait, EnvironmentSpec, names},
    engine::{
        Connection, Priority, Want, builtin,
        declare::{Consumption, Declaration, Target, bind_target},
        effective::{self, Context, Effective, Output, Server, Unresolved, Usage},
        new_password,
        problem::{Problem, reason},
    },
    ledger::{Record, Standing},
};

/// The name of the cluster, as an override's `when.cluster` has it.
const CLUSTER: &str = "local";
/// What stands for an id that is not known yet.
pub(super) const PENDING: &str = "pending";

/// What an application wants in its environment.
#[derive(Debug)]
pub(super) struct Intent {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub application: String,
    /// The Environment.
    pub environment: String,
    /// What that says.
    pub spec: EnvironmentSpec,
    /// Its resources, in the order in which they come up.
    pub entries: Vec<Entry>,
    /// Its resources that this environment does without.
    pub skipped: Vec<(Key, Kind)>,
    /// Who uses what.
    pub consumers: Vec<Consumer>,
}

/// One resource.
#[derive(Debug)]
pub(super) struct Entry {
    /// What is declared.
    pub declaration: Declaration,
    /// Its kind.
    pub kind: Kind,
    /// Where it is made.
    pub connection: Arc<Connection>,
    /// The provider's region.
    pub region: Option<String>,
    /// What it comes to, as far as that is known before the others are there.
    pub effective: Effective,
    /// What must be there first.
    pub after: Vec<Key>,
    /// What the ledger has of its key.
    pub record: Option<Record>,
    /// The login of something that exists already and is not ours.
    pub login: Option<Login>,
}

impl Entry {
    /// The id of what exists already and is not ours: named by the trait, or the network that is shared.
    pub(super) fn existing(&self) -> Option<ExternalId> {
        let shared = self
            .effective
            .spec
            .get("shared")
            .and_then(|shared| shared.get("id")?.as_str());
        let named = self.effective.existing.as_ref().map(|existing| existing.id.as_str());
        named.or(shared.filter(|_| self.kind == Kind::Vpc)).map(ExternalId::new)
    }

    /// What becomes of it when its declaration goes.
    pub(super) fn fate(&self, intent: &Intent) -> Fate {
        let settings = effective::settings(&intent.spec, self.region.as_deref(), CLUSTER).unwrap_or_default();
        let deletion = &self.effective.deletion;
        Fate {
            policy: deletion.policy,
            after: deletion.after,
            final_backup: deletion.final_backup,
            per_hour: settings.limits.deletes_per_hour.get(self.kind).copied(),
        }
    }
}

/// Reads what an application wants. Everything that is wrong is told at once.
pub(super) async fn intend(front: &Front, documents: &Documents, wanted: Option<&str>) -> Result<Intent> {
    let Some(application) = &documents.application else {
        return Err(Error::input(
            "there is no Application in what was given; add one, or another `-f` with it",
        ));
    };
    front.same_places(documents)?;
    let declared = &application.declared;
    let records = front
        .records(Some((&declared.namespace, &declared.application)))
        .await?;
    let environment = choose(front, documents, application, wanted, &records)?;
    let spec = front.environment(&environment, documents).ok_or_else(|| {
        Error::input(format!(
            "Environment `{environment}` is in no document; add it, or another `-f` with it"
        ))
    })?;
    let mut intent = Intent {
        namespace: declared.namespace.clone(),
        application: declared.application.clone(),
        environment,
        spec,
        entries: Vec::new(),
        skipped: Vec::new(),
        consumers: Vec::new(),
    };
    let mut problems = Vec::new();
    let mut usage = usage(front, &intent).await?;
    for declaration in &declared.resources {
        let Some(kind) = declaration.declares.kind() else {
            continue;
        };
        match intent.entry(front, documents, application, declaration, kind, &records) {
            Ok(None) => intent.skipped.push((declaration.key.clone(), kind)),
            Ok(Some(entry)) => {
                let used = usage.entry(kind).or_default();
                problems.extend(intent.limit(&entry, *used));
                used.count += 1;
                used.storage += entry.effective.storage.map_or(0, mooring_provider::Bytes::get);
                intent.entries.push(entry);
            }
            Err(more) => problems.extend(more),
        }
    }
    for declaration in &declared.resources {
        match intent.consumer(declaration, &declared.resources) {
            Ok(consumer) => intent.consumers.extend(consumer),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        return Ok(intent);
    }
    Err(Error::Input(
        problems
            .into_iter()
            .map(|problem| format!("{}: {problem}", application.place))
            .collect(),
    ))
}

/// The Environment: the one asked for, else the one that holds something of the application already, else the one it is
/// labelled with, else the only one or the default one that was given, else the built-in one.
fn choose(
    front: &Front,
    documents: &Documents,
    application: &Declares,
    wanted: Option<&str>,
    records: &[Record],
) -> Result<String> {
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
        return Ok(pin.environment.clone());
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
        Some(pin) => Err(Error::input(format!(
            "{place}: EnvironmentPinned: `{chosen}`: {} is in Environment `{}`, and the whole application stays there; \
             take it down first, or name that environment",
            pin.owner.key, pin.environment
        ))),
        None => Ok(chosen),
    }
}

/// What the namespace has already, without this application, whose own is counted as it is declared.
async fn usage(front: &Front, intent: &Intent) -> Result<HashMap<Kind, Usage>> {
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

impl Intent {
    fn entry(
        &self,
        front: &Front,
        documents: &Documents,
        application: &Declares,
        declaration: &Declaration,
        kind: Kind,
        records: &[Record],
    ) -> Result<Option<Entry>, Vec<Problem>> {
        let key = &declaration.key;
        let within = |problem: Problem| vec![problem.within(&key.component, &key.name)];
        let labels = Front::labels(documents, &self.namespace);
        effective::admit(&self.environment, &self.spec, &self.namespace, &labels, kind).map_err(within)?;
        let name = match effective::server(&self.environment, &self.spec, kind).map_err(within)? {
            Server::Nobody => return Ok(None),
            Server::Config(name) => name,
        };
        let whole = |error: Error| vec![Problem::new(reason::INVALID_ENVIRONMENT, chain(&error))];
        let connection = front.connect(&name, documents).map_err(whole)?;
        let region = front
            .provider(&name, documents)
            .map_err(whole)?
            .0
            .region()
            .map(str::to_owned);
        let record = records
            .iter()
            .find(|record| record.owner.key == *key && record.standing != Standing::Abandoned);
        if let Some(record) = record {
            self.same_thing(record, kind, &name).map_err(within)?;
        }
        let outputs = self.outputs(|_| None);
        let after = application.declared.after(declaration);
        let effective = self.resolve(declaration, &after, &connection, region.as_deref(), &outputs)?;
        let adapter = connection
            .adapter(kind, Priority::Create)
            .map_err(|error| within(Problem::new(reason::NO_PROVIDER, error.message())))?;
        adapter
            .validate(&effective.spec)
            .map_err(|error| within(Problem::new(reason::INVALID_SPEC, error.message())))?;
        let login = existing_login(&effective, documents, &self.namespace).map_err(within)?;
        let entry = Entry {
            declaration: declaration.clone(),
            kind,
            connection,
            region,
            effective,
            after,
            record: record.cloned(),
            login,
        };
        if kind == Kind::Vpc
            && entry.effective.spec.get("shared").is_some_and(|s| !s.is_null())
            && entry.existing().is_none()
        {
            let message = format!(
                "Environment `{}` has no network to share; an SRE may set `network.id`, or use `network: dedicated`",
                self.environment
            );
            return Err(within(
                Problem::new(reason::INVALID_ENVIRONMENT, message)
                    .field("network")
                    .value("shared"),
            ));
        }
        Ok(Some(entry))
    }

    /// What has the key now may not be another kind of thing, or be sought at another provider.
    fn same_thing(&self, record: &Record, kind: Kind, provider: &str) -> Result<(), Problem> {
        if record.kind != kind {
            let message = format!(
                "is the name of a {} that is there; declare the {kind} under another `name`, or take the {} down first",
                record.kind, record.kind
            );
            return Err(Problem::new(reason::INVALID_SPEC, message)
                .field("name")
                .value(&record.owner.key.name));
        }
        if record.provider != provider {
            let message = format!(
                "it is at ProviderConfig `{}`, and Environment `{}` now names `{provider}`; take it down first, or name \
                 the one it is at",
                record.provider, self.environment
            );
            return Err(Problem::new(reason::INVALID_ENVIRONMENT, message));
        }
        Ok(())
    }

    fn limit(&self, entry: &Entry, used: Usage) -> Option<Problem> {
        let key = &entry.declaration.key;
        let settings = effective::settings(&self.spec, entry.region.as_deref(), CLUSTER).ok()?;
        effective::within_limits(
            &self.environment,
            &settings,
            &self.namespace,
            entry.kind,
            used,
            entry.effective.storage,
        )
        .err()
        .map(|problem| problem.within(&key.component, &key.name))
    }

    /// What the resources gave. What is not there yet has a placeholder.
    fn outputs(&self, made: impl Fn(&Key) -> Option<super::drive::Thing>) -> BTreeMap<Key, Output> {
        let output = |entry: &Entry| {
            let thing = made(&entry.declaration.key).unwrap_or_default();
            let id = thing
                .external_id
                .or_else(|| entry.record.as_ref()?.memory.external_id.clone());
            Output::of(
                &entry.effective,
                id.unwrap_or_else(|| ExternalId::new(PENDING)),
                |name| Some(thing.bindings.get(name)?.plain()?.to_owned()),
            )
        };
        let without = |kind| Output {
            kind,
            external_id: None,
            network: None,
        };
        let skipped = self.skipped.iter().map(|(key, kind)| (key.clone(), without(*kind)));
        self.entries
            .iter()
            .map(|entry| (entry.declaration.key.clone(), output(entry)))
            .chain(skipped)
            .collect()
    }

    fn resolve(
        &self,
        declaration: &Declaration,
        after: &[Key],
        connection: &Connection,
        region: Option<&str>,
        outputs: &BTreeMap<Key, Output>,
    ) -> Result<Effective, Vec<Problem>> {
        let component = ("app.oam.dev/component".to_owned(), declaration.key.component.clone());
        let context = Context {
            environment: &self.environment,
            spec: &self.spec,
            provider: connection.provider,
            region,
            cluster: CLUSTER,
            after,
            outputs,
            selector: Selector {
                namespace: self.namespace.clone(),
                labels: [component].into(),
            },
            endpoints: None,
        };
        effective::resolve(declaration, &context).map_err(|unresolved| match unresolved {
            Unresolved::Invalid(problems) => problems,
            // A declaration comes after what it refers to, so that this is a reference to what is skipped here.
            Unresolved::Awaits(keys) => {
                let keys = keys
                    .iter()
                    .map(|key| format!("{}/{}", key.component, key.name))
                    .collect::<Vec<_>>();
                let message = format!(
                    "needs {}, which Environment `{}` does without",
                    keys.join(", "),
                    self.environment
                );
                vec![
                    Problem::new(reason::TARGET_NOT_FOUND, message)
                        .within(&declaration.key.component, &declaration.key.name),
                ]
            }
        })
    }

    /// What is wanted of an entry, now that those before it are there.
    pub(super) fn want(
        &self,
        index: usize,
        made: &Made,
        logins: &BTreeMap<String, Login>,
        recreate: bool,
    ) -> Result<Want, String> {
        let entry = &self.entries[index];
        let outputs = self.outputs(|key| made.get(key).cloned());
        let effective = self
            .resolve(
                &entry.declaration,
                &entry.after,
                &entry.connection,
                entry.region.as_deref(),
                &outputs,
            )
            .map_err(|problems| problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))?;
        let accounts = if entry.existing().is_some() {
            Vec::new()
        } else {
            self.accounts(&entry.declaration.key, logins)
        };
        Ok(Want::Present {
            spec: effective.spec,
            accounts,
            recreate,
        })
    }

    /// The accounts of a resource: one for each of its users.
    fn accounts(&self, key: &Key, logins: &BTreeMap<String, Login>) -> Vec<Account> {
        accounts(&self.consumers, key, logins)
    }

    fn consumer(&self, declaration: &Declaration, all: &[Declaration]) -> Result<Option<Consumer>, Problem> {
        let key = &declaration.key;
        let (target, kind) = match declaration.declares {
            Trait::Resource(kind) => (key.clone(), kind),
            Trait::Bind => match bind_target(declaration, all) {
                Some(Target::Own(target)) => {
                    let found = all
                        .iter()
                        .find(|other| other.key == target)
                        .and_then(|other| other.declares.kind());
                    let Some(kind) = found else { return Ok(None) };
                    (target, kind)
                }
                _ => {
                    let message = "is of another application; without a cluster a bind reaches this application only";
                    let to = declaration
                        .properties
                        .get("to")
                        .and_then(|to| to.as_str())
                        .unwrap_or_default();
                    let problem = Problem::new(reason::TARGET_NOT_FOUND, message).field("to").value(to);
                    return Err(problem.within(&key.component, &key.name));
                }
            },
        };
        let entry = self.entries.iter().find(|entry| entry.declaration.key == *key);
        let consumption = match entry {
            Some(entry) => entry.effective.consumption.clone(),
            None => Consumption::of(declaration.declares, Some(kind), &key.name, &declaration.properties),
        };
        if !self.entries.iter().any(|entry| entry.declaration.key == target) {
            return Ok(None);
        }
        Ok(Some(Consumer {
            key: key.clone(),
            target,
            kind,
            access: consumption.access,
            prefix: consumption.prefix,
            templates: consumption.templates,
            inject: consumption.inject,
        }))
    }

    /// Makes a login for each use that has none. True if any was made.
    pub(super) fn make_logins(&self, logins: &mut BTreeMap<String, Login>) -> bool {
        let mut made = false;
        for consumer in &self.consumers {
            let Some(entry) = self
                .entries
                .iter()
                .find(|entry| entry.declaration.key == consumer.target)
            else {
                continue;
            };
            let has_accounts = entry
                .connection
                .adapter(entry.kind, Priority::Create)
                .is_ok_and(|adapter| adapter.capability().accounts);
            if !has_accounts || entry.existing().is_some() {
                continue;
            }
            logins.entry(consumer.key.to_string()).or_insert_with(|| {
                made = true;
                let own = consumer.key == consumer.target;
                let database = serde_json::from_value::<Rds>(entry.effective.spec.clone()).map(|rds| rds.database);
                let username = match database {
                    Ok(database) if own => account_name(&database),
                    _ => own_account(&consumer.key),
                };
                Login {
                    username,
                    password: new_password(),
                }
            });
        }
        made
    }
}

/// An error with its causes, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
