//! The Application controller: what an Application declares becomes CloudResources and workloads, how they are becomes
//! its status, and its end is theirs.
//!
//! **Deletion.** The Application stays, and says what it waits for, until its last CloudResource is gone: first the
//! workloads go, with their pods, then the CloudResources; the order among these is theirs. `--cascade=foreground` and
//! `--cascade=background` come to the same. `--cascade=orphan` means what it says: workloads and CloudResources are
//! left running, by themselves, and an Application of the same name that is made later takes them back.
//!
//! **KubeVela.** Where Applications are not ours to carry out, the finalizer is let go and nothing else is touched: no
//! workload, no status.

mod children;
mod properties;
mod render;
mod status;
mod teardown;
mod workloads;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
    runtime::{controller::Action, reflector::ObjectRef},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Context, control};
use crate::{
    api::{Application, ApplicationSpec, names},
    engine::{
        declare::{COMPONENTS, declare},
        problem::{Problem, reason},
    },
};
use status::Progress;
use workloads::Applied;

/// How soon it is looked again whether somebody else's object still stands in the way.
const AGAIN: Duration = Duration::from_secs(30);

type Guard = DeserializeGuard<Application>;

/// Runs the controller. `ours`: Applications are carried out; else our finalizers are let go, and that is all.
pub async fn run(context: Arc<Context>, ours: bool, shutdown: CancellationToken) {
    let (applied, progress) = (Arc::new(Applied::default()), Arc::new(Progress::default()));
    let stores = &context.stores;
    let queue = news(
        stores
            .applications
            .touched()
            .map(|application| ObjectRef::from_obj(application.as_ref())),
        stores
            .resources
            .touched()
            .filter_map(|resource| std::future::ready(concerned(resource.as_ref()))),
        stores
            .deployments
            .touched()
            .filter_map(|deployment| std::future::ready(concerned(deployment.as_ref()))),
    );
    let store = stores.applications.store().clone();
    let reconcile = move |application, context| {
        let (applied, progress) = (Arc::clone(&applied), Arc::clone(&progress));
        reconcile(application, context, applied, progress, ours)
    };
    control::run("application", context, store, queue, reconcile, shutdown).await;
}

fn news<T: Send + 'static>(
    a: impl Stream<Item = T> + Send + 'static,
    b: impl Stream<Item = T> + Send + 'static,
    c: impl Stream<Item = T> + Send + 'static,
) -> impl Stream<Item = T> + Send {
    stream::select_all([a.boxed(), b.boxed(), c.boxed()])
}

/// The Application that an object of ours is for.
fn concerned(object: &impl Resource) -> Option<ObjectRef<Guard>> {
    let by_label = |name: &str| object.labels().get(name).cloned();
    let owner = object
        .owner_references()
        .iter()
        .find(|owner| owner.kind == Application::kind(&()));
    let name = owner.map(|owner| owner.name.clone());
    let name = name
        .or_else(|| by_label(names::APPLICATION))
        .or_else(|| by_label(names::OAM_NAME))?;
    Some(ObjectRef::new(&name).within(&object.namespace()?))
}

/// An Application of which only the metadata need make sense.
struct Subject {
    guard: Arc<Guard>,
    name: String,
    namespace: String,
    uid: String,
    labels: BTreeMap<String, String>,
}

impl Subject {
    fn new(guard: Arc<Guard>) -> Option<Self> {
        Some(Self {
            name: guard.name_any(),
            namespace: guard.namespace()?,
            uid: guard.uid()?,
            labels: guard.labels().clone(),
            guard,
        })
    }

    fn object(&self) -> &Guard {
        &self.guard
    }

    fn deleted_at(&self) -> Option<&Time> {
        self.guard.meta().deletion_timestamp.as_ref()
    }

    fn has(&self, finalizer: &str) -> bool {
        self.guard.finalizers().iter().any(|known| known == finalizer)
    }
}

