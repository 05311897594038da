//! The second step: whether, and as what, a CloudResource may be provided. No I/O.

use mooring_provider::{
    ExternalId, Identity, Key, Kind, Owner,
    spec::{Selector, Slb},
};
use serde_json::Value as Json;

use super::{INVALID_NAME, dereference::Inputs, status::Told};
use crate::{
    api::{Deletion, EffectiveValue, Shared, names, properties::DeletionPolicy},
    engine::{
        declare::Consumption,
        effective::{self, DeletionPlan, Effective, Server, Unresolved, Usage},
        problem::{Problem, reason},
    },
    operator::Context,
};
use kube::ResourceExt;

/// What is to be done for a CloudResource.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is to be provided.
    Provide(Box<Plan>),
    /// The environment does without it.
    Skip(String),
    /// Nothing can be made of it as things are.
    Refuse(Told),
}

/// What is to be provided.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) environment: String,
    /// The name of the ProviderConfig.
    pub(super) provider: String,
    pub(super) spec: Json,
    pub(super) existing: Option<ExternalId>,
    pub(super) credentials_secret: Option<String>,
    pub(super) deletion: Option<Deletion>,
    pub(super) deletes_per_hour: Option<u32>,
    pub(super) consumption: Consumption,
    pub(super) values: Vec<EffectiveValue>,
    pub(super) not_applied: Vec<String>,
    pub(super) notes: Vec<String>,
    /// Whose it is, where several clusters share it.
    pub(super) shared: Option<Shared>,
    /// Why it is not as declared although it is provided.
    pub(super) but: Option<Told>,
}

impl Plan {
    /// Whose it is.
    pub(super) fn owner(&self, context: &Context, identity: &Identity, key: &Key) -> Owner {
        let shared = self.shared.as_ref().map(|shared| &shared.owner);
        Owner {
            cluster: shared.unwrap_or(context.engine.cluster()).clone(),
            identity: identity.clone(),
            key: key.clone(),
        }
    }

    /// Whether another cluster makes it and changes it.
    pub(super) fn is_joined(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| !shared.home)
    }
}

/// Judges.
pub(super) fn validate(inputs: &Inputs, cluster: &str) -> Verdict {
    match judge(inputs, cluster) {
        Ok(verdict) => verdict,
        // What already runs is left running, as it was last carried out.
        Err(told) => match as_it_was(inputs, told.clone()) {
            Some(plan) => Verdict::Provide(Box::new(plan)),
            None => Verdict::Refuse(told),
        },
    }
}

fn told(problem: &Problem) -> Told {
    Told::no(problem.reason, problem.to_string())
}

