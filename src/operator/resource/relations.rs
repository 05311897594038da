//! Who comes before whom, who binds to whom: read off the CloudResources that are there.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use mooring_provider::{
    Access, ClusterId, Key, Kind,
    spec::{Network, Subnet},
};

use super::status;
use crate::{
    api::{CloudResource, CloudResourceStatus, Declares, Shared, condition, names, properties::Share},
    engine::{
        declare::{self, Declaration, Target},
        effective::Output,
    },
    operator::Context,
};

/// The reason of Ready where an environment does without a kind.
pub(super) const SKIPPED: &str = "Skipped";

/// A CloudResource with what it declares.
#[derive(Debug, Clone)]
pub(super) struct Relative {
    pub(super) object: Arc<CloudResource>,
    pub(super) declaration: Declaration,
}

impl Relative {
    pub(super) fn of(object: Arc<CloudResource>) -> Option<Self> {
        let declaration = Declaration::from_spec(&object.namespace()?, &object.spec)?;
        Some(Self { object, declaration })
    }

    pub(super) fn key(&self) -> &Key {
        &self.declaration.key
    }

    pub(super) fn status(&self) -> CloudResourceStatus {
        self.object.status.clone().unwrap_or_default()
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.object
            .status
            .as_ref()
            .is_some_and(|known| status::holds(known, condition::READY))
    }

    /// What it gives to those that come after it, once it is ready. `entry` is of its Secret.
    pub(super) fn output(&self, entries: &BTreeMap<String, String>) -> Option<Output> {
        let (known, kind) = (self.object.status.as_ref()?, self.declaration.declares.kind()?);
        let ready = status::get(known, condition::READY).filter(|ready| ready.status == "True")?;
        if ready.reason == SKIPPED {
            return Some(Output {
                kind,
                external_id: None,
                network: None,
            });
        }
        let id = known.memory.external_id.clone()?;
        let network = is_dedicated(self).then(|| Network {
            id: Some(id.to_string()),
            subnets: entries
                .get("subnet-ids")
                .iter()
                .flat_map(|ids| ids.split(','))
                .filter(|id| !id.is_empty())
                .map(|id| Subnet {
                    zone: None,
                    id: id.to_owned(),
                })
                .collect(),
            security_group: entries.get("security-group-id").filter(|id| !id.is_empty()).cloned(),
        });
        Some(Output {
            kind,
            external_id: Some(id),
            network,
        })
    }
}

/// Whether it is a network of the application's own, as it came to be in effect.
pub(super) fn is_dedicated(relative: &Relative) -> bool {
    relative.declaration.declares == Declares::Resource(Kind::Vpc)
        && relative.object.status.as_ref().is_some_and(|known| {
            known
                .effective
                .iter()
                .any(|value| value.field == "network" && value.value == "dedicated")
        })
}

/// Every CloudResource that can be read and of which `keep` likes the object.
pub(super) fn all(context: &Context, keep: impl Fn(&CloudResource) -> bool) -> Vec<Relative> {
    context
        .stores
        .resources
        .filter(|guard| guard.0.as_ref().is_ok_and(&keep))
        .into_iter()
        .filter_map(|guard| Relative::of(Arc::new(guard.0.as_ref().ok()?.clone())))
        .collect()
}

/// Everything of one application, by key.
pub(super) fn of_application(context: &Context, namespace: &str, application: &str) -> Vec<Relative> {
    let mut all = all(context, |object| {
        object.spec.application == application && object.metadata.namespace.as_deref() == Some(namespace)
    });
    all.sort_by(|a, b| a.key().cmp(b.key()));
    all
}

/// The CloudResource of a key.
pub(super) fn get(context: &Context, namespace: &str, name: &str) -> Option<Relative> {
    let guard = context.stores.resources.get(Some(namespace), name)?;
    Relative::of(Arc::new(guard.0.as_ref().ok()?.clone()))
}

