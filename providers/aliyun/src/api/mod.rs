//! The client that the adapters are written against.

mod call;
mod scope;

use std::sync::Arc;

use mooring_provider::{Credentials, Error, ErrorKind, ProviderInfo, Result};
use mooring_provider_http::Client;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;
use tokio::sync::OnceCell;

pub use call::{Call, Nothing, Reply, SlsCall};

use crate::{
    apsara::ApsaraConfig,
    config::AliyunConfig,
    credentials::{Keyring, Source},
    endpoint::Endpoints,
    params::Params,
    product::Product,
    wire::{Flavour, Keys, Scope, Wire},
};

/// A connection to an account. Cheap to clone; nothing is sent before the first call.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wire: Wire,
    keyring: Keyring,
    /// What an Apsara Stack is asked for, as configured.
    stack: Option<ApsaraConfig>,
    scope: OnceCell<Scope>,
    account: OnceCell<String>,
}

impl Api {
    /// The public cloud.
    pub fn public(config: &AliyunConfig, credentials: &Credentials) -> Result<Self> {
        Self::public_over(Client::new(&config.http)?, config, credentials)
    }

    /// The public cloud, by a client of the caller's.
    pub fn public_over(client: Client, config: &AliyunConfig, credentials: &Credentials) -> Result<Self> {
        let (source, mut roles) = match Source::of_secret(credentials)? {
            Some(source) => (source, Vec::new()),
            None => Source::without_secret(config)?,
        };
        roles.extend(config.assume_role.clone());
        let wire = Wire::new(Flavour::Public, &config.region, Endpoints::public(config), client);
        Ok(Self::new(wire, Keyring::new(source, roles), None))
    }

    /// An Apsara Stack.
    pub fn apsara(config: &ApsaraConfig, credentials: &Credentials) -> Result<Self> {
        Self::apsara_over(Client::new(&config.http)?, config, credentials)
    }

    /// An Apsara Stack, by a client of the caller's.
    pub fn apsara_over(client: Client, config: &ApsaraConfig, credentials: &Credentials) -> Result<Self> {
        let source = Source::of_secret(credentials)?.ok_or_else(|| {
            let message = "no credentials: spec.apsara needs a Secret with accessKeyId and accessKeySecret";
            Error::new(ErrorKind::Unauthenticated, "apsara.credentials", message)
        })?;
        let roles = config.assume_role.clone().into_iter().collect();
        let wire = Wire::new(Flavour::Apsara, &config.region, Endpoints::apsara(config), client);
        Ok(Self::new(wire, Keyring::new(source, roles), Some(config.clone())))
    }

    fn new(wire: Wire, keyring: Keyring, stack: Option<ApsaraConfig>) -> Self {
        Self(Arc::new(Inner {
            wire,
            keyring,
            stack,
            scope: OnceCell::new(),
            account: OnceCell::new(),
        }))
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.0.wire.region
    }

    /// Which cloud it is.
    pub fn flavour(&self) -> Flavour {
        self.0.wire.flavour
    }

    /// The host of the log service, for those who send lines to it: `cn-hangzhou.log.aliyuncs.com`.
    pub fn sls_host(&self) -> Result<String> {
        self.0.wire.sls_host()
    }

    /// The id of the account the credentials belong to. Asked for once.
    pub async fn account(&self) -> Result<&str> {
        let ask = || async {
            let call = Call::read(Product::Sts, "GetCallerIdentity", "aliyun.check", Params::new());
            Ok(self.rpc::<Identity>(call).await?.value.account_id)
        };
        self.0.account.get_or_try_init(ask).await.map(String::as_str)
    }

    /// Proves that the credentials work now, and tells whose they are.
    pub(crate) async fn check(&self) -> Result<ProviderInfo> {
        let call = Call::read(Product::Sts, "GetCallerIdentity", "aliyun.check", Params::new());
        let account = self.rpc::<Identity>(call).await?.value.account_id;
        Ok(ProviderInfo {
            account,
            region: Some(self.region().to_owned()),
        })
    }

    /// Calls an RPC product.
    pub async fn rpc<T: DeserializeOwned>(&self, call: Call) -> Result<Reply<T>> {
        let (keys, scope) = self.authority().await?;
        let reply = self.0.wire.rpc(Some(&keys), scope, &call).await;
        read(call.operation, self.noting_refusal(reply).await?)
    }

    /// Calls the log service.
    pub async fn sls<T: DeserializeOwned>(&self, call: SlsCall) -> Result<Reply<T>> {
        let (keys, _) = self.authority().await?;
        let reply = self.0.wire.sls(&keys, &call).await;
        read(call.operation, self.noting_refusal(reply).await?)
    }

    /// The keys, and the proven scope of an Apsara Stack.
    async fn authority(&self) -> Result<(Keys, Option<&Scope>)> {
        let inner = &self.0;
        let scope = match &inner.stack {
            Some(config) => {
                let prove = || scope::prove(&inner.wire, &inner.keyring, config);
                Some(inner.scope.get_or_try_init(prove).await?)
            }
            None => None,
        };
        Ok((inner.keyring.keys(&inner.wire, scope).await?, scope))
    }

    async fn noting_refusal<T>(&self, reply: Result<T>) -> Result<T> {
        if reply
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Unauthenticated)
        {
            self.0.keyring.refused().await;
        }
        reply
    }
}

/// A member that is null means what a member that is missing means; these APIs have both.
fn drop_nulls(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Json::Array(members) => members.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    account_id: String,
}

fn read<T: DeserializeOwned>(operation: &'static str, reply: Reply<Json>) -> Result<Reply<T>> {
    let request_id = reply.request_id;
    let mut value = reply.value;
    drop_nulls(&mut value);
    // serde's message may quote a value.
    let value = T::deserialize(value).map_err(|_| {
        let message = "the answer has not the members that were expected";
        let error = Error::new(ErrorKind::Unexpected, operation, message);
        match &request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    })?;
    Ok(Reply { value, request_id })
}
