//! What is said of a ServiceBinding, in one write.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams},
    core::DeserializeGuard,
};
use serde_json::json;

use crate::{
    api::{BindingReference, ServiceBinding, service_binding::ServiceBindingStatus},
    operator::object,
};

const READY: &str = "Ready";
const SERVICE: &str = "ServiceAvailable";
const WORKLOAD: &str = "WorkloadProjected";

/// Why something is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// In one word.
    pub(super) reason: &'static str,
    /// For a person.
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// How far a ServiceBinding is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The Secret, or why there is none.
    pub(super) service: Result<String, Problem>,
    /// The workloads that have it, or why one has it not.
    pub(super) workload: Result<Vec<String>, Problem>,
}

impl Standing {
    /// The status that says so.
    pub(super) fn status(&self, before: ServiceBindingStatus, generation: Option<i64>) -> ServiceBindingStatus {
        let mut conditions = before.conditions;
        let mut say = |type_: &str, said: &Result<(&str, String), &Problem>| {
            let (is, reason, message) = match said {
                Ok((reason, message)) => (true, *reason, message.as_str()),
                Err(problem) => (false, problem.reason, problem.message.as_str()),
            };
            object::tell(&mut conditions, type_, is, reason, message, generation);
        };
        let service = self.service.as_ref();
        say(
            SERVICE,
            &service.map(|secret| ("ResolvedBindingSecret", format!("Secret {secret}"))),
        );
        let workload = self.workload.as_ref();
        say(
            WORKLOAD,
            &workload.map(|names| ("WorkloadProjected", format!("in {}", names.join(", ")))),
        );
        let ready = service.and(workload);
        say(READY, &ready.map(|_| ("ServiceBound", String::new())));
        let binding = match &self.service {
            Ok(secret) => Some(BindingReference { name: secret.clone() }),
            // It may still be in a workload.
            Err(_) => before.binding,
        };
        ServiceBindingStatus {
            observed_generation: generation,
            binding,
            conditions,
        }
    }
}

/// Writes a status, if it is another.
pub(super) async fn write(client: &Client, binding: &ServiceBinding, standing: &Standing) -> kube::Result<()> {
    let before = binding.status.clone().unwrap_or_default();
    let after = standing.status(before.clone(), binding.metadata.generation);
    if after == before {
        return Ok(());
    }
    patch(client, &binding.metadata, &json!({ "status": after })).await
}

/// How long a ServiceBinding has been without its service, as far as that is written.
pub(super) fn unavailable_for(binding: &ServiceBinding) -> Duration {
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    let since = conditions
        .filter(|condition| condition.type_ == SERVICE && condition.status == "False")
        .map(|condition| condition.last_transition_time.0)
        .next();
    since.map_or(Duration::ZERO, |since| {
        Timestamp::now().duration_since(since).try_into().unwrap_or_default()
    })
}

/// The conditions of one that cannot be decoded.
pub(super) async fn written(client: &Client, meta: &ObjectMeta) -> kube::Result<Vec<Condition>> {
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let resource = ApiResource::erase::<ServiceBinding>(&());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    // By a list, for which there is the right anyway.
    let this = ListParams::default().fields(&format!("metadata.name={}", meta.name.as_deref().unwrap_or_default()));
    let object = api.list(&this).await?.items.pop();
    let conditions = object.map(|object| object.data["status"]["conditions"].clone());
    Ok(conditions
        .and_then(|conditions| serde_json::from_value(conditions).ok())
        .unwrap_or_default())
}

/// Says of one that cannot be decoded, or of one that is going, what is to be said of it.
pub(super) async fn complain(
    client: &Client,
    meta: &ObjectMeta,
    before: Vec<Condition>,
    problem: &Problem,
) -> kube::Result<()> {
    let mut conditions = before.clone();
    object::tell(
        &mut conditions,
        READY,
        false,
        problem.reason,
        &problem.message,
        meta.generation,
    );
    if conditions == before {
        return Ok(());
    }
    let status = json!({"status": {"observedGeneration": meta.generation, "conditions": conditions}});
    patch(client, meta, &status).await
}

async fn patch(client: &Client, meta: &ObjectMeta, status: &serde_json::Value) -> kube::Result<()> {
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    // The answer may be one that cannot be decoded.
    let api = Api::<DeserializeGuard<ServiceBinding>>::namespaced(client.clone(), namespace);
    let name = meta.name.clone().unwrap_or_default();
    match api
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
        .await
    {
        Err(kube::Error::Api(refused)) if refused.is_not_found() => Ok(()),
        patched => patched.map(drop),
    }
}
