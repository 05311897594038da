//! Alarms in a Prometheus: one rule file for each resource, in a directory that the operator shares.
//!
//! A rule file is whole or not there, its expressions are read by Prometheus before it is put there, and when
//! Prometheus refuses to load it, it is taken back: Prometheus keeps its rules then, but would not start with it. What
//! there is is the files and what `/api/v1/rules` shows of them; a file that is gone and still in force is there.
//!
//! Deliberately absent: routes of Alertmanager. `notify` becomes the label `contact_group`, which the operator's
//! routes know.

mod figure;
mod files;
mod prometheus;
mod rules;

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use mooring_provider::{
    Adapter, Bindings, Capability, Change, Claim, ClusterId, Created, Credentials, Difference, Drift, Error, ErrorKind,
    ExternalId, Kind, Owned, Owner, Phase, Receipt, Result, Sighting, spec::Monitor,
};
use mooring_provider_http::HttpConfig;

pub(crate) use self::figure::is_figure;
use self::{
    figure::Figure,
    files::{RULES, State, TARGETS},
    prometheus::{Prometheus, Reload},
    rules::RuleFile,
};
use crate::{
    api::Api,
    check::{for_each, invalid, no_options, sighting, unique_name, unsupported},
    config,
    files::Directory,
};

/// Alarms in a Prometheus.
#[derive(Debug)]
pub(crate) struct MonitorAdapter {
    prometheus: Prometheus,
    rules: Directory,
    targets: Option<Directory>,
    config: config::Prometheus,
}

impl MonitorAdapter {
    pub(crate) fn new(config: &config::Prometheus, http: &HttpConfig, credentials: &Credentials) -> Result<Self> {
        let targets = config.targets_directory.as_ref();
        Ok(Self {
            prometheus: Prometheus(Api::new("monitor", &config.url, http, credentials)?),
            rules: Directory::new("monitor.rulesDirectory", &config.rules_directory),
            targets: targets.map(|path| Directory::new("monitor.targetsDirectory", path)),
            config: config.clone(),
        })
    }

    /// Puts the rules there and has them loaded; what was there before comes back when Prometheus refuses them.
    async fn install(
        &self,
        operation: &'static str,
        id: &ExternalId,
        file: &RuleFile,
        before: Option<&str>,
    ) -> Result<()> {
        let name = format!("{id}{RULES}");
        for expression in &file.expressions {
            self.prometheus.understands(operation, expression).await?;
        }
        match before {
            Some(text) if text == file.text => {}
            Some(_) => self.rules.replace(&name, &file.text).await?,
            None => {
                if !self.rules.create(&name, &file.text).await? {
                    self.is_ours(operation, id, file).await?;
                }
            }
        }
        if !self.config.reload {
            return Ok(());
        }
        let Reload::Refused(said) = self.prometheus.reload(operation).await? else {
            return self.is_in_force(operation, id, file).await;
        };
        match before.filter(|text| *text != file.text) {
            Some(text) => self.rules.replace(&name, text).await?,
            None => self.rules.remove(&name).await?,
        }
        Err(match self.prometheus.reload(operation).await? {
            Reload::Taken => {
                let message = format!("alarms: Prometheus does not take these rules and they were withdrawn: {said}");
                Error::new(ErrorKind::InvalidSpec, operation, message)
            }
            Reload::Refused(said) => {
                let message = format!(
                    "Prometheus cannot reload, and not because of these rules, which were withdrawn; its log tells \
                     which file of somebody else is bad: {said}"
                );
                Error::new(ErrorKind::Busy, operation, message)
            }
        })
    }

    /// A file of this name is there: it is this one, made by a call that was not answered, or it is somebody else's.
    async fn is_ours(&self, operation: &'static str, id: &ExternalId, file: &RuleFile) -> Result<()> {
        let there = self.rules.list(RULES).await?.remove(id.as_str());
        if there.is_none_or(|there| rules::owner(&there) == rules::owner(&file.text)) {
            return self.rules.replace(&format!("{id}{RULES}"), &file.text).await;
        }
        let message = format!("`{id}{RULES}` in the rules directory is somebody else's; it is left alone");
        Err(Error::new(ErrorKind::NotOwned, operation, message))
    }

