//! Log stores.

use std::time::Duration;

use mooring_provider::{
    Bindings, Change, Claim, Drift, Kind, Result, Value,
    spec::{self, Common, Source},
};
use secrecy::SecretString;

use crate::{
    config::MockConfig,
    resource::{Resource, Settings, digest},
    shape::Shape,
    validate::Check,
};

#[derive(Debug)]
pub(crate) struct Log;

const DAY: Duration = Duration::from_secs(86_400);

impl Shape for Log {
    type Spec = spec::Log;
    const KIND: Kind = Kind::Log;
    const UNIQUE_NAMES: bool = true;
    const PARKS: bool = true;

    super::settings!(Log);

    fn common(spec: &spec::Log) -> &Common {
        &spec.common
    }

    fn check(spec: &spec::Log, check: &Check) -> Result<()> {
        let fits = (DAY..=3_650 * DAY).contains(&spec.retention.get());
        check.require(fits, "retention", spec.retention, "is out of range; use 1d to 3650d")?;
        check.require(
            spec.push || !spec.sources.is_empty(),
            "sources",
            "[]",
            "is empty and nothing is pushed; name one such as stdout, or set push",
        )?;
        for source in &spec.sources {
            let parent = matches!(source, Source::File(path) if path.split('/').any(|part| part == ".."));
            check.require(!parent, "sources", source, "leads upwards; write the path without `..`")?;
        }
        Ok(())
    }

    fn begin(spec: &spec::Log, _: &Claim, _: u64) -> (Settings, String) {
        (Settings::Log(spec.clone()), "log.mock.invalid".into())
    }

    fn differences(spec: &spec::Log, is: &spec::Log, _: &Resource, drift: &mut Drift) {
        drift.compare(
            "retention",
            Change::Enforced,
            &spec.retention.to_string(),
            &is.retention.to_string(),
        );
        drift.compare("sources", Change::Enforced, &spec.sources, &is.sources);
        drift.compare("format", Change::Enforced, &spec.format, &is.format);
        drift.compare("push", Change::Enforced, &spec.push, &is.push);
        drift.compare("selector", Change::Enforced, &spec.selector, &is.selector);
    }

    fn close(field: &str, spec: &spec::Log, settings: &mut Settings, _: &MockConfig) -> Duration {
        let Settings::Log(is) = settings else {
            return Duration::ZERO;
        };
        match field {
            "retention" => is.retention = spec.retention,
            "sources" => is.sources.clone_from(&spec.sources),
            "format" => is.format = spec.format,
            "push" => is.push = spec.push,
            "selector" => is.selector.clone_from(&spec.selector),
            _ => {}
        }
        Duration::ZERO
    }

    fn bindings(is: &spec::Log, resource: &Resource) -> Bindings {
        let mut bindings = Bindings::from([
            ("endpoint".into(), format!("https://{}", resource.host).into()),
            ("project".into(), "mock".into()),
            ("store".into(), resource.name.as_str().into()),
        ]);
        if is.push {
            let secret = digest(&["push", resource.id.as_str()]);
            bindings.insert("username".into(), resource.name.as_str().into());
            bindings.insert("password".into(), Value::Secret(SecretString::from(secret)));
        }
        bindings
    }

    fn shut(settings: &mut Settings) {
        if let Settings::Log(is) = settings {
            (is.push, is.sources) = (false, Vec::new());
        }
    }
}