fn judge(inputs: &Inputs, cluster: &str) -> Result<Verdict, Told> {
    let key = inputs.key();
    let name = inputs.object.name_any();
    if name != key.object_name() {
        let message = format!(
            "a CloudResource is named <application>-<component>-<name>, this one would be `{}`; without that two \
             objects could be of one resource",
            key.object_name()
        );
        return Err(Told::no(INVALID_NAME, message));
    }
    let (environment, object) = inputs.environment.as_ref().map_err(told)?;
    let spec = &object.spec;
    effective::admit(environment, spec, &key.namespace, &inputs.labels, inputs.kind)
        .map_err(|problem| told(&problem))?;
    let shared = inputs.shared.clone()?;
    let pinned = inputs
        .status
        .provider
        .clone()
        .or_else(|| inputs.record.as_ref().map(|record| record.provider.clone()));
    let pinned = pinned.filter(|_| inputs.is_provisioned());
    let (provider, moved) = match (
        effective::server(environment, spec, inputs.kind).map_err(|problem| told(&problem))?,
        pinned,
    ) {
        (Server::Nobody, None) => return Ok(Verdict::Skip(environment.clone())),
        (Server::Config(name), None) => (name, None),
        (Server::Config(name), Some(pinned)) if name == pinned => (name, None),
        (server, Some(pinned)) => {
            let now = match server {
                Server::Config(name) => format!("ProviderConfig `{name}`"),
                Server::Nobody => "no provider".to_owned(),
            };
            let message = format!(
                "it was made at ProviderConfig `{pinned}` and stays there, although Environment `{environment}` names \
                 {now} now; delete and declare it again to move it"
            );
            (pinned, Some(Told::no("ProviderPinned", message)))
        }
    };
    let Some(config) = inputs.providers.get(&provider) else {
        let message = format!(
            "there is no ProviderConfig `{provider}`, which Environment `{environment}` names; an SRE may create it"
        );
        return Err(Told::no("ProviderNotFound", message));
    };
    if config.metadata.deletion_timestamp.is_some() && !inputs.is_provisioned() {
        let message = format!("ProviderConfig `{provider}` is being deleted; nothing new is made there");
        return Err(Told::no("ProviderNotReady", message));
    }
    let Some((provider_type, _)) = config.spec.provider() else {
        return Err(Told::no(
            "ProviderNotFound",
            format!("ProviderConfig `{provider}` names no type of provider"),
        ));
    };
    let region = config.region();
    let Some(endpoints) = &inputs.endpoints else {
        let message = "where its component can be reached is not known yet: the operator must be able to list and watch \
                       pods, or nodes and services, as the environment's `network.backends` says";
        return Err(Told::no("WaitingFor", message));
    };
    let resolved = effective::resolve(
        &inputs.declaration,
        &effective::Context {
            environment,
            spec,
            provider: provider_type,
            region: region.as_deref(),
            cluster,
            after: &inputs.after,
            outputs: &inputs.outputs,
            selector: Selector {
                namespace: key.namespace.clone(),
                labels: [(names::OAM_COMPONENT.to_owned(), key.component.clone())].into(),
            },
            endpoints: Some(endpoints),
        },
    );
    let resolved = resolved.map_err(|unresolved| match unresolved {
        Unresolved::Invalid(problems) => all_of(&problems),
        Unresolved::Awaits(keys) => {
            let keys = keys
                .iter()
                .map(|key| format!("{}/{}", key.component, key.name))
                .collect::<Vec<_>>();
            Told::no("WaitingFor", format!("{} must be ready first", keys.join(", ")))
        }
    })?;
    let settings = effective::settings(spec, region.as_deref(), cluster).map_err(|problem| told(&problem))?;
    within_limits(inputs, environment, &settings, &resolved)?;
    if let Some(existing) = &resolved.existing {
        effective::admit_existing(
            environment,
            &settings,
            &key.namespace,
            &inputs.labels,
            inputs.kind,
            &existing.id,
        )
        .map_err(|problem| told(&problem.within(&key.component, &key.name)))?;
    }
    if let (Some(existing), Some(holder)) = (&resolved.existing, &inputs.holder) {
        let message = format!(
            "existing.id: `{}` belongs to {holder}; use it by a `bind` trait, for which its owner names you in \
             `shareWith`",
            existing.id
        );
        return Err(Told::no(reason::NOT_ALLOWED, message));
    }
    let moved = moved.or_else(|| {
        let to = inputs.moved_to.as_ref()?;
        let message = format!(
            "it is in Environment `{environment}` and stays there, although `{to}` is asked for now; delete the \
             application and declare it again to move it"
        );
        Some(Told::no("EnvironmentPinned", message))
    });
    let mut plan = plan(environment, provider, resolved, moved);
    plan.deletes_per_hour = settings.limits.deletes_per_hour.get(inputs.kind).copied();
    if plan.existing.is_none() {
        plan.shared = shared;
    }
    if plan.shared.is_some()
        && let Some(deletion) = &mut plan.deletion
    {
        // Another cluster may use it; an SRE says when none does.
        deletion.policy = Some(DeletionPolicy::Retain);
    }
    plan.notes.extend(plan.shared.as_ref().map(|shared| match shared.home {
        true => format!(
            "{} shares it between clusters, and this one is its home: when its declaration goes it is retained, until \
             `mooring approve delete {key}`",
            shared.owner
        ),
        false => format!(
            "{} shares it between clusters: its home cluster `{}` makes and changes it, here it has an account of its own",
            shared.owner,
            spec.home.as_deref().unwrap_or_default()
        ),
    }));
    Ok(Verdict::Provide(Box::new(plan)))
}

