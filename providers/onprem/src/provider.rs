//! The servers of a data centre as a provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{Credentials, DynAdapter, Kind, Provider, ProviderInfo, Registration, Result};

use crate::{config::OnpremConfig, log::LogAdapter, monitor::MonitorAdapter, slb::SlbAdapter};

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
        let mut adapters: Vec<Arc<dyn DynAdapter>> = Vec::new();
        if let Some(log) = &config.log {
            adapters.push(Arc::new(LogAdapter::new(log, &config.http, credentials)?));
        }
        if let Some(monitor) = &config.monitor {
            adapters.push(Arc::new(MonitorAdapter::new(monitor, &config.http, credentials)?));
        }
        if let Some(slb) = &config.slb {
            adapters.push(Arc::new(SlbAdapter::new(slb, &config.http, credentials)?));
        }
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
