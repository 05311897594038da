//! The state directory with its engine: what every command works with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mooring_provider::{ClusterId, Credentials, Identity, Key, Owner, Retry};

use super::{
    documents::{Documents, NAMESPACE},
    error::{Error, Result},
    state::{Remembered, Secrets, State},
};
use crate::{
    api::{EnvironmentSpec, ProviderConfigSpec},
    engine::{Connection, Engine, SystemClock, builtin, new_identity},
    ledger::{self, Filter, InMemory, Ledger, Record, Standing},
};

/// The file that keeps the built-in mock cloud.
const MOCK_CLOUD: &str = "mock-cloud.json";

/// The state directory with its engine.
#[derive(Debug)]
pub struct Front {
    /// The directory.
    pub state: State,
    /// What is remembered beside the ledger.
    pub remembered: Remembered,
    /// The secrets.
    pub secrets: Secrets,
    /// The engine.
    pub engine: Engine,
    patience: Duration,
}

impl Front {
    /// Takes the state directory for this process alone, and makes it if need be.
    pub async fn take(mut state: State, patience: Duration, told: &(dyn Fn(String) + Sync)) -> Result<Self> {
        state.lock(patience, told).await?;
        let ledger = ledger::open(&state.ledger()).await?;
        let mut front = Self::with(state, ledger, patience).await?;
        let cluster = Some(front.engine.cluster().to_string());
        if front.remembered.cluster != cluster {
            front.remembered.cluster = cluster;
            front.state.remember(&front.remembered)?;
        }
        front.recover().await?;
        Ok(front)
    }

