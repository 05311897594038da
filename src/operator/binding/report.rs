//! One CloudResource: what its workloads make of it goes into its status.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{controller::Action, events::EventType},
};
use serde_json::json;

use super::{
    Binder, Resource, Wanted,
    verdict::{Said, reason, said},
};
use crate::{
    api::{CloudResource, WorkloadReference, condition, names},
    operator::workload::WorkloadKey,
};

/// How long the status of a CloudResource of the same name may lag behind.
const SOON: Duration = Duration::from_millis(200);

impl Binder {
    /// Writes down what is known of a CloudResource's binding, if that is news.
    pub(super) async fn report(self: Arc<Self>, resource: Arc<Resource>) -> kube::Result<Action> {
        let wanted = self.read(resource.as_ref());
        let Ok(resource) = &resource.0 else {
            // Its own controller says that it cannot be decoded.
            return Ok(Action::await_change());
        };
        if !wanted.bound && wanted.consumers.is_empty() && !wanted.is_going {
            // Until there is a Secret, `Ready` says why.
            return Ok(Action::await_change());
        }
        let mut verdicts = BTreeMap::new();
        for key in self.keys(&wanted) {
            // One that is gone is no consumer any more.
            let Some(found) = self.context.stores.workloads.get(&key) else {
                continue;
            };
            let Some(verdict) = self.verdict(&found, &wanted.resource) else {
                // It is being looked at, and that will be news.
                return Ok(Action::await_change());
            };
            verdicts.insert(key, verdict);
        }
        let consumers: Vec<_> = verdicts
            .iter()
            .filter(|(_, verdict)| verdict.is_consumer)
            .map(|(key, _)| key.reference())
            .collect();
        // Those that are only unbound from have no say in whether it is bound.
        let meant: Vec<WorkloadKey> = self.meant(&wanted).into_iter().map(|found| found.key).collect();
        if !wanted.is_going {
            verdicts.retain(|key, _| meant.contains(key));
        }
        let said = said(&wanted, &verdicts);
        let before = bound(resource);
        if wanted.is_going && before.is_none() && consumers.is_empty() {
            return Ok(Action::await_change());
        }
        let is_same = before.is_some_and(|before| is_same(before, &said));
        if is_same && same_set(&consumers, &wanted.consumers) {
            return Ok(Action::await_change());
        }
        self.write_down(resource, &wanted, &said, &consumers).await?;
        let is_trouble = !said.is_bound && !matches!(said.reason, reason::UNBINDING | reason::UNBOUND);
        if !is_same && is_trouble {
            let type_ = EventType::Warning;
            self.context
                .event(resource, type_, said.reason, "Bind", said.message)
                .await;
        }
        Ok(Action::await_change())
    }

    async fn write_down(
        &self,
        resource: &CloudResource,
        wanted: &Wanted,
        said: &Said,
        consumers: &[WorkloadReference],
    ) -> kube::Result<Action> {
        let status = if said.is_bound { "True" } else { "False" };
        let since = bound(resource).filter(|before| before.status == status).map_or_else(
            || Time(self.context.engine.clock().now()),
            |before| before.last_transition_time.clone(),
        );
        let condition = Condition {
            type_: condition::BOUND.into(),
            status: status.into(),
            reason: said.reason.into(),
            message: said.message.clone(),
            observed_generation: resource.metadata.generation,
            last_transition_time: since,
        };
        let mut status = json!({ "conditions": [condition] });
        if !consumers.is_empty() {
            status["consumers"] = json!(consumers);
        }
        let patch = Patch::Apply(json!({
            "apiVersion": <CloudResource as kube::Resource>::api_version(&()),
            "kind": <CloudResource as kube::Resource>::kind(&()),
            "metadata": { "name": wanted.resource, "namespace": wanted.namespace, "uid": resource.uid() },
            "status": status,
        }));
        let api = Api::<CloudResource>::namespaced(self.context.client.clone(), &wanted.namespace);
        let params = PatchParams::apply(names::MANAGER_BINDING).force();
        match api.patch_status(&wanted.resource, &params, &patch).await {
            Ok(_) => Ok(Action::await_change()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Action::await_change()),
            // Another one of that name; its news are on their way.
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(Action::requeue(SOON)),
            Err(error) => Err(error),
        }
    }
}

fn bound(resource: &CloudResource) -> Option<&Condition> {
    let status = resource.status.as_ref()?;
    status.conditions.iter().find(|known| known.type_ == condition::BOUND)
}

fn is_same(before: &Condition, said: &Said) -> bool {
    let is_bound = before.status == "True";
    is_bound == said.is_bound && before.reason == said.reason && before.message == said.message
}

fn same_set(one: &[WorkloadReference], other: &[WorkloadReference]) -> bool {
    one.len() == other.len() && one.iter().all(|reference| other.contains(reference))
}
