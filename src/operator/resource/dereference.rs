//! The first step: everything that is looked up before anything is decided.

use std::{collections::BTreeMap, sync::Arc};

use kube::{Resource, ResourceExt, core::DeserializeGuard};
use mooring_provider::{Bytes, Identity, Key, Kind};

use super::{
    place_of, relations,
    relations::Relative,
    scope,
    secret::{self, Found},
    status::{self, Told},
};
use crate::{
    api::{CloudResource, CloudResourceStatus, Environment, ProviderConfig, Shared, condition, names},
    engine::{
        declare,
        declare::Declaration,
        effective::{self, Endpoints, Output, Server, Usage},
        problem::{Problem, reason},
    },
    ledger::{self, Record, Standing},
    operator::Context,
};

/// An Environment with its name.
type Named = (String, Arc<Environment>);

/// What a CloudResource refers to, as it is now.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) object: Arc<CloudResource>,
    pub(super) status: CloudResourceStatus,
    pub(super) declaration: Declaration,
    pub(super) kind: Kind,
    /// The labels of its namespace.
    pub(super) labels: BTreeMap<String, String>,
    /// The Environment it is in, by name; or why there is none.
    pub(super) environment: Result<Named, Problem>,
    /// The Environment it would be in if it were not in another one already.
    pub(super) moved_to: Option<String>,
    /// The ProviderConfigs there are.
    pub(super) providers: BTreeMap<String, Arc<ProviderConfig>>,
    /// What comes before it.
    pub(super) after: Vec<Key>,
    /// What those that are ready give.
    pub(super) outputs: BTreeMap<Key, Output>,
    /// What its namespace has of the kind beside it.
    pub(super) usage: Usage,
    /// Its identity, as it carries it.
    pub(super) identity: Option<Identity>,
    /// What the ledger has of it.
    pub(super) record: Option<Record>,
    /// Where its component can be reached, if that matters; `None` if it does and is not known yet.
    pub(super) endpoints: Option<Endpoints>,
    /// Who owns what `existing.id` names, if that is one of ours.
    pub(super) holder: Option<Key>,
    /// Whose it is, where several clusters share it.
    pub(super) shared: Result<Option<Shared>, Told>,
}

impl Inputs {
    pub(super) fn key(&self) -> &Key {
        &self.declaration.key
    }

    /// Whether something of it was made, or is about to be.
    pub(super) fn is_provisioned(&self) -> bool {
        let made = |memory: &ledger::Memory| memory.external_id.is_some() || memory.intent.is_some();
        let kept = |record: &&Record| matches!(record.standing, Standing::Live | Standing::Deleting);
        made(&self.status.memory)
            || self
                .record
                .as_ref()
                .filter(kept)
                .is_some_and(|record| made(&record.memory))
    }
}

fn ok<K: Clone>(guard: &DeserializeGuard<K>) -> Option<K> {
    guard.0.as_ref().ok().cloned()
}

/// Looks everything up.
pub(super) async fn dereference(
    context: &Context,
    object: Arc<CloudResource>,
    declaration: Declaration,
    kind: Kind,
) -> Result<Inputs, super::Failure> {
    let status = object.status.clone().unwrap_or_default();
    let key = declaration.key.clone();
    let identity = object
        .annotations()
        .get(names::IDENTITY)
        .map(|text| Identity::new(text.as_str()));
    let record = match &identity {
        Some(identity) => context.engine.ledger().get(identity).await?,
        None => None,
    };
    let labels = context
        .stores
        .namespaces
        .get(None, &key.namespace)
        .map(|namespace| namespace.labels().clone())
        .unwrap_or_default();
    let siblings = relations::of_application(context, &key.namespace, &key.application);
    let declarations: Vec<_> = siblings.iter().map(|sibling| sibling.declaration.clone()).collect();
    let after = declare::after(&declaration, &declarations);
    let (environment, moved_to) = environment(context, &object, &status, record.as_ref(), &siblings, &labels);
    let shared = {
        let made = |memory: &ledger::Memory| memory.external_id.is_some() || memory.intent.is_some();
        let made = made(&status.memory) || record.as_ref().is_some_and(|record| made(&record.memory));
        let known = scope::remembered(context, &status, record.as_ref());
        let found = environment.as_ref().ok().map(|(_, found)| found.as_ref());
        scope::of(context, kind, made, known, found)
    };
    let holder = match declaration
        .properties
        .get("existing")
        .and_then(|existing| existing["id"].as_str())
    {
        Some(id) if status.memory.external_id.is_none() => holder(context, &key, kind, id).await?,
        _ => None,
    };
    let pinned = status.provider.clone();
    let pinned = pinned.or_else(|| record.as_ref().map(|record| record.provider.clone()));
    let endpoints = match kind {
        Kind::Slb => endpoints(context, environment.as_ref().ok(), pinned, &key).await,
        _ => Some(Endpoints::default()),
    };
    Ok(Inputs {
        outputs: outputs(context, &siblings, &after).await?,
        usage: match &environment {
            Ok((name, found)) if limits(found, kind) => usage(context, &object, kind, name),
            _ => Usage::default(),
        },
        providers: context
            .stores
            .provider_configs
            .filter(|_| true)
            .iter()
            .filter_map(|guard| Some((guard.name_any(), Arc::new(ok(guard)?))))
            .collect(),
        object,
        status,
        declaration,
        kind,
        labels,
        environment,
        moved_to,
        after,
        identity,
        record,
        endpoints,
        holder,
        shared,
    })
}

