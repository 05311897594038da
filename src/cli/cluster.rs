//! The same verbs against a cluster. What they change there is an annotation; the operator does the rest.

mod approve;
mod uninstall;

use std::{collections::HashSet, sync::Arc};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use mooring_provider::{ClusterId, Credentials, Identity, Key, Kind};
use secrecy::SecretString;
use serde_json::json;

use super::args::Cluster;
use crate::{
    api::{CloudResource, Environment, ProviderConfig, RetainedResource, RetainedStanding, names},
    engine::{Connection, Engine, Entry, SystemClock, effective, shared_owner},
    ledger::{InMemory, Ledger, Memory, Record, Standing},
    local::Listed,
};

pub(super) use approve::approve;
pub(super) use uninstall::uninstall;

/// The namespace of the operator, where the credentials of providers are.
const NAMESPACE: &str = "mooring-system";

/// Why a cluster was of no help.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The kubeconfig.
    #[error("the kubeconfig cannot be used")]
    Config(#[source] Box<KubeconfigError>),
    /// No answer, or a refusal.
    #[error("the cluster: cannot {action}")]
    Kube {
        action: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// A provider.
    #[error("ProviderConfig `{provider}`")]
    Provider {
        provider: String,
        #[source]
        source: mooring_provider::Error,
    },
    /// The ledger that is made for the moment.
    #[error(transparent)]
    Ledger(#[from] crate::ledger::Error),
    /// It was not found, or cannot be done.
    #[error("{0}")]
    Refused(String),
}

fn failed(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let action = action.into();
    move |source| Error::Kube {
        action,
        source: Box::new(source),
    }
}

async fn client(cluster: &Cluster) -> Result<Client, Error> {
    let wrong = |error| Error::Config(Box::new(error));
    let options = KubeConfigOptions {
        context: cluster.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = match &cluster.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(wrong)?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(wrong)?
        }
        None => Config::from_kubeconfig(&options).await.map_err(wrong)?,
    };
    Client::try_from(config).map_err(failed("be reached"))
}

async fn resources(client: &Client) -> Result<Vec<CloudResource>, Error> {
    let all = Api::<CloudResource>::all(client.clone())
        .list(&ListParams::default())
        .await;
    Ok(all.map_err(failed("list CloudResources"))?.items)
}

async fn retained(client: &Client) -> Result<Vec<RetainedResource>, Error> {
    let all = Api::<RetainedResource>::all(client.clone())
        .list(&ListParams::default())
        .await;
    Ok(all.map_err(failed("list RetainedResources"))?.items)
}

fn key(resource: &CloudResource) -> Key {
    resource.spec.key(&resource.namespace().unwrap_or_default())
}

/// What is declared and what is retained.
pub(super) async fn list(cluster: &Cluster) -> Result<Vec<Listed>, Error> {
    let client = client(cluster).await?;
    let mut all = Vec::new();
    for resource in resources(&client).await? {
        let status = resource.status.clone().unwrap_or_default();
        let kind = resource.spec.declares().map_or("", |(declares, _)| declares.as_str());
        let going = resource.metadata.deletion_timestamp.is_some();
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == crate::api::condition::READY);
        all.push(Listed {
            key: key(&resource).to_string(),
            kind: kind.to_owned(),
            environment: status.environment.unwrap_or_default(),
            provider: status.provider.unwrap_or_default(),
            external_id: status.memory.external_id.map(|id| id.to_string()),
            standing: if going { Standing::Deleting } else { Standing::Live }
                .as_str()
                .to_owned(),
            endpoint: status.endpoint,
            reason: ready.map(|ready| format!("{}: {}", ready.reason, ready.message)),
        });
    }
    for resource in retained(&client).await? {
        let spec = resource.spec;
        all.push(Listed {
            key: spec.key.to_string(),
            kind: spec.kind.to_string(),
            environment: spec.environment,
            provider: spec.provider,
            external_id: Some(spec.external_id.to_string()),
            standing: standing(spec.standing).as_str().to_owned(),
            endpoint: None,
            reason: Some(spec.reason),
        });
    }
    Ok(all)
}

fn standing(standing: RetainedStanding) -> Standing {
    match standing {
        RetainedStanding::Parked => Standing::Parked,
        RetainedStanding::Retained => Standing::Retained,
        RetainedStanding::Abandoned => Standing::Abandoned,
    }
}

