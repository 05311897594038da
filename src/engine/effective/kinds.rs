//! What a provider is asked for, kind by kind.

use std::collections::BTreeSet;

use mooring_provider::{
    Bytes, Kind, Span,
    spec::{self, Common, Engine, Scheme, Severity, Source, Threshold, Tls},
};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::{Context, DeletionPlan, Layers, Output, Unresolved, backends, networks, read};
use crate::{
    api::{
        EffectiveValue, Origin, PerProvider, Settings,
        properties::{Alarm, Backup, DeletionPolicy, Listener, Scrape},
    },
    engine::{
        declare::{Declaration, Target, alarm_target},
        problem::{Problem, did_you_mean, listed, reason},
    },
};

pub(super) struct Builder<'a> {
    pub(super) declaration: &'a Declaration,
    pub(super) context: &'a Context<'a>,
    pub(super) settings: &'a Settings,
    pub(super) layers: &'a Layers,
    pub(super) deletion: DeletionPlan,
}

/// A spec, the values that came of others, and what has no effect here.
pub(super) struct Built {
    pub(super) spec: Json,
    pub(super) values: Vec<EffectiveValue>,
    pub(super) not_applied: Vec<String>,
    /// What there is to know of it beside.
    pub(super) notes: Vec<String>,
}

fn built(spec: impl Serialize, values: Vec<EffectiveValue>) -> Built {
    Built {
        spec: serde_json::to_value(spec).expect("a spec is JSON"),
        values,
        not_applied: Vec::new(),
        notes: Vec::new(),
    }
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem::new(reason::INVALID_SPEC, message).field(field)
}

