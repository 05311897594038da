//! What the two log stores have in common, and where they differ.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mooring_provider::{Claim, Error, ErrorKind, ExternalId, Result};
use mooring_provider_http::{Method, Request, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    api::Api,
    check::unique_name,
    config::{Flavour, LogServer},
};

/// The longest time one question to Loki spans; `max_query_length` is a little more by default.
const WINDOW: Duration = Duration::from_secs(30 * 86_400);

/// A log store.
#[derive(Debug)]
pub(super) struct Server {
    api: Api,
    flavour: Flavour,
    retention: Duration,
    push: Url,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    data: Vec<String>,
}

#[derive(Deserialize)]
struct Deletion {
    #[serde(default)]
    status: String,
}

impl Server {
    pub(super) fn new(api: Api, config: &LogServer) -> Result<Self> {
        let base = config.push_url.as_ref().unwrap_or(&config.url);
        let mut push = Url::parse(base).map_err(|error| {
            Error::new(ErrorKind::InvalidSpec, "onprem.connect", "log.pushUrl: no address").with_source(error)
        })?;
        if let Ok(mut path) = push.path_segments_mut() {
            // Both take Loki's push protocol, which every common collector speaks.
            let path = path.pop_if_empty();
            if config.flavour == Flavour::VictoriaLogs {
                path.push("insert");
            }
            path.extend(["loki", "api", "v1", "push"]);
        }
        Ok(Self {
            api,
            flavour: config.flavour,
            retention: config.retention.get(),
            push,
        })
    }

    /// Where lines are pushed to.
    pub(super) const fn push(&self) -> &Url {
        &self.push
    }

    /// The tenant that a claim would have, on this attempt to find one that is nobody's.
    pub(super) fn tenant(&self, claim: &Claim, attempt: u32) -> ExternalId {
        let again = if attempt == 0 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        if self.flavour == Flavour::Loki {
            return ExternalId::new(format!("{}{again}", unique_name(claim)));
        }
        let number = |part: &str| {
            let digits = crate::api::digest(&format!("{part}{again} {}", claim.token()));
            // 0 is the tenant of everybody who names none.
            u32::from_str_radix(&digits, 16).unwrap_or(1).max(1)
        };
        ExternalId::new(format!("{}:{}", number("account"), number("project")))
    }

    /// A tenant that is nobody's, to ask in whose name does not matter.
    pub(super) fn anybody(&self) -> ExternalId {
        ExternalId::new(if self.flavour == Flavour::Loki {
            "mooring"
        } else {
            "0:0"
        })
    }

