//! One alarm as a rule of Cloud Monitor.

use mooring_provider::{
    Kind,
    spec::{Alarm, Metric, Severity, Target},
};
use serde::Serialize;

use crate::marks::Tags;

/// A rule, as far as it is declared. Whether it is switched on is not part of it: who mutes an alarm at night has
/// his reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) metric: String,
    pub(super) resource: String,
    pub(super) contacts: Vec<String>,
    pub(super) level: Level,
    pub(super) statistics: String,
    pub(super) above: bool,
    pub(super) threshold: f64,
    pub(super) period: u64,
    pub(super) times: u64,
    pub(super) silence: u64,
}

/// How bad it is, as the API calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Level {
    Critical,
    Warn,
    Info,
}

impl Level {
    pub(super) const ALL: [Self; 3] = [Self::Critical, Self::Warn, Self::Info];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::Warn => "Warn",
            Self::Info => "Info",
        }
    }
}

/// The figure of a product that a portable metric stands for.
struct Figure {
    namespace: &'static str,
    metric: &'static str,
    /// It is in percent.
    percent: bool,
}

/// What is compared with the threshold.
pub(super) const ABOVE: &str = "GreaterThanThreshold";
pub(super) const BELOW: &str = "LessThanThreshold";
const STATISTICS: &str = "Average";

/// The longest time that is watched minute by minute; a longer one is watched in steps of five minutes.
const BY_MINUTES: u64 = 3600;

impl Rule {
    /// The rule of an alarm, or why there is none.
    pub(super) fn of(alarm: &Alarm, set: &str, silence: u64) -> Result<Self, String> {
        let Target::Resource { kind, id } = &alarm.target else {
            return Err(format!(
                "`{}` on the component's own pods is not known to Cloud Monitor; leave it to a provider that sees pods",
                alarm.metric.as_str()
            ));
        };
        let figure = figure(*kind, id.as_str(), alarm)?;
        let seconds = alarm.lasting.get().as_secs();
        let period = if seconds <= BY_MINUTES { 60 } else { 300 };
        Ok(Self {
            name: format!("{set}/{}", alarm.name),
            namespace: figure.namespace.into(),
            metric: figure.metric.into(),
            resource: id.to_string(),
            contacts: alarm.notify.clone(),
            level: match alarm.severity {
                Severity::Critical => Level::Critical,
                Severity::Warning => Level::Warn,
                Severity::Info => Level::Info,
            },
            statistics: STATISTICS.into(),
            above: alarm.threshold.above,
            threshold: alarm.threshold.value,
            period,
            times: seconds.div_ceil(period).max(1),
            silence,
        })
    }
}

fn figure(kind: Kind, id: &str, alarm: &Alarm) -> Result<Figure, String> {
    let nlb = id.starts_with("nlb-");
    let percent = alarm.threshold.percent;
    let (namespace, metric, in_percent) = match (kind, alarm.metric) {
        (Kind::Rds, Metric::Connections) => ("acs_rds_dashboard", "ConnectionUsage", true),
        (Kind::Rds, Metric::Storage) => ("acs_rds_dashboard", "DiskUsage", true),
        (Kind::Rds, Metric::Cpu) => ("acs_rds_dashboard", "CpuUsage", true),
        (Kind::Slb, Metric::ServerErrors) if nlb => {
            return Err("`5xx` is not known of a network load balancer, which sees no HTTP; remove it".into());
        }
        (Kind::Slb, Metric::Connections) if nlb && percent => {
            return Err("`connections` of a network load balancer has no maximum; write a number, no percent".into());
        }
        (Kind::Slb, Metric::Connections) if nlb => ("acs_nlb", "InstanceActiveConnection", false),
        (Kind::Slb, Metric::UnhealthyBackends) if nlb => ("acs_nlb", "ListenerUnhealthyServerCount", false),
        (Kind::Slb, Metric::Connections) if percent => ("acs_slb_dashboard", "InstanceMaxConnectionUtilization", true),
        (Kind::Slb, Metric::Connections) => ("acs_slb_dashboard", "InstanceActiveConnection", false),
        (Kind::Slb, Metric::UnhealthyBackends) => ("acs_slb_dashboard", "UnhealthyServerCount", false),
        (Kind::Slb, Metric::ServerErrors) => ("acs_slb_dashboard", "InstanceStatusCode5xx", false),
        (kind, metric) => {
            return Err(format!(
                "`{}` cannot be watched on `{kind}`; choose another",
                metric.as_str()
            ));
        }
    };
    let figure = Figure {
        namespace,
        metric,
        percent: in_percent,
    };
    match (figure.percent, percent) {
        (true, false) => Err(format!(
            "`{}` is measured in percent here; write the threshold as such as 80%",
            alarm.metric.as_str()
        )),
        (false, true) => Err(format!(
            "`{}` is not measured in percent here; write the threshold as a number",
            alarm.metric.as_str()
        )),
        _ => Ok(figure),
    }
}

/// The names of labels, which are those of Prometheus: letters, digits and `_`.
pub(super) fn label(tag: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = tag.chars().map(fits).collect();
    match name.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("_{name}"),
        false => name,
    }
}

/// The labels of these tags.
pub(super) fn labels(tags: &Tags) -> Tags {
    tags.iter().map(|(name, value)| (label(name), value.clone())).collect()
}

/// What all labels of ours begin with.
pub(super) const OURS: &str = "mooring_dev_";

/// The tags of ours that stand in labels.
pub(super) fn tags(labels: &Tags) -> Tags {
    let ours = |(name, value): (&String, &String)| {
        let rest = name.strip_prefix(OURS)?.replace('_', "-");
        Some((format!("mooring.dev/{rest}"), value.clone()))
    };
    labels.iter().filter_map(ours).collect()
}
