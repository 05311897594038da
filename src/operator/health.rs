//! `/healthz`, `/readyz` and `/metrics`.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Context, Metrics};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the probes look at.
#[derive(Debug, Clone)]
pub(super) struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    ready: AtomicBool,
    context: OnceLock<Arc<Context>>,
}

impl Health {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            metrics,
            ready: AtomicBool::new(false),
            context: OnceLock::new(),
        }))
    }

    /// It leads and knows the cluster, or waits to lead.
    pub(super) fn ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Relaxed);
    }

    /// It leads.
    pub(super) fn leads(&self, context: &Arc<Context>) {
        // It leads once in its life: it ends when it no longer does.
        let _ = self.0.context.set(Arc::clone(context));
    }

    /// Serves until `shutdown`.
    pub(super) async fn serve(self, listen: SocketAddr, shutdown: CancellationToken) -> std::io::Result<()> {
        let listener = TcpListener::bind(listen).await?;
        tracing::info!(address = %listener.local_addr()?, "health and metrics");
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self);
        axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    if health.0.ready.load(Ordering::Relaxed) {
        "ok".into_response()
    } else {
        let why =
            "not ready: the cluster cannot be read yet, or our CustomResourceDefinitions are missing; see the log";
        (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    match health.0.metrics.expose(health.0.context.get().map(Arc::as_ref)) {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
