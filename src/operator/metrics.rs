//! What is counted. Labels are words of fixed sets and names that an SRE gave; nothing of a developer's.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use kube::Resource;
use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Context;
use crate::api::{RetainedStanding, condition};

/// What is counted; a clone counts into the same figures.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Figures>);

#[derive(Debug)]
struct Figures {
    registry: Registry,
    reconciles: Family<Reconcile, Counter>,
    errors: Family<Failed, Counter>,
    requests: Family<Request, Counter>,
    writes: AtomicU64,
    events: Counter,
    ledger_errors: Counter,
    leader: Gauge,
    orphans: Family<Orphaned, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Orphaned {
    provider: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    controller: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    controller: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    resource: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Held {
    kind: String,
    standing: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    provider: String,
    call: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("mooring");
        let mut figures = Figures {
            reconciles: Family::default(),
            errors: Family::default(),
            requests: Family::default(),
            writes: AtomicU64::new(0),
            events: Counter::default(),
            ledger_errors: Counter::default(),
            leader: Gauge::default(),
            orphans: Family::default(),
            registry: Registry::default(),
        };
        registry.register(
            "reconciles",
            "Reconciles by controller and result",
            figures.reconciles.clone(),
        );
        registry.register(
            "errors",
            "Failed reconciles by controller and reason",
            figures.errors.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the API server by verb and resource",
            figures.requests.clone(),
        );
        registry.register("events", "Events published", figures.events.clone());
        registry.register(
            "ledger_errors",
            "Times the ledger could not be read or written",
            figures.ledger_errors.clone(),
        );
        registry.register("leader", "1 on the replica that works", figures.leader.clone());
        registry.register(
            "orphans",
            "Resources at a provider that carry our tag and belong to nobody",
            figures.orphans.clone(),
        );
        figures.registry = registry;
        Self(Arc::new(figures))
    }
}

impl Metrics {
    pub(super) fn reconciled(&self, controller: &'static str, result: &'static str) {
        self.0.reconciles.get_or_create(&Reconcile { controller, result }).inc();
    }

    pub(super) fn failed(&self, controller: &'static str, reason: &'static str) {
        self.0.errors.get_or_create(&Failed { controller, reason }).inc();
    }

    pub(super) fn event(&self) {
        self.0.events.inc();
    }

    /// The ledger could not be read or written.
    pub fn ledger_error(&self) {
        self.0.ledger_errors.inc();
    }

    pub(super) fn leading(&self, leading: bool) {
        self.0.leader.set(leading.into());
    }

