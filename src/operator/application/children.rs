//! The CloudResources of an Application: made, changed, and deleted when they are no longer declared.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, PostParams, Preconditions},
    core::DeserializeGuard,
};
use mooring_provider::Key;

use super::Subject;
use crate::{
    api::{Application, CloudResource, CloudResourceSpec, IdentityScope, names},
    engine::{
        declare::{Declaration, Declared},
        effective::{Server, choose_environment, server},
        is_shared,
        problem::{Problem, reason},
    },
    operator::Context,
};

/// The reason when a name is somebody else's.
pub(super) const NAME_TAKEN: &str = "NameTaken";
/// The reason when the API server refuses a change of something that cannot be changed.
pub(super) const REFUSED: &str = "Refused";

/// A CloudResource, which may not be decodable.
pub(super) type Child = Arc<DeserializeGuard<CloudResource>>;

/// The CloudResources of an Application, as last heard.
pub(super) fn children(context: &Context, subject: &Subject) -> Vec<Child> {
    let mut children = context.stores.resources.filter(|resource| is_child(resource, subject));
    children.sort_by_key(|child| child.name_any());
    children
}

/// Whether it was made from this Application: it is owned by it, or it was left behind by one of the same name, whose
/// owner references somebody took away (`kubectl delete --cascade=orphan`) or a restore made stale.
fn is_child(resource: &DeserializeGuard<CloudResource>, subject: &Subject) -> bool {
    if resource.namespace().as_deref() != Some(&subject.namespace) {
        return false;
    }
    match resource
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true))
    {
        Some(owner) if owner.uid == subject.uid => true,
        Some(owner) => {
            owner.kind == Application::kind(&()) && owner.name == subject.name && is_marked(resource, subject)
        }
        None => is_marked(resource, subject),
    }
}

fn is_marked(resource: &DeserializeGuard<CloudResource>, subject: &Subject) -> bool {
    let labels = resource.labels();
    let label = |name: &str| labels.get(name).map(String::as_str);
    label(names::MANAGED_BY) == Some(names::MANAGED_BY_US) && label(names::APPLICATION) == Some(&subject.name)
}

fn key(child: &Child) -> Option<Key> {
    let resource = child.0.as_ref().ok()?;
    Some(resource.spec.key(&resource.namespace()?))
}

/// Brings the CloudResources to what is declared. What the API server, or another owner of the name, stands in the way
/// of is a problem; the others go on.
pub(super) async fn bring_about(
    context: &Context,
    subject: &Subject,
    declared: &Declared,
) -> kube::Result<Vec<Problem>> {
    let api = Api::<CloudResource>::namespaced(context.client.clone(), &subject.namespace);
    let children = children(context, subject);
    let mut problems = Vec::new();
    for declaration in &declared.resources {
        let at = &declaration.key;
        let spec = match declaration.to_spec() {
            Ok(spec) => spec,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let name = at.object_name();
        let there = context.stores.resources.get(Some(&subject.namespace), &name);
        let outcome = match there {
            None => create(context, &api, subject, declaration, spec).await,
            Some(there) if !children.iter().any(|child| child.uid() == there.uid()) => Err(taken(&there)),
            Some(there) => change(&api, subject, &there, spec).await,
        };
        match outcome {
            Ok(()) => {}
            Err(Stopped::Problem(problem)) => problems.push(problem.within(&at.component, &at.name)),
            Err(Stopped::Failed(error)) => return Err(error),
        }
    }
    for child in &children {
        let Some(key) = key(child) else { continue };
        // What was left behind on purpose is taken back when it is declared, and is not deleted when it is not.
        if !declared.keeps(&key) && subject.owns(child.as_ref()) && child.meta().deletion_timestamp.is_none() {
            delete(&api, child).await?;
            let note = format!(
                "{} is no longer declared; deleting its CloudResource `{}`",
                key,
                child.name_any()
            );
            context.tell(subject.object(), "Pruned", "Prune", note).await;
        }
    }
    Ok(problems)
}

/// What keeps one CloudResource from being as declared.
enum Stopped {
    /// Something that somebody has to decide.
    Problem(Problem),
    /// Something to be tried again.
    Failed(kube::Error),
}

impl From<kube::Error> for Stopped {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.is_invalid() => {
                let details = status
                    .details
                    .as_ref()
                    .map(|details| details.causes.as_slice())
                    .unwrap_or_default();
                let causes: Vec<_> = details
                    .iter()
                    .map(|cause| cause.message.trim_start_matches("Invalid value: "))
                    .collect();
                let message = if causes.is_empty() {
                    status.message.clone()
                } else {
                    causes.join("; ")
                };
                Self::Problem(Problem::new(REFUSED, message))
            }
            other => Self::Failed(other),
        }
    }
}

