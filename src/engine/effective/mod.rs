//! From what is declared and what the environment says to what a provider is asked for. No I/O.
//!
//! Built-in < `Environment.defaults` < trait < the trait's `overrides` < `Environment.enforce`; the environment's own
//! overrides by region and cluster are applied first. Every value in effect is shown with its origin.

mod admit;
mod backends;
mod deletion;
mod environment;
mod kinds;
mod layers;
mod networks;

use std::collections::BTreeMap;

use mooring_provider::{
    ExternalId, Key, Kind,
    spec::{Network, Selector, Subnet},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use super::{
    declare::{Consumption, Declaration, sense},
    problem::{Problem, reason},
};
use crate::api::{
    Declares, EffectiveValue, EnvironmentSpec, Origin, PROVIDERS, Settings,
    properties::{Existing, Override, Share, When},
};

pub use admit::{Usage, admit, admit_existing, within_limits};
pub use backends::{Endpoints, live};
pub use deletion::{DeletionPlan, can_be_kept, deletion};
pub use environment::{Server, check_environment, choose_environment, routed, server, settings};
pub use layers::Layers;

/// Where a resource is resolved, and what is known of its surroundings.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The name of the Environment.
    pub environment: &'a str,
    /// What it says.
    pub spec: &'a EnvironmentSpec,
    /// The type of provider that serves the kind: `mock`.
    pub provider: &'a str,
    /// The provider's region, where it has any.
    pub region: Option<&'a str>,
    /// The name of the cluster.
    pub cluster: &'a str,
    /// What comes before this resource: [`declare::after`](super::declare::after).
    pub after: &'a [Key],
    /// What the resources that are ready give. One that is done without (no provider serves it) is here too.
    pub outputs: &'a BTreeMap<Key, Output>,
    /// The pods of the component.
    pub selector: Selector,
    /// Where the component can be reached in its cluster; `None` where there is none.
    pub endpoints: Option<&'a Endpoints>,
}

/// What a resource gives to those that come after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its kind.
    pub kind: Kind,
    /// What the provider calls it; `None` if it is done without here.
    pub external_id: Option<ExternalId>,
    /// The network, if it is a dedicated one.
    pub network: Option<Network>,
}

impl Output {
    /// The output of a resource that is ready. `entry` looks up an entry of its binding; only a dedicated network's
    /// are looked at.
    pub fn of(effective: &Effective, external_id: ExternalId, entry: impl Fn(&str) -> Option<String>) -> Self {
        let dedicated = effective.kind == Kind::Vpc && effective.spec["shared"].is_null();
        let network = dedicated.then(|| Network {
            id: Some(external_id.to_string()),
            subnets: entry("subnet-ids")
                .iter()
                .flat_map(|ids| ids.split(','))
                .filter(|id| !id.is_empty())
                .map(|id| Subnet {
                    zone: None,
                    id: id.trim().to_owned(),
                })
                .collect(),
            security_group: entry("security-group-id"),
        });
        Self {
            kind: effective.kind,
            external_id: Some(external_id),
            network,
        }
    }
}

/// Why there is no effective declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// Something is wrong; only a change of the declaration or the environment helps.
    Invalid(Vec<Problem>),
    /// These must be ready first.
    Awaits(Vec<Key>),
}

impl From<Problem> for Unresolved {
    fn from(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }
}

/// A resource with every value resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// Its kind.
    pub kind: Kind,
    /// What the adapter is asked for: one of [`mooring_provider::spec`].
    pub spec: Json,
    /// Each value in effect, and where it comes from.
    pub values: Vec<EffectiveValue>,
    /// Options for other types of provider.
    pub not_applied: Vec<String>,
    /// What there is to know of it beside: a balancer that has nothing to send requests to.
    pub notes: Vec<String>,
    /// What becomes of it when its declaration goes.
    pub deletion: DeletionPlan,
    /// It exists already and is not ours.
    pub existing: Option<Existing>,
    /// How the component uses it.
    pub consumption: Consumption,
    /// Who else may bind to it.
    pub share_with: Vec<Share>,
    /// The storage it counts with.
    pub storage: Option<mooring_provider::Bytes>,
}

/// Resolves a resource. Answers every problem there is, each naming the component, the trait, the field and the fix.
///
/// # Panics
/// If the declaration is a bind, which has no resource of its own.
pub fn resolve(declaration: &Declaration, context: &Context<'_>) -> Result<Effective, Unresolved> {
    let kind = declaration.declares.kind().expect("a bind has no resource to resolve");
    let key = &declaration.key;
    try_resolve(declaration, kind, context).map_err(|unresolved| match unresolved {
        Unresolved::Invalid(problems) => {
            let within = |problem: Problem| match problem.reason {
                reason::INVALID_ENVIRONMENT => problem,
                _ => problem.within(&key.component, &key.name),
            };
            Unresolved::Invalid(problems.into_iter().map(within).collect())
        }
        awaits => awaits,
    })
}

