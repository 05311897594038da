//! How an Application is, in KubeVela's shape: one write, and only when something changed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use mooring_provider::reason;
use serde_json::{Map, json};
use tokio::time::Instant;

use super::{
    Guard, Subject,
    children::{self, Child},
};
use crate::{
    api::{
        Application, ApplicationStatus, Declares,
        application::{ApplicationCondition, Component, ServiceStatus, TraitStatus, phase},
        condition, names,
    },
    engine::{
        declare::{COMPONENTS, Declared},
        problem::Problem,
    },
    operator::Context,
};

/// Condition: what is declared makes sense and could be carried out.
const DECLARED: &str = "Declared";
/// Condition: everything in the Application is handled here.
const HANDLED: &str = "Handled";
/// Reasons of a CloudResource that is on its way and needs nobody.
const ON_ITS_WAY: [&str; 6] = [
    reason::PROVISIONING,
    reason::SETTLING,
    reason::UPDATING,
    reason::DELETING,
    "WaitingFor",
    "Busy",
];

/// Judges how the Application is.
pub(super) fn look(
    context: &Context,
    subject: &Subject,
    declared: &Declared,
    problems: &[Problem],
) -> ApplicationStatus {
    let children = children::children(context, subject);
    let deployment = |name: &str| context.stores.deployments.get(Some(&subject.namespace), name);
    let services: Vec<_> = declared
        .components
        .iter()
        .map(|component| {
            service(
                subject,
                component,
                &children,
                problems,
                deployment(&component.name).as_deref(),
            )
        })
        .collect();
    let all_well = services
        .iter()
        .all(|service| service.healthy && service.traits.iter().all(|item| item.healthy));
    let ready = if problems.is_empty() && all_well {
        said(condition::READY, true, "Ready", "everything that is declared is there")
    } else {
        let waits: Vec<_> = services.iter().flat_map(unwell).collect();
        let message = if waits.is_empty() {
            "see the condition Declared".to_owned()
        } else {
            waits.join("; ")
        };
        said(condition::READY, false, "NotReady", &message)
    };
    let phase = match (
        ready.status == "True",
        problems.is_empty() && children.iter().all(|child| !is_in_trouble(child)),
    ) {
        (true, _) => phase::RUNNING,
        (false, true) => phase::RENDERING,
        (false, false) => phase::UNHEALTHY,
    };
    ApplicationStatus {
        observed_generation: subject.guard.meta().generation,
        phase: Some(phase.to_owned()),
        services,
        conditions: vec![ready, about_declared(problems), about_handled(declared)],
        ..ApplicationStatus::default()
    }
}

