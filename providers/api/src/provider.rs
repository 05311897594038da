//! A provider: the adapters of one account.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{DynAdapter, Kind, Result};

/// The entries of the credentials Secret.
pub type Credentials = BTreeMap<String, SecretString>;

/// One account at one provider, connected and ready to be asked.
#[async_trait]
pub trait Provider: Debug + Send + Sync + 'static {
    /// The adapter for a kind, if this provider serves it.
    fn adapter(&self, kind: Kind) -> Option<Arc<dyn DynAdapter>>;

    /// Proves that the credentials work and tells whose they are. Has no effect.
    async fn check(&self) -> Result<ProviderInfo>;
}

/// What a provider says of itself when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// The account the credentials belong to. Credentials of another account later are a scope error, not absence.
    pub account: String,
    /// The region, where the provider has any.
    pub region: Option<String>,
}

/// How a provider crate makes itself known: its `register()` returns this.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// The member of `ProviderConfig.spec` that it serves: `mock`, `aliyun`.
    pub name: &'static str,
    /// Connects to an account. Takes that member of the spec as JSON; checks it, does no I/O over the network.
    pub connect: fn(config: &serde_json::Value, credentials: Credentials) -> Result<Arc<dyn Provider>>,
}
