//! Who is to be looked at when something changes. Only what matters to others wakes them: a look costs an observation
//! at the provider.

use std::{
    collections::{BTreeSet, HashMap, hash_map::DefaultHasher},
    fmt::Debug,
    hash::{Hash, Hasher},
    sync::Arc,
};

use futures::{Stream, StreamExt, stream};
use kube::{Resource, ResourceExt, core::DeserializeGuard, runtime::reflector::ObjectRef};
use mooring_provider::Key;

use super::{
    recent::Recent,
    relations::{self, Relative},
    status,
};
use crate::{
    api::{CloudResource, condition, names},
    engine::declare::{self, Target},
    operator::{Context, endpoints::Changed},
};

type Guard = DeserializeGuard<CloudResource>;
type Reference = ObjectRef<Guard>;

/// Everything that is to be looked at, as it comes.
pub(super) fn queue(context: &Arc<Context>, recent: &Arc<Recent>) -> impl Stream<Item = Reference> + Send + 'static {
    let stores = &context.stores;
    let of_environments = {
        let context = Arc::clone(context);
        changes(stores.environments.touched(), sre_says).map(move |environment| {
            let name = environment.name_any();
            references(&context, |status| {
                status.environment.as_deref().is_none_or(|known| known == name)
            })
        })
    };
    let of_providers = {
        let context = Arc::clone(context);
        changes(stores.provider_configs.touched(), |guard| {
            let ready = guard.0.as_ref().ok().and_then(|config| {
                let status = config.status.as_ref()?;
                status
                    .conditions
                    .iter()
                    .find(|known| known.type_ == condition::READY)
                    .map(|known| known.status.clone())
            });
            digest(&(sre_says(guard), ready))
        })
        .map(move |config| {
            let name = config.name_any();
            references(&context, |status| {
                status.provider.as_deref().is_none_or(|known| known == name)
            })
        })
    };
    let of_namespaces = {
        let context = Arc::clone(context);
        changes(stores.namespaces.touched(), |namespace| {
            digest(&namespace.meta().labels)
        })
        .map(move |namespace| {
            let name = namespace.name_any();
            context
                .stores
                .resources
                .filter(|guard| guard.meta().namespace.as_deref() == Some(name.as_str()))
                .iter()
                .map(|guard| ObjectRef::from_obj(guard.as_ref()))
                .collect()
        })
    };
    let own = {
        let recent = Arc::clone(recent);
        stores.resources.touched().filter_map(move |guard| {
            let own = guard.0.as_ref().is_ok_and(|object| recent.is_own(object));
            std::future::ready((!own).then(|| vec![ObjectRef::from_obj(guard.as_ref())]))
        })
    };
    let relatives = {
        let context = Arc::clone(context);
        let there = Arc::clone(&context);
        changes(stores.resources.touched(), move |guard| {
            digest(&(matters(guard), is_there(&there, guard)))
        })
        .map(move |guard| relatives(&context, &guard))
    };
    let of_endpoints = {
        let context = Arc::clone(context);
        stores
            .endpoints
            .news()
            .map(move |changed| balancers(&context, &changed))
    };
    let all: Vec<stream::BoxStream<'static, Vec<Reference>>> = vec![
        of_endpoints.boxed(),
        own.boxed(),
        relatives.boxed(),
        of_environments.boxed(),
        of_providers.boxed(),
        of_namespaces.boxed(),
    ];
    stream::select_all(all).flat_map(stream::iter)
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What an SRE says, apart from what we answer.
fn sre_says<K: Resource>(object: &K) -> u64 {
    let meta = object.meta();
    digest(&(
        meta.uid.as_deref(),
        meta.generation,
        &meta.annotations,
        meta.deletion_timestamp.is_some(),
    ))
}

/// Only the objects of which this changed since they came last.
fn changes<K>(
    touched: impl Stream<Item = Arc<K>> + Send,
    of: impl Fn(&K) -> u64 + Send,
) -> impl Stream<Item = Arc<K>> + Send
where
    K: Resource<DynamicType = ()> + Debug + Send + Sync + 'static,
{
    let mut known: HashMap<(Option<String>, String), u64> = HashMap::new();
    touched.filter_map(move |object| {
        let name = (object.meta().namespace.clone(), object.name_any());
        let now = of(&object);
        let changed = known.insert(name, now) != Some(now);
        std::future::ready(changed.then_some(object))
    })
}