fn taken(there: &DeserializeGuard<CloudResource>) -> Stopped {
    let holder = match (&there.0, there.owner_references().first()) {
        (Ok(resource), _) => format!(
            "Application `{}` (component `{}`, trait `{}`)",
            resource.spec.application, resource.spec.component, resource.spec.name
        ),
        (Err(_), Some(owner)) => format!("{} `{}`", owner.kind, owner.name),
        (Err(_), None) => "somebody".to_owned(),
    };
    let by_hand = if there.owner_references().is_empty() {
        ", made by hand"
    } else {
        ""
    };
    let message = format!(
        "there is a CloudResource of this name already, of {holder}{by_hand}; give the trait another `name`, or delete \
         that one"
    );
    Stopped::Problem(Problem::new(NAME_TAKEN, message).value(there.name_any()))
}

async fn create(
    context: &Context,
    api: &Api<CloudResource>,
    subject: &Subject,
    declaration: &Declaration,
    spec: CloudResourceSpec,
) -> Result<(), Stopped> {
    let key = &declaration.key;
    let mut resource = CloudResource::new(&key.object_name(), spec);
    let labels = [
        (names::APPLICATION, key.application.as_str()),
        (names::COMPONENT, &key.component),
        (names::TRAIT, &key.name),
        (names::KIND, declaration.declares.as_str()),
        (names::MANAGED_BY, names::MANAGED_BY_US),
    ];
    resource.metadata = ObjectMeta {
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        finalizers: Some(vec![names::FINALIZER.to_owned()]),
        owner_references: Some(vec![subject.owner()]),
        ..resource.metadata
    };
    if let Some(identity) = identity(context, subject, declaration).await {
        resource.annotations_mut().insert(names::IDENTITY.to_owned(), identity);
    }
    match api.create(&post(), &resource).await {
        Ok(_) => Ok(()),
        // It was made a moment ago, and the news of it will come; or it is on its way out.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The identity, where it can be had without asking the provider: a write less later on.
async fn identity(context: &Context, subject: &Subject, declaration: &Declaration) -> Option<String> {
    let kind = declaration.declares.kind()?;
    let environments = context.stores.environments.store().state();
    let known = environments.iter().filter_map(|guard| guard.0.as_ref().ok());
    let known = known
        .map(|environment| (environment.name_any(), environment.is_default()))
        .collect();
    let namespace = context.stores.namespaces.get(None, &subject.namespace)?;
    let label = |labels: &std::collections::BTreeMap<String, String>| labels.get(names::ENVIRONMENT).cloned();
    let name = choose_environment(
        label(&subject.labels).as_deref(),
        label(namespace.labels()).as_deref(),
        &known,
    )
    .ok()?;
    let environment = context.stores.environments.get(None, &name)?;
    let spec = &environment.0.as_ref().ok()?.spec;
    if spec.identity_scope == IdentityScope::Environment && is_shared(kind) {
        // It comes from whose it is, which the CloudResource's own controller judges.
        return None;
    }
    let Ok(Server::Config(config)) = server(&name, spec, kind) else {
        return None;
    };
    let connection = context
        .engine
        .connections()
        .get(&config)
        .filter(|connection| connection.proven().contains(&kind))?;
    let identity = context
        .engine
        .identity(&declaration.key, kind, &connection)
        .await
        .ok()?;
    Some(identity.as_str().to_owned())
}

/// Replaces the spec, with the version it was read at: what others wrote on the object stays.
async fn change(
    api: &Api<CloudResource>,
    subject: &Subject,
    there: &DeserializeGuard<CloudResource>,
    spec: CloudResourceSpec,
) -> Result<(), Stopped> {
    let Ok(there) = &there.0 else {
        let message = "its CloudResource cannot be read by this version; was it written by a newer one?";
        return Err(Stopped::Problem(
            Problem::new(reason::INVALID_SPEC, message).value(there.name_any()),
        ));
    };
    if there.meta().deletion_timestamp.is_some() {
        let message = "was removed and declared again while it was still going; it comes back once it is gone";
        return Err(Stopped::Problem(Problem::new("Deleting", message)));
    }
    let owned = there.owner_references().iter().any(|owner| owner.uid == subject.uid);
    let spec = CloudResourceSpec {
        environment: there.spec.environment.clone(),
        workload: there.spec.workload.clone(),
        ..spec
    };
    if there.spec == spec && owned {
        return Ok(());
    }
    let mut changed = there.clone();
    changed.spec = spec;
    changed
        .owner_references_mut()
        .retain(|owner| owner.controller != Some(true));
    changed.owner_references_mut().push(subject.owner());
    match api.replace(&there.name_any(), &post(), &changed).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Deletes just this object as it was last heard of, not one that has its name by now, nor one that garbage collection
/// took from its owner meanwhile. That it is gone already is no error; that it is another brings news.
pub(super) async fn delete(api: &Api<CloudResource>, child: &Child) -> kube::Result<()> {
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: child.uid(),
            resource_version: child.resource_version(),
        }),
        ..DeleteParams::background()
    };
    match api.delete(&child.name_any(), &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(names::MANAGER_APPLICATION.to_owned()),
        ..PostParams::default()
    }
}

impl Subject {
    /// Whether this very Application owns it.
    pub(super) fn owns(&self, object: &impl Resource) -> bool {
        object.owner_references().iter().any(|owner| owner.uid == self.uid)
    }

    /// A reference to the Application by which garbage collection, and people, find it.
    pub(super) fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: Application::api_version(&()).into_owned(),
            kind: Application::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}
