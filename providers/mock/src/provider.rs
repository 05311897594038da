//! The mock cloud as a provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{Credentials, DynAdapter, Kind, Provider, ProviderInfo, Registration, Result};
use secrecy::ExposeSecret;

use crate::{
    Call, Cloud, MockConfig, Op,
    adapter::{MockAdapter, Session},
    kinds::{Log, Monitor, Rds, Slb, Vpc},
};

/// Makes the mock cloud known as `mock`.
pub fn register() -> Registration {
    Registration { name: "mock", connect }
}

fn connect(config: &serde_json::Value, credentials: Credentials) -> Result<Arc<dyn Provider>> {
    let cloud = Cloud::open(&MockConfig::read(config)?)?;
    let token = credentials.get("token").map_or("", |token| token.expose_secret());
    Ok(Arc::new(MockProvider::new(
        cloud,
        !token.is_empty() && token != "revoked",
    )))
}

/// A connection to a mock cloud.
#[derive(Debug)]
pub struct MockProvider {
    session: Session,
    adapters: BTreeMap<Kind, Arc<dyn DynAdapter>>,
}

impl MockProvider {
    /// A connection whose credentials are good (if the cloud asks for any) or not.
    pub(crate) fn new(cloud: Cloud, admitted: bool) -> Self {
        let session = Session { cloud, admitted };
        let adapters = [
            Arc::new(MockAdapter::<Vpc>::new(session.clone())) as Arc<dyn DynAdapter>,
            Arc::new(MockAdapter::<Rds>::new(session.clone())),
            Arc::new(MockAdapter::<Slb>::new(session.clone())),
            Arc::new(MockAdapter::<Log>::new(session.clone())),
            Arc::new(MockAdapter::<Monitor>::new(session.clone())),
        ];
        Self {
            session,
            adapters: adapters.into_iter().map(|adapter| (adapter.kind(), adapter)).collect(),
        }
    }
}

#[async_trait]
impl Provider for MockProvider {
    fn adapter(&self, kind: Kind) -> Option<Arc<dyn DynAdapter>> {
        self.adapters.get(&kind).cloned()
    }

    async fn check(&self) -> Result<ProviderInfo> {
        let call = Call {
            n: 0,
            op: Op::Check,
            kind: None,
            subject: None,
            batch: 0,
        };
        // Another state file is another cloud.
        let place = |config: &MockConfig| ProviderInfo {
            account: config.account.clone(),
            region: config.state.as_ref().map(|path| path.display().to_string()),
        };
        self.session
            .cloud
            .call(self.session.admitted, call, move |_, _, config| Ok(place(config)))
            .await
    }
}