    async fn is_in_force(&self, operation: &'static str, id: &ExternalId, file: &RuleFile) -> Result<()> {
        let Some(revision) = rules::revision(&file.text) else {
            return Ok(());
        };
        let loaded = self.prometheus.rules(operation).await?;
        if loaded.get(id.as_str()).and_then(|group| group.revision.as_deref()) == Some(revision) {
            return Ok(());
        }
        let message = format!(
            "Prometheus reloaded and does not have the rules; let its `rule_files` name the *{RULES} of the directory that is mounted here as {}",
            self.rules.path().display()
        );
        Err(Error::new(ErrorKind::Unexpected, operation, message))
    }

    /// The targets of a declaration, where it has some and there is a directory for them.
    fn wanted_targets(&self, owner: &Owner, spec: &Monitor) -> Option<String> {
        self.targets.as_ref().and_then(|_| rules::targets(owner, spec))
    }

    async fn write_targets(&self, id: &ExternalId, text: Option<&str>) -> Result<()> {
        let name = format!("{id}{TARGETS}");
        match (&self.targets, text) {
            (Some(directory), Some(text)) => directory.replace(&name, text).await,
            (Some(directory), None) => directory.remove(&name).await,
            (None, _) => Ok(()),
        }
    }

    async fn write(&self, operation: &'static str, owner: &Owner, state: &State, spec: &Monitor) -> Result<()> {
        // The rule file is what the rest is found by: it is there first, and goes last.
        let file = rules::render(state.id.as_str(), owner, spec, &self.config);
        self.install(operation, &state.id, &file, state.text.as_deref()).await?;
        let targets = self.wanted_targets(owner, spec);
        if targets != state.targets {
            self.write_targets(&state.id, targets.as_deref()).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Adapter for MonitorAdapter {
    type Spec = Monitor;
    type State = State;

    fn kind(&self) -> Kind {
        Kind::Monitor
    }

    fn capability(&self) -> Capability {
        Capability {
            poll: Duration::from_secs(60),
            poll_busy: Duration::from_secs(2),
            batch: 200,
            idempotent_create: true,
            // Each alarm's expression is read before the rules are put there.
            send_deadline: Duration::from_secs(30),
            appears_within: Duration::from_secs(1),
            ..Capability::default()
        }
    }

    fn validate(&self, spec: &Monitor) -> Result<()> {
        const OPERATION: &str = "monitor.validate";
        no_options(OPERATION, &spec.common)?;
        let mut names = BTreeSet::new();
        for alarm in &spec.alarms {
            if !names.insert(&alarm.name) || alarm.name.is_empty() {
                return Err(invalid(
                    OPERATION,
                    "alarms.name",
                    &alarm.name,
                    "is empty or used twice; rename one",
                ));
            }
            let words = alarm.notify.iter().chain([&alarm.name]);
            if let Some(text) = words.into_iter().find(|text| rules::is_template(text)) {
                return Err(invalid(
                    OPERATION,
                    "alarms",
                    text,
                    "is a template of Prometheus; leave the {{ out",
                ));
            }
            if let Some(group) = alarm
                .notify
                .iter()
                .find(|group| group.is_empty() || group.contains(','))
            {
                return Err(invalid(
                    OPERATION,
                    "alarms.notify",
                    group,
                    "is no contact group; use a name without commas",
                ));
            }
            let value = alarm.threshold.value;
            if !value.is_finite() || value < 0.0 {
                return Err(invalid(
                    OPERATION,
                    "alarms.threshold",
                    value,
                    "is out of range; use 0 or more",
                ));
            }
            let figure = Figure::of(alarm);
            if figure.meaning(&self.config.expressions).is_none() {
                let why = format!(
                    "`{}`{} cannot be had from the usual exporters: servers that applications share do not tell it \
                     for one of them; choose another figure, or say what it is in {}",
                    alarm.metric.as_str(),
                    if alarm.threshold.percent { " in percent" } else { "" },
                    figure.field()
                );
                return Err(unsupported(OPERATION, "alarms.metric", &why));
            }
        }
        let Some(scrape) = &spec.scrape else {
            return Ok(());
        };
        if self.targets.is_none() {
            let why = "nothing is scraped here; name a directory of file_sd in spec.onprem.monitor.targetsDirectory";
            return Err(unsupported(OPERATION, "scrape", why));
        }
        if scrape.port == 0 {
            return Err(invalid(
                OPERATION,
                "scrape.port",
                scrape.port,
                "is no port; use 1 to 65535",
            ));
        }
        if !scrape.path.starts_with('/') {
            return Err(invalid(
                OPERATION,
                "scrape.path",
                &scrape.path,
                "is no path; begin it with /",
            ));
        }
        Ok(())
    }

    fn notes(&self, spec: &Monitor) -> Vec<String> {
        let meanings = spec
            .alarms
            .iter()
            .filter_map(|alarm| Figure::of(alarm).meaning(&self.config.expressions));
        let mut notes: Vec<_> = meanings.collect::<BTreeSet<_>>().into_iter().collect();
        if spec.alarms.iter().any(|alarm| !alarm.notify.is_empty()) {
            notes.push("notify is the label `contact_group`, which the routes of Alertmanager must know".into());
        }
        if spec.scrape.is_some() {
            notes.push("it is scraped through the component's Service: one of its pods each time".into());
        }
        notes
    }

    async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<State>>> {
        if claims.is_empty() {
            return Vec::new();
        }
        let states = match self.states("monitor.observe").await {
            Ok(states) => states,
            Err(error) => return for_each(claims, &error),
        };
        let look = |claim: &Claim| {
            if let Some(id) = &claim.id {
                return states.get(id).cloned().map_or(Sighting::Absent, Sighting::One);
            }
            let ours = |state: &&State| {
                state
                    .owner
                    .as_ref()
                    .is_some_and(|owner| owner.identity == claim.owner.identity)
            };
            sighting(states.values().filter(ours), |state| state.id.clone())
        };
        claims.iter().map(|claim| Ok(look(claim))).collect()
    }

    fn id(&self, state: &State) -> ExternalId {
        state.id.clone()
    }

    fn owner(&self, state: &State) -> Option<Owner> {
        state.owner.clone()
    }

    fn phase(&self, state: &State) -> Phase {
        if self.config.reload || state.is_in_force() {
            return Phase::Ready;
        }
        match &state.text {
            Some(_) => {
                Phase::Busy("Prometheus has not read the rules yet; something beside it has to reload it".into())
            }
            None => Phase::Deleting,
        }
    }

    fn drift(&self, spec: &Monitor, state: &State) -> Drift {
        let mut drift = Drift::none();
        let Some(owner) = &state.owner else {
            return drift;
        };
        let wanted = rules::render(state.id.as_str(), owner, spec, &self.config).text;
        let short = |text: Option<&str>| text.map_or("none".into(), crate::api::digest);
        let mut note = |field, desired, observed| {
            let change = Change::Enforced;
            drift.0.push(Difference {
                field,
                desired,
                observed,
                change,
            });
        };
        if state.text.as_deref() != Some(&wanted) {
            note("alarms", short(Some(&wanted)), short(state.text.as_deref()));
        } else if !state.is_in_force() {
            note("alarms", "in force".into(), "not in force".into());
        }
        let targets = self.wanted_targets(owner, spec);
        if targets != state.targets {
            note("scrape", short(targets.as_deref()), short(state.targets.as_deref()));
        }
        drift
    }

    fn bindings(&self, _: &Claim, _: &State) -> Bindings {
        Bindings::new()
    }

    async fn create(&self, claim: &Claim, spec: &Monitor) -> Result<Created> {
        let id = ExternalId::new(unique_name(claim));
        self.write("monitor.create", &claim.owner, &State::nothing(id.clone()), spec)
            .await?;
        Ok(Created { id, request_id: None })
    }

    async fn update(&self, claim: &Claim, state: &State, spec: &Monitor, _: &Drift) -> Result<Receipt> {
        self.write("monitor.update", &claim.owner, state, spec).await?;
        Ok(Receipt::default())
    }

    async fn delete(&self, _: &Claim, state: &State) -> Result<Receipt> {
        self.write_targets(&state.id, None).await?;
        self.rules.remove(&format!("{}{RULES}", state.id)).await?;
        if self.config.reload
            && let Reload::Refused(said) = self.prometheus.reload("monitor.delete").await?
        {
            let message = format!(
                "the rules are out of the directory, but Prometheus cannot reload and evaluates them until it can; \
                 its log tells which file of somebody else is bad: {said}"
            );
            return Err(Error::new(ErrorKind::Busy, "monitor.delete", message));
        }
        Ok(Receipt::default())
    }

    async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
        let states = self.states("monitor.inventory").await?;
        let owned = states.into_values().filter_map(|state| {
            let phase = self.phase(&state);
            let owner = state.owner.filter(|owner| owner.cluster == *cluster)?;
            Some(Owned {
                id: state.id,
                owner,
                phase,
            })
        });
        Ok(owned.collect())
    }
}
