//! How a component uses what its trait declares: by which Secret and which environment variables.

use std::collections::BTreeMap;

use mooring_provider::{Access, Kind};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::{
    api::{Declares, properties::Consume},
    engine::binding,
};

/// How a component uses a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumption {
    /// The prefix of the environment variables; `None` if there are none but the templates'.
    pub prefix: Option<String>,
    /// Further environment variables, made of the binding's entries.
    pub templates: BTreeMap<String, String>,
    /// The containers; empty for the one named like the component.
    pub containers: Vec<String>,
    /// The name of the Secret, if it is not the default one.
    pub secret_name: Option<String>,
    /// Whether the workload gets the environment variables.
    pub inject: bool,
    /// What the component may do, where the resource has accounts.
    pub access: Access,
}

impl Consumption {
    /// The use that properties describe. `kind` is the kind of what is used: the resource's own, or the target's.
    pub fn of(declares: Declares, kind: Option<Kind>, name: &str, properties: &Map<String, Json>) -> Self {
        let consume: Consume = serde_json::from_value(Json::Object(properties.clone())).unwrap_or_default();
        let shown = match (declares, kind) {
            (Declares::Bind, _) | (_, Some(Kind::Rds)) => true,
            (_, Some(Kind::Log)) => read(properties, "push").unwrap_or(false),
            _ => false,
        };
        let default_access = if declares == Declares::Bind {
            Access::ReadOnly
        } else {
            Access::Owner
        };
        Self {
            prefix: consume
                .prefix
                .clone()
                .or_else(|| shown.then(|| name.replace('-', "_").to_ascii_uppercase())),
            inject: consume
                .inject
                .unwrap_or(shown || consume.prefix.is_some() || !consume.env.is_empty()),
            templates: consume.env,
            containers: consume.containers,
            secret_name: consume.secret_name,
            access: read(properties, "access").unwrap_or(default_access),
        }
    }

    /// The environment variables the workload gets: each with the Secret's key it shows.
    pub fn env_names(&self, kind: Kind) -> BTreeMap<String, String> {
        if !self.inject {
            return BTreeMap::new();
        }
        binding::env_names(kind, self.prefix.as_deref(), &self.templates)
    }
}

fn read<T: DeserializeOwned>(properties: &Map<String, Json>, name: &str) -> Option<T> {
    serde_json::from_value(properties.get(name)?.clone()).ok()
}