async fn reconcile(
    guard: Arc<Guard>,
    context: Arc<Context>,
    applied: Arc<Applied>,
    progress: Arc<Progress>,
    ours: bool,
) -> kube::Result<Action> {
    let Some(subject) = Subject::new(guard) else {
        return Ok(Action::await_change());
    };
    match (ours, subject.deleted_at().is_some()) {
        (false, _) => {
            release(&context, &subject).await?;
            Ok(Action::await_change())
        }
        (true, true) => teardown::go_on(&context, &applied, &subject).await,
        (true, false) => carry_out(&context, &applied, &progress, &subject).await,
    }
}

async fn carry_out(
    context: &Context,
    applied: &Applied,
    progress: &Progress,
    subject: &Subject,
) -> kube::Result<Action> {
    if is_terminating(context, &subject.namespace) {
        // Nothing can be made there any more, and all of it is about to be deleted.
        return Ok(Action::await_change());
    }
    let declared = match &subject.guard.0 {
        Ok(application) => declare(&subject.namespace, &subject.name, &application.spec),
        Err(invalid) => return unreadable(context, subject, &invalid.error).await,
    };
    let is_ours = !declared.resources.is_empty()
        || declared
            .components
            .iter()
            .any(|component| COMPONENTS.contains(&component.kind.as_str()))
        || !children::children(context, subject).is_empty();
    if is_ours && !subject.has(names::FINALIZER) {
        hold(context, subject).await?;
        // The news of that brings it back here.
        return Ok(Action::await_change());
    }
    let mut problems = declared.problems.clone();
    problems.extend(children::bring_about(context, subject, &declared).await?);
    problems.extend(workloads::bring_about(context, applied, subject, &declared).await?);
    let standing = status::look(context, subject, &declared, &problems);
    let due = status::gather(context, progress, subject, standing).await?;
    for problem in &problems {
        context
            .warn(subject.object(), problem.reason, "Declare", problem.to_string())
            .await;
    }
    // What stands in the way is no object of this Application's; nobody tells when it goes.
    let again = (!problems.is_empty()).then_some(AGAIN);
    Ok(due
        .into_iter()
        .chain(again)
        .min()
        .map_or_else(Action::await_change, Action::requeue))
}

/// An Application that makes no sense at all: what runs is left running.
async fn unreadable(context: &Context, subject: &Subject, error: &str) -> kube::Result<Action> {
    let declared = declare(&subject.namespace, &subject.name, &ApplicationSpec::default());
    let problem = Problem::new(reason::INVALID_SPEC, format!("the Application cannot be read: {error}")).field("spec");
    context
        .warn(subject.object(), problem.reason, "Declare", problem.to_string())
        .await;
    let standing = status::look(context, subject, &declared, &[problem]);
    status::write(context, subject, standing).await?;
    Ok(Action::await_change())
}

fn is_terminating(context: &Context, namespace: &str) -> bool {
    let namespace = context.stores.namespaces.get(None, namespace);
    namespace.is_some_and(|namespace| namespace.meta().deletion_timestamp.is_some())
}

/// Makes the Application stay until its resources are gone.
async fn hold(context: &Context, subject: &Subject) -> kube::Result<()> {
    let finalizers = subject
        .guard
        .finalizers()
        .iter()
        .map(String::as_str)
        .chain([names::FINALIZER]);
    set_finalizers(context, subject, finalizers.collect()).await
}

/// Lets the Application go.
async fn release(context: &Context, subject: &Subject) -> kube::Result<()> {
    if !subject.has(names::FINALIZER) {
        return Ok(());
    }
    let finalizers = subject.guard.finalizers().iter().map(String::as_str);
    set_finalizers(
        context,
        subject,
        finalizers.filter(|finalizer| *finalizer != names::FINALIZER).collect(),
    )
    .await
}

async fn set_finalizers(context: &Context, subject: &Subject, finalizers: Vec<&str>) -> kube::Result<()> {
    // With the version it was read at: another's finalizer that came or went meanwhile is neither lost nor brought back.
    let patch =
        json!({ "metadata": { "finalizers": finalizers, "resourceVersion": subject.guard.resource_version() } });
    let parameters = PatchParams {
        field_manager: Some(names::MANAGER_APPLICATION.into()),
        ..PatchParams::default()
    };
    let api = Api::<Guard>::namespaced(context.client.clone(), &subject.namespace);
    match api
        .patch_metadata(&subject.name, &parameters, &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
