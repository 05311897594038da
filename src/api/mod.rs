//! The types that have an `apiVersion`, and their schemas. No I/O.
//!
//! Our own kinds are typed to the last field, with rules whose messages say what to do. KubeVela's [`Application`] is
//! not ours and keeps everything. What a developer writes in a trait and what stands in a [`CloudResource`] are the
//! same types, [`properties`], so both are checked against one schema.

#![allow(
    unreachable_pub,
    reason = "KubeSchema copies each public struct into the body of a function"
)]

pub mod application;
mod cloud_resource;
mod environment;
pub mod names;
pub mod properties;
mod provider_config;
mod retained_resource;
mod schema;
mod status;

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, ResourceExt};

pub use application::{Application, ApplicationSpec, ApplicationStatus};
pub use cloud_resource::{CloudResource, CloudResourceSpec, Declares, WorkloadReference};
pub use environment::{
    Admitted, Backends, Class, Clients, Dedicated, Deletion, Environment, EnvironmentOverride, EnvironmentSpec,
    EnvironmentStatus, IdentityScope, Limit, Limits, NO_PROVIDER, NetworkSettings, Notify, Place, Providers, Settings,
    Sizes,
};
pub use provider_config::{
    CredentialsReference, ProviderConfig, ProviderConfigSpec, ProviderConfigStatus, SecretReference,
};
pub use retained_resource::{RetainedResource, RetainedResourceSpec, RetainedResourceStatus, RetainedStanding};
pub use schema::{FreeForm, PROVIDERS, PerKind, PerProvider};
pub use status::{BindingReference, CloudResourceStatus, EffectiveValue, Origin, Shared, condition};

/// The definitions of our own kinds.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        CloudResource::crd(),
        ProviderConfig::crd(),
        Environment::crd(),
        RetainedResource::crd(),
    ]
    .map(schema::settle)
    .into()
}

/// The files of `crds/` that are generated, by their path in it, with their content.
pub fn crd_files() -> Vec<(String, String)> {
    let application = application::crd();
    let ours = crds();
    let kustomization = ours
        .iter()
        .map(|crd| format!("  - {}\n", file_name(crd)))
        .collect::<String>();
    let mut files = vec![(
        "kustomization.yaml".to_owned(),
        format!(
            "# Our own kinds. The Application of core.oam.dev is not among them: `mooring run` creates it where there\n\
             # is none, and nothing is ever applied over KubeVela's; see application/.\n\
             apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{kustomization}"
        ),
    )];
    files.extend(ours.iter().map(|crd| (file_name(crd), yaml(crd, ""))));
    files.push((
        format!("application/{}", file_name(&application)),
        yaml(
            &application,
            "# For clusters without KubeVela: `kubectl create -f` it, or let `mooring run` do so. Never `kubectl apply` \
             it\n# over KubeVela's own, which names fields that this one merely keeps.\n",
        ),
    ));
    files
}

/// Writes the generated files of `crds/` into that directory. What `mooring crds --write crds/` does.
pub fn write_crds(directory: &Path) -> std::io::Result<()> {
    for (name, content) in crd_files() {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)?;
    }
    Ok(())
}

fn file_name(crd: &CustomResourceDefinition) -> String {
    format!(
        "{}_{}.yaml",
        crd.spec.group,
        crd.name_any().split('.').next().unwrap_or_default()
    )
}

fn yaml(crd: &CustomResourceDefinition, comment: &str) -> String {
    let body = serde_saphyr::to_string(crd).expect("a definition is YAML");
    format!("# Generated: `mooring crds --write crds/`.\n{comment}{body}")
}
