//! What can be known of a CloudResource that goes, whether or not its spec can be read.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::DeserializeGuard,
};
use mooring_provider::{Key, Kind};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::recent::Recent;
use crate::{
    api::{CloudResource, CloudResourceSpec, CloudResourceStatus, names},
    ledger::Record,
    operator::Context,
};

/// What is left of a CloudResource.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) meta: ObjectMeta,
    pub(super) status: CloudResourceStatus,
    pub(super) spec: Option<CloudResourceSpec>,
}

impl Remains {
    /// Of an object as it was heard.
    pub(super) async fn of(
        context: &Context,
        recent: &Recent,
        guard: &DeserializeGuard<CloudResource>,
    ) -> kube::Result<Self> {
        match &guard.0 {
            Ok(object) => {
                let object = recent.newest(object);
                Ok(Self {
                    meta: object.metadata.clone(),
                    status: object.status.clone().unwrap_or_default(),
                    spec: Some(object.spec.clone()),
                })
            }
            Err(invalid) => {
                let meta = &invalid.metadata;
                let resource = ApiResource::erase::<CloudResource>(&());
                let namespace = meta.namespace.as_deref().unwrap_or_default();
                let api = Api::<DynamicObject>::namespaced_with(context.client.clone(), namespace, &resource);
                let object = api.get_opt(meta.name.as_deref().unwrap_or_default()).await?;
                Ok(match object {
                    Some(object) => Self {
                        status: lenient(object.data.get("status").unwrap_or(&Json::Null)),
                        spec: object
                            .data
                            .get("spec")
                            .and_then(|spec| serde_json::from_value(spec.clone()).ok()),
                        meta: object.metadata,
                    },
                    None => Self {
                        // It went meanwhile: there is nothing left to do.
                        meta: ObjectMeta {
                            finalizers: None,
                            ..meta.clone()
                        },
                        status: CloudResourceStatus::default(),
                        spec: None,
                    },
                })
            }
        }
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.meta.annotations.as_ref()?.get(name).map(String::as_str)
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.meta.labels.as_ref()?.get(name).map(String::as_str)
    }

    fn namespace(&self) -> &str {
        self.meta.namespace.as_deref().unwrap_or_default()
    }

    /// Whether this object is the one of a key.
    pub(super) fn is_of(&self, key: &Key) -> bool {
        key.namespace == self.namespace() && Some(key.object_name()) == self.meta.name
    }

    /// Its key: the ledger's, else the spec's, else what its labels say.
    pub(super) fn key(&self, record: Option<&Record>) -> Key {
        if let Some(record) = record {
            return record.owner.key.clone();
        }
        if let Some(spec) = &self.spec {
            return spec.key(self.namespace());
        }
        let label = |name| self.label(name).unwrap_or_default();
        Key::new(
            self.namespace(),
            label(names::APPLICATION),
            label(names::COMPONENT),
            label(names::TRAIT),
        )
    }

    fn kind_text(&self) -> Option<String> {
        let of_spec = || Some(self.spec.as_ref()?.declares()?.0.to_string());
        let of_label = || self.label(names::KIND).map(str::to_owned);
        self.status.kind.clone().or_else(of_spec).or_else(of_label)
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind_text()?.parse().ok()
    }

    pub(super) fn is_bind(&self) -> bool {
        self.kind_text().as_deref() == Some("bind")
    }

    pub(super) fn secret_name(&self) -> String {
        let of_spec = || super::secret_name_of(self.spec.as_ref()?);
        let of_status = || self.status.binding.as_ref().map(|binding| binding.name.clone());
        of_status()
            .or_else(of_spec)
            .unwrap_or_else(|| self.meta.name.clone().unwrap_or_default())
    }

    /// The object, if it can be read.
    pub(super) fn readable(&self) -> Option<CloudResource> {
        self.spec.is_some().then(|| self.object())
    }

    /// The object; what cannot be read of its spec is left empty, for those who only look at the rest.
    pub(super) fn object(&self) -> CloudResource {
        let key = self.key(None);
        let empty = || CloudResourceSpec {
            application: key.application.clone(),
            component: key.component.clone(),
            name: key.name.clone(),
            environment: None,
            workload: None,
            vpc: None,
            slb: None,
            rds: None,
            log: None,
            monitor: None,
            bind: None,
        };
        CloudResource {
            metadata: self.meta.clone(),
            spec: self.spec.clone().unwrap_or_else(empty),
            status: Some(self.status.clone()),
        }
    }

    /// The object to write a status to.
    pub(super) fn shared(&self) -> Arc<CloudResource> {
        Arc::new(self.object())
    }
}

/// As much of a status as can be read, field by field.
fn lenient(status: &Json) -> CloudResourceStatus {
    if let Ok(whole) = serde_json::from_value(status.clone()) {
        return whole;
    }
    fn field<T: DeserializeOwned + Default>(status: &Json, name: &str) -> T {
        status
            .get(name)
            .and_then(|value| serde_json::from_value(value.clone()).ok())
            .unwrap_or_default()
    }
    CloudResourceStatus {
        observed_generation: field(status, "observedGeneration"),
        conditions: field(status, "conditions"),
        kind: field(status, "kind"),
        provider: field(status, "provider"),
        environment: field(status, "environment"),
        name: field(status, "name"),
        shared: field(status, "shared"),
        endpoint: field(status, "endpoint"),
        effective: field(status, "effective"),
        not_applied: field(status, "notApplied"),
        notes: field(status, "notes"),
        deletion: field(status, "deletion"),
        deletes_per_hour: field(status, "deletesPerHour"),
        binding: field(status, "binding"),
        binding_revision: field(status, "bindingRevision"),
        consumers: field(status, "consumers"),
        memory: crate::ledger::Memory {
            incarnation: field(status, "incarnation"),
            external_id: field(status, "externalId"),
            intent: field(status, "intent"),
            was_ready: field(status, "wasReady"),
            missing_since: field(status, "missingSince"),
            applied: field(status, "applied"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_read_of_a_broken_status_is_kept() {
        let status = lenient(&json!({
            "externalId": "rm-1", "provider": "p", "incarnation": 2, "wasReady": true, "effective": "nonsense",
            "deletion": {"policy": "Recycle"},
        }));
        assert_eq!(
            status.memory.external_id.map(|id| id.to_string()).as_deref(),
            Some("rm-1")
        );
        assert_eq!((status.memory.incarnation, status.provider.as_deref()), (2, Some("p")));
        assert!(status.deletion.is_some() && status.effective.is_empty());
    }
}
