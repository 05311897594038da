//! An SRE's word on one resource, which a developer cannot give: it stands on a cluster-scoped object.

use std::collections::BTreeMap;

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
};
use mooring_provider::{Identity, Key};
use serde::de::DeserializeOwned;

use crate::{
    api::{Environment, ProviderConfig, names},
    operator::Context,
};

/// What an SRE approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Approval {
    /// It may be deleted although the environment's limit is reached.
    Delete,
    /// It may be given up on: it is let go without a call to its provider.
    Abandon,
    /// It may move to this key. Without a key whoever copies the identity first would get it.
    Move(Key),
}

/// What an SRE approved of one resource, on its Environment or on its ProviderConfig.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Approvals(Vec<Approval>);

impl Approvals {
    /// Reads them from the stores.
    pub(crate) fn of(
        context: &Context,
        identity: &Identity,
        environment: Option<&str>,
        provider: Option<&str>,
    ) -> Self {
        let environment = environment.and_then(|name| context.stores.environments.get(None, name));
        let provider = provider.and_then(|name| context.stores.provider_configs.get(None, name));
        let mut all = Vec::new();
        for annotations in [
            environment.as_ref().map(|object| object.annotations()),
            provider.as_ref().map(|object| object.annotations()),
        ] {
            all.extend(annotations.and_then(|annotations| read(annotations, identity)));
        }
        Self(all)
    }

    pub(crate) fn delete(&self) -> bool {
        self.0.contains(&Approval::Delete)
    }

    pub(crate) fn abandon(&self) -> bool {
        self.0.contains(&Approval::Abandon)
    }

    /// Whether it may move to this key.
    pub(crate) fn moves_to(&self, key: &Key) -> bool {
        self.0.contains(&Approval::Move(key.clone()))
    }
}

fn read(annotations: &BTreeMap<String, String>, identity: &Identity) -> Option<Approval> {
    let value = annotations.get(&annotation(identity))?;
    match value.split_once(':') {
        None if value == "delete" => Some(Approval::Delete),
        None if value == "abandon" => Some(Approval::Abandon),
        Some(("move", key)) => Some(Approval::Move(key.parse().ok()?)),
        _ => None,
    }
}

fn annotation(identity: &Identity) -> String {
    format!("{}{identity}", names::APPROVE)
}

/// Takes an approval off that was acted upon: the word for one deletion or move must not hold for the next.
pub(crate) async fn used(
    context: &Context,
    identity: &Identity,
    environment: Option<&str>,
    provider: Option<&str>,
    action: &str,
) {
    if let Some(object) = environment.and_then(|name| context.stores.environments.get(None, name)) {
        take_off(
            &Api::<Environment>::all(context.client.clone()),
            &object,
            identity,
            action,
        )
        .await;
    }
    if let Some(object) = provider.and_then(|name| context.stores.provider_configs.get(None, name)) {
        take_off(
            &Api::<ProviderConfig>::all(context.client.clone()),
            &object,
            identity,
            action,
        )
        .await;
    }
}

async fn take_off<K>(api: &Api<K>, object: &DeserializeGuard<K>, identity: &Identity, action: &str)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let name = annotation(identity);
    let said = object.annotations().get(&name);
    if said.and_then(|value| value.split(':').next()) != Some(action) {
        return;
    }
    let patch = serde_json::json!({"metadata": {"annotations": {name: null}}});
    let taken = api
        .patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .await;
    if let Err(error) = taken {
        tracing::warn!(%identity, error = &error as &dyn std::error::Error, "an approval that was used stays written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_of_one_identity_and_one_action() {
        let identity = Identity::new("k3x9q2");
        let parse = |value: &str| {
            let annotations = [(annotation(&identity), value.to_owned())].into();
            Approvals(read(&annotations, &identity).into_iter().collect())
        };
        let key = Key::new("ns", "a", "b", "c");
        assert!(parse("delete").delete() && !parse("delete").abandon());
        assert!(parse("abandon").abandon());
        assert!(parse("move:ns/a/b/c").moves_to(&key) && !parse("move").moves_to(&key));
        assert!(!parse("move:other/a/b/c").moves_to(&key) && !parse("move:nonsense").moves_to(&key));
        assert_eq!(parse("everything"), Approvals::default());
        let other = [(annotation(&Identity::new("other")), "delete".to_owned())].into();
        assert_eq!(read(&other, &identity), None);
    }
}
