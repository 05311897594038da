//! An account as a provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{Credentials, DynAdapter, Kind, Provider, ProviderInfo, Registration, Result};

use crate::{
    api::Api,
    apsara::ApsaraConfig,
    config::AliyunConfig,
    log::{Log, LogConfig},
    monitor::Monitor,
    rds::{Rds, RdsConfig},
    slb::{Slb, SlbConfig},
    vpc::Vpc,
};

/// Makes the public cloud known as `aliyun`.
pub fn register() -> Registration {
    Registration {
        name: "aliyun",
        connect: |config, credentials| aliyun(&AliyunConfig::read(config)?, &credentials),
    }
}

/// Makes Apsara Stack known as `apsara`.
pub fn register_apsara() -> Registration {
    Registration {
        name: "apsara",
        connect: |config, credentials| apsara(&ApsaraConfig::read(config)?, &credentials),
    }
}

fn aliyun(config: &AliyunConfig, credentials: &Credentials) -> Result<Arc<dyn Provider>> {
    let api = Api::public(config, credentials)?;
    Ok(Arc::new(Account::new(api, &config.rds, &config.slb, &config.log)))
}

fn apsara(config: &ApsaraConfig, credentials: &Credentials) -> Result<Arc<dyn Provider>> {
    let api = Api::apsara(config, credentials)?;
    Ok(Arc::new(Account::new(api, &config.rds, &config.slb, &config.log)))
}

/// The adapters of one account in one region.
#[derive(Debug)]
struct Account {
    api: Api,
    adapters: BTreeMap<Kind, Arc<dyn DynAdapter>>,
}

impl Account {
    fn new(api: Api, rds: &RdsConfig, slb: &SlbConfig, log: &LogConfig) -> Self {
        let adapters: [Arc<dyn DynAdapter>; _] = [
            Arc::new(Vpc::new(api.clone())),
            Arc::new(Rds::new(api.clone(), rds.clone())),
            Arc::new(Slb::new(api.clone(), slb.clone())),
            Arc::new(Log::new(api.clone(), log.clone())),
            Arc::new(Monitor::new(api.clone())),
        ];
        Self {
            api,
            adapters: adapters.into_iter().map(|adapter| (adapter.kind(), adapter)).collect(),
        }
    }
}

#[async_trait]
impl Provider for Account {
    fn adapter(&self, kind: Kind) -> Option<Arc<dyn DynAdapter>> {
        self.adapters.get(&kind).cloned()
    }

    async fn check(&self) -> Result<ProviderInfo> {
        self.api.check().await
    }
}