fn said(type_: &str, is: bool, reason: &str, message: &str) -> ApplicationCondition {
    ApplicationCondition {
        type_: type_.to_owned(),
        status: if is { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message: Some(message.to_owned()),
        last_transition_time: String::new(),
    }
}

fn about_declared(problems: &[Problem]) -> ApplicationCondition {
    match problems {
        [] => said(DECLARED, true, "Declared", "everything in it makes sense"),
        [first, ..] => {
            let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
            said(DECLARED, false, first.reason, &all.join("; "))
        }
    }
}

fn about_handled(declared: &Declared) -> ApplicationCondition {
    if declared.unhandled.is_empty() {
        return said(HANDLED, true, "Handled", "everything in it is carried out here");
    }
    let all: Vec<_> = declared.unhandled.iter().map(ToString::to_string).collect();
    let message = format!(
        "not carried out without KubeVela: {}; everything else is",
        all.join(", ")
    );
    said(HANDLED, false, "Unhandled", &message)
}

fn service(
    subject: &Subject,
    component: &Component,
    children: &[Child],
    problems: &[Problem],
    deployment: Option<&Deployment>,
) -> ServiceStatus {
    let rendered = COMPONENTS.contains(&component.kind.as_str());
    let (healthy, message) = match (rendered, deployment) {
        (false, _) => (
            true,
            format!("a component of type `{}` is not carried out here", component.kind),
        ),
        (true, None) => (false, "its Deployment is not there yet".to_owned()),
        (true, Some(deployment)) => readiness(deployment),
    };
    let traits = component
        .traits
        .iter()
        .filter(|item| Declares::of(&item.kind).is_some())
        .map(|item| {
            let name = item
                .properties
                .get("name")
                .and_then(serde_json::Value::as_str)
                .unwrap_or(&item.kind);
            let problem = problems.iter().find(|problem| {
                problem.component.as_deref() == Some(&component.name) && problem.trait_name.as_deref() == Some(name)
            });
            let child = children.iter().find(|child| {
                child
                    .0
                    .as_ref()
                    .is_ok_and(|child| child.spec.component == component.name && child.spec.name == name)
            });
            judged(&item.kind, problem, child)
        })
        .collect();
    ServiceStatus {
        name: component.name.clone(),
        namespace: Some(subject.namespace.clone()),
        workload_definition: rendered.then(|| json!({ "apiVersion": "apps/v1", "kind": "Deployment" })),
        healthy,
        message: Some(message),
        traits,
    }
}

/// As KubeVela judges a Deployment.
fn readiness(deployment: &Deployment) -> (bool, String) {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let ready = status.ready_replicas.unwrap_or(0);
    let seen = status.observed_generation >= deployment.metadata.generation;
    let healthy = seen
        && ready == wanted
        && status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted;
    (healthy, format!("Ready:{ready}/{wanted}"))
}

fn judged(kind: &str, problem: Option<&Problem>, child: Option<&Child>) -> TraitStatus {
    let of = |healthy: bool, message: String| TraitStatus {
        kind: kind.to_owned(),
        healthy,
        message: Some(message),
    };
    if let Some(problem) = problem {
        return of(false, format!("{}: {}", problem.reason, problem.message));
    }
    let Some(child) = child else {
        return of(false, "its CloudResource is not there yet".to_owned());
    };
    let Ok(resource) = &child.0 else {
        return of(false, "its CloudResource cannot be read".to_owned());
    };
    let conditions = resource
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let find = |type_: &str| conditions.iter().find(|known| known.type_ == type_);
    let Some(ready) = find(condition::READY) else {
        return of(false, "it was not looked at yet".to_owned());
    };
    let said = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        format!("{}: {}", condition.reason, condition.message)
    };
    // It can be used and is not as declared, or is in nobody's environment: the developer wants to know that too.
    let wrong = [condition::SYNCED, condition::BOUND]
        .into_iter()
        .filter_map(find)
        .find(|known| known.status == "False");
    match wrong {
        _ if ready.status != "True" => of(ready.reason == "Skipped", said(ready)),
        Some(wrong) => of(
            wrong.type_ == condition::SYNCED,
            format!("{}; {}", said(ready), said(wrong)),
        ),
        None => of(true, said(ready)),
    }
}

fn unwell(service: &ServiceStatus) -> Vec<String> {
    let traits = service.traits.iter().filter(|item| !item.healthy);
    let traits = traits.map(|item| {
        format!(
            "{}/{}: {}",
            service.name,
            item.kind,
            item.message.as_deref().unwrap_or_default()
        )
    });
    let itself =
        (!service.healthy).then(|| format!("{}: {}", service.name, service.message.as_deref().unwrap_or_default()));
    itself.into_iter().chain(traits).collect()
}

/// Whether somebody has to act on it.
fn is_in_trouble(child: &Child) -> bool {
    let Ok(resource) = &child.0 else { return true };
    let conditions = resource
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let ready = conditions.iter().find(|known| known.type_ == condition::READY);
    ready.is_some_and(|ready| {
        ready.status == "False" && !ON_ITS_WAY.contains(&ready.reason.as_str()) && ready.reason != "Skipped"
    })
}

/// For how long the progress of an Application that is on its way is gathered at first, and at most: each time twice
/// as long.
const GATHER: Duration = Duration::from_secs(5);
const GATHER_AT_MOST: Duration = Duration::from_secs(40);

/// Says that it is going, and what is waited for.
pub(super) async fn going(context: &Context, subject: &Subject, reason: &str, message: &str) -> kube::Result<()> {
    let before = current(context, subject).await?;
    let mut conditions: Vec<_> = before
        .conditions
        .into_iter()
        .filter(|known| known.type_ != condition::DELETING)
        .collect();
    conditions.push(said(condition::DELETING, true, reason, message));
    let mut services = before.services;
    for service in &mut services {
        for item in &mut service.traits {
            item.healthy = false;
        }
    }
    let standing = ApplicationStatus {
        observed_generation: subject.guard.meta().generation,
        phase: Some(phase::DELETING.to_owned()),
        services,
        conditions,
        ..ApplicationStatus::default()
    };
    write(context, subject, standing).await
}

