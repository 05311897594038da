//! From a component to its workload, as KubeVela's `webservice` and `worker` would have it. No I/O.
//!
//! The selector cannot be changed later, and KubeVela, should it come one day, goes on with what stands here; so
//! names, labels, the selector and the ports are its own. Revisions and replicas are left out: the first are its own
//! business, the second a scaler's. Annotations of the Application are not copied: a delivery tool would take what
//! carries its marks for its own, and prune it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{
            Container, ContainerPort, EnvVar, EnvVarSource, LocalObjectReference, PodSpec, PodTemplateSpec,
            ResourceRequirements, SecretKeySelector, Service, ServicePort, ServiceSpec,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
        util::intstr::IntOrString,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::properties::{ExposeType, NOT_HERE, ONLY_WEBSERVICE, Properties};
use crate::{
    api::{application::Component, names},
    engine::problem::{Problem, reason},
};

const WORKER: &str = "worker";
/// Labels of KubeVela's that say what an object is to it.
const RESOURCE_TYPE: &str = "app.oam.dev/resourceType";
const WORKLOAD_TYPE: &str = "workload.oam.dev/type";
const TRAIT_TYPE: &str = "trait.oam.dev/type";
const TRAIT_RESOURCE: &str = "trait.oam.dev/resource";

/// Where a component belongs.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) namespace: &'a str,
    pub(super) application: &'a str,
    pub(super) owner: &'a OwnerReference,
    /// The components whose balancer reaches them by the nodes, and whose Service therefore has node ports.
    pub(super) by_node: BTreeSet<&'a str>,
}

/// An environment variable that shows an entry of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BindingEnv {
    pub(super) variable: String,
    pub(super) secret: String,
    pub(super) key: String,
}

/// What a component comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rendered {
    pub(super) deployment: Deployment,
    /// Only where a port is exposed.
    pub(super) service: Option<Service>,
}

/// Renders a component that is a `webservice` or a `worker`, with what is bound into it.
pub(super) fn render(place: &Place<'_>, component: &Component, bound: &[BindingEnv]) -> Result<Rendered, Problem> {
    let properties = read(component)?;
    Ok(Rendered {
        deployment: deployment(place, component, &properties, bound),
        service: service(place, component, &properties),
    })
}

/// The names of the environment variables that a component sets itself.
pub(super) fn own_variables(component: &Component) -> Vec<String> {
    let variables = component.properties.get("env").and_then(Json::as_array);
    let names = variables
        .into_iter()
        .flatten()
        .filter_map(|variable| variable.get("name")?.as_str());
    names.map(str::to_owned).collect()
}

fn read(component: &Component) -> Result<Properties, Problem> {
    let wrong = |message: String| {
        let problem = Problem::new(reason::INVALID_SPEC, message);
        Problem {
            component: Some(component.name.as_str().into()),
            ..problem
        }
    };
    let none = Map::new();
    let written = match &component.properties {
        Json::Null => &none,
        Json::Object(written) => written,
        _ => return Err(wrong("must be an object with members of its own".into()).field("properties")),
    };
    for (word, fix) in NOT_HERE {
        if written.contains_key(word) {
            return Err(wrong(fix.into()).field(word));
        }
    }
    if component.kind == WORKER
        && let Some(word) = ONLY_WEBSERVICE.into_iter().find(|word| written.contains_key(*word))
    {
        return Err(
            wrong("is for a webservice only; a worker has none. Remove it, or make it a webservice".into()).field(word),
        );
    }
    // Only the message says where it went wrong, so each member is first tried by itself.
    Properties::deserialize(Json::Object(written.clone())).map_err(|error| {
        let field = written
            .iter()
            .find(|(field, value)| !is_well(field, value))
            .map(|(field, value)| (field.clone(), value));
        let problem = wrong(error.to_string());
        match field {
            Some((field, value)) => problem.field(field).value(value),
            None => problem,
        }
    })
}

/// Whether this member alone, beside an image, makes sense.
fn is_well(field: &str, value: &Json) -> bool {
    let mut alone = Map::from_iter([("image".to_owned(), Json::from("x"))]);
    alone.insert(field.to_owned(), value.clone());
    Properties::deserialize(Json::Object(alone)).is_ok()
}

