//! The servers of a data centre as a provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use mooring_provider::{
    ClusterId, Credentials, DynAdapter, Error, ErrorKind, Kind, Provider, ProviderInfo, Registration, Result,
    spec::Engine,
};
use secrecy::ExposeSecret;

use crate::{
    config::{OnpremConfig, SqlServer},
    log::LogAdapter,
    monitor::MonitorAdapter,
    rds::{Dumps, Host, Login, Mysql, Patience, Postgres, RdsAdapter, Server},
    slb::SlbAdapter,
};

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
    rds: Option<Arc<RdsAdapter>>,
    adapters: BTreeMap<Kind, Arc<dyn DynAdapter>>,
}

impl OnpremProvider {
    /// The adapters of the kinds whose servers are named. No I/O.
    ///
    /// # Errors
    /// When a login is missing in the credentials: that of a database server's administrator stands under
    /// `NAME.username` and `NAME.password`.
    pub fn new(config: &OnpremConfig, credentials: &Credentials) -> Result<Self> {
        let rds = rds(config, credentials)?.map(Arc::new);
        let mut adapters: Vec<Arc<dyn DynAdapter>> = Vec::new();
        if let Some(rds) = &rds {
            adapters.push(Arc::clone(rds) as Arc<dyn DynAdapter>);
        }
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
            rds,
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
        if let Some(rds) = &self.rds {
            rds.check().await?;
        }
        for adapter in self.adapters.values().filter(|adapter| adapter.kind() != Kind::Rds) {
            // What nobody has is asked for: it takes a good login to learn that there is none.
            adapter.inventory(&ClusterId::new("")).await?;
        }
        // Servers come and go, and have accounts each; which are meant is in the ids of what is on them.
        Ok(ProviderInfo {
            account: "onprem".into(),
            region: None,
        })
    }
}

/// The adapter of databases, if there is a server for any.
fn rds(config: &OnpremConfig, credentials: &Credentials) -> Result<Option<RdsAdapter>> {
    let patience = Patience {
        connect: config.connect_timeout.get(),
        statement: config.statement_timeout.get(),
    };
    let mut servers = Vec::new();
    for (engine, named) in [
        (Engine::Postgresql, &config.postgresql),
        (Engine::Mariadb, &config.mariadb),
        (Engine::Mysql, &config.mysql),
    ] {
        for server in named {
            let login = login(server, credentials)?;
            let host: Arc<dyn Host> = match engine {
                Engine::Postgresql => Arc::new(Postgres::new(server, &login, patience)),
                _ => Arc::new(Mysql::new(server, engine, &login, patience)),
            };
            servers.push(Server {
                config: server.clone(),
                engine,
                login,
                host,
            });
        }
    }
    let dumps = config.backup.clone().map(Dumps);
    Ok((!servers.is_empty()).then(|| RdsAdapter::new(servers, config.connections, patience, dumps)))
}

fn login(server: &SqlServer, credentials: &Credentials) -> Result<Login> {
    let get = |key: &str| {
        let entry = format!("{}.{key}", server.name);
        credentials.get(&entry).cloned().ok_or_else(|| {
            let message = format!("the credentials have no entry `{entry}`, the {key} of the server's administrator");
            Error::new(ErrorKind::Unauthenticated, "onprem.connect", message)
        })
    };
    Ok(Login {
        username: get("username")?.expose_secret().to_owned(),
        password: get("password")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connected(credentials: &[(&str, &str)]) -> Result<OnpremProvider> {
        let server = |name: &str| json!({"name": name, "host": "db", "caBundle": "-----BEGIN CERTIFICATE-----"});
        let config = json!({"postgresql": [server("pg1")], "mariadb": [server("my1")]});
        let credentials = credentials
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into()));
        OnpremProvider::new(&OnpremConfig::read(&config)?, &credentials.collect())
    }

    #[test]
    fn every_server_needs_a_login() {
        let error = connected(&[("pg1.username", "mooring"), ("pg1.password", "x")]).expect_err("my1 has none");
        assert!(error.message().contains("`my1.username`"), "{error}");
    }

    #[test]
    fn what_is_configured_is_served_and_no_secret_shown() {
        let logins =
            ["pg1.username", "pg1.password", "my1.username", "my1.password"].map(|key| (key, "Not-2-be-shown"));
        let provider = connected(&logins).expect("it is complete");
        let served = Kind::ALL.into_iter().filter(|kind| provider.adapter(*kind).is_some());
        assert_eq!(served.collect::<Vec<_>>(), [Kind::Rds]);
        let shown = format!("{provider:?}").replace("username: \"Not-2-be-shown\"", "");
        assert!(!shown.contains("Not-2-be-shown"), "{shown}");
    }
}
