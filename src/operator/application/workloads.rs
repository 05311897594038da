//! The workloads that are rendered from components: applied, and deleted when their component goes.
//!
//! Server-side apply with one field manager, so that what others set (replicas, injected annotations, further
//! environment variables) stays theirs. What is there already and is not ours is never taken over: creation insists on
//! absence, each later apply on the uid.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{apps::v1::Deployment, core::v1::Service},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions, PropagationPolicy},
    core::{DeserializeGuard, PartialObjectMeta},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Subject, children,
    render::{BindingEnv, Place, own_variables, render},
};
use crate::{
    api::{Application, Backends, CloudResource, CloudResourceSpec, Declares, application::Component, names},
    engine::{
        declare::{COMPONENTS, Consumption, Declaration, Declared, Target, bind_target},
        problem::Problem,
    },
    operator::{
        Context,
        binding::{env_of, rendered_variables},
    },
};

/// The reason when a workload of the component's name is somebody else's.
const WORKLOAD_TAKEN: &str = "WorkloadTaken";
/// The reason when a component sets an environment variable that a binding would set.
const ENV_TAKEN: &str = "EnvTaken";

/// What was applied last, so that it is applied again only when it, or what is there, has changed.
#[derive(Debug, Default)]
pub(super) struct Applied(Mutex<HashMap<(String, String), Last>>);

#[derive(Debug, Clone, PartialEq)]
struct Last {
    /// What was rendered.
    rendered: String,
    /// What came of it.
    uid: Option<String>,
    generation: Option<i64>,
}

impl Applied {
    fn is(&self, key: &(String, String), last: &Last) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key) == Some(last)
    }

    fn note(&self, key: (String, String), last: Last) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, last);
    }

    /// Forgets an Application that is gone.
    pub(super) fn forget(&self, namespace: &str, component: &str) {
        let key = (namespace.to_owned(), component.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

/// The Deployments of an Application, as last heard.
pub(super) fn deployments(context: &Context, subject: &Subject) -> Vec<Arc<Deployment>> {
    let mut found = context
        .stores
        .deployments
        .filter(|deployment| is_ours(deployment, subject));
    found.sort_by_key(|deployment| deployment.name_any());
    found
}

/// Whether it was rendered from this Application. What was left behind by one of the same name counts too.
fn is_ours<K: Resource>(object: &K, subject: &Subject) -> bool {
    let labels = object.labels();
    let label = |name: &str| labels.get(name).map(String::as_str);
    if object.namespace().as_deref() != Some(&subject.namespace) {
        return false;
    }
    let marked =
        label(names::MANAGED_BY) == Some(names::MANAGED_BY_US) && label(names::OAM_NAME) == Some(&subject.name);
    match object
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true))
    {
        Some(owner) if owner.uid == subject.uid => true,
        Some(owner) => marked && owner.kind == Application::kind(&()) && owner.name == subject.name,
        None => marked,
    }
}

