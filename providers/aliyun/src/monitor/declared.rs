//! What is declared: the rules of a set, and what is refused.

use std::collections::BTreeSet;

use mooring_provider::{
    Claim, Error, ErrorKind, Result, Span,
    spec::{self, Common},
};
use serde::Deserialize;

use super::{
    MOST,
    rule::{Rule, labels},
};
use crate::marks::{self, Tags};

/// `options.aliyun` of the trait.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Options {
    /// How long an alarm that goes on ringing is silent after it was told; a day without it.
    silence: Option<Span>,
}

impl Options {
    fn read(common: &Common) -> Result<Self> {
        let options = serde_json::Value::Object(common.options.clone());
        let read = Self::deserialize(options).map_err(|error| refused(format!("options: {error}")))?;
        match read.silence {
            Some(silence) if !(300..=86_400).contains(&silence.get().as_secs()) => Err(refused(format!(
                "options.silence: `{silence}` is out of range; use 5m to 1d"
            ))),
            _ => Ok(read),
        }
    }

    fn seconds(&self) -> u64 {
        self.silence.map_or(86_400, |silence| silence.get().as_secs())
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidSpec, "monitor.validate", format!("monitor {message}"))
}

/// The rules that are declared.
pub(super) fn rules(spec: &spec::Monitor, set: &str) -> Result<Vec<Rule>> {
    let silence = Options::read(&spec.common)?.seconds();
    let rule = |alarm| {
        Rule::of(alarm, set, silence).map_err(|why| {
            let message = format!("monitor alarms.{}: {why}", alarm.name);
            Error::new(ErrorKind::Unsupported, "monitor.validate", message)
        })
    };
    spec.alarms.iter().map(rule).collect()
}

/// The labels of a set's rules: its owner's, and the declared tags, so that who is woken sees them.
pub(super) fn labels_of(claim: &Claim, common: &Common) -> Tags {
    labels(&marks::all(&claim.owner, common, []))
}

/// Checks a spec.
pub(super) fn check(spec: &spec::Monitor) -> Result<()> {
    marks::check("monitor.validate", &spec.common)?;
    rules(spec, "")?;
    if spec.alarms.is_empty() || spec.alarms.len() > MOST {
        return Err(refused(format!(
            "alarms: there are {}; write 1 to {MOST}",
            spec.alarms.len()
        )));
    }
    let mut names = BTreeSet::new();
    for alarm in &spec.alarms {
        let (name, value) = (&alarm.name, alarm.threshold.value);
        let fix = match () {
            () if !names.insert(name) => format!("alarms.name: `{name}` is used twice; rename one"),
            () if alarm.notify.is_empty() || alarm.notify.iter().any(|group| group.trim().is_empty()) => format!(
                "alarms.{name}.notify: Cloud Monitor needs a group of contacts; name one, or have the environment \
                 set `notify: {{default: {{contactGroup: NAME}}}}`"
            ),
            () if !value.is_finite() || value < 0.0 || (alarm.threshold.percent && value > 100.0) => {
                format!("alarms.{name}.threshold: `{value}` is out of range; use 0 or more, up to 100 for percent")
            }
            () if !(60..=86_400).contains(&alarm.lasting.get().as_secs()) => {
                format!("alarms.{name}.for: `{}` is out of range; use 1m to 1d", alarm.lasting)
            }
            () => continue,
        };
        return Err(refused(fix));
    }
    Ok(())
}