fn all_of(problems: &[Problem]) -> Told {
    let reason = problems.first().map_or(reason::INVALID_SPEC, |problem| problem.reason);
    Told::no(
        reason,
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    )
}

fn plan(environment: &str, provider: String, resolved: Effective, but: Option<Told>) -> Plan {
    let existing = resolved.existing.as_ref().map(|existing| existing.id.clone());
    Plan {
        environment: environment.to_owned(),
        provider,
        existing: existing
            .or_else(|| shared_network(resolved.kind, &resolved.spec))
            .map(ExternalId::new),
        credentials_secret: resolved.existing.and_then(|existing| existing.credentials_secret),
        deletion: Some(remembered(&resolved.deletion)),
        deletes_per_hour: None,
        consumption: resolved.consumption,
        values: resolved.values,
        not_applied: resolved.not_applied,
        notes: resolved.notes,
        spec: resolved.spec,
        shared: None,
        but,
    }
}

/// A shared network is there already and is not ours.
fn shared_network(kind: Kind, spec: &Json) -> Option<String> {
    (kind == Kind::Vpc)
        .then(|| spec["shared"]["id"].as_str().map(str::to_owned))
        .flatten()
}

/// A deletion plan as it is kept in the status.
pub(super) fn remembered(plan: &DeletionPlan) -> Deletion {
    Deletion {
        policy: Some(plan.policy),
        after: Some(plan.after),
        final_backup: Some(plan.final_backup),
    }
}

/// What is already there counts no more against the number, and against the storage only by what it grows.
fn within_limits(
    inputs: &Inputs,
    environment: &str,
    settings: &crate::api::Settings,
    resolved: &Effective,
) -> Result<(), Told> {
    if resolved.existing.is_some() {
        return Ok(());
    }
    let applied = inputs.status.memory.applied.as_ref();
    let had: Option<mooring_provider::Bytes> =
        applied.and_then(|spec| serde_json::from_value(spec.get("storage")?.clone()).ok());
    let usage = if inputs.is_provisioned() {
        Usage {
            count: 0,
            ..inputs.usage
        }
    } else {
        inputs.usage
    };
    if had.is_some() && had >= resolved.storage {
        return Ok(());
    }
    let key = inputs.key();
    effective::within_limits(
        environment,
        settings,
        &key.namespace,
        inputs.kind,
        usage,
        resolved.storage,
    )
    .map_err(|problem| told(&problem.within(&key.component, &key.name)))
}

/// What runs, kept as it was last carried out.
fn as_it_was(inputs: &Inputs, but: Told) -> Option<Plan> {
    let record = inputs.record.as_ref();
    let memory = &inputs.status.memory;
    let mut spec = memory.applied.clone().or_else(|| record?.memory.applied.clone())?;
    let notes = still_reached(inputs, &mut spec);
    let provider = inputs
        .status
        .provider
        .clone()
        .or_else(|| record.map(|record| record.provider.clone()))?;
    let properties = &inputs.declaration.properties;
    let existing = properties
        .get("existing")
        .and_then(|existing| existing["id"].as_str())
        .map(str::to_owned);
    let credentials = properties
        .get("existing")
        .and_then(|existing| existing["credentialsSecret"].as_str());
    let environment = inputs
        .status
        .environment
        .clone()
        .or_else(|| record.map(|record| record.environment.clone()))?;
    Some(Plan {
        environment,
        provider,
        existing: existing
            .or_else(|| shared_network(inputs.kind, &spec))
            .map(ExternalId::new),
        credentials_secret: credentials.map(str::to_owned),
        deletion: inputs.status.deletion.clone(),
        deletes_per_hour: inputs.status.deletes_per_hour,
        consumption: Consumption::of(
            inputs.declaration.declares,
            Some(inputs.kind),
            &inputs.key().name,
            properties,
        ),
        values: inputs.status.effective.clone(),
        not_applied: inputs.status.not_applied.clone(),
        notes,
        spec,
        shared: inputs.status.shared.clone(),
        but: Some(but),
    })
}

