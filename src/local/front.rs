//! The state directory with its engine: what every command works with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mooring_provider::{ClusterId, Credentials, Identity, Key, Kind, Owner, Retry};
use serde_json::Value as Json;

use super::{
    documents::{Documents, NAMESPACE},
    error::{Error, Result, chain},
    state::{Remembered, Secrets, State},
};
use crate::{
    api::{EnvironmentSpec, ProviderConfigSpec},
    engine::{Connection, Engine, SystemClock, builtin, effective, new_identity},
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
    /// The ProviderConfigs that hold something of ours, or may: where they reach is not changed.
    in_use: BTreeSet<String>,
    patience: Duration,
}

impl Front {
    /// Takes the state directory for this process alone, and makes it if need be.
    pub async fn take(
        mut state: State,
        documents: &Documents,
        patience: Duration,
        told: &(dyn Fn(String) + Sync),
    ) -> Result<Self> {
        state.lock(patience, told).await?;
        let ledger = ledger::open(&state.ledger()).await?;
        let mut front = Self::with(state, ledger, patience).await?;
        front.remembered.cluster = Some(front.engine.cluster().to_string());
        front.engine.forget_gone().await?;
        front.recover(documents, told).await?;
        front.state.remember(&front.remembered)?;
        Ok(front)
    }

    /// A ledger that was lost is filled from what stands at the providers. One that refuses keeps no command from its
    /// work; it is asked again by the next, and what is remembered of it stays until it answered.
    async fn recover(&mut self, documents: &Documents, told: &(dyn Fn(String) + Sync)) -> Result<()> {
        if self.is_ledger_lost().await? {
            let providers = self.remembered.providers.keys().cloned();
            self.remembered
                .unseen
                .extend(providers.chain([builtin::NAME.to_owned()]));
        }
        for name in self.remembered.unseen.clone() {
            let seen = match self.connect(&name, documents) {
                Ok(connection) => self.prove_all(&connection, documents).await,
                Err(error) => Err(error),
            };
            match seen {
                Ok(()) => {
                    self.remembered.unseen.remove(&name);
                }
                Err(error) => told(format!(
                    "the ledger was lost, and what stands at ProviderConfig `{name}` cannot be taken into the new one \
                     yet: {}; the next command asks again",
                    chain(&error)
                )),
            }
        }
        self.see_what_is_in_use().await
    }

