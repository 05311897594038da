//! What serves when nobody has written a ProviderConfig or an Environment: the mock cloud, for laptops and tests.

use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::ObjectMeta;
use mooring_provider::spec::Subnet;
use mooring_provider_mock::{SHARED_NETWORK, SHARED_SUBNET};
use serde_json::json;

use crate::api::{
    Clients, Dedicated, Environment, EnvironmentSpec, FreeForm, NetworkSettings, PerProvider, ProviderConfig,
    ProviderConfigSpec, Providers, Settings, names,
};

/// The name of the built-in ProviderConfig and of the built-in Environment.
pub const NAME: &str = "mock";

/// The built-in ProviderConfig. `state` is the file that keeps the mock cloud when the process ends.
pub fn provider_config(state: Option<&Path>) -> ProviderConfig {
    let mut config = FreeForm::default();
    if let Some(state) = state {
        config.0.insert("state".into(), json!(state));
    }
    let provider = PerProvider {
        mock: Some(config),
        ..PerProvider::default()
    };
    ProviderConfig::new(
        NAME,
        ProviderConfigSpec {
            provider,
            credentials: None,
        },
    )
}

/// The built-in Environment: class development, dedicated networks allowed, for all namespaces, and the default one.
/// The sizes small, medium and large need no table at the mock cloud.
pub fn environment() -> Environment {
    let network = NetworkSettings {
        id: Some(SHARED_NETWORK.into()),
        subnets: vec![Subnet {
            zone: None,
            id: SHARED_SUBNET.into(),
        }],
        clients: Clients {
            cidrs: vec!["10.0.0.0/8".into()],
            security_group: None,
        },
        dedicated: Dedicated {
            allow: true,
            cidr_pool: Some("10.64.0.0/10".into()),
            zones: Vec::new(),
        },
        ..NetworkSettings::default()
    };
    let spec = EnvironmentSpec {
        providers: Providers {
            default: Some(NAME.into()),
            ..Providers::default()
        },
        allowed_namespaces: Some(LabelSelector::default()),
        settings: Settings {
            network: Some(network),
            ..Settings::default()
        },
        ..EnvironmentSpec::default()
    };
    Environment {
        metadata: ObjectMeta {
            name: Some(NAME.into()),
            annotations: Some([(names::DEFAULT.to_owned(), "true".to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}
