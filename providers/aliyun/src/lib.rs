//! Alibaba Cloud and its private flavour, Apsara Stack.

mod actions;
mod api;
mod apsara;
mod config;
mod contract;
mod credentials;
mod endpoint;
mod errors;
mod log;
mod marks;
mod monitor;
mod params;
mod place;
mod product;
mod provider;
mod rds;
mod sight;
pub mod signature;
mod slb;
mod vpc;
mod wire;

pub use actions::{Action, Need, actions, policy};
pub use api::{Api, Call, Nothing, Reply, SlsCall};
pub use apsara::ApsaraConfig;
pub use config::{AliyunConfig, AssumeRole, EndpointNetwork, Oidc, Scheme};
pub use errors::{is_duplicate, is_not_found};
pub use log::LogConfig;
pub use params::Params;
pub use product::Product;
pub use provider::{connect_over, register, register_apsara};
pub use rds::{KeepBackups, Period, RdsConfig, Subscription};
pub use slb::SlbConfig;
pub use wire::Flavour;