    async fn prove_all(&self, connection: &Connection, documents: &Documents) -> Result<()> {
        for kind in self.kinds(connection, documents).await? {
            let proven = self.engine.prove(connection, kind).await;
            proven.map_err(|source| Error::Provider {
                provider: connection.name.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// The kinds that an account is there for: those that an Environment has it serve, and those it holds something of.
    /// Of one that nobody names, all that its provider has.
    pub async fn kinds(&self, connection: &Connection, documents: &Documents) -> Result<Vec<Kind>> {
        let name = connection.name.as_str();
        let given = documents.environments.values().map(|(spec, _)| spec);
        let mut kinds: BTreeSet<Kind> = given
            .chain(self.remembered.environments.values())
            .flat_map(|spec| effective::routed(spec, name))
            .collect();
        let held = self.records(None).await?.into_iter();
        kinds.extend(held.filter(|record| record.provider == name).map(|record| record.kind));
        let none = kinds.is_empty();
        Ok(connection.kinds().filter(|kind| none || kinds.contains(kind)).collect())
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
        let mut front = Self {
            state,
            remembered,
            secrets,
            engine,
            in_use: BTreeSet::new(),
            patience,
        };
        front.see_what_is_in_use().await?;
        Ok(front)
    }

    async fn see_what_is_in_use(&mut self) -> Result<()> {
        let records = self.records(None).await?;
        let kept = records.iter().filter(|record| record.standing != Standing::Abandoned);
        self.in_use = kept.map(|record| record.provider.clone()).collect();
        self.in_use.extend(self.remembered.unseen.iter().cloned());
        if self.is_ledger_lost().await? {
            self.in_use.extend(self.remembered.providers.keys().cloned());
        }
        Ok(())
    }

    /// Resources were remembered, and the ledger never heard of any.
    async fn is_ledger_lost(&self) -> Result<bool> {
        let everything = Filter {
            gone: true,
            ..Filter::default()
        };
        Ok(!self.remembered.fates.is_empty() && self.engine.records(&everything).await?.is_empty())
    }

    /// What an Environment says: the document's word, else what is remembered, else the built-in one's.
    pub fn environment(&self, name: &str, documents: &Documents) -> Option<EnvironmentSpec> {
        let given = documents.environments.get(name).map(|(spec, _)| spec);
        let known = given.or_else(|| self.remembered.environments.get(name)).cloned();
        known.or_else(|| (name == builtin::NAME).then(|| builtin::environment().spec))
    }

    /// A ProviderConfig with its credentials. One that holds something of ours is as it was when that was made, as what
    /// is there is found in no other place; its credentials may be new. Any other is as the document has it.
    pub fn provider(&self, name: &str, documents: &Documents) -> Result<(ProviderConfigSpec, Credentials)> {
        let given = documents.providers.get(name);
        let credentials = match given {
            Some(spec) => self.credentials(name, spec, documents)?,
            None => self.secrets.providers.get(name).cloned().unwrap_or_default(),
        };
        if let Some(spec) = self.held(name) {
            // The reference is the document's, as are the credentials.
            let reference = given.map_or(spec.credentials, |given| given.credentials.clone());
            return Ok((
                ProviderConfigSpec {
                    credentials: reference,
                    ..spec
                },
                credentials,
            ));
        }
        if let Some(spec) = given.or_else(|| self.remembered.providers.get(name)) {
            return Ok((spec.clone(), credentials));
        }
        if name == builtin::NAME {
            return Ok((self.built_in(), Credentials::new()));
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

    /// A ProviderConfig that holds something of ours, as it was when that was made.
    fn held(&self, name: &str) -> Option<ProviderConfigSpec> {
        if !self.in_use.contains(name) {
            return None;
        }
        let remembered = self.remembered.providers.get(name).cloned();
        remembered.or_else(|| (name == builtin::NAME).then(|| self.built_in()))
    }

    fn built_in(&self) -> ProviderConfigSpec {
        let file = self.state.exists().then(|| self.state.path(MOCK_CLOUD));
        builtin::provider_config(file.as_deref()).spec
    }

    /// Refuses documents in which a ProviderConfig that holds something of ours reaches somewhere else.
    pub(super) fn same_places(&self, documents: &Documents) -> Result<()> {
        let mut problems = Vec::new();
        for (name, given) in &documents.providers {
            let Some(held) = self.held(name) else { continue };
            let (was, is) = (place(&held), place(given));
            let fields: BTreeSet<_> = was.keys().chain(is.keys()).collect();
            for field in fields.into_iter().filter(|field| was.get(*field) != is.get(*field)) {
                let shown = |all: &BTreeMap<String, Json>| all.get(field).map_or("not set".into(), Json::to_string);
                problems.push(format!(
                    "ProviderConfig `{name}`: spec.{field}: {} was {} when what it holds was made there, and nothing of \
                     that would be found again; set it back, take everything there down first, or make another \
                     ProviderConfig",
                    shown(&is),
                    shown(&was)
                ));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::Input(problems))
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
    pub async fn owner(
        &self,
        key: &Key,
        kind: Kind,
        connection: &Connection,
        told: &(dyn Fn(String) + Sync),
    ) -> Result<Owner> {
        let begun = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(500);
        loop {
            let error = match self.engine.identity(key, kind, connection).await {
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

    /// Whether everything that may be there is known. What is missing was told when the directory was taken.
    pub fn knows_all(&self) -> bool {
        self.remembered.unseen.is_empty()
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

/// Where a ProviderConfig reaches, by field. How one gets in there is another matter.
fn place(spec: &ProviderConfigSpec) -> BTreeMap<String, Json> {
    let Some((provider, config)) = spec.provider() else {
        return BTreeMap::new();
    };
    let mut fields: BTreeMap<_, _> = [(provider.to_owned(), Json::Object(serde_json::Map::new()))].into();
    let config = config.0.iter();
    fields.extend(config.map(|(field, value)| (format!("{provider}.{field}"), value.clone())));
    fields
}

/// Reads `application` or `namespace/application`.
pub fn application_name(text: &str) -> (String, String) {
    match text.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (NAMESPACE.to_owned(), text.to_owned()),
    }
}
