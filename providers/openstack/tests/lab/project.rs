//! A project's providers.

use std::sync::Arc;

use mooring_provider::{DynAdapter, Kind, Provider};
use mooring_provider_openstack::OpenstackProvider;
pub(crate) use mooring_test_servers::openstack::{Project, text};
use serde_json::Value as Json;

/// What a project's application credential opens.
pub(crate) trait Opens {
    /// A provider with the project's configuration, changed.
    fn provider(&self, change: impl FnOnce(&mut Json)) -> OpenstackProvider;
    /// An adapter of it.
    fn adapter(&self, kind: Kind) -> Arc<dyn DynAdapter>;
}

impl Opens for Project {
    fn provider(&self, change: impl FnOnce(&mut Json)) -> OpenstackProvider {
        let mut config = self.config();
        change(&mut config);
        OpenstackProvider::connect(&config, &self.credentials()).expect("the configuration is good")
    }

    fn adapter(&self, kind: Kind) -> Arc<dyn DynAdapter> {
        self.provider(|_| ()).adapter(kind).expect("it serves this kind")
    }
}