impl Builder<'_> {
    pub(super) fn build(&self, kind: Kind) -> Result<Built, Unresolved> {
        match kind {
            Kind::Rds => self.rds(),
            Kind::Slb => self.slb(),
            Kind::Vpc => {
                let merged = self.layers.merged();
                let vpc = networks::vpc(self.declaration, self.context, self.settings, merged, self.common()?)?;
                Ok(built(vpc, Vec::new()))
            }
            Kind::Log => self.log(),
            Kind::Monitor => self.monitor(),
            other => Err(invalid("", format!("{other} is a kind that this version does not know")).into()),
        }
    }

    fn get<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        read(self.layers.merged(), name)
    }

    fn options(&self) -> Result<Map<String, Json>, Problem> {
        let options: PerProvider<crate::api::FreeForm> = self.get("options")?.unwrap_or_default();
        Ok(options
            .get(self.context.provider)
            .map(|options| options.0.clone())
            .unwrap_or_default())
    }

    fn common(&self) -> Result<Common, Problem> {
        let key = &self.declaration.key;
        let fill = |template: &str| {
            template
                .replace("{namespace}", &key.namespace)
                .replace("{application}", &key.application)
                .replace("{component}", &key.component)
                .replace("{name}", &key.name)
                .replace("{environment}", self.context.environment)
        };
        Ok(Common {
            tags: self
                .settings
                .tags
                .iter()
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            resource_group: self.settings.resource_group.clone(),
            options: self.options()?,
        })
    }

    fn rds(&self) -> Result<Built, Unresolved> {
        let wanted: Engine = self.get("engine")?.ok_or_else(|| invalid("engine", "is missing"))?;
        let substitutes = self.settings.engines.get(wanted.as_str());
        let engine = substitutes
            .and_then(|by| by.get(self.context.provider))
            .copied()
            .unwrap_or(wanted);
        let mut common = self.common()?;
        let (class, origin) = self.class(&mut common)?;
        let network = networks::network_of(self.declaration, self.context, self.settings)?;
        let clients = self.settings.network.as_ref().map(|network| &network.clients);
        let mut values = vec![EffectiveValue {
            field: "class".into(),
            value: class.clone(),
            origin,
        }];
        if engine != wanted {
            let (field, value) = ("engine served as".into(), engine.to_string());
            values.push(EffectiveValue {
                field,
                value,
                origin: Origin::Enforced,
            });
        }
        let spec = spec::Rds {
            engine,
            version: self.get("version")?,
            class,
            storage: self.get("storage")?.unwrap_or(Bytes::gib(20)),
            high_availability: self.get("highAvailability")?.unwrap_or_default(),
            database: self
                .get("database")?
                .unwrap_or_else(|| super::database(&self.declaration.key.application)),
            tls: self.get::<Tls>("tls")?.unwrap_or_default(),
            backup_retention: self.get::<Backup>("backup")?.and_then(|backup| backup.retention),
            deletion_protection: self.deletion.policy != DeletionPolicy::Delete,
            clients: clients.map(|clients| clients.cidrs.clone()).unwrap_or_default(),
            client_security_group: clients.and_then(|clients| clients.security_group.clone()),
            network,
            common,
        };
        Ok(built(spec, values))
    }

    /// The instance class: what `options.<provider>.class` says, else what the size means here.
    fn class(&self, common: &mut Common) -> Result<(String, Origin), Problem> {
        let provider = self.context.provider;
        if self.layers.merged().contains_key("existing") {
            return Ok(("as it is".into(), Origin::Trait));
        }
        let size: String = self.get("size")?.unwrap_or_else(|| "small".into());
        let origin = self.layers.origin("size").unwrap_or(Origin::BuiltIn);
        let field = format!("options.{provider}.class");
        match common.options.remove("class") {
            None => {}
            Some(Json::String(class)) if origin == Origin::Enforced => {
                let message = format!(
                    "Environment `{}` enforces `size: {size}`; remove it",
                    self.context.environment
                );
                return Err(Problem::new(reason::NOT_ALLOWED, message).field(field).value(class));
            }
            Some(Json::String(class)) => return Ok((class, self.layers.origin(&field).unwrap_or(Origin::Trait))),
            Some(other) => return Err(invalid(field, "must be a text").value(other)),
        }
        let table = &self.settings.sizes.rds;
        let meant = table.get(&size).and_then(|by| by.get(provider).cloned());
        if let Some(class) = meant.or_else(|| mock_class(provider, &size)) {
            return Ok((class, origin));
        }
        if WITHOUT_CLASSES.contains(&provider) && table.values().all(|by| by.get(provider).is_none()) {
            return Ok((String::new(), origin));
        }
        let sizes: BTreeSet<&str> = table
            .iter()
            .filter(|(_, by)| by.get(provider).is_some())
            .map(|(size, _)| size.as_str())
            .chain(MOCK_SIZES.into_iter().filter(|_| provider == "mock"))
            .collect();
        let message = if sizes.is_empty() {
            format!(
                "no size has a class for {provider}; an SRE may set `sizes.rds.{size}.{provider}` in the Environment"
            )
        } else {
            let hint = did_you_mean(&size, sizes.iter().copied());
            format!(
                "Environment `{}` has the sizes {}{hint}",
                self.context.environment,
                listed(sizes)
            )
        };
        Err(invalid("size", message).value(size))
    }

    fn slb(&self) -> Result<Built, Unresolved> {
        let listeners: Vec<Listener> = self.get("listeners")?.unwrap_or_default();
        let listeners: Vec<_> = listeners
            .into_iter()
            .map(|listener| spec::Listener {
                port: listener.port,
                protocol: listener.protocol.unwrap_or(spec::Protocol::Tcp),
                target_port: listener.target_port.unwrap_or(listener.port),
                certificate: listener.certificate,
                health_check_path: listener.health_check.map(|check| check.path),
            })
            .collect();
        let backed = backends::of(
            &self.declaration.key.component,
            self.settings.backends(),
            self.context.endpoints,
            &self.get::<Vec<String>>("targets")?.unwrap_or_default(),
            &listeners,
        );
        let spec = spec::Slb {
            scheme: self.get::<Scheme>("scheme")?.unwrap_or_default(),
            listeners,
            allow_from: self.get("allowFrom")?.unwrap_or_default(),
            backends: backed.backends,
            network: networks::network_of(self.declaration, self.context, self.settings)?,
            common: self.common()?,
        };
        Ok(Built {
            not_applied: backed.not_applied,
            notes: backed.notes,
            ..built(spec, Vec::new())
        })
    }

    fn log(&self) -> Result<Built, Unresolved> {
        let spec = spec::Log {
            retention: self
                .get::<Span>("retention")?
                .ok_or_else(|| invalid("retention", "is missing"))?,
            sources: self.get("sources")?.unwrap_or_else(|| vec![Source::Stdout]),
            format: self.get("format")?.unwrap_or_default(),
            push: self.get("push")?.unwrap_or_default(),
            selector: self.context.selector.clone(),
            common: self.common()?,
        };
        Ok(built(spec, Vec::new()))
    }

    fn monitor(&self) -> Result<Built, Unresolved> {
        let declared: Vec<Alarm> = self.get("alarms")?.unwrap_or_default();
        let (mut alarms, mut problems, mut not_applied) = (Vec::new(), Vec::new(), Vec::new());
        let mut names = BTreeSet::new();
        for (index, alarm) in declared.into_iter().enumerate() {
            match self.alarm(index, alarm) {
                Ok(Some(alarm)) if !names.insert(alarm.name.clone()) => {
                    let message = "two alarms have this name; give one of them another `name`";
                    problems.push(invalid(format!("alarms[{index}].name"), message).value(alarm.name));
                }
                Ok(Some(alarm)) => alarms.push(alarm),
                Ok(None) => not_applied.push(format!(
                    "alarms[{index}]: what it watches is done without in environment `{}`",
                    self.context.environment
                )),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(Unresolved::Invalid(problems));
        }
        let scrape: Option<Scrape> = self.get("scrape")?;
        let spec = spec::Monitor {
            alarms,
            scrape: scrape.map(|scrape| spec::Scrape {
                port: scrape.port,
                path: scrape.path.unwrap_or_else(|| "/metrics".into()),
            }),
            selector: self.context.selector.clone(),
            common: self.common()?,
        };
        Ok(Built {
            not_applied,
            ..built(spec, Vec::new())
        })
    }

    /// One alarm; `None` if what it watches is done without here.
    fn alarm(&self, index: usize, alarm: Alarm) -> Result<Option<spec::Alarm>, Problem> {
        let at = |field: &str| format!("alarms[{index}].{field}");
        let (level, above) = match (alarm.above, alarm.below) {
            (Some(level), _) => (level, true),
            (None, Some(level)) => (level, false),
            (None, None) => return Err(invalid(at("above"), "is missing")),
        };
        let target = match alarm_target(&self.declaration.key, &alarm.of) {
            Target::Own(key) => match self.context.outputs.get(&key) {
                None => {
                    let message = format!("the application has no `{}/{}`", key.component, key.name);
                    let problem = Problem::new(reason::TARGET_NOT_FOUND, message);
                    return Err(problem.field(at("of")).value(&alarm.of));
                }
                Some(Output { external_id: None, .. }) => return Ok(None),
                Some(Output {
                    kind,
                    external_id: Some(id),
                    ..
                }) => spec::Target::Resource {
                    kind: *kind,
                    id: id.clone(),
                },
            },
            _ => spec::Target::Own,
        };
        let kind = match &target {
            spec::Target::Resource { kind, .. } => Some(*kind),
            spec::Target::Own => None,
        };
        if !alarm.metric.fits(kind) {
            let message = format!("`{}` has no such figure", alarm.of);
            return Err(invalid(at("metric"), message).value(alarm.metric.as_str()));
        }
        let notify = match &alarm.notify {
            None => {
                let everybody = self.settings.notify.get(NOTIFY_DEFAULT);
                everybody
                    .map(|notify| notify.contact_group.clone())
                    .into_iter()
                    .collect()
            }
            Some(name) => match self.settings.notify.get(name) {
                Some(notify) => vec![notify.contact_group.clone()],
                None => {
                    let known = || self.settings.notify.keys().map(String::as_str);
                    let message = format!(
                        "Environment `{}` knows nobody of this name; it knows: {}{}",
                        self.context.environment,
                        listed(known()),
                        did_you_mean(name, known())
                    );
                    return Err(invalid(at("notify"), message).value(name));
                }
            },
        };
        let default_name = || {
            format!(
                "{}-{}",
                alarm.of.replace('/', "-"),
                alarm.metric.as_str().to_ascii_lowercase()
            )
        };
        Ok(Some(spec::Alarm {
            name: alarm.name.clone().unwrap_or_else(default_name),
            target,
            metric: alarm.metric,
            threshold: Threshold {
                above,
                value: level.value,
                percent: level.percent,
            },
            lasting: alarm.lasting.unwrap_or(Span::new(std::time::Duration::from_secs(300))),
            severity: alarm.severity.unwrap_or(Severity::Warning),
            notify,
        }))
    }
}

/// Who is told of an alarm that names nobody.
const NOTIFY_DEFAULT: &str = "default";

/// The providers whose databases have no classes: what there is on a shared server is shared.
const WITHOUT_CLASSES: [&str; 1] = ["onprem"];

const MOCK_SIZES: [&str; 3] = ["small", "medium", "large"];

/// The mock cloud has these sizes without a table.
fn mock_class(provider: &str, size: &str) -> Option<String> {
    (provider == "mock" && MOCK_SIZES.contains(&size)).then(|| format!("mock.{size}"))
}