/// Where a balancer's component can be reached, if its Environment has that looked up.
async fn endpoints(
    context: &Context,
    environment: Option<&Named>,
    provider: Option<String>,
    key: &Key,
) -> Option<Endpoints> {
    let (name, environment) = environment?;
    let provider = provider.or_else(|| match effective::server(name, &environment.spec, Kind::Slb) {
        Ok(Server::Config(name)) => Some(name),
        _ => None,
    });
    let settings = context.settings(environment, provider.as_deref()).ok()?;
    context.stores.endpoints.of(settings.backends(), key).await
}

/// The Environment it is in: the one it was provisioned in, the one its application's resources were, else the one
/// that is chosen.
fn environment(
    context: &Context,
    object: &CloudResource,
    status: &CloudResourceStatus,
    record: Option<&Record>,
    siblings: &[Relative],
    labels: &BTreeMap<String, String>,
) -> (Result<Named, Problem>, Option<String>) {
    let known: BTreeMap<_, _> = context
        .stores
        .environments
        .filter(|_| true)
        .iter()
        .map(|guard| {
            (
                guard.name_any(),
                ok(guard).is_some_and(|environment| environment.is_default()),
            )
        })
        .collect();
    let namespace = object.namespace().unwrap_or_default();
    let application = context
        .stores
        .applications
        .get(Some(&namespace), &object.spec.application);
    let label =
        application.and_then(|application| application.meta().labels.as_ref()?.get(names::ENVIRONMENT).cloned());
    let named = object.spec.environment.clone().or(label);
    let chosen = effective::choose_environment(
        named.as_deref(),
        labels.get(names::ENVIRONMENT).map(String::as_str),
        &known,
    );

    let of_record = record
        .map(|record| record.environment.clone())
        .filter(|name| !name.is_empty());
    let of_sibling = siblings.iter().find_map(|sibling| {
        let known = sibling.object.status.as_ref()?;
        known.environment.clone().filter(|_| known.memory.external_id.is_some())
    });
    // Where nothing was made yet, another Environment may still be chosen.
    let made = status.memory.external_id.is_some() || status.memory.intent.is_some();
    let of_status = status.environment.clone().filter(|_| made);
    let pinned = of_status.or(of_record).or(of_sibling);
    let moved_to = match (&pinned, &chosen) {
        (Some(pinned), Ok(chosen)) if pinned != chosen => Some(chosen.clone()),
        _ => None,
    };
    let environment = match pinned {
        Some(name) => Ok(name),
        None => chosen,
    };
    (environment.and_then(|name| of_name(context, name)), moved_to)
}

fn of_name(context: &Context, name: String) -> Result<Named, Problem> {
    let Some(guard) = context.stores.environments.get(None, &name) else {
        return Err(Problem::new(
            reason::ENVIRONMENT_NOT_FOUND,
            format!("Environment `{name}`, which it is in, is gone; what runs is left as it is until that is back"),
        ));
    };
    match &guard.0 {
        Ok(environment) => Ok((name, Arc::new(environment.clone()))),
        Err(invalid) => Err(Problem::new(
            reason::INVALID_ENVIRONMENT,
            format!("Environment `{name}` cannot be read: {invalid}"),
        )),
    }
}

