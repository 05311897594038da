//! What must be settled before anything is carried out: our definitions, and whose Applications and ServiceBindings are.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Error, Resource, ResourceExt, Result,
    api::{ListParams, PartialObjectMeta, PostParams},
};
use serde::de::DeserializeOwned;

use super::{Applications, ServiceBindings, lease::Held};
use crate::api::{self, application, names, service_binding};

/// Annotation on the Lease: whether Applications are ours, as it was once decided.
pub(super) const DECIDED: &str = "mooring.dev/applications";

/// Annotation on the Lease: whether ServiceBindings are ours, as it was once decided.
const BINDINGS_DECIDED: &str = "mooring.dev/reconciles-service-bindings";

/// KubeVela's definition of what a trait is; it is there where KubeVela is.
const KUBEVELA: &str = "traitdefinitions.core.oam.dev";
const APPLICATIONS: &str = "applications.core.oam.dev";
const SERVICE_BINDINGS: &str = "servicebindings.servicebinding.io";
const MAPPINGS: &str = "clusterworkloadresourcemappings.servicebinding.io";

/// How often it is looked whether a definition is there by now.
const AGAIN: Duration = Duration::from_millis(500);
/// How many of those looks pass between two lines in the log.
const QUIET: u32 = 60;

/// Whose Applications or ServiceBindings are, and whether there can be any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// They are ours to carry out.
    Ours,
    /// Somebody else carries them out.
    Others,
    /// There is no definition of them.
    Nobodys,
}

