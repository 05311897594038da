//! Workloads of other projects: OpenKruise, Argo Rollouts, Knative. Each is watched while the API server serves its kind.
//!
//! Whether it does is asked by discovery, which everybody may, and which also knows of a kind that an aggregated API
//! server has. A watch of a kind that is not there would only be refused again and again.

use std::{borrow::Cow, time::Duration};

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource, api::ObjectMeta, runtime::watcher};
use serde::{Deserialize, Deserializer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Watchable;
use crate::{api::WorkloadReference, operator::Watched};

/// How often it is asked what is served.
const ASKED: Duration = Duration::from_secs(15);

/// A kind of another project, as far as we know it.
macro_rules! foreign {
    ($(#[$doc:meta])* $type:ident { $($field:ident: $what:ty),* }, $group:literal, $version:literal, $kind:literal, $plural:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        pub struct $type {
            /// Its metadata.
            pub metadata: ObjectMeta,
            $(
                /// The part of it that matters here.
                #[serde(default)]
                pub $field: $what,
            )*
        }

        impl Resource for $type {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                $version.into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

foreign!(
    /// OpenKruise's CloneSet.
    CloneSet {}, "apps.kruise.io", "v1alpha1", "CloneSet", "clonesets"
);
foreign!(
    /// OpenKruise's StatefulSet.
    AdvancedStatefulSet {}, "apps.kruise.io", "v1beta1", "StatefulSet", "statefulsets"
);
foreign!(
    /// Argo's Rollout.
    Rollout { spec: RolloutSpec }, "argoproj.io", "v1alpha1", "Rollout", "rollouts"
);
foreign!(
    /// Knative's Service.
    KnativeService {}, "serving.knative.dev", "v1", "Service", "services"
);

/// What of a Rollout's spec matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RolloutSpec {
    /// The workload whose pod template it runs, if it has none of its own.
    #[serde(default, rename = "workloadRef", deserialize_with = "whole")]
    pub workload_ref: Option<WorkloadReference>,
}

/// One that lacks a part, which its definition admits, refers to nothing; it must not stand in the way of all others.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<WorkloadReference>, D::Error> {
    let written = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(written).ok())
}

/// Asks which kinds are served, for the watches of them.
pub(super) struct Served {
    kinds: watch::Receiver<Option<Vec<[String; 2]>>>,
}

impl Served {
    /// Starts asking; ends with `shutdown`.
    pub(super) fn start(client: &Client, shutdown: &CancellationToken) -> Self {
        let (tell, kinds) = watch::channel(None);
        let (client, shutdown) = (client.clone(), shutdown.clone());
        let ask = async move {
            loop {
                match served(&client).await {
                    Ok(kinds) => {
                        tell.send_if_modified(|known| {
                            let is_news = known.as_ref() != Some(&kinds);
                            *known = Some(kinds);
                            is_news
                        });
                    }
                    // What was served last is taken to be served still.
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "discovery"),
                }
                tokio::time::sleep(ASKED).await;
            }
        };
        tokio::spawn(async move { shutdown.run_until_cancelled(ask).await });
        Self { kinds }
    }

    /// A watch of a kind while it is served.
    pub(super) fn watched<K: Watchable>(&self, client: &Client, shutdown: &CancellationToken) -> Watched<K> {
        let kind = [K::api_version(&()).into_owned(), K::plural(&()).into_owned()];
        let is_served = move |kinds: &Option<Vec<[String; 2]>>| kinds.as_ref().map(|kinds| kinds.contains(&kind));
        Watched::while_served(
            Api::all(client.clone()),
            watcher::Config::default(),
            (self.kinds.clone(), is_served),
            shutdown,
        )
    }
}

/// The kinds known here that are served, as apiVersion and plural.
async fn served(client: &Client) -> kube::Result<Vec<[String; 2]>> {
    let mut served = Vec::new();
    for (api_version, plural) in [
        (CloneSet::api_version(&()), CloneSet::plural(&())),
        (AdvancedStatefulSet::api_version(&()), AdvancedStatefulSet::plural(&())),
        (Rollout::api_version(&()), Rollout::plural(&())),
        (KnativeService::api_version(&()), KnativeService::plural(&())),
    ] {
        match client.list_api_group_resources(&api_version).await {
            Ok(list) if list.resources.iter().any(|resource| resource.name == plural) => {
                served.push([api_version.into_owned(), plural.into_owned()]);
            }
            Ok(_) => {}
            // Of a group that is not there the API server says so in plain text, so there is no reason to go by.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(served)
}