    /// A ledger that knows less than was remembered was lost: what stands at the providers is taken into it.
    async fn recover(&self) -> Result<()> {
        let mut lost = false;
        for identity in self.remembered.fates.keys() {
            lost |= self.engine.ledger().get(identity).await?.is_none();
        }
        if !lost {
            return Ok(());
        }
        let documents = Documents::default();
        let built_in = builtin::NAME.to_owned();
        for name in self.remembered.providers.keys().chain([&built_in]) {
            let connection = self.connect(name, &documents)?;
            let proven = self.engine.prove(&connection).await;
            proven.map_err(|source| Error::Provider {
                provider: name.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Looks into the state directory while others may be at work. What is not there is not made.
    pub async fn look(state: State) -> Result<Self> {
        let ledger: Arc<dyn Ledger> = match state.exists() {
            true => ledger::open(&state.ledger()).await?,
            false => Arc::new(InMemory::default()),
        };
        Self::with(state, ledger, Duration::from_secs(10)).await
    }

    async fn with(state: State, ledger: Arc<dyn Ledger>, patience: Duration) -> Result<Self> {
        let (remembered, secrets) = (state.remembered()?, state.secrets()?);
        let proposal = remembered
            .cluster
            .clone()
            .unwrap_or_else(|| format!("local-{}", new_identity()));
        let cluster = ledger.constant("cluster", &proposal).await?;
        let actor = std::env::var("USER").unwrap_or_else(|_| "local".into());
        let engine = Engine::new(
            ledger,
            Arc::new(SystemClock),
            crate::registrations(),
            ClusterId::new(cluster),
            actor,
        )
        .await?;
        Ok(Self {
            state,
            remembered,
            secrets,
            engine,
            patience,
        })
    }

    /// What an Environment says: the document's word, else what is remembered, else the built-in one's.
    pub fn environment(&self, name: &str, documents: &Documents) -> Option<EnvironmentSpec> {
        let given = documents.environments.get(name).map(|(spec, _)| spec);
        let known = given.or_else(|| self.remembered.environments.get(name)).cloned();
        known.or_else(|| (name == builtin::NAME).then(|| builtin::environment().spec))
    }

    /// A ProviderConfig, found likewise, with its credentials.
    pub fn provider(&self, name: &str, documents: &Documents) -> Result<(ProviderConfigSpec, Credentials)> {
        if let Some(spec) = documents.providers.get(name) {
            return Ok((spec.clone(), self.credentials(name, spec, documents)?));
        }
        if let Some(spec) = self.remembered.providers.get(name) {
            return Ok((
                spec.clone(),
                self.secrets.providers.get(name).cloned().unwrap_or_default(),
            ));
        }
        if name == builtin::NAME {
            let file = self.state.exists().then(|| self.state.path(MOCK_CLOUD));
            return Ok((builtin::provider_config(file.as_deref()).spec, Credentials::new()));
        }
        let known: Vec<_> = documents
            .providers
            .keys()
            .chain(self.remembered.providers.keys())
            .cloned()
            .collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        Err(Error::input(format!(
            "ProviderConfig `{name}` is needed and is in no document; add it, or another `-f` with it (there are: {known})"
        )))
    }

    fn credentials(&self, name: &str, spec: &ProviderConfigSpec, documents: &Documents) -> Result<Credentials> {
        let Some(reference) = &spec.credentials else {
            return Ok(Credentials::new());
        };
        let wanted = &reference.secret_ref.name;
        let found = documents.secrets.iter().find(|((_, secret), _)| secret == wanted);
        match (found, self.secrets.providers.get(name)) {
            (Some((_, entries)), _) => Ok(entries.clone()),
            (None, Some(stored)) => Ok(stored.clone()),
            (None, None) => Err(Error::input(format!(
                "ProviderConfig `{name}`: spec.credentials.secretRef.name: `{wanted}`: there is no such Secret in the \
                 documents; add one, or another `-f` with it"
            ))),
        }
    }

    /// Connects to the account of a ProviderConfig.
    pub fn connect(&self, name: &str, documents: &Documents) -> Result<Arc<Connection>> {
        let (spec, credentials) = self.provider(name, documents)?;
        let (provider, config) = spec
            .provider()
            .ok_or_else(|| Error::input(format!("ProviderConfig `{name}`: spec: names no provider")))?;
        let config = serde_json::Value::Object(config.0.clone());
        let connected = self.engine.connections().connect(name, provider, &config, credentials);
        connected.map_err(|source| Error::Provider {
            provider: name.to_owned(),
            source,
        })
    }

    /// Every ProviderConfig there is: in the documents, remembered, or built in and in use.
    pub async fn providers(&self, documents: &Documents) -> Result<Vec<String>> {
        let mut names: Vec<_> = documents
            .providers
            .keys()
            .chain(self.remembered.providers.keys())
            .cloned()
            .collect();
        names.extend(self.records(None).await?.into_iter().map(|record| record.provider));
        if names.is_empty() {
            names.push(builtin::NAME.to_owned());
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Everything that is not gone, of one application or of all.
    pub async fn records(&self, application: Option<(&str, &str)>) -> Result<Vec<Record>> {
        let filter = Filter {
            cluster: Some(self.engine.cluster().clone()),
            namespace: application.map(|(namespace, _)| namespace.to_owned()),
            application: application.map(|(_, name)| name.to_owned()),
            ..Filter::default()
        };
        let records = self.engine.records(&filter).await?;
        Ok(records
            .into_iter()
            .filter(|record| record.standing != Standing::Gone)
            .collect())
    }

    /// The record of a key that is not gone.
    pub async fn record(&self, key: &Key) -> Result<Option<Record>> {
        let known = self.engine.ledger().of_key(self.engine.cluster(), key).await?;
        Ok(known.into_iter().find(|record| record.standing != Standing::Abandoned))
    }

    /// The owner of a key. The account is proven first; that is waited for while it is merely out of reach.
    pub async fn owner(&self, key: &Key, connection: &Connection, told: &(dyn Fn(String) + Sync)) -> Result<Owner> {
        let begun = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(500);
        loop {
            let error = match self.engine.identity(key, connection).await {
                Ok(identity) => return Ok(self.owned(identity, key)),
                Err(error) => error,
            };
            let again = match error.retry() {
                Retry::Backoff => pause,
                Retry::After(after) => after,
                Retry::OnChange | Retry::Slowly => Duration::MAX,
            };
            if error.operation() == "ledger" || again > self.patience.saturating_sub(begun.elapsed()) {
                return Err(Error::Provider {
                    provider: connection.name.clone(),
                    source: error,
                });
            }
            told(format!(
                "ProviderConfig `{}`: {error}; tried again in {}",
                connection.name,
                mooring_provider::Span::new(again)
            ));
            tokio::time::sleep(again).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }

    /// The owner that an identity and a key make here.
    pub fn owned(&self, identity: Identity, key: &Key) -> Owner {
        Owner {
            cluster: self.engine.cluster().clone(),
            identity,
            key: key.clone(),
        }
    }

    /// How long what only waits is waited for.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The labels of a namespace.
    pub fn labels(documents: &Documents, namespace: &str) -> BTreeMap<String, String> {
        documents.namespaces.get(namespace).cloned().unwrap_or_default()
    }
}

/// Reads `application` or `namespace/application`.
pub fn application_name(text: &str) -> (String, String) {
    match text.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (NAMESPACE.to_owned(), text.to_owned()),
    }
}
