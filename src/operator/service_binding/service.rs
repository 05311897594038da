//! Which Secret a service offers. Of a Secret itself only the metadata is read.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DynamicObject};

use super::{Projector, report::Problem, want::of_api_version};
use crate::api::service_binding::ServiceReference;

impl Projector {
    /// The name of the Secret that a service offers, and that is there; or why there is none.
    pub(super) async fn secret_of(
        &self,
        namespace: &str,
        service: &ServiceReference,
    ) -> kube::Result<Result<String, Problem>> {
        let offered = if (service.api_version.as_str(), service.kind.as_str()) == ("v1", "Secret") {
            Ok(service.name.clone())
        } else {
            self.offered(namespace, service).await?
        };
        let Ok(secret) = offered else { return Ok(offered) };
        let secrets = Api::<Secret>::namespaced(self.context.client.clone(), namespace);
        Ok(match secrets.get_metadata_opt(&secret).await {
            Ok(Some(_)) => Ok(secret),
            Ok(None) => Err(Problem::new(
                "SecretNotFound",
                format!("there is no Secret {secret} in the namespace; it is bound when there is one"),
            )),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Err(Problem::new(
                "ServiceForbidden",
                format!("Secret {secret} may not be read: {}", status.message),
            )),
            Err(error) => return Err(error),
        })
    }

    async fn offered(&self, namespace: &str, service: &ServiceReference) -> kube::Result<Result<String, Problem>> {
        let ServiceReference {
            api_version,
            kind,
            name,
        } = service;
        let wanted = of_api_version(api_version, kind);
        let Some(resource) = self.kinds.find(&wanted).await? else {
            return Ok(Err(Problem::new(
                "ServiceNotFound",
                format!(
                    "spec.service: the API server serves no {kind} of {api_version} in namespaces; check both, or install its definition"
                ),
            )));
        };
        self.kinds.watch(&resource);
        let api = Api::<DynamicObject>::namespaced_with(self.context.client.clone(), namespace, &resource);
        let found = match api.get_opt(name).await {
            // The kind itself may be gone by now, which the API server says in plain text, without a reason.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            found => found,
        };
        let object = match found {
            Ok(Some(object)) => object,
            Ok(None) => {
                self.kinds.forget(&wanted);
                return Ok(Err(Problem::new(
                    "ServiceNotFound",
                    format!("there is no {kind} {name} in the namespace; it is bound when there is one"),
                )));
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                return Ok(Err(Problem::new(
                    "ServiceForbidden",
                    format!(
                        "{kind} {name} may not be read; grant get, list and watch on {}.{} in a ClusterRole labelled \
                         servicebinding.io/controller: \"true\"",
                        resource.plural, resource.group
                    ),
                )));
            }
            Err(error) => return Err(error),
        };
        let secret = object.data["status"]["binding"]["name"].as_str().unwrap_or_default();
        Ok(match secret {
            "" => Err(Problem::new(
                "ServiceMissingBinding",
                format!("{kind} {name} has no .status.binding.name; it is bound when it has"),
            )),
            secret => Ok(secret.to_owned()),
        })
    }
}