/// What those that come before it give. Only a network of the application's own is asked for more than its status.
async fn outputs(
    context: &Context,
    siblings: &[Relative],
    after: &[Key],
) -> Result<BTreeMap<Key, Output>, super::Failure> {
    let mut outputs = BTreeMap::new();
    for sibling in siblings.iter().filter(|sibling| after.contains(sibling.key())) {
        let mut entries = BTreeMap::new();
        if relations::is_dedicated(sibling) && sibling.is_ready() {
            let place = place_of(&sibling.object);
            if let Found::Ours(ours) = secret::find(context, &place).await? {
                entries = ours
                    .entries()
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), value.plain()?.to_owned())))
                    .collect();
            } else {
                continue;
            }
        }
        outputs.extend(sibling.output(&entries).map(|output| (sibling.key().clone(), output)));
    }
    Ok(outputs)
}

/// Whether the environment limits the kind anywhere: only then is counted what there is.
fn limits(environment: &Environment, kind: Kind) -> bool {
    let spec = &environment.spec;
    let overrides = spec.overrides.iter().map(|place| &place.settings);
    overrides
        .chain([&spec.settings])
        .any(|settings| settings.limits.kinds.get(kind).is_some())
}

/// What the namespace has of the kind in the environment: what is provisioned, and what was declared before and may
/// yet be.
fn usage(context: &Context, object: &CloudResource, kind: Kind, environment: &str) -> Usage {
    let age = |object: &CloudResource| {
        (
            object.creation_timestamp().map(|created| created.0),
            object.metadata.namespace.clone(),
            object.name_any(),
        )
    };
    let mine = age(object);
    let others = relations::all(context, |other| {
        other.metadata.namespace == object.metadata.namespace
            && other.metadata.name != object.metadata.name
            && other.spec.is(kind)
    });
    let counted = others.iter().filter(|other| {
        let known = other.status();
        let made = known.memory.external_id.is_some() || known.memory.intent.is_some();
        let refused = status::get(&known, condition::READY)
            .is_some_and(|ready| ready.status == "False" && REFUSED.contains(&ready.reason.as_str()));
        let here = known.environment.as_deref().is_none_or(|name| name == environment);
        other.declaration.declares.kind() == Some(kind)
            && !other.declaration.properties.contains_key("existing")
            && here
            && (made || !refused && !other.is_deleting() && age(&other.object) < mine)
    });
    counted.fold(Usage::default(), |usage, other| Usage {
        count: usage.count + 1,
        storage: usage.storage + storage(other),
    })
}

/// Reasons for which nothing will be made of a declaration as it is.
const REFUSED: [&str; 6] = [
    reason::INVALID_SPEC,
    reason::NOT_ALLOWED,
    reason::LIMIT_EXCEEDED,
    reason::ENVIRONMENT_NOT_FOUND,
    reason::NO_PROVIDER,
    super::INVALID_NAME,
];

fn storage(relative: &Relative) -> u64 {
    let known = relative.status();
    let in_effect = known
        .effective
        .iter()
        .find(|value| value.field == "storage")
        .map(|value| value.value.clone());
    let declared = || {
        relative
            .declaration
            .properties
            .get("storage")?
            .as_str()
            .map(str::to_owned)
    };
    in_effect
        .or_else(declared)
        .and_then(|text| text.parse().ok())
        .map_or(0, |bytes: Bytes| bytes.get())
}

/// Whose an existing resource is, if it is one of ours and not of this declaration.
async fn holder(context: &Context, key: &Key, kind: Kind, id: &str) -> Result<Option<Key>, super::Failure> {
    let records = context.engine.records(&ledger::Filter::default()).await?;
    Ok(records
        .into_iter()
        .find(|record| {
            record.kind == kind
                && !record.existing
                && record.owner.key != *key
                && record
                    .memory
                    .external_id
                    .as_ref()
                    .is_some_and(|known| known.as_str() == id)
        })
        .map(|record| record.owner.key))
}