/// The status as it is. Of an Application that cannot be read it is read apart, lest it seem new each time.
async fn current(context: &Context, subject: &Subject) -> kube::Result<ApplicationStatus> {
    if let Ok(application) = &subject.guard.0 {
        return Ok(application.status.clone().unwrap_or_default());
    }
    let kind = ApiResource::erase::<Application>(&());
    let api = Api::<DynamicObject>::namespaced_with(context.client.clone(), &subject.namespace, &kind);
    let found = api.get_opt(&subject.name).await?;
    let status = found.and_then(|found| serde_json::from_value(found.data.get("status")?.clone()).ok());
    Ok(status.unwrap_or_default())
}

/// When the progress of each Application on its way was last written, and for how long it is gathered since.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<HashMap<String, (Instant, Duration)>>);

impl Progress {
    /// Whether it was written a moment ago and says much the same; answers when it is to be written then.
    fn is_due_in(&self, uid: &str, before: &ApplicationStatus, now: &ApplicationStatus) -> Option<Duration> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        written.retain(|_, (since, _)| at.duration_since(*since) < GATHER_AT_MOST * 2);
        let pause = match written.get(uid) {
            Some((since, pause)) if is_progress(before, now) => {
                let due = pause.saturating_sub(at.duration_since(*since));
                if !due.is_zero() {
                    return Some(due);
                }
                (*pause * 2).min(GATHER_AT_MOST)
            }
            _ => GATHER,
        };
        written.insert(uid.to_owned(), (at, pause));
        None
    }
}

/// Whether all that differs is what is said of the parts.
fn is_progress(before: &ApplicationStatus, now: &ApplicationStatus) -> bool {
    let summary = |status: &ApplicationStatus| {
        let conditions = status.conditions.iter();
        let conditions: Vec<_> = conditions
            .map(|known| (known.type_.clone(), known.status.clone()))
            .collect();
        (status.observed_generation, status.phase.clone(), conditions)
    };
    summary(before) == summary(now)
}

/// Writes the status, if it is another. Of one that is on its way, each step of each resource is news: they are
/// gathered for a while. Answers when it is to be written then.
pub(super) async fn gather(
    context: &Context,
    progress: &Progress,
    subject: &Subject,
    mut standing: ApplicationStatus,
) -> kube::Result<Option<Duration>> {
    let Some(known) = differs(context, subject, &mut standing).await? else {
        return Ok(None);
    };
    if let Some(due) = progress.is_due_in(&subject.uid, &known, &standing) {
        return Ok(Some(due));
    }
    put(context, subject, &standing).await.map(|()| None)
}

/// Writes the status, if it is another.
pub(super) async fn write(context: &Context, subject: &Subject, mut standing: ApplicationStatus) -> kube::Result<()> {
    match differs(context, subject, &mut standing).await? {
        Some(_) => put(context, subject, &standing).await,
        None => Ok(()),
    }
}

/// The status as it stands, if it is another; `standing` gets its dates.
async fn differs(
    context: &Context,
    subject: &Subject,
    standing: &mut ApplicationStatus,
) -> kube::Result<Option<ApplicationStatus>> {
    let before = current(context, subject).await?;
    date(standing, &before);
    let known = ApplicationStatus {
        rest: Map::new(),
        ..before
    };
    Ok((known != *standing).then_some(known))
}

async fn put(context: &Context, subject: &Subject, standing: &ApplicationStatus) -> kube::Result<()> {
    let api = Api::<Guard>::namespaced(context.client.clone(), &subject.namespace);
    let parameters = PatchParams {
        field_manager: Some(names::MANAGER_APPLICATION.into()),
        ..PatchParams::default()
    };
    match api
        .patch_status(
            &subject.name,
            &parameters,
            &Patch::Merge(&json!({ "status": standing })),
        )
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// A condition changed when its status did; its words may change meanwhile.
fn date(standing: &mut ApplicationStatus, before: &ApplicationStatus) {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for condition in &mut standing.conditions {
        let known = before
            .conditions
            .iter()
            .find(|known| known.type_ == condition.type_ && known.status == condition.status);
        let since = known
            .map(|known| known.last_transition_time.clone())
            .filter(|since| !since.is_empty());
        condition.last_transition_time = since.unwrap_or_else(|| now.clone());
    }
}
