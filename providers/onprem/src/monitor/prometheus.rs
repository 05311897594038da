//! The part of Prometheus's API that is needed.

use std::collections::BTreeMap;

use mooring_provider::{Error, ErrorKind, Owner, Result};
use mooring_provider_http::{Method, StatusCode};
use serde::Deserialize;

use super::rules::{OWNER_ANNOTATION, REVISION_ANNOTATION};
use crate::api::Api;

/// Prometheus's API.
#[derive(Debug)]
pub(super) struct Prometheus(pub(super) Api);

/// A group of rules that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Whose it is; `None` when it is not ours.
    pub(super) owner: Option<Owner>,
    /// Which rules it has.
    pub(super) revision: Option<String>,
}

/// How a reload ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reload {
    /// The rules in the files are in force.
    Taken,
    /// Some file is bad; the rules from before are in force.
    Refused(String),
}

#[derive(Deserialize)]
struct Rules {
    data: Groups,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Prometheus {
    /// The groups of alarms that are in force, by their names.
    pub(super) async fn rules(&self, operation: &'static str) -> Result<BTreeMap<String, Loaded>> {
        let mut url = self.0.url(&["api", "v1", "rules"]);
        url.set_query(Some("type=alert"));
        let request = self.0.request(Method::GET, url)?;
        let rules: Rules = self.0.succeed(operation, true, &request).await?.json(operation)?;
        let loaded = rules.data.groups.into_iter().map(|group| {
            let annotation = |name: &str| group.rules.first().and_then(|rule| rule.annotations.get(name));
            let loaded = Loaded {
                owner: annotation(OWNER_ANNOTATION).and_then(|owner| serde_json::from_str(owner).ok()),
                revision: annotation(REVISION_ANNOTATION).cloned(),
            };
            (group.name, loaded)
        });
        Ok(loaded.collect())
    }

    /// Asks whether it can read an expression. It is evaluated at a time of which there is no data.
    pub(super) async fn understands(&self, operation: &'static str, expression: &str) -> Result<()> {
        let mut url = self.0.url(&["api", "v1", "query"]);
        url.query_pairs_mut()
            .append_pair("query", expression)
            .append_pair("time", "1");
        let request = self.0.request(Method::GET, url)?;
        let answer = self.0.send(operation, true, &request).await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::BAD_REQUEST => {
                let message = format!(
                    "alarms: Prometheus cannot read `{expression}`: {}",
                    self.0.said(&answer)
                );
                Err(Error::new(ErrorKind::InvalidSpec, operation, message))
            }
            // It was read, and could not be evaluated now.
            StatusCode::UNPROCESSABLE_ENTITY => Ok(()),
            _ => Err(self.0.error(ErrorKind::Unexpected, operation, &answer)),
        }
    }

    /// Has it read its files anew; answers when it has.
    pub(super) async fn reload(&self, operation: &'static str) -> Result<Reload> {
        let request = self.0.request(Method::POST, self.0.url(&["-", "reload"]))?;
        // Reading the same files twice is reading them once.
        let answer = self.0.send(operation, true, &request).await.map_err(|error| {
            if error.kind() != ErrorKind::PermissionDenied {
                return error;
            }
            let fix = "start it with --web.enable-lifecycle, or set spec.onprem.monitor.reload to false if something \
                       else reloads it";
            Error::new(
                error.kind(),
                operation,
                format!("Prometheus does not let itself be reloaded; {fix}"),
            )
            .with_source(error)
        })?;
        match answer.status {
            status if status.is_success() => Ok(Reload::Taken),
            StatusCode::INTERNAL_SERVER_ERROR => Ok(Reload::Refused(self.0.said(&answer))),
            _ => Err(self.0.error(ErrorKind::Unexpected, operation, &answer)),
        }
    }
}