/// Pods come and go whatever is wrong with a declaration: the backends of a balancer are as they are now.
fn still_reached(inputs: &Inputs, spec: &mut Json) -> Vec<String> {
    let Some(endpoints) = &inputs.endpoints else {
        return inputs.status.notes.clone();
    };
    if inputs.kind != Kind::Slb || spec["backends"].is_null() {
        return inputs.status.notes.clone();
    }
    let Ok(mut balancer) = serde_json::from_value::<Slb>(spec.clone()) else {
        return inputs.status.notes.clone();
    };
    let ports = balancer.listeners.iter().map(|listener| listener.target_port).collect();
    let (backends, notes) = effective::live(&inputs.key().component, endpoints, &ports);
    balancer.backends = Some(backends);
    *spec = serde_json::to_value(balancer).expect("a spec is JSON");
    notes
}

/// What becomes of a resource that goes: by its Environment if that is there, else by what was remembered, else the
/// safest there is.
pub(super) fn deletion_of(
    inputs: Result<&Inputs, Kind>,
    cluster: &str,
    known: Option<&Deletion>,
) -> (DeletionPlan, &'static str) {
    let fallback = |kind: Kind| DeletionPlan {
        policy: if kind.bears_data() {
            DeletionPolicy::Retain
        } else {
            DeletionPolicy::Delete
        },
        after: mooring_provider::Span::new(std::time::Duration::from_secs(7 * 86_400)),
        final_backup: true,
    };
    let kind = match inputs {
        Ok(inputs) => inputs.kind,
        Err(kind) => kind,
    };
    let now = inputs.ok().and_then(|inputs| {
        let (_, environment) = inputs.environment.as_ref().ok()?;
        let config = inputs
            .status
            .provider
            .as_ref()
            .and_then(|name| inputs.providers.get(name));
        let region = config.and_then(|config| config.region());
        let settings = effective::settings(&environment.spec, region.as_deref(), cluster).ok()?;
        let properties = &inputs.declaration.properties;
        let read = |name: &str| properties.get(name).cloned();
        let wanted = read("deletionPolicy").and_then(|value| serde_json::from_value(value).ok());
        let scheme = read("scheme").and_then(|value| serde_json::from_value(value).ok());
        let class = environment.spec.class;
        let existing = properties.contains_key("existing");
        effective::deletion(class, &settings, kind, scheme, existing, wanted)
            // A policy that is too lenient does not count; the environment's own does.
            .or_else(|_| effective::deletion(class, &settings, kind, scheme, existing, None))
            .ok()
    });
    match (now, known) {
        // Whichever is stricter: a policy that the environment enforces is known from when it was resolved.
        (Some(plan), known) => {
            let stricter = known.map_or(plan, |known| DeletionPlan {
                policy: known.policy.map_or(plan.policy, |policy| policy.max(plan.policy)),
                after: known.after.map_or(plan.after, |after| after.max(plan.after)),
                final_backup: known.final_backup.unwrap_or_default() || plan.final_backup,
            });
            (stricter, "its Environment")
        }
        (None, Some(known)) => {
            let safe = fallback(kind);
            let plan = DeletionPlan {
                policy: known.policy.unwrap_or(safe.policy),
                after: known.after.unwrap_or(safe.after),
                final_backup: known.final_backup.unwrap_or(safe.final_backup),
            };
            (plan, "what its Environment said last")
        }
        (None, None) => (fallback(kind), "no Environment is known of it"),
    }
}