fn is_there(context: &Context, guard: &Guard) -> bool {
    let there = context
        .stores
        .resources
        .get(guard.meta().namespace.as_deref(), &guard.name_any());
    there.is_some_and(|there| there.meta().uid == guard.meta().uid)
}

/// What matters to those related to it.
fn matters(guard: &Guard) -> u64 {
    let meta = guard.meta();
    let object = guard.0.as_ref().ok();
    let is_bind = object.is_some_and(|object| object.spec.bind.is_some());
    let known = object.and_then(|object| object.status.as_ref());
    // That a bind has its Secret, and that its account was made, shows in these reasons alone.
    let reason = |known| {
        let ready = status::get(known, condition::READY)?;
        (is_bind || ready.status == "True").then(|| ready.reason.clone())
    };
    digest(&(
        meta.uid.as_deref(),
        meta.generation,
        meta.deletion_timestamp.is_some(),
        meta.annotations.as_ref().and_then(|all| all.get(names::IDENTITY)),
        known.map(|known| {
            (
                status::holds(known, condition::READY),
                reason(known),
                known.memory.external_id.clone(),
                known.binding_revision,
                known.consumers.is_empty(),
                status::get(known, condition::DELETING).map(|deleting| deleting.reason.clone()),
            )
        }),
    ))
}

/// Those that a CloudResource waits for, that wait for it, that it binds to, and that bind to it.
fn relatives(context: &Context, guard: &Guard) -> Vec<Reference> {
    let Some(changed) = guard
        .0
        .as_ref()
        .ok()
        .and_then(|object| Relative::of(Arc::new(object.clone())))
    else {
        return Vec::new();
    };
    let key = changed.key();
    let mut keys: Vec<(String, String)> = Vec::new();
    let mut add = |key: &Key| keys.push((key.namespace.clone(), key.object_name()));
    relations::dependents(context, key)
        .iter()
        .for_each(|other| add(other.key()));
    let siblings = relations::of_application(context, &key.namespace, &key.application);
    let mut declarations: Vec<_> = siblings.into_iter().map(|sibling| sibling.declaration).collect();
    // One that has just gone is no longer among them.
    if declarations.iter().all(|other| other.key != *key) {
        declarations.push(changed.declaration.clone());
    }
    declare::after(&changed.declaration, &declarations)
        .iter()
        .for_each(&mut add);
    // An alarm or a bind that came before what it names.
    declarations
        .iter()
        .filter(|other| declare::after(other, &declarations).contains(key))
        .for_each(|other| add(&other.key));
    if let Some((Target::Foreign { namespace, name }, _)) = relations::target(context, &changed.declaration) {
        keys.push((namespace, name));
    }
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|(namespace, name)| ObjectRef::new(&name).within(&namespace))
        .collect()
}

/// The balancers whose backends these are.
fn balancers(context: &Context, changed: &BTreeSet<Changed>) -> Vec<Reference> {
    let is_meant = |object: &CloudResource| {
        let applied = object.status.as_ref().and_then(|known| known.memory.applied.as_ref());
        // Where the cluster's own controller manages them, nobody need look.
        object.spec.slb.is_some()
            && applied.is_none_or(|applied| !applied["backends"].is_null())
            && changed.iter().any(|changed| changed.concerns(object))
    };
    let found = context
        .stores
        .resources
        .filter(|guard| guard.0.as_ref().is_ok_and(is_meant));
    found.iter().map(|guard| ObjectRef::from_obj(guard.as_ref())).collect()
}

/// The CloudResources of which the status is so.
fn references(context: &Context, keep: impl Fn(&crate::api::CloudResourceStatus) -> bool) -> Vec<Reference> {
    let unknown = crate::api::CloudResourceStatus::default();
    context
        .stores
        .resources
        .filter(|guard| match &guard.0 {
            Ok(object) => keep(object.status.as_ref().unwrap_or(&unknown)),
            Err(_) => true,
        })
        .iter()
        .map(|guard| ObjectRef::from_obj(guard.as_ref()))
        .collect()
}