/// Waits until our definitions are there, saying which are not and how to install them.
pub(super) async fn wait_for_definitions(client: &Client) {
    let names: Vec<_> = api::crds().iter().map(ResourceExt::name_any).collect();
    let api = definitions(client);
    for look in 0.. {
        let mut missing = Vec::new();
        for name in &names {
            match api.get_opt(name).await {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(name.as_str()),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        name,
                        "a definition cannot be looked up"
                    );
                    missing.push(name);
                }
            }
        }
        if missing.is_empty() {
            return;
        }
        if look % QUIET == 0 {
            tracing::error!(
                missing = missing.join(", "),
                "these CustomResourceDefinitions are missing; install them with `kubectl apply -k crds/`, or with \
                 `mooring crds | kubectl apply --server-side -f -`; waiting for them"
            );
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn definitions(client: &Client) -> Api<PartialObjectMeta<CustomResourceDefinition>> {
    Api::all(client.clone())
}

/// Decides whose Applications are. What was once decided is on the Lease, and only the flag changes it: an operator
/// that switched by itself would tear down, or take over, what runs.
pub(super) async fn decide(client: &Client, wish: Applications, lease: &mut Held) -> Result<Whose> {
    let definitions = definitions(client);
    let definition = definitions.get_opt(APPLICATIONS).await?;
    let is_kubevelas = |definition| !is_ours(definition);
    let kubevela = definition.as_ref().is_some_and(is_kubevelas) || definitions.get_opt(KUBEVELA).await?.is_some();
    let decided = lease.annotations().get(DECIDED).map(String::as_str);
    let ours = match (wish, decided) {
        (Applications::On, _) => true,
        (Applications::Off, _) => false,
        (Applications::Auto, Some(decided)) => decided == "on",
        (Applications::Auto, None) => !kubevela,
    };
    if wish == Applications::Auto && ours == kubevela {
        tracing::warn!(
            "{}; nothing is switched by itself: say --applications={} to do so",
            if ours {
                "KubeVela is here, and Applications are carried out by Mooring as before"
            } else {
                "KubeVela is not here, and Applications are left alone as before"
            },
            if ours { "off" } else { "on" },
        );
    }
    let word = if ours { "on" } else { "off" };
    if decided != Some(word) {
        lease.annotate(DECIDED, word).await?;
        tracing::info!(applications = word, kubevela, "decided");
    }
    match (ours, definition) {
        (false, Some(_)) => Ok(Whose::Others),
        (false, None) => Ok(Whose::Nobodys),
        (true, Some(_)) => Ok(Whose::Ours),
        (true, None) => {
            define(client, &application::crd()).await?;
            served::<api::Application>(client).await?;
            Ok(Whose::Ours)
        }
    }
}

fn is_ours(definition: &impl ResourceExt) -> bool {
    definition.labels().get(names::MANAGED_BY).map(String::as_str) == Some(names::MANAGED_BY_US)
}

/// Decides whose ServiceBindings are, as [`decide`] does of Applications. While they are not defined nothing is decided,
/// unless the flag says so.
pub(super) async fn decide_service_bindings(client: &Client, wish: ServiceBindings, lease: &mut Held) -> Result<Whose> {
    let definition = Api::<CustomResourceDefinition>::all(client.clone())
        .get_opt(SERVICE_BINDINGS)
        .await?;
    let decided = lease.annotations().get(BINDINGS_DECIDED).map(String::as_str);
    let found = definition.as_ref().map(is_ours);
    let ours = match (wish, decided, found) {
        (ServiceBindings::On, ..) => true,
        (ServiceBindings::Off, ..) => false,
        (ServiceBindings::Auto, _, None) => return Ok(Whose::Nobodys),
        (ServiceBindings::Auto, Some(decided), Some(_)) => decided == "on",
        (ServiceBindings::Auto, None, Some(found)) => found,
    };
    if wish == ServiceBindings::Auto && found == Some(!ours) {
        tracing::warn!(
            "{}; nothing is switched by itself: say --service-bindings={} to do so",
            if ours {
                "ServiceBindings are defined by another implementation now, and Mooring reconciles them as before"
            } else {
                "ServiceBindings are defined by Mooring now, and left alone as before"
            },
            if ours { "off" } else { "on" },
        );
    }
    let word = if ours { "on" } else { "off" };
    if decided != Some(word) {
        lease.annotate(BINDINGS_DECIDED, word).await?;
        tracing::info!(service_bindings = word, ?found, "decided");
    }
    let serves = |definition: &CustomResourceDefinition| {
        definition
            .spec
            .versions
            .iter()
            .any(|version| version.name == "v1" && version.served)
    };
    match (ours, definition) {
        (_, Some(definition)) if !serves(&definition) => {
            tracing::error!(
                "{SERVICE_BINDINGS} serves no version v1, so ServiceBindings are left alone; update the implementation that \
                 defined them, or remove it and its definitions"
            );
            Ok(Whose::Nobodys)
        }
        (false, Some(_)) => Ok(Whose::Others),
        (false, None) => Ok(Whose::Nobodys),
        (true, definition) => {
            let mappings = definitions(client).get_opt(MAPPINGS).await?;
            for (is_there, crd) in [definition.is_some(), mappings.is_some()]
                .into_iter()
                .zip(service_binding::crds())
            {
                if !is_there {
                    define(client, &crd).await?;
                }
            }
            served::<api::ServiceBinding>(client).await?;
            served::<api::ClusterWorkloadResourceMapping>(client).await?;
            Ok(Whose::Ours)
        }
    }
}

/// Makes a definition, where there is none.
async fn define(client: &Client, definition: &CustomResourceDefinition) -> Result<()> {
    match Api::all(client.clone())
        .create(&PostParams::default(), definition)
        .await
    {
        Err(Error::Api(status)) if status.is_already_exists() => {}
        other => drop(other?),
    }
    tracing::info!(
        definition = definition.name_any(),
        "made the definition; there was none"
    );
    Ok(())
}

/// Waits until a kind is served. That it may not be listed is an error: it will not be by waiting.
async fn served<K>(client: &Client) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    loop {
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(_) => return Ok(()),
            Err(Error::Api(status)) if status.is_forbidden() => return Err(Error::Api(status)),
            Err(error) => tracing::debug!(%error, kind = %K::kind(&()), "not served yet"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