    /// How many of a kind belong to nobody at a provider.
    pub(super) fn orphans(&self, provider: &str, kind: &'static str, count: usize) {
        let provider = provider.to_owned();
        let orphans = self.0.orphans.get_or_create(&Orphaned { provider, kind });
        orphans.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Forgets a provider that is no longer there.
    pub(super) fn no_orphans_of(&self, provider: &str) {
        for kind in mooring_provider::Kind::ALL {
            let (provider, kind) = (provider.to_owned(), kind.as_str());
            self.0.orphans.remove(&Orphaned { provider, kind });
        }
    }

    /// How many resources belong to nobody, at a provider.
    pub fn orphaned(&self, provider: &str) -> i64 {
        let kinds = mooring_provider::Kind::ALL.into_iter();
        let of = |kind: mooring_provider::Kind| Orphaned {
            provider: provider.to_owned(),
            kind: kind.as_str(),
        };
        kinds
            .filter_map(|kind| Some(self.0.orphans.get(&of(kind))?.get()))
            .sum()
    }

    /// A request to the API server, by its HTTP method and path.
    pub(super) fn requested(&self, method: &str, path: &str) {
        let resource = requested_resource(path);
        let verb = match method {
            // The lease is renewed whatever happens; it would hide what work costs.
            _ if resource == "leases" => "lease",
            "GET" => "read",
            "POST" => "create",
            "PUT" => "replace",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "other",
        };
        if matches!(verb, "create" | "replace" | "patch" | "delete") {
            self.0.writes.fetch_add(1, Ordering::Relaxed);
        }
        self.0.requests.get_or_create(&Request { verb, resource }).inc();
    }

    /// How many writes were sent to the API server so far, and how many of them were Events.
    pub fn writes(&self) -> (u64, u64) {
        (self.0.writes.load(Ordering::Relaxed), self.0.events.get())
    }

    /// Everything as OpenMetrics text; `context` is there on the replica that works.
    pub(super) fn expose(&self, context: Option<&Context>) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.0.registry)?;
        if let Some(context) = context {
            encode_registry(&mut text, &observed(context))?;
        }
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// What is read off at the moment of asking.
fn observed(context: &Context) -> Registry {
    let mut registry = Registry::with_prefix("mooring");
    let (held, calls) = (Family::<Held, Gauge>::default(), Family::<Call, Counter>::default());
    registry.register("resources", "Resources by kind and standing", held.clone());
    registry.register("provider_calls", "Calls to providers by ProviderConfig", calls.clone());
    let count = |kind: &str, standing| {
        let kind = kind.to_owned();
        held.get_or_create(&Held { kind, standing }).inc();
    };
    for resource in context.stores.resources.store().state() {
        let Ok(resource) = &resource.0 else {
            count("undecodable", "unknown");
            continue;
        };
        let kind = resource
            .spec
            .declares()
            .map_or("none", |(declares, _)| declares.as_str());
        let conditions = resource.status.as_ref().map(|status| status.conditions.as_slice());
        let is_ready = conditions
            .unwrap_or_default()
            .iter()
            .any(|known| known.type_ == condition::READY && known.status == "True");
        let standing = match (resource.meta().deletion_timestamp.is_some(), is_ready) {
            (true, _) => "deleting",
            (false, true) => "ready",
            (false, false) => "unready",
        };
        count(kind, standing);
    }
    for retained in context.stores.retained.store().state() {
        let Ok(retained) = &retained.0 else { continue };
        let standing = match retained.spec.standing {
            RetainedStanding::Parked => "parked",
            RetainedStanding::Retained => "retained",
            RetainedStanding::Abandoned => "abandoned",
        };
        count(retained.spec.kind.as_str(), standing);
    }
    for connection in context.engine.connections().all() {
        let (reads, writes, failures) = connection.calls().figures();
        let (_, throttled) = connection.budget().figures();
        for (call, figure) in [
            ("read", reads),
            ("write", writes),
            ("failed", failures),
            ("throttled", throttled),
        ] {
            let provider = connection.name.clone();
            calls.get_or_create(&Call { provider, call }).inc_by(figure);
        }
    }
    registry
}

/// The resource in a path of the API server, with the subresource: `cloudresources/status`. Names of objects and of
/// namespaces are not told.
fn requested_resource(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (["api", _, of_group @ ..] | ["apis", _, _, of_group @ ..]) = parts.as_slice() else {
        return "other".to_owned();
    };
    match of_group {
        ["namespaces", _, resource] | ["namespaces", _, resource, _] | [resource] | [resource, _] => {
            (*resource).to_owned()
        }
        ["namespaces", _, resource, _, sub] | [resource, _, sub] => format!("{resource}/{sub}"),
        _ => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::requested_resource;

    #[test]
    fn requests_are_told_by_resource_and_never_by_name() {
        for (path, resource) in [
            ("/api/v1/namespaces/team-a/secrets/shop", "secrets"),
            ("/api/v1/namespaces/team-a/pods", "pods"),
            ("/api/v1/nodes", "nodes"),
            ("/apis/apps/v1/namespaces/team-a/deployments/web", "deployments"),
            (
                "/apis/mooring.dev/v1alpha1/namespaces/team-a/cloudresources/shop-web-rds/status",
                "cloudresources/status",
            ),
            (
                "/apis/mooring.dev/v1alpha1/environments/prod/status",
                "environments/status",
            ),
            ("/apis/mooring.dev/v1alpha1/environments/prod", "environments"),
            ("/version", "other"),
        ] {
            assert_eq!(requested_resource(path), resource, "{path}");
        }
    }
}
