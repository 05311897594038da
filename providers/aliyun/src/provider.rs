//! An account as a provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{Credentials, DynAdapter, Kind, Provider, ProviderInfo, Registration, Result};
use mooring_provider_http::Client;
use serde_json::Value as Json;

use crate::{
    api::Api,
    apsara::ApsaraConfig,
    config::AliyunConfig,
    log::{Log, LogConfig},
    monitor::Monitor,
    rds::{Rds, RdsConfig},
    slb::{Slb, SlbConfig},
    vpc::Vpc,
    wire::Flavour,
};

/// Makes the public cloud known as `aliyun`.
pub fn register() -> Registration {
    Registration {
        name: "aliyun",
        connect: |config, credentials| {
            let config = AliyunConfig::read(config)?;
            Ok(aliyun(&config, Api::public(&config, &credentials)?))
        },
    }
}

/// Makes Apsara Stack known as `apsara`.
pub fn register_apsara() -> Registration {
    Registration {
        name: "apsara",
        connect: |config, credentials| {
            let config = ApsaraConfig::read(config)?;
            Ok(apsara(&config, Api::apsara(&config, &credentials)?))
        },
    }
}

/// Connects to an account by a client of the caller's, such as one over a server in the same process.
pub fn connect_over(
    client: Client,
    flavour: Flavour,
    config: &Json,
    credentials: &Credentials,
) -> Result<Arc<dyn Provider>> {
    match flavour {
        Flavour::Public => {
            let config = AliyunConfig::read(config)?;
            Ok(aliyun(&config, Api::public_over(client, &config, credentials)?))
        }
        Flavour::Apsara => {
            let config = ApsaraConfig::read(config)?;
            Ok(apsara(&config, Api::apsara_over(client, &config, credentials)?))
        }
    }
}

fn aliyun(config: &AliyunConfig, api: Api) -> Arc<dyn Provider> {
    Arc::new(Account::new(api, &config.rds, &config.slb, &config.log))
}

fn apsara(config: &ApsaraConfig, api: Api) -> Arc<dyn Provider> {
    Arc::new(Account::new(api, &config.rds, &config.slb, &config.log))
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
