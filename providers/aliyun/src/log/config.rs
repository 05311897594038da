//! What an SRE says about logs.

use mooring_provider::{
    Error, ErrorKind, Result, Span,
    spec::{Common, Log, Source},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::marks;

const OPERATION: &str = "log.validate";
const DAY: u64 = 86_400;

/// How lines are collected: `log` of the provider's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogConfig {
    /// The user-defined id of the machines on which the cluster's Logtail runs: `k8s-group-CLUSTER`. Without it, no
    /// lines of pods can be collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_group: Option<String>,
    /// The host that Logtail sends to; the region's own within its networks without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect_endpoint: Option<String>,
    /// How many shards a new store has; it splits them by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u8>,
}

/// `options.aliyun` of a log store.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// Who tells Logtail which lines are meant.
    collect: Collecting,
}

/// Who tells Logtail which lines are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Collecting {
    /// Configurations in the project, which we make: the pods stay as they are.
    #[default]
    Configuration,
    /// Variables of the pods themselves, `aliyun_logs_…`, which the trait's `env` gives them.
    Environment,
}

impl Collecting {
    pub(super) fn of(common: &Common) -> Result<Self> {
        serde_json::from_value::<Options>(serde_json::Value::Object(common.options.clone()))
            .map(|options| options.collect)
            .map_err(|error| Error::new(ErrorKind::InvalidSpec, OPERATION, format!("options.aliyun: {error}")))
    }
}

pub(super) fn notes(spec: &Log) -> Vec<String> {
    if !matches!(Collecting::of(&spec.common), Ok(Collecting::Environment)) {
        return Vec::new();
    }
    let of = |(n, source): (usize, &Source)| {
        let what = match source {
            Source::Stdout => "stdout".to_owned(),
            Source::File(path) => path.clone(),
        };
        let name = format!(
            "aliyun_logs_{}",
            if n == 0 {
                "app".to_owned()
            } else {
                format!("app{}", n + 1)
            }
        );
        format!("{name}: {what}, {name}_project: \"{{project}}\", {name}_logstore: \"{{store}}\"")
    };
    let env: Vec<_> = spec.sources.iter().enumerate().map(of).collect();
    vec![format!(
        "sources: the pods' own variables tell Logtail what to collect; the trait has to give them, and they restart \
         the pods: env: {{{}}}",
        env.join(", ")
    )]
}

/// The days that lines are kept for.
pub(super) fn days(retention: Span) -> u64 {
    retention.get().as_secs().div_ceil(DAY)
}

pub(super) fn check(config: &LogConfig, spec: &Log) -> Result<()> {
    let error = |kind, message: String| Err(Error::new(kind, OPERATION, message));
    let collecting = Collecting::of(&spec.common)?;
    marks::check(OPERATION, &spec.common)?;
    if !(1..=3650).contains(&days(spec.retention)) {
        let message = format!("retention: `{}` is out of range; use 1d to 3650d", spec.retention);
        return error(ErrorKind::InvalidSpec, message);
    }
    if spec.push {
        let message = "push: the log service knows no credentials of one store, and those of this provider are not \
                       given away; leave it out and let lines be collected, or give the application a role of its own";
        return error(ErrorKind::Unsupported, message.into());
    }
    if spec.sources.is_empty() {
        return error(
            ErrorKind::InvalidSpec,
            "sources is empty; name one such as stdout".into(),
        );
    }
    for source in &spec.sources {
        if let Source::File(path) = source
            && (path.ends_with('/') || path.split('/').any(|part| part == ".."))
        {
            let message = format!("sources: `{source}` names no file; write its whole path, without `..`");
            return error(ErrorKind::InvalidSpec, message);
        }
    }
    if config.machine_group.is_none() && collecting == Collecting::Configuration {
        let message = "sources: lines of pods are collected by the cluster's Logtail, and the ProviderConfig does not say \
                       which machines it runs on; an SRE has to set `log.machineGroup` in it (k8s-group-CLUSTER)";
        return error(ErrorKind::Unsupported, message.into());
    }
    Ok(())
}