fn labels(place: &Place<'_>, component: &Component, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let ours = [
        (names::OAM_NAME, place.application),
        (names::OAM_NAMESPACE, place.namespace),
        (names::OAM_COMPONENT, component.name.as_str()),
        (names::MANAGED_BY, names::MANAGED_BY_US),
    ];
    let all = ours.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn metadata(place: &Place<'_>, component: &Component, more: &[(&str, &str)]) -> ObjectMeta {
    ObjectMeta {
        name: Some(component.name.clone()),
        namespace: Some(place.namespace.to_owned()),
        labels: Some(labels(place, component, more)),
        owner_references: Some(vec![place.owner.clone()]),
        ..ObjectMeta::default()
    }
}

fn selector(component: &Component) -> BTreeMap<String, String> {
    [(names::OAM_COMPONENT.to_owned(), component.name.clone())].into()
}

fn deployment(place: &Place<'_>, component: &Component, properties: &Properties, bound: &[BindingEnv]) -> Deployment {
    let mut pod_labels = properties.labels.clone().unwrap_or_default();
    pod_labels.insert(names::OAM_NAME.to_owned(), place.application.to_owned());
    pod_labels.insert(names::OAM_COMPONENT.to_owned(), component.name.clone());
    let (_, volumes) = properties.volume_mounts.resolve();
    let pull_secrets = properties.image_pull_secrets.as_ref();
    let pod = PodSpec {
        containers: vec![container(component, properties, bound)],
        volumes: (!volumes.is_empty()).then_some(volumes),
        host_aliases: properties.host_aliases.clone(),
        image_pull_secrets: pull_secrets.map(|secrets| {
            secrets
                .iter()
                .map(|name| LocalObjectReference { name: name.clone() })
                .collect()
        }),
        ..PodSpec::default()
    };
    Deployment {
        metadata: metadata(
            place,
            component,
            &[(RESOURCE_TYPE, "WORKLOAD"), (WORKLOAD_TYPE, &component.kind)],
        ),
        spec: Some(DeploymentSpec {
            selector: LabelSelector {
                match_labels: Some(selector(component)),
                ..LabelSelector::default()
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels),
                    annotations: properties.annotations.clone(),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn container(component: &Component, properties: &Properties, bound: &[BindingEnv]) -> Container {
    let (mounts, _) = properties.volume_mounts.resolve();
    let env: Vec<_> = properties
        .env
        .iter()
        .cloned()
        .chain(bound.iter().map(BindingEnv::variable))
        .collect();
    Container {
        name: component.name.clone(),
        image: Some(properties.image.clone()),
        image_pull_policy: properties.image_pull_policy.map(|policy| format!("{policy:?}")),
        command: properties.cmd.clone(),
        args: properties.args.clone(),
        ports: ports(properties),
        env: (!env.is_empty()).then_some(env),
        resources: resources(properties),
        volume_mounts: (!mounts.is_empty()).then_some(mounts),
        liveness_probe: properties.liveness_probe.clone(),
        readiness_probe: properties.readiness_probe.clone(),
        ..Container::default()
    }
}

impl BindingEnv {
    fn variable(&self) -> EnvVar {
        EnvVar {
            name: self.variable.clone(),
            value: None,
            value_from: Some(EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: self.secret.clone(),
                    key: self.key.clone(),
                    optional: None,
                }),
                ..EnvVarSource::default()
            }),
        }
    }
}

fn ports(properties: &Properties) -> Option<Vec<ContainerPort>> {
    match (&properties.ports, properties.port) {
        (Some(ports), _) => Some(
            ports
                .iter()
                .map(|port| ContainerPort {
                    container_port: port.container(),
                    protocol: Some(port.protocol.as_str().into()),
                    name: Some(port.name()),
                    ..ContainerPort::default()
                })
                .collect(),
        ),
        (None, Some(port)) => Some(vec![ContainerPort {
            container_port: port,
            ..ContainerPort::default()
        }]),
        (None, None) => None,
    }
}

fn resources(properties: &Properties) -> Option<ResourceRequirements> {
    let pairs = [
        ("cpu", &properties.cpu, &properties.limit.cpu),
        ("memory", &properties.memory, &properties.limit.memory),
    ];
    let (mut requests, mut limits) = (BTreeMap::new(), BTreeMap::new());
    for (name, request, limit) in pairs {
        let Some(request) = request else { continue };
        requests.insert(name.to_owned(), Quantity(request.clone()));
        limits.insert(name.to_owned(), Quantity(limit.as_ref().unwrap_or(request).clone()));
    }
    (!requests.is_empty()).then(|| ResourceRequirements {
        requests: Some(requests),
        limits: Some(limits),
        ..ResourceRequirements::default()
    })
}

fn service(place: &Place<'_>, component: &Component, properties: &Properties) -> Option<Service> {
    let exposed = properties.ports.iter().flatten().filter(|port| port.expose);
    let type_ = match properties.expose_type {
        ExposeType::ClusterIP if place.by_node.contains(component.name.as_str()) => ExposeType::NodePort,
        written => written,
    };
    let type_ = format!("{type_:?}");
    let ports: Vec<_> = exposed
        .map(|port| ServicePort {
            port: port.port,
            target_port: Some(IntOrString::Int(port.container())),
            name: Some(port.name()),
            node_port: port.node_port.filter(|_| type_ == "NodePort"),
            protocol: Some(port.protocol.as_str().into()),
            ..ServicePort::default()
        })
        .collect();
    (!ports.is_empty()).then(|| Service {
        metadata: metadata(
            place,
            component,
            &[
                (RESOURCE_TYPE, "TRAIT"),
                (TRAIT_TYPE, "AuxiliaryWorkload"),
                (TRAIT_RESOURCE, "webserviceExpose"),
            ],
        ),
        spec: Some(ServiceSpec {
            selector: Some(selector(component)),
            ports: Some(ports),
            type_: Some(type_),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(kind: &str, properties: Json, bound: &[BindingEnv]) -> Result<Json, Problem> {
        placed(kind, properties, bound, &[])
    }

    fn placed(kind: &str, properties: Json, bound: &[BindingEnv], by_node: &[&str]) -> Result<Json, Problem> {
        let owner = OwnerReference {
            kind: "Application".into(),
            name: "shop".into(),
            ..OwnerReference::default()
        };
        let place = Place {
            namespace: "team-a",
            application: "shop",
            owner: &owner,
            by_node: by_node.iter().copied().collect(),
        };
        let component = Component {
            name: "web".into(),
            kind: kind.into(),
            properties,
            ..Component::default()
        };
        let Rendered { deployment, service } = render(&place, &component, bound)?;
        Ok(json!({ "deployment": deployment, "service": service }))
    }

    #[test]
    fn a_balancer_that_reaches_nodes_finds_a_port_there() {
        let properties = |more: Json| {
            let mut properties = json!({"image": "shop:1.0", "ports": [{"port": 8080, "expose": true}]});
            properties
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().cloned().unwrap_or_default());
            properties
        };
        let type_of = |more: Json, by_node: &[&str]| {
            let rendered = placed("webservice", properties(more), &[], by_node).expect("it renders");
            rendered["service"]["spec"]["type"].clone()
        };
        assert_eq!(type_of(json!({}), &["web"]), "NodePort");
        assert_eq!(type_of(json!({}), &["other"]), "ClusterIP");
        assert_eq!(
            type_of(json!({"exposeType": "LoadBalancer"}), &["web"]),
            "LoadBalancer",
            "it has node ports too"
        );
    }

    #[test]
    fn a_webservice_is_what_kubevela_makes_of_it() {
        let properties = json!({
            "image": "shop:1.0", "imagePullPolicy": "Always", "imagePullSecrets": ["registry"], "cmd": ["shop"],
            "args": ["-v"], "env": [{"name": "MODE", "value": "fast"}], "cpu": "0.5", "memory": "1Gi",
            "limit": {"memory": "2Gi"}, "labels": {"tier": "front"}, "annotations": {"note": "x"},
            "ports": [{"port": 8080, "expose": true}, {"port": 53, "containerPort": 5353, "protocol": "UDP"}],
            "volumeMounts": {
                "emptyDir": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "tmp", "mountPath": "/var/tmp"}],
                "configMap": [{"name": "conf", "mountPath": "/etc/shop", "cmName": "shop"}],
            },
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
        });
        let rendered = rendered("webservice", properties, &[]).expect("it renders");
        let deployment = &rendered["deployment"];
        assert_eq!(deployment["metadata"]["name"], "web");
        assert_eq!(
            deployment["spec"]["selector"],
            json!({"matchLabels": {"app.oam.dev/component": "web"}})
        );
        assert_eq!(deployment["spec"].get("replicas"), None, "they are a scaler's");
        let template = &deployment["spec"]["template"];
        assert_eq!(
            template["metadata"],
            json!({
                "labels": {"app.oam.dev/name": "shop", "app.oam.dev/component": "web", "tier": "front"},
                "annotations": {"note": "x"},
            })
        );
        assert_eq!(
            template["spec"],
            json!({
                "containers": [{
                    "name": "web", "image": "shop:1.0", "imagePullPolicy": "Always", "command": ["shop"], "args": ["-v"],
                    "env": [{"name": "MODE", "value": "fast"}],
                    "ports": [
                        {"containerPort": 8080, "name": "port-8080", "protocol": "TCP"},
                        {"containerPort": 5353, "name": "port-5353-udp", "protocol": "UDP"},
                    ],
                    "resources": {
                        "requests": {"cpu": "0.5", "memory": "1Gi"}, "limits": {"cpu": "0.5", "memory": "2Gi"},
                    },
                    "volumeMounts": [
                        {"name": "conf", "mountPath": "/etc/shop"},
                        {"name": "tmp", "mountPath": "/tmp"}, {"name": "tmp", "mountPath": "/var/tmp"},
                    ],
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
                }],
                "imagePullSecrets": [{"name": "registry"}],
                "volumes": [
                    {"name": "conf", "configMap": {"name": "shop", "defaultMode": 420}},
                    {"name": "tmp", "emptyDir": {"medium": ""}},
                ],
            })
        );
        assert_eq!(
            rendered["service"]["spec"],
            json!({
                "selector": {"app.oam.dev/component": "web"}, "type": "ClusterIP",
                "ports": [{"port": 8080, "targetPort": 8080, "name": "port-8080", "protocol": "TCP"}],
            })
        );
    }

    #[test]
    fn a_binding_is_in_the_deployment_from_the_beginning() {
        let bound = [BindingEnv {
            variable: "DB_HOST".into(),
            secret: "shop-web-rds".into(),
            key: "host".into(),
        }];
        let rendered = rendered("worker", json!({"image": "x"}), &bound).expect("it renders");
        assert_eq!(
            rendered["deployment"]["spec"]["template"]["spec"]["containers"][0]["env"],
            json!([{"name": "DB_HOST", "valueFrom": {"secretKeyRef": {"name": "shop-web-rds", "key": "host"}}}])
        );
        assert_eq!(rendered["service"], Json::Null);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (kind, properties, field, says) in [
            ("webservice", json!({}), "", "missing field `image`"),
            (
                "webservice",
                json!({"image": "x", "imagee": "y"}),
                "imagee",
                "unknown field `imagee`",
            ),
            (
                "webservice",
                json!({"image": "x", "ports": [{"port": "80"}]}),
                "ports",
                "invalid type",
            ),
            (
                "worker",
                json!({"image": "x", "ports": [{"port": 80}]}),
                "ports",
                "webservice",
            ),
            (
                "webservice",
                json!({"image": "x", "volumes": []}),
                "volumes",
                "volumeMounts",
            ),
            ("webservice", json!("x"), "properties", "an object"),
        ] {
            let problem = rendered(kind, properties, &[]).expect_err(field);
            assert_eq!(
                (problem.component.as_deref(), problem.field.as_str()),
                (Some("web"), field)
            );
            assert!(problem.message.contains(says), "{problem}");
        }
    }
}