/// Renders the components and applies what changed.
pub(super) async fn bring_about(
    context: &Context,
    applied: &Applied,
    subject: &Subject,
    declared: &Declared,
) -> kube::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let owner = subject.owner();
    let children = children::children(context, subject);
    let place = Place {
        namespace: &subject.namespace,
        application: &subject.name,
        owner: &owner,
        by_node: by_node(context, &children),
    };
    let components = declared
        .components
        .iter()
        .filter(|component| COMPONENTS.contains(&component.kind.as_str()));
    let mut seen = BTreeSet::new();
    for component in components {
        // Two of one name are a problem that is told of elsewhere; the first goes on.
        if !seen.insert(component.name.as_str()) {
            continue;
        }
        let (bound, env_problems) = bound(context, subject, declared, component);
        problems.extend(env_problems);
        let rendered = match render(&place, component, &bound) {
            Ok(rendered) => rendered,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let there = context
            .stores
            .deployments
            .get(Some(&subject.namespace), &component.name);
        let key = (subject.namespace.clone(), component.name.clone());
        let last = Last {
            rendered: serde_json::to_string(&(&rendered.deployment, &rendered.service)).unwrap_or_default(),
            uid: there.as_ref().and_then(|there| there.uid()),
            generation: there.as_ref().and_then(|there| there.meta().generation),
        };
        if there.is_some() && applied.is(&key, &last) {
            continue;
        }
        // From its creation on it has what is bound; later that is the binding controller's, and only what was not
        // handed over to it yet is applied again, lest it be dropped.
        let deployment = apply(context, subject, &component.name, |there| {
            let Some(there) = there else {
                return Ok(rendered.deployment.clone());
            };
            let still = rendered_variables(there.managed_fields(), &component.name);
            let bound: Vec<_> = bound
                .iter()
                .filter(|env| still.contains(&env.variable))
                .cloned()
                .collect();
            render(&place, component, &bound).map(|rendered| rendered.deployment)
        });
        match deployment.await? {
            Ok(deployment) => {
                let last = Last {
                    uid: deployment.uid(),
                    generation: deployment.meta().generation,
                    ..last
                };
                let service = match &rendered.service {
                    Some(service) => apply(context, subject, &component.name, |_| Ok(service.clone()))
                        .await?
                        .map(drop),
                    None => withdraw_service(context, subject, &component.name).await.map(Ok)?,
                };
                match service {
                    Ok(()) => applied.note(key, last),
                    Err(problem) => problems.push(problem),
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    prune(context, applied, subject, declared).await?;
    Ok(problems)
}

/// The components whose balancer reaches them by the nodes. It is known once the balancer's Environment is.
fn by_node<'a>(context: &Context, children: &'a [Arc<DeserializeGuard<CloudResource>>]) -> BTreeSet<&'a str> {
    let is_so = |balancer: &CloudResource| {
        let known = balancer.status.as_ref()?;
        let environment = context.stores.environments.get(None, known.environment.as_deref()?)?;
        let settings = context.settings(environment.0.as_ref().ok()?, known.provider.as_deref());
        Some(settings.ok()?.backends() == Backends::Nodes)
    };
    let balancers = children.iter().filter_map(|child| child.0.as_ref().ok());
    balancers
        .filter(|child| child.spec.slb.is_some() && is_so(child) == Some(true))
        .map(|child| child.spec.component.as_str())
        .collect()
}

/// The environment variables that are bound into a component. What is declared badly now, and was provisioned before,
/// stays bound as it was.
fn bound(
    context: &Context,
    subject: &Subject,
    declared: &Declared,
    component: &Component,
) -> (Vec<BindingEnv>, Vec<Problem>) {
    let children = children::children(context, subject);
    let existing: Vec<_> = children
        .iter()
        .filter_map(|child| child.0.as_ref().ok())
        .filter_map(|child| Some((Declaration::from_spec(&subject.namespace, &child.spec)?, child)))
        .collect();
    let mut all = declared.resources.clone();
    for (declaration, _) in &existing {
        if declared.keeps(&declaration.key) && all.iter().all(|known| known.key != declaration.key) {
            all.push(declaration.clone());
        }
    }
    let own: BTreeSet<_> = own_variables(component).into_iter().collect();
    let (mut env, mut problems) = (BTreeMap::new(), Vec::new());
    for declaration in all
        .iter()
        .filter(|declaration| declaration.key.component == component.name)
    {
        let there = existing
            .iter()
            .find(|(known, _)| known.key == declaration.key)
            .map(|(_, child)| *child);
        // Done without in this environment: there is no Secret, and a pod that waits for one would wait for ever.
        if there.is_some_and(|child| reason_of(child) == Some("Skipped")) {
            continue;
        }
        // It was removed a moment ago and is being unbound; once it is gone it is made anew.
        if there.is_some_and(|child| child.meta().deletion_timestamp.is_some()) {
            continue;
        }
        // Somebody else has the name, and the Secret of that name is theirs.
        let name = declaration.key.object_name();
        if there.is_none() && context.stores.resources.get(Some(&subject.namespace), &name).is_some() {
            continue;
        }
        let Ok(spec) = declaration.to_spec() else { continue };
        let target = target_of(context, declaration, &all);
        let Some(variables) = env_of(&spec, target.as_ref()) else {
            continue;
        };
        let (declares, properties) = (declaration.declares, &declaration.properties);
        let consumption = Consumption::of(declares, declares.kind(), &declaration.key.name, properties);
        if !consumption.containers.is_empty() && !consumption.containers.contains(&component.name) {
            continue;
        }
        let secret = consumption.secret_name.clone().unwrap_or(name);
        for (variable, key) in variables {
            if own.contains(&variable) {
                let message =
                    format!("sets {variable} itself, in `env`; remove it there, or give the trait another `as`");
                problems.push(
                    Problem::new(ENV_TAKEN, message)
                        .field("env")
                        .value(&variable)
                        .within(&component.name, &declaration.key.name),
                );
                continue;
            }
            let secret = secret.clone();
            env.entry(variable.clone())
                .or_insert(BindingEnv { variable, secret, key });
        }
    }
    (env.into_values().collect(), problems)
}

fn reason_of(child: &crate::api::CloudResource) -> Option<&str> {
    let conditions = &child.status.as_ref()?.conditions;
    let ready = conditions
        .iter()
        .find(|known| known.type_ == crate::api::condition::READY)?;
    Some(&ready.reason)
}

/// What a `bind` is to.
fn target_of(context: &Context, declaration: &Declaration, all: &[Declaration]) -> Option<CloudResourceSpec> {
    if declaration.declares != Declares::Bind {
        return None;
    }
    match bind_target(declaration, all)? {
        Target::Own(key) => all.iter().find(|other| other.key == key)?.to_spec().ok(),
        Target::Foreign { namespace, name } => {
            let target = context.stores.resources.get(Some(&namespace), &name)?;
            Some(target.0.as_ref().ok()?.spec.clone())
        }
        Target::Pods => None,
    }
}

/// Applies one object: where there is none, insisting on that; where there is one of ours, insisting on its uid.
/// `render` makes it in view of what is there.
async fn apply<K>(
    context: &Context,
    subject: &Subject,
    name: &str,
    render: impl FnOnce(Option<&PartialObjectMeta<K>>) -> Result<K, Problem>,
) -> kube::Result<Result<K, Problem>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
{
    let api = Api::<K>::namespaced(context.client.clone(), &subject.namespace);
    let kind = K::kind(&());
    let within = |problem: Problem| Problem {
        component: Some(name.into()),
        ..problem
    };
    let there = Api::<PartialObjectMeta<K>>::namespaced(context.client.clone(), &subject.namespace)
        .get_opt(name)
        .await?;
    let there = match there {
        Some(there) if !is_ours(&there, subject) => {
            let holder = match there.owner_references().first() {
                Some(owner) => format!("{} `{}`", owner.kind, owner.name),
                None => "somebody else".to_owned(),
            };
            let message = format!(
                "there is a {kind} `{name}` already, of {holder}; it is left alone. Rename the component, or delete that \
                 {kind}. What the component's traits declare is provisioned all the same"
            );
            return Ok(Err(within(Problem::new(WORKLOAD_TAKEN, message))));
        }
        there => there,
    };
    let mut wanted = match render(there.as_ref()) {
        Ok(wanted) => wanted,
        Err(problem) => return Ok(Err(problem)),
    };
    match there {
        // What was judged is what is changed.
        Some(there) => {
            wanted.meta_mut().uid = there.uid();
            wanted.meta_mut().resource_version = there.resource_version();
        }
        // "0" matches nothing that exists: of two that create at once, one does.
        None => wanted.meta_mut().resource_version = Some("0".into()),
    }
    // Without its type, an apply is refused.
    let typed = Typed {
        api_version: K::api_version(&()).into_owned(),
        kind: kind.clone().into_owned(),
        object: &wanted,
    };
    let parameters = PatchParams::apply(names::MANAGER_APPLICATION).force();
    match api.patch(name, &parameters, &Patch::Apply(&typed)).await {
        Ok(object) => Ok(Ok(object)),
        Err(kube::Error::Api(status)) if status.is_invalid() => {
            let message = format!("the API server refuses the {kind}: {}", status.message);
            Ok(Err(within(Problem::new(children::REFUSED, message))))
        }
        Err(error) => Err(error),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Typed<'a, K> {
    api_version: String,
    kind: String,
    #[serde(flatten)]
    object: &'a K,
}

async fn withdraw_service(context: &Context, subject: &Subject, name: &str) -> kube::Result<()> {
    let metadata = Api::<PartialObjectMeta<Service>>::namespaced(context.client.clone(), &subject.namespace);
    match metadata.get_opt(name).await? {
        Some(service) if is_ours(&service, subject) => {
            delete(
                &Api::<Service>::namespaced(context.client.clone(), &subject.namespace),
                &service,
            )
            .await
        }
        _ => Ok(()),
    }
}

/// Deletes the workloads of components that are no longer declared, or are of a type that is not rendered.
async fn prune(context: &Context, applied: &Applied, subject: &Subject, declared: &Declared) -> kube::Result<()> {
    if !declared.is_legible() {
        return Ok(());
    }
    for deployment in deployments(context, subject) {
        let name = deployment.name_any();
        let rendered = |component: &Component| component.name == name && COMPONENTS.contains(&component.kind.as_str());
        if declared.components.iter().any(rendered) || !subject.owns(deployment.as_ref()) {
            continue;
        }
        applied.forget(&subject.namespace, &name);
        withdraw_service(context, subject, &name).await?;
        if deployment.meta().deletion_timestamp.is_none() {
            withdraw(context, subject, &deployment).await?;
            let note = format!("component `{name}` is no longer declared; deleting its Deployment");
            context.tell(subject.object(), "Pruned", "Prune", note).await;
        }
    }
    Ok(())
}

/// Deletes a Deployment; it stays until its pods are gone.
pub(super) async fn withdraw(context: &Context, subject: &Subject, deployment: &Deployment) -> kube::Result<()> {
    delete(
        &Api::<Deployment>::namespaced(context.client.clone(), &subject.namespace),
        deployment,
    )
    .await
}

/// Deletes the Services of an Application that goes.
pub(super) async fn withdraw_services(context: &Context, subject: &Subject) -> kube::Result<()> {
    let metadata = Api::<PartialObjectMeta<Service>>::namespaced(context.client.clone(), &subject.namespace);
    let ours = format!(
        "{}={},{}={}",
        names::MANAGED_BY,
        names::MANAGED_BY_US,
        names::OAM_NAME,
        subject.name
    );
    let api = Api::<Service>::namespaced(context.client.clone(), &subject.namespace);
    for service in metadata.list(&ListParams::default().labels(&ours)).await? {
        if subject.owns(&service) {
            delete(&api, &service).await?;
        }
    }
    Ok(())
}

async fn delete<K>(api: &Api<K>, object: &impl Resource) -> kube::Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    let parameters = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        preconditions: Some(Preconditions {
            uid: object.uid(),
            resource_version: object.resource_version(),
        }),
        ..DeleteParams::default()
    };
    match api.delete(&object.name_any(), &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
