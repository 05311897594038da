//! What must be settled before anything is carried out: our definitions, and whose Applications are.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Error, ResourceExt, Result,
    api::{PartialObjectMeta, PostParams},
};

use super::{Applications, lease::Held};
use crate::api::{self, application, names};

/// Annotation on the Lease: whether Applications are ours, as it was once decided.
pub(super) const DECIDED: &str = "mooring.dev/applications";

/// KubeVela's definition of what a trait is; it is there where KubeVela is.
const KUBEVELA: &str = "traitdefinitions.core.oam.dev";
const APPLICATIONS: &str = "applications.core.oam.dev";

/// How often it is looked whether a definition is there by now.
const AGAIN: Duration = Duration::from_millis(500);
/// How many of those looks pass between two lines in the log.
const QUIET: u32 = 60;

/// Whose Applications are, and whether there can be any.
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
    let is_kubevelas = |definition: &PartialObjectMeta<_>| {
        definition.labels().get(names::MANAGED_BY).map(String::as_str) != Some(names::MANAGED_BY_US)
    };
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
            define(client).await?;
            Ok(Whose::Ours)
        }
    }
}

/// Makes the definition of Applications, where there is none, and waits until it is served.
async fn define(client: &Client) -> Result<()> {
    let definition = application::crd();
    match Api::all(client.clone())
        .create(&PostParams::default(), &definition)
        .await
    {
        Err(Error::Api(status)) if status.is_already_exists() => {}
        other => drop(other?),
    }
    tracing::info!("made the definition of Applications; there was none");
    let applications = Api::<api::Application>::all(client.clone());
    while let Err(error) = applications.list(&kube::api::ListParams::default().limit(1)).await {
        tracing::debug!(%error, "Applications are not served yet");
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}