    /// The headers that name a tenant.
    pub(super) fn headers(&self, tenant: &ExternalId) -> Vec<(&'static str, String)> {
        match self.flavour {
            Flavour::Loki => vec![("X-Scope-OrgID", tenant.to_string())],
            Flavour::VictoriaLogs => {
                let (account, project) = tenant.as_str().split_once(':').unwrap_or((tenant.as_str(), "0"));
                vec![("AccountID", account.to_owned()), ("ProjectID", project.to_owned())]
            }
        }
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)], tenant: &ExternalId) -> Result<Request> {
        let mut url = self.api.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.api.request(method, url)?;
        for (name, value) in self.headers(tenant) {
            match name {
                "AccountID" => request.header("accountid", &value, false)?,
                "ProjectID" => request.header("projectid", &value, false)?,
                _ => request.header("x-scope-orgid", &value, false)?,
            }
        }
        Ok(request)
    }

    /// Asks the server something harmless: whether it answers us at all.
    pub(super) async fn check(&self, operation: &'static str, tenant: &ExternalId) -> Result<()> {
        match self.flavour {
            Flavour::Loki => drop(
                self.labels(operation, tenant, Timestamp::now(), Duration::from_secs(60))
                    .await?,
            ),
            Flavour::VictoriaLogs => drop(self.search(operation, tenant, "_time:1s").await?),
        }
        Ok(())
    }

    /// Whether any line of a tenant is found.
    pub(super) async fn has_lines(&self, operation: &'static str, tenant: &ExternalId) -> Result<bool> {
        if self.flavour == Flavour::VictoriaLogs {
            return self.search(operation, tenant, "*").await;
        }
        for (end, window) in self.windows() {
            for label in self.labels(operation, tenant, end, window).await? {
                if self.found(operation, tenant, &label, end, window).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether the server still deletes lines of a tenant.
    pub(super) async fn is_deleting(&self, operation: &'static str, tenant: &ExternalId) -> Result<bool> {
        let path: &[&str] = match self.flavour {
            Flavour::Loki => &["loki", "api", "v1", "delete"],
            Flavour::VictoriaLogs => &["delete", "active_tasks"],
        };
        let request = self.request(Method::GET, path, &[], tenant)?;
        let answer = self.api.send(operation, true, &request).await?;
        if !answer.status.is_success() {
            return Err(self.cannot_delete(operation, &answer));
        }
        if self.flavour == Flavour::Loki {
            // A tenant that never asked for a deletion has `null`.
            let deletions: Option<Vec<Deletion>> = answer.json(operation)?;
            return Ok(deletions
                .into_iter()
                .flatten()
                .any(|deletion| deletion.status != "processed"));
        }
        // One list for all tenants.
        let tasks: Vec<Json> = answer.json(operation)?;
        let (account, project) = tenant.as_str().split_once(':').unwrap_or_default();
        let is = |value: Option<&Json>, number: &str| value.and_then(Json::as_u64) == number.parse().ok();
        Ok(tasks
            .iter()
            .flat_map(|task| task["tenant_ids"].as_array())
            .flatten()
            .any(|tenant| is(tenant.get("account_id"), account) && is(tenant.get("project_id"), project)))
    }

    /// Asks for the deletion of every line of a tenant.
    pub(super) async fn delete(&self, operation: &'static str, tenant: &ExternalId) -> Result<()> {
        if self.flavour == Flavour::VictoriaLogs {
            let request = self.request(Method::POST, &["delete", "run_task"], &[("filter", "*")], tenant)?;
            let answer = self.api.send(operation, false, &request).await?;
            return if answer.status.is_success() {
                Ok(())
            } else {
                Err(self.cannot_delete(operation, &answer))
            };
        }
        let mut labels = std::collections::BTreeSet::new();
        for (end, window) in self.windows() {
            labels.extend(self.labels(operation, tenant, end, window).await?);
        }
        // Loki wants a selector that cannot match nothing; every stream has some label.
        for label in labels {
            let query = format!(r#"{{{label}=~".+"}}"#);
            let now = Timestamp::now();
            let start = (now - self.kept()).as_second().to_string();
            let (query, end) = (
                [("query", query.as_str()), ("start", &start)],
                now.as_second().to_string(),
            );
            let query = [query[0], query[1], ("end", end.as_str())];
            let request = self.request(Method::POST, &["loki", "api", "v1", "delete"], &query, tenant)?;
            let answer = self.api.send(operation, false, &request).await?;
            if !answer.status.is_success() {
                return Err(self.cannot_delete(operation, &answer));
            }
        }
        Ok(())
    }

    fn cannot_delete(&self, operation: &'static str, answer: &mooring_provider_http::Answer) -> Error {
        let fix = match (self.flavour, answer.status) {
            (Flavour::VictoriaLogs, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) => {
                "this VictoriaLogs deletes no lines: start a version that can with -delete.enable"
            }
            (Flavour::Loki, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) => {
                "this Loki deletes no lines: set compactor.retention_enabled and compactor.delete_request_store, and \
                 limits_config.deletion_mode to filter-and-delete"
            }
            _ => return self.api.error(ErrorKind::Unexpected, operation, answer),
        };
        let message = format!(
            "{fix}, or set spec.onprem.log.removal to ageOut; it says: {}",
            self.api.said(answer)
        );
        Error::new(ErrorKind::Unsupported, operation, message)
    }

    /// Whether VictoriaLogs finds a line.
    async fn search(&self, operation: &'static str, tenant: &ExternalId, query: &str) -> Result<bool> {
        let query = [("query", query), ("limit", "1")];
        let request = self.request(Method::GET, &["select", "logsql", "query"], &query, tenant)?;
        let answer = self.api.succeed(operation, true, &request).await?;
        Ok(!answer.body.trim_ascii().is_empty())
    }

    /// The names of the labels that Loki knows of a tenant.
    async fn labels(
        &self,
        operation: &'static str,
        tenant: &ExternalId,
        end: Timestamp,
        window: Duration,
    ) -> Result<Vec<String>> {
        let (start, end) = nanoseconds(end, window);
        let query = [("start", start.as_str()), ("end", end.as_str())];
        let request = self.request(Method::GET, &["loki", "api", "v1", "labels"], &query, tenant)?;
        Ok(self
            .api
            .succeed(operation, true, &request)
            .await?
            .json::<Labels>(operation)?
            .data)
    }

    /// Whether Loki finds a line with such a label.
    async fn found(
        &self,
        operation: &'static str,
        tenant: &ExternalId,
        label: &str,
        end: Timestamp,
        window: Duration,
    ) -> Result<bool> {
        let (start, end) = nanoseconds(end, window);
        let query = format!(r#"{{{label}=~".+"}}"#);
        let query = [
            ("query", query.as_str()),
            ("start", &start),
            ("end", &end),
            ("limit", "1"),
        ];
        let request = self.request(Method::GET, &["loki", "api", "v1", "query_range"], &query, tenant)?;
        let answer: Json = self.api.succeed(operation, true, &request).await?.json(operation)?;
        Ok(answer["data"]["result"]
            .as_array()
            .is_some_and(|streams| !streams.is_empty()))
    }

    /// How long ago the oldest line may be.
    fn kept(&self) -> SignedDuration {
        SignedDuration::try_from(self.retention + Duration::from_secs(86_400)).unwrap_or(SignedDuration::MAX)
    }

    /// The time in which lines may be, from now on backwards, in parts that Loki answers.
    fn windows(&self) -> Vec<(Timestamp, Duration)> {
        // Collectors' clocks may be a little ahead.
        let mut end = Timestamp::now() + SignedDuration::from_mins(10);
        let oldest = end - self.kept();
        let mut windows = Vec::new();
        while end > oldest {
            let left = Duration::try_from(end.duration_since(oldest)).unwrap_or_default();
            windows.push((end, left.min(WINDOW)));
            end -= SignedDuration::try_from(WINDOW).unwrap_or(SignedDuration::MAX);
        }
        windows
    }
}

fn nanoseconds(end: Timestamp, window: Duration) -> (String, String) {
    let end = end.as_nanosecond();
    ((end - window.as_nanos() as i128).to_string(), end.to_string())
}
