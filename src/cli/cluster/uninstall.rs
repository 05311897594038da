//! Removing Mooring from a cluster, what guards the rest last.

use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::json;

use super::{Error, client, failed, resources, retained};
use crate::{
    api::{ProviderConfig, names},
    cli::args::Cluster,
};

/// The label on everything in `deploy/`.
const OURS: &str = "app.kubernetes.io/part-of=mooring";

/// Annotation that the policy in `deploy/` wants on what it guards before that may be deleted.
const ALLOWED: &str = "mooring.dev/allow-uninstall";

/// Cluster-scoped objects, in the order in which they go after the definitions: first what guards, then what lets
/// anybody do anything.
const SCOPED: [(&str, &str, &str); 4] = [
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
];

/// Removes Mooring. Refuses while anything lives: whoever deletes the operator first can delete nothing afterwards.
pub(in crate::cli) async fn uninstall(
    cluster: &Cluster,
    namespace: &str,
    told: &(dyn Fn(String) + Sync),
) -> Result<(), Error> {
    let client = client(cluster).await?;
    refuse_while_something_lives(&client).await?;
    let deployments = namespaced(&client, namespace, "apps", "v1", "Deployment");
    for name in delete_ours(&deployments).await? {
        told(format!("Deployment {namespace}/{name} is going"));
    }
    // Between the first look and the end of the operator something may have been declared.
    refuse_while_something_lives(&client).await?;
    let definitions = all(&client, "apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let names: Vec<_> = crate::api::crds().iter().map(ResourceExt::name_any).collect();
    let namespaces = all(&client, "", "v1", "Namespace");
    // A policy guards for some time after it is deleted, so all that it guards is let go by its own rule.
    for name in &names {
        allow(&definitions, name).await?;
    }
    allow(&namespaces, namespace).await?;
    release_provider_configs(&client).await?;
    for name in &names {
        if delete(&definitions, name).await? {
            told(format!("CustomResourceDefinition {name} is going"));
        }
    }
    for (group, version, kind) in &SCOPED {
        for name in delete_ours(&all(&client, group, version, kind)).await? {
            told(format!("{kind} {name} is gone"));
        }
    }
    if delete(&namespaces, namespace).await? {
        told(format!("Namespace {namespace} is going"));
    }
    Ok(())
}

async fn refuse_while_something_lives(client: &Client) -> Result<(), Error> {
    let missing = |error: &Error| matches!(error, Error::Kube { source, .. } if is_missing(source));
    let mut living = Vec::new();
    match resources(client).await {
        Ok(all) => living.extend(all.iter().map(|resource| {
            format!(
                "CloudResource {}/{}",
                resource.namespace().unwrap_or_default(),
                resource.name_any()
            )
        })),
        // A half-deleted installation has no definition of it any more, and so none of it.
        Err(error) if missing(&error) => {}
        Err(error) => return Err(error),
    }
    match retained(client).await {
        Ok(all) => living.extend(
            all.iter()
                .map(|resource| format!("RetainedResource {}", resource.name_any())),
        ),
        Err(error) if missing(&error) => {}
        Err(error) => return Err(error),
    }
    if living.is_empty() {
        return Ok(());
    }
    let shown = living.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
    let more = living.len().saturating_sub(10);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Err(Error::Refused(format!(
        "{shown}{more}: still there, and nobody could take them down afterwards; delete the applications first, and \
         `mooring approve abandon` what is to be left"
    )))
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn all(client: &Client, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource(group, version, kind))
}

fn namespaced(client: &Client, namespace: &str, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(group, version, kind))
}

/// Deletes what carries our label; answers the names.
async fn delete_ours(api: &Api<DynamicObject>) -> Result<Vec<String>, Error> {
    let listed = match api.list(&ListParams::default().labels(OURS)).await {
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        listed => listed.map_err(failed("list what is ours"))?,
    };
    let mut names = Vec::new();
    for object in listed {
        let name = object.name_any();
        if delete(api, &name).await? {
            names.push(name);
        }
    }
    Ok(names)
}

async fn delete(api: &Api<DynamicObject>, name: &str) -> Result<bool, Error> {
    match api.delete(name, &DeleteParams::foreground()).await {
        Err(error) if is_missing(&error) => Ok(false),
        deleted => deleted.map(|_| true).map_err(failed(format!("delete {name}"))),
    }
}

/// Marks something as free to be deleted.
async fn allow(api: &Api<DynamicObject>, name: &str) -> Result<(), Error> {
    let patch = json!({ "metadata": { "annotations": { ALLOWED: "true" } } });
    match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Err(error) if is_missing(&error) => Ok(()),
        patched => patched
            .map(|_| ())
            .map_err(failed(format!("mark {name} as free to be deleted"))),
    }
}

/// Nothing is there for which a ProviderConfig would have to stay, and nobody is left to let it go.
async fn release_provider_configs(client: &Client) -> Result<(), Error> {
    let api = Api::<ProviderConfig>::all(client.clone());
    let configs = match api.list(&ListParams::default()).await {
        Err(error) if is_missing(&error) => return Ok(()),
        configs => configs.map_err(failed("list ProviderConfigs"))?,
    };
    for config in configs {
        let others: Vec<_> = config
            .finalizers()
            .iter()
            .filter(|name| *name != names::FINALIZER)
            .collect();
        if others.len() == config.finalizers().len() {
            continue;
        }
        let patch = json!({ "metadata": { "finalizers": others, "resourceVersion": config.resource_version() } });
        let patched = api
            .patch(&config.name_any(), &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.map_err(failed(format!("let ProviderConfig {} go", config.name_any())))?;
    }
    Ok(())
}
