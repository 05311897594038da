//! OpenStack as a provider.

use std::sync::Arc;

use async_trait::async_trait;
use mooring_provider::{Credentials, DynAdapter, Kind, Provider, ProviderInfo, Registration, Result};

use crate::{
    config::OpenstackConfig, credentials, rds::Databases, session::Session, slb::LoadBalancerAdapter, vpc::Networks,
};

/// Makes OpenStack known as `openstack`.
pub fn register() -> Registration {
    Registration {
        name: "openstack",
        connect: |config, credentials| {
            let provider = OpenstackProvider::connect(config, &credentials)?;
            Ok(Arc::new(provider))
        },
    }
}

/// A project of an OpenStack cloud.
#[derive(Debug)]
pub struct OpenstackProvider {
    session: Arc<Session>,
    networks: Arc<Networks>,
    load_balancers: Arc<LoadBalancerAdapter>,
    databases: Arc<Databases>,
}

impl OpenstackProvider {
    /// Reads the configuration and the credentials. Nothing is sent.
    ///
    /// # Errors
    /// Those name the field, its value and the fix.
    pub fn connect(config: &serde_json::Value, credentials: &Credentials) -> Result<Self> {
        let (config, identity) = credentials::resolve(OpenstackConfig::read(config)?, credentials)?;
        let session = Arc::new(Session::new(config, identity)?);
        Ok(Self {
            networks: Arc::new(Networks::new(session.clone())),
            load_balancers: Arc::new(LoadBalancerAdapter::new(session.clone())),
            databases: Arc::new(Databases::new(session.clone())),
            session,
        })
    }
}

#[async_trait]
impl Provider for OpenstackProvider {
    fn adapter(&self, kind: Kind) -> Option<Arc<dyn DynAdapter>> {
        match kind {
            Kind::Vpc => Some(self.networks.clone()),
            Kind::Slb => Some(self.load_balancers.clone()),
            Kind::Rds => Some(self.databases.clone()),
            _ => None,
        }
    }

    async fn check(&self) -> Result<ProviderInfo> {
        let token = self.session.prove().await?;
        Ok(ProviderInfo {
            account: token.project.clone(),
            region: self.session.config.region.clone(),
        })
    }
}