/// What a bind is to.
pub(super) fn target(context: &Context, bind: &Declaration) -> Option<(Target, Option<Relative>)> {
    let siblings = of_application(context, &bind.key.namespace, &bind.key.application);
    let declarations: Vec<_> = siblings.into_iter().map(|relative| relative.declaration).collect();
    let target = declare::bind_target(bind, &declarations)?;
    let found = match &target {
        Target::Own(key) => get(context, &key.namespace, &key.object_name()),
        Target::Foreign { namespace, name } => get(context, namespace, name),
        Target::Pods => None,
    };
    Some((target, found))
}

/// The most that the owner of a resource lets this bind do; `None` without consent.
pub(super) fn consents(target: &Relative, bind: &Key) -> Option<Access> {
    let own = target.key();
    if own.namespace == bind.namespace && own.application == bind.application {
        return Some(Access::Owner);
    }
    let shares: Vec<Share> = target
        .declaration
        .properties
        .get("shareWith")
        .and_then(|shares| serde_json::from_value(shares.clone()).ok())
        .unwrap_or_default();
    let consented = shares
        .into_iter()
        .filter(|share| share.admits(&bind.namespace, &bind.application, &bind.component));
    // The most of several consents, as each was given for itself.
    consented
        .map(|share| share.access)
        .reduce(|one, other| if one.at_most(other) == one { other } else { one })
}

/// The binds to a resource, consented to or not.
pub(super) fn binds(context: &Context, key: &Key) -> Vec<Relative> {
    let own = format!("{}/{}", key.component, key.name);
    let foreign = format!("{}/{}", key.namespace, key.object_name());
    let mut binds = all(context, |object| {
        let is_sibling = || {
            object.spec.application == key.application && object.metadata.namespace.as_deref() == Some(&key.namespace)
        };
        let to = object.spec.bind.as_ref().map(|bind| bind.to.as_str());
        to.is_some_and(|to| to == foreign || to == own && is_sibling())
    });
    binds.retain(|bind| {
        target(context, &bind.declaration).is_some_and(|(target, _)| match target {
            Target::Own(to) => to == *key,
            Target::Foreign { namespace, name } => namespace == key.namespace && name == key.object_name(),
            Target::Pods => false,
        })
    });
    binds.sort_by(|a, b| a.key().cmp(b.key()));
    binds
}

/// What lives in a resource, watches it or binds to it, and so goes before it.
pub(super) fn dependents(context: &Context, key: &Key) -> Vec<Relative> {
    let siblings = of_application(context, &key.namespace, &key.application);
    let declarations: Vec<_> = siblings.iter().map(|relative| relative.declaration.clone()).collect();
    let mut dependents: Vec<_> = siblings
        .into_iter()
        .filter(|other| other.key() != key && declare::after(&other.declaration, &declarations).contains(key))
        .collect();
    // Whoever was not let in has nothing to lose, and delays nobody.
    let own = get(context, &key.namespace, &key.object_name());
    dependents.extend(binds(context, key).into_iter().filter(|bind| {
        let foreign = bind.key().application != key.application || bind.key().namespace != key.namespace;
        foreign && own.as_ref().is_some_and(|own| consents(own, bind.key()).is_some())
    }));
    dependents
}

/// The cluster that accounts are told apart by, at what several share.
pub(super) fn sharing<'a>(context: &'a Context, shared: Option<&Shared>) -> Option<&'a ClusterId> {
    shared.map(|_| context.engine.cluster())
}

/// Whether consumers and dependents need no longer be waited for: somebody said so, or it took too long.
pub(super) fn is_released(context: &Context, meta: &ObjectMeta) -> bool {
    let said = meta
        .annotations
        .as_ref()
        .is_some_and(|all| all.contains_key(names::RELEASE));
    said || meta
        .deletion_timestamp
        .as_ref()
        .is_some_and(|since| Timestamp::now().duration_since(since.0).unsigned_abs() >= context.options.patience)
}

/// Whether a bind's account is still wanted at its target.
pub(super) fn wants_account(context: &Context, bind: &Relative) -> bool {
    !bind.is_deleting() || !bind.status().consumers.is_empty() && !is_released(context, &bind.object.metadata)
}