fn try_resolve(declaration: &Declaration, kind: Kind, context: &Context<'_>) -> Result<Effective, Unresolved> {
    let problems = declaration.check();
    if !problems.is_empty() {
        return Err(Unresolved::Invalid(problems));
    }
    let awaited = || context.after.iter().filter(|key| !context.outputs.contains_key(key));
    let settings = settings(context.spec, context.region, context.cluster)?;
    let layers = layered(declaration, kind, context, &settings)?;
    let merged = layers.merged();
    // What is right by itself may be wrong with what the environment says beside it.
    let problems = sense::check(declaration.declares, merged);
    if !problems.is_empty() {
        return Err(Unresolved::Invalid(problems));
    }

    if awaited().next().is_some() {
        return Err(Unresolved::Awaits(awaited().cloned().collect()));
    }
    let existing: Option<Existing> = read(merged, "existing")?;
    let scheme = if kind == Kind::Slb {
        read(merged, "scheme")?
    } else {
        None
    };
    let wanted = read(merged, "deletionPolicy")?;
    let deletion = deletion(context.spec.class, &settings, kind, scheme, existing.is_some(), wanted)?;
    let built = kinds::Builder {
        declaration,
        context,
        settings: &settings,
        layers: &layers,
        deletion,
    }
    .build(kind)?;
    let mut values = layers.values(is_not_shown);
    values.extend(built.values);
    Ok(Effective {
        kind,
        values,
        not_applied: not_applied(merged, context)
            .into_iter()
            .chain(built.not_applied)
            .collect(),
        notes: built.notes,
        deletion,
        existing,
        consumption: Consumption::of(declaration.declares, Some(kind), &declaration.key.name, merged),
        share_with: read(merged, "shareWith")?.unwrap_or_default(),
        storage: (kind == Kind::Rds)
            .then(|| read(merged, "storage"))
            .transpose()?
            .flatten(),
        spec: built.spec,
    })
}

/// Members that are about the trait, not about the resource. A size's class and a substituted engine are shown by
/// the kind.
fn is_not_shown(field: &str) -> bool {
    let first = field.split('.').next().unwrap_or(field);
    [
        "as",
        "env",
        "containers",
        "secretName",
        "inject",
        "overrides",
        "shareWith",
        "options",
        "existing",
    ]
    .contains(&first)
}

/// Lays the layers over each other.
fn layered(
    declaration: &Declaration,
    kind: Kind,
    context: &Context<'_>,
    settings: &Settings,
) -> Result<Layers, Unresolved> {
    let mut layers = Layers::default();
    layers.lay(Origin::BuiltIn, &built_in(kind, &declaration.key));
    lay_environment(&mut layers, Origin::EnvironmentDefault, settings, kind)?;
    layers.lay(Origin::Trait, &declaration.properties);
    let overrides: Vec<Override> = read(&declaration.properties, "overrides")?.unwrap_or_default();
    for entry in overrides.iter().filter(|entry| matches(&entry.when, context)) {
        layers.lay(Origin::Override, &entry.properties.0);
    }
    lay_environment(&mut layers, Origin::Enforced, settings, kind)?;
    Ok(layers)
}

fn lay_environment(layers: &mut Layers, origin: Origin, settings: &Settings, kind: Kind) -> Result<(), Unresolved> {
    let from = if origin == Origin::Enforced {
        &settings.enforce
    } else {
        &settings.defaults
    };
    let Some(layer) = from.get(kind) else { return Ok(()) };
    let at = format!("{}.{kind}", environment::layer_name(origin));
    let mut problems = sense::partial(Declares::Resource(kind), &layer.0, &at);
    if problems.is_empty() {
        layers.lay(origin, &layer.0);
        return Ok(());
    }
    problems
        .iter_mut()
        .for_each(|problem| problem.reason = reason::INVALID_ENVIRONMENT);
    Err(Unresolved::Invalid(problems))
}

fn matches(when: &When, context: &Context<'_>) -> bool {
    when.environment
        .as_deref()
        .is_none_or(|wanted| wanted == context.environment)
        && when
            .region
            .as_deref()
            .is_none_or(|wanted| context.region == Some(wanted))
        && when.cluster.as_deref().is_none_or(|wanted| wanted == context.cluster)
}

/// What holds where nobody said anything.
fn built_in(kind: Kind, key: &Key) -> Map<String, Json> {
    let properties = match kind {
        Kind::Rds => json!({
            "size": "small", "storage": "20Gi", "highAvailability": false, "database": database(&key.application),
            "access": "owner", "tls": "preferred",
        }),
        Kind::Slb => json!({ "scheme": "internal" }),
        Kind::Vpc => json!({ "network": "shared", "egress": "none" }),
        Kind::Log => json!({ "retention": "30d", "sources": ["stdout"], "format": "text", "push": false }),
        _ => json!({}),
    };
    properties.as_object().cloned().unwrap_or_default()
}

/// An application's name as the name of a database: what every engine takes without quotes.
fn database(application: &str) -> String {
    let name: String = application
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let name = if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name
    } else {
        format!("db_{name}")
    };
    name.chars().take(32).collect()
}

/// Options for other types of provider than this one.
fn not_applied(merged: &Map<String, Json>, context: &Context<'_>) -> Vec<String> {
    let options = merged.get("options").and_then(Json::as_object);
    PROVIDERS
        .into_iter()
        .filter(|name| *name != context.provider && options.is_some_and(|options| options.contains_key(*name)))
        .map(|name| {
            format!(
                "options.{name}: environment `{}` is served by {}",
                context.environment, context.provider
            )
        })
        .collect()
}

/// Reads one member. The schema was checked before, so that this fails only where the schema says less than the type.
fn read<T: DeserializeOwned>(properties: &Map<String, Json>, name: &str) -> Result<Option<T>, Problem> {
    let Some(value) = properties.get(name) else {
        return Ok(None);
    };
    serde_json::from_value(value.clone()).map(Some).map_err(|error| {
        Problem::new(reason::INVALID_SPEC, error.to_string())
            .field(name)
            .value(layers::shown(value))
    })
}

#[cfg(test)]
mod tests;
