//! What an application wants here: its declarations resolved in its environment, checked whole before anything is
//! touched.

mod choose;
mod uses;

use std::{collections::BTreeMap, sync::Arc};

use mooring_provider::{DynAdapter, ExternalId, Key, Kind, spec::Selector};

use super::{
    documents::{Declares, Documents},
    drive::Made,
    error::{Error, Result, chain},
    front::Front,
    login::existing_login,
    state::{Consumer, Fate, Login},
};
use crate::{
    api::{EnvironmentSpec, IdentityScope},
    engine::{
        Connection, Priority, Want,
        declare::Declaration,
        effective::{self, Context, Effective, Output, Server, Unresolved, Usage},
        is_shared,
        problem::{Problem, reason},
    },
    ledger::{Record, Standing},
};
use choose::{choose, usage};

/// The name of the cluster, as an override's `when.cluster` has it.
const CLUSTER: &str = "local";
/// What stands for an id that is not known yet.
const PENDING: &str = "pending";

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
    /// Its resources that cannot be had here.
    pub refused: Vec<Refused>,
    /// Who uses what.
    pub consumers: Vec<Consumer>,
    /// The environment that holds it, if this is another one, which is only looked at.
    pub held_by: Option<String>,
}

/// A resource that cannot be had, and all the reasons.
#[derive(Debug)]
pub(super) struct Refused {
    pub key: Key,
    pub kind: Option<Kind>,
    pub why: Vec<String>,
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
    /// What means something else or less here, and what there is to know beside.
    pub notes: Vec<String>,
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
    let intent = survey(front, documents, wanted, false).await?;
    if intent.refused.is_empty() {
        return Ok(intent);
    }
    Err(Error::Input(
        intent.refused.into_iter().flat_map(|refused| refused.why).collect(),
    ))
}

/// Reads what an application wants, and what of it cannot be had. Where `compare` is set, an environment that is named
/// is looked at even if another one holds the application.
pub(super) async fn survey(
    front: &Front,
    documents: &Documents,
    wanted: Option<&str>,
    compare: bool,
) -> Result<Intent> {
    let Some(application) = &documents.application else {
        return Err(Error::input(
            "there is no Application in what was given; add one, or another `-f` with it",
        ));
    };
    front.same_places(documents)?;
    let declared = &application.declared;
    let mut records = front
        .records(Some((&declared.namespace, &declared.application)))
        .await?;
    let (environment, held_by) = choose(front, documents, application, wanted, compare, &records)?;
    if held_by.is_some() {
        records.clear();
    }
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
        refused: Vec::new(),
        consumers: Vec::new(),
        held_by,
    };
    let refused = |declaration: &Declaration, problems: Vec<Problem>| Refused {
        key: declaration.key.clone(),
        kind: declaration.declares.kind(),
        why: problems
            .into_iter()
            .map(|problem| format!("{}: {problem}", application.place))
            .collect(),
    };
    let mut usage = usage(front, &intent).await?;
    for declaration in &declared.resources {
        let Some(kind) = declaration.declares.kind() else {
            continue;
        };
        match intent.entry(front, documents, application, declaration, kind, &records) {
            Ok(None) => intent.skipped.push((declaration.key.clone(), kind)),
            Ok(Some(entry)) => {
                let used = usage.entry(kind).or_default();
                if let Some(problem) = intent.limit(&entry, *used) {
                    intent.refused.push(refused(declaration, vec![problem]));
                    continue;
                }
                used.count += 1;
                used.storage += entry.effective.storage.map_or(0, mooring_provider::Bytes::get);
                intent.entries.push(entry);
            }
            Err(problems) => intent.refused.push(refused(declaration, problems)),
        }
    }
    for declaration in &declared.resources {
        let consumer = intent.consumer(declaration, &declared.resources);
        match consumer.and_then(|consumer| intent.granted(consumer)) {
            Ok(consumer) => intent.consumers.extend(consumer),
            Err(problem) => intent.refused.push(refused(declaration, vec![problem])),
        }
    }
    Ok(intent)
}

impl Intent {
    /// Whether it would be there, were it not for what is wrong with it. What an environment does without goes.
    pub(super) fn declares(&self, key: &Key) -> bool {
        let entries = self.entries.iter().map(|entry| &entry.declaration.key);
        let refused = self.refused.iter().map(|refused| &refused.key);
        entries.chain(refused).any(|known| known == key)
    }

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
        if let Some(existing) = &effective.existing {
            let settings = effective::settings(&self.spec, region.as_deref(), CLUSTER).map_err(within)?;
            let admitted = effective::admit_existing(
                &self.environment,
                &settings,
                &self.namespace,
                &labels,
                kind,
                &existing.id,
            );
            admitted.map_err(within)?;
        } else if self.spec.identity_scope == IdentityScope::Environment && is_shared(kind) {
            let message = format!(
                "Environment `{}` is shared by clusters (`identityScope: environment`): its {kind} is made by its home \
                 cluster, and not from here; use an Environment with `identityScope: cluster`",
                self.environment
            );
            return Err(within(Problem::new(reason::NOT_ALLOWED, message)));
        }
        let adapter = connection
            .adapter(kind, Priority::Create)
            .map_err(|error| within(Problem::new(reason::NO_PROVIDER, error.message())))?;
        adapter
            .validate(&effective.spec)
            .map_err(|error| within(Problem::new(reason::INVALID_SPEC, error.message())))?;
        effective::can_be_kept(effective.deletion.policy, &adapter.capability()).map_err(within)?;
        let mut notes = effective.notes.clone();
        if effective.existing.is_none() {
            let more = adapter.notes(&effective.spec);
            notes.extend(more.map_err(|error| within(Problem::new(reason::INVALID_SPEC, error.message())))?);
        }
        let login = existing_login(&effective, documents, &self.namespace).map_err(within)?;
        let entry = Entry {
            declaration: declaration.clone(),
            kind,
            connection,
            region,
            effective,
            notes,
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
            let made = made(&entry.declaration.key);
            // A network without a subnet would be refused.
            let promised = |name: &str| (made.is_none() && name == "subnet-ids").then(|| PENDING.to_owned());
            let thing = made.clone().unwrap_or_default();
            let id = thing
                .external_id
                .or_else(|| entry.record.as_ref()?.memory.external_id.clone());
            Output::of(
                &entry.effective,
                id.unwrap_or_else(|| ExternalId::new(PENDING)),
                |name| {
                    let given = thing.bindings.get(name).and_then(|value| value.plain());
                    given.map(str::to_owned).or_else(|| promised(name))
                },
            )
        };
        let plain = |kind, external_id| Output {
            kind,
            external_id,
            network: None,
        };
        let skipped = self.skipped.iter().map(|(key, kind)| (key.clone(), plain(*kind, None)));
        // What is wrong with one is told of that one alone.
        let refused = self.refused.iter().filter_map(|refused| {
            let pending = Some(ExternalId::new(PENDING));
            Some((refused.key.clone(), plain(refused.kind?, pending)))
        });
        self.entries
            .iter()
            .map(|entry| (entry.declaration.key.clone(), output(entry)))
            .chain(skipped)
            .chain(refused)
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
}
