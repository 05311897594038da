//! The end of an Application: its workloads first, with their pods, then its CloudResources, then itself.

use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, Resource, ResourceExt, api::ListParams, core::PartialObjectMeta, runtime::controller::Action};

use super::{
    Applied, Subject,
    children::{self, Child},
    release, status, workloads,
};
use crate::{
    api::{CloudResource, condition, names},
    operator::Context,
};

/// The finalizer of `kubectl delete --cascade=orphan`.
const ORPHAN: &str = "orphan";
/// How soon it is looked again, should news be late.
const AGAIN: Duration = Duration::from_secs(10);

/// Takes the next step towards the end. Needs no valid spec.
pub(super) async fn go_on(context: &Context, applied: &Applied, subject: &Subject) -> kube::Result<Action> {
    if !subject.has(names::FINALIZER) {
        return Ok(Action::await_change());
    }
    if subject.has(ORPHAN) {
        let note = "deleted with --cascade=orphan: its workloads and CloudResources are left running; an Application of \
                    this name takes them back";
        context.tell(subject.object(), "Orphaned", "Delete", note).await;
        release(context, subject).await?;
        return Ok(Action::await_change());
    }
    // Garbage collection may have been here before us: with --cascade=orphan it takes what is to stay from its owner, and
    // then its own finalizer. So only what this very Application still owns is deleted.
    let mut deployments = workloads::deployments(context, subject);
    deployments.retain(|deployment| subject.owns(deployment.as_ref()));
    for deployment in &deployments {
        applied.forget(&subject.namespace, &deployment.name_any());
        if deployment.meta().deletion_timestamp.is_none() {
            or_forbidden(workloads::withdraw(context, subject, deployment).await)?;
        }
    }
    let mut children = children::children(context, subject);
    children.retain(|child| subject.owns(child.as_ref()));
    if !deployments.is_empty() && !is_out_of_patience(context, subject) {
        let names: Vec<_> = deployments.iter().map(|deployment| deployment.name_any()).collect();
        let message = format!(
            "waiting for the pods of {}, so that nothing uses what is deleted next; after {} it is not waited for any \
             longer",
            names.join(", "),
            shown(context.options.patience),
        );
        status::going(context, subject, "WaitingForWorkloads", &message).await?;
        return Ok(Action::requeue(AGAIN));
    }
    or_forbidden(workloads::withdraw_services(context, subject).await)?;
    let api = Api::<CloudResource>::namespaced(context.client.clone(), &subject.namespace);
    for child in children
        .iter()
        .filter(|child| child.meta().deletion_timestamp.is_none())
    {
        children::delete(&api, child).await?;
    }
    if !children.is_empty() {
        let message = format!(
            "waiting for {}",
            children.iter().map(waited_for).collect::<Vec<_>>().join("; ")
        );
        status::going(context, subject, "WaitingForResources", &message).await?;
        return Ok(Action::requeue(AGAIN));
    }
    if is_more(context, subject).await? {
        // Made a moment ago; the news of it brings us back.
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    release(context, subject).await?;
    Ok(Action::await_change())
}

/// In a namespace that is going, or was never opened to us, others delete them; the CloudResources must not wait for us.
fn or_forbidden(withdrawn: kube::Result<()>) -> kube::Result<()> {
    match withdrawn {
        Err(kube::Error::Api(refused)) if refused.is_forbidden() => Ok(()),
        withdrawn => withdrawn,
    }
}

fn shown(time: Duration) -> String {
    mooring_provider::Span::new(time).to_string()
}

/// Whether the workloads were waited for long enough: deletion wins in the end.
fn is_out_of_patience(context: &Context, subject: &Subject) -> bool {
    let Some(since) = subject.deleted_at() else {
        return false;
    };
    let waited = Timestamp::now().duration_since(since.0);
    waited.unsigned_abs() >= context.options.patience && waited.is_positive()
}

/// A CloudResource, and what it says of its end.
fn waited_for(child: &Child) -> String {
    let name = child.name_any();
    let conditions = child
        .0
        .as_ref()
        .ok()
        .and_then(|child| child.status.as_ref())
        .map(|status| &status.conditions);
    let deleting = conditions
        .into_iter()
        .flatten()
        .find(|known| known.type_ == condition::DELETING);
    match deleting {
        Some(deleting) => format!("{name} ({}: {})", deleting.reason, deleting.message),
        None => name,
    }
}

/// Whether there are CloudResources of the Application that were not heard of yet.
async fn is_more(context: &Context, subject: &Subject) -> kube::Result<bool> {
    let api = Api::<PartialObjectMeta<CloudResource>>::namespaced(context.client.clone(), &subject.namespace);
    let label = format!(
        "{}={},{}={}",
        names::APPLICATION,
        subject.name,
        names::MANAGED_BY,
        names::MANAGED_BY_US
    );
    let found = api.list(&ListParams::default().labels(&label)).await?;
    Ok(found
        .items
        .iter()
        .any(|found| found.owner_references().iter().any(|owner| owner.uid == subject.uid)))
}
