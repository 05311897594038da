//! What the subjects of the conformance kit have in common.

use std::{sync::Arc, time::Duration};

use mooring_provider::{Credentials, DynAdapter, Kind, Provider};
use mooring_provider_onprem::{OnpremConfig, OnpremProvider};
use serde_json::{Value as Json, json};

/// The adapter of a provider that is configured so.
pub(crate) fn adapter(config: &Json, kind: Kind) -> Arc<dyn DynAdapter> {
    let config = OnpremConfig::read(config).expect("the configuration is good");
    let provider = OnpremProvider::new(&config, &Credentials::new()).expect("the configuration is good");
    provider.adapter(kind).expect("the kind is served")
}

/// What every kind has.
pub(crate) fn common(center: &str) -> Json {
    json!({"tags": {"cost-center": center}, "resourceGroup": null, "options": {}})
}

/// Lets time pass, much of it at once: the servers answer in no time, and the grace periods are long.
pub(crate) async fn settle(time: Duration) {
    // Two brokers of one test may want time to pass at once.
    static FROZEN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    tokio::time::sleep(Duration::from_millis(2)).await;
    let _frozen = FROZEN.lock().await;
    tokio::time::pause();
    tokio::time::advance(time * 60).await;
    tokio::time::resume();
}
