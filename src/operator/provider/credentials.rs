//! The Secret of a provider's credentials, and the copy of it that we hold.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ObjectMeta, PostParams},
};
use mooring_provider::Credentials;

use crate::{api::names, operator::Context};

fn copy_name(config: &str) -> String {
    format!("mooring-credentials-{config}")
}

/// The Secret of the credentials and our copy of it, as far as they are there.
pub(super) async fn secrets(
    context: &Context,
    config: &str,
    name: &str,
) -> kube::Result<(Option<Secret>, Option<Secret>)> {
    let api = Api::<Secret>::namespaced(context.client.clone(), &context.options.namespace);
    let (original, copy) = (api.get_opt(name).await?, api.get_opt(&copy_name(config)).await?);
    let original = original.filter(|original| original.metadata.deletion_timestamp.is_none());
    Ok((original, copy.filter(is_ours)))
}

fn is_ours(copy: &Secret) -> bool {
    copy.labels()
        .get(names::MANAGED_BY)
        .is_some_and(|by| by == names::MANAGED_BY_US)
}

/// Keeps a copy of credentials that are proven.
pub(super) async fn keep(context: &Context, config: &str, original: &Secret) -> kube::Result<()> {
    let api = Api::<Secret>::namespaced(context.client.clone(), &context.options.namespace);
    let copy_name = copy_name(config);
    let copy = api.get_opt(&copy_name).await?;
    let labels = BTreeMap::from([(names::MANAGED_BY.to_owned(), names::MANAGED_BY_US.to_owned())]);
    let fresh = Secret {
        metadata: ObjectMeta {
            name: Some(copy_name.clone()),
            labels: Some(labels),
            resource_version: copy.as_ref().and_then(|copy| copy.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        },
        data: original.data.clone(),
        ..Secret::default()
    };
    let written = match copy {
        None => api.create(&PostParams::default(), &fresh).await,
        Some(copy) if is_ours(&copy) && copy.data != original.data => {
            api.replace(&copy_name, &PostParams::default(), &fresh).await
        }
        Some(_) => return Ok(()),
    };
    match written {
        Err(kube::Error::Api(refused)) if refused.is_already_exists() || refused.is_conflict() => Ok(()),
        written => written.map(drop),
    }
}

/// The entries of a Secret.
pub(super) fn read(secret: &Secret) -> Credentials {
    let entries = secret.data.iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.clone(), String::from_utf8(value.0.clone()).ok()?.into())))
        .collect()
}

/// Removes our copy.
pub(super) async fn remove_copy(context: &Context, name: &str) -> kube::Result<()> {
    let api = Api::<Secret>::namespaced(context.client.clone(), &context.options.namespace);
    if !api.get_opt(&copy_name(name)).await?.is_some_and(|copy| is_ours(&copy)) {
        return Ok(());
    }
    match api.delete(&copy_name(name), &DeleteParams::default()).await {
        Err(kube::Error::Api(refused)) if refused.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}