/// What stands at the providers of a cluster, asked with their credentials, and why some could not be asked.
pub(super) async fn inventory(cluster: &Cluster) -> Result<(Vec<Entry>, Vec<Error>), Error> {
    let client = client(cluster).await?;
    let system = Api::<Namespace>::all(client.clone()).get("kube-system").await;
    let id = ClusterId::new(
        system
            .map_err(failed("read the namespace kube-system"))?
            .uid()
            .unwrap_or_default(),
    );
    let ledger: Arc<dyn Ledger> = Arc::new(InMemory::default());
    // Where something is, and of what kind.
    let mut all = Vec::new();
    for resource in retained(&client).await? {
        all.push((resource.spec.provider.clone(), resource.spec.kind));
        ledger.put(&record(resource)).await?;
    }
    let identity = |resource: &CloudResource| resource.annotations().get(names::IDENTITY).map(Identity::new);
    let resources = resources(&client).await?;
    let declared: HashSet<Identity> = resources.iter().filter_map(identity).collect();
    all.extend(resources.iter().filter_map(|resource| {
        let kind = resource.spec.declares()?.0.kind()?;
        Some((resource.status.as_ref()?.provider.clone()?, kind))
    }));
    let engine = Engine::new(
        ledger,
        Arc::new(SystemClock),
        crate::registrations(),
        id,
        "inventory".into(),
    )
    .await?;
    let configs = Api::<ProviderConfig>::all(client.clone())
        .list(&ListParams::default())
        .await;
    let environments = Api::<Environment>::all(client.clone())
        .list(&ListParams::default())
        .await
        .map_err(failed("list Environments"))?
        .items;
    let home = |environment: &&Environment| environment.status.as_ref().and_then(|status| status.home) == Some(true);
    let shared: Vec<_> = environments
        .iter()
        .filter(home)
        .map(|environment| shared_owner(&environment.name_any()))
        .collect();
    let (mut entries, mut failures) = (Vec::new(), Vec::new());
    for config in configs.map_err(failed("list ProviderConfigs"))? {
        let connection = match connected(&client, &engine, &config).await {
            Ok(Some(connection)) => connection,
            Ok(None) => continue,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        // Credentials may be for some kinds only: what is to be seen is seen.
        for kind in kinds(&connection, &environments, &all) {
            let found = engine.inventory(&connection, &[kind], &shared, Some(&declared)).await;
            match found {
                Ok(found) => entries.extend(found),
                Err(source) => failures.push(Error::Provider {
                    provider: format!("{}: {kind}", connection.name),
                    source,
                }),
            }
        }
    }
    entries.sort_by(|a, b| (&a.provider, &a.owner, a.kind).cmp(&(&b.provider, &b.owner, b.kind)));
    Ok((entries, failures))
}

/// The kinds that an account is there for: those an Environment has it serve, and those something is there of. Of one
/// that nobody names, all that its provider has.
fn kinds(connection: &Connection, environments: &[Environment], all: &[(String, Kind)]) -> Vec<Kind> {
    let routed = environments
        .iter()
        .flat_map(|environment| effective::routed(&environment.spec, &connection.name));
    let used = all.iter().filter(|(provider, _)| *provider == connection.name);
    let wanted: HashSet<Kind> = routed.chain(used.map(|(_, kind)| *kind)).collect();
    let of_provider = connection.kinds();
    of_provider
        .filter(|kind| wanted.is_empty() || wanted.contains(kind))
        .collect()
}

async fn connected(
    client: &Client,
    engine: &Engine,
    config: &ProviderConfig,
) -> Result<Option<Arc<Connection>>, Error> {
    let name = config.name_any();
    let credentials = credentials(client, config).await?;
    let Some((provider, settings)) = config.spec.provider() else {
        return Ok(None);
    };
    let settings = serde_json::Value::Object(settings.0.clone());
    let wrong = |source| Error::Provider {
        provider: name.clone(),
        source,
    };
    let connection = engine.connections().connect(&name, provider, &settings, credentials);
    connection.map(Some).map_err(wrong)
}

fn record(resource: RetainedResource) -> Record {
    let spec = resource.spec;
    Record {
        owner: mooring_provider::Owner {
            cluster: spec.cluster,
            identity: spec.identity,
            key: spec.key,
        },
        kind: spec.kind,
        provider: spec.provider,
        environment: spec.environment,
        name: spec.name,
        existing: false,
        standing: standing(spec.standing),
        reason: Some(spec.reason),
        keep_until: spec.keep_until,
        endpoint: None,
        sightings: 0,
        memory: Memory {
            incarnation: spec.incarnation,
            external_id: Some(spec.external_id),
            ..Memory::default()
        },
    }
}

async fn credentials(client: &Client, config: &ProviderConfig) -> Result<Credentials, Error> {
    let Some(reference) = &config.spec.credentials else {
        return Ok(Credentials::new());
    };
    let name = &reference.secret_ref.name;
    let secret = Api::<Secret>::namespaced(client.clone(), NAMESPACE).get(name).await;
    let secret = secret.map_err(failed(format!("read the Secret {NAMESPACE}/{name}")))?;
    let entries = secret.data.unwrap_or_default().into_iter();
    Ok(entries
        .filter_map(|(name, value)| Some((name, SecretString::from(String::from_utf8(value.0).ok()?))))
        .collect())
}

async fn find(client: &Client, wanted: &Key) -> Result<CloudResource, Error> {
    let all = resources(client).await?;
    let known: Vec<_> = all.iter().map(|resource| key(resource).to_string()).collect();
    all.into_iter()
        .find(|resource| key(resource) == *wanted)
        .ok_or_else(|| {
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            Error::Refused(format!(
                "no CloudResource is for `{wanted}`; there are those for: {known}"
            ))
        })
}

async fn annotate<K>(api: Api<K>, name: &str, annotation: &str, value: &str) -> Result<(), Error>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let patch = json!({ "metadata": { "annotations": { annotation: value } } });
    let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    patched
        .map(|_| ())
        .map_err(failed(format!("annotate {name} with {annotation}")))
}

/// Asks for new credentials, by an annotation whose value is new.
pub(super) async fn rotate(cluster: &Cluster, wanted: &Key) -> Result<String, Error> {
    let client = client(cluster).await?;
    let resource = find(&client, wanted).await?;
    let api = Api::<CloudResource>::namespaced(client, &resource.namespace().unwrap_or_default());
    annotate(
        api,
        &resource.name_any(),
        names::ROTATE,
        &jiff::Timestamp::now().to_string(),
    )
    .await?;
    Ok(format!(
        "{wanted} gets new credentials; the operator rolls its consumers"
    ))
}
