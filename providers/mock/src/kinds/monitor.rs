//! Alarms.

use std::{collections::BTreeSet, time::Duration};

use mooring_provider::{
    Bindings, Change, Claim, Drift, Kind, Result,
    spec::{self, Common, Target},
};

use crate::{
    config::MockConfig,
    resource::{Resource, Settings},
    shape::Shape,
    validate::Check,
};

#[derive(Debug)]
pub(crate) struct Monitor;

impl Shape for Monitor {
    type Spec = spec::Monitor;
    const KIND: Kind = Kind::Monitor;

    super::settings!(Monitor);

    fn common(spec: &spec::Monitor) -> &Common {
        &spec.common
    }

    fn check(spec: &spec::Monitor, check: &Check) -> Result<()> {
        let mut names = BTreeSet::new();
        for alarm in &spec.alarms {
            check.require(
                names.insert(&alarm.name),
                "alarms.name",
                &alarm.name,
                "is used twice; rename one",
            )?;
            let kind = match &alarm.target {
                Target::Own => None,
                Target::Resource { kind, .. } => Some(*kind),
            };
            let of = kind.map_or("self", Kind::as_str);
            let fix = format!("cannot be watched on `{of}`; choose another metric or target");
            check.require(alarm.metric.fits(kind), "alarms.metric", alarm.metric.as_str(), &fix)?;
            let value = alarm.threshold.value;
            let fits = value.is_finite() && value >= 0.0 && (!alarm.threshold.percent || value <= 100.0);
            check.require(
                fits,
                "alarms.threshold",
                value,
                "is out of range; use 0 or more, up to 100 for percent",
            )?;
            let lasting = (1..=86_400).contains(&alarm.lasting.get().as_secs());
            check.require(lasting, "alarms.for", alarm.lasting, "is out of range; use 1s to 1d")?;
        }
        if let Some(scrape) = &spec.scrape {
            check.require(
                scrape.port > 0,
                "scrape.port",
                scrape.port,
                "is no port; use 1 to 65535",
            )?;
            check.require(
                scrape.path.starts_with('/'),
                "scrape.path",
                &scrape.path,
                "is no path; begin it with /",
            )?;
        }
        Ok(())
    }

    fn notes(spec: &spec::Monitor) -> Vec<String> {
        let silent = "alarms: nothing is measured in the mock cloud; they never go off";
        (!spec.alarms.is_empty())
            .then(|| silent.to_owned())
            .into_iter()
            .collect()
    }

    fn begin(spec: &spec::Monitor, _: &Claim, _: u64) -> (Settings, String) {
        (Settings::Monitor(spec.clone()), String::new())
    }

    fn differences(spec: &spec::Monitor, is: &spec::Monitor, _: &Resource, drift: &mut Drift) {
        drift.compare("alarms", Change::Enforced, &spec.alarms, &is.alarms);
        drift.compare("scrape", Change::Enforced, &spec.scrape, &is.scrape);
        drift.compare("selector", Change::Enforced, &spec.selector, &is.selector);
    }

    fn close(field: &str, spec: &spec::Monitor, settings: &mut Settings, _: &MockConfig) -> Duration {
        let Settings::Monitor(is) = settings else {
            return Duration::ZERO;
        };
        match field {
            "alarms" => is.alarms.clone_from(&spec.alarms),
            "scrape" => is.scrape.clone_from(&spec.scrape),
            "selector" => is.selector.clone_from(&spec.selector),
            _ => {}
        }
        Duration::ZERO
    }

    fn bindings(_: &spec::Monitor, _: &Resource) -> Bindings {
        Bindings::new()
    }
}
